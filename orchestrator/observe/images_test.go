package observe

import (
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

func TestImages(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		w.declare(nil)
		time.Sleep(100 * time.Millisecond)
		if s := w.snapshot(o, "cse"); s.NoImage {
			t.Error("the image is said not to be there")
		}
		looks := func() (n int) { w.do(func() { n = w.looks }); return n }
		before := looks()
		time.Sleep(time.Minute)
		if n := looks() - before; n < 1 || n > 3 {
			t.Errorf("looked %d times in a minute for an image that is there, want 2", n)
		}
		w.do(func() { w.absent["cse:2"] = true })
		w.declare(func(p *spec.Pool) { p.Template.Image = "cse:2" })
		time.Sleep(100 * time.Millisecond)
		if s := w.snapshot(o, "cse"); !s.NoImage {
			t.Error("another image is declared, and is not said to be missing at once")
		}
		w.do(func() { w.engineAway = true })
		time.Sleep(3 * time.Second)
		w.do(func() { w.engineAway, w.absent["cse:2"] = false, false })
		time.Sleep(1100 * time.Millisecond)
		if s := w.snapshot(o, "cse"); s.NoImage {
			t.Error("the image came, and is said not to be there a second later")
		}
	})
}
