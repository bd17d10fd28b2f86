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
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"pv", "privileges", Mandatory, Optional, MA, privileges},
		{"pvs", "selfPrivileges", Mandatory, Optional, MA, selfPrivileges},
		{"adri", "authorizationDecisionResourceIDs", Optional, Optional, MA, stringList},
		{"apri", "authorizationPolicyResourceIDs", Optional, Optional, MA, stringList},
		{"airi", "authorizationInformationResourceIDs", Optional, Optional, MA, stringList},
		labels,
	}, announceable),
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
	// Authenticated restricts the rule to originators whose identity has been proved (accessControlAuthenticationFlag).
	Authenticated bool `json:"acaf,omitempty"`
	// Attributes restricts the rule to requests that touch no other attributes than these, by short name (Release 4); nil is all.
	Attributes []string `json:"aca,omitempty"`
}

// RuleContext is an accessControlContext. All that it names must hold.
type RuleContext struct {
	Times     []string       `json:"actw,omitempty"` // any of these schedules is active, see ParseSchedule; empty is always
	Addresses *RuleAddresses `json:"acip,omitempty"` // nil is anywhere
	Location  *RuleLocation  `json:"aclr,omitempty"` // nil is anywhere
}

// RuleLocation is where an originator must be, m2m:locationRegion: in one of the countries or in the circle.
type RuleLocation struct {
	Countries []string  `json:"accc,omitempty"` // ISO 3166-1 alpha-2 codes
	Circle    []float64 `json:"accr,omitempty"` // longitude, latitude in degrees, radius in metres; nil for none
}

// RuleAddresses are the networks of an accessControlContext, as single addresses or prefixes.
type RuleAddresses struct {
	IPv4 []string `json:"ipv4,omitempty"`
	IPv6 []string `json:"ipv6,omitempty"`
}

// RuleObject is an accessControlObjectDetails: the type of the target, and the types of children that may be created in it.
type RuleObject struct {
	Type           Type                `json:"ty,omitempty"` // zero is any
	Specialisation *RuleSpecialisation `json:"spty,omitempty"`
	ChildTypes     []Type              `json:"chty"`
}

// RuleSpecialisation narrows the type of a RuleObject, m2m:specializationType.
type RuleSpecialisation struct {
	ContainerDefinition string `json:"cnd,omitempty"` // of a flexContainer
	MgmtDefinition      int    `json:"mgd,omitempty"` // of a mgmtObj
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
		if err := r.valid(); err != nil {
			return nil, err
		}
	}
	return set.Rules, nil
}

func (r Rule) valid() error {
	if len(r.Originators) == 0 {
		return errors.New("has a rule without accessControlOriginators (acor)")
	}
	if r.Operations < 1 || r.Operations > MayAll {
		return fmt.Errorf("has a rule with accessControlOperations (acop) %d, wanted 1 to %d", r.Operations, MayAll)
	}
	for _, c := range r.Contexts {
		if err := c.valid(); err != nil {
			return fmt.Errorf("has an accessControlContext (acco) in which %w", err)
		}
	}
	return nil
}

func (c RuleContext) valid() error {
	if len(c.Times) == 0 && c.Addresses == nil && c.Location == nil {
		return errors.New("there is none of actw, acip and aclr")
	}
	for _, s := range c.Times {
		if _, err := ParseSchedule(s); err != nil {
			return fmt.Errorf("a time window (actw) %w", err)
		}
	}
	if c.Addresses != nil {
		for _, list := range [][]string{c.Addresses.IPv4, c.Addresses.IPv6} {
			for _, s := range list {
				if _, err := parsePrefix(s); err != nil {
					return err
				}
			}
		}
	}
	if c.Location == nil {
		return nil
	}
	raw, err := json.Marshal(c.Location)
	if err != nil {
		return err
	}
	return prefix("a location (aclr)", locationRegion.valid(raw))
}

func validPrivileges(v json.RawMessage) error {
	_, err := ParseRules(v)
	return err
}

// validSelfPrivileges demands a rule, or nobody could ever change the policy.
func validSelfPrivileges(v json.RawMessage) error {
	rules, err := ParseRules(v)
	if err == nil && len(rules) == 0 {
		err = errors.New("must have at least one rule")
	}
	return err
}

// The members are said for KindOf; ParseRules is what checks them.
var (
	ruleMembers = []member{must("acr", listOf(structure(
		must("acor", stringList), must("acop", integer), may("acaf", boolean), may("aca", stringList),
		may("acco", listOf(structure(may("actw", stringList), may("aclr", locationRegion),
			may("acip", structure(may("ipv4", stringList), may("ipv6", stringList)))))),
		may("acod", listOf(structure(may("ty", integer), may("chty", resourceTypes),
			may("spty", structure(may("cnd", text), may("mgd", integer))))))))),
	}
	privileges     = check{kind: Object, members: ruleMembers, valid: validPrivileges}
	selfPrivileges = check{kind: Object, members: ruleMembers, valid: validSelfPrivileges}
)
