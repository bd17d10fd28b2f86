package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// specimen is one resource type, or one of its specialisations, as TS-0004 clause 7.4 has it.
type specimen struct {
	clause     string // and long name
	ty         int
	element    string // name of the object
	parent     string // long name of a type below which it may be created
	children   []int  // types that may be below it
	attributes string // a table, see governed
}

// attribute is one line of the table of a specimen.
type attribute struct {
	name, create, update string
	valid, wrong         string // JSON, see specimens; - for none
}

var columns = regexp.MustCompile(`\s{2,}`)

// table reads the attributes of p.
func (p specimen) table() []attribute {
	var list []attribute
	for line := range strings.Lines(p.attributes) {
		if f := columns.Split(strings.TrimSpace(line), -1); len(f) == 5 {
			list = append(list, attribute{f[0], f[1], f[2], f[3], f[4]})
		}
	}
	return list
}

// universal are the attributes that every resource has and no request sets, with values they could have.
var universal = []attribute{
	{"ty", "NP", "NP", "3", "-"}, {"ri", "NP", "NP", `"x"`, "-"}, {"pi", "NP", "NP", `"x"`, "-"},
	{"ct", "NP", "NP", `"20260101T000000"`, "-"}, {"lt", "NP", "NP", `"20260101T000000"`, "-"},
}

// resourceTypeCases are what holds for every resource type, for each of them.
var resourceTypeCases = everyType(func(p specimen) []conformanceCase {
	return []conformanceCase{
		{"create and delete with the mandatory attributes alone", p.createsLeast},
	}
})

// resourceValueCases are about what is valid, for every resource type.
var resourceValueCases = everyType(func(p specimen) []conformanceCase {
	list := []conformanceCase{
		{"create with every attribute", p.createsMost},
		{"is the same in JSON, XML and CBOR", p.roundTrips},
		{"create refuses what breaks presence or value", p.refusesCreates},
		{"update attribute by attribute", p.updates},
	}
	if p.ty != tyMgo || strings.HasSuffix(p.clause, " firmware") { // one of many suffices
		list = append(list, conformanceCase{"create refuses children of other types", p.refusesChildren})
	}
	return list
})

func everyType(list func(p specimen) []conformanceCase) []conformanceCase {
	var all []conformanceCase
	for _, p := range specimens {
		for _, c := range list(p) {
			all = append(all, conformanceCase{"TS-0004 " + p.clause + " " + c.clause, c.run})
		}
	}
	return all
}

// specimenOf is the specimen with the long name name.
func specimenOf(name string) specimen {
	i := slices.IndexFunc(specimens, func(p specimen) bool { return strings.HasSuffix(p.clause, " "+name) })
	return specimens[i]
}

// site is where resources of one type can be created, and by whom.
type site struct {
	*session
	specimen
	address string // of the parent
	from    string // who creates
	owner   string // who does everything else
	values  *strings.Replacer
}

// site makes what p needs to be created.
func (p specimen) site(s *session) site {
	s.Helper()
	at := site{session: s, specimen: p, address: "cse-in", from: admin, owner: admin}
	switch p.parent {
	case "CSEBase":
	case "AE":
		at.address, at.from, at.owner = s.Root, s.AE, s.AE
	case "container":
		at.address, at.from, at.owner = s.container(object{}), s.AE, s.AE
	default:
		at.address = specimenOf(p.parent).site(s).creates(specimenOf(p.parent).least()).id()
	}
	if p.element == "m2m:ae" {
		at.from = "C"
	}
	var pairs []string
	if strings.Contains(p.attributes, "$acp") {
		all := object{"acr": []object{{"acor": []string{s.AE, admin}, "acop": 63}}}
		acp := s.create(s.Root, tyACP, object{"m2m:acp": object{"pv": all, "pvs": all}}).want(2001)
		pairs = append(pairs, "$acp", acp.text("m2m:acp/ri"))
	}
	if strings.Contains(p.attributes, "$cnt") {
		pairs = append(pairs, "$cnt", s.get(s.container(object{})).text("m2m:cnt/ri"))
	}
	if strings.Contains(p.attributes, "$event") {
		event := specimenOf("eventConfig").site(s).creates(specimenOf("eventConfig").least())
		pairs = append(pairs, "$event", event.text("m2m:evcg/evi"))
	}
	at.values = strings.NewReplacer(append(pairs, "$ae", s.AE)...)
	return at
}

// value is the value of an attribute that the table gives as text.
func (at site) value(text string) any {
	var v any
	text = strings.ReplaceAll(at.values.Replace(text), "$n", fmt.Sprint(rand.Uint64()))
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		at.Fatalf("%s: %s: %v", at.clause, text, err)
	}
	return v
}

// demanded are attributes that the values of others make mandatory.
var demanded = map[string]map[string]string{
	"m2m:stcl": {"evi": `"$event"`}, // by the only statModel
	"m2m:evcg": {"ds": "7"},         // by the eventType
}

// given are the attributes of p that choose wants, with valid values.
func (p specimen) given(choose func(a attribute) bool) map[string]string {
	m := map[string]string{}
	for _, a := range p.table() {
		if a.valid != "-" && choose(a) {
			m[a.name] = a.valid
		}
	}
	maps.Copy(m, demanded[p.element])
	return m
}

func (p specimen) least() map[string]string {
	return p.given(func(a attribute) bool { return a.create == "M" })
}

func (p specimen) most() map[string]string {
	return p.given(func(a attribute) bool { return a.create != "NP" })
}

// try asks for a resource with the attributes of texts, in the form of the table. It goes with the case.
func (at site) try(texts map[string]string) response {
	at.Helper()
	attributes := object{}
	for name, text := range texts {
		attributes[name] = at.value(text)
	}
	r := at.send(request{op: "POST", to: at.address, from: at.from, ty: at.ty, body: object{at.element: attributes}})
	if r.RSC == 2001 && at.owner == admin {
		id := r.text(at.element + "/ri")
		at.Cleanup(func() { at.send(request{op: "DELETE", to: id, from: admin}) })
	}
	return r
}

// creates is try, but fails the case if there is no resource then.
func (at site) creates(texts map[string]string) response {
	at.Helper()
	return at.try(texts).want(2001)
}

// id is the identifier of the one resource in r.
func (r response) id() string {
	for element := range r.Body.(object) {
		return r.text(element + "/ri")
	}
	return ""
}

func (p specimen) createsLeast(s *session) {
	at := p.site(s)
	r := at.creates(p.least()).has(p.element+"/ty", p.ty)
	parent := s.send(request{op: "GET", to: at.address, from: admin}).want(2000)
	r.has(p.element+"/pi", parent.id(), p.element+"/lt", r.text(p.element+"/ct"))
	for _, name := range []string{"ri", "rn", "ct", "et"} {
		if r.text(p.element+"/"+name) == "" {
			s.Errorf("got no %s in %s", name, r.Raw)
		}
	}
	if r.Header.Get("Content-Location") == "" {
		s.Errorf("got no Content-Location")
	}
	got := s.send(request{op: "GET", to: r.id(), from: at.owner}).want(2000)
	for name, v := range r.Body.(object)[p.element].(object) {
		if !reflect.DeepEqual(got.at(p.element+"/"+name), v) {
			s.Errorf("%s: created as %v, retrieved as %v", name, v, got.at(p.element+"/"+name))
		}
	}
	s.send(request{op: "DELETE", to: r.id(), from: at.owner}).want(2002)
	s.send(request{op: "GET", to: r.id(), from: at.owner}).want(4004)
}

// unlike reports whether the value of the attribute name is not simply what was given: the CSE shortens or fills in.
func (p specimen) unlike(name string) bool {
	return slices.Contains([]string{"et", "cr", "ri", "rn"}, name) || p.element == "m2m:stcl" && name == "lbl" // where the statistics are shown
}

func (p specimen) createsMost(s *session) {
	at := p.site(s)
	texts := p.most()
	attributes := object{}
	for name, text := range texts {
		attributes[name] = at.value(text)
	}
	texts = map[string]string{}
	for name, v := range attributes { // so that what is new each time is what is compared
		raw, _ := json.Marshal(v)
		texts[name] = string(raw)
	}
	texts["rn"] = fmt.Sprintf(`"n%d"`, rand.Uint64())
	id := at.creates(texts).id()
	got := s.send(request{op: "GET", to: id, from: at.owner}).want(2000)
	for name, v := range attributes {
		if !p.unlike(name) && !reflect.DeepEqual(got.at(p.element+"/"+name), v) {
			s.Errorf("%s: got %v, want %v", name, got.at(p.element+"/"+name), v)
		}
	}
	if _, asked := attributes["cr"]; asked {
		got.has(p.element+"/cr", at.from)
	}
	got.has(p.element+"/rn", at.value(texts["rn"]))
}

func (p specimen) refusesCreates(s *session) {
	at := p.site(s)
	refuse := func(what string, change func(m map[string]string)) {
		m := p.least()
		change(m)
		if r := at.try(m); r.RSC != 4000 {
			s.Errorf("%s: got %d %s, want 4000", what, r.RSC, r.Raw)
		}
	}
	for _, a := range slices.Concat(universal, p.table()) {
		switch {
		case a.create == "M":
			refuse("without "+a.name, func(m map[string]string) { delete(m, a.name) })
		case a.create == "NP" && a.valid != "-":
			refuse("with "+a.name, func(m map[string]string) { m[a.name] = a.valid })
		}
		if a.create != "NP" && a.wrong != "-" {
			refuse(a.name+" "+a.wrong, func(m map[string]string) { m[a.name] = a.wrong })
		}
	}
	refuse("unknown attribute", func(m map[string]string) { m["unknown"] = "1" })
	refuse("resourceName", func(m map[string]string) { m["rn"] = `"a/b"` })
	refuse("expired", func(m map[string]string) { m["et"] = `"20200101T000000"` })
	for what, body := range map[string]any{
		"no object": []byte(`[]`), "object of another type": object{"m2m:unknown": object{}}, "attributes that are none": object{p.element: 1},
		"two objects": object{p.element: object{}, "m2m:unknown": object{}}, "no JSON": []byte(`{"`),
	} {
		if r := s.send(request{op: "POST", to: at.address, from: at.from, ty: p.ty, body: body}); r.RSC != 4000 {
			s.Errorf("%s: got %d %s, want 4000", what, r.RSC, r.Raw)
		}
	}
	r := s.send(request{op: "POST", to: at.address, from: at.from, header: []string{fmt.Sprintf("Content-Type: application/json;ty=%d", p.ty)}})
	if r.RSC != 4000 {
		s.Errorf("no content: got %d %s, want 4000", r.RSC, r.Raw)
	}
	if p.parent != "CSEBase" {
		list := s.send(request{op: "GET", to: fmt.Sprintf("%s?fu=1&lvl=1&ty=%d&rn=n*", at.address, p.ty), from: admin}).want(2000).list("m2m:uril")
		if len(list) > 0 {
			s.Errorf("got %v after creates that were refused", list)
		}
	}
}

// shown are attributes that the CSE shows although they were deleted: with their default, or what there is to command.
var shown = []string{"mdd", "rbo", "far", "ena", "enc", "nct"}

func (p specimen) updates(s *session) {
	at := p.site(s)
	id := at.creates(p.most()).id()
	put := func(name string, v any) response {
		return s.send(request{op: "PUT", to: id, from: at.owner, body: object{p.element: object{name: v}}})
	}
	expect := func(rsc int, name string, v any) {
		if r := put(name, v); r.RSC != rsc {
			s.Errorf("update %s to %v: got %d %s, want %d", name, v, r.RSC, r.Raw, rsc)
		}
	}
	if p.ty == tyCin || p.ty == tyTsi {
		put("lbl", []string{"x"}).want(4005)
		return
	}
	for _, a := range slices.Concat(universal, p.table()) {
		switch {
		case a.update == "NP" && a.valid != "-":
			expect(4000, a.name, at.value(a.valid))
		case a.update == "O" && a.valid != "-":
			v := at.value(a.valid)
			r := put(a.name, v).want(2004)
			if got := r.at(p.element + "/" + a.name); !p.unlike(a.name) && !reflect.DeepEqual(got, v) {
				s.Errorf("update %s to %v: got %v", a.name, v, got)
			}
		}
		if a.update == "O" && a.wrong != "-" {
			expect(4000, a.name, at.value(a.wrong))
		}
	}
	expect(4000, "unknown", 1)
	expect(4000, "rn", "new")
	for _, a := range p.table() {
		switch {
		case a.update != "O" || a.valid == "-" || a.name == "et" || demanded[p.element][a.name] != "":
		case a.create == "M":
			expect(4000, a.name, nil)
		default:
			put(a.name, nil).want(2004)
			if !slices.Contains(shown, a.name) && !p.unlike(a.name) {
				s.send(request{op: "GET", to: id, from: at.owner}).want(2000).lacks(p.element + "/" + a.name)
			}
		}
	}
}

func (p specimen) refusesChildren(s *session) {
	at := p.site(s)
	id := at.creates(p.least()).id()
	tried := map[int]bool{}
	for _, child := range specimens {
		if tried[child.ty] || slices.Contains(p.children, child.ty) {
			continue
		}
		tried[child.ty] = true
		body := object{}
		for name, text := range child.least() {
			body[name] = at.value(text)
		}
		from, want := at.owner, 4108
		switch child.element {
		case "m2m:sub":
			want = 5203 // TARGET_NOT_SUBSCRIBABLE
		case "m2m:ae":
			from = "C"
		case "m2m:csr":
			from = admin
		}
		if r := s.send(request{op: "POST", to: id, from: from, ty: child.ty, body: object{child.element: body}}); r.RSC != want {
			s.Errorf("%s: got %d %s, want %d", child.clause, r.RSC, r.Raw, want)
		}
	}
}

// settable are the names of the attributes that a create may give.
func (p specimen) settable() []string {
	return slices.Sorted(maps.Keys(p.most()))
}
