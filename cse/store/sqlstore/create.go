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
	node    watched
	counted bool // its counters changed
	// announces says that the first of its instances that is announced is among the children.
	announces bool
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
		if errors.Is(err, errMoved) {
			continue
		}
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
		families, err := t.openFamilies(ctx, group)
		if err != nil {
			return err
		}
		if err := t.buildChildren(ctx, group); err != nil {
			return err
		}
		var children []resource.Resource
		var receipted [][]any
		var effects []store.Task
		for _, c := range group {
			effects = append(effects, c.tasks...) // also of one that failed: what it displaced is gone
			if c.err != nil || c.repeat {
				continue
			}
			children = append(append(children, c.result), c.instances...)
			if len(c.Receipt) > 0 {
				result, err := json.Marshal(c.result)
				if err != nil {
					return err
				}
				receipted = append(receipted, []any{c.Receipt, micros(c.ReceiptUntil), string(result)})
			}
		}
		if err := t.insert(children); err != nil {
			return err
		}
		t.insertRows(receipts, receipted)
		var counted []*watched
		for _, f := range families {
			if f.counted {
				counted = append(counted, &f.node)
			}
			if f.announces {
				t.exec(`UPDATE resource SET farewell = farewell | $2 WHERE ri = $1`, f.node.Resource.ID, farewellInstances)
			}
		}
		if err := t.putTallies(ctx, counted); err != nil {
			return err
		}
		for _, f := range families {
			effects = append(effects, f.node.tasks...)
		}
		return t.addTasks(effects)
	})
}

// openFamilies locks the parents of the group, returns them in the order of their identifiers, and answers the creations that are
// repeated.
func (t *tx) openFamilies(ctx context.Context, group []*creation) ([]*family, error) {
	locked, nodes := t.lockParents(group)
	t.findRepeats(group)
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	families := make([]*family, len(*nodes))
	for i, n := range *nodes {
		if !slices.Contains(*locked, n.Resource.ID) {
			return nil, errMoved
		}
		families[i] = &family{node: n}
		for _, c := range group {
			if c.Parent.ID == n.Resource.ID || c.Parent.Path == n.Resource.Path {
				c.parent = families[i]
			}
		}
	}
	return families, nil
}

// lockParents queues what locks the parents of the group, in the order of their identifiers, and then reads them: what others committed
// while it waited counts. Both are there when the queue has been flushed. A parent that is not among the locked was deleted and created
// again meanwhile.
func (t *tx) lockParents(group []*creation) (locked *[]string, nodes *[]watched) {
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
	var where string
	switch {
	case len(ids) == 0:
		where = t.dialect.among(&p, "r.path", paths)
	case len(paths) == 0:
		where = t.dialect.among(&p, "r.ri", ids)
	default:
		where = `(` + t.dialect.among(&p, "r.path", paths) + ` OR ` + t.dialect.among(&p, "r.ri", ids) + `)`
	}
	locked, nodes = new([]string), new([]watched)
	t.want(into(locked, scanText), `SELECT t.ri FROM resource r JOIN tally t ON t.ri = r.ri WHERE `+where+` ORDER BY t.ri`+t.dialect.lock, p...)
	p = slices.Clone(p)
	present := p.add(micros(group[0].Now))
	t.want(into(nodes, scanWatched), `SELECT `+t.dialect.watchedColumns(present)+`
		FROM resource r JOIN resource g ON g.ri = r.gov JOIN tally t ON t.ri = r.ri
		WHERE `+where+` AND r.et + 0 > `+present+` ORDER BY t.ri`, p...)
	return locked, nodes
}

// findRepeats queues what gives the creations of the group that succeeded before the result they had. The parents are locked
// before that, so a first attempt that was still under way elsewhere has ended by then.
func (t *tx) findRepeats(group []*creation) {
	byReceipt := map[string]*creation{}
	var ids [][]byte
	for _, c := range group {
		if len(c.Receipt) > 0 {
			ids = append(ids, c.Receipt)
			byReceipt[string(c.Receipt)] = c
		}
	}
	if len(ids) == 0 {
		return
	}
	var p params
	query := `SELECT id, result FROM receipt WHERE ` + amongBytes(t.dialect, &p, "id", ids) + ` AND et + 0 > ` + p.add(micros(group[0].Now))
	t.want(func(rows answer) error {
		for rows.Next() {
			var id, result []byte
			if err := rows.Scan(&id, &result); err != nil {
				return err
			}
			for _, c := range group {
				if string(c.Receipt) != string(id) {
					continue
				}
				c.repeat = true
				if err := json.Unmarshal(result, &c.result); err != nil {
					return fmt.Errorf("read receipt: %w", err)
				}
			}
		}
		return rows.Err()
	}, query, p...)
}

// buildChildren makes the children that are to be inserted. One that cannot be gets its error and does not hinder the others.
func (t *tx) buildChildren(ctx context.Context, group []*creation) error {
	requests := map[string]bool{} // receipts of this group so far
	var built []*creation
	for _, c := range group {
		switch {
		case c.repeat:
		case c.parent == nil:
			c.err = store.ErrNotFound
		case len(c.Receipt) > 0 && requests[string(c.Receipt)]:
			c.err = errSameGroup
		default:
			if c.result, c.err = c.Build(c.parent.node.Node); c.err != nil {
				continue
			}
			if r := &c.result; !r.Type.Instance() {
				r.StateTag, r.Count, r.Bytes = 0, 0, 0
			}
			requests[string(c.Receipt)] = true
			built = append(built, c)
		}
	}
	held, err := t.holders(ctx, built)
	if err != nil {
		return err
	}
	for _, c := range built {
		if err := t.makeRoom(c, held); err != nil {
			return err
		}
		if c.err == nil {
			c.err = c.join()
		}
		if c.err == nil {
			held.add(c.result)
		}
	}
	return nil
}

// holding are the resources that hold names and identifiers.
type holding struct{ paths, ids map[string]*resource.Resource }

func (h holding) add(r resource.Resource) { h.paths[r.Path], h.ids[r.ID] = &r, &r }

func (h holding) remove(r *resource.Resource) { delete(h.paths, r.Path); delete(h.ids, r.ID) }

// holders finds the resources that hold the names or identifiers of the children of built. Those of instances mostly are generated,
// and as good as unique, or at least free, so they are only looked for when the transaction is tried again because one was not.
func (t *tx) holders(ctx context.Context, built []*creation) (holding, error) {
	held := holding{map[string]*resource.Resource{}, map[string]*resource.Resource{}}
	var paths, ids []string
	for _, c := range built {
		if r := c.result; !r.Type.Instance() || t.attempt > 0 {
			paths, ids = append(paths, r.Path), append(ids, r.ID)
		}
	}
	if len(paths) == 0 {
		return held, nil
	}
	var p params
	found, err := ask(ctx, t, scanResource, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE `+t.dialect.among(&p, "r.path", paths)+` OR `+t.dialect.among(&p, "r.ri", ids), p...)
	for _, r := range found {
		held.add(r)
	}
	return held, err
}

// makeRoom frees the name and identifier of the child of c if an instance has them that has expired in the same parent, and gives c an
// error if they are taken. If another resource has them that did expire, the error returned is an expiredError.
func (t *tx) makeRoom(c *creation, held holding) error {
	r := c.result
	for _, h := range []*resource.Resource{held.ids[r.ID], held.paths[r.Path]} {
		switch {
		case h == nil || c.err != nil:
		case h.ParentID == r.ParentID && !h.ExpiresAt.IsZero() && !h.ExpiresAt.After(r.CreatedAt):
			if !h.Type.Instance() {
				return &expiredError{*h, c.Displaced}
			}
			if held.paths[h.Path] != h {
				continue // it was removed for its identifier
			}
			held.remove(h)
			if err := t.displace(c, *h); err != nil {
				return err
			}
		case h.ID == r.ID:
			c.err = store.ErrIDTaken
		default:
			c.err = store.ErrNameTaken
		}
	}
	return nil
}

// displace deletes the expired instance h that is in the way of the child of c, and counts it out.
func (t *tx) displace(c *creation, h resource.Resource) error {
	t.deleteTree(h)
	parent := &c.parent.node
	parent.Resource.Count--
	parent.Resource.Bytes -= h.Size
	c.parent.counted = true
	if c.Displaced == nil || len(parent.Subscriptions) == 0 && !parent.Resource.AnnouncesInstances {
		return nil
	}
	effects, err := c.Displaced(instanceRemoval(parent.Node, h))
	c.tasks = append(c.tasks, effects.Tasks...)
	return err
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
		p.AnnouncesInstances = p.AnnouncesInstances || r.Announced
	}
	if c.After != nil {
		effects, err := c.After(c.parent.node.Node, *r)
		if err != nil {
			*p = before
			return err
		}
		c.tasks = append(c.tasks, effects.Tasks...)
		if effects.Evicted != nil {
			c.parent.node.evicted = effects.Evicted
		}
		c.instances = number(effects.Instances, r, r.StateTag-1)
	}
	c.parent.counted = c.parent.counted || r.Type.Instance()
	c.parent.announces = c.parent.announces || p.AnnouncesInstances && !before.AnnouncesInstances
	return nil
}

// errSameGroup says that the same request is in the same group twice; the second is answered by the next group.
var errSameGroup = errors.New("repeated in the same group")
