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
)

// leaving asks Consul which of the named instances are on their way out: those with an entry in the drain journal,
// which is written before an instance is deregistered, and all of a pool that is being deleted. It tells an instance
// that was deregistered on purpose from one that Consul lost: a Consul that lost the one lost the other too.
func leaving(ctx context.Context, keys keys, stack string, names []string) (map[string]bool, error) {
	pools := map[string][]string{}
	for _, name := range names {
		if pool, ok := poolOf(stack, name); ok {
			pools[pool] = append(pools[pool], name)
		}
	}
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
