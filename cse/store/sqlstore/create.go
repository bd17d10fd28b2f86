package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// creation is one store.Creation on its way through a transaction.
type creation struct {
	store.Creation
	parent *family
	result resource.Resource
	// instances are what the result has from the beginning.
	instances []resource.Resource
	tasks     []store.Task
	err       error
	repeat    bool // the result was created before
}

// family is a parent in a transaction that creates children in it, with its counters as they will be.
type family struct {
	node    store.Node
	counted bool // its counters changed
}

// expiredError says that a name or identifier is held by a resource that has expired, and that may have children, whose locks must
// not be taken while those of the parents are held.
type expiredError struct {
	holder    resource.Resource
	displaced func(store.Removal) (store.Effects, error)
}

func (e *expiredError) Error() string { return e.holder.Path + " has expired and must be swept first" }

// create runs a group of creations in one transaction, and before it sweeps the expired resources that are in its way. Afterwards
// each creation has its own result or error; the error returned is one of the transaction, in which case nothing was created.
func (s *Store) create(ctx context.Context, group []*creation) error {
	for {
		err := s.createOnce(ctx, group)
		var expired *expiredError
		if !errors.As(err, &expired) {
			return err
		}
		if _, err := s.sweepTree(ctx, expired.holder, expired.holder.ExpiresAt, expired.displaced); err != nil {
			return err
		}
	}
}

func (s *Store) createOnce(ctx context.Context, group []*creation) error {
	return s.write(ctx, func(t *tx) error {
		for _, c := range group {
			c.parent, c.result, c.instances, c.tasks, c.err, c.repeat = nil, resource.Resource{}, nil, nil, nil, false
		}
		families, err := t.lockParents(ctx, group)
		if err != nil {
			return err
		}
		if err := t.answerRepeats(ctx, group); err != nil {
			return err
		}
		if err := t.buildChildren(ctx, group); err != nil {
			return err
		}
		var children []resource.Resource
		var receipts [][]any
		var tasks []store.Task
		for _, c := range group {
			tasks = append(tasks, c.tasks...) // also of one that failed: what it displaced is gone
			if c.err != nil || c.repeat {
				continue
			}
			children = append(append(children, c.result), c.instances...)
			if len(c.Receipt) > 0 {
				result, err := json.Marshal(c.result)
				if err != nil {
					return err
				}
				receipts = append(receipts, []any{c.Receipt, micros(c.ReceiptUntil), string(result)})
			}
		}
		if err := t.insert(ctx, children); err != nil {
			return err
		}
		// There may be one that has expired and has not been swept yet.
		if err := t.insertRows(ctx, `INSERT INTO receipt (id, et, result)`,
			` ON CONFLICT (id) DO UPDATE SET et = excluded.et, result = excluded.result`, receipts); err != nil {
			return err
		}
		for _, f := range families {
			if !f.counted {
				continue
			}
			if err := t.evict(ctx, &f.node.Resource); err != nil {
				return err
			}
			if err := t.putTally(ctx, f.node.Resource); err != nil {
				return err
			}
		}
		return t.addTasks(ctx, tasks)
	})
}

// lockParents locks the parents of the group in the order of their identifiers and returns them in that order.
func (t *tx) lockParents(ctx context.Context, group []*creation) ([]*family, error) {
	var ids, paths []string
	for _, c := range group {
		if c.Parent.ID != "" && !slices.Contains(ids, c.Parent.ID) {
			ids = append(ids, c.Parent.ID)
		}
		if c.Parent.Path != "" && !slices.Contains(paths, c.Parent.Path) {
			paths = append(paths, c.Parent.Path)
		}
	}
	var p params
	present := p.add(micros(group[0].Now))
	var where string
	switch {
	case len(ids) == 0:
		where = `r.path IN (` + addAll(&p, paths) + `)`
	case len(paths) == 0:
		where = `r.ri IN (` + addAll(&p, ids) + `)`
	default:
		where = `(r.path IN (` + addAll(&p, paths) + `) OR r.ri IN (` + addAll(&p, ids) + `))`
	}
	rows, err := t.query(ctx, `SELECT `+t.dialect.watchedColumns(present)+`
		FROM resource r JOIN resource g ON g.ri = r.gov JOIN tally t ON t.ri = r.ri
		WHERE `+where+` AND r.et > `+present+` ORDER BY t.ri`+t.dialect.lock, p...)
	nodes, err := collect(rows, err, scanWatched)
	if err != nil {
		return nil, err
	}
	families := make([]*family, len(nodes))
	for i, n := range nodes {
		families[i] = &family{node: n}
		for _, c := range group {
			if c.Parent.ID == n.Resource.ID || c.Parent.Path == n.Resource.Path {
				c.parent = families[i]
			}
		}
	}
	return families, nil
}

// answerRepeats gives the creations of the group that succeeded before the result they had. The parents are locked, so a
// first attempt that is still under way elsewhere has ended by now.
func (t *tx) answerRepeats(ctx context.Context, group []*creation) error {
	var ids [][]byte
	for _, c := range group {
		if len(c.Receipt) > 0 {
			ids = append(ids, c.Receipt)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var p params
	list := addAll(&p, ids)
	rows, err := t.query(ctx, `SELECT id, result FROM receipt WHERE id IN (`+list+`) AND et > `+p.add(micros(group[0].Now)), p...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, result []byte
		if err := rows.Scan(&id, &result); err != nil {
			return err
		}
		for _, c := range group {
			if string(c.Receipt) == string(id) {
				c.repeat = true
				if err := json.Unmarshal(result, &c.result); err != nil {
					return fmt.Errorf("read receipt: %w", err)
				}
			}
		}
	}
	return rows.Err()
}

// buildChildren makes the children that are to be inserted. One that cannot be gets its error and does not hinder the others.
func (t *tx) buildChildren(ctx context.Context, group []*creation) error {
	paths, ids := map[string]bool{}, map[string]bool{} // of this group so far
	receipts := map[string]bool{}
	for _, c := range group {
		if c.repeat {
			continue
		}
		if c.parent == nil {
			c.err = store.ErrNotFound
			continue
		}
		if len(c.Receipt) > 0 && receipts[string(c.Receipt)] {
			c.err = errSameGroup
			continue
		}
		if c.result, c.err = c.Build(c.parent.node); c.err != nil {
			continue
		}
		r := &c.result
		if !r.Type.Instance() {
			r.StateTag, r.Count, r.Bytes = 0, 0, 0
		}
		switch {
		case ids[r.ID]:
			c.err = store.ErrIDTaken
		case paths[r.Path]:
			c.err = store.ErrNameTaken
		default:
			if c.err = t.checkFree(ctx, c, *r); c.err != nil && !errors.Is(c.err, store.ErrNameTaken) && !errors.Is(c.err, store.ErrIDTaken) {
				return c.err
			}
		}
		if c.err == nil {
			c.err = c.join()
		}
		if c.err == nil {
			paths[r.Path], ids[r.ID], receipts[string(c.Receipt)] = true, true, true
		}
	}
	return nil
}

// join counts the child of c in at its parent and finds out what that brings with it.
func (c *creation) join() error {
	r, p := &c.result, &c.parent.node.Resource
	before := *p
	if r.Type.Instance() {
		p.StateTag++
		p.Count++
		p.Bytes += r.Size
		r.StateTag = p.StateTag
	}
	if c.After != nil {
		effects, err := c.After(c.parent.node, *r)
		if err != nil {
			*p = before
			return err
		}
		c.tasks = append(c.tasks, effects.Tasks...)
		c.instances = number(effects.Instances, r, r.StateTag-1)
	}
	c.parent.counted = c.parent.counted || r.Type.Instance()
	return nil
}

// errSameGroup says that the same request is in the same group twice; the second is answered by the next group.
var errSameGroup = errors.New("repeated in the same group")

// checkFree reports whether name and identifier of r, the child that c is to have, are free. It frees them if an instance has them that has expired in the same
// parent; if another resource has that did, the error is an expiredError.
// Instances with a generated name need no look: it contains their identifier, which is as good as unique. Only that of a
// timeSeriesInstance is made of what it holds.
func (t *tx) checkFree(ctx context.Context, c *creation, r resource.Resource) error {
	if r.Type.Instance() && r.Name() == r.ID && r.Type != resource.TypeTimeSeriesInstance {
		return nil
	}
	rows, err := t.query(ctx, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE r.path = $1 OR r.ri = $2`, r.Path, r.ID)
	holders, err := collect(rows, err, scanResource)
	if err != nil {
		return err
	}
	var taken error
	for _, h := range holders {
		switch {
		case h.ParentID == r.ParentID && !h.ExpiresAt.IsZero() && !h.ExpiresAt.After(r.CreatedAt):
			if !h.Type.Instance() {
				return &expiredError{h, c.Displaced}
			}
			if err := t.deleteTree(ctx, h); err != nil {
				return err
			}
			c.parent.node.Resource.Count--
			c.parent.node.Resource.Bytes -= h.Size
			c.parent.counted = true
			if c.Displaced != nil && len(c.parent.node.Subscriptions) > 0 {
				effects, err := c.Displaced(instanceRemoval(c.parent.node, h))
				if err != nil {
					return err
				}
				c.tasks = append(c.tasks, effects.Tasks...)
			}
		case h.ID == r.ID:
			return store.ErrIDTaken
		default:
			taken = store.ErrNameTaken
		}
	}
	return taken
}
