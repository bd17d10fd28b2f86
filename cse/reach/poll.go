package reach

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// messageLifetime is how long a request waits at most for its target to poll. Who sent it may have given up before, but
	// then mostly sends it again, and takes the answer that has come meanwhile.
	messageLifetime = time.Minute
	// lookInterval is how often to look into a box without being woken: wakes may get lost with the connection to the database.
	lookInterval = 5 * time.Second
	// maxRequestID bounds the request identifier of an answer, which is in an index.
	maxRequestID = 1024
	// maxAggregated bounds the requests in one answer to a poll.
	maxAggregated = 64
)

// channel is the identifier of the polling channel of the AE or remoteCSE with the identifier entity; empty if it has none.
func (v *Router) channel(ctx context.Context, entity string) (string, error) {
	id := resource.PollingChannelID(entity)
	n, err := v.Store.Get(ctx, primitive.Address{ID: id}, clock.Now())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && n.Resource.Type != resource.TypePollingChannel:
		return "", nil
	case err != nil:
		return "", err
	}
	return id, nil
}

func requestBox(channel string) string { return "poll/" + channel }

func answerBox(channel, requestID string) string { return "answer/" + channel + "/" + requestID }

// sendPolled leaves r for whoever polls at channel and waits for the answer, which may come through any instance.
func (v *Router) sendPolled(ctx context.Context, channel string, r primitive.Request) (primitive.Response, error) {
	limited, cancel := part(ctx, 1)
	defer cancel()
	r.RequestID = v.polledID(r)
	box := answerBox(channel, r.RequestID)
	if m, err := v.Store.Receive(limited, box, clock.Now()); err == nil {
		return primitive.ParseResponse(m.Body) // the answer to an earlier try of the same request
	} else if !errors.Is(err, store.ErrNotFound) {
		return primitive.Response{}, err
	}
	until := r.RequestExpiration
	if latest := clock.Now().Add(messageLifetime); until.IsZero() || until.After(latest) {
		until = latest
	}
	wake, stop := v.Store.Wake(box)
	defer stop()
	err := v.Store.Post(limited, store.Message{Box: requestBox(channel), Until: until, Body: primitive.Wrap("m2m:rqp", r.Object())})
	if err != nil {
		return primitive.Response{}, err
	}
	m, err := v.await(limited, box, wake)
	if errors.Is(err, context.DeadlineExceeded) {
		return primitive.Response{}, unreachable(channel)
	}
	if err != nil {
		return primitive.Response{}, err
	}
	return primitive.ParseResponse(m.Body)
}

// polledID is the identifier under which whoever polls gets r. Originators choose theirs as they like, and some always the same: one
// must not get the answer to another, nor to a request that it did not send. The same request that is sent again has the same one.
func (v *Router) polledID(r primitive.Request) string {
	if r.From == v.Identity.CSEID {
		return r.RequestID // made by this CSE, which makes each once
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d %d ", r.From, r.RequestID, r.To, r.Operation, r.ResourceType)
	h.Write(r.Content)
	return r.RequestID + "-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// await takes the next message out of box, waiting for it until ctx ends.
func (v *Router) await(ctx context.Context, box string, wake <-chan struct{}) (store.Message, error) {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		m, err := v.Store.Receive(ctx, box, clock.Now())
		if !errors.Is(err, store.ErrNotFound) {
			return m, err
		}
		select {
		case <-ctx.Done():
			return store.Message{}, ctx.Err()
		case <-wake:
		case <-look.C:
		}
	}
}

// Poll waits until there is a request for who polls at channel, or ctx ends, which is its error then. With aggregate it returns as many
// as there are. Each is the content of a primitive: an object with the member m2m:rqp. They are not left in the store: if they
// cannot be delivered, give them to Return.
func (v *Router) Poll(ctx context.Context, channel string, aggregate bool) ([]store.Message, error) {
	box := requestBox(channel)
	wake, stop := v.Store.Wake(box)
	defer stop()
	first, err := v.await(ctx, box, wake)
	if err != nil {
		return nil, err
	}
	messages := []store.Message{first}
	for aggregate && len(messages) < maxAggregated {
		m, err := v.Store.Receive(ctx, box, clock.Now())
		if err != nil {
			break // what has been taken is delivered in any case
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// Return puts messages of Poll back.
func (v *Router) Return(ctx context.Context, messages []store.Message) error {
	return v.Store.Post(context.WithoutCancel(ctx), messages...)
}

// Answer delivers the response primitive in content, which came through channel, to whoever waits for it.
func (v *Router) Answer(ctx context.Context, channel string, content []byte) error {
	p, err := primitive.ParseResponse(content)
	if err != nil {
		return primitive.Errorf(primitive.BadRequest, "%v", err)
	}
	if len(p.RequestID) > maxRequestID {
		return primitive.Errorf(primitive.BadRequest, "the request identifier (rqi) has more than %d bytes", maxRequestID)
	}
	return v.Store.Post(ctx, store.Message{Box: answerBox(channel, p.RequestID), Until: clock.Now().Add(messageLifetime), Body: content})
}
