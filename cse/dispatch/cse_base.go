package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// cseBase is the behaviour of CSEBase: it tells the time.
var cseBase = behaviour{
	show: func(_ context.Context, q *request, n *store.Node) error {
		a, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		a.Set("ctm", primitive.FormatTimestamp(q.now))
		n.Resource.Attributes = a.Encode()
		return nil
	},
}
