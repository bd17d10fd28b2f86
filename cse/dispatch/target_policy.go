package dispatch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// targetPolicyReference is the behaviour of notificationTargetMgmtPolicyRef, TS-0001 clause 9.6.31: no two of a subscription name the
// same target.
var targetPolicyReference = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error {
		parent, err := q.d.Store.Get(ctx, q.to, q.now)
		if err != nil {
			return err
		}
		return q.freeTargets(ctx, parent.Resource, "", b.given)
	},
	revise: func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
		parent, err := q.d.Store.Get(ctx, primitive.Address{ID: n.Resource.ParentID}, q.now)
		if err != nil {
			return err
		}
		return q.freeTargets(ctx, parent.Resource, n.Resource.ID, given)
	},
}

// freeTargets checks that no reference in the subscription other than self names one of the targets in given.
func (q *request) freeTargets(ctx context.Context, subscription resource.Resource, self string, given resource.Attributes) error {
	wanted := given.Strings("ntu")
	list, err := q.d.children(ctx, subscription, resource.TypeNotificationTargetMgmtPolicyRef, q.now)
	if err != nil || len(wanted) == 0 {
		return err
	}
	for _, r := range list {
		a, err := r.Decode()
		if err != nil {
			return err
		}
		for _, target := range a.Strings("ntu") {
			if r.ID != self && slices.Contains(wanted, target) {
				return primitive.Errorf(primitive.Conflict, "%s names the target %q already", r.Path, target)
			}
		}
	}
	return nil
}

// children are the children of r that are of type t.
func (d *Dispatcher) children(ctx context.Context, r resource.Resource, t resource.Type, now time.Time) ([]resource.Resource, error) {
	var all []resource.Resource
	query := store.Query{Root: r.Path, Now: now, Limit: d.MaxResults, Filter: primitive.Filter{Types: []int{int(t)}, Level: 1}}
	for {
		page, err := d.Store.Find(ctx, query)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Resources...)
		if !page.More {
			return all, nil
		}
		query.After = page.Resources[len(page.Resources)-1].Path
	}
}

// targetPolicy is the behaviour of notificationTargetPolicy, TS-0001 clause 9.6.32: of one creator there is one with a label.
var targetPolicy = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error {
		if _, asked := b.given["cr"]; asked && q.originator == q.d.Admin {
			return primitive.Errorf(primitive.BadRequest, "a policy of the CSE's own has no creator (cr)")
		}
		return q.freeLabel(ctx, q.originator, "", b.given)
	},
	build: func(_ *request, b *birth, _ *resource.Resource, _ store.Node) error {
		if _, given := b.attributes["rrs"]; !given {
			b.attributes.Set("rrs", allRules)
		}
		return nil
	},
	revise: func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
		return q.freeLabel(ctx, n.Resource.Creator, n.Resource.ID, given)
	},
}

const (
	// defaultPolicy is the identifier, and the name, of the system's default notificationTargetPolicy.
	defaultPolicy = "defaultNTP"
	// defaultLabel is the policyLabel of policies that hold for targets without one of their own, TS-0001 table 9.6.32-2.
	defaultLabel = "Default"
)

// MakeDefaults makes what every CSE has below its CSEBase: the default notificationTargetPolicy, which lets no target leave a subscription
// (TS-0001 clause 9.6.32). What it says is what removalAction does without reading it; the admin may make one that has precedence. Any number
// of instances may do so at once.
func (d *Dispatcher) MakeDefaults(ctx context.Context, now time.Time) error {
	_, err := d.Store.Get(ctx, primitive.Address{ID: defaultPolicy}, now)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a := resource.Attributes{}
	a.Set("acn", rejectRemoval)
	a.Set("plbl", defaultLabel)
	a.Set("rrs", allRules)
	_, err = d.Store.Create(ctx, store.Creation{Parent: primitive.Address{ID: d.Identity.BaseID()}, Now: now,
		Build: func(base store.Node) (resource.Resource, error) {
			return resource.Resource{ID: defaultPolicy, ParentID: base.Resource.ID, Type: resource.TypeNotificationTargetPolicy,
				Path: base.Resource.Path + "/" + defaultPolicy, CreatedAt: now, ModifiedAt: now, Creator: d.Admin, Governor: defaultPolicy,
				Attributes: a.Encode()}, nil
		}})
	if errors.Is(err, store.ErrIDTaken) || errors.Is(err, store.ErrNameTaken) {
		return nil // by another instance, or by what an originator has called so before
	}
	return err
}

// freeLabel checks that no policy of creator other than self has the label in given.
func (q *request) freeLabel(ctx context.Context, creator, self string, given resource.Attributes) error {
	label := given.String("plbl")
	if label == "" {
		return nil
	}
	found, err := q.d.labelled(ctx, creator, label, q.now)
	if err == nil && found.ID != "" && found.ID != self {
		err = primitive.Errorf(primitive.BadRequest, "%s has the policyLabel %q already", found.Path, label)
	}
	return err
}

// labelled is the notificationTargetPolicy of creator with the given label, other than the system's; its ID is empty if there is none.
func (d *Dispatcher) labelled(ctx context.Context, creator, label string, now time.Time) (resource.Resource, error) {
	list, err := d.children(ctx, resource.Resource{Path: d.Identity.Name}, resource.TypeNotificationTargetPolicy, now)
	if err != nil {
		return resource.Resource{}, err
	}
	for _, r := range list {
		a, err := r.Decode()
		if err != nil {
			return resource.Resource{}, err
		}
		if r.ID != defaultPolicy && r.Creator == creator && a.String("plbl") == label {
			return r, nil
		}
	}
	return resource.Resource{}, nil
}

// maxDeletionRules is how many policyDeletionRules a notificationTargetPolicy has at most, TS-0001 table 9.6.32-1.
const maxDeletionRules = 2

// deletionRules is the behaviour of policyDeletionRules, TS-0001 clause 9.6.33.
var deletionRules = behaviour{
	admit: func(ctx context.Context, q *request, _ *birth) error {
		parent, err := q.d.Store.Get(ctx, q.to, q.now)
		if err != nil {
			return err
		}
		list, err := q.d.children(ctx, parent.Resource, resource.TypePolicyDeletionRules, q.now)
		if err == nil && len(list) >= maxDeletionRules {
			err = primitive.Errorf(primitive.Conflict, "the policy has %d policyDeletionRules already", len(list))
		}
		return err
	},
}
