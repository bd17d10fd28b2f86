package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// subscription is the behaviour of subscription, TS-0004 clause 7.4.8.
var subscription = behaviour{
	admit: admitSubscription,
	born:  priorEvents,
	build: func(q *request, b *birth, r *resource.Resource, parent store.Node) error {
		if b.id != "" {
			r.ID = b.id
		}
		completeSubscription(b.attributes)
		if !blocks(b.attributes) {
			return nil
		}
		for _, s := range parent.Subscriptions {
			if a, err := s.Decode(); err != nil || blocks(a) {
				return errors.Join(err, primitive.Errorf(primitive.BlockingSubscriptionAlreadyExists,
					"the resource has a subscription that blocks updates already"))
			}
		}
		return nil
	},
	revise: reviseSubscription,
	change: func(q *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
		_, given, err := resource.Parse(resource.TypeSubscription, q.Content)
		if err != nil {
			return err
		}
		// The statistics begin anew when they are switched on, also if they were on before, and go with their switch.
		if v, switched := given["nse"]; switched && string(v) != "false" {
			delete(attributes, "nsi")
		}
		completeSubscription(attributes)
		return nil
	},
	changed: func(q *request, before store.Node, r resource.Resource) (store.Effects, error) {
		a, err := before.Resource.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		return store.Effects{Tasks: stir(r.ID, a, q.now)}, nil
	},
	gone: func(d *Dispatcher, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		now := clock.Now()
		return store.Effects{Tasks: append(stir(r.ID, a, now), d.farewell(r.ID, a, now)...)}, nil
	},
}

// completeSubscription gives a subscription what the CSE decides if the originator does not, TS-0001 table 9.6.8-2.
func completeSubscription(a resource.Attributes) {
	c := a.Criteria()
	if len(c.Events) == 0 && len(c.Monitored) == 0 {
		criteria := map[string]json.RawMessage{}
		_ = json.Unmarshal(a["enc"], &criteria) // validated when it was accepted
		c.Events = []int64{eventUpdate}
		criteria["net"] = json.RawMessage("[1]")
		a.Set("enc", criteria)
	}
	if _, given := a["nct"]; !given && len(c.Events) > 0 {
		form := allAttributes
		switch c.Events[0] {
		case eventBlocking:
			form = modifiedAttributes
		case eventMissingData:
			form = timeSeriesContent
		}
		a.Set("nct", form)
	}
	var batch map[string]json.RawMessage
	if json.Unmarshal(a["bn"], &batch) == nil && len(batch) > 0 && batch["dur"] == nil {
		batch["dur"] = json.RawMessage(`"` + notify.BatchDuration + `"`)
		a.Set("bn", batch)
	}
}

// blocks reports whether updates need the agreement of the target of a subscription.
func blocks(a resource.Attributes) bool {
	return slices.Contains(a.Criteria().Events, eventBlocking)
}

// stir has the lanes of a subscription looked at in which notices may rest.
func stir(id string, a resource.Attributes, now time.Time) []store.Task {
	if a["bn"] == nil && a["pn"] == nil {
		return nil
	}
	var tasks []store.Task
	for _, target := range targets(a) {
		tasks = append(tasks, notify.Notice{Subscription: id, Target: target, At: now}.Task())
	}
	return tasks
}

// farewell tells who made a subscription, and what it is a part of, that it goes.
func (d *Dispatcher) farewell(id string, a resource.Attributes, now time.Time) []store.Task {
	content := d.aboutSubscription(id, a)
	content["sud"] = true
	body, err := json.Marshal(content)
	if err != nil {
		panic(err) // only strings get here
	}
	list := a.Strings("acrs")
	if su := a.String("su"); su != "" {
		list = append([]string{su}, list...)
	}
	var tasks []store.Task
	for _, target := range list {
		n := notify.Notice{ID: newID(now), Subscription: id, Target: target, At: now, Content: body, Urgent: true}
		n.Box = farewellBox(id)
		tasks = append(tasks, n.Task())
	}
	return tasks
}

// farewellBox is where it is told that somebody has been told that the subscription id goes.
func farewellBox(id string) string { return "gone/" + id }

// lastFarewell is the last subscription that goes with r and of which somebody is told; empty if there is none.
func lastFarewell(r store.Removal) string {
	for _, s := range slices.Backward(r.Below) {
		if s.Type == resource.TypeSubscription {
			if a, err := s.Decode(); err == nil && a.String("su") != "" {
				return s.ID
			}
		}
	}
	return ""
}

// farewellTimeout bounds how long a delete waits until it has been told that subscriptions go. It is told in any case.
const farewellTimeout = 300 * time.Millisecond

// awaitFarewell waits a moment until somebody has been told that the subscription id goes: TS-0004 clause 7.4.8.2.4 has that done before
// the delete is answered.
func (q *request) awaitFarewell(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	wake, stop := q.d.Store.Wake(farewellBox(id))
	defer stop()
	for {
		if _, err := q.d.Store.Receive(ctx, farewellBox(id), clock.Now()); !errors.Is(err, store.ErrNotFound) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
	}
}

// admitSubscription checks what a subscription needs of others: of its parent, and of its targets.
func admitSubscription(ctx context.Context, q *request, b *birth) error {
	parent, err := q.d.Store.Get(ctx, q.to, q.now)
	if err != nil {
		return err
	}
	who := q.who(resource.MayRetrieve, 0)
	if who.Registered, err = q.registered(ctx); err != nil {
		return err
	}
	if err := q.agree(ctx, who, parent); err != nil {
		return err
	}
	if err := fitCriteria(parent.Resource.Type, b.given.Criteria()); err != nil {
		return err
	}
	if err := fewTargets(b.given); err != nil {
		return err
	}
	b.id = b.t.Prefix() + newID(q.now)
	if err := q.verify(ctx, b.id, targets(b.given)); err != nil {
		return err
	}
	if q.prior, err = q.lastInstances(ctx, parent.Resource, b.given); err != nil {
		return err
	}
	if watches(b.given.Criteria()) {
		return q.d.watch(ctx, q, q.to)
	}
	return nil
}

// lastInstances are the last instances in parent, oldest first: what a subscription with the attributes a asks to be told of that came
// before it (preSubscriptionNotify). Events are not retained, but instances are.
func (q *request) lastInstances(ctx context.Context, parent resource.Resource, a resource.Attributes) ([]resource.Resource, error) {
	number := a.Int("psn")
	if number == nil || parent.Count == 0 {
		return nil, nil
	}
	most := int(min(*number, int64(q.d.MaxResults)))
	// What is told is kept for each target until it is sent.
	if each := parent.Bytes / parent.Count * int64(max(len(targets(a)), 1)); each > 0 {
		most = max(1, min(most, int(maxResultBytes/each)))
	}
	first := parent.StateTag - int64(most) + 1
	filter := primitive.Filter{Level: 1, StateTagBigger: &first}
	for _, t := range []resource.Type{resource.TypeContentInstance, resource.TypeTimeSeriesInstance, resource.TypeFlexContainerInstance} {
		filter.Types = append(filter.Types, int(t))
	}
	page, err := q.d.Store.Find(ctx, store.Query{Root: parent.Path, Now: q.now, Limit: most, Filter: filter})
	slices.SortFunc(page.Resources, func(a, b resource.Resource) int { return cmp.Compare(a.StateTag, b.StateTag) })
	return page.Resources, err
}

// priorEvents are the events before the subscription s that it wants to be told of.
func priorEvents(q *request, parent store.Node, s resource.Resource) (store.Effects, error) {
	var effects store.Effects
	for _, r := range q.prior {
		err := effects.Join(q.d.notices([]resource.Resource{s}, event{
			kind: eventChildCreated, operation: primitive.Create, originator: r.Creator, at: q.now, subject: parent.Resource, affected: r,
		}))
		if err != nil {
			return effects, err
		}
	}
	return effects, nil
}

// maxSubscriptionTargets bounds the targets of one subscription: each gets its own copy of every notification.
const maxSubscriptionTargets = 256

// fewTargets checks how many targets a subscription with the attributes a has.
func fewTargets(a resource.Attributes) error {
	if n := len(targets(a)); n > maxSubscriptionTargets {
		return primitive.Errorf(primitive.BadRequest, "the subscription has %d targets, at most %d are possible", n, maxSubscriptionTargets)
	}
	return nil
}

// fitCriteria checks c against the type of the resource that is subscribed to.
func fitCriteria(subject resource.Type, c resource.EventCriteria) error {
	for _, t := range c.ChildTypes {
		if !subject.MayContain(t) {
			return primitive.Errorf(primitive.BadRequest, "%s has no children of type %s (chty)", subject, t)
		}
	}
	if slices.Contains(c.Events, eventMissingData) && subject != resource.TypeTimeSeries {
		return primitive.Errorf(primitive.BadRequest, "only data of a timeSeries can be missing (net 8)")
	}
	return nil
}

// reviseSubscription checks an update as admitSubscription does a create. Only new targets are verified.
func reviseSubscription(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
	before, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	c := given.Criteria()
	if len(c.ChildTypes) > 0 || slices.Contains(c.Events, eventMissingData) || watches(c) {
		parent, err := q.d.Store.Get(ctx, primitive.Address{ID: n.Resource.ParentID}, q.now)
		if err != nil {
			return err
		}
		if err := fitCriteria(parent.Resource.Type, c); err != nil {
			return err
		}
	}
	// What makes the update invalid must show before anybody is asked.
	if _, err := q.change(n, given, time.Time{}); err != nil {
		return err
	}
	if err := fewTargets(given); err != nil {
		return err
	}
	known := targets(before)
	added := slices.DeleteFunc(targets(given), func(target string) bool { return slices.Contains(known, target) })
	if err := q.verify(ctx, n.Resource.ID, added); err != nil {
		return err
	}
	if watches(c) {
		return q.d.watch(ctx, q, primitive.Address{ID: n.Resource.ParentID})
	}
	return nil
}

// verifyTimeout bounds how long a target may take to agree to its notifications.
const verifyTimeout = 5 * time.Second

// verify asks the targets of the subscription id whether they want its notifications, unless they are the originator itself, TS-0004
// clause 7.4.8.2.1.
func (q *request) verify(ctx context.Context, id string, targets []string) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	for _, target := range targets {
		own, err := q.isOriginator(ctx, target)
		if err != nil {
			return err
		}
		if own {
			continue
		}
		content := map[string]any{"vrq": true, "sur": q.d.Identity.CSEID + "/" + id, "cr": q.originator}
		response, err := q.d.send(ctx, target, q.d.notificationRequest(q.d.Identity.CSEID, newID(q.now), content))
		switch {
		case err == nil && response.Status.OK():
		case err == nil && (response.Status == primitive.SubscriptionCreatorHasNoPrivilege || response.Status == primitive.SubscriptionHostHasNoPrivilege):
			return primitive.Errorf(response.Status, "the notification target %q does not let itself be notified", target)
		case err == nil:
			return primitive.Errorf(primitive.SubscriptionVerificationInitiationFailed, "the notification target %q answered the verification with %d",
				target, response.Status)
		case errors.Is(err, store.ErrUnavailable):
			return err
		default:
			return primitive.Errorf(primitive.SubscriptionVerificationInitiationFailed, "the notification target %q cannot be reached", target)
		}
	}
	return nil
}

// isOriginator reports whether target names the originator: by its identifier, or by the address of its registration.
func (q *request) isOriginator(ctx context.Context, target string) (bool, error) {
	if q.d.Identity.LocalID(target) == q.originator || target == q.From {
		return true, nil
	}
	a, err := q.d.Identity.Resolve(target)
	if err != nil || a.Path == "" || a != a.Owner() {
		return false, nil // an URL, or an identifier that is not the originator's
	}
	n, err := q.d.Store.Get(ctx, a, q.now)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && n.Resource.ID == q.originator, err
}

// ExpireSubscription deletes the subscription with the identifier id, which has notified as often as it was to, and what it has not sent
// yet. One that is gone is no error.
func (d *Dispatcher) ExpireSubscription(ctx context.Context, id string) error {
	forget := func(r store.Removal) (store.Effects, error) {
		var e store.Effects
		a, err := r.Resource.Decode()
		if err != nil {
			return e, err
		}
		for _, target := range targets(a) {
			e.Tasks = append(e.Tasks, notify.Forget(id, target))
		}
		return e, e.Join(d.removed(r))
	}
	_, err := d.Store.Delete(ctx, primitive.Address{ID: id}, clock.Now(), func(store.Node) error { return nil }, forget)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
