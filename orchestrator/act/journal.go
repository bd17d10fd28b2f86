package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// errElsewhere ends a step when the journal says that the instance is on another way by now.
var errElsewhere = errors.New("the journal says otherwise")

func journalKey(j *job) string { return spec.DrainKey(j.pool.Stack, j.pool.Name, j.op.Instance) }

// entry reads the instance's entry in the journal; its Phase is empty and index 0 when there is none.
func (a *Actor) entry(ctx context.Context, j *job) (e fleet.Entry, index uint64, err error) {
	kv, err := a.Consul.Get(ctx, journalKey(j))
	if errors.Is(err, consul.ErrNotFound) {
		return fleet.Entry{}, 0, nil
	}
	if err != nil {
		return fleet.Entry{}, 0, err
	}
	return fleet.ReadEntry(kv.Value), kv.ModifyIndex, nil
}

// enter brings the journal to a phase by compare-and-set, from whatever phase next says may come before it, "" meaning
// no entry, and returns the phase it was in. next returns the phase to write, or the same to leave it, or an error. The
// phase "" strikes the entry. What was written by a call whose answer was lost is found written.
func (a *Actor) enter(j *job, next func(fleet.Phase) (fleet.Phase, error)) (before, after fleet.Phase, err error) {
	err = a.insist(j, func(ctx context.Context) error {
		for {
			e, index, err := a.entry(ctx, j)
			if err != nil {
				return err
			}
			before = e.Phase
			if after, err = next(before); err != nil || after == before {
				return err
			}
			write := fleet.Write{Key: journalKey(j), If: true, Index: index}
			if after != "" {
				e.Failing = e.Failing || j.op.Failing
				if e.Phase = after; e.Since.IsZero() || after == fleet.Journalled && before != fleet.Journalled {
					e.Since = time.Now()
				}
				if write.Value, err = json.Marshal(e); err != nil {
					return fmt.Errorf("write journal: %w", err)
				}
			}
			// Lost to another write, it is looked at again.
			if err = a.Term.Write(ctx, write); !errors.Is(err, consul.ErrConflict) {
				return err
			}
		}
	})
	return before, after, err
}

// strike takes the instance's entry off the journal.
func (a *Actor) strike(j *job) error {
	return a.insist(j, func(ctx context.Context) error { return a.Term.Write(ctx, fleet.Write{Key: journalKey(j)}) })
}
