package decide

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// templates is the plan's operations with the template that each Start uses where that is not the plan's own.
func templates(p fleet.Plan) string {
	var words []string
	for _, op := range p.Ops() {
		word := string(op.Kind) + " " + strings.TrimPrefix(op.Instance, "viot-t-cse-")
		if op.Template != "" {
			word += " from " + op.Template
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// While a template is on trial, what the pool needs for other reasons is of the earlier one.
func TestOnTrialTheEarlierTemplateIsStarted(t *testing.T) {
	t.Parallel()
	canary := spec.Update{Canary: 1, CanaryFor: spec.Duration(20 * time.Second)}
	less := spec.Update{Canary: 1, CanaryFor: spec.Duration(20 * time.Second), MaxUnavailable: 1}
	tests := []struct {
		name      string
		instances string
		update    spec.Update
		size      int // asked for once the update is under way
		want      string
	}{
		{"scale-out while the canary boots", "1:ready:old 2:ready:old 3:ready:old 4:booting", canary, 5, "start 7 from old"},
		{"scale-out while it is watched", "1:ready:old 2:ready:old 3:ready:old 4:ready", canary, 6, "start 7 from old, start 8 from old"},
		{"an earlier one died", "1:ready:old 2:ready:old 3:dead:old 4:booting", canary, 4, "remove 3, start 7 from old"},
		{"a standby of the earlier one is enlisted", "1:ready:old 2:ready:old 3:ready:old 4:booting 5:standby:old", canary, 5, "enlist 5"},
		{"not one of the new", "1:ready:old 2:ready:old 3:ready:old 4:booting 5:standby", canary, 5, "start 7 from old, drain 5"}, // nobody asked for standbys
		{"nothing beyond the size: the canary takes a place", "1:ready:old 2:ready:old", less, 3, "start 7"},
		{"it has its place, another is missing", "1:ready:old 4:booting", less, 3, "start 7 from old"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := updating("1:ready:old 2:ready:old 3:ready:old", 3, tt.update)
			c.round()
			c.m.next = 7
			c.s.Instances = snapshot(tt.instances).Instances
			if tt.name == "scale-out while it is watched" {
				c.round() // sees that it is ready
			}
			c.s.Pool.Policy.Min = tt.size
			p := c.round()
			if got := templates(p); got != tt.want {
				t.Errorf("plan = %q, want %q", got, tt.want)
			}
			if strings.Contains(tt.want, "from old") && (p.EarlierHash != "old" || p.Earlier.Image != "cse:old") || p.Template.Image != "cse:new" {
				t.Errorf("the plan starts from %s and %s (%s)", p.Template.Image, p.Earlier.Image, p.EarlierHash)
			}
		})
	}
}

func TestUpdateWaitsForItsImage(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]spec.Update{
		"one more first": {}, "one less first": {MaxUnavailable: 1}, "all less": {MaxUnavailable: 3}, "canary": {Canary: 1}, "no rollback": {NoRollback: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := updating("1:ready:old 2:ready:old 3:ready:old", 3, u)
			c.s.NoImage = true
			p := c.round()
			if got := templates(p); got != "pull cse:new" || p.Decisions[0].Kind != fleet.Fetch {
				t.Fatalf("plan = %q, want the image pulled and nothing else", got)
			}
			if p, _ := c.until(time.Minute, c.round); len(p.Ops()) > 0 || !strings.HasPrefix(c.round().Rollout, "template new: waits for image cse:new") {
				t.Fatalf("plan = %q while it is pulled, want none", templates(p))
			}
			// The pool is kept in order and grows meanwhile.
			c.m.next = 7
			c.s.Instances = snapshot("1:ready:old 2:ready:old 3:dead:old").Instances
			if p := c.round(); templates(p) != "remove 3, start 7 from old" || p.Earlier.Image != "cse:old" {
				t.Errorf("plan = %q, want the dead one replaced from the earlier template", templates(p))
			}
			c.s.Instances = snapshot("1:ready:old 2:ready:old 7:ready:old").Instances
			tries := 0
			for range 4 * 600 {
				failed := fleet.Ended{Op: fleet.Op{Kind: fleet.Pull, Instance: "cse:new"}, Err: errors.New("no such repository")}
				c.s.Ended = nil
				if c.m.pulls.under {
					tries++
					c.s.Ended = []fleet.Ended{failed}
				}
				p = c.round()
				if got := templates(p); got != "" && got != "pull cse:new" {
					t.Fatalf("plan = %q, want nothing but tries to pull", got)
				}
			}
			if tries < 8 || tries > 20 {
				t.Errorf("%d tries in ten minutes, want ever fewer", tries)
			}
			if p.Rollout != spec.Halted || p.Problem != "image cse:new is not on the engine and could not be pulled: no such repository; until it is there 3 instances of earlier templates stay in service" {
				t.Errorf("rollout %q, problem %q", p.Rollout, p.Problem)
			}
			// It is there after all: the update goes on.
			c.s.NoImage, c.s.Ended = false, nil
			p, _ = c.until(time.Second, c.round)
			want := "start 8"
			if u.MaxUnavailable > 0 {
				want = "drain 7"
			}
			if templates(p) != want || p.Problem != "" {
				t.Errorf("plan = %q, problem %q once the image is there, want %q", templates(p), p.Problem, want)
			}
		})
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	t.Parallel()
	t.Run("nothing is started from it", func(t *testing.T) {
		t.Parallel()
		c := newScene("")
		c.s.Pool.Template.Image, c.s.NoImage = "registry.test/cse:1", true
		if got := templates(c.round()); got != "pull registry.test/cse:1" {
			t.Errorf("plan = %q, want the image pulled first", got)
		}
		c.s.Ended = []fleet.Ended{{Op: fleet.Op{Kind: fleet.Pull, Instance: "registry.test/cse:1"}}}
		if p := c.round(); len(p.Ops()) > 0 {
			t.Errorf("plan = %q right after, want what is known to be waited for", templates(p))
		}
		c.s.Ended, c.s.NoImage = nil, false
		if got := templates(c.round()); got != "start 1" {
			t.Errorf("plan = %q, want a start", got)
		}
	})
	t.Run("what pulumi up builds is not asked of a registry", func(t *testing.T) {
		t.Parallel()
		c := newScene("")
		c.s.Pool.Template.Image, c.s.NoImage = "viot-t/cse:0123456789ab", true
		p, _ := c.until(time.Minute, c.round)
		if len(p.Ops()) > 0 {
			t.Errorf("plan = %q, want none", templates(p))
		}
		if p := c.round(); p.Rollout != spec.Halted || !strings.Contains(p.Problem, "only pulumi up builds it") {
			t.Errorf("rollout %q, problem %q", p.Rollout, p.Problem)
		}
	})
	t.Run("rolled back: it is of no matter", func(t *testing.T) {
		t.Parallel()
		c := updating("1:ready:old 2:ready:old 3:ready:old", 3, spec.Update{})
		c.s.Override.Rollback, c.s.NoImage = current, true
		c.s.Instances = slices.Delete(c.s.Instances, 2, 3)
		p, _ := c.until(time.Second, c.round)
		if p.Hash != "old" || text(p) != "start 3" {
			t.Errorf("plan = %q from %s, want the earlier template restored", templates(p), p.Hash)
		}
	})
}

// With nothing beyond the size the first that is replaced shows whether the template works; if not, it is put back and no
// other has gone.
func TestFirstReplacedIsAProbe(t *testing.T) {
	t.Parallel()
	c := updating("1:ready:old 2:ready:old 3:ready:old", 3, spec.Update{MaxUnavailable: 3})
	if got := templates(c.round()); got != "drain 3" {
		t.Fatalf("plan = %q, want one drained", got)
	}
	c.s.Instances = snapshot("1:ready:old 2:ready:old").Instances
	for n, want := range []string{"start 4", "start 5", "start 6"} {
		p, _ := c.until(time.Minute, c.round)
		if got := templates(p); got != want {
			t.Fatalf("try %d: plan = %q, want %q", n, got, want)
		}
		c.s.Ended = []fleet.Ended{{Op: p.Ops()[0], Template: current, Err: errors.New("exited with code 3 while booting")}}
		if p = c.round(); n < 2 && len(p.Ops()) > 0 && templates(p) != "start 5" {
			t.Fatalf("plan = %q after a failed try", templates(p))
		}
		c.s.Ended = nil
		if n == 0 { // the second try follows at once
			c.m.next = 5
		}
		if n == 2 {
			if p.Hash != "old" || templates(p) != "start 7" {
				t.Errorf("plan = %q from %s, want the one that went put back", templates(p), p.Hash)
			}
			if !strings.Contains(p.Problem, "3 instances in a row did not come up") {
				t.Errorf("problem = %q", p.Problem)
			}
		}
	}
}
