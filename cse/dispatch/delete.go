package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// delete carries out TS-0004 clause 7.4, Delete, for any type, with everything below the target.
func (q *request) delete(ctx context.Context) (primitive.Response, error) {
	if q.ResultContent == primitive.DefaultResult {
		q.ResultContent = primitive.Nothing
	}
	permit := func(n store.Node) error {
		if n.Resource.Type == resource.TypeCSEBase {
			return primitive.Errorf(primitive.OperationNotAllowed, "CSEBase cannot be deleted")
		}
		if err := q.permit(q.who(resource.MayDelete, 0), n); err != nil {
			return err
		}
		if n.Resource.ID == defaultPolicy {
			return primitive.Errorf(primitive.BadRequest, "the system's default notificationTargetPolicy cannot be deleted")
		}
		if hidden(n) {
			return errHidden
		}
		return q.meets(n.Resource)
	}
	var response primitive.Response
	if q.ResultContent > primitive.Attributes || q.conditional() { // children can only be told before they are gone
		n, err := q.d.Store.Get(ctx, q.to, q.now)
		if err != nil {
			return primitive.Response{}, err
		}
		if err := q.consider(ctx, n.Resource); err != nil {
			return primitive.Response{}, err
		}
		if err := q.reconsidered(ctx, func() error { return permit(n) }); err != nil {
			return primitive.Response{}, err
		}
		if q.ResultContent > primitive.Attributes {
			if response, err = q.answer(ctx, primitive.Deleted, n.Resource); err != nil {
				return primitive.Response{}, err
			}
		}
	}
	var deleted resource.Resource
	var leaving string // a subscription that goes and of which somebody is told; empty for none
	err := q.reconsidered(ctx, func() (err error) {
		deleted, err = q.d.Store.Delete(ctx, q.to, q.now, permit, func(r store.Removal) (store.Effects, error) {
			leaving = lastFarewell(r)
			return q.removed(r)
		})
		return err
	})
	if err != nil {
		return primitive.Response{}, err
	}
	q.awaitAnnouncement(ctx)
	if follow := behaviours[deleted.Type].deleted; follow != nil {
		follow(ctx, q, deleted)
	}
	if leaving != "" {
		q.awaitFarewell(ctx, leaving)
	}
	if q.ResultContent > primitive.Attributes {
		return response, nil
	}
	return q.answer(ctx, primitive.Deleted, deleted)
}
