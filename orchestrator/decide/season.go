package decide

import (
	"math"
	"time"
)

// season learns how many arrivals per second each time of the week brings, in the mean of a step.
type season struct {
	steps int // of a day
	slots []slot

	now        int       // slot
	since      time.Time // when it began to be watched
	last       time.Time
	sum        float64 // arrivals seen in it, of what was watched
	watched    float64 // seconds
	before     float64 // mean of the slot before; -1 when not known
	naive, own float64 // how far off the last slots were from "as before", and from "as before, changed as usual"
	day        int     // slots told apart so far, up to a day's
}

// slot is a step of the week. A zero seen has no rate.
type slot struct {
	rate float32 // arrivals per second, newer weeks count more
	seen uint8   // weeks
}

const (
	weekDays    = 7
	seasonLearn = 0.3              // share of the newest week in a slot's rate
	seasonGap   = 20 * time.Second // between two looks, beyond which what came in is not known
	seasonSkill = 0.02             // share of the newest slot in what is known about how well it predicts
)

func (s *season) at(t time.Time) int {
	const week = weekDays * 24 * 3600
	return int((t.Unix()%week + week) % week * int64(s.steps) / (24 * 3600) % int64(weekDays*s.steps))
}

// usual is the rate of a slot: of that day of the week once two weeks were seen, else of that time on any day.
func (s *season) usual(i int) float64 {
	if s.slots[i].seen >= 2 {
		return float64(s.slots[i].rate)
	}
	sum, n := 0.0, 0
	for d := i % s.steps; d < len(s.slots); d += s.steps {
		if s.slots[d].seen > 0 {
			sum, n = sum+float64(s.slots[d].rate), n+1
		}
	}
	if n == 0 {
		return -1
	}
	return sum / float64(n)
}

// learn takes in what comes in at now.
func (s *season) learn(perSecond float64, steps int, now time.Time) {
	if s.steps != steps {
		*s = season{steps: steps, slots: make([]slot, weekDays*steps), before: -1, now: -1}
	}
	if i := s.at(now); i != s.now {
		s.close()
		s.now, s.since, s.sum, s.watched = i, now, 0, 0
	} else if gap := now.Sub(s.last); gap > 0 && gap <= seasonGap {
		s.sum += perSecond * gap.Seconds()
		s.watched += gap.Seconds()
	}
	s.last = now
}

// close ends the present slot. One that was watched for less than half of its time teaches nothing.
func (s *season) close() {
	if s.now < 0 || s.watched < 12*3600/float64(s.steps) {
		s.before = -1
		return
	}
	mean := s.sum / s.watched
	previous := (s.now - 1 + len(s.slots)) % len(s.slots)
	if then, now := s.usual(previous), s.usual(s.now); s.before >= 0 && then > 0 && now >= 0 {
		s.naive += seasonSkill * (math.Abs(mean-s.before) - s.naive)
		s.own += seasonSkill * (math.Abs(mean-s.before*now/then) - s.own)
	}
	at := &s.slots[s.now]
	if at.seen == 0 {
		at.rate = float32(mean)
	} else {
		at.rate += seasonLearn * (float32(mean) - at.rate)
	}
	at.seen = min(at.seen+1, math.MaxUint8)
	s.before = mean
}

// ahead is what is to be expected a time after now, if the present slot's rate changes as it usually does; ok is false
// unless more is, and the seasons have told more than the present did.
func (s *season) ahead(perSecond float64, by time.Duration, now time.Time) (expected float64, ok bool) {
	if s.steps == 0 || !(s.own < 0.9*s.naive) {
		return 0, false
	}
	next := s.at(now.Add(by))
	if next == s.now {
		return 0, false
	}
	then, later := s.usual(s.now), s.usual(next)
	if then <= 0 || later <= then {
		return 0, false
	}
	return min(perSecond*later/then, max(perSecond, later)), true
}
