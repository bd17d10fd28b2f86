package simulate

import (
	"slices"
	"time"
)

// Result is how a policy did on a trace.
type Result struct {
	Policy string `json:"policy"`
	Trace  string `json:"trace"`
	Seed   uint64 `json:"seed"`

	Seconds          float64 `json:"seconds"`
	Requests         float64 `json:"requests"`
	ViolationSeconds float64 `json:"violationSeconds"` // in which the objective was missed, or a request was lost
	Late             float64 `json:"lateRequests"`     // answered, but not within the objective's bound
	Lost             float64 `json:"lostRequests"`     // refused after waiting too long

	InstanceHours float64 `json:"instanceHours"`
	OptimumHours  float64 `json:"optimumInstanceHours"` // of who knows what will come, and boots ahead
	CostRatio     float64 `json:"costRatio"`            // the former over the latter

	Actions        int     `json:"actions"` // changes of size
	ActionsPerHour float64 `json:"actionsPerHour"`
	Reversals      int     `json:"reversals"` // changes against the one before, within 10 minutes of it
	Largest        int     `json:"largest"`   // size

	// Time from when more instances were needed than served until enough did.
	ToCapacityP50 float64 `json:"toCapacityP50Seconds"`
	ToCapacityP99 float64 `json:"toCapacityP99Seconds"`
	Shortages     int     `json:"shortages"` // how often that was

	// Elasticity as SPEC's research group defines it: how many instances were missing, or too many, as a share of those
	// needed, in the mean over time; and the share of time in which they were.
	ThetaU float64 `json:"thetaU"`
	ThetaO float64 `json:"thetaO"`
	TauU   float64 `json:"tauU"`
	TauO   float64 `json:"tauO"`

	Rounds int      `json:"rounds"`
	Series []Sample `json:"series,omitempty"`
}

// Sample is one instant of a run, for plots.
type Sample struct {
	At      time.Duration `json:"at"`
	Rate    float64       `json:"rate"`
	Need    int           `json:"need"`
	Serving int           `json:"serving"`
	There   int           `json:"there"`
	Queued  float64       `json:"queued"`
}

// reversalWithin is how soon a change of size against the one before it counts as flapping.
const reversalWithin = 600.0

// score is what adds up to a Result.
type score struct {
	arrived, late, lost float64 // of the second
	quanta              int     // of the second

	result        Result
	instances     float64 // seconds
	optimum       float64 // instance seconds
	needed        int     // in the quantum before
	shortSince    float64
	short         bool
	shortages     []float64
	under, over   float64
	underT, timeO float64
	direction     int
	turnedAt      float64
	sampledAt     float64
}

// step adds a quantum, in which serving instances served rate.
func (s *score) step(w *world, rate float64, serving float64) {
	s.instances += float64(len(w.instances)-w.dead) * quantum
	need := s.needed
	if most := w.steady.most[:]; need < 1 || need >= instances || most[need] < rate || most[need-1] >= rate {
		need = w.steady.need(rate)
	}
	optimum := min(max(need, w.pool.Policy.Min), w.pool.Policy.Max)
	s.optimum += float64(optimum) * quantum
	if before := min(max(s.needed, w.pool.Policy.Min), w.pool.Policy.Max); optimum > before { // they are booted ahead
		s.optimum += float64(optimum-before) * (w.c.Boot.Median + w.c.Boot.Register).Seconds()
	}
	s.needed = need
	n := int(serving)
	switch {
	case n < need:
		s.under += float64(need-n) / float64(need) * quantum
		s.underT += quantum
		if !s.short {
			s.short, s.shortSince = true, w.now
		}
	case s.short:
		s.short = false
		s.shortages = append(s.shortages, w.now-s.shortSince)
	}
	if n > optimum {
		s.over += float64(n-optimum) / float64(max(1, optimum)) * quantum
		s.timeO += quantum
	}
	if s.quanta++; s.quanta == int(1/quantum) {
		s.second(w)
	}
	if every := w.c.Series.Seconds(); every > 0 && w.now >= s.sampledAt {
		s.sampledAt = w.now + every
		s.result.Series = append(s.result.Series, Sample{
			At: time.Duration(w.now * 1e9), Rate: rate, Need: need, Serving: n, There: len(w.instances), Queued: w.queued(),
		})
	}
}

// second ends a second.
func (s *score) second(w *world) {
	r := &s.result
	late := min(s.late, s.arrived)
	if s.lost > 1e-9 || late > (1-w.c.Service.Percentile)*s.arrived+1e-9 {
		r.ViolationSeconds++
	}
	r.Requests += s.arrived
	r.Late += late
	r.Lost += s.lost
	s.arrived, s.late, s.lost, s.quanta = 0, 0, 0, 0
}

// resized notes a change of size.
func (s *score) resized(w *world, size int) {
	direction := 1
	if size < w.desired {
		direction = -1
	}
	s.result.Actions++
	if s.direction == -direction && w.now-s.turnedAt < reversalWithin {
		s.result.Reversals++
	}
	s.direction, s.turnedAt = direction, w.now
	s.result.Largest = max(s.result.Largest, size)
}

// end is the result.
func (s *score) end(w *world) Result {
	r := s.result
	if s.short {
		s.shortages = append(s.shortages, w.now-s.shortSince)
	}
	slices.Sort(s.shortages)
	if n := len(s.shortages); n > 0 {
		r.ToCapacityP50, r.ToCapacityP99 = s.shortages[n/2], s.shortages[(n*99)/100]
	}
	r.Shortages = len(s.shortages)
	r.Seconds = w.now
	r.InstanceHours, r.OptimumHours = s.instances/3600, s.optimum/3600
	r.CostRatio = s.instances / max(1, s.optimum)
	r.ActionsPerHour = float64(r.Actions) / (w.now / 3600)
	r.ThetaU, r.ThetaO, r.TauU, r.TauO = s.under/w.now, s.over/w.now, s.underT/w.now, s.timeO/w.now
	return r
}
