package decide

import (
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Memory is what one round must remember for the next, one for each pool. The zero Memory knows nothing. Decide
// takes a Memory over and returns another: the one passed in must not be used again.
type Memory struct {
	begun     bool
	desired   int    // size last decided on
	cause     string // why
	next      int    // number of the next instance to start
	rules     Rules  // nil: viot's own rule alone
	inForce   rule
	shadow    shadow
	limits    limits
	otherwise otherwise
	scratch   *round
	boots     boots
	pulls     pulls
	rollout   spec.Rollout
	update    update
	spoiled   map[string]bool      // draining instances that are not to be recalled: they failed, or a recall did
	holds     map[string]time.Time // reasons for not acting, when each was last seen
}

// Recall is the memory of an orchestrator that takes over: what its predecessor last reported about the pool and
// decided, newest last, and what it had learnt. All may be zero.
func Recall(s spec.Status, decisions []fleet.Decision, l Learned) Memory {
	m := Memory{desired: s.Desired, cause: s.Cause, next: s.Next}
	for _, d := range decisions {
		if d.Inputs.ServiceTimeSeconds > 0 && l.ServiceSeconds == 0 {
			l.ServiceSeconds = d.Inputs.ServiceTimeSeconds
		}
	}
	m.inForce = rule{algorithm: spec.AlgorithmViot, sizer: NewViot(l)}
	return m
}

// With returns m with the rules that its policies may name.
func (m Memory) With(rules Rules) Memory {
	m.rules = rules
	return m
}

// Terse returns m for rounds of which only the plan is read: votes are put in words only when the size changes.
func (m Memory) Terse() Memory {
	m.inForce.terse = true
	if v, ok := m.inForce.sizer.(*Viot); ok {
		v.terse = true
	}
	return m
}

// Learned is what viot's rule has learnt about the pool's load; while another is in force, what it had learnt before.
func (m Memory) Learned() Learned {
	if v, ok := m.inForce.sizer.(*Viot); ok {
		return v.Learned()
	}
	return m.inForce.learned
}

// boots counts instances that did not get ready, or died as soon as they were, and how long to wait before the next
// is tried.
type boots struct {
	template string // the failures are of this template
	failed   int    // in a row
	at       time.Time
	reason   string
}

const (
	bootSteady  = 10 * time.Second // ready for that long, an instance proves that its template works
	bootEarly   = time.Second      // one that dies within that time of its start never worked
	bootBackoff = time.Second      // before the third try in a row; doubles with each further one
	bootLongest = time.Minute
	bootHalt    = 3 // failures in a row after which a roll-out counts as halted
)

func (b *boots) fail(template, reason string, now time.Time) {
	if b.template != template {
		*b = boots{template: template}
	}
	b.failed++
	b.at, b.reason = now, reason
}

// retryAt is the time before which no instance is to be started; zero when one may be at any time.
func (b *boots) retryAt(template string) time.Time {
	if b.template != template || b.failed < 2 {
		return time.Time{}
	}
	return b.at.Add(min(bootBackoff<<min(b.failed-2, 10), bootLongest))
}
