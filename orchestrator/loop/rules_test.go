package loop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// The rule that a policy names comes into force while the orchestrator runs, and one that is only watched is told.
func TestAlgorithmAndShadowLive(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		o := w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		w.declare(func(p *spec.Pool) { p.Policy.Shadow = "keda" })
		time.Sleep(5 * time.Second)
		report, _ := o.Report()
		if s := report.Pools[0].Inputs.Shadow; s == nil || s.Algorithm != "keda" || s.Size != 1 {
			t.Fatalf("shadow = %+v, want keda's, of one instance", s)
		}
		w.declare(func(p *spec.Pool) { p.Policy.Algorithm, p.Policy.Shadow = "swarm", spec.AlgorithmViot })
		w.load(230)
		w.stays(30*time.Second, "cse-1") // swarm looks every five minutes
		report, _ = o.Report()
		if s := report.Pools[0].Inputs.Shadow; s == nil || s.Algorithm != spec.AlgorithmViot || s.Size < 5 {
			t.Errorf("shadow = %+v, want viot's, of 5 instances or more", s)
		}
		w.declare(func(p *spec.Pool) { p.Policy.Algorithm, p.Policy.Shadow = "swam", "keta" })
		time.Sleep(time.Second)
		if s := w.status(); !strings.Contains(s.Problem, `no scaling rule "swam"`) || !strings.Contains(s.Problem, `shadow: algorithm "keta"`) {
			t.Errorf("problem = %q, want both names told", s.Problem)
		}
		w.declare(nil)
		for began := time.Now(); w.serving() < 5; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("back at viot's rule, after 5s: %s", w.instances())
			}
		}
		if s := w.status(); s.Problem != "" {
			t.Errorf("problem = %q, want none", s.Problem)
		}
	})
}
