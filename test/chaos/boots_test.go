package chaos

import (
	"context"
	"slices"
	"time"

	"github.com/viot-project/viot/test/load"
)

// boots is how long instances took from the start of their container until they were registered, which is when they answer
// that they are ready. Those that were there before it watched do not count.
type boots struct{ took []time.Duration }

// watch fills b until ctx ends. Nobody reads it before it has returned.
func (b *boots) watch(ctx context.Context, s *scene) {
	var index uint64
	var known map[string]bool // nil before the first answer
	for ctx.Err() == nil {
		instances, next, err := s.consul.Instances(ctx, pool, index, 10*time.Second)
		now := time.Now()
		if err != nil { // as while Consul elects a leader
			index = 0
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		index = next
		first := known == nil
		if first {
			known = map[string]bool{}
		}
		for _, i := range instances {
			if known[i.ID] || !i.Passing {
				continue
			}
			known[i.ID] = true
			if first {
				continue
			}
			// One that is gone already tells nothing.
			if c, err := s.engine.InspectContainer(ctx, i.ID); err == nil && !c.StartedAt.IsZero() {
				b.took = append(b.took, now.Sub(c.StartedAt))
			}
		}
	}
}

// median is 0 when nothing was seen to boot.
func (b *boots) median() time.Duration {
	return load.Quantile(slices.Sorted(slices.Values(b.took)), 0.5)
}
