package observe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// override is what an operator has asked of a pool.
type override struct {
	wanted  spec.Override // the last good document
	refused string        // why a newer one is not in force; empty when there is none
	index   uint64        // of the newest document
}

// followOverrides keeps the overrides current, and wakes the loop when what one of them asks for ends by itself.
func (o *Observer) followOverrides(ctx context.Context) {
	ended := make(chan struct{})
	defer func() { <-ended }()
	changed := make(chan struct{}, 1)
	go func() {
		defer close(ended)
		o.wakeAtEnds(ctx, changed)
	}()
	prefix := spec.OverridesKey(o.Stack)
	o.follow(ctx, "overrides", func(index uint64) (uint64, error) {
		kvs, next, err := o.Consul.WatchPrefix(ctx, prefix, index, watchWait)
		if err != nil {
			return 0, err
		}
		o.override(kvs)
		select {
		case changed <- struct{}{}:
		default:
		}
		return next, nil
	})
}

// override takes the documents in.
func (o *Observer) override(kvs []consul.KV) {
	o.mu.Lock()
	defer o.mu.Unlock()
	overrides := make(map[string]override, len(kvs))
	for _, kv := range kvs {
		pool := strings.TrimPrefix(kv.Key, spec.OverridesKey(o.Stack))
		before := o.overrides[pool]
		if before.index == kv.ModifyIndex {
			overrides[pool] = before
			continue
		}
		wanted, err := spec.ParseOverride(kv.Value)
		if err != nil {
			before.refused = oneLine(fmt.Errorf("override at index %d refused, what was asked for before it stays in force: %w", kv.ModifyIndex, err))
			before.index = kv.ModifyIndex
			overrides[pool] = before
			o.Log.Error("override refused, the last good one stays in force", "pool", pool, "error", before.refused)
			continue
		}
		overrides[pool] = override{wanted: wanted, index: kv.ModifyIndex}
	}
	o.overrides, o.overridesKnown = overrides, true
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ": ") }

// nextEnd is when the first of the overrides ends after now; ok is false when none does.
func (o *Observer) nextEnd(now time.Time) (end time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range o.overrides {
		if until := v.wanted.Until; until.After(now) && (!ok || until.Before(end)) {
			end, ok = until, true
		}
	}
	return end, ok
}

// wakeAtEnds wakes the loop whenever an override ends, until ctx does. It is told on changed when there are others.
func (o *Observer) wakeAtEnds(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		var ends <-chan time.Time // never, unless there is an end
		if end, ok := o.nextEnd(time.Now()); ok {
			timer.Reset(time.Until(end))
			ends = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ends:
			o.wake()
		}
	}
}
