package decide

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// drawSnapshot draws any pool, sane or not.
func drawSnapshot(t *rapid.T, now time.Time) fleet.Snapshot {
	s := snapshot("")
	s.Pool.Policy.Min = rapid.IntRange(0, 5).Draw(t, "min")
	s.Pool.Policy.Max = rapid.IntRange(max(1, s.Pool.Policy.Min), 12).Draw(t, "max")
	s.Pool.Policy.TargetUtilisation = rapid.Float64Range(0.1, 1).Draw(t, "target")
	s.Pool.Policy.Update.MaxUnavailable = rapid.IntRange(0, 3).Draw(t, "max unavailable")
	s.Pool.Policy.Update.MaxSurge = rapid.IntRange(boolInt(s.Pool.Policy.Update.MaxUnavailable == 0), 3).Draw(t, "max surge")
	s.Pool.Policy.Update.Canary = rapid.IntRange(0, 3).Draw(t, "canary")
	s.Override.RolloutPaused = rapid.IntRange(0, 4).Draw(t, "paused") == 0
	s.Pool.Template.CPUs = rapid.SampledFrom([]float64{0, 0.25, 1, 4}).Draw(t, "cpus")
	if rapid.Bool().Draw(t, "no balancers") {
		s.Pool.Balancers = nil
	}
	s.Pool.Slices = []string{"a", "b", "c"}[:rapid.IntRange(0, min(3, s.Pool.Policy.Max)).Draw(t, "slices")]
	placed := rapid.SampledFrom(append([]string{"a", "b", ""}, s.Pool.Slices...))
	if len(s.Pool.Slices) == 0 {
		placed = rapid.SampledFrom([]string{"", "", "", "a"})
	}
	states := []fleet.State{fleet.Booting, fleet.Ready, fleet.Ready, fleet.Unready, fleet.Stray, fleet.Draining, fleet.Dead, fleet.Standby}
	for n := range rapid.IntRange(0, 15).Draw(t, "instances") {
		i := fleet.Instance{
			Name: spec.InstanceName("t", "cse", n+1), Number: n + 1, State: rapid.SampledFrom(states).Draw(t, "state"),
			Template: rapid.SampledFrom([]string{current, current, "old"}).Draw(t, "template"),
			Since:    now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "since")) * time.Second),
			InFlight: rapid.Float64Range(0, 10).Draw(t, "in flight"), Slice: placed.Draw(t, "slice"),
		}
		switch busy := rapid.Bool().Draw(t, "busy"); {
		case i.State == fleet.Booting:
			i.Op = fleet.Start
		case i.State == fleet.Draining && busy:
			i.Op = fleet.Drain
		case i.State == fleet.Dead && busy:
			i.Op = fleet.Remove
		}
		s.Instances = append(s.Instances, i)
	}
	age := func(label string) time.Time {
		return now.Add(-time.Duration(rapid.IntRange(0, 5000).Draw(t, label)) * time.Millisecond)
	}
	counter := rapid.Float64Range(0, 1e6)
	s.Arrivals = fleet.Arrivals{
		At: age("arrivals at"), Total: counter.Draw(t, "arrived"),
		Queued: rapid.IntRange(0, 1000).Draw(t, "queued"), Complete: rapid.Bool().Draw(t, "complete"),
	}
	s.Work = fleet.Work{
		At: age("work at"), Requests: counter.Draw(t, "requests"), CPUSeconds: counter.Draw(t, "cpu"),
		InstanceSeconds: counter.Draw(t, "watched"), Fresh: rapid.IntRange(0, 15).Draw(t, "fresh"),
	}
	if rapid.IntRange(0, 4).Draw(t, "failed boot") == 0 {
		s.Ended = []fleet.Ended{{Op: fleet.Op{Kind: fleet.Start}, Template: current, Err: errors.New("boot")}}
	}
	return s
}

// Whatever is reported round after round, every plan keeps to the rules.
func TestDecideKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m Memory
		now := start
		highest := 0
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "pause")) * time.Millisecond)
			s := drawSnapshot(t, now)
			before := slices.Clone(s.Instances)
			var p fleet.Plan
			p, m = Decide(s, m, now)
			if !slices.Equal(before, s.Instances) {
				t.Fatal("the snapshot was changed")
			}
			checkRules(t, s, p, &highest)
		}
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func checkRules(t *rapid.T, s fleet.Snapshot, p fleet.Plan, highest *int) {
	if p.Desired < s.Pool.Policy.Min || p.Desired > s.Pool.Policy.Max {
		t.Fatalf("size %d outside [%d, %d]", p.Desired, s.Pool.Policy.Min, s.Pool.Policy.Max)
	}
	if p.Desired < len(s.Pool.Slices) {
		t.Fatalf("size %d is less than one for each of %d slices", p.Desired, len(s.Pool.Slices))
	}
	byName, inSlice, drained := map[string]fleet.Instance{}, map[string]int{}, map[string]int{}
	for _, i := range s.Instances {
		byName[i.Name] = i
		if i.State == fleet.Ready {
			inSlice[i.Slice]++
		}
		*highest = max(*highest, i.Number)
	}
	used := *highest
	count := fleet.CountOf(s.Instances, s.Template)
	live, ready, seen := count.Live, count.Ready, map[string]bool{}
	for _, d := range p.Decisions {
		if d.Cause == "" {
			t.Fatalf("%s without a cause", d.Kind)
		}
		if (d.Kind == fleet.Hold) != (len(d.Ops) == 0) {
			t.Fatalf("%s with %d operations", d.Kind, len(d.Ops))
		}
		for _, op := range d.Ops {
			i, exists := byName[op.Instance]
			if seen[op.Instance] || i.Op != "" {
				t.Fatalf("%s %s: it is busy already", op.Kind, op.Instance)
			}
			seen[op.Instance] = true
			switch op.Kind {
			case fleet.Start:
				number, ok := spec.InstanceNumber("t", "cse", op.Instance)
				if !ok || number <= used || exists {
					t.Fatalf("start %s: the number was used", op.Instance)
				}
				*highest = max(*highest, number)
				live++
				if slices.Contains(s.Pool.Slices, op.Slice) != (len(s.Pool.Slices) > 0) || len(s.Pool.Slices) == 0 && op.Slice != "" {
					t.Fatalf("start %s in slice %q, declared are %q", op.Instance, op.Slice, s.Pool.Slices)
				}
			case fleet.Adopt:
				if i.State != fleet.Stray {
					t.Fatalf("adopt %s, which is %s", op.Instance, i.State)
				}
			case fleet.Remove:
				if i.State != fleet.Dead {
					t.Fatalf("remove %s, which is %s", op.Instance, i.State)
				}
			case fleet.Drain:
				switch i.State {
				case fleet.Ready:
					live--
					ready--
					drained[i.Slice]++
				case fleet.Unready:
					live--
				case fleet.Draining, fleet.Standby:
				default:
					t.Fatalf("drain %s, which is %s", op.Instance, i.State)
				}
			}
		}
	}
	update := s.Pool.Policy.Update
	for _, slice := range s.Pool.Slices { // one that may not be exceeded meanwhile cannot keep the last
		if n := drained[slice]; n > 0 && n == inSlice[slice] && update.MaxSurge > 0 {
			t.Fatalf("drains the only %d ready in slice %s:\n%s", n, slice, p)
		}
	}
	if ready < count.Ready && ready < p.Desired-update.MaxUnavailable {
		t.Fatalf("leaves %d of %d ready, size is %d:\n%s", ready, count.Ready, p.Desired, p)
	}
	if live > count.Live && live > p.Desired+max(1, update.MaxSurge) { // one is tried when most fail their check

		t.Fatalf("orders %d live instances, had %d, size is %d:\n%s", live, count.Live, p.Desired, p)
	}
}

// Whatever the load, once it is steady the pool settles and nothing is done any more.
func TestDecideSettles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newScene("1:ready")
		c.s.Pool.Policy.Min = rapid.IntRange(0, 3).Draw(t, "min")
		c.s.Pool.Policy.ZeroAfter = spec.Duration(time.Minute)
		bootRounds := rapid.IntRange(1, 12).Draw(t, "boot rounds")
		booting := map[string]int{}
		play := func(rounds int, rps float64) (ops int) {
			c.rps = rps
			for range rounds {
				p := c.round()
				ops += len(p.Ops())
				apply(c, p, booting, bootRounds)
			}
			return ops
		}
		for range rapid.IntRange(1, 4).Draw(t, "phases") {
			play(rapid.IntRange(1, 60).Draw(t, "length"), rapid.Float64Range(0, 600).Draw(t, "rps"))
		}
		rps := float64(rapid.IntRange(0, 400).Draw(t, "final rps"))
		// As long as arrivals are remembered, 64 s, and a scale-in window that damping has doubled.
		const settles = 64*time.Second + dampingMost*spec.MostScaleInAfter + 6*time.Second
		play(int(settles/every), rps)
		if ops := play(200, rps); ops != 0 {
			t.Fatalf("%d operations after the load was steady for %s", ops, settles)
		}
		want := min(max(instances(rps*0.010/0.5), c.s.Pool.Policy.Min), c.s.Pool.Policy.Max)
		if got := fleet.CountOf(c.s.Instances, current).Ready; got != want {
			t.Fatalf("settled at %d instances for %v requests/s, want %d", got, rps, want)
		}
	})
}

// apply makes the plan true: drained instances are gone at once, started ones are ready after some rounds.
func apply(c *scene, p fleet.Plan, booting map[string]int, bootRounds int) {
	kept := c.s.Instances[:0]
	for _, i := range c.s.Instances {
		if left, ok := booting[i.Name]; ok && left > 1 {
			booting[i.Name]--
		} else if ok {
			delete(booting, i.Name)
			i.State, i.Op, i.Since = fleet.Ready, "", c.now
		}
		if !slices.Contains(p.Ops(), fleet.Op{Kind: fleet.Drain, Instance: i.Name}) {
			kept = append(kept, i)
		}
	}
	c.s.Instances = kept
	for _, op := range p.Ops() {
		if op.Kind == fleet.Start {
			n, _ := spec.InstanceNumber("t", "cse", op.Instance)
			c.s.Instances = append(c.s.Instances, fleet.Instance{
				Name: op.Instance, Number: n, State: fleet.Booting, Op: fleet.Start, Template: cmp.Or(op.Template, c.s.Template), StartedAt: c.now, Slice: op.Slice,
			})
			booting[op.Instance] = bootRounds
		}
	}
}

// The service time that is learnt is the true one, idle CPU time left out, with and without overload.
func TestServiceTimeIsLearnt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		truth := rapid.Float64Range(0.001, 0.1).Draw(t, "service time")
		idle := rapid.Float64Range(0, 0.02).Draw(t, "idle")
		var s serviceTime
		w := fleet.Work{At: start}
		second := func(requests float64) {
			w.At = w.At.Add(time.Second)
			w.InstanceSeconds += 3
			w.Requests += requests
			w.CPUSeconds += requests*truth + 3*idle
			s.learn(w, 0, 0)
		}
		for range 300 {
			second(0)
		}
		for range rapid.IntRange(10, 50).Draw(t, "busy seconds") {
			second(rapid.Float64Range(10, 300).Draw(t, "requests"))
		}
		learnt := s.seconds
		if learnt < truth*0.97 || learnt > truth*1.03 {
			t.Fatalf("learnt %v, want %v", learnt, truth)
		}
		for range 1000 {
			second(0)
		}
		if s.seconds != learnt {
			t.Fatalf("without requests %v became %v", learnt, s.seconds)
		}
	})
}
