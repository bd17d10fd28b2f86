package resource

import "errors"

// semanticDescriptor is semanticDescriptor, TS-0001 clause 9.6.30.
var semanticDescriptor = definition{
	element:   "m2m:smd",
	long:      "semanticDescriptor",
	prefix:    "smd",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		// A descriptor is never an IRI (1): TS-0004 clause 7.4.34.2.1.
		{"dcrp", "descriptorRepresentation", Mandatory, Optional, OA, enumeration(span{2, 7})},
		{"soe", "semanticOpExec", NotPresent, Optional, NA, text},
		{"dsp", "descriptor", Mandatory, Optional, OA, base64ed},
		{"rels", "relatedSemantics", Optional, Optional, OA, stringList},
		{"svd", "semanticValidated", NotPresent, NotPresent, OA, keptBoolean},
		{"vlde", "validationEnable", Optional, Optional, OA, boolean},
		creator, ontologyRef,
	}, governed, announceable),
	change: func(_, given Attributes) error {
		_, descriptor := given["dsp"]
		if _, execution := given["soe"]; descriptor && execution {
			return errors.New("cannot be updated with both a descriptor (dsp) and a semanticOpExec (soe)")
		}
		return nil
	},
}
