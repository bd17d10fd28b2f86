package resource

// role is role, TS-0001 clause 9.6.38.
var role = definition{
	element:   "m2m:rol",
	long:      "role",
	prefix:    "rol",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"rlid", "roleID", Mandatory, NotPresent, NA, text},
		{"tkis", "issuer", Mandatory, NotPresent, NA, text},
		{"tkhd", "holder", Mandatory, NotPresent, NA, text},
		{"tknb", "notBefore", Mandatory, NotPresent, NA, timestamp},
		{"tkna", "notAfter", Mandatory, NotPresent, NA, timestamp},
		{"rlnm", "roleName", Optional, NotPresent, NA, text},
		{"rltl", "tokenLink", Optional, Optional, NA, text},
	}, governed),
}

// tokenResource is token, TS-0001 clause 9.6.39.
var tokenResource = definition{
	element:   "m2m:tk",
	long:      "token",
	prefix:    "tk",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"tkid", "tokenID", Mandatory, NotPresent, NA, text},
		{"tkob", "tokenObject", Mandatory, NotPresent, NA, text},
		{"vr", "version", Optional, NotPresent, NA, text},
		{"tkis", "issuer", Optional, NotPresent, NA, text},
		{"tkhd", "holder", Optional, NotPresent, NA, text},
		{"tknb", "notBefore", Optional, NotPresent, NA, timestamp},
		{"tkna", "notAfter", Optional, NotPresent, NA, timestamp},
		{"tknm", "tokenName", Optional, NotPresent, NA, text},
		{"tkau", "audience", Optional, NotPresent, NA, stringList},
		{"tkps", "permissions", Optional, NotPresent, NA, anything},
		{"tkex", "extension", Optional, NotPresent, NA, text},
	}, governed),
}

// dynamicAuthorizationConsultation is dynamicAuthorizationConsultation, TS-0001 clause 9.6.40.
var dynamicAuthorizationConsultation = definition{
	element:   "m2m:dac",
	long:      "dynamicAuthorizationConsultation",
	prefix:    "dac",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"dae", "dynamicAuthorizationEnabled", Mandatory, Optional, NA, boolean},
		{"dap", "dynamicAuthorizationPoA", Mandatory, Optional, NA, some(stringList)},
		{"dal", "dynamicAuthorizationLifetime", Optional, Optional, NA, timestamp},
	}, governed),
}
