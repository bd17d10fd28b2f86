package resource

// pollingChannel is pollingChannel, TS-0001 clause 9.6.21. It has no policies of its own.
var pollingChannel = definition{
	element:   "m2m:pch",
	long:      "pollingChannel",
	prefix:    "pch",
	updatable: true,
	edges:     []string{"pcu"},
	attributes: []Attribute{
		{"rqag", "requestAggregation", Optional, Optional, NA, boolean},
		labels,
	},
}

// PollingChannelID is the identifier of the pollingChannel of the AE or remoteCSE with the identifier owner. Since it follows from that,
// there is only one, and it is found by one look-up.
func PollingChannelID(owner string) string { return "pch" + owner }
