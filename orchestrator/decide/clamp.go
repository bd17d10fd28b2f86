package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// limits bounds what any rule says, and remembers what is needed for it.
type limits struct {
	out, in  changes
	schedule scheduled
	sayings  [9]saying     // by clamp, of why
	holds    [9]saying     // by clamp, of what is told as a hold
	scratch  []fleet.Clamp // of this round
	told     []fleet.Clamp // last handed out
}

// The clamps, in the order they are applied.
const (
	clampManual = iota
	clampStep
	clampRate
	clampSchedule
	clampMax
	clampMin
	clampSlices
	clampRoom
	clampHold
)

var clampNames = [...]string{"manual", "step", "rate", "schedule", "max", "min", "slices", "room", "hold"}

// to is one clamp: it takes the size to n. about and text say why; text is asked only when it is not known yet.
func (r *round) to(clamp int, size *int, n int, about string, text func() string) {
	if *size == n {
		return
	}
	l := &r.m.limits
	l.scratch = append(l.scratch, fleet.Clamp{Name: clampNames[clamp], From: *size, To: n, Why: l.sayings[clamp].of(about, n, text)})
	*size = n
}

// hold tells that a clamp keeps the size from what is needed.
func (r *round) hold(clamp int, about string, n int, text func() string) {
	r.holds = append(r.holds, r.m.limits.holds[clamp].of(about, n, text))
}

// clamp brings the size that a rule wants within what the policy, an operator and the hosts allow:
//
//	manual size  replaces it
//	step, rate   bound how far it is from the size before
//	schedule     bounds it by the time of the week, and so do
//	max, min     at any time
//	slices       each has one at least
//	room         is what hosts leave, but min and slices stay asked for
//	hold, pause  keep it from growing, shrinking or both, whatever the others say
func (r *round) clamp(size *int) {
	m, policy, o := &r.m, &r.Pool.Policy, r.Override.InForce(r.now)
	l, before := &m.limits, m.desired
	l.scratch = append(l.scratch[:0], r.inputs.Clamps...)
	if o.Size != nil {
		r.to(clampManual, size, *o.Size, o.By+"\x00"+o.Reason, func() string { return asked(fmt.Sprintf("the size is set to %d", *o.Size), o) })
	} else {
		r.pace(size)
	}
	least, most := l.schedule.bounds(policy.Schedules, r.now, m.ahead(policy))
	least, most = max(least, policy.Min), min(most, policy.Max)
	if n := min(max(*size, min(least, policy.Max)), max(most, policy.Min)); n < policy.Min || n > policy.Max || least > policy.Min && *size < n || most < policy.Max && *size > n {
		if *size > n {
			r.hold(clampSchedule, "most", n, func() string {
				return fmt.Sprintf("more instances are needed than the schedule, %d, allows", n)
			})
		}
		r.to(clampSchedule, size, n, "", func() string { return fmt.Sprintf("the schedule bounds it to %d", n) })
	}
	if *size > policy.Max {
		r.hold(clampMax, "max", policy.Max, func() string {
			return fmt.Sprintf("more instances are needed than max, %d, allows", policy.Max)
		})
		r.to(clampMax, size, policy.Max, "", func() string { return fmt.Sprintf("max is %d", policy.Max) })
	}
	if *size < policy.Min {
		r.to(clampMin, size, policy.Min, "", func() string { return fmt.Sprintf("min is %d", policy.Min) })
	}
	if n := len(r.Pool.Slices); *size < n {
		r.to(clampSlices, size, n, "", func() string { return fmt.Sprintf("each of %d slices keeps an instance", n) })
	}
	if room := max(r.Room.Most, r.Pool.Least()); r.Room.Limited && *size > room {
		r.hold(clampRoom, r.Room.Cause, room, func() string {
			return fmt.Sprintf("more instances are needed than there is room for, %d: %s", room, r.Room.Cause)
		})
		r.to(clampRoom, size, room, r.Room.Cause, func() string { return fmt.Sprintf("there is room for %d: %s", room, r.Room.Cause) })
	}
	what := ""
	switch {
	case o.Paused:
		what = "the pool is paused"
	case o.HoldOut && *size > before:
		what = "the size is kept from growing"
	case o.HoldIn && *size < before:
		what = "the size is kept from shrinking"
	}
	if what != "" {
		if *size != before || o.Paused {
			r.hold(clampHold, what+"\x00"+o.By+o.Reason, 0, func() string { return asked(what, o) })
		}
		r.to(clampHold, size, before, what+"\x00"+o.By+o.Reason, func() string { return asked(what, o) })
	}
	if !slices.Equal(l.scratch, l.told) {
		l.told = slices.Clone(l.scratch)
	}
	r.inputs.Clamps = l.told
}

// asked is what an operator asked for, with who and why.
func asked(what string, o spec.Override) string {
	if o.By != "" {
		what += " by " + o.By
	}
	if !o.Until.IsZero() {
		what += " until " + o.Until.UTC().Format(time.RFC3339)
	}
	if o.Reason != "" {
		what += ": " + o.Reason
	}
	return what
}

// pace bounds the change of size by the policy's rates, each direction for itself.
func (r *round) pace(size *int) {
	l, before := &r.m.limits, r.m.desired
	rate, done, n, word := r.Pool.Policy.Out, &l.out, *size-before, "grow"
	if n < 0 {
		rate, done, n, word = r.Pool.Policy.In, &l.in, -n, "shrink"
	}
	if n == 0 {
		return
	}
	may, clamp, why := n, clampStep, ""
	if rate.Disabled {
		may, why = 0, "the policy does not let it "+word
	}
	if rate.MostAtOnce > 0 && may > rate.MostAtOnce {
		may, why = rate.MostAtOnce, "as many at once as the policy lets it "+word
	}
	if rate.PerMinute > 0 {
		if left := max(0, rate.PerMinute-done.within(r.now)); may > left {
			may, clamp, why = left, clampRate, "as many a minute as the policy lets it "+word
		}
	}
	if may == n {
		return
	}
	to := before + may
	if word == "shrink" {
		to = before - may
	}
	if may == 0 && word == "grow" {
		r.hold(clamp, why, 0, func() string { return "more instances are needed: " + why })
	}
	r.to(clamp, size, to, why, func() string { return why })
}

// changes is how many instances were added, or taken out, lately.
type changes struct{ made []timed }

func (c *changes) add(n int, now time.Time) { c.made = append(c.made, timed{now, n}) }

// within is how many were within the last minute.
func (c *changes) within(now time.Time) (n int) {
	c.made = slices.DeleteFunc(c.made, func(t timed) bool { return now.Sub(t.at) >= time.Minute })
	for _, t := range c.made {
		n += t.n
	}
	return n
}

// scheduled is what the schedules say, as of a minute: they change no sooner.
type scheduled struct {
	schedules   []spec.Schedule
	now, then   int64 // minutes
	least, most int
}

// bounds is the largest Min and the smallest Max of the schedules in force. A Min that begins within ahead holds already,
// so that the instances are there when it does.
func (s *scheduled) bounds(schedules []spec.Schedule, now time.Time, ahead time.Duration) (least, most int) {
	if len(schedules) == 0 {
		return 0, mostInstances
	}
	then := now.Add(ahead)
	same := len(s.schedules) == len(schedules) && &s.schedules[0] == &schedules[0]
	if !same || s.now != now.Unix()/60 || s.then != then.Unix()/60 {
		*s = scheduled{schedules: schedules, now: now.Unix() / 60, then: then.Unix() / 60, most: mostInstances}
		for _, at := range schedules {
			holds := at.Holds(now)
			if at.Min > 0 && (holds || at.Holds(then)) {
				s.least = max(s.least, at.Min)
			}
			if at.Max > 0 && holds {
				s.most = min(s.most, at.Max)
			}
		}
	}
	return s.least, s.most
}

// ahead is how far schedules are looked ahead.
func (m *Memory) ahead(p *spec.Policy) time.Duration {
	if d := time.Duration(p.Forecast.Ahead); d > 0 {
		return d
	}
	if v, ok := m.inForce.sizer.(*Viot); ok {
		return v.boot.ahead() + reaction
	}
	return bootUnknown
}
