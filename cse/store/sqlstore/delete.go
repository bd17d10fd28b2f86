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

// errMoved says that what is to be deleted is no longer what was found before its locks were held.
var errMoved = errors.New("changed before it was locked")

// Delete finds the resource, locks its parent and what is below it, looks again and deletes.
func (s *Store) Delete(ctx context.Context, a primitive.Address, now time.Time, permit func(store.Node) error,
	after func(store.Removal) (store.Effects, error)) (resource.Resource, error) {
	for {
		r, err := s.deleteOnce(ctx, a, now, permit, after)
		if !errors.Is(err, errMoved) {
			return r, err
		}
	}
}

func (s *Store) deleteOnce(ctx context.Context, a primitive.Address, now time.Time, permit func(store.Node) error,
	after func(store.Removal) (store.Effects, error)) (resource.Resource, error) {
	found, err := s.Get(ctx, a, now)
	if err != nil {
		return resource.Resource{}, err
	}
	if found.Resource.ID == "" { // an empty container has no edge; permit still decides what the originator may learn
		if err := permit(found); err != nil {
			return resource.Resource{}, err
		}
		return resource.Resource{}, store.ErrNotFound
	}
	var refused error
	var deleted resource.Resource
	err = s.write(ctx, func(t *tx) error {
		refused = nil
		if err := t.lockFamily(ctx, found.Resource); err != nil {
			return err
		}
		n, err := t.watchedNode(ctx, a, now)
		if err != nil {
			return err
		}
		if n.Resource.ID != found.Resource.ID || n.Resource.Path != found.Resource.Path {
			return errMoved
		}
		if refused = permit(n.Node); refused != nil {
			return refused
		}
		deleted = n.Resource
		if after != nil {
			parent, err := t.watchedNode(ctx, primitive.Address{ID: deleted.ParentID}, now)
			if err != nil {
				return err
			}
			if refused, err = t.remove(ctx, store.Removal{Parent: parent.Node, Resource: deleted}, after); err != nil {
				return err
			}
		}
		if deleted.Type.Instance() {
			t.exec(`UPDATE tally SET cni = cni - 1, cbs = cbs - $2 WHERE ri = $1`, deleted.ParentID, deleted.Size)
		}
		t.deleteTree(deleted)
		return nil
	})
	switch {
	case refused != nil:
		return resource.Resource{}, refused
	case errors.Is(err, errMoved):
		return resource.Resource{}, err
	case err != nil:
		return resource.Resource{}, s.fail("delete "+a.String(), err)
	}
	return deleted, nil
}

// remove finds out who must hear about r, whose family is locked, asks after what r brings with it and stores that. refused is
// after's error, which is also err then.
func (t *tx) remove(ctx context.Context, r store.Removal, after func(store.Removal) (store.Effects, error)) (refused, err error) {
	r.Below, err = ask(ctx, t, scanResource, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE (r.path = $1 OR r.path > $2 AND r.path < $3) AND (r.farewell <> 0 AND r.farewell <> $5 OR r.ri IN (SELECT s.pi FROM resource s
			WHERE s.path > $2 AND s.path < $3 AND s.farewell <> 0 AND s.ty = $4)) ORDER BY r.path`,
		r.Resource.Path, r.Resource.Path+"/", r.Resource.Path+"0", int(resource.TypeSubscription), farewellInstances)
	if err != nil {
		return nil, err
	}
	effects, err := after(r)
	if err != nil {
		return err, err
	}
	return nil, t.addTasks(effects.Tasks)
}

// instanceRemoval is the removal of an instance that has expired or gives way to others.
func instanceRemoval(parent store.Node, r resource.Resource) store.Removal {
	removal := store.Removal{Parent: parent, Resource: r, Expired: true}
	if farewell(r) != 0 {
		removal.Below = []resource.Resource{r}
	}
	return removal
}

// lockFamily locks the tallies of the parent of r, of r and of what is below it, in the order of identifiers. It returns errMoved if
// they are no longer those it set out to lock: while it waited, one was added, or deleted and created again. The caller must then
// start over in a new transaction, as to lock the missing ones now would break the order. Otherwise nobody else can add to the
// family until the transaction ends.
func (t *tx) lockFamily(ctx context.Context, r resource.Resource) error {
	query, args := `SELECT t.ri FROM tally t WHERE t.ri = $1`, params{r.ParentID}
	if !r.Type.Instance() {
		query, args = `SELECT t.ri FROM tally t JOIN resource r ON r.ri = t.ri
			WHERE r.ri IN ($1, $2) OR r.path > $3 AND r.path < $4 AND r.seq IS NULL`, params{r.ParentID, r.ID, r.Path + "/", r.Path + "0"}
	}
	var locked, found []string
	t.want(into(&locked, scanText), query+` ORDER BY t.ri`+t.dialect.lock, args...)
	t.want(into(&found, scanText), query, args...)
	if err := t.flush(ctx); err != nil {
		return err
	}
	for _, id := range found {
		if !slices.Contains(locked, id) {
			return errMoved
		}
	}
	return nil
}

// deleteTree queues what deletes r and everything below it, whose family is locked. It counts nothing out of the parent.
func (t *tx) deleteTree(r resource.Resource) {
	const tree = `(SELECT ri FROM resource WHERE path = $1 OR path > $2 AND path < $3)`
	for _, query := range []string{
		`DELETE FROM label WHERE ri IN ` + tree,
		`DELETE FROM attribute WHERE ri IN ` + tree,
		`DELETE FROM tally WHERE ri IN ` + tree,
		`DELETE FROM resource WHERE path = $1 OR path > $2 AND path < $3`,
	} {
		t.exec(query, r.Path, r.Path+"/", r.Path+"0")
	}
}
