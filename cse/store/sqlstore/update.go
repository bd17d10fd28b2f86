package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Update changes one resource under the lock of its tally.
func (s *Store) Update(ctx context.Context, a primitive.Address, now time.Time, change func(store.Node) (store.Change, error)) (resource.Resource, error) {
	var result resource.Resource
	var refused error
	err := s.write(ctx, func(t *tx) error {
		refused = nil
		before, err := t.lockNode(ctx, a, now)
		if err != nil {
			return err
		}
		c, err := change(before.Node)
		if err != nil {
			refused = err
			return err
		}
		n := watched{store.Node{Resource: c.Resource}, before.gone}
		r := &n.Resource
		r.StateTag = before.Resource.StateTag
		if !c.KeepStateTag {
			r.StateTag++
		}
		if c.KeepModified {
			r.ModifiedAt = before.Resource.ModifiedAt
		}
		var effects store.Effects
		if c.After != nil {
			if effects, err = c.After(*r); err != nil {
				refused = err
				return err
			}
		}
		var policies any
		if len(r.Policies) > 0 {
			policies = policyList(r.Policies)
		}
		own, err := labelsOf(*r)
		if err != nil {
			return err
		}
		t.exec(`UPDATE resource SET lt = $2, et = $3, policies = $4, labelled = $5, attrs = $6, farewell = $7 WHERE ri = $1`,
			r.ID, micros(r.ModifiedAt), expiry(r.ExpiresAt), policies, min(len(own), 1), string(r.Attributes), farewell(*r))
		t.replaceLabels(r.ID, own)
		if err := t.replaceTerms(before.Resource, *r); err != nil {
			return err
		}
		if expiry(r.ExpiresAt) < expiry(before.Resource.ExpiresAt) {
			t.exec(`UPDATE resource SET et = $1 WHERE path > $2 AND path < $3 AND et > $1`, expiry(r.ExpiresAt), r.Path+"/", r.Path+"0")
		}
		if c.MaxAge != nil {
			t.exec(`UPDATE resource SET et = ct + $1 WHERE pi = $2 AND seq IS NOT NULL AND et > ct + $1`, c.MaxAge.Microseconds(), r.ID)
		}
		if c.DropInstances {
			t.dropInstances(&n, before.Resource.StateTag)
		}
		if err := t.insert(number(effects.Instances, r, before.Resource.StateTag)); err != nil {
			return err
		}
		if err := t.putTally(ctx, &n, true); err != nil {
			return err
		}
		result = *r
		return t.addTasks(effects.Tasks)
	})
	if refused != nil {
		return resource.Resource{}, refused
	}
	if err != nil {
		return resource.Resource{}, s.fail("update "+a.String(), err)
	}
	return result, nil
}

// number counts instances in at their parent and gives them the state tags that order them: the first has that of the change that
// brought it, if that made a new one after last, and each further one makes its own.
func number(instances []resource.Resource, parent *resource.Resource, last int64) []resource.Resource {
	numbered := slices.Clone(instances)
	for i := range numbered {
		if parent.StateTag == last {
			parent.StateTag++
		}
		last = parent.StateTag
		numbered[i].StateTag = last
		parent.Count++
		parent.Bytes += numbered[i].Size
	}
	return numbered
}

// lockNode locks the tally of the resource at a, which has no edge, and returns the resource.
func (t *tx) lockNode(ctx context.Context, a primitive.Address, now time.Time) (watched, error) {
	t.lockParents([]*creation{{Creation: store.Creation{Parent: a, Now: now}}})
	// Read it again: what another transaction committed while this one waited for the lock counts.
	return t.watchedNode(ctx, a, now)
}

func (t *tx) replaceLabels(id string, own []string) {
	t.exec(`DELETE FROM label WHERE ri = $1`, id)
	rows := make([][]any, len(own))
	for i, l := range own {
		rows[i] = []any{l, id}
	}
	t.insertRows(labels, rows)
}
