package resource

// delivery is delivery, TS-0001 clause 9.6.11. It is stored; this CSE forwards requests without aggregating them.
var delivery = definition{
	element:   "m2m:dlv",
	long:      "delivery",
	prefix:    "dlv",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"sr", "source", Mandatory, NotPresent, NA, text},
		{"tg", "target", Mandatory, NotPresent, NA, text},
		{"ls", "lifespan", Mandatory, Optional, NA, timestamp},
		{"ec", "eventCat", Mandatory, Optional, NA, eventCategory},
		{"dmd", "deliveryMetaData", Mandatory, Optional, NA, object},
		{"arq", "aggregatedRequest", Optional, Optional, NA, object},
		stateTag,
	}, governed),
	kept: func(r Resource, b []byte) []byte { return appendInt(b, "st", r.StateTag) },
}
