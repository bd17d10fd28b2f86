package resource

import (
	"errors"
)

// action is action of Release 4, TS-0001 clause 9.6.61.
var action = definition{
	element:   "m2m:actr",
	long:      "action",
	prefix:    "actr",
	updatable: true,
	children:  []Type{TypeDependency, TypeSubscription},
	attributes: with([]Attribute{
		{"apy", "actionPriority", Optional, Optional, OA, positiveInteger},
		{"sri", "subjectResourceID", Optional, Optional, OA, text},
		{"evc", "evalCriteria", Mandatory, Optional, OA, evalCriteria},
		{"evm", "evalMode", Mandatory, Optional, OA, enumeration(span{0, 3})},
		{"ecp", "evalControlParam", Optional, Optional, OA, positiveInteger},
		{"dep", "dependencies", NotPresent, Optional, OA, stringList},
		{"orc", "objectResourceID", Mandatory, Optional, MA, text},
		{"apv", "actionPrimitive", Mandatory, Optional, MA, check{Object, object.valid, requestPrimitive}},
		{"ipu", "input", Optional, Optional, OA, structure(may("cstr", text), may("rsid", text), may("raid", text))},
		{"air", "actionResult", NotPresent, NotPresent, OA, check{Object, anything.valid, responsePrimitive}},
		creator,
	}, governed, announceable),
	validate: validAction,
}

// evalCriteria is m2m:evalCriteria: an attribute, how it is compared (1 to 6: = ≠ > < ≥ ≤) and with what.
var evalCriteria = structure(must("optr", enumeration(span{1, 6})), must("sbjt", text), must("thld", content))

// validAction checks that the control parameter has a meaning: it is the period of the evaluation modes periodic and continuous.
func validAction(a Attributes) error {
	const once = 1
	mode := a.Int("evm")
	if _, given := a["ecp"]; given && mode != nil && *mode <= once {
		return errors.New("can have an evalControlParam (ecp) only if the evalMode (evm) is periodic (2) or continuous (3)")
	}
	return nil
}

// dependency is dependency of Release 4, TS-0001 clause 9.6.62.
var dependency = definition{
	element:   "m2m:depr",
	long:      "dependency",
	prefix:    "depr",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"sfc", "sufficient", Mandatory, Optional, OA, boolean},
		{"evc", "evalCriteria", Mandatory, Optional, OA, evalCriteria},
		{"rri", "referencedResourceID", Mandatory, Optional, MA, text},
		creator,
	}, governed, announceable),
}
