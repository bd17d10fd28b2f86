package dispatch

import (
	"context"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

// resolve is Identity.Resolve that also understands hybrid addresses: names below an identifier, TS-0001 clause 9.3.1.
func (d *Dispatcher) resolve(ctx context.Context, to string, now time.Time) (primitive.Address, error) {
	id, below, hybrid := d.Identity.Hybrid(to)
	if !hybrid {
		return d.Identity.Resolve(to)
	}
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return primitive.Address{}, err
	}
	return d.Identity.Resolve(n.Resource.Path + "/" + below)
}

// hybrid reports whether q is for a hybrid address without a virtual child that does something of its own. Then it has been read into to
// and below, which are resolved when the resource is looked at.
func (q *request) hybrid() bool {
	id, names, ok := q.d.Identity.Hybrid(q.To)
	if !ok {
		return false
	}
	a, err := q.d.Identity.Resolve(q.d.Identity.Name + "/" + names)
	if err != nil || a.Point != "" {
		return false
	}
	q.to, q.below = primitive.Address{ID: id, Edge: a.Edge}, strings.TrimPrefix(a.Path, q.d.Identity.Name+"/")
	return true
}
