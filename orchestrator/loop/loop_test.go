package loop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// play runs a scene in a world of its own, on a fake clock, and fails when anything went wrong that never must.
func play(t *testing.T, scene func(ctx context.Context, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWorld(t)
		go w.run(ctx)
		scene(ctx, w)
		cancel()
		synctest.Wait()
		for _, wrong := range w.wrongs {
			t.Error(wrong)
		}
		if t.Failed() {
			t.Logf("timeline:\n%s", strings.Join(w.timeline, "\n"))
		}
	})
}

// within waits until the instances are as wanted, which must be within limit, and says how long it took.
func (w *world) within(limit time.Duration, want string) time.Duration {
	w.t.Helper()
	began := time.Now()
	for time.Since(began) <= limit {
		if w.instances() == want {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, d := range w.decisions() {
		w.t.Logf("%v %+v", d.At.Sub(w.began), d)
	}
	w.t.Fatalf("instances after %v = %q, want %q; status %+v", limit, w.instances(), want, w.status())
	return 0
}

// stays checks that the instances stay as they are for d.
func (w *world) stays(d time.Duration, want string) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < d; time.Sleep(50 * time.Millisecond) {
		if got := w.instances(); got != want {
			w.t.Fatalf("instances after %v = %q, want them to stay %q; status %+v", time.Since(began), got, want, w.status())
		}
	}
}

func (w *world) load(rps float64) { w.do(func() { w.rps = rps }) }

// created counts the containers that were made so far.
func (w *world) created() (n int) {
	w.do(func() {
		for _, line := range w.timeline {
			if strings.Contains(line, " create ") {
				n++
			}
		}
	})
	return n
}

// last is the newest decision of a kind.
func (w *world) last(kind fleet.Kind) fleet.Decision {
	decisions := w.decisions()
	for i := len(decisions) - 1; i >= 0; i-- {
		if decisions[i].Kind == kind {
			return decisions[i]
		}
	}
	w.t.Errorf("no decision of kind %s among %+v", kind, decisions)
	return fleet.Decision{}
}

func TestScaleOutAndIn(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		w.load(20)
		w.stays(10*time.Second, "cse-1")
		w.load(230)
		began := time.Now()
		w.within(3*time.Second, "cse-1 cse-2 cse-3 cse-4 cse-5")
		if d := w.last(fleet.ScaleOut); d.At.Sub(began) > 600*time.Millisecond {
			t.Errorf("the size after a step was decided on after %v, want within 600ms", d.At.Sub(began))
		}
		w.stays(time.Minute, "cse-1 cse-2 cse-3 cse-4 cse-5")
		w.load(20)
		if took := w.within(time.Minute, "cse-1"); took < 30*time.Second {
			t.Errorf("scaled in after %v, want no sooner than 30s", took)
		}
		if s := w.status(); s.Desired != 1 || s.Ready != 1 || s.Updated != 1 || s.Problem != "" || s.Next != 6 {
			t.Errorf("status = %+v, want one ready, no problem, next 6", s)
		}
	})
}

func TestSlowBootIsNotOrderedTwice(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.bootTime = 8 * time.Second
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(10*time.Second, "cse-1")
		w.load(20)
		time.Sleep(10 * time.Second)
		w.load(90)
		w.within(10*time.Second, "cse-1 cse-2")
		time.Sleep(5 * time.Second)
		if n := w.created(); n != 2 {
			t.Errorf("%d containers were made, want 2", n)
		}
	})
}

func TestMetricsDark(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.load(120)
		w.within(10*time.Second, "cse-1 cse-2 cse-3")
		time.Sleep(5 * time.Second)
		w.do(func() { w.metricsAway, w.balancerAway, w.rps = true, true, 0 })
		w.stays(5*time.Minute, "cse-1 cse-2 cse-3")
		if s := w.status(); !strings.Contains(s.Problem, "want of data") {
			t.Errorf("problem = %q, want it to say that data is missing", s.Problem)
		}
		w.kill("viot-t-cse-2")
		w.within(time.Second, "cse-1 cse-3 cse-4")
		w.do(func() { w.metricsAway, w.balancerAway = false, false })
		if took := w.within(time.Minute, "cse-1"); took < 29*time.Second {
			t.Errorf("scaled in %v after data returned, want a window of 30s", took)
		}
	})
}

func TestDeathIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		time.Sleep(10 * time.Second)
		for n := 2; n < 12; n++ {
			w.kill(fmt.Sprintf("viot-t-cse-%d", n))
			w.within(500*time.Millisecond, fmt.Sprintf("cse-1 cse-%d", n+1))
			time.Sleep(time.Second)
		}
		if d := w.last(fleet.Replace); d.Cause != "viot-t-cse-11 died: exited with code 137" {
			t.Errorf("cause = %q", d.Cause)
		}
	})
}

func TestFrozenIsReplaced(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 3 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		w.freeze("viot-t-cse-2", true)
		w.within(10*time.Second, "cse-1 cse-3 cse-4")
		// All at once is another matter: it is what they share.
		w.do(func() { w.shared = true })
		time.Sleep(5 * time.Minute)
		w.do(func() {
			for _, name := range []string{"viot-t-cse-1", "viot-t-cse-3", "viot-t-cse-4"} {
				if w.boxes[name] == nil {
					t.Errorf("%s is gone, want it kept while all fail together", name)
				}
			}
			w.shared = false
		})
		time.Sleep(2 * time.Minute)
		if s := w.status(); s.Ready != 3 || s.Problem != "" {
			t.Errorf("status after recovery = %+v, want 3 ready and no problem", s)
		}
	})
}

// What somebody paused answers nothing, and Docker says so at once: nobody waits for its check to fail, nor for it to finish
// what it was serving.
func TestPausedIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		time.Sleep(10 * time.Second)
		w.do(func() { w.drainTime = time.Hour })
		w.pause("viot-t-cse-1")
		w.within(500*time.Millisecond, "cse-2 cse-3")
		if d := w.last(fleet.Replace); d.Cause != "viot-t-cse-1 is frozen: somebody paused it" {
			t.Errorf("cause = %q", d.Cause)
		}
		w.pause("viot-t-cse-2")
		w.pause("viot-t-cse-3")
		w.within(500*time.Millisecond, "cse-4 cse-5")
	})
}

func TestLoneFrozenIsReplaced(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		w.freeze("viot-t-cse-1", true)
		w.within(time.Minute, "cse-2")
	})
}

func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		three := func(p *spec.Pool) { p.Policy.Min = 3 }
		w.declare(three)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		w.declare(func(p *spec.Pool) { three(p); p.Template.Image = "cse:2" })
		for began := time.Now(); w.instances() != "cse-4 cse-5 cse-6"; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("not rolled out after 10s: %s", w.instances())
			}
			passing, running := 0, 0
			w.do(func() {
				running = len(w.boxes)
				for _, r := range w.registered {
					passing += boolInt(r.passing)
				}
			})
			if passing < 3 || running > 5 {
				t.Fatalf("%d in service and %d containers during the roll-out, want at least 3 and at most 5", passing, running)
			}
		}
		if s := w.status(); s.Updated != 3 || s.Problem != "" {
			t.Errorf("status = %+v, want 3 updated and no problem", s)
		}
		w.stays(time.Minute, "cse-4 cse-5 cse-6")
	})
}

func TestBrokenImageIsNotRolledOut(t *testing.T) {
	t.Parallel()
	for name, wreck := range map[string]func(*world){
		"exits":            func(w *world) { w.broken["cse:2"] = true },
		"never gets ready": func(w *world) { w.unready["cse:2"] = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(ctx context.Context, w *world) {
				wreck(w)
				two := func(p *spec.Pool) { p.Policy.Min = 2 }
				w.declare(two)
				w.orchestrate(ctx, "a", 0)
				w.within(2*time.Second, "cse-1 cse-2")
				time.Sleep(time.Second)
				w.declare(func(p *spec.Pool) { two(p); p.Template.Image = "cse:2" })
				time.Sleep(5 * time.Minute)
				s := w.status()
				if s.Ready != 2 || s.Updated != 0 || s.Rollout != spec.RolledBack || !strings.Contains(s.Problem, "rolled back: 3 instances in a row") {
					t.Errorf("status = %+v, want the 2 old in service and the update rolled back", s)
				}
				if got := w.instances(); got != "cse-1 cse-2" {
					t.Errorf("instances = %s, want the old untouched", got)
				}
				if w.broken["cse:2"] && !strings.Contains(s.Problem, "exited with code 3 while booting; its last words: cannot start: no configuration") {
					t.Errorf("problem = %q, want the reason", s.Problem)
				}
				if n := w.created() - 2; n != 3 {
					t.Errorf("%d tries in 5 minutes, want 3", n)
				}
				// The repaired image is rolled out at once.
				w.declare(func(p *spec.Pool) { two(p); p.Template.Image = "cse:3" })
				time.Sleep(20 * time.Second)
				if s := w.status(); s.Updated != 2 || s.Problem != "" {
					t.Errorf("status = %+v, want 2 updated and no problem", s)
				}
			})
		})
	}
}

func TestFailingUpdateIsRolledBack(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		three := func(p *spec.Pool) {
			p.Policy.Min = 3
			p.Policy.Update = spec.Update{Canary: 2, CanaryFor: spec.Duration(20 * time.Second)}
		}
		w.failing["cse:2"] = true
		w.declare(three)
		a := w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		w.load(60)
		time.Sleep(20 * time.Second)
		w.declare(func(p *spec.Pool) { three(p); p.Template.Image = "cse:2" })
		w.within(5*time.Second, "cse-1 cse-2 cse-4 cse-5")
		a.kill() // what its successor takes over is an update on trial
		w.orchestrate(ctx, "b", 0)
		time.Sleep(time.Minute)
		s := w.status()
		if s.Ready != 3 || s.Updated != 0 || s.Rollout != spec.RolledBack || !strings.Contains(s.Problem, "of its requests are answered with an error") {
			t.Errorf("status = %+v, want 3 of the old and the update rolled back for its errors", s)
		}
		images := map[string]int{}
		w.do(func() {
			for _, b := range w.boxes {
				images[b.spec.Image]++
			}
		})
		if images["cse:1"] != 3 || len(images) != 1 {
			t.Errorf("containers by image = %v, want 3 of cse:1", images)
		}
		// What replaces a dead one is of the earlier template too, whoever leads.
		w.kill(w.newest())
		time.Sleep(5 * time.Second)
		if s := w.status(); s.Ready != 3 || s.Updated != 0 {
			t.Errorf("status = %+v, want 3 of the old", s)
		}
		w.declare(func(p *spec.Pool) { three(p); p.Template.Image = "cse:3" })
		time.Sleep(time.Minute)
		if s := w.status(); s.Updated != 3 || s.Problem != "" || s.Rollout != "" {
			t.Errorf("status = %+v, want 3 of the repaired template", s)
		}
	})
}

func TestLimitsChangeLive(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		limits := func(low, high int) {
			w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Max = low, high })
		}
		limits(1, 5)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		limits(3, 5)
		w.within(time.Second, "cse-1 cse-2 cse-3")
		limits(1, 2)
		w.within(time.Second, "cse-1 cse-2")
		limits(2, 2)
		time.Sleep(time.Minute)
		limits(1, 2) // one has been enough for long
		w.within(time.Second, "cse-1")
		w.do(func() { w.set(spec.PoolKey(stack, service), []byte(`{"policy": {"min": -1}}`), "") })
		w.stays(20*time.Second, "cse-1")
		if s := w.status(); !strings.Contains(s.Problem, "policy.min -1") {
			t.Errorf("problem = %q, want it to say why the document is refused", s.Problem)
		}
		limits(2, 2)
		w.within(time.Second, "cse-1 cse-4")
	})
}

func TestForeignContainersAreLeftAlone(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.do(func() {
			w.boxes["postgres"] = &box{id: "p", state: docker.Exited, cpus: 1}
			w.boxes["postgres"].spec.Name = "postgres"
			w.boxes["postgres"].spec.Labels = map[string]string{spec.LabelStack: stack, spec.LabelRole: spec.RoleInstance, spec.LabelPool: service}
		})
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		time.Sleep(time.Minute)
		if got, want := w.instances(), "postgres(exited) cse-1"; got != want {
			t.Errorf("instances = %q, want %q", got, want)
		}
	})
}

func TestDeletingPoolIsLeftAlone(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.drainTime = time.Hour // a drain is in progress
		w.declare(func(p *spec.Pool) { p.Policy.Min = 3 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		w.declare(func(p *spec.Pool) { p.Policy.Max = 2 })
		w.within(time.Second, "cse-1 cse-2 cse-3(unregistered)")
		w.declare(func(p *spec.Pool) { p.Policy.Max, p.Deleting = 2, true })
		deletedAt := uint64(0)
		w.do(func() { deletedAt = w.kv[spec.PoolKey(stack, service)].ModifyIndex })
		time.Sleep(500 * time.Millisecond)
		if s := w.status(); s.ObservedIndex != deletedAt {
			t.Errorf("observed index = %d, want %d", s.ObservedIndex, deletedAt)
		}
		before := len(w.timeline)
		w.kill("viot-t-cse-1")
		time.Sleep(time.Minute)
		w.do(func() {
			if len(w.timeline) != before {
				t.Errorf("done to a pool that is being deleted: %v", w.timeline[before:])
			}
			// The rest is the provider's.
			for name, b := range w.boxes {
				delete(w.boxes, name)
				w.emit(docker.ActionDestroy, b)
			}
			clear(w.registered)
			for key := range w.kv {
				if key != spec.LeaderKey(stack) && key != spec.PoolKey(stack, service) {
					delete(w.kv, key)
				}
			}
			w.touch(spec.AllDrainsKey(stack), "service/"+service)
		})
		time.Sleep(time.Minute)
		w.do(func() {
			if len(w.kv) != 2 {
				t.Errorf("keys after deletion: %v, want the leader's and the document only", slices.Sorted(maps.Keys(w.kv)))
			}
		})
		// Declared again before anybody saw it gone, it is another pool: its size and its numbers begin anew.
		w.declare(nil)
		w.within(2*time.Second, "cse-1")
	})
}

func TestPoolWithoutDocumentIsForgotten(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.do(func() { w.balancerAway = true })
		w.declare(func(p *spec.Pool) { p.Policy.Max = 1 })
		w.within(time.Second, "cse-1 cse-2(unregistered)") // being drained
		w.do(func() {
			delete(w.kv, spec.PoolKey(stack, service))
			w.touch(spec.PoolsKey(stack))
		})
		w.stays(time.Second, "cse-1 cse-2(unregistered)")
		w.do(func() { w.balancerAway = false })
		w.kill("viot-t-cse-1")
		w.stays(time.Minute, "cse-1(exited) cse-2(unregistered)")
	})
}

func TestBalancerAwayHoldsTheDrain(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.do(func() { w.balancerAway = true })
		w.declare(func(p *spec.Pool) { p.Policy.Max = 1 })
		w.within(time.Second, "cse-1 cse-2(unregistered)")
		w.stays(10*time.Minute, "cse-1 cse-2(unregistered)")
		if s := w.status(); !strings.Contains(s.Problem, "waits for load balancer http://lb") {
			t.Errorf("problem = %q, want it to name the load balancer", s.Problem)
		}
		w.do(func() { w.balancerAway = false })
		w.within(2*time.Second, "cse-1")
	})
}

func TestEndlessRequestEndsWithTheDrainTimeout(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.do(func() { w.drainTime = time.Hour })
		w.declare(func(p *spec.Pool) { p.Policy.Max = 1 })
		if took := w.within(time.Minute, "cse-1"); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("removed after %v, want the drain timeout of 30s", took)
		}
		w.do(func() { w.wrongs = nil }) // that a request broke is what this test asks for
	})
}

func TestLeaderChange(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		a := w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		b := w.orchestrate(ctx, "b", 0)
		time.Sleep(10 * time.Second)
		if _, acting := b.Report(); acting || b.Leader() != "a" {
			t.Errorf("b acts: %t, leader by b: %q; want it to stand by for a", acting, b.Leader())
		}
		a.stop()
		<-a.ended
		time.Sleep(100 * time.Millisecond)
		if _, acting := b.Report(); !acting {
			t.Error("b does not act at once when a gives up the lease")
		}
		w.kill("viot-t-cse-1")
		w.within(time.Second, "cse-2 cse-3")
		b.kill()
		w.orchestrate(ctx, "c", 0)
		w.kill("viot-t-cse-2")
		w.within(12*time.Second, "cse-3 cse-4") // when the dead leader has been silent for long enough
	})
}

func TestRestartedLeaderTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		a := w.orchestrate(ctx, "a", 0)
		w.load(120)
		w.within(10*time.Second, "cse-1 cse-2 cse-3")
		a.kill()
		w.kill("viot-t-cse-2")
		time.Sleep(time.Second)
		w.load(0)
		w.orchestrate(ctx, "a", 0)
		w.within(time.Second, "cse-1 cse-3 cse-4")
		w.stays(25*time.Second, "cse-1 cse-3 cse-4") // a whole window is seen before it scales in
		w.within(20*time.Second, "cse-1")
	})
}

func TestConsulAway(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		o := w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.do(func() { w.consulAway = true })
		w.stays(time.Minute, "cse-1 cse-2")
		if _, acting := o.Report(); acting {
			t.Error("still acts a minute after Consul went away")
		}
		w.kill("viot-t-cse-2")
		w.do(func() { w.consulAway = false })
		w.within(2*time.Second, "cse-1 cse-3")
	})
}

func TestEngineAway(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min = 2 })
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.do(func() { w.engineAway = true })
		time.Sleep(20 * time.Second)
		if s := w.status(); !strings.Contains(s.Problem, "containers are not known") || s.Desired != 2 {
			t.Errorf("status = %+v, want the size and a problem that says that Docker is away", s)
		}
		w.do(func() { w.engineAway = false })
		w.kill("viot-t-cse-2")
		w.within(6*time.Second, "cse-1 cse-3")
	})
}

// An orchestrator that is killed right after any one of its changes leaves a world from which the next gets to the
// same end: nothing is orphaned, nothing broken.
func TestKilledAfterAnyChange(t *testing.T) {
	t.Parallel()
	scene := func(t *testing.T, killAt int) (changes int) {
		play(t, func(ctx context.Context, w *world) {
			next := func() *orchestrator { return w.orchestrate(ctx, "a", 0) }
			o := w.orchestrate(ctx, "a", killAt)
			alive := func() { // whoever was killed is started again, as Docker does it
				time.Sleep(3 * time.Second)
				if o.client.isDead() {
					<-o.ended
					o = next()
					time.Sleep(6 * time.Second)
				}
			}
			size := func(low, high int, image string) {
				w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Max, p.Template.Image = low, high, image })
				alive()
			}
			size(2, 2, "cse:1") // starts
			size(1, 1, "cse:1") // a drain
			size(2, 2, "cse:2") // a start and a roll-out
			w.kill(w.newest())
			alive()
			time.Sleep(20 * time.Second)
			if !w.twoUpdated() {
				t.Errorf("in the end: %s, want 2 of the new image in service", w.instances())
			}
			if s := w.status(); s.Ready != 2 || s.Updated != 2 || s.Draining != 0 || s.Booting != 0 || s.Problem != "" {
				t.Errorf("status in the end = %+v, want 2 updated and nothing else", s)
			}
			w.do(func() {
				for key := range w.kv {
					if strings.HasPrefix(key, spec.AllDrainsKey(stack)) {
						t.Errorf("%s is left in the drain journal", key)
					}
				}
			})
			w.do(func() { changes = o.client.effects })
		})
		return changes
	}
	changes := scene(t, 0)
	if changes < 30 {
		t.Fatalf("%d changes without a kill, want a scene with more", changes)
	}
	for killAt := 1; killAt <= changes; killAt++ {
		t.Run(fmt.Sprint(killAt), func(t *testing.T) {
			t.Parallel()
			scene(t, killAt)
		})
	}
}

// newest is the running instance with the highest number.
func (w *world) newest() (name string) {
	w.do(func() {
		for n := range w.boxes {
			if w.boxes[n].state == docker.Running && (name == "" || byNumber(n, name) > 0) {
				name = n
			}
		}
	})
	return name
}

// twoUpdated says whether exactly two instances are there, in service and of the second image.
func (w *world) twoUpdated() bool {
	if strings.Contains(w.instances(), "(") {
		return false
	}
	n := 0
	w.do(func() {
		for _, b := range w.boxes {
			n += boolInt(b.spec.Image == "cse:2")
		}
	})
	return n == 2 && len(w.boxes) == 2 && len(w.registered) == 2
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
