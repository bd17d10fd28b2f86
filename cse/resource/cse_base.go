package resource

// cseBase is CSEBase, TS-0001 clause 9.6.3. The CSE creates it; no request creates, updates or deletes it.
var cseBase = definition{
	element:  "m2m:cb",
	long:     "CSEBase",
	prefix:   "cb",
	internal: true,
	children: []Type{TypeAccessControlPolicy, TypeAE, TypeContainer, TypeDelivery, TypeGroup, TypeLocationPolicy,
		TypeServiceSubscriptionProfile, TypeMgmtCmd, TypeNode, TypeRemoteCSE, TypeRequest, TypeSchedule, TypeServiceSubscribedAppRule,
		TypeStatsCollect, TypeStatsConfig, TypeSubscription, TypeNotificationTargetPolicy, TypeFlexContainer, TypeTimeSeries, TypeRole,
		TypeToken, TypeDynamicAuthorizationConsultation, TypeCrossResourceSubscription, TypeTimeSyncBeacon, TypeAction,
		TypeCSEBase + announcedOffset, TypeAE + announcedOffset},
	attributes: []Attribute{
		{"lbl", "labels", NotPresent, NotPresent, MA, labelList},
		{"acpi", "accessControlPolicyIDs", NotPresent, NotPresent, MA, identifiers},
		{"cst", "cseType", NotPresent, NotPresent, OA, keptInteger},
		{"csi", "CSE-ID", NotPresent, NotPresent, OA, keptText},
		{"spi", "M2M-SP-ID", NotPresent, NotPresent, OA, keptText},
		{"ici", "IN-CSE-ID", NotPresent, NotPresent, OA, keptText},
		{"srt", "supportedResourceType", NotPresent, NotPresent, NA, check{kind: Integers, valid: anything.valid}},
		{"poa", "pointOfAccess", NotPresent, NotPresent, OA, keptStrings},
		{"nl", "nodeLink", NotPresent, NotPresent, OA, keptText},
		{"esi", "e2eSecInfo", NotPresent, NotPresent, MA, object},
		{"daci", "dynamicAuthorizationConsultationIDs", NotPresent, NotPresent, OA, keptStrings},
		{"csz", "contentSerialization", NotPresent, NotPresent, OA, keptStrings},
		{"srv", "supportedReleaseVersions", NotPresent, NotPresent, MA, keptStrings},
		{"ctm", "currentTime", NotPresent, NotPresent, NA, keptText},
		{"loc", "location", NotPresent, NotPresent, OA, geoCoordinates},
	},
}
