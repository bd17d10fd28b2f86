// Package decide is the orchestrator's judgement: from what was observed about a pool and what the previous round
// left behind it says what to do next and why. It is pure: time is an argument, memory goes in and comes out.
package decide

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	// staleAfter is the age from which a reading says nothing about the present.
	staleAfter = 3 * time.Second
	// Where arrivals are counted.
	fromBalancers = "balancers"
	fromInstances = "instances"
	// backlogWithin is the time in which waiting requests are to be worked off.
	backlogWithin = time.Second
)

// Decide returns the plan that moves s towards its declaration, and the memory for the next round. Without a fresh
// count of arrivals it keeps the size decided on but still respects Min and Max and replaces what is lost: missing
// data is not low load.
func Decide(s fleet.Snapshot, m Memory, now time.Time) (fleet.Plan, Memory) {
	count := fleet.CountOf(s.Instances, s.Template)
	policy := s.Pool.Policy
	if !m.begun {
		m.begun = true
		if size := min(max(m.desired, count.Live, policy.Min), policy.Max); size != m.desired {
			m.desired, m.cause = size, fmt.Sprintf("%d found, min is %d and max is %d", count.Live, policy.Min, policy.Max)
		}
		m.needs.add(now, m.desired, time.Duration(policy.ScaleInAfter))
	}
	r := round{Snapshot: s, m: m, now: now, count: count}
	r.learn()
	r.resize()
	r.reconcile()
	r.report()
	return r.plan, r.m
}

// round is one Decide in progress.
type round struct {
	fleet.Snapshot
	m     Memory
	now   time.Time
	count fleet.Count
	plan  fleet.Plan

	inputs   fleet.Inputs
	kind     fleet.Kind // of the change of size; empty when there is none
	problems []string   // what keeps the pool from being as declared
	holds    []string   // why the size is not changed, or an instance not replaced
	lost     int        // instances that are to be replaced
}

// learn takes the newest readings and results into memory.
func (r *round) learn() {
	m := &r.m
	m.next = max(m.next, 1)
	for _, i := range r.Instances {
		m.next = max(m.next, i.Number+1)
	}
	m.service.learn(r.Work)
	for _, e := range r.Ended {
		if e.Err != nil && (e.Kind == fleet.Start || e.Kind == fleet.Adopt) {
			m.boots.fail(e.Template, e.Err.Error(), r.now)
		}
	}
	for _, i := range r.Instances {
		if i.State == fleet.Ready && i.Template == m.boots.template &&
			r.now.Sub(i.Since) >= bootSteady && r.now.Sub(m.boots.at) >= bootSteady {
			m.boots = boots{}
		}
	}
}

// load is what comes in as this round believes it.
type load struct {
	perSecond float64
	known     bool   // there is a fresh estimate
	complete  bool   // and it leaves nothing out, so that it may also make the pool smaller
	problem   string // why it is not complete
}

// load picks the count to believe, by this table:
//
//	balancers' counts   instances' pages   size may grow   size may shrink
//	all fresh           half or more       yes             yes
//	all fresh           fewer              yes             no
//	some                any                yes             no
//	none                any fresh          yes             no
//	not declared        all fresh          yes             yes
//	not declared        some               yes             no
//	none                none               no              no
func (r *round) load() load {
	m, declared := &r.m, len(r.Pool.Balancers) > 0
	fresh := func(at time.Time) bool { return !at.IsZero() && r.now.Sub(at) <= staleAfter }
	source, at, total := "", time.Time{}, 0.0
	l := load{problem: r.Work.Problem}
	switch {
	case declared && fresh(r.Arrivals.At):
		source, at, total = fromBalancers, r.Arrivals.At, r.Arrivals.Total
		l.complete = r.Arrivals.Complete && 2*r.Work.Fresh >= r.count.Ready
		if !r.Arrivals.Complete {
			l.problem = r.Arrivals.Problem
		}
	case fresh(r.Work.At):
		source, at, total = fromInstances, r.Work.At, r.Work.Requests
		l.complete = !declared && r.Work.Fresh >= r.count.Ready
		if declared {
			l.problem = r.Arrivals.Problem
		}
	case declared:
		l.problem = r.Arrivals.Problem
	}
	if source != m.source {
		m.source, m.arrivals = source, rate{}
	}
	if source != "" {
		m.arrivals.add(at, total)
		l.perSecond, l.known = m.arrivals.perSecond()
	}
	l.complete = l.complete && l.known
	return l
}

// resize decides how many instances the pool should have.
func (r *round) resize() {
	m, policy := &r.m, r.Pool.Policy
	capacity := r.Pool.Template.CPUs
	if capacity == 0 {
		capacity = 1 // no limit: what one busy core can do
	}
	perInstance := capacity * policy.TargetUtilisation
	load, service, queued := r.load(), m.service.seconds, 0
	if m.source == fromBalancers {
		queued = r.Arrivals.Queued
	}
	r.blind(load)
	demand := load.perSecond * service
	busy := load.perSecond > 0 || queued > 0
	mayShrink := load.complete

	need, why := m.desired, ""
	switch {
	case !load.known:
	case service > 0:
		// What is left free on purpose works the backlog off.
		backlog := float64(queued) * service / backlogWithin.Seconds()
		need = max(instances(demand/perInstance), instances((demand+backlog)/capacity))
		why = fmt.Sprintf("%s arrivals/s × %s ms = %s cores", number(load.perSecond), number(service*1000), number(demand))
		if queued > 0 {
			why += fmt.Sprintf(" and %d queued", queued)
		}
		why += fmt.Sprintf(", at %s cores an instance", number(perInstance))
	case busy:
		cpu := r.cpu()
		need = instances(cpu / perInstance)
		why = fmt.Sprintf("%s cores in use, at %s cores an instance; service time not known yet", number(cpu), number(perInstance))
		mayShrink = false
	default:
		need, why = 0, "no arrivals"
	}
	if load.known && busy {
		need = max(need, 1)
	}
	if m.queue.stuck(queued, service > 0, r.now) && r.count.Booting == 0 && r.count.Live >= need {
		need = r.count.Live + 1
		why = fmt.Sprintf("%d requests wait for %d instances and do not get fewer", queued, r.count.Live)
	}
	r.inputs = fleet.Inputs{
		ArrivalsPerSecond: load.perSecond, ServiceTimeSeconds: service, Demand: demand, Queued: queued,
		Ready: r.count.Ready, Booting: r.count.Booting, Unready: r.count.Unready, Draining: r.count.Draining,
		Need: need, Before: m.desired,
	}
	if !mayShrink {
		need = max(need, m.desired)
	}
	m.needs.add(r.now, need, time.Duration(policy.ScaleInAfter))
	r.inputs.Peak = m.needs.peak()

	size, cause := m.desired, ""
	switch {
	case need > size:
		size, cause = need, fmt.Sprintf("needs %d: %s", need, why)
	case r.inputs.Peak < size:
		size, cause = r.inputs.Peak, fmt.Sprintf("no more than %d needed for %s", r.inputs.Peak, policy.ScaleInAfter)
	}
	if clamp := r.clamp(&size); clamp != "" && cause != "" {
		cause += ", " + clamp
	} else if clamp != "" {
		cause = clamp // the limits moved, not the load
	}
	switch {
	case size > m.desired:
		r.kind = fleet.ScaleOut
	case size < m.desired:
		r.kind = fleet.ScaleIn
	}
	if size != m.desired {
		m.desired, m.cause = size, cause
	}
	r.inputs.After = size
}

// clamp brings size within the policy and says what did, empty when nothing had to.
func (r *round) clamp(size *int) (clamp string) {
	from := *size
	name := "max"
	switch policy := r.Pool.Policy; {
	case *size > policy.Max:
		*size, clamp = policy.Max, fmt.Sprintf("max is %d", policy.Max)
		r.holds = append(r.holds, fmt.Sprintf("more instances are needed than max, %d, allows", policy.Max))
	case *size < policy.Min:
		name = "min"
		*size, clamp = policy.Min, fmt.Sprintf("min is %d", policy.Min)
	default:
		return ""
	}
	r.inputs.Clamps = append(r.inputs.Clamps, fleet.Clamp{Name: name, From: from, To: *size, Why: clamp})
	return clamp
}

// blind reports that figures have been missing for long enough to matter.
func (r *round) blind(l load) {
	switch m := &r.m; {
	case l.complete:
		m.blindSince = time.Time{}
	case m.blindSince.IsZero():
		m.blindSince = r.now
	case r.now.Sub(m.blindSince) >= staleAfter && r.count.Live > 0:
		problem := l.problem
		if problem == "" {
			problem = "no fresh figures"
		}
		r.problems = append(r.problems, "size is not reduced for want of data: "+problem)
		r.holds = append(r.holds, "size is not reduced for want of data")
	}
}

// cpu is how many cores the pool uses now, by what fresh pages say.
func (r *round) cpu() (cores float64) {
	for _, i := range r.Instances {
		if i.Live() && !i.SampledAt.IsZero() && r.now.Sub(i.SampledAt) <= staleAfter {
			cores += i.CPU
		}
	}
	return cores
}

// mostInstances bounds a size reckoned from absurd figures; policies bound it further.
const mostInstances = 100_000

// instances is how many whole instances a share of them is.
func instances(x float64) int {
	if !(x < mostInstances) { // also NaN
		return mostInstances
	}
	return int(math.Ceil(x - 1e-9))
}

// number is x to about three figures.
func number(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
