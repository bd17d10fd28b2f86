package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// updating is a scene in which "new" is declared where "old" was rolled out before; size is what was decided on.
func updating(instances string, size int, u spec.Update) *scene {
	c := newScene(instances)
	c.m.begun, c.m.desired = true, size
	c.m.rollout = spec.Rollout{Target: spec.Template{Image: "cse:old", CPUs: 1}, To: "old", Phase: spec.RolloutDone}
	c.s.Pool.Template.Image = "cse:new"
	c.s.Pool.Policy.Min = size
	c.s.Pool.Policy.Update = u
	c.s.Pool.Policy = c.s.Pool.Policy.WithDefaults()
	return c
}

func TestRollKeepsToSurgeAndUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		instances string
		update    spec.Update
		want      string
	}{
		{"default: one more first", "1:ready:old 2:ready:old 3:ready:old", spec.Update{}, "start 4"},
		{"default: then one less", "1:ready:old 2:ready:old 3:ready:old 4:ready", spec.Update{}, "drain 3"},
		{"two more", "1:ready:old 2:ready:old 3:ready:old", spec.Update{MaxSurge: 2}, "start 4, start 5"},
		{"two more, one of them boots", "1:ready:old 2:ready:old 3:ready:old 4:ready 5:booting", spec.Update{MaxSurge: 2}, "drain 3"},
		{"no more than are to be replaced", "1:ready:old 2:ready 3:ready", spec.Update{MaxSurge: 5}, "start 4"},
		{"one less first", "1:ready:old 2:ready:old 3:ready:old", spec.Update{MaxUnavailable: 1}, "drain 3"},
		{"then one more", "1:ready:old 2:ready:old", spec.Update{MaxUnavailable: 1}, "start 3"},
		{"one less: waits for the boot", "1:ready:old 2:ready:old 3:booting", spec.Update{MaxUnavailable: 1}, ""},
		{"both at once", "1:ready:old 2:ready:old 3:ready:old", spec.Update{MaxSurge: 1, MaxUnavailable: 1}, "start 4, drain 3"},
		{"all less: one first, to see whether the new works", "1:ready:old 2:ready:old 3:ready:old", spec.Update{MaxUnavailable: 3}, "drain 3"},
		{"all less: the one boots", "1:ready:old 2:ready:old 4:booting", spec.Update{MaxUnavailable: 3}, ""},
		{"all less: it works", "1:ready:old 2:ready:old 4:ready", spec.Update{MaxUnavailable: 3}, "drain 2, drain 1"},
		{"a dead one is what may be missing", "1:ready:old 2:ready:old 3:dead:old", spec.Update{MaxUnavailable: 1}, "remove 3, start 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := text(updating(tt.instances, 3, tt.update).round()); got != tt.want {
				t.Errorf("plan = %q, want %q", got, tt.want)
			}
		})
	}
}

// serve plays d of time in which every ready instance answers 20 requests/s; of those of a template in share, that
// share with an error. It ends with the first plan that does something.
func (c *scene) serve(d time.Duration, share map[string]float64) (fleet.Plan, time.Duration) {
	return c.until(d, func() fleet.Plan {
		if c.now.Sub(start)%time.Second == 0 {
			c.s.Instances = slices.Clone(c.s.Instances)
			for n := range c.s.Instances {
				i := &c.s.Instances[n]
				i.SampledAt, i.RPS, i.Errors = c.now, 20, 20*share[i.Template]
			}
		}
		return c.round()
	})
}

func TestCanary(t *testing.T) {
	t.Parallel()
	const old = "1:ready:old 2:ready:old 3:ready:old "
	canary := spec.Update{Canary: 1, CanaryFor: spec.Duration(20 * time.Second)}
	c := updating(old, 3, canary)
	if got, want := text(c.round()), "start 4"; got != want {
		t.Fatalf("plan = %q, want %q", got, want)
	}
	c.s.Instances = snapshot(old + "4:booting").Instances
	if p, _ := c.until(time.Minute, c.round); text(p) != "" {
		t.Fatalf("plan while the canary boots = %q, want none", text(p))
	}
	c.s.Instances = snapshot(old + "4:ready").Instances
	p, after := c.serve(time.Minute, nil)
	if got, want := text(p), "drain 3"; got != want || after < 20*time.Second || after > 21*time.Second {
		t.Fatalf("plan = %q after %v, want %q once the trial of 20s is over", got, after, want)
	}
	c.s.Instances = snapshot("4:ready 5:ready 6:ready").Instances
	if p := c.round(); p.Rollout != "" || c.m.rollout.Phase != spec.RolloutDone {
		t.Errorf("rollout = %q, %+v, want it done", p.Rollout, c.m.rollout)
	}
}

func TestUpdateFails(t *testing.T) {
	t.Parallel()
	const old = "1:ready:old 2:ready:old 3:ready:old "
	canary := spec.Update{Canary: 1, CanaryFor: spec.Duration(20 * time.Second)}
	halting := canary
	halting.NoRollback = true
	tests := []struct {
		name      string
		instances string // once the update is under way
		update    spec.Update
		change    func(*scene)
		errors    map[string]float64
		want      string
		rollout   string
		why       string
	}{
		{"more errors on trial", old + "4:ready", canary, nil, map[string]float64{"new": 0.2}, "drain 4", "rolling back: 1", "20.0 % of its requests"},
		{"the same errors as before", old + "4:ready", canary, nil, map[string]float64{"new": 0.2, "old": 0.2}, "drain 3", "template new: 3", ""},
		{"within the ratio", old + "4:ready", spec.Update{Canary: 1, MaxErrorRatio: 0.3}, nil, map[string]float64{"new": 0.2}, "drain 3", "template new: 3", ""},
		{"more errors later", "2:ready:old 4:booting 5:ready 6:ready", spec.Update{}, nil, map[string]float64{"new": 0.2}, "", "rolling back", "of the earlier template's 0.0 %"},
		{"dies on trial", old + "4:dead", canary, nil, nil, "remove 4", "rolled back", "died on trial"},
		{"fails its check on trial", old + "4:unready", canary, nil, nil, "drain 4", "rolled back", "failed its check for 5s on trial"},
		{"all fail their check", "1:unready:old 2:unready:old 3:unready:old 4:unready", canary, nil, nil, "", "template new", "fail their check together"},
		{"does not boot", old, spec.Update{}, func(c *scene) {
			c.m.boots = boots{template: current, failed: 3, at: c.now, reason: "no such image"}
		}, nil, "", "rolled back", "3 instances in a row did not come up: no such image"},
		{"no rollback: errors", old + "4:ready", halting, nil, map[string]float64{"new": 0.2}, "", "halted", "update to template new halted"},
		{"no rollback: does not boot", old, halting, func(c *scene) {
			c.m.boots = boots{template: current, failed: 3, at: c.now, reason: "no such image"}
		}, nil, "", "halted", "no such image"},
		{"paused: no failure goes back", old + "4:ready", canary, func(c *scene) { c.s.Override.RolloutPaused = true },
			map[string]float64{"new": 0.2}, "", "paused by an operator", ""},
		{"paused: no further", old, spec.Update{}, func(c *scene) { c.s.Override.RolloutPaused = true }, nil, "", "paused by an operator", ""},
		{"rolled back by order", old + "4:ready", canary, func(c *scene) { c.s.Override.Rollback = current }, nil,
			"drain 4", "rolling back", "an operator asked for it"},
		{"an order about another template", old + "4:ready", canary, func(c *scene) { c.s.Override.Rollback = "other" }, nil,
			"drain 3", "template new: 3", ""},
		{"an order with nothing to go back to", "1:ready 2:ready 3:ready", canary, func(c *scene) {
			c.m.rollout, c.s.Override.Rollback = spec.Rollout{}, current
		}, nil, "", "", "no earlier template is known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := updating(old, 3, tt.update)
			c.round()
			c.m.next = 7
			c.s.Instances = snapshot(tt.instances).Instances
			if tt.change != nil {
				tt.change(c)
			}
			limit := 40 * time.Second
			if tt.name == "all fail their check" {
				limit = time.Second
				for n := range c.s.Instances {
					c.s.Instances[n].Since = c.now.Add(-6 * time.Second)
				}
			}
			p, _ := c.serve(limit, tt.errors)
			if got := text(p); got != tt.want {
				t.Errorf("plan = %q, want %q", got, tt.want)
			}
			if len(p.Ops()) == 0 {
				p = c.round()
			}
			if !strings.Contains(p.Rollout, tt.rollout) || !strings.Contains(p.Problem, tt.why) || tt.why == "" && p.Problem != "" {
				t.Errorf("rollout %q, problem %q, want %q and %q", p.Rollout, p.Problem, tt.rollout, tt.why)
			}
			image := "cse:new"
			if strings.HasPrefix(tt.rollout, "roll") {
				image = "cse:old"
			}
			if p.Template.Image != image {
				t.Errorf("instances are started from %s, want %s", p.Template.Image, image)
			}
		})
	}
}

func TestRolledBackStaysSoUntilAnotherTemplateIsDeclared(t *testing.T) {
	t.Parallel()
	c := updating("1:ready:old 2:ready:old 3:ready:old", 3, spec.Update{})
	c.s.Override.Rollback = current
	c.round()
	c.s.Override.Rollback = ""
	c.m = Memory{desired: 3}.Resuming(c.m.Rollout()) // a successor
	p, _ := c.until(10*time.Minute, c.round)
	if text(p) != "" {
		t.Fatalf("plan after the rollback = %q, want none", text(p))
	}
	if p := c.round(); p.Rollout != spec.RolledBack || p.Hash != "old" ||
		p.Problem != "update to template new rolled back: an operator asked for it; repair the template and run pulumi up" {
		t.Fatalf("rollout = %q, problem = %q, template %s", p.Rollout, p.Problem, p.Hash)
	}
	c.s.Template, c.s.Pool.Template.Image = "newer", "cse:newer"
	if p := c.round(); text(p) != "start 4" || p.Hash != "newer" || p.Problem != "" {
		t.Errorf("plan for the repaired template = %q from %s, problem %q", text(p), p.Hash, p.Problem)
	}
}

func TestDoneIsTakenBackByOrder(t *testing.T) {
	t.Parallel()
	c := updating("1:ready:old 2:ready:old 3:ready:old", 3, spec.Update{})
	c.round()
	c.s.Instances = snapshot("4:ready 5:ready 6:ready").Instances
	if c.round(); c.m.rollout.Phase != spec.RolloutDone {
		t.Fatalf("rollout = %+v, want it done", c.m.rollout)
	}
	c.s.Override.Rollback = current
	if p := c.round(); text(p) != "start 7" || p.Hash != "old" || p.Rollout != "rolling back: 3 to be replaced" {
		t.Fatalf("plan = %q from %s, rollout %q", text(p), p.Hash, p.Rollout)
	}
	c.s.Instances = snapshot("7:ready:old 8:ready:old 9:ready:old").Instances
	if p := c.round(); text(p) != "" || p.Rollout != spec.RolledBack || !strings.Contains(p.Problem, "rolled back: an operator asked for it") {
		t.Errorf("plan = %q, rollout %q, problem %q", text(p), p.Rollout, p.Problem)
	}
}
