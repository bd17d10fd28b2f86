package loop

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// What is steered by is what this process has measured itself: the engine's clock and those of its predecessors may be
// wrong by an hour either way without a boot that counts as failed, a trial that is cut short or a status that is not told.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(ctx context.Context, w *world) {
				two := func(p *spec.Pool) {
					p.Policy.Min = 2
					p.Policy.Update = spec.Update{Canary: 1, CanaryFor: spec.Duration(time.Minute)}
				}
				w.declare(two)
				a := w.orchestrate(ctx, "a", 0)
				w.within(2*time.Second, "cse-1 cse-2")
				w.do(func() { w.skew = skew })
				w.load(20)
				w.stays(20*time.Second, "cse-1 cse-2")
				for range 6 { // each at once: none counts as one that never worked
					w.kill(w.newest())
					time.Sleep(1500 * time.Millisecond)
					if s := w.status(); s.Ready != 2 || s.Problem != "" {
						t.Fatalf("status %+v, want a death replaced at once", s)
					}
				}
				w.load(130)
				time.Sleep(10 * time.Second)
				if s := w.status(); s.Ready != 3 || s.Problem != "" {
					t.Fatalf("status %+v, want 3 for the load", s)
				}
				w.load(20)
				time.Sleep(90 * time.Second)
				if s := w.status(); s.Ready != 2 {
					t.Fatalf("status %+v, want 2 for the load", s)
				}

				// A successor finds what was written by a clock that was wrong.
				w.declare(func(p *spec.Pool) { two(p); p.Template.Image = "cse:2" })
				time.Sleep(5 * time.Second)
				a.kill()
				w.do(func() {
					var status spec.Status
					var rollout spec.Rollout
					for key, v := range map[string]any{spec.StatusKey(stack, service): &status, spec.RolloutKey(stack, service): &rollout} {
						if err := json.Unmarshal(w.kv[key].Value, v); err != nil {
							t.Fatal(err)
						}
					}
					if rollout.Phase != spec.RolloutWatched {
						t.Fatalf("rollout %+v, want it on trial", rollout)
					}
					status.UpdatedAt, rollout.Since = status.UpdatedAt.Add(skew), rollout.Since.Add(skew)
					for key, v := range map[string]any{spec.StatusKey(stack, service): status, spec.RolloutKey(stack, service): rollout} {
						text, err := json.Marshal(v)
						if err != nil {
							t.Fatal(err)
						}
						w.set(key, text, "")
					}
				})
				w.orchestrate(ctx, "b", 0)
				time.Sleep(40 * time.Second)
				if s := w.status(); s.Updated != 1 || !strings.Contains(s.Rollout, "on trial") || time.Since(s.UpdatedAt) > 15*time.Second {
					t.Errorf("status %+v at %v, want the trial to go on and the status told", s, time.Now())
				}
				time.Sleep(time.Minute)
				if s := w.status(); s.Updated != 2 || s.Problem != "" {
					t.Errorf("status %+v, want the update done", s)
				}
			})
		})
	}
}
