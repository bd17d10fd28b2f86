package resource

// scheduleResource is schedule, TS-0001 clause 9.6.9.
var scheduleResource = definition{
	element:   "m2m:sch",
	long:      "schedule",
	prefix:    "sch",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"se", "scheduleElement", Mandatory, Optional, OA, scheduleEntries},
		{"nco", "networkCoordinated", Optional, Optional, OA, boolean},
	}, governed, announceable),
}
