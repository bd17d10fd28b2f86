package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// followPools keeps the declarations current, and one follower for the health of each service among them.
func (o *Observer) followPools(ctx context.Context) {
	followers := map[string]context.CancelFunc{} // by service
	var running sync.WaitGroup
	defer running.Wait()
	prefix := spec.PoolsKey(o.Stack)
	o.follow(ctx, "pools", func(index uint64) (uint64, error) {
		kvs, next, err := o.Consul.WatchPrefix(ctx, prefix, index, watchWait)
		if err != nil {
			return 0, err
		}
		services := o.declare(kvs)
		for service := range services {
			if followers[service] != nil {
				continue
			}
			following, cancel := context.WithCancel(ctx)
			followers[service] = cancel
			running.Go(func() { o.followHealth(following, service) })
		}
		for service, cancel := range followers {
			if !services[service] {
				cancel()
				delete(followers, service)
				o.mu.Lock()
				delete(o.health, service) // should it be followed again, it is not known at first
				o.closedMayChange()
				o.mu.Unlock()
			}
		}
		return next, nil
	})
	for _, cancel := range followers {
		cancel()
	}
}

// declare takes the pool documents in and returns the services among them.
func (o *Observer) declare(kvs []consul.KV) (services map[string]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	declared := make(map[string]fleet.Declaration, len(kvs))
	services = map[string]bool{}
	for _, kv := range kvs {
		name := strings.TrimPrefix(kv.Key, spec.PoolsKey(o.Stack))
		before := o.declared[name]
		d := read(o.Stack, name, kv, before)
		if d.Refused != "" && d.Refused != before.Refused {
			o.Log.Error("pool document refused, the last good one stays in force", "pool", name, "error", d.Refused)
		}
		declared[name] = d
		if d.Template != "" {
			services[d.Pool.Service.Name] = true
		}
		if o.measurements[name] == nil {
			o.measurements[name] = newMeasurement()
		}
	}
	for name := range o.measurements {
		if _, ok := declared[name]; !ok {
			delete(o.measurements, name)
		}
	}
	o.declared, o.poolsKnown = declared, true
	o.closedMayChange()
	select {
	case o.imagesDue <- struct{}{}:
	default:
	}
	return services
}

// read is a pool's document as a declaration; before is what was in force.
func read(stack, name string, kv consul.KV, before fleet.Declaration) fleet.Declaration {
	// Whatever else is wrong with it, a pool that is being deleted is left alone.
	var deleting struct{ Deleting bool }
	if json.Unmarshal(kv.Value, &deleting) == nil && deleting.Deleting {
		before.Name, before.Deleting, before.Index, before.Refused = name, true, kv.ModifyIndex, ""
		return before
	}
	p, err := spec.ParsePool(kv.Value)
	if err == nil && p.Stack != stack {
		err = fmt.Errorf("stack %q: want %q, the stack of its key", p.Stack, stack)
	}
	if err == nil && p.Name != name {
		err = fmt.Errorf("name %q: want %q, the name in its key", p.Name, name)
	}
	if err != nil {
		before.Name, before.Deleting = name, false
		before.Refused = errors.Join(fmt.Errorf("document at index %d refused", kv.ModifyIndex), err).Error()
		before.Refused = strings.ReplaceAll(before.Refused, "\n", ": ")
		return before
	}
	return fleet.Declaration{Name: name, Pool: p, Index: kv.ModifyIndex, Template: p.Template.Hash()}
}
