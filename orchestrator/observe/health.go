package observe

import (
	"context"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// health is what Consul says about one service; nil while it has not said anything. It is not written to again.
type health struct {
	pools map[string]map[string]fleet.Registration // pool → instance name
}

// of returns the registrations of a pool.
func (h *health) of(pool string) map[string]fleet.Registration {
	if h == nil {
		return nil
	}
	return h.pools[pool]
}

// followHealth keeps the registrations of a service current.
func (o *Observer) followHealth(ctx context.Context, service string) {
	o.follow(ctx, "service "+service, func(index uint64) (uint64, error) {
		instances, next, err := o.Consul.Instances(ctx, service, index, watchWait)
		if err != nil {
			return 0, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if ctx.Err() == nil {
			before := o.health[service].of
			o.health[service] = &health{pools: registrations(o.Stack, instances, before, time.Now())}
			o.closedMayChange()
		}
		return next, nil
	})
}

// registrations are the instances of a stack by pool and name. An instance whose agent does not answer keeps the
// health it had before: nobody checks it.
func registrations(stack string, instances []consul.Instance, before func(pool string) map[string]fleet.Registration, now time.Time) map[string]map[string]fleet.Registration {
	pools := map[string]map[string]fleet.Registration{}
	for _, i := range instances {
		if i.Meta[spec.MetaStack] != stack {
			continue
		}
		pool := i.Meta[spec.MetaPool]
		r := fleet.Registration{Name: i.ID, Address: i.Address, Passing: i.Passing, Since: now}
		if old, ok := before(pool)[i.ID]; ok {
			if !i.AgentAlive {
				r.Passing = old.Passing
			}
			if r.Passing == old.Passing {
				r.Since = old.Since
			}
		}
		if pools[pool] == nil {
			pools[pool] = map[string]fleet.Registration{}
		}
		pools[pool][i.ID] = r
	}
	return pools
}
