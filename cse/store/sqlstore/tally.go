package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/viot-project/viot/cse/resource"
)

// putTally stores the counters and limits of r, whose tally is locked.
func (t *tx) putTally(ctx context.Context, r resource.Resource) error {
	return t.exec(ctx, `UPDATE tally SET st = $2, cni = $3, cbs = $4, mni = $5, mbs = $6 WHERE ri = $1`,
		r.ID, r.StateTag, r.Count, r.Bytes, r.MaxCount, r.MaxBytes)
}

// evictChunk is how many of the oldest instances are looked at at once to make room by size.
const evictChunk = 64

// evict deletes the oldest instances in r until it keeps its limits, and counts them out of r. The tally of r is locked and the
// caller stores it.
func (t *tx) evict(ctx context.Context, r *resource.Resource) error {
	if r.MaxCount != nil && r.Count > *r.MaxCount {
		rows, err := t.query(ctx, `DELETE FROM resource WHERE ri IN
			(SELECT ri FROM resource WHERE pi = $1 AND seq IS NOT NULL ORDER BY seq LIMIT $2)
			RETURNING ri, cs, labelled`, r.ID, r.Count-*r.MaxCount)
		if err := t.countOut(ctx, r, rows, err); err != nil {
			return err
		}
	}
	for r.MaxBytes != nil && r.Bytes > *r.MaxBytes && r.Count > 0 {
		rows, err := t.query(ctx, `SELECT seq, cs FROM resource WHERE pi = $1 AND seq IS NOT NULL ORDER BY seq LIMIT $2`, r.ID, evictChunk)
		type instance struct{ seq, size int64 }
		oldest, err := collect(rows, err, func(rows *sql.Rows) (i instance, err error) { return i, rows.Scan(&i.seq, &i.size) })
		if err != nil {
			return err
		}
		excess, last := r.Bytes-*r.MaxBytes, int64(-1)
		for _, i := range oldest {
			if excess <= 0 {
				break
			}
			excess -= i.size
			last = i.seq
		}
		if last < 0 {
			return nil
		}
		rows, err = t.query(ctx, `DELETE FROM resource WHERE pi = $1 AND seq IS NOT NULL AND seq <= $2 RETURNING ri, cs, labelled`, r.ID, last)
		if err := t.countOut(ctx, r, rows, err); err != nil {
			return err
		}
	}
	return nil
}

// countOut subtracts the deleted instances in rows from the counters of r and deletes their labels.
func (t *tx) countOut(ctx context.Context, r *resource.Resource, rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	var labelled []string
	_, err = collect(rows, nil, func(rows *sql.Rows) (struct{}, error) {
		var id string
		var size, has int64
		if err := rows.Scan(&id, &size, &has); err != nil {
			return struct{}{}, err
		}
		r.Count--
		r.Bytes -= size
		if has != 0 {
			labelled = append(labelled, id)
		}
		return struct{}{}, nil
	})
	if err != nil || len(labelled) == 0 {
		return err
	}
	for chunk := range slices.Chunk(labelled, insertChunk) {
		var p params
		if err := t.exec(ctx, `DELETE FROM label WHERE ri IN (`+addAll(&p, chunk)+`)`, p...); err != nil {
			return err
		}
	}
	return nil
}
