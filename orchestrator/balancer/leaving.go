package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// leaving asks Consul which of the named instances are on their way out: those with an entry in the drain journal,
// which is written before an instance is deregistered, and all of a pool that is being deleted. It tells an instance
// that was deregistered on purpose from one that Consul lost: a Consul that lost the one lost the other too.
func leaving(ctx context.Context, keys keys, stack string, names []string) (map[string]bool, error) {
	pools := byPool(stack, names)
	out := map[string]bool{}
	for _, pool := range slices.Sorted(maps.Keys(pools)) {
		deleting, err := beingDeleted(ctx, keys, stack, pool)
		if err != nil {
			return nil, err
		}
		if deleting {
			for _, name := range pools[pool] {
				out[name] = true
			}
			continue
		}
		journal, err := keys.List(ctx, spec.DrainsKey(stack, pool))
		if err != nil {
			return nil, err
		}
		for _, entry := range journal {
			out[strings.TrimPrefix(entry.Key, spec.DrainsKey(stack, pool))] = true
		}
	}
	return out, nil
}

// failing returns which of the named instances are on their way out because they fail their check, sorted.
func failing(ctx context.Context, keys keys, stack string, names []string) ([]string, error) {
	var out []string
	for pool, names := range byPool(stack, names) {
		journal, err := keys.List(ctx, spec.DrainsKey(stack, pool))
		if err != nil {
			return nil, err
		}
		for _, entry := range journal {
			name := strings.TrimPrefix(entry.Key, spec.DrainsKey(stack, pool))
			if slices.Contains(names, name) && fleet.ReadEntry(entry.Value).Failing {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// byPool sorts the names of a stack's instances by their pools.
func byPool(stack string, names []string) map[string][]string {
	pools := map[string][]string{}
	for _, name := range names {
		if pool, ok := poolOf(stack, name); ok {
			pools[pool] = append(pools[pool], name)
		}
	}
	return pools
}

func beingDeleted(ctx context.Context, keys keys, stack, pool string) (bool, error) {
	kv, err := keys.Get(ctx, spec.PoolKey(stack, pool))
	if errors.Is(err, consul.ErrNotFound) {
		return false, nil // as after a loss of data: no reason to let go
	}
	if err != nil {
		return false, err
	}
	var p spec.Pool
	if err := json.Unmarshal(kv.Value, &p); err != nil {
		return false, nil // the orchestrator says what is wrong with it
	}
	return p.Deleting, nil
}
