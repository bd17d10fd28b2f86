package resource

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// flexContainer is flexContainer, TS-0001 clause 9.6.35. What it has in particular depends on the object: those of TS-0023 and of
// TS-0004 annex J are known with their attributes; an object of a domain that is not known may have any attributes.
var flexContainer = func() definition {
	d := flexBase
	d.family = func(specialisation string) *definition { return flexFamily(flexBase, flexContainers, specialisation) }
	return d
}()

// flexBase is what all flexContainers are.
var flexBase = definition{
	long:       "flexContainer",
	prefix:     "fcnt",
	updatable:  true,
	edges:      []string{"la", "ol"},
	children:   []Type{TypeContainer, TypeFlexContainer, TypeTimeSeries, TypeSubscription, TypeSemanticDescriptor, TypeAction},
	attributes: flexAttributes,
	validate:   validFlexContainer(""),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		if bytes.Contains(r.Attributes, []byte(`"fcied":`)) { // it keeps instances
			b = appendInt(b, "cni", r.Count)
			b = appendInt(b, "cbs", r.Bytes)
		}
		return b
	},
}

// flexAttributes are what all flexContainers have; contentSize is in the document, as it is not the size of an instance.
var flexAttributes = with([]Attribute{
	{"cnd", "containerDefinition", Mandatory, NotPresent, MA, text},
	{"cs", "contentSize", NotPresent, NotPresent, NA, keptInteger},
	{"nl", "nodeLink", Optional, Optional, OA, text},
	{"fcied", "flexContainerInstancesEnabled", Optional, Optional, OA, boolean},
	ontologyRef, creator, stateTag, location,
}, limits, governed, announceable)

// flexContainerInstance is flexContainerInstance of Release 4: what a flexContainer was after a change. The CSE makes it; it has the
// object name of its flexContainer and no policies of its own.
var flexContainerInstance = func() definition {
	d := flexInstanceBase
	d.family = func(specialisation string) *definition {
		return flexFamily(flexInstanceBase, flexInstances, specialisation)
	}
	return d
}()

// flexInstanceBase is what all flexContainerInstances are.
var flexInstanceBase = definition{
	long:       "flexContainerInstance",
	prefix:     "fcin",
	internal:   true,
	attributes: flexInstanceAttributes,
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "st", r.StateTag)
		return appendInt(b, "cs", r.Size)
	},
}

var flexInstanceAttributes = []Attribute{
	{"cs", "contentSize", NotPresent, NotPresent, NA, keptInteger},
	{"org", "originator", NotPresent, NotPresent, NA, keptText},
	labels, stateTag, location,
}

// CustomAttribute reports whether the attribute with the short name name of a flexContainer is one of its specialisation, as
// opposed to those that every flexContainer has.
func CustomAttribute(name string) bool {
	common := func(a Attribute) bool { return a.Short == name }
	return attributeNamePattern.MatchString(name) && !slices.ContainsFunc(universal, common) && !slices.ContainsFunc(flexAttributes, common)
}

// flexFamily finds the definition for the object with the name specialisation. Names in a domain that the table has must be in
// the table; those of other domains are free.
func flexFamily(base definition, known map[string]*definition, specialisation string) *definition {
	if d := known[specialisation]; d != nil {
		return d
	}
	if !flexNamePattern.MatchString(specialisation) {
		return nil
	}
	domain, _, _ := strings.Cut(specialisation, ":")
	if flexDomains[domain] {
		return nil
	}
	base.element, base.long, base.open = specialisation, base.long+" "+specialisation, true
	return &base
}

// flexNamePattern is the name of an object in a domain, such as hd:binSh.
var flexNamePattern = regexp.MustCompile(`^[a-z][A-Za-z0-9]{1,15}:[A-Za-z][A-Za-z0-9_]{0,63}$`)

//go:embed flex_containers.txt
var flexTable string

// flexContainers are the specialisations that are known, by their object name; flexInstances the same for their instances, and
// flexDomains the prefixes of whose names all are known.
var flexContainers, flexInstances, flexDomains = parseFlexTable(flexTable)

// parseFlexTable reads the table of specialisations, TS-0023. A line without indent is a domain: its prefix and the start of its
// containerDefinitions. A line indented by two is a specialisation: its short name and the rest of its containerDefinition.
// Lines below have its attributes, short=long:kind, with ! after those that a Create must have and ^ after those that an Update
// must not; customAttributes are optional otherwise, as in TS-0004's table of the attributes of flexContainer. Kinds are string,
// number (f), integer, non-negative integer, boolean, and list.
func parseFlexTable(table string) (containers, instances map[string]*definition, domains map[string]bool) {
	containers, instances = map[string]*definition{}, map[string]*definition{}
	domains = map[string]bool{"dcfg": true}
	var domain, start string
	var element, definitionID string
	var own []Attribute
	add := func() {
		if element != "" {
			containers[element] = flexSpecialisation(element, definitionID, own)
			instances[element] = flexInstanceSpecialisation(element, own)
		}
		element, own = "", nil
	}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "    "):
			for _, f := range fields {
				own = append(own, parseFlexAttribute(f))
			}
		case strings.HasPrefix(line, "  "):
			add()
			element, definitionID = domain+":"+fields[0], ""
			if len(fields) > 1 {
				definitionID = start + "." + fields[1]
				own = impliedFlexAttributes(fields[1])
			}
		default:
			add()
			domain, start = fields[0], fields[1]
			domains[domain] = true
		}
	}
	add()
	return containers, instances, domains
}

// impliedFlexAttributes are those of every action and module, and of every device, TS-0023 clauses 5.3 and 5.5.
func impliedFlexAttributes(definitionID string) []Attribute {
	switch category, _, _ := strings.Cut(definitionID, "."); category {
	case "action", "moduleclass":
		return []Attribute{{"dgt", "dataGenerationTime", Optional, Optional, OA, instant}}
	case "device":
		return []Attribute{{"nodLk", "nodeLink", Optional, Optional, OA, text}, {"flNLk", "flexNodeLink", Optional, Optional, OA, text}}
	}
	return nil
}

func parseFlexAttribute(s string) Attribute {
	short, rest, _ := strings.Cut(s, "=")
	long, kind, _ := strings.Cut(rest, ":")
	kind, fixed := strings.CutSuffix(kind, "^")
	kind, mandatory := strings.CutSuffix(kind, "!")
	a := Attribute{short, long, Optional, Optional, OA, map[string]check{"s": text, "t": instant, "f": number, "i": integer,
		"n": nonNegativeInteger, "b": boolean, "l": listOf(content)}[kind]}
	if mandatory {
		a.Create = Mandatory
	}
	if fixed {
		a.Update = NotPresent
	}
	return a
}

func flexSpecialisation(element, definitionID string, own []Attribute) *definition {
	d := flexBase
	d.element = element
	d.long += " " + element
	d.attributes = withOwn(own, flexAttributes)
	d.validate = validFlexContainer(definitionID)
	return &d
}

func flexInstanceSpecialisation(element string, own []Attribute) *definition {
	d := flexInstanceBase
	d.element = element
	d.long += " " + element
	d.attributes = withOwn(own, flexInstanceAttributes)
	return &d
}

// withOwn joins the attributes own with those of common that own does not replace.
func withOwn(own, common []Attribute) []Attribute {
	all := slices.Clone(own)
	for _, a := range common {
		if !slices.ContainsFunc(own, func(o Attribute) bool { return o.Short == a.Short }) {
			all = append(all, a)
		}
	}
	return all
}

// validFlexContainer checks that the containerDefinition is that of the object, unless it is empty, and the limits of instances:
// they need instances, and room for one.
func validFlexContainer(definitionID string) func(a Attributes) error {
	return func(a Attributes) error {
		if cnd := a.String("cnd"); definitionID != "" && cnd != definitionID {
			return fmt.Errorf("has the containerDefinition (cnd) %s, got %q", definitionID, cnd)
		}
		_, instances := a["fcied"]
		for _, name := range []string{"mni", "mbs", "mia"} {
			limit, given := a[name]
			if given && !instances {
				return fmt.Errorf("can have the limit %q only with flexContainerInstances (fcied)", name)
			}
			if given && string(limit) == "0" {
				return fmt.Errorf("must have room for an instance, but %q is 0", name)
			}
		}
		if most := a.Int("mbs"); most != nil && FlexContentSize(a) > *most {
			return errors.New("has more content than maxByteSize (mbs) allows")
		}
		return nil
	}
}

// FlexContentSize is the contentSize of a flexContainer with the attributes a, bytes: that of all its custom attributes.
func FlexContentSize(a Attributes) int64 {
	var size int64
	for name, v := range a {
		if CustomAttribute(name) {
			size += ContentSize(v)
		}
	}
	return size
}
