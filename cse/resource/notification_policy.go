package resource

// notificationTargetMgmtPolicyRef is notificationTargetMgmtPolicyRef, TS-0001 clause 9.6.31.
var notificationTargetMgmtPolicyRef = definition{
	element:   "m2m:ntpr",
	long:      "notificationTargetMgmtPolicyRef",
	prefix:    "ntpr",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"ntu", "notificationTargetURI", Mandatory, Optional, NA, some(stringList)},
		{"npi", "notificationPolicyID", Optional, Optional, NA, text},
		creator,
	}, governed),
}

// notificationTargetPolicy is notificationTargetPolicy, TS-0001 clause 9.6.32.
var notificationTargetPolicy = definition{
	element:   "m2m:ntp",
	long:      "notificationTargetPolicy",
	prefix:    "ntp",
	updatable: true,
	children:  []Type{TypePolicyDeletionRules, TypeSubscription},
	attributes: with([]Attribute{
		{"acn", "action", Optional, NotPresent, NA, enumeration(span{1, 4})},
		{"plbl", "policyLabel", Optional, Optional, NA, token},
		{"rrs", "rulesRelationship", Optional, Optional, NA, enumeration(span{1, 2})},
		creator,
	}, governed),
}

// policyDeletionRules is policyDeletionRules, TS-0001 clause 9.6.33.
var policyDeletionRules = definition{
	element:   "m2m:pdr",
	long:      "policyDeletionRules",
	prefix:    "pdr",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"dr", "deletionRules", Optional, NotPresent, NA,
			structure(may("tod", listOf(schedule)), may("lr", locationRegion.or(listOf(locationRegion))))},
		{"drr", "deletionRulesRelation", Optional, Optional, NA, enumeration(span{1, 2})},
	}, governed),
}
