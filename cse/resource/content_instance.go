package resource

import "encoding/json"

// contentInstance is contentInstance, TS-0001 clause 9.6.7. It cannot be updated and has no policies of its own.
var contentInstance = definition{
	element:  "m2m:cin",
	long:     "contentInstance",
	prefix:   "cin",
	children: []Type{TypeSemanticDescriptor},
	attributes: with([]Attribute{
		{"cnf", "contentInfo", Optional, NotPresent, OA, contentInfo},
		{"cs", "contentSize", NotPresent, NotPresent, NA, keptInteger},
		{"conr", "contentRef", Optional, NotPresent, OA, contentRef},
		{"con", "content", Mandatory, NotPresent, OA, content},
		{"dcnt", "deletionCount", Optional, NotPresent, NA, positiveInteger},
		{"dgt", "dataGenerationTime", Optional, NotPresent, OA, instant},
		labels, ontologyRef, creator, stateTag, location,
	}, announceable),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		return appendInt(b, "cs", r.Size)
	},
}

// contentRef is m2m:contentRef, TS-0004 clause 6.3.5: names of attributes of other resources that belong to the content.
var contentRef = listOf(structure(must("nm", text), must("uri", text))).or(
	structure(must("nm", text), must("uri", text)))

// ContentSize is the contentSize of a content, bytes: of a string its characters, of anything else its JSON.
func ContentSize(content json.RawMessage) int64 {
	if s, err := decodeString(content); err == nil {
		return int64(len(s))
	}
	return int64(len(content))
}
