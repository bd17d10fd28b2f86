// Package access decides whether an originator may do an operation on a resource. It is pure: all it needs is passed in.
//
// The rule, in this order (TS-0001 clause 9.6.2 and 11.3.3, and where the standard says "system default", ours):
//
//  1. The admin originator of the CSE may do everything.
//  2. An accessControlPolicy is governed by its own selfPrivileges.
//  3. A resource that names accessControlPolicies is governed by the privileges of those that exist; one that permits suffices.
//     If none of them exists any more, it is as if it named none.
//  4. A resource whose type has no accessControlPolicyIDs, such as contentInstance, is governed as its parent is.
//  5. Any other resource belongs to its creator and to the AE it is under: they may do everything with it, others nothing.
//     It does not inherit the policies of its parent.
//
// On the CSEBase two things are open: anyone may register an AE, and a registered AE may retrieve and discover it and
// create accessControlPolicies in it. What is below the CSEBase is still decided resource by resource.
package access

import (
	"net/netip"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// Subject is a resource as far as access to it is concerned.
type Subject struct {
	Type     resource.Type // of the resource asked for
	Creator  string        // of the resource that governs it
	Host     string        // AE-ID of the AE that the governing resource is or is under; empty if none
	Governed bool          // it names policies that exist
	// Rules of the policies that govern it: privileges, or the selfPrivileges if it is itself a policy.
	Rules []resource.Rule
}

// Request is who asks for what.
type Request struct {
	Originator string // in CSE-relative form; empty if unknown
	Admin      string // the admin originator; empty if there is none
	Operation  resource.Permission
	ChildType  resource.Type // of what a create creates; zero otherwise
	Registered bool          // the originator is an AE registered here; only matters for the CSEBase
	RemoteIP   netip.Addr
}

// Allowed reports whether r may be done on s.
func Allowed(r Request, s Subject) bool {
	if r.Admin != "" && r.Originator == r.Admin {
		return true
	}
	if s.Type == resource.TypeCSEBase && open(r) {
		return true
	}
	if s.Governed || s.Type == resource.TypeAccessControlPolicy {
		return permitted(r, s)
	}
	return r.Originator != "" && (r.Originator == s.Creator || r.Originator == s.Host)
}

// open reports what the CSEBase lets originators do without any policy.
func open(r Request) bool {
	if r.Operation == resource.MayCreate && r.ChildType == resource.TypeAE {
		return true
	}
	if !r.Registered {
		return false
	}
	return r.Operation == resource.MayRetrieve || r.Operation == resource.MayDiscover ||
		r.Operation == resource.MayCreate && r.ChildType == resource.TypeAccessControlPolicy
}

func permitted(r Request, s Subject) bool {
	for _, rule := range s.Rules {
		if rule.Authenticated || rule.Attributes != nil {
			continue // what is not evaluated must not grant access
		}
		if rule.Operations&r.Operation == r.Operation && names(rule.Originators, r.Originator) &&
			inContext(rule.Contexts, r.RemoteIP) && covers(rule.Objects, r, s.Type) {
			return true
		}
	}
	return false
}

func names(originators []string, originator string) bool {
	for _, o := range originators {
		if o == "all" || o == originator || strings.Contains(o, "*") && match(o, originator) {
			return true
		}
	}
	return false
}

func inContext(contexts []resource.RuleContext, ip netip.Addr) bool {
	for _, c := range contexts {
		if len(c.Times) == 0 && c.Location == nil && c.Addresses != nil && c.Addresses.Contains(ip) {
			return true
		}
	}
	return len(contexts) == 0
}

// covers reports whether the rule's object details include the target, and the child if the request creates one.
func covers(objects []resource.RuleObject, r Request, target resource.Type) bool {
	for _, o := range objects {
		if o.Type != 0 && o.Type != target {
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

// match reports whether s fits pattern, in which * stands for any number of characters.
func match(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1:last] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[last])
}
