package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Sweep deletes expired resources in short transactions, one for the instances of a parent and one for each other resource, so
// that it never holds up requests for long.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int, after func(store.Removal) (store.Effects, error)) (int, error) {
	expired, err := read(ctx, s, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE r.et <= $1 ORDER BY r.et, r.path LIMIT $2`, params{micros(now), limit}, scanResource)
	if err != nil {
		return 0, s.fail("find expired resources", err)
	}
	swept := 0
	parents := map[string]bool{} // whose instances have been swept
	for _, r := range expired {
		var n int
		switch {
		case !r.Type.Instance():
			n, err = s.sweepTree(ctx, r, now, after)
		case !parents[r.ParentID]:
			parents[r.ParentID] = true
			n, err = s.sweepInstances(ctx, r.ParentID, now, limit, after)
		default:
			continue
		}
		if err != nil {
			return swept, s.fail("sweep "+r.ID, err)
		}
		swept += n
	}
	// What others have locked they sweep themselves, or need again.
	for _, query := range []string{
		`DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE et <= $1 ORDER BY et LIMIT $2` + s.dialect.skip + `)`,
		`DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE et < $1 ORDER BY et LIMIT $2` + s.dialect.skip + `)`,
	} {
		var n int64
		if err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.affect(ctx, query, micros(now), limit)
			return err
		}); err != nil {
			return swept, s.fail("sweep receipts and messages", err)
		}
		swept += int(n)
	}
	if err := s.write(ctx, func(t *tx) error { // a turn that is over says no more than one that was never taken
		t.exec(`DELETE FROM turn WHERE job IN (SELECT job FROM turn WHERE due <= $1 LIMIT $2`+s.dialect.skip+`)`, micros(now), limit)
		return nil
	}); err != nil {
		return swept, s.fail("sweep turns", err)
	}
	if err := s.write(ctx, func(t *tx) error { t.sweepAccounts(now, limit); return nil }); err != nil {
		return swept, s.fail("sweep accounts", err)
	}
	if s.dialect.tend != "" {
		if err := s.write(ctx, func(t *tx) error { t.exec(s.dialect.tend); return nil }); err != nil {
			return swept, s.fail("tend statistics", err)
		}
	}
	return swept, nil
}

// sweepTree deletes r and what is below it, unless r has been given a longer life meanwhile.
func (s *Store) sweepTree(ctx context.Context, r resource.Resource, now time.Time, after func(store.Removal) (store.Effects, error)) (int, error) {
	for {
		n := 0
		err := s.write(ctx, func(t *tx) error {
			n = 0
			if err := t.lockFamily(ctx, r); err != nil {
				return err
			}
			there, err := ask(ctx, t, scanInt, `SELECT count(*) FROM resource WHERE ri = $1 AND path = $2 AND et <= $3`, r.ID, r.Path, micros(now))
			if err != nil || there[0] == 0 {
				return err
			}
			n = 1
			if after != nil {
				if err := t.removeExpired(ctx, r, now, after); err != nil {
					return err
				}
			}
			t.deleteTree(r)
			return nil
		})
		if !errors.Is(err, errMoved) {
			return n, err
		}
	}
}

// removeExpired is remove for what has expired, as may have its parent.
func (t *tx) removeExpired(ctx context.Context, r resource.Resource, now time.Time, after func(store.Removal) (store.Effects, error)) error {
	parent, err := t.watchedNode(ctx, primitive.Address{ID: r.ParentID}, now)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = t.remove(ctx, store.Removal{Parent: parent.Node, Resource: r, Expired: true}, after)
	return err
}

// sweepInstances deletes the expired instances of a parent, at most limit.
func (s *Store) sweepInstances(ctx context.Context, parent string, now time.Time, limit int,
	after func(store.Removal) (store.Effects, error)) (int, error) {
	swept := 0
	err := s.write(ctx, func(t *tx) error {
		swept = 0
		// Not lockNode: the parent may have expired as well. It may also have been deleted with all its instances.
		locked, err := ask(ctx, t, scanText, `SELECT t.ri FROM tally t WHERE t.ri = $1`+t.dialect.lock, parent)
		if err != nil || len(locked) == 0 {
			return err
		}
		if after != nil {
			if err := t.tellInstances(ctx, parent, now, limit, after); err != nil {
				return err
			}
		}
		type instance struct {
			id             string
			size, labelled int64
		}
		gone, err := ask(ctx, t, func(rows answer) (i instance, err error) { return i, rows.Scan(&i.id, &i.size, &i.labelled) },
			`DELETE FROM resource WHERE ri IN (`+expiredInstances+`) RETURNING ri, cs, labelled`, parent, micros(now), limit)
		if err != nil {
			return err
		}
		var size int64
		for _, i := range gone {
			size += i.size
			if i.labelled != 0 {
				t.exec(`DELETE FROM label WHERE ri = $1`, i.id)
			}
		}
		swept = len(gone)
		t.exec(`UPDATE tally SET cni = cni - $2, cbs = cbs - $3 WHERE ri = $1`, parent, swept, size)
		return nil
	})
	return swept, err
}

// expiredInstances are the first $3 in the parent $1 that have expired at $2.
const expiredInstances = `SELECT ri FROM resource WHERE pi = $1 AND seq IS NOT NULL AND et <= $2 ORDER BY seq LIMIT $3`

// tellInstances asks after what it brings with it that the expired instances of a parent go, if the parent has subscriptions or announces
// instances.
func (t *tx) tellInstances(ctx context.Context, parent string, now time.Time, limit int, after func(store.Removal) (store.Effects, error)) error {
	node, err := t.watchedNode(ctx, primitive.Address{ID: parent}, now)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(node.Subscriptions) == 0 && !node.Resource.AnnouncesInstances {
		return nil
	}
	if err != nil {
		return err
	}
	instances, err := ask(ctx, t, scanResource, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE r.ri IN (`+expiredInstances+`) ORDER BY r.seq`, parent, micros(now), limit)
	if err != nil {
		return err
	}
	var more []store.Task
	for _, r := range instances {
		effects, err := after(instanceRemoval(node.Node, r))
		if err != nil {
			return err
		}
		more = append(more, effects.Tasks...)
	}
	return t.addTasks(more)
}

// TakeTurn moves the time the job is next due in one statement, which only one instance can do.
func (s *Store) TakeTurn(ctx context.Context, job string, now time.Time, interval time.Duration) (bool, error) {
	var n int64
	err := s.write(ctx, func(t *tx) (err error) {
		n, err = t.affect(ctx, `INSERT INTO turn (job, due) VALUES ($1, $2)
			ON CONFLICT (job) DO UPDATE SET due = excluded.due WHERE turn.due <= $3`, job, micros(now.Add(interval)), micros(now))
		return err
	})
	if err != nil {
		return false, s.fail("take turn at "+job, err)
	}
	return n == 1, nil
}
