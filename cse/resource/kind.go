package resource

import (
	"maps"
	"slices"
)

// Kind is how a value is written in JSON. A decoder of a serialisation that has only text, such as XML, needs it.
type Kind int

// The kinds of values. The zero Kind is Any: the value is written as it comes.
const (
	Any     Kind = iota // not known, or free to the originator
	String              // also timestamps, durations, identifiers and addresses
	Integer             // also enumerations
	Float               // any number
	Boolean
	Object   // a structured attribute; KindOf knows its members by the name of the attribute
	Strings  // a list of String
	Integers // a list of Integer
	Floats   // a list of Float
	Objects  // a list of Object
	Anything // a list of Any
)

// String is the name of k for messages, such as "list of strings".
func (k Kind) String() string {
	return [...]string{"any value", "string", "integer", "number", "boolean", "object", "list of strings", "list of integers",
		"list of numbers", "list of objects", "list"}[k]
}

// list is the kind of a list of values of kind k.
func (k Kind) list() Kind {
	switch k {
	case String:
		return Strings
	case Integer:
		return Integers
	case Float:
		return Floats
	case Object:
		return Objects
	}
	return Anything
}

// List reports whether values of kind k are lists.
func (k Kind) List() bool { return k >= Strings }

// KindOf is the kind of the member with the short name short of object, which is the name of an object on the wire such as m2m:sub,
// m2m:rqp or m2m:sgn, or of a structured attribute such as enc. An empty object is what is around them all. What is not known
// is Any.
func KindOf(object, short string) Kind {
	if object == "" {
		return kindOfContent(short)
	}
	if d := definitionOf(object); d != nil {
		if a := d.attribute(short); a != nil {
			return a.check.kind
		}
		return Any
	}
	return structures[object][short]
}

// kindOfContent is the kind of what a primitive's content holds under the name element.
func kindOfContent(element string) Kind {
	switch element {
	case "m2m:uril":
		return Strings
	case "m2m:uri", "m2m:dbg", "m2m:qres":
		return String
	}
	if _, known := structures[element]; known || definitionOf(element) != nil {
		return Object
	}
	return Any
}

// definitionOf finds the definition of the resources that are objects with the name element, nil if there is none.
func definitionOf(element string) *definition {
	if d := byElement[element]; d != nil {
		return d
	}
	for _, t := range []Type{TypeMgmtObj, TypeFlexContainer, TypeMgmtObj + announcedOffset, TypeFlexContainer + announcedOffset} {
		if d := definitions[t]; d != nil && d.family != nil {
			if own := d.family(element); own != nil {
				return own
			}
		}
	}
	return nil
}

var byElement = func() map[string]*definition {
	m := map[string]*definition{}
	for _, d := range definitions {
		if d.element != "" {
			m[d.element] = d
		}
	}
	return m
}()

// structures are the kinds of the members of structured attributes and of the primitives, by the name of what holds them.
// Where two attributes have one name, the members of both are there.
var structures = func() map[string]map[string]Kind {
	m := map[string]map[string]Kind{}
	for _, name := range slices.Sorted(maps.Keys(primitives)) {
		addMembers(m, name, primitives[name])
	}
	for _, t := range Types() {
		addAttributes(m, definitions[t].attributes)
	}
	for _, d := range mgmtObjs {
		addAttributes(m, d.attributes)
	}
	return m
}()

func addAttributes(m map[string]map[string]Kind, attributes []Attribute) {
	for _, a := range attributes {
		addMembers(m, a.Short, a.check.members)
	}
}

func addMembers(m map[string]map[string]Kind, name string, members []member) {
	for _, own := range members {
		if m[name] == nil {
			m[name] = map[string]Kind{}
		}
		if _, taken := m[name][own.short]; !taken {
			m[name][own.short] = own.check.kind
		}
		addMembers(m, own.short, own.check.members)
	}
}
