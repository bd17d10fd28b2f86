package access

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	rule := func(op resource.Permission, originators ...string) resource.Rule {
		return resource.Rule{Originators: originators, Operations: op}
	}
	cnt, cin, base, acp := resource.TypeContainer, resource.TypeContentInstance, resource.TypeCSEBase, resource.TypeAccessControlPolicy
	own := Subject{Type: cnt, Creator: "Cmaker", Host: "Cae"}
	governed := func(rules ...resource.Rule) Subject {
		return Subject{Type: cnt, Creator: "Cmaker", Host: "Cae", Governed: true, Rules: rules}
	}
	inside := rule(resource.MayRetrieve, "C1")
	inside.Contexts = []resource.RuleContext{{Addresses: &resource.RuleAddresses{IPv4: []string{"10.0.0.0/8"}, IPv6: []string{"2001:db8::1"}}}}
	typed := rule(resource.MayCreate|resource.MayRetrieve, "C1")
	typed.Objects = []resource.RuleObject{{Type: cnt, ChildTypes: []resource.Type{cin}}}
	here := primitive.Identity{SPID: "sp", CSEID: "/id-in", Name: "cse-in"}
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(t time.Time) Request { return Request{Originator: "C1", Operation: resource.MayRetrieve, Now: t} }
	context := func(c resource.RuleContext) Subject {
		r := rule(resource.MayRetrieve, "C1")
		r.Contexts = []resource.RuleContext{c}
		return governed(r)
	}
	mornings := resource.RuleContext{Times: []string{"* * 5-6 * * * *", "* * 8-11 * * * *"}}
	some := rule(resource.MayUpdate, "C1")
	some.Attributes = []string{"lbl", "mni"}
	more := rule(resource.MayUpdate, "C1")
	more.Attributes = []string{"mbs"}
	touching := func(names ...string) Request {
		return Request{Originator: "C1", Operation: resource.MayUpdate, Attributes: func() []string { return names }}
	}
	proved := rule(resource.MayRetrieve, "C1")
	proved.Authenticated = true
	special := rule(resource.MayRetrieve, "C1")
	special.Objects = []resource.RuleObject{{Type: resource.TypeFlexContainer, Specialisation: &resource.RuleSpecialisation{ContainerDefinition: "org.x"}}}
	flex := func(definition string) Subject {
		s := governed(special)
		s.Type, s.ContainerDefinition = resource.TypeFlexContainer, definition
		return s
	}
	kept := own
	kept.Custodian = "Ckeeper"
	announced := Subject{Type: cnt.Announced(), Creator: "/id-mn", Governed: true}
	for _, c := range []struct {
		what string
		r    Request
		s    Subject
		want bool
	}{
		{"admin", Request{Originator: "CAdmin", Admin: "CAdmin", Operation: resource.MayDelete}, governed(), true},
		{"no admin, no originator", Request{Operation: resource.MayDelete}, own, false},
		{"no originator, nobody's resource", Request{Operation: resource.MayRetrieve}, Subject{Type: cnt}, false},
		{"creator", Request{Originator: "Cmaker", Operation: resource.MayUpdate}, own, true},
		{"hosting AE", Request{Originator: "Cae", Operation: resource.MayUpdate}, own, true},
		{"other", Request{Originator: "Cx", Operation: resource.MayRetrieve}, own, false},
		{"policies replace the creator", Request{Originator: "Cmaker", Operation: resource.MayRetrieve}, governed(rule(resource.MayAll, "C1")), false},
		{"named", Request{Originator: "C1", Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "C0", "C1")), true},
		{"named for other operations", Request{Originator: "C1", Operation: resource.MayUpdate}, governed(rule(resource.MayAll&^resource.MayUpdate, "C1")), false},
		{"one rule of several", Request{Originator: "C1", Operation: resource.MayUpdate}, governed(rule(resource.MayRetrieve, "C1"), rule(resource.MayUpdate, "all")), true},
		{"all", Request{Originator: "Cx", Operation: resource.MayNotify}, governed(rule(resource.MayNotify, "all")), true},
		{"pattern", Request{Originator: "Csensor-7", Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "C*-7")), true},
		{"pattern must match whole", Request{Originator: "Csensor-70", Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "C*-7")), false},
		{"pattern does not overlap itself", Request{Originator: "Ca", Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "Ca*a")), false},
		{"pattern of two", Request{Originator: "CaXbYc", Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "Ca*b*c")), true},
		{"policy by its own rules", Request{Originator: "C1", Operation: resource.MayDelete}, Subject{Type: acp, Creator: "Cmaker", Rules: []resource.Rule{rule(resource.MayDelete, "C1")}}, true},
		{"policy not by its creator", Request{Originator: "Cmaker", Operation: resource.MayDelete}, Subject{Type: acp, Creator: "Cmaker"}, false},
		{"network", Request{Originator: "C1", Operation: resource.MayRetrieve, RemoteIP: netip.MustParseAddr("10.1.2.3")}, governed(inside), true},
		{"network, mapped", Request{Originator: "C1", Operation: resource.MayRetrieve, RemoteIP: netip.MustParseAddr("::ffff:10.1.2.3")}, governed(inside), true},
		{"network, IPv6", Request{Originator: "C1", Operation: resource.MayRetrieve, RemoteIP: netip.MustParseAddr("2001:db8::1")}, governed(inside), true},
		{"other network", Request{Originator: "C1", Operation: resource.MayRetrieve, RemoteIP: netip.MustParseAddr("192.0.2.1")}, governed(inside), false},
		{"unknown network", Request{Originator: "C1", Operation: resource.MayRetrieve}, governed(inside), false},
		{"child type", Request{Originator: "C1", Operation: resource.MayCreate, ChildType: cin}, governed(typed), true},
		{"other child type", Request{Originator: "C1", Operation: resource.MayCreate, ChildType: cnt}, governed(typed), false},
		{"object details, no create", Request{Originator: "C1", Operation: resource.MayRetrieve}, governed(typed), true},
		{"anyone registers", Request{Operation: resource.MayCreate, ChildType: resource.TypeAE}, Subject{Type: base}, true},
		{"nobody registers below", Request{Operation: resource.MayCreate, ChildType: resource.TypeAE}, own, false},
		{"registered reads the base", Request{Originator: "C1", Registered: true, Operation: resource.MayRetrieve}, Subject{Type: base}, true},
		{"registered does not create containers in it", Request{Originator: "C1", Registered: true, Operation: resource.MayCreate, ChildType: cnt}, Subject{Type: base}, false},
		{"registered creates policies in it", Request{Originator: "C1", Registered: true, Operation: resource.MayCreate, ChildType: acp}, Subject{Type: base}, true},
		{"stranger does not read the base", Request{Originator: "C1", Operation: resource.MayRetrieve}, Subject{Type: base}, false},
		{"in one of the times", at(noon.Add(-time.Hour)), context(mornings), true},
		{"in none of the times", at(noon), context(mornings), false},
		{"in time, but not in place", at(noon.Add(-time.Hour)), context(resource.RuleContext{Times: mornings.Times, Addresses: &resource.RuleAddresses{IPv4: []string{"10.0.0.0/8"}}}), false},
		{"nobody's location is known", at(noon), context(resource.RuleContext{Location: &resource.RuleLocation{Countries: []string{"DE"}}}), false},
		{"attributes", touching("lbl", "mni"), governed(some), true},
		{"attributes of two rules", touching("lbl", "mbs"), governed(some, more), true},
		{"an attribute of no rule", touching("lbl", "mbs"), governed(some), false},
		{"unknown attributes", Request{Originator: "C1", Operation: resource.MayUpdate}, governed(some), false},
		{"a rule without attributes covers all", touching("mbs"), governed(some, rule(resource.MayUpdate, "C1")), true},
		{"not proved", at(noon), governed(proved), false},
		{"proved", Request{Originator: "C1", Operation: resource.MayRetrieve, Authenticated: true}, governed(proved), true},
		{"specialisation", at(noon), flex("org.x"), true},
		{"other specialisation", at(noon), flex("org.y"), false},
		{"SP-relative name", Request{Originator: "C1", CSE: here, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "/id-in/C1")), true},
		{"absolute name", Request{Originator: "C1", CSE: here, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "//sp/id-in/C*")), true},
		{"name at another CSE", Request{Originator: "C1", CSE: here, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "/id-mn/C1")), false},
		{"all of this CSE", Request{Originator: "/id-mn/C1", CSE: here, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "/id-in/*")), false},
		{"group", Request{Originator: "C1", Aliases: []string{"grp1"}, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "grp1")), true},
		{"other group", Request{Originator: "C1", Aliases: []string{"grp2"}, Operation: resource.MayRetrieve}, governed(rule(resource.MayRetrieve, "grp1")), false},
		{"custodian", Request{Originator: "Ckeeper", Operation: resource.MayDelete}, kept, true},
		{"a custodian replaces the creator", Request{Originator: "Cmaker", Operation: resource.MayRetrieve}, kept, false},
		{"the original's CSE", Request{Originator: "/id-mn", Operation: resource.MayUpdate}, announced, true},
		{"another CSE", Request{Originator: "/id-asn", Operation: resource.MayUpdate}, announced, false},
		{"announced policy by the rules it carries", at(noon), Subject{Type: acp.Announced(), Creator: "/id-mn", Rules: []resource.Rule{rule(resource.MayRetrieve, "C1")}}, true},
		{"a registered CSE announces its CSEBase", Request{Originator: "/id-mn", Registered: true, Operation: resource.MayCreate, ChildType: base.Announced()}, Subject{Type: base}, true},
		{"an AE of it does not", Request{Originator: "/id-mn/C1", Registered: true, Operation: resource.MayCreate, ChildType: base.Announced()}, Subject{Type: base}, false},
		{"nor an AE here", Request{Originator: "C1", Registered: true, Operation: resource.MayCreate, ChildType: base.Announced()}, Subject{Type: base}, false},
	} {
		if got := Allowed(c.r, c.s); got != c.want {
			t.Errorf("%s: got %t, want %t", c.what, got, c.want)
		}
	}
}

// TestDecideAttributes looks at what originators may see who may only touch some attributes.
func TestDecideAttributes(t *testing.T) {
	t.Parallel()
	r := resource.Rule{Originators: []string{"C1"}, Operations: resource.MayRetrieve, Attributes: []string{"lbl", "rn"}}
	s := Subject{Type: resource.TypeContainer, Governed: true, Rules: []resource.Rule{r}}
	request := Request{Originator: "C1", Operation: resource.MayRetrieve, Attributes: func() []string { return []string{"lbl"} }}
	if d := Decide(request, s); !d.Allowed || !slices.Equal(d.Attributes, r.Attributes) {
		t.Errorf("got %+v, want %v", d, r.Attributes)
	}
	r.Attributes = nil
	s.Rules = append(s.Rules, r)
	if d := Decide(request, s); !d.Allowed || d.Attributes != nil {
		t.Errorf("got %+v, want all attributes", d)
	}
}
