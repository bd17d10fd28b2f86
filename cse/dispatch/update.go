package dispatch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// update carries out TS-0004 clause 7.4, Update, for any type.
func (q *request) update(ctx context.Context) (primitive.Response, error) {
	if q.ResourceType != 0 {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "an update has no resource type")
	}
	if q.to.Edge != "" {
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "contentInstance cannot be updated")
	}
	n, err := q.d.Store.Get(ctx, q.to, q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	t := n.Resource.Type
	if len(q.Content) == 0 {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the update has no content")
	}
	if !t.Updatable() {
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "%s cannot be updated", t)
	}
	// The policies of n may change until it is locked, so the decision is taken again then. This one spares the originator
	// without privilege an answer that tells about the resource.
	specialisation, given, err := resource.Parse(t, q.Content)
	if err != nil {
		if resource.Mismatch(t, q.Content) {
			err = primitive.Errorf(primitive.ContentsUnacceptable, "%s", primitive.AsError(err).Detail)
		}
		return primitive.Response{}, err
	}
	_, changesPolicies := given["acpi"]
	permit := func(n store.Node) error { return q.permit(q.who(resource.MayUpdate, 0), n) }
	if changesPolicies {
		permit = q.permitPolicies
	}
	if err := q.reconsidered(ctx, func() error { return permit(n) }); err != nil {
		return primitive.Response{}, err
	}
	if changesPolicies && len(given) > 1 {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "accessControlPolicyIDs (acpi) must be the only attribute of an update")
	}
	if specialisation != n.Resource.Specialisation {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the content must be one object %q, got %q", n.Resource.Element(), specialisation)
	}
	if err := resource.CheckUpdate(t, specialisation, given); err != nil {
		return primitive.Response{}, err
	}
	policies, err := q.policies(ctx, t, given)
	if err != nil {
		return primitive.Response{}, err
	}
	if revise := behaviours[t].revise; revise != nil {
		if err := revise(ctx, q, n, given); err != nil {
			return primitive.Response{}, err
		}
	}
	if err := q.consider(ctx, n.Resource); err != nil {
		return primitive.Response{}, err
	}
	if err := q.consentToUpdate(ctx, n.Resource, given); err != nil {
		return primitive.Response{}, err
	}
	var longest time.Time // the parent's expiration
	if _, asked := given["et"]; asked {
		parent, err := q.d.Store.Get(ctx, primitive.Address{ID: n.Resource.ParentID}, q.now)
		if err != nil {
			return primitive.Response{}, err
		}
		longest = parent.Resource.ExpiresAt
	}
	updated, err := q.d.Store.Update(ctx, q.to, q.now, func(n store.Node) (store.Change, error) {
		if err := permit(n); err != nil {
			return store.Change{}, err
		}
		if err := q.meets(n.Resource); err != nil {
			return store.Change{}, err
		}
		c, err := q.change(n, given, longest)
		if changesPolicies {
			c.Resource.Policies = policies
		}
		c.After = func(r resource.Resource) (store.Effects, error) { return q.changed(n, r, given) }
		return c, err
	})
	if err != nil {
		return primitive.Response{}, err
	}
	updated = q.announced(ctx, updated)
	if follow := behaviours[t].updated; follow != nil {
		follow(ctx, q, n.Resource, updated)
	}
	response := primitive.Response{Status: primitive.Updated}
	switch q.ResultContent {
	case primitive.Nothing:
	case primitive.ModifiedAttributes:
		response.Content = difference(updated, given)
	default:
		response.Content = q.shown(updated.Wrap())
	}
	return response, nil
}

// change applies given to the resource of n; null deletes. longest is the expiration of the parent.
func (q *request) change(n store.Node, given resource.Attributes, longest time.Time) (store.Change, error) {
	r := n.Resource
	attributes, err := r.Decode()
	if err != nil {
		return store.Change{}, err
	}
	if err := resource.CheckChange(r.Type, r.Specialisation, attributes, given); err != nil {
		return store.Change{}, err
	}
	for name, v := range given {
		switch {
		case name == "et":
			if r.ExpiresAt, err = q.expiration(v, longest); err != nil {
				return store.Change{}, err
			}
		case string(v) == "null":
			delete(attributes, name)
		default:
			attributes[name] = v
		}
	}
	r.ModifiedAt = q.now
	c := store.Change{Resource: r}
	if change := behaviours[r.Type].change; change != nil {
		if err := change(q, n, attributes, &c); err != nil {
			return c, err
		}
	}
	if err := resource.CheckState(r.Type, r.Specialisation, attributes); err != nil {
		return c, err
	}
	if _, asked := given["at"]; asked || r.Announced || given["aa"] != nil {
		before, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		if err := q.toAnnounce(&c.Resource, attributes, before, asked); err != nil {
			return c, err
		}
	}
	c.Resource.Attributes = attributes.Encode()
	return c, nil
}

// difference is r with the attributes that the update set to something else than what was given, deleted ones as null, and those the CSE
// changed with them. TS-0004 table 6.3.4.2.5-1, modified attributes.
func difference(r resource.Resource, given resource.Attributes) json.RawMessage {
	all, some := members(r), map[string]any{}
	for name, v := range given {
		if now, ok := all[name].(json.RawMessage); !ok || string(now) != string(v) {
			some[name] = all[name]
		}
	}
	for _, name := range []string{"lt", "st"} {
		if v, ok := all[name]; ok {
			some[name] = v
		}
	}
	return wrap(r.Element(), some)
}
