package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/viot-project/viot/test/load"
)

// watch follows the pool while the load runs, and draws what it sees.
type watch struct {
	settings
	out      io.Writer
	start    time.Time
	terminal bool

	tally    load.Tally
	answered atomic.Int64 // requests since the last sample
	samples  []sample
	seen     int        // number of the newest decision shown; 0 before the first look
	causes   []decision // made since the demo began
}

// sample is one point of the plot.
type sample struct {
	at                       time.Duration
	offered, answered        float64 // requests per second
	desired, ready, draining int
}

func (w *watch) record(r load.Result) {
	w.tally.Record(r)
	w.answered.Add(1)
}

// run samples once a second until the ramp is over and the pool is back at its smallest, or settle has passed.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	smallest := -1
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var pool report
		var decisions []decision
		if err := getJSON(ctx, w.orchestrator+"/v1/pools/"+w.pool, &pool); err != nil {
			return fmt.Errorf("ask the orchestrator: %w", err)
		}
		if err := getJSON(ctx, w.orchestrator+"/v1/pools/"+w.pool+"/decisions?limit=50", &decisions); err != nil {
			return fmt.Errorf("ask the orchestrator: %w", err)
		}
		since := time.Since(w.start)
		p := sample{at: since, answered: float64(w.answered.Swap(0)), desired: pool.Status.Desired, ready: pool.Status.Ready, draining: pool.Status.Draining}
		if since < w.length {
			p.offered = w.rate(since)
		}
		if smallest < 0 {
			smallest = p.ready
		}
		w.samples = append(w.samples, p)
		w.draw(p, w.fresh(decisions))
		over := since - w.length
		if over > w.settle || over > 2*time.Second && p.ready <= smallest && p.draining == 0 {
			return nil
		}
	}
}

// fresh returns the decisions not seen before, oldest first, and keeps them.
func (w *watch) fresh(newest []decision) []decision {
	var fresh []decision
	for _, d := range newest {
		if d.Number > w.seen && d.At.After(w.start) {
			fresh = append(fresh, d)
		}
	}
	for _, d := range newest {
		w.seen = max(w.seen, d.Number)
	}
	slices.SortFunc(fresh, func(a, b decision) int { return a.Number - b.Number })
	w.causes = append(w.causes, fresh...)
	return fresh
}

// draw shows one sample: on a terminal as a line that stays in place under the decisions, else as a line a sample.
func (w *watch) draw(p sample, fresh []decision) {
	if w.terminal {
		fmt.Fprint(w.out, "\r\x1b[2K")
	}
	for _, d := range fresh {
		fmt.Fprintf(w.out, "%6.1fs  %-9s %s\n", d.At.Sub(w.start).Seconds(), d.Kind, d.Cause)
	}
	line := fmt.Sprintf("%6.1fs  load %5.0f/s %-20s  answered %5.0f/s  instances %-10s", p.at.Seconds(), p.offered,
		strings.Repeat("▇", int(20*p.offered/w.peak)), p.answered,
		strings.Repeat("●", p.ready)+strings.Repeat("○", max(0, p.desired-p.ready))+strings.Repeat("◌", p.draining))
	if w.terminal {
		fmt.Fprint(w.out, line)
	} else {
		fmt.Fprintln(w.out, line)
	}
}

// finish prints the summary and writes the plot.
func (w *watch) finish() error {
	s := w.tally.Summary()
	most, last := 0, sample{}
	for _, p := range w.samples {
		most, last = max(most, p.ready), p
	}
	fmt.Fprintf(w.out, "\n\n%s\n", s)
	fmt.Fprintf(w.out, "instances: at most %d, at the end %d; decisions: %d\n", most, last.ready, len(w.causes))
	if err := w.write(); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "plot: %s\n", w.plot)
	return nil
}
