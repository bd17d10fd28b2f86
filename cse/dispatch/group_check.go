package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// TaskGroupCheck is the kind of the tasks that look at members again that could not be reached when a group named them. There is a lane
// for each group.
const TaskGroupCheck = "group-check"

const (
	groupCheckFirst = 10 * time.Second // after the group was made
	groupCheckMost  = 10 * time.Minute // between two tries
)

// checkLater is what the creation or the change of the group r brings with it: members that were not reached are looked at later. An
// earlier check is forgotten.
func checkLater(q *request, r resource.Resource) (store.Effects, error) {
	a, err := r.Decode()
	if err != nil || a["mtv"] == nil || a.Bool("mtv") {
		return store.Effects{}, err
	}
	body, err := json.Marshal(r.ID)
	task := store.Task{Lane: TaskGroupCheck + " " + r.ID, Kind: TaskGroupCheck, Due: q.now.Add(groupCheckFirst), Replace: true, Body: body}
	return store.Effects{Tasks: []store.Task{task}}, err
}

// CheckGroup does tasks of the kind TaskGroupCheck, TS-0004 clause 7.4.13.2.1: once the members of a group can be told, the
// consistencyStrategy decides about those that are not of its type.
func (d *Dispatcher) CheckGroup(ctx context.Context, turn store.Turn) store.Outcome {
	var id string
	if err := json.Unmarshal(turn.Tasks[0].Body, &id); err != nil {
		d.Log.Error("a task cannot be read, it is dropped", "kind", turn.Kind, "lane", turn.Lane, "error", err)
		return store.Outcome{Done: 1}
	}
	known, err := d.checkGroup(ctx, id)
	if err != nil || !known {
		d.Log.Debug("members of a group cannot be told, next try follows", "group", id, "error", err)
		return store.Outcome{Again: worker.Backoff(clock.Now(), turn.Attempts+5, groupCheckMost), Failed: true}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// checkGroup looks at all members of the group id and reports whether they could be told.
func (d *Dispatcher) checkGroup(ctx context.Context, id string) (known bool, err error) {
	now := clock.Now()
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	before, err := n.Resource.Decode()
	if err != nil || before.Bool("mtv") {
		return true, err
	}
	// The members are looked at as whoever made the group may.
	q := &request{Request: primitive.Request{From: n.Resource.Creator}, d: d, now: now, originator: n.Resource.Creator}
	if len(d.Releases) > 0 {
		q.ReleaseVersion = d.Releases[0]
	}
	to := resource.Attributes{"mid": before["mid"]}
	err = q.enrol(ctx, before, to)
	var refused *primitive.Error
	switch {
	case errors.As(err, &refused) && refused.Status == primitive.GroupMemberTypeInconsistent:
		d.Log.Info("a group is deleted", "group", id, "cause", refused.Detail)
		_, err = d.Store.Delete(ctx, primitive.Address{ID: id}, now, func(store.Node) error { return nil }, d.removed)
		return true, ignoreGone(err)
	case errors.As(err, &refused) && refused.Status < 5000 || errors.As(err, &refused) && refused.Status == primitive.ReceiverHasNoPrivilege:
		return true, nil // a member that is gone, or closed by now, is not the group's fault
	case err != nil:
		return false, err
	case !to.Bool("mtv"):
		return false, nil
	}
	_, err = d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		a, err := n.Resource.Decode()
		if err != nil {
			return store.Change{}, err
		}
		if string(a["mid"]) == string(before["mid"]) { // else it has been changed, and checked again
			for name, v := range to {
				a[name] = v
			}
		}
		c := store.Change{Resource: n.Resource}
		c.Resource.ModifiedAt = now
		c.Resource.Attributes = a.Encode()
		c.After = func(r resource.Resource) (store.Effects, error) { return q.changed(n, r, to) }
		return c, nil
	})
	return true, ignoreGone(err)
}

func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
