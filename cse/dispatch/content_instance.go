package dispatch

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// contentInstance is the behaviour of contentInstance.
var contentInstance = behaviour{
	build: func(_ *request, b *birth, r *resource.Resource, parent store.Node) error {
		r.Size = resource.ContentSize(b.given["con"])
		return fit(r, parent)
	},
	show: func(ctx context.Context, q *request, n *store.Node) error {
		if err := showLocation(ctx, q, n); err != nil {
			return err
		}
		return countDown(ctx, q, n)
	},
}

const (
	// countdownNote is the note in which a container keeps how often instances with a deletionCount may still be retrieved, by their
	// identifiers, once the first retrieve has come; 0 until they are gone.
	countdownNote = "dcnt"
	// maxCountdowns bounds it; the oldest give way and start anew.
	maxCountdowns = 1000
)

// countDown shows how often the instance n may still be retrieved, this time included, and deletes it after the last time (deletionCount,
// TS-0001 clause 9.6.7).
func countDown(ctx context.Context, q *request, n *store.Node) error {
	if !bytes.Contains(n.Resource.Attributes, []byte(`"dcnt":`)) {
		return nil
	}
	attributes, err := n.Resource.Decode()
	total := attributes.Int("dcnt")
	if err != nil || total == nil {
		return err
	}
	left := *total
	parent := primitive.Address{ID: n.Resource.ParentID}
	_, err = q.d.Store.Update(ctx, parent, q.now, func(p store.Node) (store.Change, error) {
		c := store.Change{Resource: p.Resource, KeepStateTag: true, KeepModified: true}
		container, err := p.Resource.Decode()
		if err != nil {
			return c, err
		}
		counts := map[string]int64{}
		container.Note(countdownNote, &counts)
		left = *total
		if l, begun := counts[n.Resource.ID]; begun {
			left = l
		}
		counts[n.Resource.ID] = max(left-1, 0)
		for _, id := range slices.Sorted(maps.Keys(counts)) { // oldest first
			if len(counts) <= maxCountdowns {
				break
			}
			delete(counts, id)
		}
		container.SetNote(countdownNote, counts)
		c.Resource.Attributes = container.Encode()
		return c, nil
	})
	if err != nil {
		return err
	}
	if left <= 1 {
		_, err = q.d.Store.Delete(ctx, primitive.Address{ID: n.Resource.ID}, q.now, func(store.Node) error { return nil }, q.d.removed)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if left == 0 {
		return store.ErrNotFound // another has retrieved it for the last time
	}
	attributes.Set("dcnt", left)
	n.Resource.Attributes = attributes.Encode()
	return nil
}
