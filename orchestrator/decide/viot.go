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

// Viot is viot's own rule: it finds the size from what comes in and what one request costs. Without a fresh count of
// arrivals it keeps the size: missing data is not low load.
type Viot struct {
	begun      bool
	source     string // what arrivals are counted from
	arrivals   rate
	service    serviceTime
	needs      window // of the scale-in window
	queue      queue
	blindSince time.Time // since when figures are missing; zero when they are not
}

// sizing is one Size in progress.
type sizing struct {
	*fleet.Snapshot
	v     *Viot
	now   time.Time
	count fleet.Count
	out   Sizing
}

// Size implements Sizer.
func (v *Viot) Size(s *fleet.Snapshot, desired int, now time.Time) Sizing {
	r := sizing{Snapshot: s, v: v, now: now, count: fleet.CountOf(s.Instances, s.Template)}
	if !v.begun {
		v.begun = true
		v.needs.add(now, desired, time.Duration(s.Pool.Policy.ScaleInAfter))
	}
	v.service.learn(s.Work)
	r.size(desired)
	return r.out
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
func (r *sizing) load() load {
	v, declared := r.v, len(r.Pool.Balancers) > 0
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
	if source != v.source {
		v.source, v.arrivals = source, rate{}
	}
	if source != "" {
		v.arrivals.add(at, total)
		l.perSecond, l.known = v.arrivals.perSecond()
	}
	l.complete = l.complete && l.known
	return l
}

// size decides how many instances the pool should have.
func (r *sizing) size(desired int) {
	v, policy := r.v, &r.Pool.Policy
	capacity := r.Pool.Template.CPUs
	if capacity == 0 {
		capacity = 1 // no limit: what one busy core can do
	}
	perInstance := capacity * policy.TargetUtilisation
	load, service, queued := r.load(), v.service.seconds, 0
	if v.source == fromBalancers {
		queued = r.Arrivals.Queued
	}
	r.blind(load)
	demand := load.perSecond * service
	busy := load.perSecond > 0 || queued > 0
	mayShrink := load.complete

	need, why := desired, ""
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
	if v.queue.stuck(queued, service > 0, r.now) && r.count.Booting == 0 && r.count.Live >= need {
		need = r.count.Live + 1
		why = fmt.Sprintf("%d requests wait for %d instances and do not get fewer", queued, r.count.Live)
	}
	in := &r.out.Inputs
	*in = fleet.Inputs{ArrivalsPerSecond: load.perSecond, ServiceTimeSeconds: service, Demand: demand, Queued: queued, Need: need}
	if !mayShrink {
		need = max(need, desired)
	}
	v.needs.add(r.now, need, time.Duration(policy.ScaleInAfter))
	in.Peak = v.needs.peak()

	r.out.Size = desired
	switch {
	case need > desired:
		r.out.Size, r.out.Cause = need, fmt.Sprintf("needs %d: %s", need, why)
	case in.Peak < desired:
		r.out.Size, r.out.Cause = in.Peak, fmt.Sprintf("no more than %d needed for %s", in.Peak, policy.ScaleInAfter)
	}
}

// blind reports that figures have been missing for long enough to matter.
func (r *sizing) blind(l load) {
	switch v := r.v; {
	case l.complete:
		v.blindSince = time.Time{}
	case v.blindSince.IsZero():
		v.blindSince = r.now
	case r.now.Sub(v.blindSince) >= staleAfter && r.count.Live > 0:
		problem := l.problem
		if problem == "" {
			problem = "no fresh figures"
		}
		r.out.Problem = "size is not reduced for want of data: " + problem
		r.out.Holds = append(r.out.Holds, "size is not reduced for want of data")
	}
}

// cpu is how many cores the pool uses now, by what fresh pages say.
func (r *sizing) cpu() (cores float64) {
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
