package loop

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Vigil keeps what runs running while Consul is silent: it has dead instances started again in place, and does nothing
// else. Set all fields but Decided, which may be nil; then Run.
type Vigil struct {
	Observer Observer // as it was when the lease was lost, with the engine still being observed
	Actor    Actor    // needs no right to act for what it is asked
	Every    time.Duration
	Decided  func(pool string, d fleet.Decision) // see Loop; Number is 0, for the next leader counts on without it
	Log      hclog.Logger

	pools map[string]decide.Vigil // only the goroutine in Run uses it
}

// Run keeps the vigil until ctx ends: in a round at once, one after each wake, and one after Every without.
func (v *Vigil) Run(ctx context.Context, wake Wakeable) error {
	v.pools = map[string]decide.Vigil{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-wake:
		}
		v.round(time.Now())
		timer.Reset(v.Every)
	}
}

func (v *Vigil) round(now time.Time) {
	declared, _ := v.Observer.Pools()
	for _, d := range declared {
		if d.Deleting || d.Template == "" {
			continue
		}
		s, err := v.Observer.Snapshot(d.Name, v.Actor.Ops(d.Name), now)
		if err != nil {
			continue // the engine is silent too, or Consul was before all was known
		}
		s.Ended = v.Actor.Ended(d.Name)
		for _, e := range s.Ended {
			if e.Err != nil {
				v.Log.Warn("instance did not come up again", "pool", d.Name, "instance", e.Instance, "error", e.Err)
			}
		}
		decisions, memory := decide.Revive(s, v.pools[d.Name], now)
		v.pools[d.Name] = memory
		for _, decision := range decisions {
			v.Log.Info("decided", "pool", d.Name, "kind", decision.Kind, "cause", decision.Cause, "ops", opsText(decision.Ops))
			if v.Decided != nil {
				v.Decided(d.Name, decision)
			}
			v.Actor.Do(s.Pool, s.Template, decision.Ops)
		}
	}
}
