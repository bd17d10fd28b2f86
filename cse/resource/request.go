package resource

// requestResource is request, TS-0001 clause 9.6.12. The CSE makes one for each non-blocking request; no request creates one.
// Its stateTag went with Release 2A.
var requestResource = definition{
	element:   "m2m:req",
	long:      "request",
	prefix:    "req",
	updatable: true,
	internal:  true,
	children:  []Type{TypeSubscription},
	attributes: []Attribute{
		{"lbl", "labels", NotPresent, NotPresent, NA, labelList},
		{"acpi", "accessControlPolicyIDs", NotPresent, Optional, NA, identifiers},
		{"daci", "dynamicAuthorizationConsultationIDs", NotPresent, Optional, NA, stringList},
		{"op", "operation", NotPresent, NotPresent, NA, keptInteger},
		{"tg", "target", NotPresent, NotPresent, NA, keptText},
		{"org", "originator", NotPresent, NotPresent, NA, keptText},
		{"rid", "requestID", NotPresent, NotPresent, NA, keptText},
		{"mi", "metaInformation", NotPresent, NotPresent, NA, check{Object, anything.valid, metaInformation}},
		{"pc", "primitiveContent", NotPresent, NotPresent, NA, check{kind: Object, valid: anything.valid}},
		{"rs", "requestStatus", NotPresent, NotPresent, NA, keptInteger},
		{"ors", "operationResult", NotPresent, NotPresent, NA, check{Object, anything.valid, responsePrimitive}},
	},
}
