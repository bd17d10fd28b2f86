package dispatch

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// notificationSchedule is the name of the schedule of a subscription, TS-0004 clause 7.4.9.2.1.
const notificationSchedule = "notificationSchedule"

// schedule is the behaviour of schedule. Its identifier is made of that of its parent, which can only have one.
var schedule = behaviour{
	taken: primitive.Errorf(primitive.BadRequest, "the parent has a schedule already"),
	build: func(_ *request, b *birth, r *resource.Resource, parent store.Node) error {
		if err := coordinated(parent.Resource.Type, b.given); err != nil {
			return err
		}
		hash := sha256.Sum256([]byte(parent.Resource.ID))
		r.ID = r.Type.Prefix() + strings.ToLower(idEncoding.EncodeToString(hash[:15]))
		switch parent.Resource.Type {
		case resource.TypeSubscription, resource.TypeCrossResourceSubscription:
			if name := b.given.String("rn"); name != "" && name != notificationSchedule {
				return primitive.Errorf(primitive.BadRequest, "the schedule of a %s must be named %s", parent.Resource.Type, notificationSchedule)
			}
			b.name = notificationSchedule
		}
		return nil
	},
	revise: func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
		parent, err := q.d.Store.Get(ctx, primitive.Address{ID: n.Resource.ParentID}, q.now)
		if err != nil {
			return err
		}
		if parent.Resource.Type == resource.TypeSubscription {
			a, err := parent.Resource.Decode()
			if err != nil {
				return err
			}
			q.stirred = stir(parent.Resource.ID, a, q.now)
		}
		return coordinated(parent.Resource.Type, given)
	},
	changed: func(q *request, _ store.Node, _ resource.Resource) (store.Effects, error) {
		return store.Effects{Tasks: q.stirred}, nil
	},
}

// coordinated checks networkCoordinated, which only schedules of nodes have, and which needs a network this CSE does not know.
func coordinated(parent resource.Type, given resource.Attributes) error {
	switch _, asked := given["nco"]; {
	case asked && parent != resource.TypeNode:
		return primitive.Errorf(primitive.ContentsUnacceptable, "only the schedule of a node has networkCoordinated (nco)")
	case given.Bool("nco"):
		return primitive.Errorf(primitive.NotImplemented, "coordination with the network (nco) is not implemented")
	}
	return nil
}
