package reference

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

var _ decide.Rules = Lookup

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// stage is a pool of one-core instances that carry what a test says, and whose size is what the rule wants, at once.
type stage struct {
	t    *testing.T
	rule decide.Sizer
	s    fleet.Snapshot
	now  time.Time
	size int

	cores    float64 // in use by the whole pool; an instance uses no more than one
	rate     float64 // of arrivals per second
	inFlight float64 // of the whole pool
	dark     bool
}

func newStage(t *testing.T, rule string, size int) *stage {
	t.Helper()
	sizer, err := Lookup(rule)
	if err != nil {
		t.Fatal(err)
	}
	g := &stage{t: t, rule: sizer, now: start, size: size}
	g.s.Pool = spec.Pool{Template: spec.Template{CPUs: 1}, Policy: spec.Policy{Min: 1, Max: 100, TargetUtilisation: 0.5}}
	g.fill()
	return g
}

// fill makes as many ready instances as the size says; those that are there are old.
func (g *stage) fill() {
	for len(g.s.Instances) < g.size {
		n := len(g.s.Instances) + 1
		born := g.now.Add(-time.Second)
		if g.now.Equal(start) {
			born = start.Add(-time.Hour)
		}
		g.s.Instances = append(g.s.Instances, fleet.Instance{Name: fmt.Sprint(n), Number: n, State: fleet.Ready, StartedAt: born, Since: born})
	}
	g.s.Instances = g.s.Instances[:g.size]
}

// play lets time pass, a second at a time, and returns each change of size as "15s 4".
func (g *stage) play(d time.Duration) string {
	var changes []string
	for range int(d / time.Second) {
		g.now = g.now.Add(time.Second)
		if !g.dark {
			g.s.Arrivals.At, g.s.Arrivals.Complete = g.now, true
			g.s.Arrivals.Total += g.rate
			g.s.Work.At = g.now
			g.s.Work.Requests += 100
			g.s.Work.CPUSeconds += 1 // 10 ms a request
			for i := range g.s.Instances {
				in := &g.s.Instances[i]
				in.SampledAt, in.CPU, in.InFlight = g.now, min(1, g.cores/float64(g.size)), g.inFlight/float64(g.size)
			}
		}
		sizing := g.rule.Size(&g.s, g.size, g.now)
		if (sizing.Cause != "") != (sizing.Size != g.size) {
			g.t.Errorf("size %d from %d with cause %q", sizing.Size, g.size, sizing.Cause)
		}
		if sizing.Size != g.size {
			g.size = sizing.Size
			changes = append(changes, fmt.Sprintf("%s %d", g.now.Sub(start), g.size))
			g.fill()
		}
	}
	return strings.Join(changes, ", ")
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: size changes %q, want %q", what, got, want)
	}
}

// The arithmetic of the HorizontalPodAutoscaler, by the examples of its documentation and the rules of its source.
func TestHPAReplicas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                              string
		sum, target                       float64
		counted, unready, missing, before int
		want                              int
	}{
		{"200m for 100m: doubled", 2, 1, 1, 0, 0, 1, 2}, // "the number of replicas will be doubled, since 200.0 / 100.0 == 2.0"
		{"50m for 100m: halved", 1, 1, 2, 0, 0, 2, 1},   // "if the current value is instead 50m, you'll halve the number of replicas"
		{"within a tenth: kept", 3 * 0.55, 0.5, 3, 0, 0, 3, 3},
		{"rounded up", 3 * 0.6, 0.5, 3, 0, 0, 3, 4},
		{"missing count full on the way down", 4 * 0.2, 0.5, 4, 0, 4, 8, 8},           // (0.8+4)/8 = 0.6: the direction flips
		{"missing count full, still down", 8 * 0.1, 0.5, 8, 0, 1, 9, 4},               // (0.8+1)/9 = 0.2
		{"missing count nothing on the way up", 4 * 1, 0.5, 4, 0, 2, 6, 8},            // 4/6 = 0.67
		{"unready count nothing on the way up", 4 * 1, 0.5, 4, 4, 0, 8, 8},            // 4/8 = 0.5: kept
		{"unready are left out on the way down", 4 * 0.2, 0.5, 4, 4, 0, 8, 2},         //
		{"never up when the ratio says fewer", 2 * 0.9, 1, 2, 0, 1, 3, 3},             // (1.8+1)/3
		{"ready pods, not the size, are multiplied", 2 * 1, 0.5, 2, 0, 0, 10, 4},      //
		{"all unready on the way up would shrink: kept", 1 * 0.9, 0.5, 1, 5, 0, 6, 6}, // 0.9/6
	} {
		if got, _ := hpaReplicas(tt.sum, tt.target, 0.1, tt.counted, tt.unready, tt.missing, tt.before); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestHPA(t *testing.T) {
	t.Parallel()
	g := newStage(t, "hpa", 2)
	g.cores = 1
	check(t, "at its target", g.play(5*time.Minute), "")
	// From all of both instances it doubles: CPU shows no more than what there is. It takes the way of the figures,
	// and then new pods of less than 5 minutes only count once a whole window of theirs was read.
	g.cores = 8
	check(t, "a step", g.play(3*time.Minute), "5m16s 4, 5m46s 8, 6m16s 16")
	g.cores = 1
	if got := g.play(4 * time.Minute); got != "" {
		t.Errorf("within the stabilisation window: %s", got)
	}
	check(t, "after it", g.play(3*time.Minute), "13m1s 2")
	g.dark = true
	check(t, "without metrics", g.play(10*time.Minute), "")
}

func TestHPABehavior(t *testing.T) {
	t.Parallel()
	g := newStage(t, "hpa-rps:scrape=1s,window=2s", 2) // 50 requests/s an instance
	g.rate = 100
	check(t, "at its target", g.play(time.Minute), "")
	g.rate = 3000 // 60, but 900 % of 2 is 20 within a quarter of a minute
	check(t, "a step", g.play(time.Minute), "1m1s 20, 1m16s 60")
	g = newStage(t, "hpa-rps:up=0,scrape=1s,window=2s", 2)
	g.rate = 3000
	check(t, "without a behavior", g.play(time.Minute), "16s 4, 31s 8, 46s 16")
}

// Knative's documentation: the stable window is 60 s; panic begins when the 6 s window asks for twice what is ready, and
// lasts until it has not for 60 s; meanwhile the size only grows.
func TestKPA(t *testing.T) {
	t.Parallel()
	g := newStage(t, "kpa:concurrency=10,target=1", 1)
	g.inFlight = 10
	check(t, "at its target", g.play(2*time.Minute), "")
	g.inFlight = 15 // 2 by the panic window is twice 1
	check(t, "a step", g.play(20*time.Second), "2m1s 2")
	g.inFlight = 100
	check(t, "panic", g.play(10*time.Second), "2m21s 3, 2m23s 6, 2m25s 9, 2m27s 10")
	g.inFlight = 10
	if got := g.play(54 * time.Second); got != "" { // asked for twice what was ready at 2m23s for the last time
		t.Errorf("in panic: %s", got)
	}
	check(t, "calm again, halved at most", g.play(20*time.Second), "3m25s 5, 3m27s 2, 3m31s 1")
}

func TestKPAToZero(t *testing.T) {
	t.Parallel()
	g := newStage(t, "kpa", 1)
	g.s.Pool.Policy.Min = 0
	check(t, "idle", g.play(time.Minute), "33s 0") // 30 s of grace from the first step that has data
}

func TestKEDA(t *testing.T) {
	t.Parallel()
	g := newStage(t, "keda:scrape=1s,window=5s", 1)
	g.s.Pool.Policy.Min = 0
	g.rate = 100
	check(t, "two instances' worth", g.play(time.Minute), "16s 2")
	g.rate = 0
	check(t, "idle", g.play(7*time.Minute), "6m1s 1, 6m31s 0") // HPA's window is over; then the cooldown since the last poll that saw requests
	g.rate = 10
	check(t, "woken by the next poll", g.play(time.Minute), "8m1s 1")
	g.dark = true
	check(t, "without metrics", g.play(5*time.Minute), "")
}

func TestKEDAFallback(t *testing.T) {
	t.Parallel()
	g := newStage(t, "keda:scrape=1s,window=5s,fallback=6,failures=3", 3)
	g.rate = 150
	check(t, "at its target", g.play(time.Minute), "")
	g.dark = true
	check(t, "fallback after 3 failures", g.play(3*time.Minute), "2m1s 6")
}

// AWS documents three datapoints above the target for the high alarm and fifteen below nine tenths for the low one.
func TestAWS(t *testing.T) {
	t.Parallel()
	g := newStage(t, "aws", 4)
	g.cores = 2
	check(t, "at its target", g.play(10*time.Minute), "")
	g.cores = 4
	check(t, "three minutes above", g.play(4*time.Minute), "12m1s 8")
	g.cores = 2
	check(t, "fifteen below, a step at a time", g.play(30*time.Minute), "29m1s 7, 34m1s 6, 39m1s 5")
	g = newStage(t, "aws", 4)
	g.cores = 4
	g.dark = true
	check(t, "without data", g.play(30*time.Minute), "")
}

// Nomad's documentation: count × metric / target, rounded up; one cooldown, in both directions.
func TestNomad(t *testing.T) {
	t.Parallel()
	g := newStage(t, "nomad", 4)
	g.cores = 2
	check(t, "at its target", g.play(time.Minute), "")
	g.cores = 3
	check(t, "half as much again", g.play(time.Minute), "1m1s 6")
	g.cores = 6
	check(t, "cooldown", g.play(4*time.Minute), "")
	check(t, "after it", g.play(2*time.Minute), "6m1s 12")
	g.dark = true
	check(t, "without metrics", g.play(10*time.Minute), "")
}

func TestSwarm(t *testing.T) {
	t.Parallel()
	g := newStage(t, "swarm:phase=0.5", 2)
	g.cores = 2
	check(t, "busy", g.play(11*time.Minute), "2m31s 3") // then at two thirds, between the bounds
	g.cores = 0.1
	check(t, "idle", g.play(10*time.Minute), "12m31s 2, 17m31s 1")
}

func TestLookupRefuses(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"best":                   `there is no scaling rule "best": want viot or one of aws, hpa, hpa-rps, keda, kpa, nomad, swarm`,
		"hpa:targt=1":            "no setting targt",
		"hpa:target=NaN":         "want a number from 0.01 to 1",
		"kpa:window=0s":          "want more than 0",
		"aws:period=1m,period=1": "each once",
		"nomad:metric=queue":     "want cpu or rps",
		"swarm:high=0.2":         "want less than high",
		"hpa:phase=1":            "phase=1",
	} {
		if _, err := Lookup(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
