package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// lifetime is how long a resource lives whose originator does not say.
	lifetime = 5 * 365 * 24 * time.Hour
	// receiptLifetime is how long a repeated create is recognised: longer than any load balancer or client keeps trying.
	receiptLifetime = 5 * time.Minute
	// undoTimeout bounds how long a creation is undone that could not be finished.
	undoTimeout = 5 * time.Second
	// maxPath bounds the path of a resource, so that it fits in an index entry.
	maxPath = 2000
	// highestType is the last resource type oneM2M has given a number.
	highestType = 70
)

// create carries out TS-0004 clause 7.4, Create, for any type.
func (q *request) create(ctx context.Context) (primitive.Response, error) {
	t := resource.Type(q.ResourceType)
	switch {
	case t == 0:
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "a create needs a resource type (ty)")
	case t == resource.TypeCSEBase || q.to.Edge != "":
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "%s cannot be created here", t)
	case t.Supported() && !t.Creatable():
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "only the CSE creates %s", t)
	case !t.Supported() && t > 0 && t <= highestType:
		return primitive.Response{}, primitive.Errorf(primitive.NotImplemented, "resource type %d is not implemented", t)
	case !t.Supported():
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "resource type %d does not exist", t)
	}
	specialisation, given, err := resource.Parse(t, q.Content)
	if err != nil {
		return primitive.Response{}, err
	}
	if t == resource.TypeRemoteCSE {
		if _, err := q.remoteID(given); err != nil {
			return primitive.Response{}, err // who registers comes before what
		}
	}
	if err := resource.CheckCreate(t, specialisation, given); err != nil {
		if refusal := q.refusal(ctx, t); refusal != nil {
			err = refusal // which says more than what is wrong with the child
		}
		return primitive.Response{}, err
	}
	b := &birth{t: t, specialisation: specialisation, given: given, attributes: kept(given)}
	if b.policies, err = q.policies(ctx, t, given); err != nil {
		return primitive.Response{}, err
	}
	who := q.who(resource.MayCreate, t)
	if t != resource.TypeAE {
		if who.Registered, err = q.registered(ctx); err != nil {
			return primitive.Response{}, err
		}
	}
	permit := func(parent store.Node) error {
		if !parent.Resource.Type.MayContain(t) {
			return invalidChild(parent.Resource.Type, t)
		}
		return q.permit(who, parent)
	}
	if err := q.admit(ctx, b, permit); err != nil {
		return primitive.Response{}, err
	}
	var created resource.Resource
	var holder string // is charged for it
	var bytes int64
	err = q.reconsidered(ctx, func() (err error) {
		created, err = q.d.Store.Create(ctx, store.Creation{
			Parent: q.to, Now: q.now, Receipt: q.receipt(), ReceiptUntil: q.now.Add(receiptLifetime),
			Build: func(parent store.Node) (resource.Resource, error) {
				if err := permit(parent); err != nil {
					return resource.Resource{}, err
				}
				r, err := q.build(b, parent)
				if err == nil && q.d.Accounts != nil {
					holder, bytes = charge(parent.Resource, r)
					err = q.d.Accounts.Room(holder, bytes)
				}
				return r, err
			},
			After: q.born, Displaced: q.d.removed,
		})
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = q.whyNoParent(ctx, t)
	}
	if taken := behaviours[t].taken; taken != nil && errors.Is(err, store.ErrIDTaken) {
		err = taken
	}
	if err != nil {
		return primitive.Response{}, err
	}
	if q.d.Accounts != nil {
		q.d.Accounts.Stored(holder, bytes)
	}
	if created, err = q.establish(ctx, created); err != nil {
		return primitive.Response{}, err
	}
	return q.created(q.announced(ctx, created), given), nil
}

// establish does what follows the creation of r, or else deletes r again.
func (q *request) establish(ctx context.Context, r resource.Resource) (resource.Resource, error) {
	establish := behaviours[r.Type].established
	if establish == nil {
		return r, nil
	}
	after, err := establish(ctx, q, r)
	if err == nil {
		return after, nil
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if _, failed := q.d.Store.Delete(limit, primitive.Address{ID: r.ID}, q.now, func(store.Node) error { return nil }, q.d.removed); failed == nil {
		if deleted := behaviours[r.Type].deleted; deleted != nil {
			deleted(limit, q, r)
		}
	}
	return after, err
}

// refusal is why the originator cannot create a child of type t here whatever it is like, nil if it can.
func (q *request) refusal(ctx context.Context, t resource.Type) error {
	parent, err := q.d.Store.Get(ctx, q.to, q.now)
	switch {
	case err != nil || t == resource.TypeAE:
		return nil
	case !parent.Resource.Type.MayContain(t):
		return invalidChild(parent.Resource.Type, t)
	}
	who := q.who(resource.MayCreate, t)
	if who.Registered, err = q.registered(ctx); err != nil {
		return err
	}
	return q.agree(ctx, who, parent)
}

// admit asks the type's behaviour about b, but not before permit has agreed: it may ask others on behalf of the originator.
func (q *request) admit(ctx context.Context, b *birth, permit func(store.Node) error) error {
	admit := behaviours[b.t].admit
	if admit == nil {
		return nil
	}
	parent, err := q.d.Store.Get(ctx, q.to, q.now)
	if err != nil {
		return err
	}
	if err := q.reconsidered(ctx, func() error { return permit(parent) }); err != nil {
		return err
	}
	return admit(ctx, q, b)
}

// whyNoParent tells a parent that is not there from one that is an instance, which the store does not take for a parent.
func (q *request) whyNoParent(ctx context.Context, t resource.Type) error {
	n, err := q.d.Store.Get(ctx, q.to, q.now)
	if err == nil && !n.Resource.Type.MayContain(t) {
		return invalidChild(n.Resource.Type, t)
	}
	if err == nil {
		return store.ErrNotFound // it came too late
	}
	return err
}

func invalidChild(parent, child resource.Type) error {
	if child == resource.TypeSubscription {
		return primitive.Errorf(primitive.TargetNotSubscribable, "%s cannot be subscribed to", parent)
	}
	return primitive.Errorf(primitive.InvalidChildResourceType, "%s cannot have a child of type %s", parent, child)
}

// policies are the identifiers of the policies that attributes of a resource of type t name. All of them must exist, but those that an
// announcement names at the CSE of its original.
func (q *request) policies(ctx context.Context, t resource.Type, attributes resource.Attributes) ([]string, error) {
	var ids []string
	for _, to := range unique(attributes.Strings("acpi")) {
		if t.Original() != 0 && !q.d.Identity.Local(to) {
			continue
		}
		a, err := q.d.resolve(ctx, to, q.now)
		if e := asError(err); err != nil && e.Status >= primitive.InternalServerError && e.Err != nil {
			return nil, err // the store is away, which says nothing about the policy
		} else if err != nil {
			return nil, primitive.Errorf(primitive.BadRequest, "access control policy %q: %s", to, e.Detail)
		}
		n, err := q.d.Store.Get(ctx, a, q.now)
		if e := asError(err); err != nil && e.Status != primitive.NotFound {
			return nil, err
		}
		if n.Resource.Type != resource.TypeAccessControlPolicy {
			return nil, primitive.Errorf(primitive.BadRequest, "access control policy %q does not exist", to)
		}
		if !slices.Contains(ids, n.Resource.ID) {
			ids = append(ids, n.Resource.ID)
		}
	}
	return ids, nil
}

// receipt recognises the same request when it comes again. The standard asks originators for unique request identifiers; since
// some always send the same, target and content are part of what makes a request the same.
func (q *request) receipt() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d %d ", q.From, q.RequestID, q.to, q.ResourceType, q.ResultContent)
	h.Write(q.Content)
	return h.Sum(nil)[:16]
}

// created is the answer to a create, TS-0001 table 8.1.2-1.
func (q *request) created(r resource.Resource, given resource.Attributes) primitive.Response {
	response := primitive.Response{Status: primitive.Created, Location: r.ID}
	switch q.ResultContent {
	case primitive.Nothing:
	case primitive.HierarchicalAddress:
		response.Content = wrap("m2m:uri", r.Path)
	case primitive.AddressAndAttributes:
		response.Content = wrap("m2m:rce", map[string]any{"uri": r.Path, r.Element(): json.RawMessage(r.AppendJSON(nil))})
	case primitive.ModifiedAttributes:
		response.Content = modified(r, given)
	default:
		response.Content = q.shown(r.Wrap())
	}
	return response
}

// modified is r without the attributes that the originator gave and the CSE took as they were.
func modified(r resource.Resource, given resource.Attributes) json.RawMessage {
	var all resource.Attributes
	if err := json.Unmarshal(r.AppendJSON(nil), &all); err != nil {
		panic(err) // it was just written
	}
	for name, v := range given {
		switch now, kept := all[name]; {
		case !kept:
			all[name] = json.RawMessage("null")
		case string(now) == string(v):
			delete(all, name)
		}
	}
	return wrap(r.Element(), all)
}
