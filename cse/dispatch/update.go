package dispatch

import (
	"context"
	"encoding/json"

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
		return primitive.Response{}, err
	}
	_, changesPolicies := given["acpi"]
	permit := func(n store.Node) error { return q.permit(q.who(resource.MayUpdate, 0), n) }
	if changesPolicies {
		permit = q.permitPolicies
	}
	if err := permit(n); err != nil {
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
	policies, err := q.policies(ctx, given)
	if err != nil {
		return primitive.Response{}, err
	}
	parent, err := q.d.Store.Get(ctx, primitive.Address{ID: n.Resource.ParentID}, q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	updated, err := q.d.Store.Update(ctx, q.to, q.now, func(n store.Node) (store.Change, error) {
		if err := permit(n); err != nil {
			return store.Change{}, err
		}
		c, err := q.change(n.Resource, given, parent.Resource)
		if changesPolicies {
			c.Resource.Policies = policies
		}
		return c, err
	})
	if err != nil {
		return primitive.Response{}, err
	}
	response := primitive.Response{Status: primitive.Updated}
	switch q.ResultContent {
	case primitive.Nothing:
	case primitive.ModifiedAttributes:
		response.Content = changed(updated, given)
	default:
		response.Content = updated.Wrap()
	}
	return response, nil
}

// change applies given to r; null deletes.
func (q *request) change(r resource.Resource, given resource.Attributes, parent resource.Resource) (store.Change, error) {
	attributes, err := r.Decode()
	if err != nil {
		return store.Change{}, err
	}
	before := attributes.Bool("disr")
	for name, v := range given {
		switch {
		case name == "et":
			if r.ExpiresAt, err = q.expiration(v, parent.ExpiresAt); err != nil {
				return store.Change{}, err
			}
		case string(v) == "null":
			delete(attributes, name)
		default:
			attributes[name] = v
		}
	}
	if err := resource.CheckState(r.Type, r.Specialisation, attributes); err != nil {
		return store.Change{}, err
	}
	r.ModifiedAt = q.now
	r.Attributes = attributes.Encode()
	c := store.Change{Resource: r}
	if r.Type == resource.TypeContainer {
		c.Resource.MaxCount, c.Resource.MaxBytes = attributes.Int("mni"), attributes.Int("mbs")
		c.MaxAge = maxAge(attributes)
		// TS-0001 clause 9.6.6: what could not be retrieved is not to become so.
		c.DropInstances = before && !attributes.Bool("disr")
	}
	return c, nil
}

// changed is r with the attributes that the update set, deleted ones as null, and those the CSE changed with them.
func changed(r resource.Resource, given resource.Attributes) json.RawMessage {
	all, some := members(r), map[string]any{}
	for name := range given {
		some[name] = all[name]
	}
	for _, name := range []string{"lt", "st"} {
		if v, ok := all[name]; ok {
			some[name] = v
		}
	}
	return wrap(r.Element(), some)
}
