package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// sliced is a scene in a pool with slices; instances are given as in snapshot, their slices in their order.
func sliced(declared, instances, in string) *scene {
	c := newScene(instances)
	c.s.Pool.Slices = strings.Fields(declared)
	for k, slice := range strings.Fields(in) {
		c.s.Instances[k].Slice = strings.Trim(slice, "-")
	}
	return c
}

// places is the plan's operations in short, starts with their slices.
func places(p fleet.Plan) string {
	var words []string
	for _, op := range p.Ops() {
		words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s %s", op.Kind, strings.TrimPrefix(op.Instance, "viot-t-cse-"), op.Slice)))
	}
	return strings.Join(words, ", ")
}

func TestSlices(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                    string
		declared, instances, in string
		change                  func(*scene)
		want                    string
	}{
		{"each gets one", "a b", "", "", nil, "start 1 a, start 2 b"},
		{"the one with the fewest", "a b", "1:ready 2:ready 3:ready", "a a b", func(c *scene) { c.s.Pool.Policy.Min = 5 }, "start 4 b, start 5 a"},
		{"what boots counts", "a b", "1:ready 2:booting", "a b", func(c *scene) { c.s.Pool.Policy.Min = 3 }, "start 3 a"},
		{"what is lost is replaced where it was", "a b", "1:ready 2:ready 3:ready 4:ready 5:dead", "a b b b b", func(c *scene) { c.s.Pool.Policy.Min = 5 },
			"remove 5, start 6 b"},
		{"but a slice without any comes first", "a b", "1:ready 2:ready 3:dead", "b b b", func(c *scene) { c.s.Pool.Policy.Min = 3 }, "remove 3, start 4 a"},
		{"the only one stays, whatever it has to do", "a b", "1:ready 2:ready 3:ready", "a b b", func(c *scene) {
			c.s.Instances[1].InFlight, c.s.Instances[2].InFlight = 5, 9
		}, "drain 2"},
		{"least work among the others", "a b", "1:ready 2:ready 3:ready 4:ready", "a a b b", func(c *scene) {
			c.s.Pool.Policy.Min = 3
			c.s.Instances[0].InFlight, c.s.Instances[2].InFlight, c.s.Instances[3].InFlight = 3, 4, 5
		}, "drain 2"},
		{"a standby of the slice that needs one", "a b", "1:ready 2:standby 3:standby", "a a b", func(c *scene) {
			c.s.Pool.Policy.Standby.Count = 2
		}, "enlist 3"},
		{"one of another slice is no use", "a b", "1:ready 2:standby", "a a", func(c *scene) { c.s.Pool.Policy.Standby.Count = 1 }, "start 3 b"},
		{"unless nothing can be started", "a b", "1:ready 2:standby", "a a", func(c *scene) {
			c.s.Pool.Policy.Standby.Count = 1
			c.s.NoImage = true
		}, "pull, enlist 2"},
		{"standbys are spread", "a b", "1:ready 2:ready", "a b", func(c *scene) { c.s.Pool.Policy.Standby.Count = 2 }, "warm 3 a, warm 4 b"},
		{"a slice that is declared anew", "a b", "1:ready 2:ready", "a a", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "start 3 b"},
		{"one of the others goes for it", "a b", "1:ready 2:ready 3:ready", "a a b", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "drain 2"},
		{"not before it serves", "a b", "1:ready 2:ready 3:booting", "a a b", func(c *scene) { c.s.Pool.Policy.Min = 2 }, ""},
		{"a slice that is declared no more", "a", "1:ready 2:ready", "a b", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "start 3 a"},
		{"and its instance goes when another is there", "a", "1:ready 2:ready 3:ready", "a b a", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "drain 2"},
		{"all, when there are none any more", "", "1:ready 2:ready", "a -", nil, "drain 1"},
		{"an update replaces where it takes away", "a b", "1:ready:old 2:ready:old 3:ready", "a b a", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "drain 1"},
		{"and goes where there is no new one yet", "b a", "1:ready:old 2:ready", "a b", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "start 3 a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sliced(tt.declared, tt.instances, tt.in)
			if tt.change != nil {
				tt.change(c)
			}
			least := c.s.Pool.Least()
			c.m.desired, c.m.begun = least, true
			p := c.round()
			if got := places(p); got != tt.want {
				t.Errorf("plan is %q, want %q", got, tt.want)
			}
			if p.Desired < least {
				t.Errorf("size %d, want %d at least", p.Desired, least)
			}
		})
	}
}

// The floor is told as what it is.
func TestSlicesAreAFloor(t *testing.T) {
	t.Parallel()
	c := sliced("a b c", "1:ready 2:ready 3:ready", "a b c")
	c.s.Pool.Policy.Min, c.s.Pool.Policy.ZeroAfter = 0, spec.Duration(time.Second)
	var p fleet.Plan
	for range 2000 {
		p = c.round()
		if len(p.Ops()) > 0 {
			t.Fatalf("operations %q, want none", places(p))
		}
	}
	if !slices.ContainsFunc(p.Inputs.Clamps, func(c fleet.Clamp) bool {
		return c.Name == "slices" && c.To == 3 && c.Why == "each of 3 slices keeps an instance"
	}) {
		t.Errorf("clamps are %+v, want one of the slices", p.Inputs.Clamps)
	}
	size := 1
	c.s.Override = spec.Override{Size: &size, By: "ann"}
	if p = c.round(); p.Desired != 3 {
		t.Errorf("an operator set the size to %d, want 3 kept", p.Desired)
	}
}

// Whatever happens to load, template and slices, no slice is ever without an instance in service once it had one, and in
// the end all are in their places and nothing is done any more.
func TestSlicesSettle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := sliced("a b c", "", "")
		c.s.Pool.Policy.ScaleInAfter = spec.Duration(10 * time.Second)
		c.s.Pool.Policy.Update.MaxSurge = rapid.IntRange(1, 3).Draw(t, "surge")
		c.s.Pool.Policy.Update.MaxUnavailable = rapid.IntRange(0, 2).Draw(t, "unavailable")
		bootRounds := rapid.IntRange(1, 12).Draw(t, "boot rounds")
		booting := map[string]int{}
		ready := func() map[string]int {
			n := map[string]int{}
			for _, i := range c.s.Instances {
				if i.State == fleet.Ready {
					n[i.Slice]++
				}
			}
			return n
		}
		play := func(rounds int) (ops int) {
			for range rounds {
				before := ready()
				p := c.round()
				apply(c, p, booting, bootRounds)
				for _, slice := range c.s.Pool.Slices {
					if before[slice] > 0 && ready()[slice] == 0 {
						t.Fatalf("slice %s has lost its last instance: %s", slice, places(p))
					}
				}
				ops += len(p.Ops())
			}
			return ops
		}
		for range rapid.IntRange(1, 4).Draw(t, "phases") {
			c.rps = rapid.Float64Range(0, 400).Draw(t, "rps")
			c.s.Pool.Slices = rapid.SampledFrom([][]string{{"a", "b", "c"}, {"c", "b"}, {"d", "a"}, {"b"}}).Draw(t, "slices")
			c.s.Template = rapid.SampledFrom([]string{"new", "newer"}).Draw(t, "template")
			play(rapid.IntRange(1, 100).Draw(t, "length"))
		}
		c.rps = 0
		play(1000)
		if ops := play(100); ops != 0 {
			t.Fatalf("%d operations at rest", ops)
		}
		for _, i := range c.s.Instances {
			if !slices.Contains(c.s.Pool.Slices, i.Slice) || i.Template != c.s.Template || i.State != fleet.Ready {
				t.Fatalf("%s is %s, of template %s and in slice %q, want it ready, of %s and in one of %q", i.Name, i.State, i.Template, i.Slice, c.s.Template, c.s.Pool.Slices)
			}
		}
		if n := ready(); len(n) != len(c.s.Pool.Slices) {
			t.Fatalf("in service are %v, want one in each of %q", n, c.s.Pool.Slices)
		}
	})
}
