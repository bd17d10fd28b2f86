package resource

// container is container, TS-0001 clause 9.6.6.
var container = definition{
	element:   "m2m:cnt",
	long:      "container",
	prefix:    "cnt",
	updatable: true,
	governed:  true,
	children:  []Type{TypeContainer, TypeContentInstance},
	attributes: with([]Attribute{
		{"mni", "maxNrOfInstances", Optional, Optional, nonNegativeInteger},
		{"mbs", "maxByteSize", Optional, Optional, nonNegativeInteger},
		{"mia", "maxInstanceAge", Optional, Optional, nonNegativeInteger},
		{"cni", "currentNrOfInstances", NotPresent, NotPresent, anything},
		{"cbs", "currentByteSize", NotPresent, NotPresent, anything},
		{"li", "locationID", NotPresent, NotPresent, anything},
		{"disr", "disableRetrieval", Optional, Optional, boolean},
	}, labels, policyIDs, consultationIDs, announceTo, announced, ontologyRef, creator, stateTag),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		b = appendInt(b, "cni", r.Count)
		return appendInt(b, "cbs", r.Bytes)
	},
}
