package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// who is the originator of q, about to do operation op; child is the type of what is to be created.
func (q *request) who(op resource.Permission, child resource.Type) access.Request {
	who := access.Request{Originator: q.originator, CSE: q.d.Identity, Aliases: q.consent.aliases, Admin: q.d.Admin, Operation: op, ChildType: child,
		Authenticated: q.Authenticated, RemoteIP: q.RemoteIP, Now: q.now}
	if q.originator == q.d.Identity.CSEID {
		who.Admin = q.originator
	}
	return who
}

// permit fails with OriginatorHasNoPrivilege if who may not do what it is about to do on n.
func (q *request) permit(who access.Request, n store.Node) error {
	if permit := behaviours[n.Resource.Type].permit; permit != nil {
		return permit(q, who, n)
	}
	return q.permitByRules(who, n)
}

// permitByRules is permit by the rules that hold for all types, and by what was granted dynamically.
func (q *request) permitByRules(who access.Request, n store.Node) error {
	if who.Attributes == nil {
		who.Attributes = func() []string { return q.touched(who.Operation, n.Resource) }
	}
	who.Aliases = q.consent.aliases
	s := subject(n)
	decision := access.Decide(who, s)
	if granted := q.consent.granted[n.Resource.ID]; !decision.Allowed && len(granted) > 0 {
		s.Rules = granted
		decision = access.ByRules(who, s)
	}
	if decision.Allowed {
		q.visible = decision.Attributes
		return nil
	}
	detail := "originator %q may not do this"
	if len(q.Tokens)+len(q.TokenIDs)+len(q.LocalTokenIDs) > 0 {
		detail += "; the tokens of the request are not evaluated"
	}
	return &denial{who, n, primitive.Errorf(primitive.OriginatorHasNoPrivilege, detail, q.From)}
}

// touched are the short names of the attributes that q touches of r, or of what it creates.
func (q *request) touched(op resource.Permission, r resource.Resource) []string {
	switch {
	case op == resource.MayCreate || op == resource.MayUpdate:
		var content map[string]map[string]json.RawMessage
		if json.Unmarshal(q.Content, &content) != nil {
			return nil
		}
		var names []string
		for _, o := range content {
			names = slices.AppendSeq(names, maps.Keys(o))
		}
		return names
	case op == resource.MayRetrieve && len(q.AttributeList) > 0:
		return q.AttributeList
	}
	return slices.Collect(maps.Keys(members(r)))
}

// shown is the object content without the attributes that the originator may not see.
func (q *request) shown(content json.RawMessage) json.RawMessage {
	var objects map[string]resource.Attributes
	if q.visible == nil || json.Unmarshal(content, &objects) != nil {
		return content
	}
	for _, o := range objects {
		maps.DeleteFunc(o, func(name string, _ json.RawMessage) bool { return !slices.Contains(q.visible, name) })
	}
	b, err := json.Marshal(objects)
	if err != nil {
		return nil
	}
	return b
}

// subject is n as far as access to it is concerned.
func subject(n store.Node) access.Subject {
	t := n.Resource.Type
	if n.Resource.ID == "" {
		t = n.Governor.Type // the end of an empty container
	}
	s := access.Subject{Type: t, Creator: n.Governor.Creator, Host: n.Governor.Host, Governed: len(n.Policies) > 0}
	if bytes.Contains(n.Governor.Attributes, []byte(`"cstn":`)) {
		if a, err := n.Governor.Decode(); err == nil {
			s.Custodian = a.String("cstn")
		}
	}
	if t == resource.TypeFlexContainer || t == resource.TypeMgmtObj {
		if a, err := n.Resource.Decode(); err == nil {
			s.ContainerDefinition = a.String("cnd")
			if mgd := a.Int("mgd"); mgd != nil {
				s.MgmtDefinition = int(*mgd)
			}
		}
	}
	if t == resource.TypeAccessControlPolicy || t.Original() == resource.TypeAccessControlPolicy {
		s.Rules = rules(n.Resource, "pvs")
	}
	for _, p := range n.Policies {
		s.Rules = append(s.Rules, rules(p, "pv")...)
	}
	return s
}

// rules are the privileges (pv) or selfPrivileges (pvs) of a policy. They were checked when it was stored; what cannot be read
// permits nothing.
func rules(policy resource.Resource, name string) []resource.Rule {
	a, err := policy.Decode()
	if err != nil {
		return nil
	}
	list, err := resource.ParseRules(a[name])
	if err != nil {
		return nil
	}
	return list
}

// permitPolicies decides about a change of the accessControlPolicyIDs of n: TS-0001 clause 9.6.1.3.2 leaves it to the
// selfPrivileges of the policies that govern n now, or else to its creator.
func (q *request) permitPolicies(n store.Node) error {
	who := q.who(resource.MayUpdate, 0)
	who.Aliases = q.consent.aliases
	s := subject(n)
	s.Rules = nil
	for _, p := range n.Policies {
		s.Rules = append(s.Rules, rules(p, "pvs")...)
	}
	if access.Allowed(who, s) {
		return nil
	}
	return &denial{who, n, primitive.Errorf(primitive.OriginatorHasNoPrivilege, "originator %q may not change the access control policies", q.From)}
}

// visitor is the identifier and the type of the resource by which the originator is registered here, if that is asked about; else the
// identifier is empty.
func (q *request) visitor() (id string, of resource.Type) {
	if q.originator == q.d.Admin || q.below != "" || q.to.ID != q.d.Identity.BaseID() && q.to.Path != q.d.Identity.Name || q.to.Edge != "" {
		return "", 0
	}
	if !strings.HasPrefix(q.originator, "/") {
		return q.originator, resource.TypeAE
	}
	return strings.TrimPrefix(cseOf(strings.TrimPrefix(q.originator, "//"+q.d.Identity.SPID)), "/"), resource.TypeRemoteCSE
}

// registered reports whether the originator is an AE or a CSE registered here, or is known to such a CSE. It is only asked about requests
// to the CSEBase.
func (q *request) registered(ctx context.Context) (bool, error) {
	id, of := q.visitor()
	if id == "" {
		return false, nil
	}
	n, err := q.d.Store.Get(ctx, primitive.Address{ID: id}, q.now)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return n.Resource.Type == of, err
}
