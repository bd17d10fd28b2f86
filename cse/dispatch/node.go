package dispatch

import (
	"context"
	"slices"

	"github.com/viot-project/viot/cse/store"
)

// node is the behaviour of node. Which AEs are hosted on it is what their nodeLinks say; hostedAELinks that were written are kept beside
// them.
var node = behaviour{
	show: func(_ context.Context, q *request, n *store.Node) error {
		attributes, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		hosted := attributes.Strings("hael")
		for _, id := range q.sight.Hosted {
			if !slices.Contains(hosted, id) {
				hosted = append(hosted, id)
			}
		}
		if len(hosted) > 0 {
			attributes.Set("hael", hosted)
			n.Resource.Attributes = attributes.Encode()
		}
		return nil
	},
}

// showNodeLink leaves out the nodeLink of an AE if the node is gone.
func showNodeLink(_ context.Context, q *request, n *store.Node) error {
	attributes, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	link := attributes.String("nl")
	if link != "" && q.d.Identity.Local(link) && !q.sight.Linked {
		delete(attributes, "nl")
		n.Resource.Attributes = attributes.Encode()
	}
	return nil
}
