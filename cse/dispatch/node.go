package dispatch

import (
	"context"
	"errors"
	"slices"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// node is the behaviour of node. Which AEs are hosted on it is what their nodeLinks say; hostedAELinks that were written are kept beside
// them.
var node = behaviour{
	show: func(ctx context.Context, q *request, n *store.Node) error {
		attributes, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		page, err := q.d.Store.Find(ctx, store.Query{Root: q.d.Identity.Name, Now: q.now, Limit: maxHosted, Filter: primitive.Filter{
			Types:      []int{int(resource.TypeAE)},
			Attributes: []primitive.AttributeCondition{{Name: "nl", Value: n.Resource.ID}},
		}})
		if err != nil {
			return err
		}
		hosted := attributes.Strings("hael")
		for _, ae := range page.Resources {
			if !slices.Contains(hosted, ae.ID) {
				hosted = append(hosted, ae.ID)
			}
		}
		if len(hosted) > 0 {
			attributes.Set("hael", hosted)
			n.Resource.Attributes = attributes.Encode()
		}
		return nil
	},
}

// maxHosted bounds how many AEs a node shows.
const maxHosted = 1000

// showNodeLink leaves out the nodeLink of an AE if the node is gone.
func showNodeLink(ctx context.Context, q *request, n *store.Node) error {
	attributes, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	link := attributes.String("nl")
	if link == "" || !q.d.Identity.Local(link) {
		return nil
	}
	a, err := q.d.Identity.Resolve(link)
	if err == nil {
		_, err = q.d.Store.Get(ctx, a, q.now)
	}
	var malformed *primitive.Error
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &malformed) {
		delete(attributes, "nl")
		n.Resource.Attributes = attributes.Encode()
		return nil
	}
	return err
}
