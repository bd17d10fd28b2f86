package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// consent is what a request has found out about its originator beyond what the rules say by themselves, because they refused it. It is
// not looked for before, so requests that need none of it pay nothing for it.
type consent struct {
	aliases []string                   // groups named in rules that the originator is a member of, and its roles
	granted map[string][]resource.Rule // by resource: what an authorization server granted
	asked   map[string]bool            // names in rules that have been looked up
	above   []resource.Resource        // what is above the resource under, from the CSEBase down, if under is not empty
	under   string
}

// denial is the refusal that consent may overcome.
type denial struct {
	who access.Request
	n   store.Node
	err *primitive.Error
}

func (d *denial) Error() string { return d.err.Error() }
func (d *denial) Unwrap() error { return d.err }

// denied is the denial err stands for, nil if it stands for none.
func denied(err error) *denial {
	var d *denial
	if errors.As(err, &d) {
		return d
	}
	return nil
}

// agree is permit where nothing is locked, so that others may be asked.
func (q *request) agree(ctx context.Context, who access.Request, n store.Node) error {
	return q.reconsidered(ctx, func() error { return q.permit(who, n) })
}

// reconsidered calls do, and again if the rules refused it and those they leave the decision to do not: groups that rules name, roles, and
// authorization servers (TS-0001 clause 11.3.3).
func (q *request) reconsidered(ctx context.Context, do func() error) error {
	err := do()
	d := denied(err)
	if d == nil {
		return err
	}
	learnt, failed := q.lookUp(ctx, d.n, true)
	if failed != nil {
		return failed
	}
	if learnt {
		if err = do(); denied(err) == nil {
			return err
		}
	}
	granted, failed := q.consult(ctx, d.who, d.n)
	if failed != nil {
		return failed
	}
	if granted {
		err = do()
	}
	return err
}

// maxAliases bounds how many names in rules are looked up for one request.
const maxAliases = 100

// lookUp finds out which of the names in the rules about n stand for the originator, and reports whether any new one does. It is one round
// trip, unless the originator claims roles; what is above n comes with it if that is wanted.
func (q *request) lookUp(ctx context.Context, n store.Node, above bool) (learnt bool, err error) {
	if q.originator == "" {
		return false, nil
	}
	var names []string
	var addresses []primitive.Address
	for _, name := range aliasesIn(n) {
		if q.consent.asked[name] || len(q.consent.asked) >= maxAliases {
			continue
		}
		if q.consent.asked == nil {
			q.consent.asked = map[string]bool{}
		}
		q.consent.asked[name] = true
		names = append(names, name)
		if a, err := q.d.Identity.Resolve(name); err == nil && a == a.Owner() {
			addresses = append(addresses, a)
		}
	}
	if above && n.Resource.ID != "" {
		addresses = append(addresses, addressesAbove(n.Resource)...)
	}
	found, err := q.d.Store.GetAll(ctx, addresses, q.now)
	if err != nil {
		return false, err
	}
	if above && n.Resource.ID != "" {
		q.consent.above, q.consent.under = onPath(found, n.Resource), n.Resource.ID
	}
	for _, name := range names {
		yes := q.memberOf(name, found)
		if !yes {
			if yes, err = q.hasRole(ctx, name); err != nil {
				return false, err
			}
		}
		if yes {
			q.consent.aliases = append(q.consent.aliases, name)
			learnt = true
		}
	}
	return learnt, nil
}

// addressesAbove are the addresses of all resources above r.
func addressesAbove(r resource.Resource) []primitive.Address {
	var list []primitive.Address
	for i, c := range r.Path {
		if c == '/' {
			list = append(list, primitive.Address{Path: r.Path[:i]})
		}
	}
	return list
}

// onPath are those of list that are above r.
func onPath(list []resource.Resource, r resource.Resource) []resource.Resource {
	var above []resource.Resource
	for _, a := range list {
		if strings.HasPrefix(r.Path, a.Path+"/") {
			above = append(above, a)
		}
	}
	return above
}

// aliasesIn are the names in the rules about n.
func aliasesIn(n store.Node) []string {
	var list []string
	for _, r := range slices.Concat(subject(n).Rules, selfRules(n)) {
		for _, o := range r.Originators {
			if o != "all" && !strings.Contains(o, "*") {
				list = append(list, o)
			}
		}
	}
	return list
}

// selfRules are the selfPrivileges of the policies of n, which decide about changes of its policies.
func selfRules(n store.Node) []resource.Rule {
	var list []resource.Rule
	for _, p := range n.Policies {
		list = append(list, rules(p, "pvs")...)
	}
	return list
}

// memberOf reports whether name is a group in list that has the originator among its members. Their types decide what is a group: an AE-ID
// does not look different.
func (q *request) memberOf(name string, list []resource.Resource) bool {
	a, err := q.d.Identity.Resolve(name)
	if err != nil || a != a.Owner() {
		return false
	}
	return slices.ContainsFunc(list, func(r resource.Resource) bool {
		if r.Type != resource.TypeGroup || a.ID != r.ID && a.Path != r.Path {
			return false
		}
		group, err := r.Decode()
		return err == nil && slices.ContainsFunc(group.Strings("mid"), func(id string) bool { return q.d.Identity.LocalID(id) == q.originator })
	})
}

// hasRole reports whether the originator claims the role name (Role-IDs) and a <role> here says that it holds it now, TS-0003 clause 7.4.
func (q *request) hasRole(ctx context.Context, name string) (bool, error) {
	if !slices.Contains(q.RoleIDs, name) {
		return false, nil
	}
	page, err := q.d.Store.Find(ctx, store.Query{Root: q.d.Identity.Name, Now: q.now, Limit: maxAliases, Filter: primitive.Filter{
		Types: []int{int(resource.TypeRole)}, Attributes: []primitive.AttributeCondition{{Name: "rlid", Value: name}}}})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(page.Resources, func(r resource.Resource) bool {
		a, err := r.Decode()
		if err != nil || a.String("rlid") != name || q.d.Identity.LocalID(a.String("tkhd")) != q.originator {
			return false
		}
		from, err1 := primitive.ParseTimestamp(a.String("tknb"))
		until, err2 := primitive.ParseTimestamp(a.String("tkna"))
		return err1 == nil && err2 == nil && !q.now.Before(from) && q.now.Before(until)
	}), nil
}
