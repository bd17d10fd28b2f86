package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// cseBase is the behaviour of CSEBase: it tells the time.
var cseBase = behaviour{
	show: func(_ context.Context, q *request, n *store.Node) error {
		n.Resource.Attributes = n.Resource.With("ctm", primitive.FormatTimestamp(q.now))
		return nil
	},
}
