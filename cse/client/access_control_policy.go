package client

// AccessControlPolicy is an accessControlPolicy, TS-0001 clause 9.6.2.
type AccessControlPolicy struct {
	Common
	AnnounceTo         []string `json:"at,omitempty"`
	AnnouncedAttribute []string `json:"aa,omitempty"`
	Privileges         *Rules   `json:"pv,omitzero"`  // of the resources that name the policy
	SelfPrivileges     *Rules   `json:"pvs,omitzero"` // of the policy itself
	DecisionIDs        []string `json:"adri,omitempty"`
	PolicyIDs          []string `json:"apri,omitempty"`
	InformationIDs     []string `json:"airi,omitempty"`
}

// Kind implements Resource.
func (*AccessControlPolicy) Kind() (ResourceType, string) { return TypeAccessControlPolicy, "m2m:acp" }

// Rules are privileges: any of the rules permits what it says.
type Rules struct {
	Rules []Rule `json:"acr"`
}

// Allow are Rules that permit operations to originators.
func Allow(operations Permission, originators ...string) *Rules {
	return &Rules{[]Rule{{Originators: originators, Operations: operations}}}
}

// Permission is a set of operations, TS-0004 clause 6.3.4.2.29.
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
	Originators []string      `json:"acor"` // AE-IDs, CSE-IDs, identifiers of groups, or all
	Operations  Permission    `json:"acop"`
	Contexts    []RuleContext `json:"acco,omitempty"` // any of them; empty is always
	Objects     []RuleObject  `json:"acod,omitempty"` // any of them; empty is every object
}

// RuleContext is an accessControlContext: when, where and from where a request may come.
type RuleContext struct {
	TimeWindows []string       `json:"actw,omitempty"` // second, minute, hour, day, month, weekday, year, as in cron
	Addresses   *RuleAddresses `json:"acip,omitzero"`
	Location    any            `json:"aclr,omitempty"`
}

// RuleAddresses are the networks of an accessControlContext, as single addresses or prefixes.
type RuleAddresses struct {
	IPv4 []string `json:"ipv4,omitempty"`
	IPv6 []string `json:"ipv6,omitempty"`
}

// RuleObject is an accessControlObjectDetails: the type of the target, and the types of children that may be created in it.
type RuleObject struct {
	ResourceType ResourceType   `json:"ty,omitzero"` // zero is any
	ChildTypes   []ResourceType `json:"chty"`
}
