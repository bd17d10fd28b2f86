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
		if err := t.dropGone(ctx, n); err != nil {
			return err
		}
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
func (t *tx) dropGone(ctx context.Context, n *watched) error {
	const gone = `pi = $1 AND seq > $2 AND seq <= (SELECT gone FROM tally WHERE ri = $1)`
	if err := t.tellEvicted(ctx, n, `seq <= (SELECT gone FROM tally WHERE ri = $1)`); err != nil {
		return err
	}
	t.exec(`DELETE FROM label WHERE ri IN (SELECT ri FROM resource WHERE `+gone+` AND labelled <> 0)`, n.Resource.ID, n.gone)
	t.exec(`DELETE FROM resource WHERE `+gone, n.Resource.ID, n.gone)
	return nil
}

const (
	// evictedPage is how many instances that go are read at once for who must hear of them.
	evictedPage = 100
	// maxEvictedTasks is how many tasks that brings with it are kept before they are stored.
	maxEvictedTasks = 1000
)

// tellEvicted asks n.evicted what it brings with it that the instances of n go which are not gone yet and meet the condition last, which
// knows n as $1. Without n.evicted it costs nothing.
func (t *tx) tellEvicted(ctx context.Context, n *watched, last string) error {
	if n.evicted == nil {
		return nil
	}
	for after, more := n.gone, true; more; {
		page, err := ask(ctx, t, scanResource, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
			WHERE r.pi = $1 AND r.seq > $2 AND r.`+last+` ORDER BY r.seq LIMIT $3`, n.Resource.ID, after, evictedPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			effects, err := n.evicted(instanceRemoval(n.Node, r))
			if err != nil {
				return err
			}
			n.tasks = append(n.tasks, effects.Tasks...)
			after = r.StateTag
		}
		if more = len(page) == evictedPage; len(n.tasks) > maxEvictedTasks {
			if err := t.addTasks(n.tasks); err != nil {
				return err
			}
			n.tasks = nil
		}
	}
	return nil
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
		if err := t.dropGone(ctx, n); err != nil {
			return err
		}
		if err := t.readTally(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// dropInstances queues what deletes all instances of n, the last of which has the seq last at most.
func (t *tx) dropInstances(ctx context.Context, n *watched, last int64) error {
	r := &n.Resource
	if err := t.tellEvicted(ctx, n, `seq IS NOT NULL`); err != nil {
		return err
	}
	t.exec(`DELETE FROM label WHERE ri IN (SELECT ri FROM resource WHERE pi = $1 AND seq > $2 AND labelled <> 0)`, r.ID, n.gone)
	t.exec(`DELETE FROM resource WHERE pi = $1 AND seq > $2`, r.ID, n.gone)
	n.gone, r.Count, r.Bytes = last, 0, 0
	return nil
}
