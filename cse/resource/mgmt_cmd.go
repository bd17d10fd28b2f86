package resource

// mgmtCmd is mgmtCmd, TS-0001 clause 9.6.16.
var mgmtCmd = definition{
	element:   "m2m:mgc",
	long:      "mgmtCmd",
	prefix:    "mgc",
	updatable: true,
	children:  []Type{TypeExecInstance, TypeSubscription},
	attributes: with([]Attribute{
		{"dc", "description", Optional, Optional, NA, text},
		{"cmt", "cmdType", Mandatory, NotPresent, NA, enumeration(span{1, 7})},
		{"exra", "execReqArgs", Optional, Optional, NA, object},
		{"exe", "execEnable", Optional, Optional, NA, boolean},
		{"ext", "execTarget", Mandatory, Optional, NA, text},
		{"exm", "execMode", Optional, Optional, NA, enumeration(span{1, 4})},
		{"exf", "execFrequency", Optional, Optional, NA, duration},
		{"exy", "execDelay", Optional, Optional, NA, duration},
		{"exn", "execNumber", Optional, Optional, NA, nonNegativeInteger},
	}, governed),
}

// execInstance is execInstance, TS-0001 clause 9.6.17. The CSE makes one when a mgmtCmd is triggered.
var execInstance = definition{
	element:   "m2m:exin",
	long:      "execInstance",
	prefix:    "exin",
	updatable: true,
	internal:  true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"exs", "execStatus", NotPresent, NotPresent, NA, keptInteger},
		{"exr", "execResult", NotPresent, NotPresent, NA, keptInteger},
		{"exd", "execDisable", NotPresent, Optional, NA, boolean},
		{"ext", "execTarget", NotPresent, NotPresent, NA, keptText},
		{"exm", "execMode", NotPresent, NotPresent, NA, keptInteger},
		{"exf", "execFrequency", NotPresent, NotPresent, NA, keptText},
		{"exy", "execDelay", NotPresent, NotPresent, NA, keptText},
		{"exn", "execNumber", NotPresent, NotPresent, NA, keptInteger},
		{"exra", "execReqArgs", NotPresent, NotPresent, NA, object},
	}, governed),
}
