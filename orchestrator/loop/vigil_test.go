package loop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// starts counts how often instances were started again in place so far.
func (w *world) starts() (n int) {
	w.do(func() {
		for _, line := range w.timeline {
			if strings.Contains(line, " start ") {
				n++
			}
		}
	})
	return n
}

// silent is a world of two instances in which Consul has been away for long enough that nobody leads; the first of the
// identities did.
func silent(ctx context.Context, w *world, change func(*spec.Pool), identities ...string) (all []*orchestrator) {
	w.declare(func(p *spec.Pool) {
		p.Policy.Min = 2
		if change != nil {
			change(p)
		}
	})
	for _, identity := range identities {
		all = append(all, w.orchestrate(ctx, identity, 0))
		time.Sleep(time.Second) // the first leads
	}
	w.within(5*time.Second, "cse-1 cse-2")
	time.Sleep(10 * time.Second)
	w.do(func() { w.consulAway = true })
	time.Sleep(8 * time.Second)
	return all
}

func TestCrashedIsRevivedWhileConsulIsAway(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		a := silent(ctx, w, nil, "a")[0]
		for range 5 {
			w.kill("viot-t-cse-2")
			w.within(3*time.Second, "cse-1 cse-2")
			time.Sleep(2 * time.Second) // a check that fell into its start has been made good
			w.stays(20*time.Second, "cse-1 cse-2")
		}
		if _, acting := a.Report(); acting {
			t.Error("it says that it acts, and nobody can know that it leads")
		}
		// All at once, as when the engine lost them.
		w.kill("viot-t-cse-1")
		w.kill("viot-t-cse-2")
		w.within(3*time.Second, "cse-1 cse-2")
		time.Sleep(2 * time.Second)
		w.do(func() { w.consulAway = false })
		w.stays(2*time.Minute, "cse-1 cse-2")
		if s := w.status(); s.Ready != 2 || s.Desired != 2 || s.Problem != "" || s.Next != 3 || w.created() != 2 || w.starts() != 7 {
			t.Errorf("status %+v, %d created, %d started in place; want the same two instances in service", s, w.created(), w.starts())
		}
	})
}

// What is dead when Consul answers again, or is on its way up, is there once in the end.
func TestConsulReturnsDuringARevival(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 500 * time.Millisecond, 1100 * time.Millisecond, 1500 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			play(t, func(ctx context.Context, w *world) {
				silent(ctx, w, nil, "a", "b")
				w.do(func() { w.bootTime = 2 * time.Second })
				w.kill("viot-t-cse-2")
				time.Sleep(after)
				w.do(func() { w.consulAway = false })
				for range 600 {
					time.Sleep(100 * time.Millisecond)
					w.do(func() {
						running := 0
						for _, b := range w.boxes {
							running += boolInt(b.state == docker.Running)
						}
						if running > 2 {
							t.Errorf("%d instances run, want no more than 2", running)
						}
					})
				}
				if got := w.instances(); got != "cse-1 cse-2" && got != "cse-1 cse-3" {
					t.Errorf("instances in the end = %s, want two in service", got)
				}
				if s := w.status(); s.Ready != 2 || s.Problem != "" {
					t.Errorf("status in the end = %+v, want 2 ready and no problem", s)
				}
			})
		})
	}
}

// Who stands by does not know what was on its way out: it revives nothing. Two that both led do not disturb each other,
// and one that is cut off does not disturb who leads.
func TestTwoDuringSilence(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		both := silent(ctx, w, nil, "a", "b")
		leader, other := both[0], both[1]
		w.kill("viot-t-cse-2")
		w.within(3*time.Second, "cse-1 cse-2")
		leader.kill()
		w.kill("viot-t-cse-2")
		w.stays(time.Minute, "cse-1 cse-2(exited)")
		w.do(func() { w.consulAway = false })
		w.within(20*time.Second, "cse-1 cse-3")
		// b leads now, and c stands by. Cut off, b sees what happens to instances; c leads, and replaces them.
		c := w.orchestrate(ctx, "c", 0)
		time.Sleep(5 * time.Second)
		w.do(func() { other.client.apart = true })
		time.Sleep(15 * time.Second)
		if _, acting := c.Report(); !acting {
			t.Fatal("c does not lead though b is cut off")
		}
		before := w.starts()
		w.kill("viot-t-cse-3")
		w.within(2*time.Second, "cse-1 cse-4")
		w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Max = 1, 1 })
		w.within(5*time.Second, "cse-1")
		w.stays(time.Minute, "cse-1")
		if n := w.starts() - before; n > 0 {
			t.Errorf("%d instances were started in place though c leads", n)
		}
		// Now c loses Consul too: both revive.
		w.do(func() { c.client.apart = true })
		time.Sleep(8 * time.Second)
		w.kill("viot-t-cse-1")
		w.within(3*time.Second, "cse-1")
		time.Sleep(2 * time.Second)
		w.do(func() { other.client.apart, c.client.apart = false, false })
		w.stays(time.Minute, "cse-1")
	})
}

func TestWhatIsOnItsWayOutIsNotRevived(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Standby = 3, spec.Standby{Count: 1} })
		w.orchestrate(ctx, "a", 0)
		w.within(5*time.Second, "cse-1 cse-2 cse-3 cse-4(unregistered)")
		time.Sleep(time.Second)
		w.do(func() { w.balancerAway = true })
		w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Max, p.Policy.Standby = 2, 2, spec.Standby{Count: 1} })
		w.within(time.Second, "cse-1 cse-2 cse-3(unregistered) cse-4(unregistered)") // the third is being drained
		w.do(func() { w.consulAway = true })
		time.Sleep(8 * time.Second)
		w.kill("viot-t-cse-3")
		w.kill("viot-t-cse-4")
		w.stays(time.Minute, "cse-1 cse-2 cse-3(exited) cse-4(exited)")
		w.do(func() { w.consulAway, w.balancerAway = false, false })
		w.within(5*time.Second, "cse-1 cse-2 cse-5(unregistered)")
	})
}

func TestPoolThatIsDeletedIsNotRevived(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		w.declare(func(p *spec.Pool) { p.Deleting = true })
		time.Sleep(time.Second)
		w.do(func() { w.consulAway = true })
		time.Sleep(8 * time.Second)
		w.kill("viot-t-cse-1")
		w.stays(time.Minute, "cse-1(exited)")
	})
}

// What dies again and again is started ever more rarely; what came to run at another address is registered there once
// Consul answers, without another being made.
func TestRevivedButOfNoUse(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		silent(ctx, w, nil, "a")
		w.do(func() { w.broken["cse:1"] = true })
		w.kill("viot-t-cse-2")
		time.Sleep(10 * time.Minute)
		if n := w.starts(); n < 8 || n > 18 {
			t.Errorf("started %d times in ten minutes, want ever more rarely, at last once a minute", n)
		}
		w.do(func() { w.broken["cse:1"] = false })
		w.within(2*time.Minute, "cse-1 cse-2")
	})
	play(t, func(ctx context.Context, w *world) {
		silent(ctx, w, nil, "a")
		w.do(func() { w.boxes["viot-t-cse-2"].moved = true })
		w.kill("viot-t-cse-2")
		w.within(5*time.Second, "cse-1 cse-2(critical)")
		w.stays(time.Minute, "cse-1 cse-2(critical)")
		w.do(func() { w.consulAway = false })
		w.within(3*time.Second, "cse-1 cse-2")
		w.stays(time.Minute, "cse-1 cse-2")
		if s := w.status(); s.Ready != 2 || s.Problem != "" || w.created() != 2 {
			t.Errorf("status %+v, %d created; want the same two in service", s, w.created())
		}
	})
}
