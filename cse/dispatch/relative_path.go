package dispatch

import (
	"context"
	"path"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// follow is what the relative path of the filter leads to from r; ok is false if there is nothing, or nothing that the originator may do
// operation on. TS-0004 clause 7.3.3.17.17.
func (q *request) follow(ctx context.Context, r resource.Resource, operation resource.Permission) (found resource.Resource, ok bool, err error) {
	a, err := q.d.Identity.Resolve(path.Join(r.Path, q.Filter.RelativePath))
	if err != nil || a.Point != "" {
		return resource.Resource{}, false, nil // it leads out of the tree
	}
	n, err := q.d.Store.Get(ctx, a, q.now)
	if err != nil {
		if asError(err).Status == primitive.NotFound {
			err = nil
		}
		return resource.Resource{}, false, err
	}
	if n.Resource.ID == "" {
		return resource.Resource{}, false, nil
	}
	ok, err = q.found(ctx, operation, n)
	return n.Resource, ok && !(operation == resource.MayRetrieve && hidden(n)), err
}
