// Package simulate replays a load through a policy: the real decide.Decide, round after round, against a modelled pool
// whose instances boot, serve, queue, drain and fail. It says what the policy would have cost and what its users would
// have had of it, in seconds for months of load. docs/simulation.md has the model, what it leaves out, and how far it is
// from the real thing.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Config is one run. Start from Defaults.
type Config struct {
	Trace   Trace
	Policy  spec.Policy // its Algorithm says by which rule
	Seed    uint64      // of all that is chance; the same seed is the same arrivals for every policy
	Service Service
	Boot    Boot
	Drain   time.Duration // from the order to drain an idle instance until it is gone
	Faults  []Fault

	// Calm is the time between rounds while nothing moves: no operation, no backlog, no fault, and a load that changes
	// little. At any other time rounds are as often as in an orchestrator, four a second. 0 is by the length of the trace.
	Calm time.Duration
	// Rules finds the rules that Policy.Algorithm may name beside viot's own; phase, in [0, 1), is where in their
	// periods their loops begin. May be nil.
	Rules func(algorithm string, phase float64) (decide.Sizer, error)
	// Series is the time between samples that are kept for plots; 0 keeps none.
	Series time.Duration
	// Decided is told each decision; may be nil.
	Decided func(at time.Duration, d fleet.Decision)

	watch func(*world) // after each quantum, for tests; may be nil
}

// Boot is how an instance comes up.
type Boot struct {
	Median   time.Duration // from the order to start it until it answers ready
	Spread   float64       // standard deviation of the logarithm of that
	Register time.Duration // from ready to its first request
	AtOnce   int           // boots in progress at a time; further ones wait
}

// Defaults are of one core an instance and requests of 10 ms, with an objective of 95 % within 100 ms, and boots as they
// were measured on Docker.
func Defaults() Config {
	return Config{
		Policy:  spec.Policy{Min: 1, Max: 80, TargetUtilisation: 0.6, SLO: spec.SLO{Percentile: 0.95, Latency: 100 * time.Millisecond}},
		Service: Service{CPUSeconds: 0.010, CV: 1, Cores: 1, Connections: 32, QueueWait: 10, Percentile: 0.95, Bound: 0.1},
		Boot:    Boot{Median: 300 * time.Millisecond, Spread: 0.2, Register: 15 * time.Millisecond, AtOnce: 4},
		Drain:   400 * time.Millisecond,
	}
}

// Validate reports every problem of the configuration at once.
func (c *Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := c.Policy.WithDefaults().Validate(); err != nil {
		problems = append(problems, err)
	}
	if len(c.Trace.Rates) < 2 || c.Trace.Step <= 0 {
		bad("trace: it has no load")
	}
	s := c.Service
	if !(s.CPUSeconds > 0 && s.CPUSeconds <= 60) || !(s.Cores > 0 && s.Cores <= 1024) || !(s.CV >= 0 && s.CV <= 20) {
		bad("service: %v CPU seconds a request, with a variation of %v, on %v cores: want more than 0 and at most 60, 20 and 1024", s.CPUSeconds, s.CV, s.Cores)
	}
	if s.Connections < 1 || !(s.QueueWait > 0 && s.QueueWait <= 3600) {
		bad("service: %d connections and a queue of %v s: want at least 1, and more than 0 up to an hour", s.Connections, s.QueueWait)
	}
	if !(s.Percentile > 0 && s.Percentile < 1) || !(s.Bound > 0) {
		bad("objective: %v within %v s: want a share between 0 and 1 and a time", s.Percentile, s.Bound)
	}
	b := c.Boot
	if b.Median <= 0 || b.Median > time.Hour || !(b.Spread >= 0 && b.Spread <= 3) || b.Register < 0 || b.AtOnce < 1 || c.Drain < 0 {
		bad("boot %v ± %v, registration %v, %d at once, drain %v: want times, a spread up to 3 and at least one at once", b.Median, b.Spread, b.Register, b.AtOnce, c.Drain)
	}
	if most := c.Trace.Peak() / s.perSecond(); most > instances {
		bad("trace: its peak keeps %.0f instances busy; want at most %d: scale it", most, instances)
	}
	if c.Calm < 0 || c.Calm > 15*time.Second {
		bad("calm %v: want at most 15s", c.Calm)
	}
	return errors.Join(problems...)
}

// calmOf is the time between calm rounds by the length of the trace.
func calmOf(length time.Duration) time.Duration {
	switch {
	case length > 3*24*time.Hour:
		return 15 * time.Second
	case length > 6*time.Hour:
		return 5 * time.Second
	}
	return time.Second
}

// Run replays the trace and scores the policy. It ends early with the context's error.
func Run(ctx context.Context, c Config) (Result, error) {
	c.Policy = c.Policy.WithDefaults()
	if err := c.Validate(); err != nil {
		return Result{}, fmt.Errorf("simulate: %w", err)
	}
	if a := c.Policy.Algorithm; a != spec.AlgorithmViot {
		if c.Rules == nil {
			return Result{}, fmt.Errorf("simulate: no rule but %s is known", spec.AlgorithmViot)
		}
		if _, err := c.Rules(a, 0); err != nil {
			return Result{}, fmt.Errorf("simulate: %w", err)
		}
	}
	if c.Calm == 0 {
		c.Calm = calmOf(c.Trace.Length())
	}
	w := newWorld(&c, steadyOf(c.Service))
	end := c.Trace.Length().Seconds()
	calm := math.Max(quantum, c.Calm.Seconds())
	var roundAt float64
	rounds, quanta := 0, 0
	for w.now < end {
		if w.now >= roundAt {
			if w.now >= w.awayTill {
				w.round()
				rounds++
			}
			roundAt = w.now + quantum
			if !w.moves(calm) {
				roundAt = w.now + calm
			}
			if quanta++; quanta&1023 == 0 && ctx.Err() != nil {
				return Result{}, ctx.Err()
			}
		} else if w.backlog > w.disturbing() {
			roundAt = w.now // it is calm no longer
			continue
		}
		w.befall()
		w.step(c.Trace.at(w.now + quantum/2))
		if c.watch != nil {
			c.watch(w)
		}
	}
	r := w.score.end(w)
	r.Policy, r.Trace, r.Seed, r.Rounds = c.Policy.Algorithm, c.Trace.Name, c.Seed, rounds
	return r, nil
}

// disturbing is a backlog that ends the calm: 20 ms of work.
func (w *world) disturbing() float64 {
	return 0.02*float64(w.serving)*w.c.Service.perSecond() + 1
}

// moves says whether something happens that rounds must follow closely, from now until the next calm one.
func (w *world) moves(calm float64) bool {
	if w.pending > 0 || w.backlog > w.disturbing() || w.now-w.decidedAt < 2 || w.now < 30 || w.now < w.awayTill || len(w.instances) != w.desired {
		return true
	}
	capacity := max(1, float64(w.serving)*w.c.Service.perSecond())
	if now := w.c.Trace.at(w.now); math.Abs(w.c.Trace.at(w.now+calm)-now) > 0.05*capacity {
		return true
	}
	for _, f := range w.c.Faults {
		if w.now+calm >= f.At.Seconds() && w.now <= (f.At+f.For).Seconds()+5 {
			return true
		}
	}
	return false
}
