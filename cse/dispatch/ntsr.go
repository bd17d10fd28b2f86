package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// The values of m2m:notificationTargetPolicyAction, TS-0004 clause 6.3.4.2.36.
const (
	acceptRemoval = 1
	rejectRemoval = 2
	askCreator    = 3 // and do what it says
	informCreator = 4 // and reject
)

// The values of m2m:logicalOperator, TS-0004 clause 6.3.4.2.35.
const (
	allRules = 1
	anyRule  = 2
)

// targetSelfReference carries out what a notification target asks of a subscription about itself: a delete takes it off the targets, if
// the policy that holds for it lets it. TS-0001 clauses 9.6.34 and 10.2.10.23.
func targetSelfReference(ctx context.Context, q *request) (primitive.Response, error) {
	n, err := q.d.Store.Get(ctx, q.to.Owner(), q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	if n.Resource.Type != resource.TypeSubscription && n.Resource.Type != resource.TypeCrossResourceSubscription {
		return primitive.Response{}, primitive.Errorf(primitive.NotFound, "the resource does not exist")
	}
	if q.Operation != primitive.Delete {
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "notificationTargetSelfReference can only be deleted")
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return primitive.Response{}, err
	}
	own, err := q.ownTargets(ctx, targets(a))
	if err != nil {
		return primitive.Response{}, err
	}
	if len(own) == 0 {
		return primitive.Response{}, primitive.Errorf(primitive.OriginatorHasNoPrivilege, "originator %q is no target of the subscription", q.From)
	}
	action, err := q.removalAction(ctx, n.Resource)
	if err != nil {
		return primitive.Response{}, err
	}
	if err := q.mayLeave(ctx, n.Resource, a, action); err != nil {
		return primitive.Response{}, err
	}
	return primitive.Response{Status: primitive.Deleted}, q.leave(ctx, own)
}

// ownTargets are those of list that name the originator.
func (q *request) ownTargets(ctx context.Context, list []string) ([]string, error) {
	var own []string
	for _, target := range list {
		is, err := q.isOriginator(ctx, target)
		if err != nil {
			return nil, err
		}
		if is {
			own = append(own, target)
		}
	}
	return own, nil
}

// mayLeave does what action says about the originator's wish to leave the subscription s with the attributes a, and fails unless it may.
func (q *request) mayLeave(ctx context.Context, s resource.Resource, a resource.Attributes, action int64) error {
	rejected := primitive.Errorf(primitive.OriginatorHasNoPrivilege, "the policy of the subscription keeps its target")
	content := q.d.aboutSubscription(s.ID, a)
	switch action {
	case acceptRemoval:
		return nil
	case askCreator:
		content["tra"] = true
		response, err := q.d.send(ctx, s.Creator, q.d.notificationRequest(q.d.Identity.CSEID, newID(q.now), content))
		if err == nil && response.Status.OK() {
			return nil
		}
	case informCreator:
		content["trr"] = true
		body, err := json.Marshal(content)
		if err != nil {
			return err
		}
		n := notify.Notice{ID: newID(q.now), Subscription: s.ID, Target: s.Creator, At: q.now, Content: body, Urgent: true}
		if err := q.d.Store.Add(ctx, n.Task()); err != nil {
			return err
		}
	}
	return rejected
}

// leave takes the targets in own off the subscription.
func (q *request) leave(ctx context.Context, own []string) error {
	_, err := q.d.Store.Update(ctx, q.to.Owner(), q.now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		a.Set("nu", slices.DeleteFunc(a.Strings("nu"), func(t string) bool { return slices.Contains(own, t) }))
		c.Resource.Attributes, c.Resource.ModifiedAt = a.Encode(), q.now
		return c, nil
	})
	return err
}

// removalAction is what to do when the originator wants to leave the subscription s: what the policy that is referred to for it says,
// or else the default one of the creator of s, or else that of the CSE, which rejects it unless the admin has made another.
func (q *request) removalAction(ctx context.Context, s resource.Resource) (int64, error) {
	policy, err := q.referredPolicy(ctx, s)
	for _, creator := range []string{s.Creator, q.d.Admin} {
		if err == nil && policy.ID == "" && creator != "" {
			policy, err = q.d.labelled(ctx, creator, defaultLabel, q.now)
		}
	}
	if err != nil || policy.ID == "" {
		return rejectRemoval, err
	}
	a, err := policy.Decode()
	if err != nil {
		return rejectRemoval, err
	}
	applies, err := q.policyApplies(ctx, policy, a)
	if action := a.Int("acn"); err == nil && applies && action != nil {
		return *action, nil
	}
	return rejectRemoval, err
}

// referredPolicy is the policy that a reference in the subscription s names for the originator; its ID is empty if there is none.
func (q *request) referredPolicy(ctx context.Context, s resource.Resource) (resource.Resource, error) {
	references, err := q.d.children(ctx, s, resource.TypeNotificationTargetMgmtPolicyRef, q.now)
	if err != nil {
		return resource.Resource{}, err
	}
	for _, r := range references {
		a, err := r.Decode()
		if err != nil {
			return resource.Resource{}, err
		}
		own, err := q.ownTargets(ctx, a.Strings("ntu"))
		if err != nil {
			return resource.Resource{}, err
		}
		address, failed := q.d.Identity.Resolve(a.String("npi"))
		if len(own) == 0 || failed != nil {
			continue
		}
		n, err := q.d.Store.Get(ctx, address, q.now)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && n.Resource.Type != resource.TypeNotificationTargetPolicy:
		default:
			return n.Resource, err
		}
	}
	return resource.Resource{}, nil
}

// policyApplies reports whether the rules of a policy with the attributes a let it act now. Without rules it always does.
func (q *request) policyApplies(ctx context.Context, policy resource.Resource, a resource.Attributes) (bool, error) {
	list, err := q.d.children(ctx, policy, resource.TypePolicyDeletionRules, q.now)
	if err != nil || len(list) == 0 {
		return err == nil, err
	}
	held := 0
	for _, r := range list {
		rules, err := r.Decode()
		if err != nil {
			return false, err
		}
		holds, err := q.rulesHold(rules)
		if err != nil {
			return false, err
		}
		if holds {
			held++
		}
	}
	if relation := a.Int("rrs"); relation != nil && *relation == anyRule {
		return held > 0, nil
	}
	return held == len(list), nil
}

// rulesHold reports whether the policyDeletionRules with the attributes a hold now. Where the originator is is not known, so a rule
// about that never does.
func (q *request) rulesHold(a resource.Attributes) (bool, error) {
	var rules struct {
		Times   []string        `json:"tod"`
		Regions json.RawMessage `json:"lr"`
	}
	if a["dr"] != nil {
		if err := json.Unmarshal(a["dr"], &rules); err != nil {
			return false, err
		}
	}
	conditions := make([]bool, 0, len(rules.Times)+1)
	for _, entry := range rules.Times {
		conditions = append(conditions, resource.ScheduleContains(entry, q.now))
	}
	if len(rules.Regions) > 0 && string(rules.Regions) != "[]" {
		conditions = append(conditions, false)
	}
	if relation := a.Int("drr"); relation != nil && *relation == allRules {
		return !slices.Contains(conditions, false), nil
	}
	return len(conditions) == 0 || slices.Contains(conditions, true), nil
}
