package simulate

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/decide/reference"
)

// References finds the reference rules for a Config: their settings may follow their name, as reference.Lookup has it.
func References(algorithm string, phase float64) (decide.Sizer, error) {
	separator := ":"
	if strings.Contains(algorithm, ":") {
		separator = ","
	}
	return reference.Lookup(fmt.Sprintf("%s%sphase=%.6f", algorithm, separator, phase))
}

// family is a reference rule with what it is tuned by.
type family struct {
	name     string
	usual    string   // its documented setting
	defaults []string // its documented constants, by what its operator has to choose
	tuned    []string // further constants, as good as they may be set
}

func settingsOf(name string, variant string, targets ...float64) []string {
	var all []string
	for _, t := range targets {
		setting := fmt.Sprintf("%s:target=%v", name, t)
		if variant != "" {
			setting += "," + variant
		}
		all = append(all, setting)
	}
	return all
}

// families are what viot is compared with. The tuned constants are those an expert would set for a load that moves fast:
// short windows and cooldowns, frequent readings, requests instead of CPU.
func families() []family {
	targets := []float64{0.5, 0.6, 0.7, 0.8, 0.9}
	make := func(name, usual, tuned string) family {
		return family{name, usual, settingsOf(name, "", targets...), settingsOf(name, tuned, targets...)}
	}
	return []family{
		make("hpa", "hpa:target=0.8", "up=900,down=60s"),
		make("hpa-rps", "hpa-rps:target=0.7", "scrape=5s,window=15s,down=60s"),
		make("kpa", "kpa:target=0.7", "window=30s"),
		make("keda", "keda:target=0.7", "scrape=5s,window=15s,up=900,down=60s"),
		make("aws", "aws:target=0.5", "period=20s,warmup=60s,cooldown=60s"),
		make("nomad", "nomad:target=0.7", "metric=rps,scrape=5s,window=15s,cooldownup=10s"),
		{"swarm", "swarm:high=0.85,low=0.25", []string{"swarm:high=0.6,low=0.25", "swarm:high=0.7,low=0.25", "swarm:high=0.85,low=0.25"},
			[]string{"swarm:every=15s,high=0.5,low=0.25", "swarm:every=15s,high=0.6,low=0.3", "swarm:every=15s,high=0.7,low=0.4", "swarm:every=15s,high=0.8,low=0.5"}},
	}
}

// Point is one policy on a trace, in the mean over seeds.
type Point struct {
	Family string `json:"family"`
	Tuned  bool   `json:"tuned"` // its constants are not the documented ones
	Usual  bool   `json:"usual"` // it is as documented in all
	Result Result `json:"result"`
}

// Comparison is viot's one default beside every setting of every reference rule, on one trace.
type Comparison struct {
	Trace  string  `json:"trace"`
	Viot   Result  `json:"viot"`
	Points []Point `json:"points"`
}

// Against is viot beside one reference rule at equal cost.
type Against struct {
	Family string
	// Violations of viot over those of the rule, both and one second more, at viot's cost: with the documented
	// constants, and with the best of all.
	Default, Tuned float64
	// The setting that is better in one and not worse in the other; empty when there is none.
	DominatedBy string
}

// Compare runs viot and all references on the trace of c, with each seed.
func Compare(ctx context.Context, c Config, seeds []uint64) (Comparison, error) {
	type task struct {
		algorithm string
		family    string
		tuned     bool
		usual     bool
	}
	tasks := []task{{algorithm: spec.AlgorithmViot}}
	for _, f := range families() {
		all := slices.Clone(f.defaults)
		if !slices.Contains(all, f.usual) {
			all = append(all, f.usual)
		}
		for _, a := range all {
			tasks = append(tasks, task{a, f.name, false, a == f.usual})
		}
		for _, a := range f.tuned {
			tasks = append(tasks, task{a, f.name, true, false})
		}
	}
	results := make([][]Result, len(tasks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	for i, t := range tasks {
		for _, seed := range seeds {
			group.Go(func() error {
				c := c
				c.Policy.Algorithm, c.Seed, c.Rules = t.algorithm, seed, References
				r, err := Run(ctx, c)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", t.algorithm, c.Trace.Name, err)
				}
				mu.Lock()
				results[i] = append(results[i], r)
				mu.Unlock()
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return Comparison{}, err
	}
	comparison := Comparison{Trace: c.Trace.Name, Viot: mean(results[0])}
	for i, t := range tasks[1:] {
		comparison.Points = append(comparison.Points, Point{t.family, t.tuned, t.usual, mean(results[i+1])})
	}
	return comparison, nil
}

// mean is that of what is compared; the rest is that of the first.
func mean(results []Result) Result {
	slices.SortFunc(results, func(a, b Result) int { return int(a.Seed) - int(b.Seed) }) // whichever ended first
	m := results[0]
	for _, of := range []func(*Result) *float64{
		func(r *Result) *float64 { return &r.ViolationSeconds }, func(r *Result) *float64 { return &r.Late },
		func(r *Result) *float64 { return &r.Lost }, func(r *Result) *float64 { return &r.InstanceHours },
		func(r *Result) *float64 { return &r.OptimumHours }, func(r *Result) *float64 { return &r.CostRatio },
		func(r *Result) *float64 { return &r.ActionsPerHour },
	} {
		sum := 0.0
		for i := range results {
			sum += *of(&results[i])
		}
		*of(&m) = sum / float64(len(results))
	}
	return m
}

// Against judges viot beside each family.
func (c *Comparison) Against() []Against {
	var all []Against
	for _, f := range families() {
		var defaults, any []Result
		a := Against{Family: f.name}
		for _, p := range c.Points {
			if p.Family != f.name {
				continue
			}
			any = append(any, p.Result)
			if !p.Tuned {
				defaults = append(defaults, p.Result)
			}
			r, v := p.Result, c.Viot
			if r.InstanceHours <= v.InstanceHours && r.ViolationSeconds <= v.ViolationSeconds &&
				(r.InstanceHours < v.InstanceHours || r.ViolationSeconds < v.ViolationSeconds) {
				a.DominatedBy = r.Policy
			}
		}
		a.Default, a.Tuned = equalCost(c.Viot, defaults), equalCost(c.Viot, any)
		all = append(all, a)
	}
	return all
}

// equalCost is viot's violation seconds over those on a rule's curve at the same cost, one second added to both so that
// none divides by none. The curve is of those settings that no other beats in both; between two of them it is
// interpolated by ratio. Where viot costs less than the cheapest, that one's violations count, which flatters it, and
// where it costs more than all, the fewest.
func equalCost(viot Result, settings []Result) float64 {
	slices.SortFunc(settings, func(a, b Result) int {
		if a.InstanceHours != b.InstanceHours {
			if a.InstanceHours < b.InstanceHours {
				return -1
			}
			return 1
		}
		return int(a.ViolationSeconds) - int(b.ViolationSeconds)
	})
	var curve []Result
	for _, r := range settings {
		if n := len(curve); n == 0 || r.ViolationSeconds < curve[n-1].ViolationSeconds {
			curve = append(curve, r)
		}
	}
	log := func(r Result) float64 { return math.Log(r.ViolationSeconds + 1) }
	at := log(curve[0])
	for i, r := range curve {
		if r.InstanceHours <= viot.InstanceHours {
			at = log(r)
			if i+1 < len(curve) && curve[i+1].InstanceHours > viot.InstanceHours {
				f := (viot.InstanceHours - r.InstanceHours) / (curve[i+1].InstanceHours - r.InstanceHours)
				at += f * (log(curve[i+1]) - at)
			}
		}
	}
	return math.Exp(log(viot) - at)
}

// Around returns no more of a trace than most, in steps as they are: what comes before its peak for the larger part, so
// that there is something to learn from, and what comes after.
func (t Trace) Around(most time.Duration) Trace {
	n := int(most / t.Step)
	if n < 2 || n >= len(t.Rates) {
		return t
	}
	peak := 0
	for i, r := range t.Rates {
		if r > t.Rates[peak] {
			peak = i
		}
	}
	from := min(max(0, peak-n*3/4), len(t.Rates)-n)
	return Trace{Name: t.Name, Step: t.Step, Rates: t.Rates[from : from+n]}
}
