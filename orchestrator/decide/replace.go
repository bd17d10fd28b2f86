package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	// frozenAfter is how long an instance must have failed its check before it is replaced.
	frozenAfter = 5 * time.Second
	// trialAfter is how long most instances must have failed their checks together before one more is started, to
	// see whether it is them or what they share.
	trialAfter = 15 * time.Second
	// holdQuiet is how long a reason for not acting must have been absent before it is told anew.
	holdQuiet = 30 * time.Second
)

// reconcile plans the operations that bring the instances to the size decided on.
func (r *round) reconcile() {
	r.resume()
	r.bury()
	r.condemn()
	r.start()
	r.drain()
	r.standby()
}

func (r *round) decide(kind fleet.Kind, cause string, ops ...fleet.Op) {
	r.plan.Decisions = append(r.plan.Decisions, fleet.Decision{At: r.now, Kind: kind, Cause: cause, Ops: ops})
}

// resume takes up what an orchestrator that is gone had begun.
func (r *round) resume() {
	for k := range r.Instances {
		i := &r.Instances[k]
		switch {
		case i.Op != "":
		case i.State == fleet.Draining && r.m.desired > r.count.Live && r.recallable(i, r.source()):
			// It is needed: see bring.
		case i.State == fleet.Draining:
			r.decide(fleet.Resume, i.Name+" was being drained", fleet.Op{Kind: fleet.Drain, Instance: i.Name})
		case i.State == fleet.Stray:
			cause := i.Name + " runs unregistered"
			if i.Detail != "" {
				cause = i.Name + ": " + i.Detail
			}
			r.decide(fleet.Resume, cause, fleet.Op{Kind: fleet.Adopt, Instance: i.Name})
		}
	}
}

// bury removes what is left of dead instances. One that somebody paused is as good as dead: it answers nothing, and whatever
// it was serving is to be repeated elsewhere.
func (r *round) bury() {
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.State != fleet.Dead || i.Op != "" {
			continue
		}
		cause := i.Name + " died: " + i.Detail
		lived := r.now.Sub(i.StartedAt) // less than nothing if the clock was set back
		if i.Paused {
			cause = i.Name + " is frozen: " + i.Detail
		} else if !i.StartedAt.IsZero() && lived >= 0 && lived < bootEarly {
			r.m.boots.fail(i.Template, cause, r.now)
		}
		r.lost++
		r.decide(fleet.Replace, cause, fleet.Op{Kind: fleet.Remove, Instance: i.Name, Failing: i.Paused})
	}
}

// condemn drains instances that have failed their check for too long. When most fail at once the fault is likely in
// what they share, or they are overloaded, and removing them would make it worse: they stay until an instance has
// become ready since.
func (r *round) condemn() {
	var frozen []fleet.Instance
	var readySince time.Time // when the newest of the ready became so
	for k := range r.Instances {
		i := &r.Instances[k]
		switch {
		case i.Op != "":
		case i.State == fleet.Unready && r.now.Sub(i.Since) >= frozenAfter:
			frozen = append(frozen, *i)
		case i.State == fleet.Ready && i.Since.After(readySince):
			readySince = i.Since
		}
	}
	if len(frozen) == 0 {
		return
	}
	most := 2*r.count.Unready > r.count.Unready+r.count.Ready
	kept, trial := 0, true
	for _, i := range frozen {
		if most && !readySince.After(i.Since) {
			kept++
			trial = trial && r.now.Sub(i.Since) >= trialAfter
			continue
		}
		r.lost++
		r.take(i.Name)
		r.spoil(i.Name)
		r.decide(fleet.Replace, fmt.Sprintf("%s has failed its check for %s", i.Name, frozenAfter),
			fleet.Op{Kind: fleet.Drain, Instance: i.Name, Failing: true})
	}
	if kept == 0 {
		return
	}
	r.problems = append(r.problems, fmt.Sprintf(
		"%d of %d instances fail their check together and are kept, for the cause is likely something they share",
		kept, r.count.Unready+r.count.Ready))
	r.holds = append(r.holds, "most instances fail their check together")
	if trial && r.count.Live <= r.m.desired && r.mayStart() {
		r.decide(fleet.Heal, "most instances have failed their check for "+trialAfter.String()+": one more is tried", r.startOps(1, r.source())...)
	}
}

// take marks an instance as leaving, so that the rest of the round counts without it.
func (r *round) take(name string) {
	r.Instances = slices.Clone(r.Instances) // the snapshot is the caller's
	i := slices.IndexFunc(r.Instances, func(i fleet.Instance) bool { return i.Name == name })
	r.Instances[i].Op, r.Instances[i].State = fleet.Drain, fleet.Draining
	r.count = fleet.CountOf(r.Instances, r.Template)
	r.count.Live += r.ordered
	r.count.Booting += r.ordered
}

// outdated counts the live instances of another template than the current one.
func (r *round) outdated() (n int, template string) {
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.Live() && i.State != fleet.Booting && r.outdates(i) {
			n, template = n+1, i.Template
		}
	}
	return n, template
}

// mayStart says whether another instance may be started now in place of a missing one.
func (r *round) mayStart() bool { return r.mayStartOf(r.source()) }

// mayStartOf says whether an instance of a template may be started now, as far as earlier boots and its image tell.
func (r *round) mayStartOf(template string) bool {
	return !r.now.Before(r.m.boots.retryAt(template)) && !(r.waits && template == r.Template)
}

// start orders what is missing: for the lost, for the size, and beyond the size what a roll-out may add.
func (r *round) start() {
	missing := r.m.desired - r.count.Live
	outdated, old := r.outdated()
	source := r.source()
	if n := min(missing, len(r.atHand(source))); n > 0 && !r.mayStart() { // a template that does not boot says nothing about them
		r.decide(fleet.Heal, fmt.Sprintf("%d of %d instances are there", r.count.Live, r.m.desired), r.bring(n, source)...)
		missing -= n
	}
	if b := r.m.boots; b.template == r.Template && b.failed > 0 {
		if b.failed >= 2 || missing > 0 {
			r.problems = append(r.problems, fmt.Sprintf("%d %s in a row did not come up: %s", b.failed, plural(b.failed, "instance"), b.reason))
		}
		if outdated > 0 && b.failed >= bootHalt && r.m.rollout.Phase != spec.RolloutHalted {
			r.problems = append(r.problems, fmt.Sprintf("roll-out of template %s halted, %d %s of template %s left in service: repair the template and run pulumi up",
				r.Template, outdated, plural(outdated, "instance"), old))
			r.holds = append(r.holds, "roll-out of template "+r.Template+" halted")
		}
		switch {
		case source != r.Template: // says nothing about it
		case !r.mayStart():
			if missing > 0 {
				r.holds = append(r.holds, "instances do not come up: the next is tried later")
			}
			return
		case r.count.Booting > 0 && b.failed >= 2:
			return // one at a time until one works
		case b.failed >= 2:
			missing = min(missing, 1)
		}
	}
	if missing > 0 {
		if !r.mayStart() {
			return
		}
		if n := min(missing, r.lost); n > 0 {
			r.replace(n)
			missing -= n
		}
		_, _, fresh := r.rolling()
		switch {
		case missing <= 0:
		case r.kind == fleet.ScaleOut:
			r.decide(fleet.ScaleOut, r.m.cause, r.bring(missing, source)...)
		case outdated > 0 && r.open && missing <= r.Pool.Policy.Update.MaxUnavailable && (source == r.Template || missing <= r.quota(fresh)):
			if r.mayStartOf(r.Template) {
				r.decide(fleet.Roll, r.rollCause(old, outdated), r.bring(missing, r.Template)...)
			}
		default:
			r.decide(fleet.Heal, fmt.Sprintf("%d of %d instances are there", r.count.Live, r.m.desired), r.bring(missing, source)...)
		}
		return
	}
	if r.Override.Paused || r.fill() || !r.mayStartOf(r.Template) {
		return
	}
	going, old, fresh := r.rolling()
	surge := r.Pool.Policy.Update.MaxSurge
	n := min(going, r.m.desired+surge-r.count.Live, surge-r.count.Booting, max(r.quota(fresh), r.asked()))
	if b := r.m.boots; b.template == r.Template && b.failed > 0 {
		n = min(n, 1-r.count.Booting) // one at a time until one works
	}
	if n > 0 {
		r.decide(fleet.Roll, r.rollCause(old, going), r.bring(n, r.Template)...)
	}
}

// replace starts n instances in place of lost ones, as part of the decision that found the first of these lost.
func (r *round) replace(n int) {
	for d := range r.plan.Decisions {
		if n > 0 && r.plan.Decisions[d].Kind == fleet.Replace {
			lost := r.sliceOf(r.plan.Decisions[d].Ops[0].Instance)
			r.plan.Decisions[d].Ops = append(r.plan.Decisions[d].Ops, r.bringTo(1, r.source(), lost)...)
			n--
		}
	}
}

// startOps takes the next n numbers, for instances of a template.
func (r *round) startOps(n int, template string) []fleet.Op {
	ops := make([]fleet.Op, 0, max(n, 0))
	for range n {
		ops = append(ops, r.startOp(template, r.place(template, "")))
	}
	return ops
}

// drain takes out what is too much. Ready instances go only while as many as decided on stay ready, but for those that
// a roll-out may do without: what is still booting does not serve yet.
func (r *round) drain() {
	if r.Override.Paused {
		return
	}
	excess := r.count.Live - r.m.desired
	spare := r.count.Ready - r.m.desired
	going, old, fresh := r.rolling()
	outdated, _ := r.outdated()
	if surplus := r.quota(fresh) <= 0 && r.m.rollout.Phase == spec.RolloutCanary || !r.open; surplus && outdated > 0 && r.kind != fleet.ScaleIn {
		excess -= max(0, min(excess, r.Pool.Policy.Update.MaxSurge)-r.asked()) // what was added stays until the update goes on
		going = r.asked()
	}
	fewer := 0 // below the size, by what a roll-out may do without
	if b := r.m.boots; going > 0 && r.lost == 0 && !(b.template == r.Template && b.failed > 0) {
		fewer = min(r.Pool.Policy.Update.MaxUnavailable, max(r.quota(fresh), r.asked()))
		if r.count.Updated == 0 {
			fewer = min(fewer, 1) // the first that takes the place of another proves that the template works
		}
	}
	if excess+fewer <= 0 {
		return
	}
	outdates := r.outdates
	if !r.open && r.asked() > 0 {
		outdates = r.rolls
	}
	var scaleIn, roll []fleet.Op
	left := slices.DeleteFunc(slices.Clone(r.Instances), func(i fleet.Instance) bool { return !i.Live() })
	passed := map[string]bool{}
	for excess+fewer > 0 {
		v, found := victim(left, passed, outdates, r.Pool.Slices)
		if !found {
			break
		}
		passed[v.Name] = true
		rolls := going > 0 && r.rolls(&v)
		allowed := 0
		if rolls && !(r.Pool.Policy.Update.MaxSurge > 0 && sole(left, r.Pool.Slices, &v)) { // else its successor comes first
			allowed = fewer
		}
		switch {
		case excess+allowed <= 0, v.State == fleet.Ready && spare+allowed <= 0:
			continue
		case v.State == fleet.Ready:
			spare--
		case r.count.Ready < r.m.desired-allowed:
			continue // unready, but there is nothing better yet
		}
		if rolls {
			going--
		}
		left = slices.DeleteFunc(left, func(i fleet.Instance) bool { return i.Name == v.Name })
		excess--
		op := fleet.Op{Kind: fleet.Drain, Instance: v.Name}
		if r.kind != fleet.ScaleIn && r.outdates(&v) {
			roll = append(roll, op)
		} else {
			scaleIn = append(scaleIn, op)
		}
	}
	if len(roll) > 0 {
		r.decide(fleet.Roll, r.rollCause(old, going), roll...)
	}
	if len(scaleIn) > 0 {
		cause := r.m.cause
		if r.kind != fleet.ScaleIn {
			cause = fmt.Sprintf("%d instances for a size of %d", r.count.Live, r.m.desired)
		}
		r.decide(fleet.ScaleIn, cause, scaleIn...)
	}
}

// report completes the plan: what is in the way, and the inputs of every decision.
func (r *round) report() {
	for _, hold := range r.holds {
		if r.m.holds == nil {
			r.m.holds = map[string]time.Time{}
		}
		if seen, ok := r.m.holds[hold]; !ok || r.now.Sub(seen) >= holdQuiet {
			r.decide(fleet.Hold, hold)
		}
		r.m.holds[hold] = r.now
	}
	maps.DeleteFunc(r.m.holds, func(_ string, seen time.Time) bool { return r.now.Sub(seen) >= holdQuiet })
	if r.Refused != "" {
		r.problems = append(r.problems, r.Refused)
	}
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.Op != "" && i.State != fleet.Dead && i.Detail != "" {
			r.problems = append(r.problems, i.Name+": "+i.Detail)
		}
	}
	for d := range r.plan.Decisions {
		r.plan.Decisions[d].Inputs = r.inputs
	}
	r.plan.Desired, r.plan.Next, r.plan.Cause, r.plan.Inputs = r.m.desired, r.m.next, r.m.cause, r.inputs
	r.plan.Rollout = r.words()
	r.plan.Template, r.plan.Hash = r.Pool.Template, r.Template
	if r.source() != r.Template {
		r.plan.Earlier, r.plan.EarlierHash = r.m.rollout.From, r.source()
	}
	r.plan.Problem = strings.Join(r.problems, "; ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
