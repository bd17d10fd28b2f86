package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// accessControlPolicy is accessControlPolicy, TS-0001 clause 9.6.2. Access to it is decided by its own selfPrivileges.
var accessControlPolicy = definition{
	element:   "m2m:acp",
	long:      "accessControlPolicy",
	prefix:    "acp",
	updatable: true,
	attributes: with([]Attribute{
		{"pv", "privileges", Mandatory, Optional, privileges},
		{"pvs", "selfPrivileges", Mandatory, Optional, selfPrivileges},
		{"adri", "authorizationDecisionResourceIDs", Optional, Optional, stringList},
		{"apri", "authorizationPolicyResourceIDs", Optional, Optional, stringList},
		{"airi", "authorizationInformationResourceIDs", Optional, Optional, stringList},
	}, labels, announceTo, announced),
}

// Permission is a set of operations as accessControlOperations has them, TS-0004 clause 6.3.4.2.29.
type Permission int

// The operations a rule can permit.
const (
	MayCreate   Permission = 1
	MayRetrieve Permission = 2
	MayUpdate   Permission = 4
	MayDelete   Permission = 8
	MayNotify   Permission = 16
	MayDiscover Permission = 32
	MayAll      Permission = 63
)

// Rule is one accessControlRule, TS-0001 clause 9.6.2.1. All that it names must hold.
type Rule struct {
	Originators []string      `json:"acor"`
	Operations  Permission    `json:"acop"`
	Contexts    []RuleContext `json:"acco,omitempty"` // any of them; empty is always
	Objects     []RuleObject  `json:"acod,omitempty"` // any of them; empty is every object
}

// RuleContext is an accessControlContext. Only the network an originator speaks from is supported; time windows and locations are
// refused when a policy is created, because a restriction that is not enforced would grant access.
type RuleContext struct {
	Addresses *RuleAddresses `json:"acip,omitempty"`
}

// RuleAddresses are the networks of an accessControlContext, as single addresses or prefixes.
type RuleAddresses struct {
	IPv4 []string `json:"ipv4,omitempty"`
	IPv6 []string `json:"ipv6,omitempty"`
}

// RuleObject is an accessControlObjectDetails: the type of the target, and the types of children that may be created in it.
type RuleObject struct {
	Type       Type   `json:"ty,omitempty"` // zero is any
	ChildTypes []Type `json:"chty"`
}

// Contains reports whether ip is in one of the networks.
func (a RuleAddresses) Contains(ip netip.Addr) bool {
	ip = ip.Unmap()
	for _, list := range [][]string{a.IPv4, a.IPv6} {
		for _, s := range list {
			if p, err := parsePrefix(s); err == nil && p.Contains(ip) {
				return true
			}
		}
	}
	return false
}

func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a prefix", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// ParseRules reads privileges or selfPrivileges. What it does not know it refuses, because a restriction that is not enforced
// would grant access.
func ParseRules(v json.RawMessage) ([]Rule, error) {
	if len(v) == 0 || v[0] != '{' {
		return nil, fmt.Errorf("must be an object, got %s", shorten(v))
	}
	var set struct {
		Rules []Rule `json:"acr"`
	}
	d := json.NewDecoder(bytes.NewReader(v))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		return nil, fmt.Errorf("must be access control rules this CSE can enforce: %w", err)
	}
	for _, r := range set.Rules {
		if len(r.Originators) == 0 {
			return nil, errors.New("has a rule without accessControlOriginators (acor)")
		}
		if r.Operations < 1 || r.Operations > MayAll {
			return nil, fmt.Errorf("has a rule with accessControlOperations (acop) %d, wanted 1 to %d", r.Operations, MayAll)
		}
		for _, c := range r.Contexts {
			if c.Addresses == nil {
				return nil, errors.New("has an accessControlContext (acco) without acip")
			}
			for _, list := range [][]string{c.Addresses.IPv4, c.Addresses.IPv6} {
				for _, s := range list {
					if _, err := parsePrefix(s); err != nil {
						return nil, fmt.Errorf("has an accessControlContext (acco) in which %w", err)
					}
				}
			}
		}
	}
	return set.Rules, nil
}

func privileges(v json.RawMessage) error {
	_, err := ParseRules(v)
	return err
}

// selfPrivileges must have a rule, or nobody could ever change the policy.
func selfPrivileges(v json.RawMessage) error {
	rules, err := ParseRules(v)
	if err == nil && len(rules) == 0 {
		err = errors.New("must have at least one rule")
	}
	return err
}
