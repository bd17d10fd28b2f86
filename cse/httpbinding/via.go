package httpbinding

import (
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// maxPasses bounds how often one request may come through this CSE: more than once if groups here and elsewhere have each other's members,
// but not for ever, as it would if somebody registers with an address of this CSE as its own.
const maxPasses = 3

// checkPasses refuses r if it has come through the CSE called name too often. Instances of a CSE have one name.
func checkPasses(name string, r primitive.Request) error {
	if name == "" || r.Via == "" {
		return nil
	}
	passes := 0
	for hop := range strings.SplitSeq(r.Via, ",") {
		if _, by, ok := strings.Cut(strings.TrimSpace(hop), " "); ok && by == name {
			passes++
		}
	}
	if passes >= maxPasses {
		return primitive.Errorf(primitive.TargetNotReachable, "the request goes round in a circle")
	}
	return nil
}

// passed is via with the CSE called name at its end.
func passed(via, name string) string {
	switch {
	case name == "":
		return via
	case via == "":
		return "1.1 " + name
	}
	return via + ", 1.1 " + name
}
