package resource

// timeSeriesInstance is timeSeriesInstance, TS-0001 clause 9.6.37. It cannot be updated and has no policies of its own.
var timeSeriesInstance = definition{
	element:  "m2m:tsi",
	long:     "timeSeriesInstance",
	prefix:   "tsi",
	children: []Type{TypeSemanticDescriptor},
	attributes: with([]Attribute{
		{"dgt", "dataGenerationTime", Mandatory, NotPresent, OA, instant},
		{"con", "content", Mandatory, NotPresent, OA, content},
		{"cs", "contentSize", NotPresent, NotPresent, NA, keptInteger},
		{"snr", "sequenceNr", Optional, NotPresent, OA, nonNegativeInteger},
		labels, creator, location,
	}, announceable),
	kept: func(r Resource, b []byte) []byte { return appendInt(b, "cs", r.Size) },
}
