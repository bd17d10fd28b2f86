package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindCrossResource are the tasks that FollowCrossResources does.
const KindCrossResource = "cross-resource"

// The lanes of a crossResourceSubscription are those of the end of its window and of the subscriptions it is made of.
const (
	crossWindows = "crs/window/"
	crossParts   = "crs/parts/"
)

const (
	crossWindowNote = "window"
	// setupNote is on a crossResourceSubscription whose subscriptions are not all made yet.
	setupNote = "setup"
	// setupTime is after which one that still has the note is deleted: the instance that made it is gone.
	setupTime = time.Minute
	// associatedNote are the subscriptionResourcesAsTarget, as their notifications call them.
	associatedNote = "associated"
)

// crossResourceSubscription is the behaviour of crossResourceSubscription of Release 3, TS-0001 clause 10.2.10.8: it listens to several
// subscriptions, and notifies if their events come together in a time window, or do not.
var crossResourceSubscription = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error {
		if err := fewTargets(b.given); err != nil {
			return err
		}
		b.id = b.t.Prefix() + newID(q.now)
		return q.verify(ctx, b.id, targets(b.given))
	},
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		r.ID = b.id
		if b.attributes["eem"] == nil {
			b.attributes.Set("eem", defaultEvaluationMode)
		}
		b.attributes.SetNote(setupNote, true)
		return nil
	},
	born: func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		return store.Effects{Tasks: []store.Task{crossTask(crossParts, r.ID, q.now.Add(setupTime), crossOrder{})}}, nil
	},
	established: setUpCrossResource,
	revise:      reviseCrossResource,
	change:      changeCrossResource,
	changed:     crossResourceChanged,
	permit: func(q *request, who access.Request, n store.Node) error {
		if who.Operation == resource.MayNotify && isCSE(q.originator) {
			return nil // it is told by subscriptions, which take shows
		}
		return q.permitByRules(who, n)
	},
	notify: notifyCrossResource,
	gone: func(d *Dispatcher, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		parts := partsOf(r, a)
		return store.Effects{Tasks: append(d.farewell(r.ID, a, clock.Now()),
			store.Task{Lane: crossWindows + r.ID, Kind: KindCrossResource, Replace: true},
			crossTask(crossParts, r.ID, time.Time{}, crossOrder{Remove: &parts}),
		)}, nil
	},
	deleted: func(ctx context.Context, q *request, r resource.Resource) {
		a, err := r.Decode()
		if err == nil {
			err = q.d.putAwayParts(ctx, partsOf(r, a), q.now)
		}
		if err != nil {
			q.d.Log.Debug("the subscriptions of a cross-resource subscription are put away later", "resource", r.ID, "error", err)
		}
	},
}

// isCSE reports whether originator is a CSE-ID.
func isCSE(originator string) bool {
	return strings.HasPrefix(originator, "/") && strings.Count(strings.TrimLeft(originator, "/"), "/") <= 1 &&
		(strings.HasPrefix(originator, "//") || strings.Count(originator, "/") == 1)
}

// crossOrder is the body of a task in the lane crossParts. The zero crossOrder deletes a crossResourceSubscription that is not set up.
type crossOrder struct {
	Remove *parts `json:"remove,omitempty"` // put these away: what they were part of is gone
	Extend bool   `json:"extend,omitempty"` // give the subscriptions the expirationTime of what they are part of
}

func crossTask(lane, id string, due time.Time, o crossOrder) store.Task {
	body, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings only
	}
	return store.Task{Lane: lane + id, Kind: KindCrossResource, Due: due, Replace: true, Body: body}
}

// reviseCrossResource has new targets agree.
func reviseCrossResource(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
	before, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	if _, err := q.change(n, given, time.Time{}); err != nil { // what makes the update invalid must show before anybody is asked
		return err
	}
	if err := fewTargets(given); err != nil {
		return err
	}
	known := targets(before)
	added := slices.DeleteFunc(targets(given), func(target string) bool { return slices.Contains(known, target) })
	return q.verify(ctx, n.Resource.ID, added)
}

// changeCrossResource begins the window anew if its rule changes, and the statistics if they are switched on.
func changeCrossResource(q *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
	_, given, err := resource.Parse(resource.TypeCrossResourceSubscription, q.Content)
	if err != nil {
		return err
	}
	if v, switched := given["nse"]; switched && string(v) != "false" {
		delete(attributes, "nsi")
	}
	if attributes["eem"] == nil {
		attributes.Set("eem", defaultEvaluationMode)
	}
	var setup bool
	if given["twt"] != nil || given["tws"] != nil || given["eem"] != nil {
		if !attributes.Note(setupNote, &setup) {
			attributes.SetNote(crossWindowNote, crossRuleOf(attributes).open(q.now))
		}
	}
	return nil
}

// crossResourceChanged sets the timer anew if the window is another, and lets the subscriptions live as long as their whole.
func crossResourceChanged(_ *request, before store.Node, r resource.Resource) (store.Effects, error) {
	var effects store.Effects
	old, err := before.Resource.Decode()
	if err != nil {
		return effects, err
	}
	a, err := r.Decode()
	if err != nil {
		return effects, err
	}
	effects.Tasks = windowTimer(r.ID, windowOf(old), windowOf(a))
	var setup bool
	if !r.ExpiresAt.Equal(before.Resource.ExpiresAt) && !a.Note(setupNote, &setup) {
		effects.Tasks = append(effects.Tasks, crossTask(crossParts, r.ID, time.Time{}, crossOrder{Extend: true}))
	}
	return effects, nil
}

func windowOf(a resource.Attributes) crossWindow {
	var w crossWindow
	a.Note(crossWindowNote, &w)
	return w
}

// windowTimer sets, or stops, the timer of a window if its end has changed.
func windowTimer(id string, before, after crossWindow) []store.Task {
	switch {
	case after.Until.Equal(before.Until):
		return nil
	case after.Until.IsZero():
		return []store.Task{{Lane: crossWindows + id, Kind: KindCrossResource, Replace: true}}
	}
	return []store.Task{crossTask(crossWindows, id, after.Until, crossOrder{})}
}

// notifyCrossResource takes a notification of one of the subscriptions that n listens to.
func notifyCrossResource(ctx context.Context, q *request, n store.Node) (primitive.Response, error) {
	var content struct {
		One  *told `json:"m2m:sgn"`
		Many struct {
			List []told `json:"m2m:sgn"`
		} `json:"m2m:agn"`
	}
	if err := json.Unmarshal(q.Content, &content); err != nil {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the content is no notification: %v", err)
	}
	list := content.Many.List
	if content.One != nil {
		list = append(list, *content.One)
	}
	for _, t := range list {
		if t.Verification {
			continue
		}
		if t.Subscription == "" {
			return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the notification does not say of which subscription it is (sur)")
		}
		if host := q.d.hostOf(t.Subscription); host != q.originator {
			return primitive.Response{}, primitive.Errorf(primitive.OriginatorHasNoPrivilege, "%q does not host the subscription %q",
				q.From, t.Subscription)
		}
		var err error
		if t.Deletion {
			err = q.d.sever(ctx, n.Resource.ID, t.Subscription, q.now)
		} else {
			err = q.d.tickCrossResource(ctx, n.Resource.ID, t.Subscription, q.now)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return primitive.Response{}, err
		}
	}
	return primitive.Response{Status: primitive.OK}, nil
}

// told is what a crossResourceSubscription reads in an m2m:sgn.
type told struct {
	Subscription string `json:"sur"`
	Verification bool   `json:"vrq"`
	Deletion     bool   `json:"sud"`
}

// hostOf is the CSE that hosts the resource at the address to.
func (d *Dispatcher) hostOf(to string) string {
	if d.Identity.Local(to) {
		return d.Identity.CSEID
	}
	return cseOf(to)
}

// tickCrossResource ends the window of the crossResourceSubscription with the identifier id if it is over, and then takes in the event of
// the subscription sur, unless that is empty or none of its own.
func (d *Dispatcher) tickCrossResource(ctx context.Context, id, sur string, now time.Time) error {
	_, err := d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil || n.Resource.Type != resource.TypeCrossResourceSubscription {
			return c, errors.Join(err, notCrossResource(n.Resource.Type))
		}
		rule, before, w := crossRuleOf(a), windowOf(a), windowOf(a)
		met := w.end(rule, now)
		if sur != "" && d.listensTo(a, sur) {
			w.arrive(rule, d.Identity.LocalID(sur), now)
		}
		a.SetNote(crossWindowNote, w)
		c.Resource.Attributes = a.Encode()
		c.After = func(resource.Resource) (store.Effects, error) {
			tasks := windowTimer(id, before, w)
			if met {
				tasks = append(tasks, d.tell(id, a, event{at: now}, d.aboutSubscription(id, a))...)
			}
			return store.Effects{Tasks: tasks}, nil
		}
		return c, nil
	})
	return err
}

func notCrossResource(t resource.Type) error {
	if t == resource.TypeCrossResourceSubscription {
		return nil
	}
	return store.ErrNotFound
}

// listensTo reports whether sur is one of the subscriptions of the crossResourceSubscription with the attributes a.
func (d *Dispatcher) listensTo(a resource.Attributes, sur string) bool {
	var associated []string
	a.Note(associatedNote, &associated)
	id := d.Identity.LocalID(sur)
	return slices.ContainsFunc(slices.Concat(a.Strings("rrats"), associated), func(own string) bool { return d.Identity.LocalID(own) == id })
}

// FollowCrossResources ends windows, and sees to the subscriptions of crossResourceSubscriptions. All of it may be done again.
func (d *Dispatcher) FollowCrossResources(ctx context.Context, turn store.Turn) store.Outcome {
	now := clock.Now()
	var err error
	if id, window := strings.CutPrefix(turn.Lane, crossWindows); window {
		err = d.tickCrossResource(ctx, id, "", now)
	} else {
		id, _ := strings.CutPrefix(turn.Lane, crossParts)
		for _, t := range turn.Tasks {
			if err = d.carryOutCrossOrder(ctx, id, t.Body, now); err != nil {
				break
			}
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		d.Log.Warn("a cross-resource subscription could not be followed, next try follows", "lane", turn.Lane, "error", err)
		return store.Outcome{Again: worker.Backoff(now, turn.Attempts, time.Minute), Failed: true}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

func (d *Dispatcher) carryOutCrossOrder(ctx context.Context, id string, body json.RawMessage, now time.Time) error {
	var o crossOrder
	if err := json.Unmarshal(body, &o); err != nil {
		return err
	}
	if o.Remove != nil {
		return d.putAwayParts(ctx, *o.Remove, now)
	}
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	if o.Extend {
		return d.extendParts(ctx, n.Resource, a)
	}
	return d.abandonSetup(ctx, id, now)
}
