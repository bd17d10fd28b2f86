package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	signalTimeout    = 2 * time.Second
	signalReaders    = 32 // at once
	mostPromptBytes  = 1 << 20
	mostVectorPoints = 10_000
)

// signal is one that is read of a page or of a Prometheus server.
type signal struct {
	of      spec.Signal // what the rest is of
	busy    bool        // it is being read
	at      time.Time   // of raw; zero before the first reading
	raw     grown
	reading fleet.Reading
}

// readSignals begins to read every signal that is not measured by viot itself nor being read.
func (o *Observer) readSignals(ctx context.Context) {
	type wanted struct {
		pool string
		s    spec.Signal
	}
	var due []wanted
	o.mu.Lock()
	for _, d := range o.declared {
		m := o.measurements[d.Name]
		if d.Deleting || m == nil {
			continue
		}
		known := map[string]*signal{}
		for _, s := range d.Pool.Policy.Signals {
			if s.Source != spec.SignalPage && s.Source != spec.SignalPrometheus {
				continue
			}
			state := m.signals[s.Name]
			if state == nil || state.of != s {
				state = &signal{of: s, reading: fleet.Reading{Name: s.Name, Problem: "not read yet"}}
			}
			known[s.Name] = state
			if !state.busy {
				state.busy = true
				due = append(due, wanted{d.Name, s})
			}
		}
		m.signals = known
	}
	o.mu.Unlock()
	for _, w := range due {
		o.readers.Go(func() {
			var v float64
			err := ctx.Err()
			select {
			case o.signalSlots <- struct{}{}:
				v, err = o.readSignal(ctx, w.s)
				<-o.signalSlots
			case <-ctx.Done():
			}
			o.takeSignal(w.pool, w.s, time.Now(), v, err)
			o.wake()
		})
	}
}

// readSignal asks for the value of a signal.
func (o *Observer) readSignal(ctx context.Context, s spec.Signal) (v float64, err error) {
	address := s.URL
	parse := func(body io.Reader) (err error) { v, err = parseMetric(body, s.Metric); return err }
	if s.Source == spec.SignalPrometheus {
		address = strings.TrimSuffix(s.URL, "/") + "/api/v1/query?query=" + url.QueryEscape(s.Query)
		parse = func(body io.Reader) (err error) { v, err = parseQuery(body); return err }
	}
	err = o.read(ctx, address, signalTimeout, parse)
	return v, err
}

// takeSignal takes in a reading. A counter's value is its growth per second, so its first reading gives none.
func (o *Observer) takeSignal(pool string, s spec.Signal, at time.Time, v float64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.measurements[pool]
	if m == nil || m.signals[s.Name] == nil || m.signals[s.Name].of != s {
		return // it is not wanted any more
	}
	state := m.signals[s.Name]
	state.busy = false
	r := &state.reading
	switch {
	case err != nil:
		r.Problem = oneLine(err)
		state.at = time.Time{} // what a counter grew by meanwhile would look like a burst
	case !s.Rate:
		r.At, r.Value, r.Problem = at, v, ""
	case state.at.IsZero():
		state.at, state.raw = at, grown{raw: v}
		r.Problem = "a counter: its second reading tells"
	case at.After(state.at):
		before := state.raw.total
		state.raw.take(v, false)
		r.At, r.Value, r.Problem = at, (state.raw.total-before)/at.Sub(state.at).Seconds(), ""
		state.at = at
	}
}

// parseQuery reads the answer of a Prometheus server to an instant query: one value, or a vector, which is summed. No
// value is an error, for missing is not zero.
func parseQuery(body io.Reader) (float64, error) {
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	limited := &io.LimitedReader{R: body, N: mostPromptBytes}
	if err := json.NewDecoder(limited).Decode(&answer); err != nil {
		if limited.N == 0 {
			return 0, fmt.Errorf("answer is larger than %d bytes: aggregate the query", mostPromptBytes)
		}
		return 0, fmt.Errorf("read answer of prometheus: %w", err)
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("prometheus refuses the query: %.200s", answer.Error)
	}
	type point [2]json.RawMessage // time and value
	var points []point
	switch answer.Data.ResultType {
	case "scalar":
		points = make([]point, 1)
		if err := json.Unmarshal(answer.Data.Result, &points[0]); err != nil {
			return 0, fmt.Errorf("read answer of prometheus: %w", err)
		}
	case "vector":
		var vector []struct {
			Value point `json:"value"`
		}
		if err := json.Unmarshal(answer.Data.Result, &vector); err != nil {
			return 0, fmt.Errorf("read answer of prometheus: %w", err)
		}
		for _, v := range vector {
			points = append(points, v.Value)
		}
	default:
		return 0, fmt.Errorf("prometheus answers a %.20q: want a query with one value or a vector", answer.Data.ResultType)
	}
	switch {
	case len(points) == 0:
		return 0, errors.New("prometheus has no value for the query")
	case len(points) > mostVectorPoints:
		return 0, fmt.Errorf("prometheus answers %d values: aggregate the query", len(points))
	}
	sum := 0.0
	for _, p := range points {
		var text string
		if err := json.Unmarshal(p[1], &text); err != nil {
			return 0, fmt.Errorf("read answer of prometheus: %w", err)
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return 0, fmt.Errorf("prometheus answers %.40q: %w", text, errSample)
		}
		sum += v
	}
	return sum, nil
}

// signalsOf are the readings of a pool's signals that are not built in, in the policy's order.
func (m *measurement) signalsOf(signals []spec.Signal, instances []fleet.Instance, now time.Time) (readings []fleet.Reading) {
	k := 0
	for _, s := range signals {
		switch s.Source {
		case spec.SignalInstances:
			readings = append(readings, m.instanceSignal(s, k, instances, now))
			k++
		case spec.SignalPage, spec.SignalPrometheus:
			r := fleet.Reading{Name: s.Name, Problem: "not read yet"}
			if state := m.signals[s.Name]; state != nil && state.of == s {
				r = state.reading
			}
			readings = append(readings, r)
		}
	}
	return readings
}
