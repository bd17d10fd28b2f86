package decide

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	// compareOver is the time constant over which requests and errors are remembered for a comparison.
	compareOver = 30 * time.Second
	// compareLeast is how many requests both templates must have answered within about that time.
	compareLeast = 50
	// sampleOldest is how old a sample may be, and how much time one stands for at most.
	sampleOldest = 5 * time.Second
)

// update is what a round remembers of an update beside its Rollout: what both templates have answered. It starts anew
// with each phase and with each orchestrator.
type update struct {
	next, last answered             // of the template declared, of all others
	lastShare  float64              // of errors among last, when they last were enough
	compared   bool                 // lastShare is known
	at         time.Time            // of the last decay
	samples    map[string]time.Time // newest that was taken of each instance
}

// answered is requests, and those of them that were answered with an error, weighted by age.
type answered struct{ requests, errors float64 }

// Rollout is the state of the pool's update, for a successor.
func (m Memory) Rollout() spec.Rollout { return m.rollout }

// Resuming returns m with the state of an update that a predecessor left.
func (m Memory) Resuming(r spec.Rollout) Memory {
	m.rollout = r
	return m
}

// follow brings the state of the update up to date, and makes the template that is to run the current one of the round.
func (r *round) follow() {
	o := &r.m.rollout
	if o.To != r.Template {
		r.begin()
	}
	r.compare()
	policy := &r.Pool.Policy.Update
	under := o.Phase == spec.RolloutCanary || o.Phase == spec.RolloutWatched || o.Phase == spec.RolloutGoing
	ordered := o.To != "" && r.Override.Rollback == o.To && o.Phase != spec.RolloutReversed
	switch {
	case ordered && o.Reversible():
		r.enter(spec.RolloutReversed, "an operator asked for it")
	case ordered:
		r.problems = append(r.problems, "update to template "+o.To+" is not rolled back: no earlier template is known")
	case !under || r.Override.RolloutPaused:
	default:
		if why := r.failure(); why != "" {
			switch {
			case !policy.NoRollback && o.Reversible():
				r.enter(spec.RolloutReversed, why)
			case policy.NoRollback || r.m.boots.failed < bootHalt: // else it is tried again and again: nothing else can be started
				r.enter(spec.RolloutHalted, why)
			}
		} else {
			r.advance()
		}
	}
	if o.Phase == spec.RolloutReversed {
		r.Pool.Template, r.Template = o.From, o.FromHash
		r.count = fleet.CountOf(r.Instances, r.Template)
	}
	r.waits = r.fetch()
	r.open = !r.waits && !r.Override.RolloutPaused && o.Phase != spec.RolloutWatched && o.Phase != spec.RolloutHalted
}

// begin takes up a template that was not declared before.
func (r *round) begin() {
	o := &r.m.rollout
	others, ours := r.strangers()
	proven := o.Phase == spec.RolloutDone
	if o.Phase == spec.RolloutGoing { // it was not seen to be done, but may be
		proven = ours > 0 && ours == r.count.Ready && (others == 0 || o.FromHash == "")
	}
	if proven {
		o.From, o.FromHash = o.Target, o.To
	}
	o.Target, o.To = r.Pool.Template, r.Template
	outdated, _ := r.strangers()
	if r.Pool.Policy.Update.Canary > 0 && outdated > 0 && o.FromHash != o.To {
		r.enter(spec.RolloutCanary, "")
		return
	}
	r.enter(spec.RolloutGoing, "")
}

func (r *round) enter(phase spec.RolloutPhase, why string) {
	o := &r.m.rollout
	o.Phase, o.Since, o.Why = phase, r.now, why
	if phase == spec.RolloutCanary || phase == spec.RolloutDone || why != "" {
		r.m.update = update{}
	}
}

// strangers counts live instances by whether they are of the template declared.
func (r *round) strangers() (others, ours int) {
	for k := range r.Instances {
		i := &r.Instances[k]
		switch {
		case !i.Live():
		case i.Template == r.m.rollout.To:
			ours++
		default:
			others++
		}
	}
	return others, ours
}

// canaries is how many instances are tried first.
func (r *round) canaries() int { return max(1, min(r.Pool.Policy.Update.Canary, r.m.desired)) }

// advance enters the next phase when this one is over.
func (r *round) advance() {
	o := &r.m.rollout
	others, ours := r.strangers()
	switch o.Phase {
	case spec.RolloutCanary:
		if others == 0 {
			r.enter(spec.RolloutGoing, "")
		} else if r.count.Updated >= r.canaries() {
			r.enter(spec.RolloutWatched, "")
		}
	case spec.RolloutWatched:
		if r.now.Sub(o.Since) >= time.Duration(r.Pool.Policy.Update.CanaryFor) {
			r.enter(spec.RolloutGoing, "")
		}
	case spec.RolloutGoing:
		if others == 0 && r.count.Updated > 0 && r.count.Updated == ours && ours >= r.m.desired {
			r.enter(spec.RolloutDone, "")
		}
	}
}

// failure says why the update has failed; empty when it has not.
func (r *round) failure() string {
	o := &r.m.rollout
	if b := r.m.boots; b.template == o.To && b.failed >= bootHalt {
		return fmt.Sprintf("%d instances in a row did not come up: %s", b.failed, b.reason)
	}
	if o.Phase != spec.RolloutGoing {
		unready := 0 // of other templates: what they share with the new may be the cause
		for k := range r.Instances {
			i := &r.Instances[k]
			if i.State == fleet.Unready && i.Template != o.To {
				unready++
			}
		}
		for k := range r.Instances {
			i := &r.Instances[k]
			switch {
			case i.Template != o.To:
			case i.State == fleet.Dead && i.Op == "":
				return i.Name + " died on trial: " + i.Detail
			case i.State == fleet.Unready && unready == 0 && r.now.Sub(i.Since) >= frozenAfter:
				return fmt.Sprintf("%s failed its check for %s on trial", i.Name, frozenAfter)
			}
		}
	}
	u := &r.m.update
	if !u.compared || u.next.requests < compareLeast {
		return ""
	}
	allowed := (u.lastShare + r.Pool.Policy.Update.MaxErrorRatio) * u.next.requests
	if u.next.errors <= allowed+3*max(1, math.Sqrt(allowed)) { // what may be chance is not held against it
		return ""
	}
	return fmt.Sprintf("%.1f %% of its requests are answered with an error, of the earlier template's %.1f %%",
		100*u.next.errors/u.next.requests, 100*u.lastShare)
}

// compare takes in what the instances of both templates have answered.
func (r *round) compare() {
	u := &r.m.update
	switch r.m.rollout.Phase {
	case spec.RolloutCanary, spec.RolloutWatched, spec.RolloutGoing:
	default:
		return
	}
	if others, ours := r.strangers(); !u.compared && (others == 0 || ours == 0) {
		return // nothing to compare
	}
	if u.samples == nil {
		u.samples = map[string]time.Time{}
	}
	if passed := r.now.Sub(u.at); !u.at.IsZero() && passed > 0 {
		keep := max(0, 1-passed.Seconds()/compareOver.Seconds())
		u.next.requests, u.next.errors = u.next.requests*keep, u.next.errors*keep
		u.last.requests, u.last.errors = u.last.requests*keep, u.last.errors*keep
	}
	u.at = r.now
	for k := range r.Instances {
		i := &r.Instances[k]
		seen, known := u.samples[i.Name]
		if i.SampledAt.IsZero() || i.Suspect != "" || r.now.Sub(i.SampledAt) > sampleOldest || !i.SampledAt.After(seen) {
			continue
		}
		u.samples[i.Name] = i.SampledAt
		if !known {
			continue // how long it stands for is not known
		}
		side := &u.last
		if i.Template == r.m.rollout.To {
			side = &u.next
		}
		seconds := min(i.SampledAt.Sub(seen), sampleOldest).Seconds()
		side.requests += i.RPS * seconds
		side.errors += min(i.Errors, i.RPS) * seconds
	}
	if u.last.requests >= compareLeast {
		u.lastShare, u.compared = u.last.errors/u.last.requests, true
	}
}

// rolls says whether an instance may be replaced now: an operator has asked for it, or it is of another template and
// the update goes on.
func (r *round) rolls(i *fleet.Instance) bool {
	return slices.Contains(r.Override.Drain, i.Name) || r.open && (i.Template != r.Template || r.misplaced(i))
}

// rolling counts the live instances that may be replaced now, with the template of one, and those that need not be.
func (r *round) rolling() (n int, template string, fresh int) {
	for k := range r.Instances {
		i := &r.Instances[k]
		switch {
		case !i.Live():
		case !r.outdates(i):
			fresh++
		case i.State != fleet.Booting && r.rolls(i):
			n, template = n+1, i.Template
		}
	}
	return n, template, fresh + r.ordered - r.earlier
}

// source is the hash of what takes the place of missing instances: the template declared or rolled back to, but the
// earlier one while the one declared is on trial or its image is not there.
func (r *round) source() string {
	o := &r.m.rollout
	if o.Reversible() && (o.Phase == spec.RolloutCanary || o.Phase == spec.RolloutWatched || r.waits) {
		return o.FromHash
	}
	return r.Template
}

// quota is how many instances a roll may still bring.
func (r *round) quota(fresh int) int {
	if r.m.rollout.Phase == spec.RolloutCanary {
		return r.canaries() - fresh
	}
	return r.m.desired - fresh
}

// words is the state of the update for people; empty when none is under way.
func (r *round) words() (text string) {
	o := &r.m.rollout
	repair := "; repair the template and run pulumi up"
	outdated, _ := r.outdated()
	if r.waits {
		return r.waitWords(outdated)
	}
	switch o.Phase {
	case spec.RolloutCanary:
		text = fmt.Sprintf("template %s: %d to be tried first", o.To, r.canaries())
	case spec.RolloutWatched:
		until := o.Since.Add(time.Duration(r.Pool.Policy.Update.CanaryFor))
		text = fmt.Sprintf("template %s: on trial until %s", o.To, until.UTC().Format("15:04:05"))
	case spec.RolloutGoing:
		if outdated == 0 {
			return ""
		}
		text = fmt.Sprintf("template %s: %d to be replaced", o.To, outdated)
	case spec.RolloutHalted:
		r.problems = append(r.problems, "update to template "+o.To+" halted: "+o.Why+repair)
		return spec.Halted
	case spec.RolloutReversed:
		if outdated == 0 {
			r.problems = append(r.problems, "update to template "+o.To+" rolled back: "+o.Why+repair)
			return spec.RolledBack
		}
		r.problems = append(r.problems, "update to template "+o.To+" is being rolled back: "+o.Why+repair)
		text = fmt.Sprintf("rolling back: %d to be replaced", outdated)
	default:
		n := r.misplacedLive()
		if n == 0 {
			return ""
		}
		text = fmt.Sprintf("other slices are declared: %d to be replaced", n)
	}
	if r.Override.RolloutPaused {
		text += ", paused by an operator"
	}
	return text
}
