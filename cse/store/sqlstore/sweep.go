package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/viot-project/viot/cse/resource"
)

// Sweep deletes expired resources in short transactions, one for the instances of a parent and one for each other resource, so
// that it never holds up requests for long.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
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
			n, err = s.sweepTree(ctx, r, now)
		case !parents[r.ParentID]:
			parents[r.ParentID] = true
			n, err = s.sweepInstances(ctx, r.ParentID, now, limit)
		default:
			continue
		}
		if err != nil {
			return swept, s.fail("sweep "+r.ID, err)
		}
		swept += n
	}
	result, err := s.db.ExecContext(ctx, s.dialect.bind(
		`DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE et <= $1 ORDER BY et LIMIT $2)`), micros(now), limit)
	if err != nil {
		return swept, s.fail("sweep receipts", err)
	}
	receipts, err := result.RowsAffected()
	if err != nil {
		return swept, s.fail("sweep receipts", err)
	}
	swept += int(receipts)
	if s.dialect.tend != "" {
		if err := s.write(ctx, func(t *tx) error { return t.exec(ctx, s.dialect.tend) }); err != nil {
			return swept, s.fail("tend statistics", err)
		}
	}
	return swept, nil
}

// sweepTree deletes r and what is below it, unless r has been given a longer life meanwhile.
func (s *Store) sweepTree(ctx context.Context, r resource.Resource, now time.Time) (int, error) {
	for {
		n := 0
		err := s.write(ctx, func(t *tx) error {
			n = 0
			if err := t.lockFamily(ctx, r); err != nil {
				return err
			}
			if err := t.row(ctx, `SELECT count(*) FROM resource WHERE ri = $1 AND path = $2 AND et <= $3`, r.ID, r.Path, micros(now)).
				Scan(&n); err != nil || n == 0 {
				return err
			}
			return t.deleteTree(ctx, r)
		})
		if !errors.Is(err, errMoved) {
			return n, err
		}
	}
}

// sweepInstances deletes the expired instances of a parent, at most limit.
func (s *Store) sweepInstances(ctx context.Context, parent string, now time.Time, limit int) (int, error) {
	n := int64(0)
	err := s.write(ctx, func(t *tx) error {
		// Not lockNode: the parent may have expired as well.
		r := resource.Resource{ID: parent}
		err := t.row(ctx, `SELECT t.st, t.cni, t.cbs, t.mni, t.mbs FROM tally t WHERE t.ri = $1`+t.dialect.lock, parent).
			Scan(&r.StateTag, &r.Count, &r.Bytes, &r.MaxCount, &r.MaxBytes)
		if errors.Is(err, sql.ErrNoRows) {
			n = 0
			return nil // it was deleted with all its instances
		}
		if err != nil {
			return err
		}
		before := r.Count
		rows, err := t.query(ctx, `DELETE FROM resource WHERE ri IN
			(SELECT ri FROM resource WHERE pi = $1 AND seq IS NOT NULL AND et <= $2 ORDER BY seq LIMIT $3)
			RETURNING ri, cs, labelled`, parent, micros(now), limit)
		if err := t.countOut(ctx, &r, rows, err); err != nil {
			return err
		}
		n = before - r.Count
		return t.putTally(ctx, r)
	})
	return int(n), err
}

// TakeTurn moves the time the job is next due in one statement, which only one instance can do.
func (s *Store) TakeTurn(ctx context.Context, job string, now time.Time, interval time.Duration) (bool, error) {
	result, err := s.db.ExecContext(ctx, s.dialect.bind(`INSERT INTO turn (job, due) VALUES ($1, $2)
		ON CONFLICT (job) DO UPDATE SET due = excluded.due WHERE turn.due <= $3`), job, micros(now.Add(interval)), micros(now))
	if err != nil {
		return false, s.fail("take turn at "+job, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, s.fail("take turn at "+job, err)
	}
	return n == 1, nil
}
