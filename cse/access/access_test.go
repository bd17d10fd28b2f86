package access

import (
	"net/netip"
	"testing"

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
	} {
		if got := Allowed(c.r, c.s); got != c.want {
			t.Errorf("%s: got %t, want %t", c.what, got, c.want)
		}
	}
}
