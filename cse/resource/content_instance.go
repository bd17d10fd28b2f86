package resource

import "encoding/json"

// contentInstance is contentInstance, TS-0001 clause 9.6.7. It cannot be updated and has no policies of its own.
var contentInstance = definition{
	element: "m2m:cin",
	long:    "contentInstance",
	prefix:  "cin",
	attributes: with([]Attribute{
		{"lbl", "labels", Optional, NotPresent, tokens},
		{"cnf", "contentInfo", Optional, NotPresent, contentInfo},
		{"cs", "contentSize", NotPresent, NotPresent, anything},
		{"conr", "contentRef", Optional, NotPresent, anything},
		{"con", "content", Mandatory, NotPresent, content},
	}, announceTo, announced, ontologyRef, creator, stateTag),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		return appendInt(b, "cs", r.Size)
	},
}

func content(v json.RawMessage) error {
	if string(v) == "null" {
		return errNoContent
	}
	return nil
}

// ContentSize is the contentSize of a content, bytes: of a string its characters, of anything else its JSON.
func ContentSize(content json.RawMessage) int64 {
	if s, err := decodeString(content); err == nil {
		return int64(len(s))
	}
	return int64(len(content))
}
