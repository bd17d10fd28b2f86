package resource

import "strconv"

// Type is a resource type, TS-0004 clause 6.3.4.2.1.
type Type int

// The resource types this CSE hosts.
const (
	TypeAccessControlPolicy Type = 1
	TypeAE                  Type = 2
	TypeContainer           Type = 3
	TypeContentInstance     Type = 4
	TypeCSEBase             Type = 5
)

// definition is what is particular to one resource type.
type definition struct {
	element    string // name of the object on the wire
	long       string
	prefix     string // of identifiers
	attributes []Attribute
	children   []Type
	updatable  bool
	governed   bool // has accessControlPolicyIDs of its own
	// kept appends the attributes that are fields of Resource and particular to the type; nil if there are none.
	kept func(r Resource, b []byte) []byte
}

// definitions is the one table of resource types. A type is added with its definition, in a file of its own.
var definitions = map[Type]*definition{
	TypeAccessControlPolicy: &accessControlPolicy,
	TypeAE:                  &applicationEntity,
	TypeContainer:           &container,
	TypeContentInstance:     &contentInstance,
	TypeCSEBase:             &cseBase,
}

// Supported reports whether this CSE hosts resources of type t.
func (t Type) Supported() bool { return definitions[t] != nil }

// Element is the name of the object that carries a resource of type t, such as m2m:cnt; empty if t is not supported.
func (t Type) Element() string {
	if d := definitions[t]; d != nil {
		return d.element
	}
	return ""
}

// String is the long name of t, such as container.
func (t Type) String() string {
	if d := definitions[t]; d != nil {
		return d.long
	}
	return "type " + strconv.Itoa(int(t))
}

// Prefix starts the identifiers of resources of type t.
func (t Type) Prefix() string { return definitions[t].prefix }

// MayContain reports whether a resource of type t may have children of type child.
func (t Type) MayContain(child Type) bool {
	d := definitions[t]
	if d == nil {
		return false
	}
	for _, c := range d.children {
		if c == child {
			return true
		}
	}
	return false
}

// Updatable reports whether a request may update resources of type t.
func (t Type) Updatable() bool { return definitions[t].updatable }

// Governed reports whether resources of type t have accessControlPolicyIDs. Access to the others follows their parent.
func (t Type) Governed() bool { return definitions[t].governed }

// Instance reports whether resources of type t are the instances that their parent counts and evicts.
func (t Type) Instance() bool { return t == TypeContentInstance }

// Types lists the supported resource types in ascending order.
func Types() []Type {
	return []Type{TypeAccessControlPolicy, TypeAE, TypeContainer, TypeContentInstance, TypeCSEBase}
}

// Matchable reports whether a filter may ask for the value of the attribute with the short name name: some type has it, and
// there is no filter condition of its own for it (TS-0004 clause 7.3.3.17).
func Matchable(name string) bool { return matchable[name] }

var matchable = func() map[string]bool {
	m := map[string]bool{}
	for _, d := range definitions {
		for _, list := range [][]Attribute{universal, d.attributes} {
			for _, a := range list {
				m[a.Short] = true
			}
		}
	}
	for _, name := range []string{"ty", "ct", "lt", "et", "st", "lbl", "cs", "cnf"} {
		delete(m, name)
	}
	return m
}()

// Has reports whether resources of type t have an attribute with the short name name.
func (t Type) Has(name string) bool {
	d := definitions[t]
	if d == nil {
		return false
	}
	for _, a := range universal {
		if a.Short == name {
			return true
		}
	}
	for _, a := range d.attributes {
		if a.Short == name {
			return true
		}
	}
	return false
}
