package loop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// images counts the containers by image.
func (w *world) images() map[string]int {
	images := map[string]int{}
	w.do(func() {
		for _, b := range w.boxes {
			images[b.spec.Image]++
		}
	})
	return images
}

func TestImageIsPulledBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.absent["registry.test/cse:1"], w.registry["registry.test/cse:1"] = true, true
		two := func(p *spec.Pool) { p.Policy.Min, p.Template.Image = 2, "registry.test/cse:1" }
		w.declare(two)
		w.orchestrate(ctx, "a", 0)
		if took := w.within(10*time.Second, "cse-1 cse-2"); took < pullTime {
			t.Errorf("started after %v, before the image was there", took)
		}
		// Nothing of an update is begun before its image is there; what dies meanwhile is replaced as it was.
		less := func(p *spec.Pool) {
			p.Policy.Min, p.Template.Image = 2, "registry.test/cse:2"
			p.Policy.Update = spec.Update{MaxUnavailable: 2}
		}
		w.do(func() { w.absent["registry.test/cse:2"] = true })
		w.declare(less)
		w.stays(30*time.Second, "cse-1 cse-2")
		w.kill("viot-t-cse-2")
		w.within(2*time.Second, "cse-1 cse-3")
		if s := w.status(); w.images()["registry.test/cse:1"] != 2 || s.Rollout != spec.Halted || !strings.Contains(s.Problem, "registry.test/cse:2 is not on the engine and could not be pulled") {
			t.Errorf("images %v, status %+v, want the old and the reason", w.images(), s)
		}
		w.do(func() { w.registry["registry.test/cse:2"] = true })
		time.Sleep(2 * time.Minute)
		if s := w.status(); s.Ready != 2 || s.Updated != 2 || s.Problem != "" || w.images()["registry.test/cse:2"] != 2 {
			t.Errorf("status %+v, images %v, want both updated once the registry has it", s, w.images())
		}
	})
}

// A template that does not start costs one instance at most when nothing may be added, and that one is put back.
func TestProbeIsPutBack(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		declare := func(image string) {
			w.declare(func(p *spec.Pool) {
				p.Policy.Min, p.Template.Image, p.Policy.Update = 3, image, spec.Update{MaxUnavailable: 3}
			})
		}
		declare("cse:1")
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2 cse-3")
		time.Sleep(time.Second)
		w.do(func() { w.broken["cse:2"] = true })
		declare("cse:2")
		for range 1200 {
			time.Sleep(50 * time.Millisecond)
			w.do(func() {
				if len(w.registered) < 2 {
					t.Errorf("%d registered, want no more than one gone", len(w.registered))
				}
			})
		}
		if s := w.status(); s.Ready != 3 || s.Updated != 0 || s.Rollout != spec.RolledBack || w.images()["cse:1"] != 3 {
			t.Errorf("status %+v, images %v, want three of the old", s, w.images())
		}
	})
}

// The load that comes during a trial is carried by what is proven.
func TestScaleOutDuringATrial(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		declare := func(image string) {
			w.declare(func(p *spec.Pool) {
				p.Policy.Min, p.Template.Image = 2, image
				p.Policy.Update = spec.Update{Canary: 1, CanaryFor: spec.Duration(time.Minute)}
			})
		}
		declare("cse:1")
		a := w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1 cse-2")
		w.load(40)
		time.Sleep(10 * time.Second)
		declare("cse:2")
		w.within(5*time.Second, "cse-1 cse-2 cse-3")
		w.load(200)
		time.Sleep(10 * time.Second)
		if got := w.images(); got["cse:2"] != 1 || got["cse:1"] < 3 {
			t.Errorf("images %v during the trial, want one of the new and the rest of the old", got)
		}
		a.kill() // a successor knows it too
		w.orchestrate(ctx, "b", 0)
		time.Sleep(10 * time.Second)
		w.load(280)
		time.Sleep(10 * time.Second)
		if got := w.images(); got["cse:2"] != 1 || got["cse:1"] < 5 {
			t.Errorf("images %v after a change of leaders, want one of the new and the rest of the old", got)
		}
		time.Sleep(2 * time.Minute)
		if got, s := w.images(), w.status(); len(got) != 1 || got["cse:2"] < 5 || s.Problem != "" {
			t.Errorf("images %v, status %+v, want all of the new once it is proven", got, s)
		}
	})
}
