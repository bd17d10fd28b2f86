package resource

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// everyDefinition are the definitions of all types and of all specialisations.
func everyDefinition() []*definition {
	var all []*definition
	for _, t := range Types() {
		all = append(all, definitions[t])
	}
	for _, family := range []map[string]*definition{mgmtObjs, flexContainers, flexInstances} {
		for element, d := range family {
			all = append(all, d)
			if d.element != element {
				panic(element)
			}
		}
	}
	for _, element := range []string{"m2m:batA", "cod:tempeAnnc", "my:thing", "my:thingAnnc"} {
		all = append(all, definitionOf(element))
	}
	return all
}

// TestDefinitions checks what holds for every resource type and specialisation.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, d := range everyDefinition() {
		seen := map[string]bool{}
		for _, list := range [][]Attribute{universal, d.attributes} {
			for _, a := range list {
				if seen[a.Short] || a.Short == "" || a.Long == "" || a.check.valid == nil {
					t.Errorf("%s: attribute %+v is incomplete or there twice", d.long, a)
				}
				if a.Create == Mandatory && a.Update == Mandatory {
					t.Errorf("%s: attribute %q is mandatory in updates", d.long, a.Short)
				}
				if !attributeNamePattern.MatchString(a.Short) {
					t.Errorf("%s: attribute %q has no possible name", d.long, a.Short)
				}
				seen[a.Short] = true
			}
		}
		if d.prefix == "" && d != &applicationEntity && d.long != "AEAnnc" {
			t.Errorf("%s: got no prefix", d.long)
		}
	}
}

// TestTypes checks what holds for every type.
func TestTypes(t *testing.T) {
	t.Parallel()
	elements, prefixes := map[string]Type{}, map[string]Type{}
	for _, typ := range Types() {
		d := definitions[typ]
		if other, taken := elements[d.element]; taken && d.element != "" {
			t.Errorf("%s: got the element of %s", typ, other)
		}
		if other, taken := prefixes[d.prefix]; taken && d.prefix != "" {
			t.Errorf("%s: got the prefix of %s", typ, other)
		}
		elements[d.element], prefixes[d.prefix] = typ, typ
		if (d.element == "") != (d.family != nil) {
			t.Errorf("%s: got element %q, family %t", typ, d.element, d.family != nil)
		}
		if d.has("acpi") != typ.Governed() {
			t.Errorf("%s: got governed %t, has acpi %t", typ, typ.Governed(), d.has("acpi"))
		}
		if typ.Updatable() && typ.Instance() {
			t.Errorf("%s: got an instance that can be updated", typ)
		}
		seen := map[Type]bool{}
		for _, child := range d.children {
			if !child.Supported() || seen[child] {
				t.Errorf("%s: has the child type %d, unsupported or twice", typ, child)
			}
			seen[child] = true
		}
		if a := typ.Announced(); a != 0 && (a.Original() != typ || !definitions[a].has("lnk")) {
			t.Errorf("%s: got the announced type %d, its original %d", typ, a, a.Original())
		}
		if creatable := slices.ContainsFunc(Types(), func(p Type) bool { return p.MayContain(typ) }); typ.Creatable() && !creatable {
			t.Errorf("%s: can be created, but nowhere", typ)
		}
	}
}

func TestInstancesHaveParents(t *testing.T) {
	t.Parallel()
	for parent, child := range map[Type]Type{
		TypeContainer: TypeContentInstance, TypeTimeSeries: TypeTimeSeriesInstance,
	} {
		if !child.Instance() || !parent.MayContain(child) || !slices.Equal(parent.Edges(), []string{"la", "ol"}) {
			t.Errorf("%s of %s: got instance %t, child %t, edges %v", child, parent, child.Instance(), parent.MayContain(child), parent.Edges())
		}
	}
	if !TypeFlexContainerInstance.Instance() || TypeFlexContainerInstance.Creatable() || TypeContainer.Instance() {
		t.Error("got a flexContainerInstance that is none or can be created, or a container that is one")
	}
}

func TestUnknownType(t *testing.T) {
	t.Parallel()
	none := Type(999)
	if none.Supported() || none.Has("ty") || none.MayContain(TypeAE) || none.Creatable() || none.Element() != "" ||
		none.Edges() != nil || none.Announced() != 0 {
		t.Error("got something about a type that does not exist")
	}
	if _, _, err := Parse(none, json.RawMessage(`{"m2m:x":{}}`)); err == nil {
		t.Error("got a resource of a type that does not exist")
	}
}

func TestSpecialisations(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		t       Type
		content string
		want    string // the specialisation; empty if the object is refused
	}{
		{TypeMgmtObj, `{"m2m:bat":{}}`, "m2m:bat"},
		{TypeMgmtObj, `{"m2m:mgo":{}}`, ""},
		{TypeMgmtObj, `{"cod:tempe":{}}`, ""},
		{TypeMgmtObj.Announced(), `{"m2m:batA":{}}`, "m2m:batA"},
		{TypeMgmtObj.Announced(), `{"m2m:bat":{}}`, ""},
		{TypeFlexContainer, `{"cod:tempe":{}}`, "cod:tempe"},
		{TypeFlexContainer, `{"cod:unknown":{}}`, ""},
		{TypeFlexContainer, `{"m2m:cnt":{}}`, ""},
		{TypeFlexContainer, `{"m2m:gis":{}}`, "m2m:gis"},
		{TypeFlexContainer, `{"hd:binSh":{}}`, "hd:binSh"},
		{TypeFlexContainer, `{"wrong":{}}`, ""},
		{TypeFlexContainer, `{"a:\"":{}}`, ""},
		{TypeFlexContainer.Announced(), `{"cod:tempeAnnc":{}}`, "cod:tempeAnnc"},
		{TypeFlexContainer.Announced(), `{"cod:tempe":{}}`, ""},
	} {
		got, _, err := Parse(test.t, json.RawMessage(test.content))
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s %s: got %q, %v, want %q", test.t, test.content, got, err, test.want)
		}
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		r               Resource
		want, announced string
		has             string
	}{
		{Resource{Type: TypeContainer}, "m2m:cnt", "m2m:cntA", "mni"},
		{Resource{Type: TypeSubscription}, "m2m:sub", "", "nu"},
		{Resource{Type: TypeMgmtObj, Specialisation: "m2m:bat"}, "m2m:bat", "m2m:batA", "btl"},
		{Resource{Type: TypeFlexContainer, Specialisation: "cod:tempe"}, "cod:tempe", "cod:tempeAnnc", "curT0"},
		{Resource{Type: TypeFlexContainer, Specialisation: "my:own"}, "my:own", "my:ownAnnc", "whatever"},
		{Resource{Type: TypeFlexContainer.Announced(), Specialisation: "cod:tempeAnnc"}, "cod:tempeAnnc", "", "curT0"},
	} {
		if got := test.r.Element(); got != test.want {
			t.Errorf("%s: got the element %q, want %q", test.r.Type, got, test.want)
		}
		if got := test.r.AnnouncedElement(); got != test.announced {
			t.Errorf("%s: got the announced element %q, want %q", test.want, got, test.announced)
		}
		if !test.r.Has(test.has) || !test.r.Has("ri") || test.r.Has("no such") {
			t.Errorf("%s: got has %s %t, ri %t", test.want, test.has, test.r.Has(test.has), test.r.Has("ri"))
		}
		raw, err := json.Marshal(test.r)
		var again Resource
		if err != nil || json.Unmarshal(raw, &again) != nil || again.Specialisation != test.r.Specialisation {
			t.Errorf("%s: got %+v from %s", test.want, again, raw)
		}
		if want := `{"` + test.want + `":{"ty":`; !strings.HasPrefix(string(test.r.Wrap()), want) {
			t.Errorf("%s: got %s", test.want, test.r.Wrap())
		}
	}
}

func TestAnnouncement(t *testing.T) {
	t.Parallel()
	r := Resource{Type: TypeContainer}
	for name, want := range map[string]Announcement{"lbl": MA, "mni": OA, "cni": NA, "st": NA, "x": NA, "et": MA} {
		if got := r.Announcement(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]bool{"lnk": true, "mni": true, "lbl": true, "acpi": true, "cni": false, "at": false} {
		if got := TypeContainer.Announced().Has(name); got != want {
			t.Errorf("announced %s: got %t, want %t", name, got, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		object, short string
		want          Kind
	}{
		{"m2m:cnt", "mni", Integer}, {"m2m:cnt", "lbl", Strings}, {"m2m:cnt", "disr", Boolean}, {"m2m:cnt", "ty", Integer},
		{"m2m:cin", "con", Any}, {"m2m:sub", "enc", Object}, {"enc", "net", Integers}, {"enc", "om", Objects}, {"om", "ops", Integer},
		{"m2m:acp", "pv", Object}, {"pv", "acr", Objects}, {"acr", "acop", Integer}, {"acr", "acor", Strings}, {"acip", "ipv4", Strings},
		{"aclr", "accr", Floats}, {"se", "sce", Strings}, {"m2m:bat", "btl", Integer}, {"m2m:batA", "btl", Integer},
		{"cod:tempe", "curT0", Float}, {"my:own", "thing", Any}, {"m2m:cntA", "lnk", String}, {"cod:tempeAnnc", "curT0", Float},
		{"m2m:rqp", "op", Integer}, {"m2m:rqp", "pc", Object}, {"m2m:rqp", "fc", Object}, {"fc", "ty", Integers}, {"fc", "atr", Objects},
		{"m2m:rsp", "rsc", Integer}, {"m2m:sgn", "nev", Object}, {"nev", "net", Integer}, {"m2m:sgn", "vrq", Boolean},
		{"m2m:agn", "m2m:sgn", Objects}, {"m2m:rrl", "rrf", Objects}, {"rrf", "typ", Integer}, {"m2m:req", "mi", Object},
		{"", "m2m:uril", Strings}, {"", "m2m:dbg", String}, {"", "m2m:cnt", Object}, {"", "m2m:agr", Object}, {"", "x", Any},
		{"m2m:cnt", "x", Any}, {"x", "y", Any},
	} {
		if got := KindOf(test.object, test.short); got != test.want {
			t.Errorf("%s/%s: got %s, want %s", test.object, test.short, got, test.want)
		}
	}
	for k := Any; k <= Anything; k++ {
		if k.String() == "" || k.List() != strings.HasPrefix(k.String(), "list") {
			t.Errorf("kind %d: got %q, list %t", k, k, k.List())
		}
	}
}
