package dispatch

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Channels are the boxes behind polling channels. Whoever polls may do so at any instance.
type Channels interface {
	// Poll waits until there is a request for who polls at channel, or ctx ends, which is its error then. With aggregate it returns
	// as many as there are. The body of each is an object with the member m2m:rqp.
	Poll(ctx context.Context, channel string, aggregate bool) ([]store.Message, error)
	// Return puts back what Poll returned.
	Return(ctx context.Context, messages []store.Message) error
	// Answer delivers the response primitive in content (m2m:rsp), which came through channel, to whoever waits for it. It fails
	// with BadRequest if there is none in it.
	Answer(ctx context.Context, channel string, content []byte) error
}

// pollingChannel is the behaviour of pollingChannel: it belongs to its parent alone, not even to the admin (TS-0001 clause 9.6.21).
// Its identifier follows from its parent's, which so has only one.
var pollingChannel = behaviour{
	build: func(q *request, _ *birth, r *resource.Resource, parent store.Node) error {
		if !q.is(parent.Resource.ID) {
			return primitive.Errorf(primitive.OriginatorHasNoPrivilege, "only %q may create its polling channel", parent.Resource.ID)
		}
		r.ID = resource.PollingChannelID(parent.Resource.ID)
		return nil
	},
	permit: func(q *request, _ access.Request, n store.Node) error { return q.permitPolling(n) },
	taken:  primitive.Errorf(primitive.BadRequest, "the parent has a polling channel already"),
}

// is reports whether the originator is the AE or the CSE whose registration has the identifier id.
func (q *request) is(id string) bool { return q.originator == id || q.originator == "/"+id }

func (q *request) permitPolling(n store.Node) error {
	if q.is(n.Resource.ParentID) {
		return nil
	}
	return primitive.Errorf(primitive.OriginatorHasNoPrivilege, "the polling channel is only for %q", n.Resource.ParentID)
}

// pollingChannelURI carries out requests to pollingChannelURI, TS-0004 clause 7.4.14: a retrieve waits for a request to the owner, a
// notification brings the owner's answer to one.
func pollingChannelURI(ctx context.Context, q *request) (primitive.Response, error) {
	n, err := q.d.Store.Get(ctx, q.to.Owner(), q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	if n.Resource.Type != resource.TypePollingChannel {
		return primitive.Response{}, store.ErrNotFound
	}
	if err := q.permitPolling(n); err != nil {
		return primitive.Response{}, err
	}
	switch {
	case q.Operation == primitive.Retrieve && isTask(ctx):
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "a polling channel is polled by blocking requests")
	case q.Operation == primitive.Retrieve && q.d.Channels != nil:
		return q.poll(ctx, n.Resource)
	case q.Operation == primitive.Notify && q.d.Channels != nil:
		return primitive.Response{Status: primitive.OK}, q.d.Channels.Answer(ctx, n.Resource.ID, q.Content)
	}
	return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "pollingChannelURI can be retrieved and notified")
}

// poll waits until there is a request for the owner of channel, the originator gives up, or this instance ends.
func (q *request) poll(ctx context.Context, channel resource.Resource) (primitive.Response, error) {
	a, err := channel.Decode()
	if err != nil {
		return primitive.Response{}, err
	}
	aggregate := a.Bool("rqag")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if q.d.Ending != nil {
		defer context.AfterFunc(q.d.Ending, cancel)()
	}
	messages, err := q.d.Channels.Poll(ctx, channel.ID, aggregate)
	if len(messages) > 0 && errors.Is(ctx.Err(), context.Canceled) && (q.d.Ending == nil || q.d.Ending.Err() == nil) {
		return primitive.Response{}, errors.Join(ctx.Err(), q.d.Channels.Return(ctx, messages)) // the originator is gone
	}
	if err != nil && ctx.Err() != nil {
		return primitive.Response{}, primitive.Errorf(primitive.RequestTimeout, "no request came in time")
	}
	if err != nil {
		return primitive.Response{}, err
	}
	if !aggregate {
		return primitive.Response{Status: primitive.OK, Content: messages[0].Body}, nil
	}
	return primitive.Response{Status: primitive.OK, Content: aggregated(messages)}, nil
}

// aggregated is the m2m:agrp of what Poll returned.
func aggregated(messages []store.Message) json.RawMessage {
	list := make([]json.RawMessage, 0, len(messages))
	for _, m := range messages {
		var one struct {
			Request json.RawMessage `json:"m2m:rqp"`
		}
		if err := json.Unmarshal(m.Body, &one); err != nil {
			continue // it cannot be: the CSE wrote it
		}
		list = append(list, one.Request)
	}
	return wrap("m2m:agrp", list)
}
