package dispatch

import (
	"context"
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
