package observe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// TestPushes changes one thing after another in the middle between all ticks and looks whether it is known, and the
// loop woken, before any time has passed.
func TestPushes(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(func(p *spec.Pool) { p.Balancers = nil })
		one := w.boot("cse", 1)
		time.Sleep(30*time.Second + 333*time.Millisecond)
		at := time.Now()
		step := func(what, want string, change func()) {
			t.Helper()
			synctest.Wait()
			w.do(func() { w.wakes = nil })
			change()
			if got := states(w.snapshot(o, "cse")); got != want {
				t.Errorf("after %s: %q, want %q", what, got, want)
			}
			w.do(func() {
				if len(w.wakes) == 0 {
					t.Errorf("%s does not wake the loop", what)
				}
			})
			if !time.Now().Equal(at) {
				t.Errorf("%s took %v", what, time.Since(at))
			}
		}
		step("nothing", "cse-1 ready", o.Wake)
		step("a failing check", "cse-1 unready", func() { w.pass(one, false) })
		step("a passing check", "cse-1 ready", func() { w.pass(one, true) })
		step("a start", "cse-1 ready cse-2 ready", func() { w.boot("cse", 2) })
		step("a death", "cse-1 ready cse-2 dead", func() {
			w.happen(docker.ActionDie, "viot-t-cse-2", func(c *docker.Container) { c.State, c.ExitCode, c.OOMKilled = docker.Exited, 137, true })
		})
		if s := w.snapshot(o, "cse"); s.Instances[1].Detail != "killed for want of memory" {
			t.Errorf("its end is told as %q, want that it wanted memory", s.Instances[1].Detail)
		}
		step("its removal", "cse-1 ready", func() {
			w.do(func() {
				delete(w.registered, "viot-t-cse-2")
				w.touch("service/cse")
			})
			w.happen(docker.ActionDestroy, "viot-t-cse-2", nil)
		})
		step("a pause", "cse-1 dead", func() {
			w.happen(docker.ActionPause, one, func(c *docker.Container) { c.State = docker.Paused })
		})
		if i := w.snapshot(o, "cse").Instances[0]; !i.Paused || i.Host != "host" {
			t.Errorf("instance is %+v, want it paused and on its host", i)
		}
		step("its end", "cse-1 ready", func() {
			w.happen(docker.ActionUnpause, one, func(c *docker.Container) { c.State = docker.Running })
		})
		step("a drain", "cse-1 draining", func() { w.put(spec.DrainKey("t", "cse", one), "{}") })
		step("an override", "cse-1 draining", func() { w.put(spec.OverrideKey("t", "cse"), `{"paused": true}`) })
		if s := w.snapshot(o, "cse"); !s.Override.Paused {
			t.Error("the override is not in force")
		}
		step("a document", "cse-1 draining", func() { w.declare(func(p *spec.Pool) { p.Policy.Max = 3 }) })
		if s := w.snapshot(o, "cse"); s.Pool.Policy.Max != 3 {
			t.Errorf("max is %d, want 3", s.Pool.Policy.Max)
		}
	})
}

// TestEventsDoNotRelist has very many containers begin and end at once: what that costs must grow with their number,
// not with its square.
func TestEventsDoNotRelist(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(nil)
		time.Sleep(time.Second)
		const n = 1000
		var before int
		w.do(func() { before = w.lists })
		for number := range n {
			w.boot("cse", number+1)
		}
		time.Sleep(time.Second)
		if s := w.snapshot(o, "cse"); len(s.Instances) != n {
			t.Fatalf("%d instances are known, want %d", len(s.Instances), n)
		}
		for number := range n {
			w.happen(docker.ActionDie, spec.InstanceName("t", "cse", number+1), func(c *docker.Container) { c.State = docker.Exited })
		}
		synctest.Wait()
		if s := w.snapshot(o, "cse"); strings.Count(states(s), "dead") != n {
			t.Errorf("%d deaths are known, want %d", strings.Count(states(s), "dead"), n)
		}
		w.do(func() {
			if w.inspected > 3*n || w.lists-before > 20 {
				t.Errorf("%d inspections and %d lists for %d events", w.inspected, w.lists-before, 2*n)
			}
		})
	})
}

// TestLateListDoesNotRevive has the engine tell of a removal before its list does.
func TestLateListDoesNotRevive(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(nil)
		one := w.boot("cse", 1)
		time.Sleep(time.Second)
		w.do(func() {
			delete(w.registered, one)
			w.touch("service/cse")
			w.emit(docker.ActionDestroy, w.boxes[one])
		})
		time.Sleep(10 * time.Second)
		if got := states(w.snapshot(o, "cse")); got != "" {
			t.Errorf("instances = %q, want none: it was removed", got)
		}
	})
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(nil)
		key := spec.OverrideKey("t", "cse")
		time.Sleep(time.Second)
		if s := w.snapshot(o, "cse"); s.Override.Size != nil || s.Override.Paused || s.Refused != "" {
			t.Errorf("override = %+v, want none", s.Override)
		}
		until := time.Now().Add(10 * time.Second).UTC()
		w.put(key, `{"size": 4, "by": "ann", "until": "`+until.Format(time.RFC3339Nano)+`"}`)
		if s := w.snapshot(o, "cse"); s.Override.Size == nil || *s.Override.Size != 4 || s.Override.By != "ann" {
			t.Errorf("override = %+v, want a size of 4", s.Override)
		}
		for _, bad := range []string{"{", `{"sise": 3}`, `{"size": -1}`, `{"size": 4} {"size": 5}`, strings.Repeat("[", 100_000), `{"until": 5}`} {
			w.put(key, bad)
			s := w.snapshot(o, "cse")
			if s.Override.Size == nil || *s.Override.Size != 4 {
				t.Errorf("override after %.20q = %+v, want the last good one", bad, s.Override)
			}
			if !strings.Contains(s.Refused, "override at index") || strings.Contains(s.Refused, "\n") {
				t.Errorf("refused after %.20q = %q, want a reason on one line", bad, s.Refused)
			}
		}
		w.do(func() { w.wakes = nil })
		time.Sleep(time.Until(until))
		synctest.Wait()
		w.do(func() {
			if len(w.wakes) == 0 || w.wakes[len(w.wakes)-1] != until.Sub(w.began) {
				t.Errorf("the loop was woken at %v, want at the end of the override, %v", w.wakes, until.Sub(w.began))
			}
		})
		if s := w.snapshot(o, "cse"); s.Override.Size != nil {
			t.Errorf("override after its end = %+v, want none", s.Override)
		}
		w.put(key, `{"holdIn": true}`)
		if s := w.snapshot(o, "cse"); !s.Override.HoldIn || s.Refused != "" {
			t.Errorf("override = %+v, refused %q, want it held and nothing refused", s.Override, s.Refused)
		}
		w.put(key, "")
		if s := w.snapshot(o, "cse"); s.Override.HoldIn {
			t.Error("an override that was deleted is still in force")
		}
	})
}

// An event outlives a list that was made before it and arrives after it.
func TestListDoesNotUndoAnEvent(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(func(p *spec.Pool) { p.Balancers = nil })
		one := w.boot("cse", 1)
		time.Sleep(time.Second)
		w.happen(docker.ActionPause, one, func(c *docker.Container) { c.State = docker.Paused })
		synctest.Wait()
		w.do(func() {
			w.listing = func() {
				w.do(func() { w.listing = nil })
				time.Sleep(time.Millisecond)
				w.happen(docker.ActionUnpause, one, func(c *docker.Container) { c.State = docker.Running })
				synctest.Wait()
			}
		})
		o.list(context.Background(), map[string]string{spec.LabelStack: "t"})
		if got := states(w.snapshot(o, "cse")); got != "cse-1 ready" {
			t.Errorf("after a list from before it ran on: %q, want cse-1 ready", got)
		}
	})
}
