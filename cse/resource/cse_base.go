package resource

// cseBase is CSEBase, TS-0001 clause 9.6.3. The CSE creates it; no request creates, updates or deletes it.
var cseBase = definition{
	element:  "m2m:cb",
	long:     "CSEBase",
	governed: true,
	children: []Type{TypeAccessControlPolicy, TypeAE, TypeContainer},
	attributes: []Attribute{
		{"lbl", "labels", NotPresent, NotPresent, tokens},
		{"acpi", "accessControlPolicyIDs", NotPresent, NotPresent, identifiers},
		{"cst", "cseType", NotPresent, NotPresent, anything},
		{"csi", "CSE-ID", NotPresent, NotPresent, anything},
		{"srt", "supportedResourceType", NotPresent, NotPresent, anything},
		{"poa", "pointOfAccess", NotPresent, NotPresent, anything},
		{"nl", "nodeLink", NotPresent, NotPresent, anything},
		{"esi", "e2eSecInfo", NotPresent, NotPresent, anything},
		{"daci", "dynamicAuthorizationConsultationIDs", NotPresent, NotPresent, anything},
		{"csz", "contentSerialization", NotPresent, NotPresent, anything},
		{"srv", "supportedReleaseVersions", NotPresent, NotPresent, anything},
	},
}
