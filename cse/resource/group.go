package resource

import "github.com/viot-project/viot/cse/primitive"

// group is group, TS-0001 clause 9.6.13.
var group = definition{
	element:   "m2m:grp",
	long:      "group",
	prefix:    "grp",
	updatable: true,
	edges:     []string{"fopt"},
	children:  []Type{TypeSubscription, TypeSemanticDescriptor, TypeAction},
	attributes: with([]Attribute{
		{"mt", "memberType", Optional, NotPresent, OA, enumeration(span{0, 70}, span{announcedOffset + 1, announcedOffset + 70})},
		{"spty", "specializationType", Optional, NotPresent, OA, specialisationType},
		{"cnm", "currentNrOfMembers", NotPresent, NotPresent, OA, keptInteger},
		{"mnm", "maxNrOfMembers", Mandatory, Optional, OA, positiveInteger},
		{"mid", "memberIDs", Mandatory, Optional, OA, stringList},
		{"macp", "membersAccessControlPolicyIDs", Optional, Optional, OA, stringList},
		{"mtv", "memberTypeValidated", NotPresent, NotPresent, OA, keptBoolean},
		{"csy", "consistencyStrategy", Optional, NotPresent, OA, enumeration(span{1, 3})},
		{"gn", "groupName", Optional, Optional, OA, text},
		{"ssi", "semanticSupportIndicator", NotPresent, NotPresent, OA, keptBoolean},
		{"nar", "notifyAggregation", Optional, Optional, OA, batchNotify},
		creator,
	}, governed, announceable),
	validate: fitMembers,
}

// specialisationType is m2m:specializationType, TS-0004 clause 6.3.5: what a mgmtObj or a flexContainer is in particular.
var specialisationType = structure(may("cnd", text), may("mgd", nonNegativeInteger)).and(notEmpty).or(nonNegativeInteger).or(text)

// fitMembers refuses more members than maxNrOfMembers, TS-0004 clause 7.4.13.2.
func fitMembers(a Attributes) error {
	if most := a.Int("mnm"); most != nil && int64(len(a.Strings("mid"))) > *most {
		return primitive.Errorf(primitive.MaxNumberOfMemberExceeded, "the group has %d members, maxNrOfMembers is %d", len(a.Strings("mid")), *most)
	}
	return nil
}
