package loop

import (
	"context"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// slices counts the instances that serve, by slice and image.
func (w *world) slices() (in map[string]int) {
	in = map[string]int{}
	w.do(func() {
		for name, b := range w.boxes {
			if r := w.registered[name]; r != nil && r.passing {
				in[b.spec.Labels[spec.LabelSlice]+" "+b.spec.Image]++
			}
		}
	})
	return in
}

// TestSlicesAreKept has an instance of a slice die, the image change and the slices as well; none of the slices that stay
// is without an instance, but for the death.
func TestSlicesAreKept(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		image, declared := "cse:1", []string{"a", "b"}
		declare := func() {
			w.declare(func(p *spec.Pool) { p.Policy.Min, p.Slices, p.Template.Image = 0, declared, image })
		}
		until := func(what string, want ...string) {
			t.Helper()
			began := time.Now()
			for got := map[string]int{}; time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
				got = w.slices()
				served := map[string]bool{}
				for key := range got {
					served[key[:1]] = true
				}
				if (!served["b"] || !served["a"] && declared[0] == "a") && what != "none yet" && what != "a death" {
					t.Fatalf("%s: in service are %v, want no slice without", what, got)
				}
				if len(got) == len(want) && got[want[0]] == 1 && got[want[len(want)-1]] == 1 {
					return
				}
			}
			t.Fatalf("%s: in service are %v, want %q", what, w.slices(), want)
		}
		declare()
		w.orchestrate(ctx, "a", 0)
		until("none yet", "a cse:1", "b cse:1")
		time.Sleep(10 * time.Second)
		w.kill("viot-t-cse-2")
		until("a death", "a cse:1", "b cse:1")
		time.Sleep(10 * time.Second)
		if d := w.last(fleet.Replace); len(d.Ops) != 2 || d.Ops[1].Slice != "b" {
			t.Errorf("operations are %+v, want a start in slice b", d.Ops)
		}
		image = "cse:2"
		declare()
		until("an update", "a cse:2", "b cse:2")
		time.Sleep(10 * time.Second)
		declared = []string{"c", "b"}
		declare()
		until("other slices", "b cse:2", "c cse:2")
		w.do(func() {
			for name, b := range w.boxes {
				if want := b.spec.Labels[spec.LabelSlice]; len(b.spec.Networks) != 1 || b.spec.Networks[0] != want {
					t.Errorf("%s joins %q, want %q", name, b.spec.Networks, want)
				}
			}
		})
	})
}
