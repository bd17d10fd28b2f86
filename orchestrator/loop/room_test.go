package loop

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// ask sets a pool's size as an operator does.
func (w *world) ask(pool string, size int) {
	w.t.Helper()
	text, err := json.Marshal(spec.Override{Size: &size})
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(func() { w.set(spec.OverrideKey(stack, pool), text, "") })
}

// sizes are how many instances the two pools have in service.
func (w *world) sizes() (of, beside int) {
	w.do(func() {
		for _, r := range w.registered {
			of, beside = of+boolInt(r.Service == service), beside+boolInt(r.Service == other)
		}
	})
	return of, beside
}

// sized waits until the two pools have so many instances in service.
func (w *world) sized(of, beside int) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		if a, b := w.sizes(); a == of && b == beside {
			return
		}
	}
	a, b := w.sizes()
	w.t.Fatalf("%d and %d instances are in service after 30s, want %d and %d; status %+v", a, b, of, beside, w.status())
}

// told says whether a decision of a pool has a cause that holds text.
func (w *world) told(pool, text string) bool {
	var decisions []fleet.Decision
	w.do(func() {
		if err := json.Unmarshal(w.kv[spec.DecisionsKey(stack, pool)].Value, &decisions); err != nil {
			w.t.Error(err)
		}
	})
	for _, d := range decisions {
		if strings.Contains(d.Cause, text) {
			return true
		}
	}
	w.t.Logf("decisions of %s: %+v", pool, decisions)
	return false
}

// A host has memory for six instances. The world notes it when one more is started.
func TestPriorityWhenTheHostIsFull(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		const each = 64 << 20
		w.memory = 6 * each
		w.declare(func(p *spec.Pool) { p.Template.MemoryBytes, p.Policy.Priority = each, 1 })
		w.declare(func(p *spec.Pool) {
			p.Name, p.Template.MemoryBytes, p.Policy.Min, p.Balancers = other, each, 2, nil
		})
		w.ask(service, 1)
		w.ask(other, 8)
		w.orchestrate(ctx, "a", 0)
		w.sized(1, 5)
		if !w.told(other, "host host has room for 5") {
			t.Error("the pool that got 5 of 8 does not say that the host has room for 5")
		}
		w.ask(service, 3)
		w.sized(3, 3)
		w.ask(service, 9)
		w.sized(4, 2) // not below its min
		time.Sleep(30 * time.Second)
		w.sized(4, 2)
		if !w.told(other, "host host has room for 2 instances of priority 0") {
			t.Error("the pool that gave way does not name the host and its priority")
		}
		if !w.told(service, "host host has room for 4 instances of priority 1") {
			t.Error("the pool that got 4 of 9 does not name the host and its priority")
		}
		w.ask(service, 1)
		w.sized(1, 5)
	})
}

// Both want more in the same round: the first has it, and the second only what is then left. Among equals none gives way.
func TestBothGrowIntoWhatIsLeft(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		const each = 64 << 20
		w.memory = 6 * each
		for _, pool := range []string{service, other} {
			w.declare(func(p *spec.Pool) {
				p.Name, p.Template.MemoryBytes, p.Balancers, p.Policy.Min = pool, each, nil, 1
			})
		}
		w.orchestrate(ctx, "a", 0)
		w.sized(1, 1)
		w.do(func() {
			for _, pool := range []string{service, other} {
				w.set(spec.OverrideKey(stack, pool), []byte(`{"size": 5}`), "")
			}
		})
		w.sized(5, 1)
		time.Sleep(30 * time.Second)
		w.sized(5, 1)
	})
}
