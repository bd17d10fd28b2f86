package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	readTimeout   = 500 * time.Millisecond // of one reading
	readersAtOnce = 16
	// freshFor is how old a reading may be to count as lately read.
	freshFor = 3 * time.Second
)

// measurement is what was measured about one pool. Its totals never fall.
type measurement struct {
	balancers map[string]*counter // by base URL
	instances map[string]*watched // by name
	total     fleet.Work          // At, Requests, CPUSeconds, InstanceSeconds
}

func newMeasurement() *measurement {
	return &measurement{balancers: map[string]*counter{}, instances: map[string]*watched{}}
}

// counter is a balancer's count of a pool's arrivals.
type counter struct {
	at     time.Time // of the newest reading; zero before the first
	raw    float64   // as read
	total  float64   // what it grew by since the first reading
	queued int
	err    error // of the newest attempt
}

// watched is an instance whose page is read.
type watched struct {
	newest page // zero before the first
	sample fleet.Sample
	err    error // of the newest attempt
}

// take takes in a reading of a balancer. A counter that fell began anew at 0. What came while the balancer did not
// answer is left out: it would look like a burst.
func (c *counter) take(at time.Time, raw float64, queued int) {
	switch {
	case c.at.IsZero() || c.err != nil:
	case raw >= c.raw:
		c.total += raw - c.raw
	default:
		c.total += raw
	}
	c.at, c.raw, c.queued, c.err = at, raw, queued, nil
}

// arrivals sums the balancers up.
func (m *measurement) arrivals(balancers []string) fleet.Arrivals {
	a := fleet.Arrivals{Complete: len(balancers) > 0}
	for _, b := range balancers {
		c := m.balancers[b]
		switch {
		case c == nil:
			a.Complete = false
		case c.err != nil:
			a.Complete, a.Problem = false, c.err.Error()
			a.Total += c.total
		case c.at.IsZero():
			a.Complete = false
		default:
			a.Total += c.total
			a.Queued += c.queued
			if c.at.After(a.At) {
				a.At = c.at
			}
		}
	}
	return a
}

// samples are the newest figures of each instance.
func (m *measurement) samples() map[string]fleet.Sample {
	samples := make(map[string]fleet.Sample, len(m.instances))
	for name, w := range m.instances {
		samples[name] = w.sample
	}
	return samples
}

// work is the totals, and how many of the ready instances they are fresh for.
func (m *measurement) work(instances []fleet.Instance, now time.Time) fleet.Work {
	w := m.total
	for _, i := range instances {
		if i.State != fleet.Ready {
			continue
		}
		switch read := m.instances[i.Name]; {
		case read != nil && !read.newest.at.IsZero() && now.Sub(read.newest.at) <= freshFor:
			w.Fresh++
		case read != nil && read.err != nil && w.Problem == "":
			w.Problem = read.err.Error()
		}
	}
	return w
}

// take takes in a page of an instance. What it counted before it was first read, or before it began anew, is not known.
func (m *measurement) take(name string, p page) {
	w := m.instances[name]
	before := w.newest
	w.newest, w.err = p, nil
	if p.at.After(m.total.At) {
		m.total.At = p.at
	}
	seconds := p.at.Sub(before.at).Seconds()
	requests, cpu := p.requests-before.requests, p.cpuSeconds-before.cpuSeconds
	if before.at.IsZero() || seconds <= 0 || requests < 0 || cpu < 0 {
		w.sample = fleet.Sample{At: p.at, InFlight: p.inFlight}
		return
	}
	w.sample = fleet.Sample{At: p.at, RPS: requests / seconds, CPU: cpu / seconds, InFlight: p.inFlight}
	m.total.Requests += requests
	m.total.CPUSeconds += cpu
	m.total.InstanceSeconds += seconds
}

// target is one address to read for a pool.
type target struct {
	pool, name, url string
	metrics         spec.Metrics
}

// pollBalancers reads the counters of all balancers of all pools.
func (o *Observer) pollBalancers(ctx context.Context) {
	var targets []target
	o.mu.Lock()
	for _, d := range o.declared {
		if d.Deleting {
			continue
		}
		for _, b := range d.Pool.Balancers {
			targets = append(targets, target{d.Name, b, strings.TrimSuffix(b, "/") + "/v1/services/" + d.Pool.Service.Name, spec.Metrics{}})
		}
	}
	o.mu.Unlock()
	if len(targets) == 0 {
		return
	}
	var answers = make([]struct {
		Arrivals float64 `json:"arrivals"`
		Queued   int     `json:"queued"`
	}, len(targets))
	at, errs := o.readAll(ctx, targets, func(i int, body io.Reader) error {
		return json.NewDecoder(body).Decode(&answers[i])
	})
	o.mu.Lock()
	for i, t := range targets {
		m := o.measurements[t.pool]
		if m == nil {
			continue // its document went meanwhile
		}
		c := m.balancers[t.name]
		if c == nil {
			c = &counter{}
			m.balancers[t.name] = c
		}
		if errs[i] != nil {
			c.err = fmt.Errorf("load balancer %s: %w", t.name, errs[i])
		} else {
			c.take(at[i], answers[i].Arrivals, answers[i].Queued)
		}
	}
	o.mu.Unlock()
	o.wake()
}

// scrape reads the pages of all running registered instances of all pools.
func (o *Observer) scrape(ctx context.Context) {
	var targets []target
	o.mu.Lock()
	for _, d := range o.declared {
		if d.Deleting || d.Template == "" {
			continue
		}
		registered := o.health[d.Pool.Service.Name].of(d.Name)
		m := o.measurements[d.Name]
		containers := o.crews[d.Name].fleet(d.Pool.Template.Network, o.host.Name)
		for name, f := range containers {
			if _, ok := registered[name]; !ok || !f.Running || f.Address == "" {
				continue
			}
			if m.instances[name] == nil {
				m.instances[name] = &watched{}
			}
			page := "http://" + f.Address + ":" + strconv.Itoa(d.Pool.Service.Port) + d.Pool.Service.MetricsPath
			targets = append(targets, target{d.Name, name, page, d.Pool.Service.Metrics})
		}
		maps.DeleteFunc(m.instances, func(name string, _ *watched) bool {
			_, ok := containers[name]
			return !ok && o.engineErr == nil
		})
	}
	o.mu.Unlock()
	if len(targets) == 0 {
		return
	}
	slices.SortFunc(targets, func(a, b target) int { return strings.Compare(a.name, b.name) })
	pages := make([]page, len(targets))
	at, errs := o.readAll(ctx, targets, func(i int, body io.Reader) (err error) {
		pages[i], err = parsePage(body, targets[i].metrics)
		return err
	})
	o.mu.Lock()
	for i, t := range targets {
		m := o.measurements[t.pool]
		if m == nil || m.instances[t.name] == nil {
			continue // it went meanwhile
		}
		if errs[i] != nil {
			m.instances[t.name].err = fmt.Errorf("metrics of %s: %w", t.name, errs[i])
			continue
		}
		pages[i].at = at[i]
		m.take(t.name, pages[i])
	}
	o.mu.Unlock()
	o.wake()
}

// readAll reads all targets, a bounded number at once and each within readTimeout, and says when each was read.
func (o *Observer) readAll(ctx context.Context, targets []target, parse func(i int, body io.Reader) error) ([]time.Time, []error) {
	at, errs := make([]time.Time, len(targets)), make([]error, len(targets))
	slots := make(chan struct{}, readersAtOnce)
	var readers sync.WaitGroup
	for i, t := range targets {
		slots <- struct{}{}
		readers.Go(func() {
			defer func() { <-slots }()
			errs[i] = o.read(ctx, t.url, func(body io.Reader) error {
				at[i] = time.Now()
				return parse(i, body)
			})
		})
	}
	readers.Wait()
	return at, errs
}

// read gets one page. Its error leaves the URL out: the caller names the instance.
func (o *Observer) read(ctx context.Context, address string, parse func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := o.HTTP.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer within %s", readTimeout)
		}
		var where *url.Error
		if errors.As(err, &where) {
			return where.Err
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answers %s", response.Status)
	}
	if err := parse(response.Body); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) // so that the connection is used again
	return err
}
