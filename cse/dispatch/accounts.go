package dispatch

import (
	"context"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Accounts are the books of originators.
type Accounts interface {
	// Room fails with a *primitive.Error if an originator may not store one more resource of so many bytes. It is quick.
	Room(originator string, bytes int64) error
	// Stored counts a resource of so many bytes that an originator has stored.
	Stored(originator string, bytes int64)
	// Usage is the account of an originator.
	Usage(ctx context.Context, originator string, now time.Time) (store.Usage, error)
}

// charge is whose quota the resource r in parent counts for, and how many bytes it counts: an instance for whoever created what it is in.
func charge(parent, r resource.Resource) (holder string, bytes int64) {
	if r.Type.Instance() {
		return parent.Creator, r.Size
	}
	return r.Creator, int64(len(r.Attributes))
}
