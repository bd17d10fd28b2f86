package resource

// trafficPattern is trafficPattern, TS-0001 Release 2 clause 9.6.41. Release 3 has it no more.
var trafficPattern = definition{
	element:   "m2m:trpt",
	long:      "trafficPattern",
	prefix:    "trpt",
	updatable: true,
	children:  []Type{TypeSchedule, TypeSubscription},
	attributes: with([]Attribute{
		{"pnse", "provideToNSE", Optional, Optional, OA, boolean},
		{"pri", "periodicIndicator", Optional, Optional, OA, enumeration(span{1, 2})},
		{"pdt", "periodicDurationTime", Optional, Optional, OA, nonNegativeInteger},
		{"pit", "periodicIntervalTime", Optional, Optional, OA, nonNegativeInteger},
		{"sti", "stationaryIndication", Optional, Optional, OA, enumeration(span{1, 2})},
		{"dsi", "dataSizeIndicator", Optional, Optional, OA, positiveInteger},
		{"vdt", "validityTime", Optional, Optional, OA, timestamp},
		{"ttn", "targetNetwork", Optional, Optional, OA, stringList},
	}, governed, announceable),
}
