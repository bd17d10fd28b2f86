package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// parts are the subscriptions that a crossResourceSubscription is made of, as far as they are known.
type parts struct {
	Whole   string   `json:"whole"`             // its identifier
	Creator string   `json:"creator,omitempty"` // who made it, and them
	Regular []string `json:"rrat,omitempty"`    // regularResourcesAsTarget, each of which has a subscription
	Made    []string `json:"rrats,omitempty"`   // those subscriptions; empty if not known
	Others  []string `json:"srat,omitempty"`    // subscriptionResourcesAsTarget, which are not its own
}

func partsOf(r resource.Resource, a resource.Attributes) parts {
	return parts{Whole: r.ID, Creator: r.Creator, Regular: a.Strings("rrat"), Made: a.Strings("rrats"), Others: a.Strings("srat")}
}

// made is the address of the i-th subscription that p has made. Its name follows from that of the whole, so that one can be found whose
// identifier was not noted any more.
func (p parts) made(i int) string {
	if i < len(p.Made) {
		return p.Made[i]
	}
	return p.Regular[i] + "/" + p.name(i)
}

func (p parts) name(i int) string { return p.Whole + "-" + strconv.Itoa(i) }

// setUpCrossResource makes the subscriptions of r, which has just been created. The same request that comes again finishes what the first
// began.
func setUpCrossResource(ctx context.Context, q *request, r resource.Resource) (resource.Resource, error) {
	a, err := r.Decode()
	if err != nil {
		return r, err
	}
	var setup bool
	if !a.Note(setupNote, &setup) {
		return r, nil
	}
	p := partsOf(r, a)
	associated := make([]string, len(p.Others))
	for i, to := range p.Others {
		if associated[i], err = q.associate(ctx, p.Whole, to); err != nil {
			return r, err
		}
	}
	if len(p.Regular) > 0 {
		p.Made = make([]string, len(p.Regular))
	}
	for i, to := range p.Regular {
		if p.Made[i], err = q.makePart(ctx, r, a, p.name(i), to, i); err != nil {
			return r, err
		}
	}
	return q.d.finishSetup(ctx, p, associated)
}

// finishSetup notes the parts that have been made, and opens the first window.
func (d *Dispatcher) finishSetup(ctx context.Context, p parts, associated []string) (resource.Resource, error) {
	now := clock.Now()
	return d.Store.Update(ctx, primitive.Address{ID: p.Whole}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		w := crossRuleOf(a).open(now)
		a.SetNote(setupNote, nil)
		a.SetNote(crossWindowNote, w)
		a.SetNote(associatedNote, associated)
		if len(p.Made) > 0 {
			a.Set("rrats", p.Made)
		}
		c.Resource.Attributes = a.Encode()
		c.After = func(resource.Resource) (store.Effects, error) {
			stop := store.Task{Lane: crossParts + p.Whole, Kind: KindCrossResource, Replace: true}
			return store.Effects{Tasks: append(windowTimer(p.Whole, crossWindow{}, w), stop)}, nil
		}
		return c, nil
	})
}

// abandonSetup deletes the crossResourceSubscription with the identifier id if it is not set up.
func (d *Dispatcher) abandonSetup(ctx context.Context, id string, now time.Time) error {
	_, err := d.Store.Delete(ctx, primitive.Address{ID: id}, now, func(n store.Node) error {
		a, err := n.Resource.Decode()
		var setup bool
		if err == nil && !a.Note(setupNote, &setup) {
			return store.ErrNotFound // it is, meanwhile
		}
		return err
	}, d.removed)
	return err
}

// makePart creates the subscription called name to the resource at to, the i-th of regularResourcesAsTarget of r, on behalf of the
// originator of r, and returns its SP-relative address.
func (q *request) makePart(ctx context.Context, r resource.Resource, a resource.Attributes, name, to string, i int) (string, error) {
	self := q.d.Identity.CSEID + "/" + r.ID
	s := resource.Attributes{}
	s.Set("rn", name)
	s.Set("nu", []string{self})
	s.Set("acrs", []string{self})
	s.Set("enc", criterion(a, i))
	if !r.ExpiresAt.IsZero() {
		s.Set("et", primitive.FormatTimestamp(r.ExpiresAt))
	}
	if nec := a["nec"]; nec != nil {
		s["nec"] = nec
	}
	response := q.d.Handle(ctx, primitive.Request{
		Operation: primitive.Create, To: to, From: q.From, RequestID: name, ReleaseVersion: q.ReleaseVersion,
		ResourceType: int(resource.TypeSubscription), ResultContent: primitive.Attributes, RemoteIP: q.RemoteIP, Authenticated: q.Authenticated,
		RoleIDs: q.RoleIDs, Content: wrap(resource.TypeSubscription.Element(), s),
	})
	var made struct {
		Subscription struct {
			ID string `json:"ri"`
		} `json:"m2m:sub"`
	}
	if response.Status != primitive.Created || json.Unmarshal(response.Content, &made) != nil || made.Subscription.ID == "" {
		return "", primitive.Errorf(primitive.CrossResourceOperationFailure, "a subscription to %q cannot be created: %d %s",
			to, response.Status, debug(response))
	}
	return q.d.hostOf(to) + "/" + made.Subscription.ID, nil
}

// debug is what a response that is no success says.
func debug(r primitive.Response) string {
	var content struct {
		Text string `json:"m2m:dbg"`
	}
	_ = json.Unmarshal(r.Content, &content) // it may say nothing
	return content.Text
}

// criterion is the i-th entry of eventNotificationCriteriaSet, or the only one.
func criterion(a resource.Attributes, i int) json.RawMessage {
	var set struct {
		List []json.RawMessage `json:"enc"`
	}
	_ = json.Unmarshal(a["encs"], &set) // validated when it was accepted
	if len(set.List) == 1 {
		i = 0
	}
	return set.List[i]
}

// associate has the subscription at to also notify the crossResourceSubscription with the identifier whole, and returns its SP-relative
// address. The originator must be one that may update it.
func (q *request) associate(ctx context.Context, whole, to string) (string, error) {
	self := q.d.Identity.CSEID + "/" + whole
	if !q.d.Identity.Local(to) {
		return q.d.reviseRemote(ctx, q.From, to, func(s resource.Attributes) { joinWhole(s, self) })
	}
	at, err := q.d.resolve(ctx, to, q.now)
	if err != nil {
		return "", crossFailure(to, err)
	}
	var s resource.Resource
	err = q.reconsidered(ctx, func() error {
		s, err = q.d.reviseSubscriptionAt(ctx, at, q.now, func(n store.Node) error {
			if n.Resource.Type != resource.TypeSubscription {
				return primitive.Errorf(primitive.BadRequest, "%q is no subscription (srat)", to)
			}
			return q.permit(q.who(resource.MayUpdate, 0), n)
		}, func(s resource.Attributes) { joinWhole(s, self) })
		return err
	})
	if err != nil && asError(err).Status != primitive.BadRequest {
		return "", crossFailure(to, err)
	}
	return q.d.Identity.CSEID + "/" + s.ID, err
}

// crossFailure is the answer to a create whose subscription at to cannot be associated because of err.
func crossFailure(to string, err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return primitive.Errorf(primitive.CrossResourceOperationFailure, "the subscription %q cannot be associated: %s", to, asError(err).Detail)
}

// joinWhole makes a subscription a part of self.
func joinWhole(s resource.Attributes, self string) {
	for _, name := range []string{"nu", "acrs"} {
		if list := s.Strings(name); !slices.Contains(list, self) {
			s.Set(name, append(list, self))
		}
	}
}

// leaveWhole makes it one no more.
func leaveWhole(s resource.Attributes, self string) {
	for _, name := range []string{"nu", "acrs"} {
		list := slices.DeleteFunc(s.Strings(name), func(one string) bool { return one == self })
		if s[name] = nil; len(list) > 0 || name == "nu" {
			s.Set(name, list)
		} else {
			delete(s, name)
		}
	}
}

// reviseSubscriptionAt changes the subscription at a of this CSE as change says, if permit does not object.
func (d *Dispatcher) reviseSubscriptionAt(ctx context.Context, a primitive.Address, now time.Time, permit func(store.Node) error,
	change func(resource.Attributes)) (resource.Resource, error) {
	return d.Store.Update(ctx, a, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource}
		if err := permit(n); err != nil {
			return c, err
		}
		s, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		change(s)
		c.Resource.ModifiedAt, c.Resource.Attributes = now, s.Encode()
		return c, nil
	})
}

// reviseRemote changes the nu and acrs of the subscription at to of another CSE as change says, on behalf of from, and returns its
// SP-relative address.
func (d *Dispatcher) reviseRemote(ctx context.Context, from, to string, change func(resource.Attributes)) (string, error) {
	r := primitive.Request{
		Operation: primitive.Retrieve, To: to, From: from, RequestID: newID(clock.Now()), ResultContent: primitive.DefaultResult,
	}
	if len(d.Releases) > 0 {
		r.ReleaseVersion = d.Releases[0]
	}
	got, err := d.send(ctx, to, r)
	if err != nil {
		return "", crossFailure(to, err)
	}
	if !got.Status.OK() {
		return "", crossFailure(to, primitive.Errorf(got.Status, "%d %s", got.Status, debug(got)))
	}
	_, s, err := resource.Parse(resource.TypeSubscription, got.Content)
	if err != nil {
		return "", primitive.Errorf(primitive.BadRequest, "%q is no subscription (srat)", to)
	}
	id := s.String("ri")
	change(s)
	given := resource.Attributes{"nu": s["nu"], "acrs": s["acrs"]}
	if given["acrs"] == nil {
		given["acrs"] = json.RawMessage("null")
	}
	r.Operation, r.RequestID, r.ResultContent, r.Content = primitive.Update, newID(clock.Now()), primitive.Nothing, wrap("m2m:sub", given)
	if got, err = d.send(ctx, to, r); err != nil {
		return "", crossFailure(to, err)
	}
	if !got.Status.OK() {
		return "", crossFailure(to, primitive.Errorf(got.Status, "%d %s", got.Status, debug(got)))
	}
	return cseOf(to) + "/" + id, nil
}

// putAwayParts deletes the subscriptions that p has made, and leaves the others. What is gone already is no error.
func (d *Dispatcher) putAwayParts(ctx context.Context, p parts, now time.Time) error {
	var failed error
	for i := range p.Regular {
		failed = errors.Join(failed, d.deletePart(ctx, p, p.made(i), now))
	}
	self := d.Identity.CSEID + "/" + p.Whole
	for _, to := range p.Others {
		failed = errors.Join(failed, d.leavePart(ctx, p, self, to, now))
	}
	return failed
}

// deletePart deletes the subscription at to, which p has made.
func (d *Dispatcher) deletePart(ctx context.Context, p parts, to string, now time.Time) error {
	if !d.Identity.Local(to) {
		r := primitive.Request{Operation: primitive.Delete, To: to, From: p.Creator, RequestID: newID(now), ResultContent: primitive.Nothing}
		if len(d.Releases) > 0 {
			r.ReleaseVersion = d.Releases[0]
		}
		_, err := d.send(ctx, to, r)
		return unlessGone(err)
	}
	at, err := d.resolve(ctx, to, now)
	if err != nil {
		return unlessGone(err)
	}
	self := d.Identity.CSEID + "/" + p.Whole
	_, err = d.Store.Delete(ctx, at, now, func(n store.Node) error {
		a, err := n.Resource.Decode()
		if err == nil && (n.Resource.Type != resource.TypeSubscription || !slices.Contains(a.Strings("acrs"), self)) {
			return store.ErrNotFound // it is another's
		}
		return err
	}, d.removed)
	return unlessGone(err)
}

// leavePart takes self out of the subscription at to.
func (d *Dispatcher) leavePart(ctx context.Context, p parts, self, to string, now time.Time) error {
	change := func(s resource.Attributes) { leaveWhole(s, self) }
	if !d.Identity.Local(to) {
		_, err := d.reviseRemote(ctx, p.Creator, to, change)
		if e := asError(err); err != nil && e.Status == primitive.CrossResourceOperationFailure {
			return nil // whoever can be reached there does not want it
		}
		return err
	}
	at, err := d.resolve(ctx, to, now)
	if err != nil {
		return unlessGone(err)
	}
	_, err = d.reviseSubscriptionAt(ctx, at, now, func(n store.Node) error {
		a, err := n.Resource.Decode()
		if err == nil && !slices.Contains(a.Strings("acrs"), self) && !slices.Contains(a.Strings("nu"), self) {
			return store.ErrNotFound // it is left already
		}
		return err
	}, change)
	return unlessGone(err)
}

// unlessGone is err unless it says that there is nothing left to do.
func unlessGone(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	switch asError(err).Status {
	case primitive.NotFound, primitive.BadRequest:
		return nil
	}
	return err
}

// extendParts lets the subscriptions that r has made live as long as r.
func (d *Dispatcher) extendParts(ctx context.Context, r resource.Resource, a resource.Attributes) error {
	for _, to := range a.Strings("rrats") {
		s := resource.Attributes{}
		s.Set("et", primitive.FormatTimestamp(r.ExpiresAt))
		from := d.Identity.CSEID
		if !d.Identity.Local(to) {
			from = r.Creator
		}
		response := d.Handle(ctx, primitive.Request{Operation: primitive.Update, To: to, From: from, RequestID: newID(clock.Now()),
			ResultContent: primitive.Nothing, Content: wrap(resource.TypeSubscription.Element(), s)})
		if response.Status >= primitive.InternalServerError {
			return fmt.Errorf("extend %s: %d %s", to, response.Status, debug(response))
		}
	}
	return nil
}

// sever deletes the crossResourceSubscription with the identifier id, because its subscription sur is gone, or wants to be part of it no
// more.
func (d *Dispatcher) sever(ctx context.Context, id, sur string, now time.Time) error {
	r, err := d.Store.Delete(ctx, primitive.Address{ID: id}, now, func(n store.Node) error {
		a, err := n.Resource.Decode()
		if err == nil && (n.Resource.Type != resource.TypeCrossResourceSubscription || !d.listensTo(a, sur)) {
			return store.ErrNotFound
		}
		return err
	}, d.removed)
	if err != nil {
		return unlessGone(err)
	}
	a, err := r.Decode()
	if err != nil {
		return err
	}
	return d.putAwayParts(ctx, partsOf(r, a), now)
}

// severing is b, the behaviour of subscription, which also tells the crossResourceSubscriptions that a subscription leaves. Those of this
// CSE are gone when the request is answered.
func severing(b behaviour) behaviour {
	changed := b.changed
	b.changed = func(q *request, before store.Node, r resource.Resource) (store.Effects, error) {
		effects, err := changed(q, before, r)
		if left := leftBy(before.Resource, r); err == nil && len(left) > 0 {
			a := resource.Attributes{}
			a.Set("acrs", left)
			effects.Tasks = append(effects.Tasks, q.d.farewell(r.ID, a, q.now)...)
		}
		return effects, err
	}
	b.updated = func(ctx context.Context, q *request, before, r resource.Resource) {
		q.severAll(ctx, r.ID, leftBy(before, r))
	}
	b.deleted = func(ctx context.Context, q *request, r resource.Resource) {
		q.severAll(ctx, r.ID, leftBy(r, resource.Resource{}))
	}
	return b
}

// leftBy are the associatedCrossResourceSubs that the subscription before has and after has not.
func leftBy(before, after resource.Resource) []string {
	a, err1 := before.Decode()
	b, err2 := after.Decode()
	if err1 != nil || err2 != nil || a["acrs"] == nil {
		return nil
	}
	still := b.Strings("acrs")
	return slices.DeleteFunc(a.Strings("acrs"), func(one string) bool { return slices.Contains(still, one) })
}

func (q *request) severAll(ctx context.Context, id string, left []string) {
	for _, whole := range left {
		if !q.d.Identity.Local(whole) {
			continue
		}
		if err := q.d.sever(ctx, q.d.Identity.LocalID(whole), id, q.now); err != nil {
			q.d.Log.Debug("a cross-resource subscription is put away later", "resource", whole, "error", err)
		}
	}
}
