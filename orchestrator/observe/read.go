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
	readTimeout    = 500 * time.Millisecond // of one reading
	fewReaders     = 16                     // at once, in any case
	mostReaders    = 4096                   // at once, whatever there is to read
	laneReaders    = 8                      // at once, of one balancer
	fewCounters    = 16                     // of balancers
	batch          = 64                     // instances that are read at once; more are spread over the interval
	mostBatches    = 50                     // in an interval
	mostCountBytes = 4 << 20
	mostRedirects  = 3
)

// readers is how many readings may be under way at once so that n of them, each as slow as it may be, are begun
// within interval without waiting for each other.
func readers(n int, interval time.Duration) int {
	return min(fewReaders+int(float64(n)*max(1, float64(readTimeout)/float64(interval))), mostReaders)
}

// client is the way to pages: a copy of base that goes where it is sent only on the same host.
func client(base *http.Client) *http.Client {
	c := *base
	c.CheckRedirect = func(request *http.Request, via []*http.Request) error {
		switch {
		case request.URL.Host != via[0].URL.Host || request.URL.Scheme != via[0].URL.Scheme:
			return errors.New("it redirects to another host, which is not followed")
		case len(via) > mostRedirects:
			return errors.New("it redirects too often")
		}
		return nil
	}
	return &c
}

// pollEvery is the time between two readings of the counters. While there are few of them they are read twice as often: a step of the
// load is then known about a tenth of a second sooner, for a few milliseconds of processor time a second.
func (o *Observer) pollEvery() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	counters := 0
	for _, d := range o.declared {
		counters += len(d.Pool.Balancers)
	}
	if counters <= fewCounters {
		return o.Poll / 2
	}
	return o.Poll
}

// pollBalancers reads the counters of all pools. Each balancer is read in a lane of its own, so that one that does not
// answer holds up no other, and one that still is being read is left out.
func (o *Observer) pollBalancers(ctx context.Context) {
	type pool struct{ name, url string }
	lanes := map[string][]pool{} // by base URL
	o.mu.Lock()
	for _, d := range o.declared {
		if m := o.measurements[d.Name]; m != nil {
			maps.DeleteFunc(m.balancers, func(b string, _ *counter) bool { return !slices.Contains(d.Pool.Balancers, b) })
		}
		if d.Deleting {
			continue
		}
		for _, b := range d.Pool.Balancers {
			if !o.lanes[b] {
				lanes[b] = append(lanes[b], pool{d.Name, strings.TrimSuffix(b, "/") + "/v1/services/" + d.Pool.Service.Name})
			}
		}
	}
	for b := range lanes {
		o.lanes[b] = true
	}
	o.mu.Unlock()
	for b, pools := range lanes {
		o.readers.Go(func() {
			var lane sync.WaitGroup
			var silent sync.Once
			var silence error // why the rest of the lane is not asked
			next := make(chan pool, len(pools))
			for _, p := range pools {
				next <- p
			}
			close(next)
			var mu sync.Mutex
			for range min(laneReaders, len(pools)) {
				lane.Go(func() {
					for p := range next {
						mu.Lock()
						err := silence
						mu.Unlock()
						var n count
						var answered time.Time
						asked := time.Now()
						if err == nil {
							err = o.read(ctx, p.url, readTimeout, func(body io.Reader) error {
								answered = time.Now()
								if err := json.NewDecoder(io.LimitReader(body, mostCountBytes)).Decode(&n); err != nil {
									return err
								}
								return n.check()
							})
						}
						if errors.Is(err, errNoAnswer) {
							silent.Do(func() {
								mu.Lock()
								silence = err
								mu.Unlock()
							})
						}
						o.takeCount(p.name, b, asked, answered, n, err)
					}
				})
			}
			lane.Wait()
			o.mu.Lock()
			delete(o.lanes, b)
			o.mu.Unlock()
			o.wake()
		})
	}
}

// takeCount takes in what a balancer told of a pool, asked and answered when it says.
func (o *Observer) takeCount(pool, balancer string, asked, answered time.Time, n count, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.measurements[pool]
	if m == nil {
		return // its document went meanwhile
	}
	c := m.balancers[balancer]
	if c == nil {
		c = &counter{}
		m.balancers[balancer] = c
	}
	if err != nil {
		c.err = fmt.Errorf("load balancer %s: %w", balancer, err)
	} else {
		if asked.Before(c.heldAt) { // what was pushed meanwhile is newer
			n.Queued, n.Held = c.queued, c.held
		}
		c.take(c.when(n, asked, answered), n)
	}
	for name, w := range m.instances {
		m.settle(name, w, false)
	}
}

// target is one instance to read.
type target struct {
	pool, name, url string
	startedAt       time.Time
	bounds          bounds
	metrics         spec.Metrics
	signals         []string // further metrics
}

// targets are the running registered instances of all pools that are not being read, ordered by pool and name.
func (o *Observer) targets() []target {
	o.mu.Lock()
	defer o.mu.Unlock()
	var targets []target
	for _, d := range o.declared {
		if d.Deleting || d.Template == "" {
			continue
		}
		registered := o.health[d.Pool.Service.Name].of(d.Name)
		m := o.measurements[d.Name]
		containers := o.crews[d.Name].fleet(d.Pool.Template.Network, o.host.Name)
		signals := metricsOf(d.Pool.Policy.Signals)
		for name, c := range containers {
			if _, ok := registered[name]; !ok || !c.Running || c.Paused || c.Address == "" {
				continue
			}
			w := m.instances[name]
			if w == nil {
				w = &watched{}
				m.instances[name] = w
			}
			if w.busy {
				continue
			}
			w.busy = true
			b := bounds{hostCPUs: o.host.CPUs}
			if c.Template == d.Template { // of others the limit is not known
				b.cpus = d.Pool.Template.CPUs
			}
			page := "http://" + c.Address + ":" + strconv.Itoa(d.Pool.Service.Port) + d.Pool.Service.MetricsPath
			targets = append(targets, target{d.Name, name, page, c.StartedAt, b, d.Pool.Service.Metrics, signals})
		}
		if o.engineErr == nil {
			maps.DeleteFunc(m.instances, func(name string, _ *watched) bool { _, ok := containers[name]; return !ok })
		}
	}
	slices.SortFunc(targets, func(a, b target) int {
		if c := strings.Compare(a.pool, b.pool); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return targets
}

// scrape begins to read the pages of all instances, spread over most of the interval when they are many. It does not
// wait for those that are slow: each is taken in when it is read, and left out of the next reading until then.
func (o *Observer) scrape(ctx context.Context) {
	targets := o.targets()
	if len(targets) == 0 {
		return
	}
	slots := make(chan struct{}, readers(len(targets), o.Scrape))
	batches := min((len(targets)+batch-1)/batch, mostBatches)
	var reading sync.WaitGroup
	for i := range batches {
		if i > 0 {
			pause(ctx, o.Scrape*9/10/time.Duration(batches))
		}
		for _, t := range targets[i*len(targets)/batches : (i+1)*len(targets)/batches] {
			slots <- struct{}{}
			reading.Add(1)
			o.readers.Go(func() {
				defer reading.Done()
				o.readPage(ctx, t)
				<-slots
			})
		}
	}
	o.readers.Go(func() {
		reading.Wait()
		o.wake()
	})
}

// readPage reads the page of one instance and takes it in.
func (o *Observer) readPage(ctx context.Context, t target) {
	var p page
	askedAt := time.Now()
	err := o.read(ctx, t.url, readTimeout, func(body io.Reader) (err error) {
		p, err = parsePage(body, t.metrics, t.signals)
		p.askedAt, p.at = askedAt, time.Now()
		return err
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.measurements[t.pool]
	if m == nil || m.instances[t.name] == nil {
		return // it went meanwhile
	}
	m.instances[t.name].busy = false
	if err != nil {
		m.fail(t.name, time.Now(), err)
		return
	}
	m.take(t.name, p, t.startedAt, t.bounds, t.signals)
}

var errNoAnswer = errors.New("no answer")

// read gets one page within a time. Its error leaves the URL out: the caller names the instance.
func (o *Observer) read(ctx context.Context, address string, timeout time.Duration, parse func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := o.pages.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w within %s", errNoAnswer, timeout)
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
		if ctx.Err() != nil {
			return fmt.Errorf("%w within %s", errNoAnswer, timeout)
		}
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) // so that the connection is used again
	return err
}

// metricsOf are the metrics that signals want of instances.
func metricsOf(signals []spec.Signal) (metrics []string) {
	for _, s := range signals {
		if s.Source == spec.SignalInstances {
			metrics = append(metrics, s.Metric)
		}
	}
	return metrics
}

// instanceSignal is a signal that is the k-th of those measured on instances' pages. Half of the ready instances must
// tell; the others are taken to carry as much as they do. When fewer tell there is no newer value.
func (m *measurement) instanceSignal(s spec.Signal, k int, instances []fleet.Instance, now time.Time) fleet.Reading {
	var ready, told, present int
	var sum float64
	var at time.Time
	for _, i := range instances {
		if i.State != fleet.Ready {
			continue
		}
		ready++
		w := m.instances[i.Name]
		if !w.fresh(now) || k >= len(w.metrics) || w.metrics[k] != s.Metric {
			continue
		}
		values := w.newest.signals
		if s.Rate {
			values = w.rates
		}
		if k >= len(values) {
			continue // the first reading of a counter says nothing
		}
		told++
		if values[k].present {
			present++
			sum += values[k].value
		}
		if w.newest.at.After(at) {
			at = w.newest.at
		}
	}
	r := m.readings[s.Name]
	r.Name, r.Problem = s.Name, ""
	switch {
	case ready == 0:
		r.Problem = "no instance is ready to be asked"
	case told == 0 || 2*told < ready:
		r.Problem = fmt.Sprintf("%d of %d ready instances tell", told, ready)
	case present == 0:
		r.Problem = "no instance's page has metric " + s.Metric
	default:
		r.At, r.Value = at, sum*float64(ready)/float64(told)
	}
	m.readings[s.Name] = r
	return r
}
