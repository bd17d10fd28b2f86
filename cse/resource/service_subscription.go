package resource

// serviceSubscriptionProfile is m2mServiceSubscriptionProfile, TS-0001 clause 9.6.19.
var serviceSubscriptionProfile = definition{
	element:    "m2m:mssp",
	long:       "m2mServiceSubscriptionProfile",
	prefix:     "mssp",
	updatable:  true,
	children:   []Type{TypeServiceSubscribedNode, TypeSubscription},
	attributes: governed,
}

// serviceSubscribedNode is serviceSubscribedNode, TS-0001 clause 9.6.20.
var serviceSubscribedNode = definition{
	element:   "m2m:svsn",
	long:      "serviceSubscribedNode",
	prefix:    "svsn",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"ni", "nodeID", Mandatory, NotPresent, NA, text},
		{"csi", "CSE-ID", Optional, NotPresent, NA, text},
		{"di", "deviceIdentifier", Optional, NotPresent, NA, stringList},
		{"rlk", "ruleLinks", Optional, Optional, NA, stringList},
		{"nrq", "niddRequired", Optional, Optional, NA, boolean},
	}, governed),
}

// serviceSubscribedAppRule is serviceSubscribedAppRule, TS-0001 clause 9.6.29.
var serviceSubscribedAppRule = definition{
	element:   "m2m:asar",
	long:      "serviceSubscribedAppRule",
	prefix:    "asar",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"apci", "applicableCredIDs", Optional, Optional, NA, stringList},
		{"aai", "allowedApp-IDs", Optional, Optional, NA, stringList},
		{"aae", "allowedAEs", Optional, Optional, NA, stringList},
		{"ari", "allowedRole-IDs", Optional, Optional, NA, stringList},
	}, governed),
}
