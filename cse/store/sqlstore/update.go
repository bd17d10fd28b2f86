package sqlstore

import (
	"context"
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
		c, err := change(before)
		if err != nil {
			refused = err
			return err
		}
		r := c.Resource
		r.StateTag = before.Resource.StateTag + 1
		var policies any
		if len(r.Policies) > 0 {
			policies = policyList(r.Policies)
		}
		labels, err := labelsOf(r)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, `UPDATE resource SET lt = $2, et = $3, policies = $4, labelled = $5, attrs = $6 WHERE ri = $1`,
			r.ID, micros(r.ModifiedAt), expiry(r.ExpiresAt), policies, min(len(labels), 1), string(r.Attributes)); err != nil {
			return err
		}
		if err := t.replaceLabels(ctx, r.ID, labels); err != nil {
			return err
		}
		if expiry(r.ExpiresAt) < expiry(before.Resource.ExpiresAt) {
			if err := t.exec(ctx, `UPDATE resource SET et = $1 WHERE path > $2 AND path < $3 AND et > $1`,
				expiry(r.ExpiresAt), r.Path+"/", r.Path+"0"); err != nil {
				return err
			}
		}
		if c.MaxAge != nil {
			if err := t.exec(ctx, `UPDATE resource SET et = ct + $1 WHERE pi = $2 AND seq IS NOT NULL AND et > ct + $1`,
				c.MaxAge.Microseconds(), r.ID); err != nil {
				return err
			}
		}
		if c.DropInstances {
			rows, err := t.query(ctx, `DELETE FROM resource WHERE pi = $1 AND seq IS NOT NULL RETURNING ri, cs, labelled`, r.ID)
			if err := t.countOut(ctx, &r, rows, err); err != nil {
				return err
			}
		}
		if err := t.evict(ctx, &r); err != nil {
			return err
		}
		result = r
		return t.putTally(ctx, r)
	})
	if refused != nil {
		return resource.Resource{}, refused
	}
	if err != nil {
		return resource.Resource{}, s.fail("update "+a.String(), err)
	}
	return result, nil
}

// lockNode locks the tally of the resource at a, which has no edge, and returns the resource.
func (t *tx) lockNode(ctx context.Context, a primitive.Address, now time.Time) (store.Node, error) {
	c := &creation{Creation: store.Creation{Parent: a, Now: now}}
	if _, err := t.lockParents(ctx, []*creation{c}); err != nil {
		return store.Node{}, err
	}
	if c.parent == nil {
		return store.Node{}, store.ErrNotFound
	}
	// Read it again: what another transaction committed while this one waited for the lock counts.
	query, args := t.dialect.nodeQuery(a, now)
	rows, err := t.query(ctx, query, args...)
	nodes, err := collect(rows, err, scanNode)
	if err == nil && len(nodes) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Node{}, err
	}
	return nodes[0], nil
}

func (t *tx) replaceLabels(ctx context.Context, id string, labels []string) error {
	if err := t.exec(ctx, `DELETE FROM label WHERE ri = $1`, id); err != nil {
		return err
	}
	rows := make([][]any, len(labels))
	for i, l := range labels {
		rows[i] = []any{l, id}
	}
	return t.insertRows(ctx, `INSERT INTO label (lbl, ri)`, "", rows)
}
