package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// errShortens says that an update cuts lifetimes below the resource, which it has not locked.
var errShortens = errors.New("what is below must be locked, too")

// Update changes one resource under the lock of its tally; if it cuts lifetimes, under the locks of all that is below it.
func (s *Store) Update(ctx context.Context, a primitive.Address, now time.Time,
	change func(store.Node) (store.Change, error)) (resource.Resource, error) {
	for deep := false; ; {
		r, err := s.updateOnce(ctx, a, now, deep, change)
		switch {
		case errors.Is(err, errShortens):
			deep = true
		case !errors.Is(err, errMoved):
			return r, err
		}
	}
}

func (s *Store) updateOnce(ctx context.Context, a primitive.Address, now time.Time, deep bool,
	change func(store.Node) (store.Change, error)) (resource.Resource, error) {
	var result resource.Resource
	var refused error
	err := s.write(ctx, func(t *tx) error {
		refused = nil
		before, err := t.lockNode(ctx, a, now, deep)
		if err != nil {
			return err
		}
		c, err := change(before.Node)
		if err != nil {
			refused = err
			return err
		}
		shortens := expiry(c.Resource.ExpiresAt) < expiry(before.Resource.ExpiresAt)
		if shortens && !deep {
			return errShortens
		}
		n := watched{Node: store.Node{Resource: c.Resource, Subscriptions: before.Subscriptions}, gone: before.gone}
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
			n.evicted = effects.Evicted
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
		if shortens {
			t.exec(`UPDATE resource SET et = $1 WHERE path > $2 AND path < $3 AND et > $1`, expiry(r.ExpiresAt), r.Path+"/", r.Path+"0")
		}
		if c.MaxAge != nil {
			t.exec(`UPDATE resource SET et = ct + $1 WHERE pi = $2 AND seq IS NOT NULL AND et > ct + $1`, c.MaxAge.Microseconds(), r.ID)
		}
		if c.DropInstances {
			if err := t.dropInstances(ctx, &n, before.Resource.StateTag); err != nil {
				return err
			}
		}
		if err := t.insert(number(effects.Instances, r, before.Resource.StateTag)); err != nil {
			return err
		}
		if err := t.putTally(ctx, &n, true); err != nil {
			return err
		}
		result = *r
		return t.addTasks(append(effects.Tasks, n.tasks...))
	})
	if refused != nil {
		return resource.Resource{}, refused
	}
	if errors.Is(err, errMoved) || errors.Is(err, errShortens) {
		return resource.Resource{}, err
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

// lockNode locks the tally of the resource at a, which has no edge, or that of its parent if it is an instance; and if deep, those below
// it. It returns the resource, or errMoved if that is no longer the one it locked.
func (t *tx) lockNode(ctx context.Context, a primitive.Address, now time.Time, deep bool) (watched, error) {
	var locked []string
	if deep {
		found, err := t.watchedNode(ctx, a, now)
		if err == nil {
			err = t.lockFamily(ctx, found.Resource)
		}
		if err != nil {
			return watched{}, err
		}
		locked = []string{found.holder()}
	} else {
		column, value := "path", a.Path
		if a.ID != "" {
			column, value = "ri", a.ID
		}
		t.want(into(&locked, scanText), `SELECT t.ri FROM tally t WHERE t.ri = (SELECT CASE WHEN r.seq IS NULL THEN r.ri ELSE r.pi END
			FROM resource r WHERE r.`+column+` = $1)`+t.dialect.lock, value)
	}
	// What another transaction committed while this one waited for the lock counts.
	n, err := t.watchedNode(ctx, a, now)
	if err == nil && !slices.Contains(locked, n.holder()) {
		err = errMoved
	}
	return n, err
}

// holder is the identifier of the tally whose lock guards the row of n.
func (n watched) holder() string {
	if n.Resource.Type.Instance() {
		return n.Resource.ParentID
	}
	return n.Resource.ID
}

func (t *tx) replaceLabels(id string, own []string) {
	t.exec(`DELETE FROM label WHERE ri = $1`, id)
	rows := make([][]any, len(own))
	for i, l := range own {
		rows[i] = []any{l, id}
	}
	t.insertRows(labels, rows)
}
