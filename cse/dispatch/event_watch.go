package dispatch

import (
	"bytes"
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// watchedNote is the name of the note that a resource has if its subscriptions must be looked at before it is changed, or when it is
// retrieved. It stays when they are gone.
const watchedNote = "watched"

// watches reports whether a subscription with the criteria c must be looked at when nothing is changed.
func watches(c resource.EventCriteria) bool {
	for _, e := range c.Events {
		if e == eventBlocking {
			return true
		}
	}
	for _, m := range c.Monitored {
		if m.Operation == 0 || m.Operation == primitive.Retrieve {
			return true
		}
	}
	return false
}

// watch notes at the resource at a that it is watched.
func (d *Dispatcher) watch(ctx context.Context, q *request, a primitive.Address) error {
	_, err := d.Store.Update(ctx, a, q.now, func(n store.Node) (store.Change, error) {
		attributes, err := n.Resource.Decode()
		if err != nil {
			return store.Change{}, err
		}
		attributes.SetNote(watchedNote, true)
		n.Resource.Attributes = attributes.Encode()
		return store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}, nil
	})
	return err
}

// watchers are the subscriptions of r, if it is watched.
func (q *request) watchers(ctx context.Context, r resource.Resource) ([]resource.Resource, error) {
	if !bytes.Contains(r.Attributes, []byte(watchedNote)) {
		return nil, nil // like most resources, which need not be decoded for that
	}
	a, err := r.Decode()
	var watched bool
	if err != nil || !a.Note(watchedNote, &watched) {
		return nil, err
	}
	return q.subscriptions(ctx, r)
}

// maxSubscriptions bounds how many subscriptions of one resource are looked at when nothing is changed.
const maxSubscriptions = 1000

func (q *request) subscriptions(ctx context.Context, r resource.Resource) ([]resource.Resource, error) {
	page, err := q.d.Store.Find(ctx, store.Query{Root: r.Path, Now: q.now, Limit: maxSubscriptions,
		Filter: primitive.Filter{Types: []int{int(resource.TypeSubscription)}, Level: 1}})
	return page.Resources, err
}

// retrieved tells those who monitor retrieves of n.
func (q *request) retrieved(ctx context.Context, n store.Node) error {
	if len(n.Subscriptions) == 0 {
		return nil
	}
	r := n.Resource
	return q.add(ctx, n.Subscriptions, event{operation: primitive.Retrieve, originator: q.originator, at: q.now, subject: r, affected: r})
}

// missedInstance tells that an instance was to be retrieved of the governor of n, which has none.
func (q *request) missedInstance(ctx context.Context, n store.Node) error {
	if len(n.Subscriptions) == 0 {
		return nil
	}
	r := n.Governor
	return q.add(ctx, n.Subscriptions, event{kind: eventNoChild, originator: q.originator, at: q.now, subject: r, affected: r})
}

func (q *request) add(ctx context.Context, list []resource.Resource, e event) error {
	effects, err := q.d.notices(list, e)
	if err != nil || len(effects.Tasks) == 0 {
		return err
	}
	return q.d.Store.Add(ctx, effects.Tasks...)
}

// consentToUpdate asks the target of a blocking subscription of r whether it may be updated with given, TS-0001 clause 10.2.10.7.
func (q *request) consentToUpdate(ctx context.Context, r resource.Resource, given resource.Attributes) error {
	list, err := q.watchers(ctx, r)
	if err != nil {
		return err
	}
	e := event{kind: eventBlocking, originator: q.originator, at: q.now, subject: r, affected: r, given: given}
	for _, s := range list {
		a, err := s.Decode()
		if err != nil {
			return err
		}
		if _, wants := e.wanted(a.Criteria()); !wants {
			continue
		}
		content := q.d.notification(s.ID, a, e, resource.OperationMonitor{})
		content["nev"] = map[string]any{"net": e.kind, "rep": map[string]any{r.Element(): given}}
		for _, target := range targets(a) {
			if err := q.ask(ctx, target, content); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask sends a notification on behalf of the originator and fails if the target does not agree.
func (q *request) ask(ctx context.Context, target string, content map[string]any) error {
	response, err := q.d.send(ctx, target, q.d.notificationRequest(q.From, newID(q.now), content))
	switch {
	case err != nil && asError(err).Status == primitive.TargetNotReachable:
		return primitive.Errorf(primitive.RemoteEntityNotReachable, "who must agree to the update cannot be reached")
	case err != nil:
		return err
	case response.Status == primitive.OperationNotAllowed:
		return primitive.Errorf(primitive.OperationDeniedByRemoteEntity, "who must agree to the update refuses it")
	case !response.Status.OK():
		return primitive.Errorf(response.Status, "who must agree to the update does not")
	}
	return nil
}

// notificationRequest is a notification of the CSE that is sent at once.
func (d *Dispatcher) notificationRequest(from, id string, content map[string]any) primitive.Request {
	r := primitive.Request{Operation: primitive.Notify, From: from, RequestID: id, ResultContent: primitive.DefaultResult,
		Content: wrap("m2m:sgn", content)}
	if len(d.Releases) > 0 {
		r.ReleaseVersion = d.Releases[0]
	}
	return r
}
