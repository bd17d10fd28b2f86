package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// testLook looks at resources together with what belongs to them.
func testLook(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	self := primitive.Identity{SPID: "sp.example", CSEID: "/id-in", Name: "cse-in"}
	look := func(v store.View) (store.Sight, error) {
		v.Now, v.Identity, v.Note = now, self, "watched"
		return s.Look(t.Context(), v)
	}
	see := func(a primitive.Address) store.Sight {
		t.Helper()
		sight, err := look(store.View{Address: a})
		if err != nil {
			t.Fatalf("look at %s: %v", a, err)
		}
		return sight
	}

	// As Get sees it.
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{"_watched":true,"mni":3}`, limited(3, -1)))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s2", `{"nu":["Cb"]}`))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s1", `{"nu":["Ca"]}`))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "old", `{"nu":["Cc"]}`, expires(now.Add(-time.Hour))))
	subscribers := func(n store.Node) []string {
		var list []string
		for _, r := range n.Subscriptions {
			list = append(list, r.Name()+" of "+r.ParentID)
		}
		return list
	}
	both := []string{"s1 of cse-in.c", "s2 of cse-in.c"}
	for _, a := range []primitive.Address{path("cse-in/c"), id("cse-in.c")} {
		got, want := see(a), get(t, s, a)
		if list := subscribers(got.Node); !slices.Equal(list, both) {
			t.Errorf("%s: got subscriptions %q, want %q", a, list, both)
		}
		got.Subscriptions = nil
		if !reflect.DeepEqual(got.Node, want) {
			t.Errorf("%s: got %+v\nwant %+v", a, got.Node, want)
		}
	}
	for _, e := range []primitive.Edge{primitive.Latest, primitive.Oldest} {
		if got := see(edge("cse-in/c", e)); got.Resource.ID != "" || got.Governor.ID != "cse-in.c" || !slices.Equal(subscribers(got.Node), both) {
			t.Errorf("%s of nothing: got %+v", e, got)
		}
	}
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":"\"_watched\":"}`, sized(1)))
	for _, a := range []primitive.Address{edge("cse-in/c", primitive.Latest), edge("cse-in/c", primitive.Oldest), path("cse-in/c/i"), path("cse-in/c/s1")} {
		if got := see(a); len(got.Subscriptions) > 0 || got.Resource.ID == "" || !reflect.DeepEqual(got.Node, get(t, s, a)) {
			t.Errorf("%s: got %+v", a, got)
		}
	}
	create(t, s, "cse-in", child(resource.TypeContainer, "quiet", `{"mni":3}`))
	create(t, s, "cse-in/quiet", child(resource.TypeSubscription, "s", `{"nu":["Cb"]}`))
	if got := see(path("cse-in/quiet")); len(got.Subscriptions) > 0 {
		t.Errorf("a resource without the note: got %q", subscribers(got.Node))
	}

	// Below an identifier.
	for _, v := range []store.View{{Address: id("cse-in.c"), Below: "i"}, {Address: id("id-in"), Below: "c/i"},
		{Address: primitive.Address{ID: "id-in", Edge: primitive.Latest}, Below: "c"}} {
		if got, err := look(v); err != nil || got.Resource.Path != "cse-in/c/i" || got.Governor.ID != "cse-in.c" {
			t.Errorf("%s and %s: got %+v, %v", v.Address, v.Below, got.Node, err)
		}
	}
	for _, v := range []store.View{{Address: id("id-in"), Below: "nothing"}, {Address: id("nothing"), Below: "c"}, {Address: id("nothing")},
		{Address: id("cse-in.c.old"), Below: "x"}, {Address: path("cse-in/c/old")}} {
		if got, err := look(v); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s and %s: got %+v, %v, want not found", v.Address, v.Below, got.Node, err)
		}
	}

	// Who looks.
	create(t, s, "cse-in", child(resource.TypeAE, "gone", `{}`, expires(now.Add(-time.Hour))))
	for visitor, want := range map[string]resource.Type{"cse-in.c": resource.TypeContainer, "nothing": 0, "cse-in.gone": 0, "": 0} {
		if got, err := look(store.View{Address: path("cse-in"), Visitor: visitor}); err != nil || got.Visitor != want {
			t.Errorf("visitor %q: got %d, %v, want %d", visitor, got.Visitor, err, want)
		}
	}

	// Links of AEs, and the node that they name.
	create(t, s, "cse-in", child(resource.TypeNode, "node", `{"ni":"x"}`))
	for i, l := range []struct {
		link string
		want bool
	}{
		{"cse-in.node", true}, {"cse-in/node", true}, {"-/node", true}, {"/id-in/cse-in.node", true}, {"/id-in/cse-in/node", true}, {"/id-in/-/node", true},
		{"//sp.example/id-in/cse-in/node", true}, {"//sp.example/id-in/-/node", true}, {"//sp.example/id-in/cse-in.node", true},
		{"cse-in.gone", false}, {"nothing", false}, {"/id-mn/cse-in.node", false}, {"//other/id-in/cse-in.node", false}, {"id-in/cse-in.node", false},
	} {
		name := fmt.Sprintf("ae%02d", i)
		create(t, s, "cse-in", child(resource.TypeAE, name, fmt.Sprintf(`{"nl":%q}`, l.link)))
		if got := see(path("cse-in/" + name)); got.Linked != l.want {
			t.Errorf("link %s: got %t, want %t", l.link, got.Linked, l.want)
		}
	}
	create(t, s, "cse-in", child(resource.TypeAE, "ae", `{}`))
	if see(path("cse-in/ae")).Linked {
		t.Error("an AE without link is linked")
	}
	create(t, s, "cse-in", child(resource.TypeAE, "second", `{"nl":"cse-in.node"}`))
	create(t, s, "cse-in", child(resource.TypeAE, "expired", `{"nl":"cse-in.node"}`, expires(now.Add(-time.Hour))))
	if got, want := see(path("cse-in/node")).Hosted, []string{"cse-in.ae00", "cse-in.second"}; !slices.Equal(got, want) {
		t.Errorf("hosted: got %q, want %q", got, want)
	}

	// Members of groups.
	create(t, s, "cse-in", child(resource.TypeGroup, "g", `{"mid":["cse-in.c","cse-in.c/la","nothing","nothing2/fopt","cse-in.gone","/id-mn/x"]}`))
	create(t, s, "cse-in", child(resource.TypeGroup, "whole", `{"mid":["cse-in.c","id-in"]}`))
	create(t, s, "cse-in", child(resource.TypeGroup, "empty", `{}`))
	missing := see(path("cse-in/g")).Missing
	slices.Sort(missing)
	if want := []string{"", "cse-in.gone", "nothing", "nothing2"}; !slices.Equal(missing, want) {
		t.Errorf("missing: got %q, want %q", missing, want)
	}
	for _, g := range []string{"cse-in/whole", "cse-in/empty", "cse-in/c"} {
		if got := see(path(g)); len(got.Missing)+len(got.Hosted) > 0 {
			t.Errorf("%s: got %+v, want nothing missing", g, got)
		}
	}
}

// testGetAll gets several resources at once.
func testGetAll(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{"lbl":["x"]}`))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "d", `{}`))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "old", `{}`, expires(now.Add(-time.Hour))))
	for _, c := range []struct {
		what string
		list []primitive.Address
		want []string
	}{
		{"nothing", nil, nil},
		{"what is not there", []primitive.Address{path("cse-in/x"), id("x")}, nil},
		{"by paths", []primitive.Address{path("cse-in/c/d"), path("cse-in/c"), path("cse-in")}, []string{"cse-in", "cse-in/c", "cse-in/c/d"}},
		{"by identifiers", []primitive.Address{id("cse-in.c.i"), id("id-in")}, []string{"cse-in", "cse-in/c/i"}},
		{"by both, one of them twice, one expired", []primitive.Address{id("cse-in.c"), path("cse-in/c"), path("cse-in/c/i"), path("cse-in/c/old"), id("x")},
			[]string{"cse-in/c", "cse-in/c/i"}},
	} {
		found, err := s.GetAll(t.Context(), c.list, now)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		var got []string
		for _, r := range found {
			got = append(got, r.Path)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
	found, err := s.GetAll(t.Context(), []primitive.Address{id("cse-in.c")}, now)
	want, wantErr := s.Get(t.Context(), path("cse-in/c"), now)
	if err != nil || wantErr != nil || !reflect.DeepEqual(found, []resource.Resource{want.Resource}) {
		t.Errorf("got %+v, %v, want what Get returns: %+v, %v", found, err, want.Resource, wantErr)
	}
}
