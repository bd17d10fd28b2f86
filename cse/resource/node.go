package resource

// node is node, TS-0001 clause 9.6.18.
var node = definition{
	element:   "m2m:nod",
	long:      "node",
	prefix:    "nod",
	updatable: true,
	children: []Type{TypeMgmtObj, TypeSubscription, TypeSemanticDescriptor, TypeSchedule, TypeTrafficPattern, TypeFlexContainer,
		TypeAction},
	attributes: with([]Attribute{
		{"ni", "nodeID", Mandatory, Optional, MA, text},
		{"hcl", "hostedCSELink", Optional, Optional, OA, text},
		{"hael", "hostedAELinks", Optional, Optional, OA, identifiers},
		{"hsl", "hostedServiceLinks", Optional, Optional, OA, stringList},
		{"mgca", "mgmtClientAddress", Optional, Optional, OA, text.or(stringList)},
		{"rms", "roamingStatus", NotPresent, NotPresent, OA, keptBoolean},
		{"nid", "networkID", NotPresent, NotPresent, OA, keptText},
		{"nty", "nodeType", Optional, Optional, OA, nonNegativeInteger},
	}, governed, announceable),
}
