package loop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

func TestStandby(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.bootTime = 3 * time.Second
		kept := func(p *spec.Pool) { p.Policy.Standby = spec.Standby{Count: 1, Paused: true} }
		w.declare(kept)
		w.orchestrate(ctx, "a", 0)
		w.within(10*time.Second, "cse-1 cse-2(paused)")
		w.load(20)
		time.Sleep(10 * time.Second)
		w.stays(20*time.Second, "cse-1 cse-2(paused)")
		if s := w.status(); s.Standby != 1 || s.Ready != 1 || s.Problem != "" {
			t.Errorf("status = %+v, want one ready and one standby", s)
		}
		began := time.Now()
		w.load(90)
		for w.serving() < 2 {
			if time.Sleep(10 * time.Millisecond); time.Since(began) > 10*time.Second {
				t.Fatalf("after 10s: %s", w.instances())
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the standby served %v after the step, want less than 1s", took)
		}
		w.within(10*time.Second, "cse-1 cse-2 cse-3(paused)") // replenished
		w.kill("viot-t-cse-1")
		w.within(time.Second, "cse-2 cse-3 cse-4(unregistered)") // it replaces what died, too
		w.within(10*time.Second, "cse-2 cse-3 cse-4(paused)")
		w.kill("viot-t-cse-4")
		w.within(10*time.Second, "cse-2 cse-3 cse-5(paused)")
		w.declare(func(p *spec.Pool) { kept(p); p.Template.Image = "cse:2" })
		w.within(40*time.Second, "cse-6 cse-7 cse-8(paused)")
		w.declare(func(p *spec.Pool) { p.Template.Image = "cse:2" })
		w.within(5*time.Second, "cse-6 cse-7")
	})
}

// serving counts the instances in service.
func (w *world) serving() (n int) {
	w.do(func() {
		for id, r := range w.registered {
			n += boolInt(r.passing && w.ready(w.boxes[id]))
		}
	})
	return n
}

// A drain is called off when load returns before the stop, and nothing is started instead.
func TestDrainIsCalledOff(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.drainTime = 20 * time.Second
		size := func(n int) { w.declare(func(p *spec.Pool) { p.Policy.Min, p.Policy.Max = n, n }) }
		size(3)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		size(1)
		w.within(time.Second, "cse-1 cse-2(unregistered) cse-3(unregistered)")
		time.Sleep(5 * time.Second)
		size(2)
		w.within(time.Second, "cse-1 cse-2 cse-3(unregistered)")
		w.within(30*time.Second, "cse-1 cse-2")
		w.stays(time.Minute, "cse-1 cse-2")
		if n := w.created(); n != 3 {
			t.Errorf("%d containers were made, want 3", n)
		}
	})
}

// Killed after any change, with standbys, drains and recalls, the next orchestrator gets to the same end.
func TestStandbyKilledAfterAnyChange(t *testing.T) {
	t.Parallel()
	scene := func(t *testing.T, killAt int) (changes int) {
		play(t, func(ctx context.Context, w *world) {
			o := w.orchestrate(ctx, "a", killAt)
			alive := func(d time.Duration) {
				time.Sleep(d)
				if o.client.isDead() {
					<-o.ended
					o = w.orchestrate(ctx, "a", 0)
					time.Sleep(6 * time.Second)
				}
			}
			size := func(n, standbys int, wait time.Duration) {
				w.declare(func(p *spec.Pool) {
					p.Policy.Min, p.Policy.Max = n, n
					p.Policy.Standby = spec.Standby{Count: standbys, Paused: true}
				})
				alive(wait)
			}
			size(1, 1, 3*time.Second)
			size(2, 1, 3*time.Second) // enlists and warms
			w.do(func() { w.drainTime = 10 * time.Second })
			size(1, 1, 2*time.Second) // begins a drain
			size(2, 1, 2*time.Second) // calls it off
			w.do(func() { w.drainTime = 200 * time.Millisecond })
			size(1, 1, 3*time.Second)
			size(2, 0, 3*time.Second)
			size(2, 1, 3*time.Second)
			time.Sleep(20 * time.Second)
			s := w.status()
			if got := w.instances(); s.Ready != 2 || s.Standby != 1 || s.Draining != 0 || s.Problem != "" ||
				strings.Count(got, "(paused)") != 1 || strings.Count(got, "(") != 1 || strings.Count(got, "cse-") != 3 {
				t.Errorf("in the end: %s, status %+v; want 2 in service and a paused standby", got, s)
			}
			left := 0
			w.do(func() {
				for key := range w.kv {
					left += boolInt(strings.HasPrefix(key, spec.AllDrainsKey(stack)))
				}
			})
			if left != 1 {
				t.Errorf("%d entries in the journal, want the standby's only", left)
			}
			w.do(func() { changes = o.client.effects })
		})
		return changes
	}
	changes := scene(t, 0)
	if changes < 40 {
		t.Fatalf("%d changes without a kill, want a scene with more", changes)
	}
	for killAt := 1; killAt <= changes; killAt++ {
		t.Run(fmt.Sprint(killAt), func(t *testing.T) {
			t.Parallel()
			scene(t, killAt)
		})
	}
}
