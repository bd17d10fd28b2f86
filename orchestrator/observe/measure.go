package observe

import (
	"errors"
	"slices"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// freshFor is how old a reading may be to count as lately read.
const freshFor = 3 * time.Second

// measurement is what was measured about one pool. Its totals never fall.
type measurement struct {
	balancers map[string]*counter      // by base URL
	instances map[string]*watched      // by name
	signals   map[string]*signal       // by name; those that are read elsewhere than of the instances
	readings  map[string]fleet.Reading // newest of each signal of the instances, by name
	total     fleet.Work               // At, Requests, CPUSeconds, InstanceSeconds
}

func newMeasurement() *measurement {
	return &measurement{
		balancers: map[string]*counter{}, instances: map[string]*watched{},
		signals: map[string]*signal{}, readings: map[string]fleet.Reading{},
	}
}

// count is what a balancer's companion tells of a pool. What it does not tell is 0.
type count struct {
	At       time.Time `json:"sampledAt"` // by its own clock
	Arrivals float64   `json:"arrivals"`
	Rejected float64   `json:"rejected"`
	Errors   float64   `json:"errors"`
	Queued   int       `json:"queued"`
	Held     int       `json:"held"`
	Servers  map[string]struct {
		Requests float64 `json:"requests"`
	} `json:"servers"`
}

// check refuses what no balancer can have counted.
func (c count) check() error {
	for _, v := range []float64{c.Arrivals, c.Rejected, c.Errors, float64(c.Queued), float64(c.Held)} {
		if v < 0 || v > 1e15 {
			return errors.New("counts what cannot be: less than nothing, or more than 1e15")
		}
	}
	return nil
}

// grown is a counter that never falls, made of one that begins anew at 0 now and then.
type grown struct{ raw, total float64 }

// take takes the next reading in; first says that what was before it is not known.
func (g *grown) take(raw float64, first bool) {
	switch {
	case first:
	case raw >= g.raw:
		g.total += raw - g.raw
	default:
		g.total += raw
	}
	g.raw = raw
}

// counter is a balancer's count of a pool's arrivals.
type counter struct {
	at                         time.Time // of the newest reading; zero before the first
	by                         time.Time // the same by the balancer's clock; zero if it does not tell
	arrivals, rejected, errors grown
	servers                    map[string]*grown // requests that each instance was given
	queued, held               int
	heldAt                     time.Time // when the two above were told apart from the rest; zero if never
	err                        error     // of the newest attempt
}

// when is the time of a reading by this host's clock. The answer may have waited for a processor at either end, and what is counted over a
// time that is too short looks like a burst; so the time since the reading before is taken from the balancer's own clock, within what
// this host's clock allows.
func (c *counter) when(n count, asked, answered time.Time) time.Time {
	if c.at.IsZero() || c.by.IsZero() || n.At.IsZero() {
		return answered
	}
	at := c.at.Add(n.At.Sub(c.by))
	switch {
	case at.Before(asked):
		return asked
	case at.After(answered):
		return answered
	}
	return at
}

// take takes in a reading of a balancer. What came while the balancer did not answer is left out: it would look like a
// burst.
func (c *counter) take(at time.Time, n count) {
	first := c.at.IsZero() || c.err != nil
	c.arrivals.take(n.Arrivals, first)
	c.rejected.take(n.Rejected, first)
	c.errors.take(n.Errors, first)
	servers := make(map[string]*grown, len(n.Servers))
	for name, server := range n.Servers {
		g, known := c.servers[name]
		if !known {
			g = &grown{}
		}
		g.take(server.Requests, first || !known)
		servers[name] = g
	}
	c.at, c.by, c.servers, c.queued, c.held, c.err = at, n.At, servers, n.Queued, n.Held, nil
}

// arrivals sums the balancers up.
func (m *measurement) arrivals(balancers []string) fleet.Arrivals {
	a := fleet.Arrivals{Complete: len(balancers) > 0}
	for _, b := range balancers {
		c := m.balancers[b]
		if c == nil {
			a.Complete = false
			continue
		}
		a.Total += c.arrivals.total
		a.Rejected += c.rejected.total
		a.Errors += c.errors.total
		switch {
		case c.err != nil:
			a.Complete, a.Problem = false, c.err.Error()
		case c.at.IsZero():
			a.Complete = false
		default:
			a.Queued += c.queued
			a.Held += c.held
			if c.at.After(a.At) {
				a.At = c.at
			}
		}
	}
	return a
}

// routed is how many requests all balancers have given an instance, counted until at; ok is false when one of them does
// not tell.
func (m *measurement) routed(name string) (requests float64, at time.Time, ok bool) {
	for _, c := range m.balancers {
		if c.err != nil || c.at.IsZero() {
			return 0, time.Time{}, false
		}
		if g := c.servers[name]; g != nil {
			requests, ok = requests+g.total, true
		}
		if at.IsZero() || c.at.Before(at) {
			at = c.at
		}
	}
	return requests, at, ok
}

// watched is an instance whose page is read.
type watched struct {
	busy      bool      // it is being read
	startedAt time.Time // of the process that newest is of
	newest    page      // zero before the first
	sample    fleet.Sample
	err       error    // of the newest attempt
	metrics   []string // that newest.signals and rates are of
	rates     []amount // growth per second of newest.signals

	suspicion string // why it is not believed; empty when it is
	sane      int    // readings in a row that can be, since
	frozen    frozen
	routed    float64 // by the balancers' count when newest was read
	counted   bool    // they had one
	pending   *interval
}

// samples are the newest figures of each instance.
func (m *measurement) samples() map[string]fleet.Sample {
	samples := make(map[string]fleet.Sample, len(m.instances))
	for name, w := range m.instances {
		samples[name] = w.sample
	}
	return samples
}

// fresh says whether an instance told something lately that is believed.
func (w *watched) fresh(now time.Time) bool {
	return w != nil && w.suspicion == "" && !w.newest.at.IsZero() && now.Sub(w.newest.at) <= freshFor
}

// work is the totals, and how many of the ready instances they are fresh for.
func (m *measurement) work(instances []fleet.Instance, now time.Time) fleet.Work {
	w := m.total
	doubted := false
	for _, i := range instances {
		if i.State != fleet.Ready {
			continue
		}
		switch read := m.instances[i.Name]; {
		case read.fresh(now):
			w.Fresh++
		case read != nil && read.suspicion != "" && !doubted:
			w.Problem, doubted = i.Name+" is not believed: "+read.suspicion, true
		case read != nil && read.err != nil && w.Problem == "":
			w.Problem = read.err.Error()
		}
	}
	return w
}

// fail takes in that a page could not be read. One that says what no page can is not believed.
func (m *measurement) fail(name string, at time.Time, err error) {
	w := m.instances[name]
	w.err = errors.New("metrics of " + name + ": " + err.Error())
	if errors.Is(err, errSample) {
		w.suspect(err.Error(), at)
	}
}

// take takes in a page of an instance that was started at startedAt. What it counted before it was first read, or before
// it began anew, is not known.
func (m *measurement) take(name string, p page, startedAt time.Time, b bounds, metrics []string) {
	w := m.instances[name]
	m.settle(name, w, true)
	before, routedBefore, countedBefore := w.newest, w.routed, w.counted
	again := before.at.IsZero() || !w.startedAt.Equal(startedAt)
	sameMetrics := !again && slices.Equal(w.metrics, metrics)
	routed, _, counted := m.routed(name)
	w.newest, w.err, w.startedAt, w.metrics, w.rates = p, nil, startedAt, metrics, nil
	w.routed, w.counted = routed, counted
	seconds := p.at.Sub(before.at).Seconds()
	if again {
		w.suspicion, w.pending, w.frozen = "", nil, frozen{}
		w.sample = fleet.Sample{At: p.at, InFlight: p.inFlight}
		m.seen(p.at)
		return
	}
	if seconds <= 0 {
		return
	}
	why := doubt(before, p, b)
	if why == "" && counted {
		why = w.frozen.stuck(p, routed)
	}
	if why != "" {
		w.suspect(why, p.at)
		return
	}
	if w.suspicion != "" {
		if w.sane++; w.sane < believedAfter {
			w.sample.At = p.at
			return
		}
		w.suspicion = ""
	}
	if sameMetrics {
		w.rates = growth(before.signals, p.signals, seconds)
	}
	i := &interval{
		from: before, to: p, routedFrom: routedBefore, routed: countedBefore && counted, seconds: seconds,
		requests: p.requests - before.requests, cpu: p.cpuSeconds - before.cpuSeconds, errors: p.errors - before.errors,
	}
	w.sample = fleet.Sample{At: p.at, RPS: i.requests / seconds, CPU: i.cpu / seconds, InFlight: p.inFlight, Errors: i.errors / seconds}
	w.pending = i
	if !i.routed { // there is no count that could bear it out, now or later
		m.settle(name, w, true)
	}
}

// settle adds what an instance did to the totals once the balancers' counts bear it out: they must reach to its end, or
// anyway is set.
func (m *measurement) settle(name string, w *watched, anyway bool) {
	i := w.pending
	if i == nil {
		return
	}
	routed, at, ok := m.routed(name)
	ok = ok && i.routed && !at.Before(i.to.at)
	if !ok && !anyway {
		return
	}
	w.pending = nil
	if ok {
		if why := tooMany(i.requests, routed-i.routedFrom, i.seconds); why != "" {
			w.suspect(why, i.to.at)
			return
		}
	}
	m.total.Requests += i.requests
	m.total.CPUSeconds += i.cpu
	m.total.InstanceSeconds += i.seconds
	m.seen(i.to.at)
}

func (m *measurement) seen(at time.Time) {
	if at.After(m.total.At) {
		m.total.At = at
	}
}

// growth is by how much counters grew per second; one that fell began anew at 0.
func growth(before, now []amount, seconds float64) []amount {
	rates := make([]amount, len(now))
	for i := range now {
		if i >= len(before) || !before[i].present || !now[i].present {
			continue
		}
		g := grown{raw: before[i].value}
		g.take(now[i].value, false)
		rates[i] = amount{g.total / seconds, true}
	}
	return rates
}
