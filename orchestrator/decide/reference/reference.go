// Package reference has the sizing rules of other autoscalers, written from their sources and documents, behind the same
// signature as viot's own: to be compared with in simulation, to be watched as a shadow, and to be used live by whoever
// prefers one. Each sees what its original sees: its own loop with its own phase, and figures as old as they are there.
package reference

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// rules are the rules by name.
var rules = map[string]func(*settings) rule{
	"hpa": newHPA, "hpa-rps": newHPARPS, "kpa": newKPA, "keda": newKEDA, "aws": newAWS, "nomad": newNomad, "swarm": newSwarm,
}

// Names lists the rules there are, in order.
func Names() []string { return slices.Sorted(maps.Keys(rules)) }

// Lookup returns a new rule by its name, which settings may follow: "hpa" or "hpa:target=0.6,down=60s". Every rule knows
// the setting phase, in [0, 1): where within their periods its loops begin. Each snapshot's policy gives Min, Max and,
// where the setting target does not, the target utilisation. A Sizer serves one pool. Lookup is a decide.Rules.
func Lookup(name string) (decide.Sizer, error) {
	base, text, _ := strings.Cut(name, ":")
	construct, ok := rules[base]
	if !ok {
		return nil, fmt.Errorf("there is no scaling rule %q: want %s or one of %s", base, spec.AlgorithmViot, strings.Join(Names(), ", "))
	}
	s := &settings{given: map[string]string{}, known: map[string]bool{}}
	if text != "" {
		for _, pair := range strings.Split(text, ",") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || s.given[key] != "" {
				return nil, fmt.Errorf("scaling rule %q: %q: want settings as key=value, each once", name, pair)
			}
			s.given[key] = value
		}
	}
	s.phase = s.number("phase", 0, 0, 0.999999)
	z := &sizer{name: base, rule: construct(s)}
	z.loop = s.every(z.rule.period())
	for key := range s.given {
		if !s.known[key] {
			s.problems = append(s.problems, fmt.Sprintf("no setting %s: want %s", key, strings.Join(slices.Sorted(maps.Keys(s.known)), ", ")))
		}
	}
	if len(s.problems) > 0 {
		slices.Sort(s.problems)
		return nil, fmt.Errorf("scaling rule %q: %s", name, strings.Join(s.problems, "; "))
	}
	return z, nil
}

// rule is one autoscaler without its clock.
type rule interface {
	period() time.Duration      // of its loop
	observe(v *view)            // in every round
	step(v *view) (int, string) // once a period: size and why
}

// sizer gives a rule its clock and keeps it within the policy.
type sizer struct {
	name    string
	rule    rule
	loop    ticker
	last    time.Time // of the previous round
	counted fleet.Arrivals
	rate    float64
	work    perRequest
}

// Size implements decide.Sizer.
func (z *sizer) Size(s *fleet.Snapshot, desired int, now time.Time) decide.Sizing {
	v := z.look(s, desired, now)
	z.rule.observe(v)
	sizing := decide.Sizing{Size: desired, Inputs: fleet.Inputs{
		ArrivalsPerSecond: z.rate, ServiceTimeSeconds: z.work.seconds, Demand: z.rate * z.work.seconds, Queued: s.Arrivals.Queued, Need: desired, Winner: z.name,
	}}
	if z.loop.due(now) {
		size, why := z.rule.step(v)
		sizing.Inputs.Need = size
		sizing.Size = min(max(size, s.Pool.Policy.Min), s.Pool.Policy.Max)
		if sizing.Size != desired {
			sizing.Cause = z.name + ": " + why
		}
	}
	sizing.Inputs.Votes = []fleet.Vote{{Voter: z.name, Need: sizing.Inputs.Need, Why: "of its last step"}}
	return sizing
}

// staleAfter is the age from which a reading counts as missing.
const staleAfter = 3 * time.Second

// view is what one round shows.
type view struct {
	*fleet.Snapshot
	now     time.Time
	elapsed float64 // seconds since the previous round
	desired int
	cores   float64 // one instance's
	live    int
	ready   int
	counted bool    // arrivals are fresh
	rate    float64 // of arrivals per second, over the newest reading
	total   float64 // of arrivals
	work    float64 // CPU seconds a request takes; 0 when not known
}

// fresh says whether an instance's own figures are.
func (v *view) fresh(i *fleet.Instance) bool {
	return !i.SampledAt.IsZero() && i.Suspect == "" && v.now.Sub(i.SampledAt) <= staleAfter
}

// busy is the share of its limit an instance uses; no more than all of it.
func (v *view) busy(i *fleet.Instance) float64 { return min(1, i.CPU/v.cores) }

// concurrency is how many requests are being served or wait.
func (v *view) concurrency() float64 {
	n := float64(v.Arrivals.Queued)
	for k := range v.Instances {
		if i := &v.Instances[k]; i.State == fleet.Ready || i.State == fleet.Draining {
			n += i.InFlight
		}
	}
	return n
}

func (z *sizer) look(s *fleet.Snapshot, desired int, now time.Time) *view {
	v := &view{Snapshot: s, now: now, desired: desired, cores: s.Pool.Template.CPUs}
	if v.cores <= 0 {
		v.cores = 1
	}
	if !z.last.IsZero() {
		v.elapsed = max(0, now.Sub(z.last).Seconds())
	}
	z.last = now
	for k := range s.Instances {
		if s.Instances[k].Live() {
			v.live++
		}
		if s.Instances[k].State == fleet.Ready {
			v.ready++
		}
	}
	if a := s.Arrivals; a.At.After(z.counted.At) {
		if seconds := a.At.Sub(z.counted.At).Seconds(); !z.counted.At.IsZero() && a.Total >= z.counted.Total {
			z.rate = (a.Total - z.counted.Total) / seconds
		}
		z.counted = a
	}
	v.counted = !z.counted.At.IsZero() && now.Sub(z.counted.At) <= staleAfter
	v.rate, v.total = z.rate, z.counted.Total
	z.work.learn(s.Work)
	v.work = z.work.seconds
	return v
}

// perRequest learns the CPU time of a request, which stands for the figure an operator finds out by measuring.
type perRequest struct {
	last    fleet.Work
	seconds float64
}

func (p *perRequest) learn(w fleet.Work) {
	if !w.At.After(p.last.At) {
		return
	}
	requests, cpu := w.Requests-p.last.Requests, w.CPUSeconds-p.last.CPUSeconds
	switch {
	case p.last.At.IsZero() || requests < 0 || cpu < 0:
		p.last = w
	case requests >= 100: // fewer say little: they are counted on
		if p.seconds == 0 {
			p.seconds = cpu / requests
		}
		p.seconds += 0.1 * (cpu/requests - p.seconds)
		p.last = w
	}
}

// ticker is a clock of its own: a period and when its next turn is. The first is within one period of the first round.
type ticker struct {
	period time.Duration
	phase  float64
	next   time.Time
}

// due says whether a turn has come.
func (t *ticker) due(now time.Time) bool {
	if t.next.IsZero() {
		t.next = now.Add(time.Duration(t.phase * float64(t.period)))
	}
	if now.Before(t.next) {
		return false
	}
	for !now.Before(t.next) {
		t.next = t.next.Add(t.period)
	}
	return true
}

// settings are what a rule is tuned by. Asking for one makes it known.
type settings struct {
	phase    float64
	clocks   int
	given    map[string]string
	known    map[string]bool
	problems []string
}

// every is a clock. Each of a rule's clocks has a phase of its own.
func (s *settings) every(period time.Duration) ticker {
	phase := s.phase
	if s.clocks > 0 && phase > 0 {
		_, phase = math.Modf(phase + 0.381966*float64(s.clocks)) // golden section: far from each other
	}
	s.clocks++
	return ticker{period: period, phase: phase}
}

func (s *settings) number(key string, usual, least, most float64) float64 {
	s.known[key] = true
	text, ok := s.given[key]
	if !ok {
		return usual
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= least && x <= most) {
		s.problems = append(s.problems, fmt.Sprintf("%s=%s: want a number from %v to %v", key, text, least, most))
		return usual
	}
	return x
}

func (s *settings) duration(key string, usual time.Duration) time.Duration {
	s.known[key] = true
	text, ok := s.given[key]
	if !ok {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		s.problems = append(s.problems, fmt.Sprintf("%s=%s: want a duration up to 24h such as 30s", key, text))
		return usual
	}
	return d
}

// span is a duration of more than 0.
func (s *settings) span(key string, usual time.Duration) time.Duration {
	d := s.duration(key, usual)
	if d <= 0 {
		s.problems = append(s.problems, fmt.Sprintf("%s=%s: want more than 0", key, s.given[key]))
		return usual
	}
	return d
}

func (s *settings) word(key, usual string, allowed ...string) string {
	s.known[key] = true
	text, ok := s.given[key]
	if !ok {
		return usual
	}
	if !slices.Contains(allowed, text) {
		s.problems = append(s.problems, fmt.Sprintf("%s=%s: want %s", key, text, strings.Join(allowed, " or ")))
		return usual
	}
	return text
}

// target is the share of an instance to use; 0 is that of the policy.
func (s *settings) target() target { return target(s.number("target", 0, 0.01, 1)) }

// target is the share of an instance to use; 0 is that of the policy.
type target float64

func (t target) of(v *view) float64 {
	if t > 0 {
		return float64(t)
	}
	return v.Pool.Policy.TargetUtilisation
}

// perInstance is the rate of requests at which an instance is used up to target; 0 while that is not known. An
// operator's own figure, in a signal of the policy, goes first.
func perInstance(v *view, target float64) float64 {
	for _, s := range v.Pool.Policy.Signals {
		if s.Source == spec.SignalRPS {
			return s.Target
		}
	}
	if v.work <= 0 {
		return 0
	}
	return target * v.cores / v.work
}

// whole is how many whole instances a share of them is.
func whole(x float64) int {
	if !(x < 1e6) {
		return 1e6
	}
	return int(math.Ceil(x - 1e-9))
}
