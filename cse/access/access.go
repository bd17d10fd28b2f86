// Package access decides whether an originator may do an operation on a resource. It is pure: all it needs is passed in.
//
// The rule, in this order (TS-0001 clause 9.6.2 and 11.3.3, and where the standard says "system default", ours):
//
//  1. The admin originator of the CSE, and the CSE itself, may do everything.
//  2. An accessControlPolicy is governed by its own selfPrivileges.
//  3. A resource that names accessControlPolicies is governed by the privileges of those that exist; one that permits suffices.
//     If none of them exists any more, it is as if it named none.
//  4. A resource whose type has no accessControlPolicyIDs, such as contentInstance, is governed as its parent is.
//  5. Any other resource belongs to its custodian; without one, to its creator and to the AE it is under: they may do everything
//     with it, others nothing. It does not inherit the policies of its parent.
//  6. An announced resource always also belongs to its creator, which is the CSE of the original. An announced accessControlPolicy is
//     governed by the selfPrivileges it carries as well.
//
// On the CSEBase some things are open: anyone may register an AE, a CSE may register itself and announce to it once it has, and a
// registered AE or CSE may retrieve and discover it and create accessControlPolicies and notificationTargetPolicies in it. What is below
// the CSEBase is still decided resource by resource.
//
// What is not known does not grant: a rule that asks for the location of the originator, for an identity that was proved, or for a role,
// is no rule for an originator of whom that is not known.
package access

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// Subject is a resource as far as access to it is concerned.
type Subject struct {
	Type      resource.Type // of the resource asked for
	Creator   string        // of the resource that governs it
	Custodian string        // of the resource that governs it; empty if none
	Host      string        // AE-ID of the AE that the governing resource is or is under; empty if none
	Governed  bool          // it names policies that exist
	// ContainerDefinition and MgmtDefinition say what a flexContainer or a mgmtObj is in particular; zero for others.
	ContainerDefinition string
	MgmtDefinition      int
	// Rules of the policies that govern it: privileges, or the selfPrivileges if it is itself a policy.
	Rules []resource.Rule
}

// Request is who asks for what.
type Request struct {
	Originator string // in CSE-relative form; empty if unknown
	// CSE is where the request is carried out: rules may name its AEs by their longer identifiers.
	CSE primitive.Identity
	// Aliases are the other names in rules that stand for the originator: groups it is a member of, and its roles.
	Aliases       []string
	Admin         string // the admin originator; empty if there is none
	Operation     resource.Permission
	ChildType     resource.Type // of what a create creates; zero otherwise
	Registered    bool          // the originator is an AE registered here; only matters for the CSEBase
	Authenticated bool          // the identity of the originator was proved
	RemoteIP      netip.Addr
	Now           time.Time
	// Attributes are the short names of the attributes the request touches. nil if they are not known: then no rule counts that is
	// restricted to attributes.
	Attributes func() []string
}

// Decision is the answer to a Request. The zero Decision refuses.
type Decision struct {
	Allowed bool
	// Attributes are the only ones the originator may see of the result; nil is all.
	Attributes []string
}

// Allowed reports whether r may be done on s.
func Allowed(r Request, s Subject) bool { return Decide(r, s).Allowed }

// Decide decides whether r may be done on s.
func Decide(r Request, s Subject) Decision {
	if r.Admin != "" && r.Originator == r.Admin || s.Type == resource.TypeCSEBase && open(r) {
		return Decision{Allowed: true}
	}
	if s.Type.Original() != 0 && r.Originator != "" && r.Originator == s.Creator {
		return Decision{Allowed: true}
	}
	if s.Governed || s.Type == resource.TypeAccessControlPolicy || s.Type.Original() == resource.TypeAccessControlPolicy {
		return ByRules(r, s)
	}
	owner := r.Originator == s.Creator || r.Originator == s.Host
	if s.Custodian != "" {
		owner = r.Originator == s.Custodian
	}
	return Decision{Allowed: owner && r.Originator != ""}
}

// open reports what the CSEBase lets originators do without any policy.
func open(r Request) bool {
	if r.Operation == resource.MayCreate && (r.ChildType == resource.TypeAE || r.ChildType == resource.TypeRemoteCSE) {
		return true
	}
	if !r.Registered {
		return false
	}
	if r.Operation == resource.MayCreate && r.ChildType.Original() != 0 {
		return strings.LastIndexByte(r.Originator, '/') == 0 // a CSE, not one of its AEs
	}
	return r.Operation == resource.MayRetrieve || r.Operation == resource.MayDiscover ||
		r.Operation == resource.MayCreate && (r.ChildType == resource.TypeAccessControlPolicy || r.ChildType == resource.TypeNotificationTargetPolicy)
}

// ByRules decides whether r may be done on s by the rules of s alone.
func ByRules(r Request, s Subject) Decision {
	var some []string // attributes that rules restricted to attributes permit together
	for _, rule := range s.Rules {
		if !applies(rule, r, s) {
			continue
		}
		if rule.Attributes == nil {
			return Decision{Allowed: true}
		}
		some = append(some, rule.Attributes...)
	}
	if some == nil || r.Attributes == nil {
		return Decision{}
	}
	for _, name := range r.Attributes() {
		if !slices.Contains(some, name) {
			return Decision{}
		}
	}
	return Decision{Allowed: true, Attributes: some}
}

// applies reports whether rule is one for r on s, whatever attributes it is restricted to.
func applies(rule resource.Rule, r Request, s Subject) bool {
	return rule.Operations&r.Operation == r.Operation && (r.Authenticated || !rule.Authenticated) && names(rule.Originators, r) &&
		inContext(rule.Contexts, r) && covers(rule.Objects, r, s)
}

func names(originators []string, r Request) bool {
	for _, o := range originators {
		if slices.Contains(r.Aliases, o) {
			return true
		}
		if strings.HasPrefix(o, "/") && !strings.HasPrefix(r.Originator, "/") {
			if local := r.CSE.LocalID(o); !strings.HasPrefix(local, "/") {
				o = local
			}
		}
		if o == "all" || o == r.Originator || strings.Contains(o, "*") && primitive.Match(o, r.Originator) {
			return true
		}
	}
	return false
}

// inContext reports whether one of contexts holds. The location of an originator is never known.
func inContext(contexts []resource.RuleContext, r Request) bool {
	for _, c := range contexts {
		now := func(window string) bool { return resource.ScheduleContains(window, r.Now) }
		if (len(c.Times) == 0 || slices.ContainsFunc(c.Times, now)) && c.Location == nil &&
			(c.Addresses == nil || c.Addresses.Contains(r.RemoteIP)) {
			return true
		}
	}
	return len(contexts) == 0
}

// covers reports whether the rule's object details include the target, and the child if the request creates one.
func covers(objects []resource.RuleObject, r Request, s Subject) bool {
	for _, o := range objects {
		if o.Type != 0 && o.Type != s.Type || o.Specialisation != nil && !special(*o.Specialisation, s) {
			continue
		}
		if r.Operation != resource.MayCreate {
			return true
		}
		for _, t := range o.ChildTypes {
			if t == r.ChildType {
				return true
			}
		}
	}
	return len(objects) == 0
}

func special(wanted resource.RuleSpecialisation, s Subject) bool {
	return (wanted.ContainerDefinition == "" || wanted.ContainerDefinition == s.ContainerDefinition) &&
		(wanted.MgmtDefinition == 0 || wanted.MgmtDefinition == s.MgmtDefinition)
}
