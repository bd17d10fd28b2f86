package simulate

import (
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide/reference"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// flat is a load of so many instances' work in steps of a second.
func flat(busy ...float64) Trace {
	t := Trace{Name: "test", Step: time.Second}
	for _, b := range busy {
		for range 60 {
			t.Rates = append(t.Rates, b*100)
		}
	}
	return t
}

func run(t *testing.T, c Config) Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunIsRepeatable(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Trace, c.Series = flat(1, 8, 2, 5), time.Second
	first := run(t, c)
	if again := run(t, c); !reflect.DeepEqual(first, again) {
		t.Error("the same seed gave another result")
	}
	c.Seed++
	if other := run(t, c); other.Requests == first.Requests {
		t.Error("another seed gave the same arrivals")
	}
}

// Every policy meets the same arrivals, whatever it does.
func TestArrivalsDoNotDependOnThePolicy(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Trace, c.Rules = flat(1, 20, 2, 5), References
	want := run(t, c).Requests
	if mean := 28 * 60 * 100.0; math.Abs(want-mean) > 5*math.Sqrt(mean) {
		t.Errorf("%v requests, want about %v", want, mean)
	}
	for _, name := range reference.Names() {
		c.Policy.Algorithm = name
		if got := run(t, c).Requests; got != want {
			t.Errorf("%s met %v requests, viot %v", name, got, want)
		}
	}
}

// Too few instances, for ever: what is beyond their work queues, then is lost.
func TestOverloadLosesWhatIsBeyondTheWork(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Policy.Min, c.Policy.Max = 5, 5
	c.Trace = flat(10, 10, 10, 10, 10)
	r := run(t, c)
	// Of 300 s at 1000 requests/s half are answered, and what came in the last 10 s waits in the end.
	if want := 300*500.0 - 1000*10; math.Abs(r.Lost-want) > 0.02*want {
		t.Errorf("%.0f requests lost, want about %.0f", r.Lost, want)
	}
	if r.ViolationSeconds < 298 || r.Late < 0.99*r.Requests || r.TauU < 0.99 || math.Abs(r.ThetaU-6.0/11) > 0.02 {
		t.Errorf("%v seconds missed, %.0f of %.0f late, tau U %.2f, theta U %.2f: want all, all, 1 and six of eleven", r.ViolationSeconds, r.Late, r.Requests, r.TauU, r.ThetaU)
	}
	if want := 5 * 300.0 / 3600; math.Abs(r.InstanceHours-want) > 0.001 {
		t.Errorf("%v instance hours, want %v", r.InstanceHours, want)
	}
}

// A pool that always has enough misses nothing, and costs what is there.
func TestEnoughMissesNothing(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Policy.Min, c.Policy.Max = 20, 20
	c.Trace = flat(10, 5, 10)
	if r := run(t, c); r.ViolationSeconds != 0 || r.Lost != 0 || r.TauU != 0 || r.Shortages != 0 || math.Abs(r.CostRatio-1) > 1e-9 {
		t.Errorf("%+v, want nothing missed, at the cost of Min, which none undercuts", r)
	}
}

// Calm rounds that are farther apart make a run quick and change little of its result.
func TestCalmRoundsChangeLittle(t *testing.T) {
	t.Parallel()
	c := Defaults()
	day, err := Generate("diurnal", 1)
	if err != nil {
		t.Fatal(err)
	}
	c.Trace, c.Rules = day.Scale(3000), References
	c.Trace.Rates = c.Trace.Rates[6*3600 : 9*3600]
	for _, name := range []string{"viot", "kpa", "hpa"} {
		c.Policy.Algorithm = name
		c.Calm = time.Duration(quantum * 1e9)
		exact := run(t, c)
		for calm, far := range map[time.Duration]float64{5 * time.Second: 0.03, 15 * time.Second: 0.1} {
			c.Calm = calm
			quick := run(t, c)
			if math.Abs(quick.InstanceHours-exact.InstanceHours) > far*exact.InstanceHours || math.Abs(quick.ViolationSeconds-exact.ViolationSeconds) > 10+0.2*exact.ViolationSeconds {
				t.Errorf("%s: calm rounds give %.2f instance hours and %v s missed, all rounds %.2f and %v", name, quick.InstanceHours, quick.ViolationSeconds, exact.InstanceHours, exact.ViolationSeconds)
			}
			if quick.Rounds > exact.Rounds*3/4 {
				t.Errorf("%s: %d rounds instead of %d", name, quick.Rounds, exact.Rounds)
			}
		}
	}
}

// Under any load and faults: never more than Max ordered, never fewer than Min for longer than it takes to bring
// instances up, no decision without a cause, no operation on what is not there.
func TestInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Defaults()
		c.Rules = References
		c.Seed = rapid.Uint64().Draw(t, "seed")
		c.Policy.Min = rapid.IntRange(0, 4).Draw(t, "min")
		c.Policy.Max = c.Policy.Min + rapid.IntRange(1, 15).Draw(t, "more")
		c.Policy.Algorithm = rapid.SampledFrom(append(reference.Names(), spec.AlgorithmViot, spec.AlgorithmViot, spec.AlgorithmViot)).Draw(t, "algorithm")
		c.Trace = flat(rapid.SliceOfN(rapid.Float64Range(0, 12), 2, 6).Draw(t, "load")...)
		kinds := []FaultKind{Dark, Stale, SlowBoot, HostLoss, Leader, NoConsul}
		lasts := 0.0
		for range rapid.IntRange(0, 3).Draw(t, "faults") {
			f := Fault{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), At: time.Duration(rapid.IntRange(0, 300).Draw(t, "at")) * time.Second}
			f.For = usualFor[f.Kind]
			c.Faults = append(c.Faults, f)
			if f.Kind == Leader || f.Kind == NoConsul {
				lasts += f.For.Seconds() // nobody acts that long
			}
		}
		shown := 0.0
		check := func(w *world) {
			live, drained := 0, 0
			for k, i := range w.instances {
				if i.Live() {
					live++
				}
				if i.State == fleet.Draining {
					drained++
				}
				if (i.Op == "") != math.IsInf(w.boxes[k].until, 1) {
					t.Fatalf("%s is %s by %q until %v", i.Name, i.State, i.Op, w.boxes[k].until)
				}
			}
			if w.desired < c.Policy.Min || w.desired > c.Policy.Max {
				t.Fatalf("size %d outside [%d, %d]", w.desired, c.Policy.Min, c.Policy.Max)
			}
			if ready := slices.IndexFunc(w.instances, func(i fleet.Instance) bool { return i.State == fleet.Ready }) >= 0; ready != (w.serving > 0) {
				t.Fatalf("%d instances serve, but of those that are there: %v", w.serving, ready)
			}
			if live < c.Policy.Min || live > c.Policy.Max {
				if shown += quantum; shown > lasts+30 {
					t.Fatalf("%d instances for %v s, outside [%d, %d]", live, shown, c.Policy.Min, c.Policy.Max)
				}
			} else {
				shown = 0
			}
		}
		c.Decided = func(at time.Duration, d fleet.Decision) {
			if d.Cause == "" {
				t.Fatalf("%s at %s without a cause", d.Kind, at)
			}
		}
		c.watch = check
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.ViolationSeconds > r.Seconds || r.Late > r.Requests || math.IsNaN(r.InstanceHours+r.CostRatio+r.ThetaU+r.ThetaO) {
			t.Fatalf("%+v", r)
		}
	})
}

// After each fault the pool is the right size again.
func TestRecoversFromFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []FaultKind{Dark, Stale, SlowBoot, BadBoot, HostLoss, Leader, NoConsul} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := Defaults()
			c.Trace = flat(6, 6, 6, 6, 6, 6, 6, 6)
			c.Faults = []Fault{{kind, 2 * time.Minute, min(usualFor[kind], time.Minute)}}
			serving := 0
			c.watch = func(w *world) { serving = w.serving }
			r := run(t, c)
			if serving < 7 || serving > 12 {
				t.Errorf("%d instances serve six instances' work in the end", serving)
			}
			if r.ViolationSeconds > 40 {
				t.Errorf("%v seconds missed", r.ViolationSeconds)
			}
		})
	}
}

func TestEqualCost(t *testing.T) {
	t.Parallel()
	at := func(cost, missed float64) Result { return Result{InstanceHours: cost, ViolationSeconds: missed} }
	curve := []Result{at(30, 0), at(10, 99), at(20, 9), at(25, 50)} // the last is beaten by the one before
	for _, tt := range []struct {
		cost, missed, want float64
	}{
		{10, 99, 1}, {20, 4, 0.5}, {30, 0, 1}, {40, 9, 10},
		{15, 0, 1 / math.Sqrt(100*10)}, // halfway by ratio
		{5, 49, 0.5},                   // cheaper than all: beside the cheapest
	} {
		if got := equalCost(at(tt.cost, tt.missed), slices.Clone(curve)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%v hours, %v s missed: ratio %v, want %v", tt.cost, tt.missed, got, tt.want)
		}
	}
}

func TestPlots(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Trace, c.Series = flat(1, 8, 2), time.Second
	r := run(t, c)
	dir := t.TempDir()
	for _, name := range []string{"a.svg", "a.png"} {
		if err := PlotRuns(filepath.Join(dir, name), []Result{r, r}); err != nil {
			t.Error(err)
		}
		points := []Point{{Family: "hpa", Result: r}}
		for _, f := range families() {
			points = append(points, Point{Family: f.name, Tuned: true, Result: r}, Point{Family: f.name, Result: r})
		}
		one := Comparison{Trace: "test", Viot: r, Points: points}
		if err := PlotComparisons(filepath.Join(dir, "b"+name), []Comparison{one, one, one}); err != nil {
			t.Error(err)
		}
	}
	if err := PlotRuns(filepath.Join(dir, "a.pdf"), []Result{r}); err == nil || !strings.Contains(err.Error(), ".svg or .png") {
		t.Errorf("a.pdf: %v", err)
	}
}

func TestRefusesConfigurations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"no load":         func(c *Config) { c.Trace = Trace{} },
		"more than":       func(c *Config) { c.Service.CPUSeconds = math.NaN() },
		"connections":     func(c *Config) { c.Service.Connections = 0 },
		"its peak":        func(c *Config) { c.Trace = flat(1, 1e6) },
		"no scaling rule": func(c *Config) { c.Rules, c.Policy.Algorithm = References, "best" },
		"no rule but":     func(c *Config) { c.Policy.Algorithm = "hpa" },
		"min":             func(c *Config) { c.Policy.Min = -1 },
	} {
		c := Defaults()
		c.Trace = flat(1, 1)
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error that names %q", err, name)
		}
	}
}
