package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// notify carries out TS-0004 clause 7.4, Notify: the notification is for the target itself, or for the AE or CSE whose registration it
// is. Other types take none; a create that forgot its type looks the same.
func (q *request) notify(ctx context.Context) (primitive.Response, error) {
	n, err := q.d.Store.Get(ctx, q.to, q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	take := behaviours[n.Resource.Type].notify
	if take == nil {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the target takes no notification; a create needs its resource type, as in Content-Type: application/json;ty=3")
	}
	if err := q.agree(ctx, q.who(resource.MayNotify, 0), n); err != nil {
		return primitive.Response{}, err
	}
	return take(ctx, q, n)
}

// passOn sends a notification to the AE or CSE that n is the registration of.
func passOn(ctx context.Context, q *request, n store.Node) (primitive.Response, error) {
	return q.d.send(ctx, n.Resource.ID, q.Request)
}

// send has r carried out by target, see Entities.
func (d *Dispatcher) send(ctx context.Context, target string, r primitive.Request) (primitive.Response, error) {
	if d.Entities == nil {
		return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "%q is not reachable from %s", target, d.Identity.CSEID)
	}
	return d.Entities.Send(ctx, target, r)
}
