package serialisation

import (
	"errors"
	"fmt"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// The mapping between XML and JSON is that of the oneM2M schemas (TS-0004 clause 8.2): global elements have the prefix m2m, or that of
// their domain; attributes of resources are elements without a prefix, but for rn, which is an XML attribute. A list of simple
// values is one element with an xs:list, a list of structures (or of schedule entries) is an element for each. A reference to a
// child is an element with the XML attributes nm and typ. Null is an element with xsi:nil.

// Namespaces. Prefixes of other domains are bound below that of oneM2M; when read, the prefix that the document chose counts.
const (
	protocolsNamespace = "http://www.onem2m.org/xml/protocols"
	instanceNamespace  = "http://www.w3.org/2001/XMLSchema-instance"
	schemaNamespace    = "http://www.w3.org/2001/XMLSchema"
)

// domains are the namespaces of prefixes that are not named after them.
var domains = map[string]string{
	"m2m": protocolsNamespace,
	"hd":  protocolsNamespace + "/homedomain",
}

func namespace(prefix string) string {
	if ns, ok := domains[prefix]; ok {
		return ns
	}
	return protocolsNamespace + "/" + prefix
}

var errMixed = errors.New("an element has both text and elements")

// qualified reports whether name has a prefix, which makes it that of a resource or of another global element.
func qualified(name string) bool { return strings.Contains(name, ":") }

// kindOf is the kind of the member name of object; a global element has the same everywhere.
func kindOf(object, name string) resource.Kind {
	k := resource.KindOf(object, name)
	if k == resource.Any && qualified(name) {
		k = resource.KindOf("", name)
	}
	if k == resource.Object && listed(object, name) {
		return resource.Objects
	}
	return k
}

// listed reports whether JSON has resources with the name name inside object as a list even if there is only one: children of a
// resource, responses in an aggregate, notifications in a batch.
func listed(object, name string) bool {
	return qualified(object) && qualified(name) && object != "m2m:rce"
}

// elementwise are the lists of strings that are written as an element for each, because their items have spaces: schedule entries
// and queries.
func elementwise(name string) bool {
	return name == "actw" || name == "sce" || name == "smf" || name == "tod"
}

// checkName refuses names that XML cannot have.
func checkName(name string) error {
	local := name
	if prefix, rest, ok := strings.Cut(name, ":"); ok {
		if !ncName(prefix) {
			return fmt.Errorf("%q is no name in XML", name)
		}
		local = rest
	}
	if !ncName(local) {
		return fmt.Errorf("%q is no name in XML", name)
	}
	return nil
}

// ncName reports whether s is a name without prefix, of the characters that short names are made of.
func ncName(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}
