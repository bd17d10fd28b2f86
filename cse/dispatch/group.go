package dispatch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// consistencyStrategy is what becomes of a group whose member has another type than the group's, TS-0004 clause 6.3.4.2.13.
type consistencyStrategy int64

const (
	abandonMember consistencyStrategy = 1 // the default
	abandonGroup  consistencyStrategy = 2
	setMixed      consistencyStrategy = 3
)

// group is the behaviour of group, TS-0004 clause 7.4.13: its members are checked when they are named, kept by their identifiers, and
// forgotten when they are gone.
var group = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error {
		if b.attributes["csy"] == nil {
			b.attributes.Set("csy", abandonMember)
		}
		return q.enrol(ctx, b.attributes, b.attributes)
	},
	revise: func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
		if given["mid"] == nil {
			return nil
		}
		a, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		return q.enrol(ctx, a, given)
	},
	change: func(_ *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
		attributes.Set("cnm", len(attributes.Strings("mid")))
		return nil
	},
	born:    func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) { return checkLater(q, r) },
	changed: func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) { return checkLater(q, r) },
	permit:  permitGroup,
	notify:  notifyGroup,
	show: func(_ context.Context, q *request, n *store.Node) error {
		a, err := n.Resource.Decode()
		if err != nil || len(q.sight.Missing) == 0 {
			return err
		}
		missing := make(map[string]bool, len(q.sight.Missing))
		for _, id := range q.sight.Missing {
			missing[id] = true
		}
		setMembers(a, slices.DeleteFunc(a.Strings("mid"), func(id string) bool {
			owner, _, _ := strings.Cut(id, "/")
			return q.d.Identity.Local(id) && missing[owner]
		}))
		n.Resource.Attributes = a.Encode()
		return nil
	},
}

func setMembers(a resource.Attributes, ids []string) {
	if ids == nil {
		ids = []string{}
	}
	a.Set("mid", ids)
	a.Set("cnm", len(ids))
}

// member is a member of a group as it was found to be.
type member struct {
	id             string // by which the group keeps it: the identifier of a resource here, else as given
	t              resource.Type
	specialisation string // cnd of a flexContainer, mgd of a mgmtObj, in JSON; empty for others
	known          bool   // false if the CSE that has it cannot be reached
}

// enrol checks the members that to names and puts them into to in the form in which they are kept, each once. What members must be is
// said by the attributes of the group.
func (q *request) enrol(ctx context.Context, group, to resource.Attributes) error {
	named := unique(to.Strings("mid"))
	if len(named) > maxFanOut { // no request could go to all of them
		return primitive.Errorf(primitive.MaxNumberOfMemberExceeded, "a group has at most %d members", maxFanOut)
	}
	found := make([]member, len(named))
	failed := make([]error, len(named))
	parallel(len(named), func(i int) {
		own := *q // what is found out about the originator is not shared
		own.consent = consent{}
		found[i], failed[i] = own.inspect(ctx, named[i])
	})
	for _, err := range failed { // the first in the order of members, so that the answer does not depend on chance
		if err != nil {
			return err
		}
	}
	var wanted int64
	if mt := group.Int("mt"); mt != nil {
		wanted = *mt
	}
	var strategy consistencyStrategy
	if csy := group.Int("csy"); csy != nil {
		strategy = consistencyStrategy(*csy)
	}
	validated := true
	var ids []string
	for _, m := range found {
		validated = validated && m.known
		if fits := wanted == 0 || !m.known || int64(m.t) == wanted && m.special(group["spty"]); !fits {
			switch strategy {
			case abandonGroup:
				return primitive.Errorf(primitive.GroupMemberTypeInconsistent, "the member %q is no %s", m.id, resource.Type(wanted))
			case setMixed:
				wanted = 0
			default:
				continue
			}
		}
		ids = append(ids, m.id)
	}
	to.Set("mt", wanted)
	if wanted == 0 {
		delete(to, "spty")
	}
	to.Set("mtv", validated)
	to.Set("ssi", false)
	setMembers(to, unique(ids))
	return nil
}

// special reports whether m is what the specializationType of its group says: cnd or mgd, bare or in an object.
func (m member) special(wanted json.RawMessage) bool {
	if wanted == nil || m.specialisation == "" {
		return true
	}
	var o map[string]json.RawMessage
	if json.Unmarshal(wanted, &o) != nil {
		return string(wanted) == m.specialisation
	}
	for _, v := range o {
		if string(v) == m.specialisation {
			return true
		}
	}
	return false
}

// inspect finds out what the member named id is, TS-0004 clause 7.4.13.2.1. The originator must be allowed to retrieve it.
func (q *request) inspect(ctx context.Context, id string) (member, error) {
	if !q.d.Identity.Local(id) {
		return q.inspectRemote(ctx, id)
	}
	a, err := q.d.resolve(ctx, id, q.now)
	if err != nil {
		return member{}, noMember(id, err)
	}
	n, err := q.d.Store.Get(ctx, a.Owner(), q.now)
	if err != nil {
		return member{}, noMember(id, err)
	}
	if err := q.agree(ctx, q.who(resource.MayRetrieve, 0), n); err != nil {
		if asError(err).Status != primitive.OriginatorHasNoPrivilege {
			return member{}, err
		}
		return member{}, primitive.Errorf(primitive.ReceiverHasNoPrivilege, "the originator may not retrieve the member %q", id)
	}
	attributes, err := n.Resource.Decode()
	if err != nil {
		return member{}, err
	}
	m := member{id: n.Resource.ID, t: n.Resource.Type, specialisation: specialisation(attributes), known: true}
	switch {
	case a.Point == primitive.FanOutPoint && a.Suffix == "" && m.t == resource.TypeGroup:
		m.id += "/" + string(a.Point)
		m.t, m.specialisation = memberType(attributes), ""
	case a.Edge != "":
		m.id += "/" + string(a.Edge)
		m.t, m.specialisation = edgeTypes[m.t], ""
	case a.Point != "":
		return member{}, primitive.Errorf(primitive.BadRequest, "%q cannot be a member of a group", id)
	}
	return m, nil
}

// edgeTypes are the types of the instances at the edges of resources.
var edgeTypes = map[resource.Type]resource.Type{
	resource.TypeContainer: resource.TypeContentInstance, resource.TypeTimeSeries: resource.TypeTimeSeriesInstance,
	resource.TypeFlexContainer: resource.TypeFlexContainerInstance,
}

func specialisation(a resource.Attributes) string {
	if cnd := a["cnd"]; cnd != nil {
		return string(cnd)
	}
	return string(a["mgd"])
}

// memberType is the memberType of a group, 0 if it is mixed.
func memberType(group resource.Attributes) resource.Type {
	if mt := group.Int("mt"); mt != nil {
		return resource.Type(*mt)
	}
	return 0
}

// inspectRemote is inspect for a member that another CSE has. If that cannot be reached, the member is not known.
func (q *request) inspectRemote(ctx context.Context, id string) (member, error) {
	target, fanOut := strings.CutSuffix(id, "/"+string(primitive.FanOutPoint))
	r := primitive.Request{Operation: primitive.Retrieve, To: target, From: q.From, RequestID: newID(q.now), ReleaseVersion: q.ReleaseVersion,
		ResultContent: primitive.DefaultResult}
	response, err := q.d.send(ctx, target, r)
	switch {
	case err != nil && asError(err).Status == primitive.TargetNotReachable, response.Status == primitive.TargetNotReachable:
		return member{id: id}, nil
	case err != nil:
		return member{}, err
	case response.Status == primitive.OriginatorHasNoPrivilege:
		return member{}, primitive.Errorf(primitive.ReceiverHasNoPrivilege, "the originator may not retrieve the member %q", id)
	case response.Status != primitive.OK:
		return member{}, noMember(id, store.ErrNotFound)
	}
	var content map[string]resource.Attributes
	if json.Unmarshal(response.Content, &content) != nil || len(content) != 1 {
		return member{id: id}, nil
	}
	m := member{id: id, known: true}
	for _, a := range content { // the only one
		if ty := a.Int("ty"); ty != nil {
			m.t = resource.Type(*ty)
		}
		m.specialisation = specialisation(a)
		if fanOut {
			m.t, m.specialisation = memberType(a), ""
		}
	}
	return m, nil
}

func noMember(id string, err error) error {
	if e := asError(err); e.Status != primitive.NotFound && e.Status != primitive.BadRequest {
		return err
	}
	return primitive.Errorf(primitive.NotFound, "the member %q does not exist", id)
}

// unique is list without what stands in it already.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	var once []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			once = append(once, s)
		}
	}
	return once
}

// fanOutWidth bounds how many members one request is carried out on at once.
const fanOutWidth = 64

// parallel calls do with 0 to n-1, some at once, and returns when all have ended.
func parallel(n int, do func(i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range min(n, fanOutWidth) {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}
