package resource

// container is container, TS-0001 clause 9.6.6.
var container = definition{
	element:   "m2m:cnt",
	long:      "container",
	prefix:    "cnt",
	updatable: true,
	edges:     []string{"la", "ol"},
	children: []Type{TypeContainer, TypeContentInstance, TypeFlexContainer, TypeTimeSeries, TypeSubscription, TypeSemanticDescriptor,
		TypeAction},
	attributes: with([]Attribute{
		{"li", "locationID", NotPresent, NotPresent, OA, keptText},
		{"disr", "disableRetrieval", Optional, Optional, OA, boolean},
		ontologyRef, creator, stateTag, location,
	}, limits, governed, announceable),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		b = appendInt(b, "cni", r.Count)
		return appendInt(b, "cbs", r.Bytes)
	},
}

// limits are the attributes of the resources that count and evict instances.
var limits = []Attribute{
	{"mni", "maxNrOfInstances", Optional, Optional, OA, nonNegativeInteger},
	{"mbs", "maxByteSize", Optional, Optional, OA, nonNegativeInteger},
	{"mia", "maxInstanceAge", Optional, Optional, OA, nonNegativeInteger},
	{"cni", "currentNrOfInstances", NotPresent, NotPresent, NA, keptInteger},
	{"cbs", "currentByteSize", NotPresent, NotPresent, NA, keptInteger},
}
