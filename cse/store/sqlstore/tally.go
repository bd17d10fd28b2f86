package sqlstore

import "context"

// putTallies is putTally for several nodes: those that have nothing to evict are one statement, if the database takes that. Their
// counters need not be right afterwards.
func (t *tx) putTallies(ctx context.Context, nodes []*watched) error {
	var rows [][]any
	for _, n := range nodes {
		r := n.Resource
		if r.MaxCount != nil && r.Count > *r.MaxCount || r.MaxBytes != nil && r.Bytes > *r.MaxBytes || !t.dialect.arrays {
			if err := t.putTally(ctx, n, false); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []any{r.ID, r.StateTag, r.Count, r.Bytes})
	}
	if len(rows) > 0 {
		t.exec(`UPDATE tally SET st = n.st, cni = n.cni, cbs = n.cbs
			FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS n(ri, st, cni, cbs) WHERE tally.ri = n.ri`,
			array('t', rows, 0), array('i', rows, 1), array('i', rows, 2), array('i', rows, 3))
	}
	return nil
}

// putTally queues what stores the counters and limits of n, whose tally is locked, after deleting the oldest instances above the
// limits. If exact, the counters of n are right afterwards; otherwise that may cost more than it is worth.
func (t *tx) putTally(ctx context.Context, n *watched, exact bool) error {
	r := &n.Resource
	excess := int64(0)
	if r.MaxCount != nil {
		excess = max(r.Count-*r.MaxCount, 0)
	}
	if excess == 0 {
		t.exec(`UPDATE tally SET st = $2, cni = $3, cbs = $4, mni = $5, mbs = $6, gone = $7 WHERE ri = $1`,
			r.ID, r.StateTag, r.Count, r.Bytes, r.MaxCount, r.MaxBytes, n.gone)
	} else {
		r.Count -= excess
		t.exec(`UPDATE tally SET st = $2, cni = $3, mni = $4, mbs = $5, (cbs, gone) = (SELECT $6 - coalesce(sum(o.cs), 0), coalesce(max(o.seq), $7)
			FROM (SELECT cs, seq FROM resource WHERE pi = $1 AND seq > $7 ORDER BY seq LIMIT $8) AS o) WHERE ri = $1`,
			r.ID, r.StateTag, r.Count, r.MaxCount, r.MaxBytes, r.Bytes, n.gone, excess)
		t.dropGone(n)
	}
	limited := r.MaxBytes != nil && r.Bytes > *r.MaxBytes
	if limited || exact && excess > 0 {
		if err := t.readTally(ctx, n); err != nil {
			return err
		}
	}
	if limited {
		return t.evictBytes(ctx, n)
	}
	return nil
}

// readTally reads the counters of n as they are after all that is queued.
func (t *tx) readTally(ctx context.Context, n *watched) error {
	r := &n.Resource
	t.want(func(rows answer) error {
		for rows.Next() {
			if err := rows.Scan(&r.Count, &r.Bytes, &n.gone); err != nil {
				return err
			}
		}
		return rows.Err()
	}, `SELECT cni, cbs, gone FROM tally WHERE ri = $1`, r.ID)
	return t.flush(ctx)
}

// dropGone queues what deletes the instances of n that its tally has just been told are gone.
func (t *tx) dropGone(n *watched) {
	const gone = `pi = $1 AND seq > $2 AND seq <= (SELECT gone FROM tally WHERE ri = $1)`
	t.exec(`DELETE FROM label WHERE ri IN (SELECT ri FROM resource WHERE `+gone+` AND labelled <> 0)`, n.Resource.ID, n.gone)
	t.exec(`DELETE FROM resource WHERE `+gone, n.Resource.ID, n.gone)
}

// evictChunk is how many of the oldest instances are looked at at once to make room by size.
const evictChunk = 64

// evictBytes deletes the oldest instances in n, whose tally has been read, until it keeps its limit of bytes.
func (t *tx) evictBytes(ctx context.Context, n *watched) error {
	r := &n.Resource
	for before := n.gone - 1; r.Bytes > *r.MaxBytes && n.gone > before; {
		before = n.gone
		// The first instances with which so much goes that it is enough.
		t.exec(`UPDATE tally SET (cni, cbs, gone) = (SELECT tally.cni - count(*), tally.cbs - coalesce(sum(o.cs), 0), coalesce(max(o.seq), tally.gone)
			FROM (SELECT f.cs, f.seq, sum(f.cs) OVER (ORDER BY f.seq) - f.cs AS before
				FROM (SELECT cs, seq FROM resource WHERE pi = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS f) AS o
			WHERE o.before < $4) WHERE ri = $1`, r.ID, n.gone, evictChunk, r.Bytes-*r.MaxBytes)
		t.dropGone(n)
		if err := t.readTally(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// dropInstances queues what deletes all instances of n, the last of which has the seq last at most.
func (t *tx) dropInstances(n *watched, last int64) {
	r := &n.Resource
	t.exec(`DELETE FROM label WHERE ri IN (SELECT ri FROM resource WHERE pi = $1 AND seq > $2 AND labelled <> 0)`, r.ID, n.gone)
	t.exec(`DELETE FROM resource WHERE pi = $1 AND seq > $2`, r.ID, n.gone)
	n.gone, r.Count, r.Bytes = last, 0, 0
}
