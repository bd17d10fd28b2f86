package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// maxFanOut bounds how many requests may come of one, by all the groups it goes through here.
	maxFanOut = 10000
	// maxResultBytes bounds the resources in the result of one request, whose representations take several times that while they are put
	// together.
	maxResultBytes = 16 << 20
	// visitMemory is how long a group remembers a group request identifier: longer than any request takes.
	visitMemory = 5 * time.Minute
)

// fanOut carries out q on every member of the group whose fanOutPoint it addresses, TS-0004 clause 7.4.14, and answers with what all of
// them answered, in the order of the members.
func fanOut(ctx context.Context, q *request) (primitive.Response, error) {
	n, err := q.d.Store.Get(ctx, q.to.Owner(), q.now)
	if err != nil {
		return primitive.Response{}, err
	}
	if n.Resource.Type != resource.TypeGroup {
		return primitive.Response{}, store.ErrNotFound
	}
	group, err := n.Resource.Decode()
	if err != nil {
		return primitive.Response{}, err
	}
	if err := q.permitMembers(ctx, n, group); err != nil {
		return primitive.Response{}, err
	}
	members := group.Strings("mid")
	if len(members) == 0 {
		return primitive.Response{}, primitive.Errorf(primitive.NoMembers, "the group has no members")
	}
	ctx, err = spend(ctx, len(members))
	if err != nil {
		return primitive.Response{}, err
	}
	r, err := q.memberRequest(ctx, n, members)
	if err != nil {
		return primitive.Response{}, err
	}
	if !q.ResultExpiration.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = clock.WithDeadline(ctx, q.ResultExpiration)
		defer cancel()
	}
	ctx = context.WithValue(ctx, doneKey{}, (*store.Task)(nil)) // what becomes of one member is not yet the result
	responses := make([]primitive.Response, len(members))
	parallel(len(members), func(i int) { responses[i] = q.askMember(ctx, r, members[i]) })
	return aggregate(members, responses)
}

// permitMembers decides about requests to the members of the group n: by its membersAccessControlPolicyIDs if it has some, else as about
// requests to the group itself. TS-0001 clause 9.6.13.
func (q *request) permitMembers(ctx context.Context, n store.Node, group resource.Attributes) error {
	who := q.who(permissionOf(q.Request), resource.Type(q.ResourceType))
	names := group.Strings("macp")
	if len(names) == 0 {
		return q.agree(ctx, who, n)
	}
	n.Policies = nil
	for _, name := range names {
		var p store.Node
		a, err := q.d.resolve(ctx, name, q.now)
		if err == nil {
			p, err = q.d.Store.Get(ctx, a, q.now)
		} else if e := asError(err); e.Err == nil {
			continue // no address of a policy here
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if p.Resource.Type == resource.TypeAccessControlPolicy {
			n.Policies = append(n.Policies, p.Resource)
		}
	}
	if len(n.Policies) == 0 { // those it names are gone, and nobody is permitted anything by them
		n.Policies = []resource.Resource{{Type: resource.TypeAccessControlPolicy}}
	}
	return q.agree(ctx, who, n)
}

// permissionOf is what the originator of r must be allowed to do.
func permissionOf(r primitive.Request) resource.Permission {
	switch r.Operation {
	case primitive.Create:
		return resource.MayCreate
	case primitive.Update:
		return resource.MayUpdate
	case primitive.Delete:
		return resource.MayDelete
	case primitive.Notify:
		return resource.MayNotify
	}
	if r.Filter.Usage == primitive.Discovery {
		return resource.MayDiscover
	}
	return resource.MayRetrieve
}

// memberRequest is the request for each member, without To. It fails with GroupRequestIdentifierExists if the group has seen the request
// before, TS-0001 clause 10.2.7.5: groups that contain each other would pass it round for ever. Groups whose members are resources of
// this CSE that pass nothing on need not remember.
func (q *request) memberRequest(ctx context.Context, n store.Node, members []string) (primitive.Request, error) {
	r := q.Request
	r.ResponseType, r.NotificationTargets = 0, nil
	var err error
	if r.Content, err = q.throughGroup(n.Resource, r.Content); err != nil {
		return r, err
	}
	if r.GroupRequestID == "" {
		r.GroupRequestID = newID(q.now)
	}
	passOn := func(id string) bool {
		return strings.HasSuffix(id, "/"+string(primitive.FanOutPoint)) || !q.d.Identity.Local(id)
	}
	points := slices.Contains(strings.Split(q.to.Suffix, "/"), string(primitive.FanOutPoint))
	if !points && !slices.ContainsFunc(members, passOn) {
		return r, nil
	}
	first, err := q.d.Store.TakeTurn(ctx, "fan-out "+n.Resource.ID+" "+r.GroupRequestID, q.now, visitMemory)
	if err == nil && !first {
		err = primitive.Errorf(primitive.GroupRequestIdentifierExists, "the group has had the request already: groups contain each other")
	}
	return r, err
}

// askMember has r carried out on the member id.
func (q *request) askMember(ctx context.Context, r primitive.Request, id string) primitive.Response {
	r.To = id
	if q.to.Suffix != "" {
		r.To += "/" + q.to.Suffix
	}
	if err := ctx.Err(); err != nil {
		return primitive.Response{Status: primitive.RequestTimeout, RequestID: r.RequestID}
	}
	b := budgetOf(ctx)
	if b.bytes.Load() <= 0 && r.Operation == primitive.Retrieve {
		return tooMuch(r)
	}
	response := q.d.Handle(ctx, r)
	if b.bytes.Add(-int64(len(response.Content))) < 0 && len(response.Content) > 0 {
		if response.Content = nil; r.Operation == primitive.Retrieve {
			return tooMuch(r)
		}
	}
	return response
}

// tooMuch is the answer of a member for which there is no room any more among those of the others.
func tooMuch(r primitive.Request) primitive.Response {
	return primitive.Response{Status: primitive.NotAcceptable, RequestID: r.RequestID,
		Content: wrap("m2m:dbg", "the answers of the members are too long together")}
}

// aggregate puts the responses of members together. It fails if none came in time.
func aggregate(members []string, responses []primitive.Response) (primitive.Response, error) {
	list := make([]map[string]any, len(responses))
	late := 0
	for i, response := range responses {
		if response.Status == primitive.RequestTimeout {
			late++
		}
		response.From = members[i]
		list[i] = response.Object("")
	}
	if late == len(responses) {
		return primitive.Response{}, primitive.Errorf(primitive.GroupMembersNotResponded, "no member answered in time")
	}
	return primitive.Response{Status: primitive.OK, Content: wrap("m2m:agr", map[string]any{"m2m:rsp": list})}, nil
}

// budgetKey is the key of a context's *budget.
type budgetKey struct{}

// budget is what one request may still cost.
type budget struct {
	requests atomic.Int64 // that come of it, by the groups it goes through here
	bytes    atomic.Int64 // of the resources in its result; it may end a little below 0
}

// budgetOf is the budget of ctx, or a new one if it has none.
func budgetOf(ctx context.Context) *budget {
	if b, _ := ctx.Value(budgetKey{}).(*budget); b != nil {
		return b
	}
	b := &budget{}
	b.requests.Store(maxFanOut)
	b.bytes.Store(maxResultBytes)
	return b
}

// spend takes n requests off what ctx allows, and returns the context for them.
func spend(ctx context.Context, n int) (context.Context, error) {
	b := budgetOf(ctx)
	ctx = context.WithValue(ctx, budgetKey{}, b)
	if b.requests.Add(-int64(n)) < 0 {
		return ctx, primitive.Errorf(primitive.MaxNumberOfMemberExceeded, "the request goes to more than %d members of groups", maxFanOut)
	}
	return ctx, nil
}
