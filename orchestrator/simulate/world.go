package simulate

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// quantum is the least step of time, in seconds: that of an orchestrator's rounds.
const quantum = 0.25

const (
	stack    = "sim"
	pool     = "pool"
	template = "sim"
)

// epoch is when every run begins: a Monday.
var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// world is what a policy is tried on. Instances that are there are in instances, ordered by number, with what the
// policy does not see at the same index in boxes.
type world struct {
	c      *Config
	steady *steady
	chance dice
	boots  dice

	now       float64 // seconds
	tick      int     // quanta so far
	pool      spec.Pool
	memory    decide.Memory
	desired   int
	cause     string
	next      int
	instances []fleet.Instance
	boxes     []box
	serving   int
	dead      int           // of instances
	pending   int           // operations in progress
	slots     []float64     // when each of the boots that may run at once is over
	ended     []fleet.Ended // since the last round

	arrived  float64 // requests, ever
	rejected float64
	history  []float64 // arrived at each quantum, ring: what waits longest came when
	oldest   int       // place in history of what comes next
	backlog  float64   // requests beyond one at each instance

	shown     fleet.Arrivals // as last counted
	work      fleet.Work     // as last read
	used      float64        // CPU seconds since the pages were last read
	done      float64        // requests answered since then
	watched   float64        // instance seconds since then
	readAt    float64        // when they were read
	decidedAt float64        // when the size last changed
	awayTill  float64        // no round until then
	score     score
}

// box is what only the world knows of an instance.
type box struct {
	until float64 // when its operation ends; +Inf without one
	fails bool
	born  float64
}

func at(seconds float64) time.Time { return epoch.Add(time.Duration(math.Round(seconds * 1e9))) }

func newWorld(c *Config, st *steady) *world {
	w := &world{
		c: c, steady: st, chance: dice(c.Seed).split(1), boots: dice(c.Seed).split(2), next: 1,
		slots: make([]float64, max(1, c.Boot.AtOnce)), decidedAt: math.Inf(-1), readAt: math.Inf(-1),
		history: make([]float64, max(1, int(c.Service.QueueWait/quantum))),
	}
	w.pool = spec.Pool{
		Stack: stack, Name: pool, Balancers: []string{"http://balancer"}, Policy: c.Policy,
		Template: spec.Template{CPUs: c.Service.Cores}, Service: spec.Service{MaxConnections: c.Service.Connections},
	}.WithDefaults()
	if w.memory = (decide.Memory{}).With(w.rules); c.Decided == nil {
		w.memory = w.memory.Terse()
	}
	size := min(max(w.need(), c.Policy.Min), c.Policy.Max)
	w.desired = size
	for range size {
		w.add(fleet.Ready, "", math.Inf(1))
	}
	return w
}

// rules are those of the configuration; the phase of their loops is chance.
func (w *world) rules(algorithm string) (decide.Sizer, error) {
	if w.c.Rules == nil {
		return nil, errors.New("no rules")
	}
	return w.c.Rules(algorithm, unit(dice(w.c.Seed).split(3).at(0)))
}

// need is how many instances the present load needs.
func (w *world) need() int { return w.steady.need(w.c.Trace.at(w.now)) }

// add makes an instance of the next number.
func (w *world) add(state fleet.State, op fleet.OpKind, until float64) {
	i := fleet.Instance{
		Name: spec.InstanceName(stack, pool, w.next), Number: w.next, State: state, Template: template, Op: op,
		Host: [2]string{"a", "b"}[w.next%2], StartedAt: at(w.now),
	}
	if state == fleet.Ready {
		i.Since = at(w.now)
		w.serving++
	}
	w.next++
	w.instances = append(w.instances, i)
	w.boxes = append(w.boxes, box{until: until, born: w.now})
}

// fault says whether one of a kind is there.
func (w *world) fault(kind FaultKind) bool {
	for _, f := range w.c.Faults {
		if f.Kind == kind && f.holds(w.now) {
			return true
		}
	}
	return false
}

// boot is when a boot that is ordered now ends, and whether well.
func (w *world) boot(number int) (until float64, fails bool) {
	slot := 0
	for i := range w.slots {
		if w.slots[i] < w.slots[slot] {
			slot = i
		}
	}
	bits := w.boots.at(uint64(number))
	takes := w.c.Boot.Median.Seconds() * math.Exp(w.c.Boot.Spread*normals[bits&4095])
	if w.fault(SlowBoot) {
		takes *= 5
	}
	fails = w.fault(BadBoot) && unit(bits) < 0.3
	w.slots[slot] = max(w.slots[slot], w.now) + takes + w.c.Boot.Register.Seconds()
	return w.slots[slot], fails
}

// begin carries out one operation.
func (w *world) begin(op fleet.Op) {
	if op.Kind == fleet.Start || op.Kind == fleet.Warm {
		number, ok := spec.InstanceNumber(stack, pool, op.Instance)
		if !ok || number < w.next {
			panic("simulate: " + op.Instance + " was started before")
		}
		w.next = number
		until, fails := w.boot(number)
		w.add(fleet.Booting, op.Kind, until)
		w.boxes[len(w.boxes)-1].fails = fails
		w.pending++
		return
	}
	k := slices.IndexFunc(w.instances, func(i fleet.Instance) bool { return i.Name == op.Instance })
	if k < 0 {
		return // it is gone meanwhile
	}
	i, b := &w.instances[k], &w.boxes[k]
	if i.Op == "" {
		w.pending++
	}
	switch op.Kind {
	case fleet.Drain:
		if i.State == fleet.Ready {
			w.leave(i)
		}
		i.State, b.until = fleet.Draining, w.now+w.c.Drain.Seconds()+w.inside()*w.c.Service.CPUSeconds/w.c.Service.Cores
	case fleet.Remove:
		b.until = w.now + w.c.Drain.Seconds()
	case fleet.Adopt, fleet.Enlist:
		i.State, b.until = fleet.Booting, w.now+2*w.c.Boot.Register.Seconds()
	case fleet.Recall:
		b.until = w.now + 2*w.c.Boot.Register.Seconds()
	}
	i.Op = op.Kind
}

// inside is how many requests each serving instance has.
func (w *world) inside() float64 {
	if w.serving == 0 {
		return 0
	}
	return min(float64(w.c.Service.Connections), 1+w.backlog/float64(w.serving))
}

// leave takes an instance out of service. What it has it finishes by itself.
func (w *world) leave(i *fleet.Instance) {
	w.backlog = max(0, w.backlog-max(0, w.inside()-1))
	w.serving--
	i.Since = time.Time{}
}

// lose is an instance that ends at once. What it had is sent to another, late.
func (w *world) lose(k int) {
	i := &w.instances[k]
	if i.State == fleet.Ready {
		w.score.late += w.inside()
		w.backlog += 1
		w.serving--
	}
	if i.Op == "" {
		w.boxes[k].until = math.Inf(1)
	} else {
		w.pending--
	}
	w.dead++
	i.State, i.Op, i.Detail, w.boxes[k].until = fleet.Dead, "", "exited with code 137", math.Inf(1)
}

// finish ends the operations that end before till, and returns by how many instance seconds those that came into service
// add to what those served that were there at the beginning.
func (w *world) finish(till float64) (more float64) {
	noConsul := w.fault(NoConsul)
	for k := 0; k < len(w.instances); k++ {
		i, b := &w.instances[k], &w.boxes[k]
		if b.until > till {
			continue
		}
		if noConsul {
			b.until = till + quantum // what is left is to tell Consul
			continue
		}
		op := fleet.Op{Kind: i.Op, Instance: i.Name}
		ended := fleet.Ended{Op: op, Template: template}
		w.pending--
		switch {
		case b.fails:
			ended.Err = errors.New("exited with code 1 while booting")
			w.drop(k)
			k--
		case i.Op == fleet.Drain || i.Op == fleet.Remove:
			w.drop(k)
			k--
		case i.Op == fleet.Warm:
			i.State, i.Op = fleet.Standby, ""
			i.Paused = w.pool.Policy.Standby.Paused
			b.until = math.Inf(1)
		default:
			i.State, i.Op, i.Since, i.Paused = fleet.Ready, "", at(b.until), false
			more += till - max(b.until, w.now)
			b.until = math.Inf(1)
			w.serving++
		}
		w.ended = append(w.ended, ended)
	}
	return more
}

func (w *world) drop(k int) {
	if w.instances[k].State == fleet.Dead {
		w.dead--
	}
	w.instances = slices.Delete(w.instances, k, k+1)
	w.boxes = slices.Delete(w.boxes, k, k+1)
}

// step lets a quantum of time pass. rate is the mean of arrivals in it.
func (w *world) step(rate float64) {
	s := &w.c.Service
	till := w.now + quantum
	served := float64(w.serving) * quantum // instance seconds
	if w.pending > 0 {
		served += w.finish(till)
	}
	n := float64(w.serving)

	place := uint64(w.tick)
	came, z := poisson(w.chance.at(place), rate*quantum)
	w.arrived += came
	capacity := served * s.perSecond()
	work := came
	if came > 0 && s.CV > 0 {
		work = max(0, came+s.CV*math.Sqrt(came)*z) // as if so many of the mean
	}
	start := w.backlog
	w.backlog = max(0, start+work-capacity)
	answered := start + work - w.backlog
	w.done += answered
	w.used += answered * s.CPUSeconds
	w.watched += served

	// What has waited too long is refused: more cannot wait than came within that time.
	recent := w.arrived - w.history[w.oldest]
	w.history[w.oldest] = w.arrived
	if w.oldest++; w.oldest == len(w.history) {
		w.oldest = 0
	}
	if w.backlog > 0 {
		if refused := w.queued() - recent; refused > 0 {
			w.backlog -= refused
			w.rejected += refused
			w.score.lost += refused
		}
	}
	if came > 0 {
		w.score.arrived += came
		w.score.late += came * w.late(rate, (start+w.backlog)/2, served/quantum)
	}
	w.score.step(w, rate, n)
	w.tick++
	w.now = till
}

// late is the share of late requests among those that come now.
func (w *world) late(rate, backlog, serving float64) float64 {
	if serving <= 0 || w.serving == 0 {
		return 1
	}
	n := max(1, int(serving+0.5))
	late := w.steady.late(n, rate/(serving*w.c.Service.perSecond()))
	if backlog > 0.5 {
		late = max(late, w.c.Service.late(backlog+serving, serving))
	}
	return late
}

// queued is how many requests wait at the load balancer.
func (w *world) queued() float64 {
	if w.serving == 0 {
		return w.backlog
	}
	return max(0, w.backlog-float64((w.c.Service.Connections-1)*w.serving))
}

// read is what an orchestrator learns of load: the balancers' counters in each round, the pages once a second.
func (w *world) read() {
	now := at(w.now)
	if w.fault(Dark) {
		w.shown.Complete, w.shown.Problem = false, "balancer: no answer"
		w.work.Problem = "page: no answer"
		return
	}
	w.shown = fleet.Arrivals{At: now, Total: w.arrived, Queued: int(w.queued()), Rejected: w.rejected, Errors: w.rejected, Complete: true}
	if w.serving == 0 {
		w.shown.Held = w.shown.Queued
	}
	elapsed := w.now - w.readAt
	if elapsed < 1-1e-6 {
		return
	}
	if math.IsInf(elapsed, 1) {
		elapsed = 1
	}
	stale := w.fault(Stale)
	busy, rps, share := 0.0, 0.0, 1.0
	if w.watched > 0 {
		busy, rps = min(w.used/w.watched, w.c.Service.Cores), w.done/w.watched
	}
	if stale {
		share = 0.5
	}
	w.work = fleet.Work{
		At: now, Requests: w.work.Requests + w.done*share, CPUSeconds: w.work.CPUSeconds + w.used*share,
		InstanceSeconds: w.work.InstanceSeconds + w.watched*share, Fresh: w.serving,
	}
	inside := busy/w.c.Service.Cores + w.inside() - 1
	if w.serving == 0 {
		inside = 0
	}
	for k := range w.instances {
		i := &w.instances[k]
		if i.State != fleet.Ready && i.State != fleet.Draining {
			continue
		}
		if stale && i.Host == "b" {
			if i.State == fleet.Ready {
				w.work.Fresh--
				w.work.Problem = i.Name + ": no answer"
			}
			continue
		}
		i.SampledAt, i.RPS, i.CPU, i.InFlight = now, rps, busy, inside
	}
	w.used, w.done, w.watched, w.readAt = 0, 0, 0, w.now
}

// round has the policy decide and begins what it decided.
func (w *world) round() {
	w.read()
	s := fleet.Snapshot{
		Pool: w.pool, Index: 1, Template: template, Instances: w.instances, Arrivals: w.shown, Work: w.work, Ended: w.ended,
	}
	var plan fleet.Plan
	plan, w.memory = decide.Decide(s, w.memory, at(w.now))
	w.ended = w.ended[:0]
	if plan.Desired != w.desired {
		w.score.resized(w, plan.Desired)
		w.desired, w.decidedAt = plan.Desired, w.now
	}
	w.cause = plan.Cause
	for _, d := range plan.Decisions {
		for _, op := range d.Ops {
			w.begin(op)
		}
		if w.c.Decided != nil {
			w.c.Decided(time.Duration(w.now*1e9), d)
		}
	}
}

// befall lets those faults happen that begin within the quantum.
func (w *world) befall() {
	for _, f := range w.c.Faults {
		if begins := f.At.Seconds(); begins < w.now || begins >= w.now+quantum {
			continue
		}
		switch f.Kind {
		case HostLoss:
			for k := range w.instances {
				if w.instances[k].Host == "b" && w.instances[k].State != fleet.Dead {
					w.lose(k)
				}
			}
		case Leader:
			w.awayTill = w.now + f.For.Seconds()
			w.interrupt()
		case NoConsul:
			w.awayTill = max(w.awayTill, w.now+f.For.Seconds())
		}
	}
}

// interrupt is the death of the orchestrator that acts: what it was doing is left as it is, and its successor knows what
// was written down.
func (w *world) interrupt() {
	for k := range w.instances {
		i := &w.instances[k]
		if i.Op == "" {
			continue
		}
		w.pending--
		w.boxes[k].until = math.Inf(1)
		if i.State == fleet.Booting {
			i.State = fleet.Stray
		}
		i.Op = ""
	}
	w.ended = nil
	w.memory = decide.Recall(spec.Status{Desired: w.desired, Next: w.next, Cause: w.cause}, nil, w.memory.Learned()).With(w.rules)
	if w.c.Decided == nil {
		w.memory = w.memory.Terse()
	}
}
