package primitive

import (
	"strings"
	"testing"
)

var self = Identity{SPID: "sp.example", CSEID: "/id-in", Name: "cse-in"}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to     string
		want   Address
		status Status
	}{
		{"cse-in", Address{Path: "cse-in"}, 0},
		{"-", Address{Path: "cse-in"}, 0},
		{"-/ae/c", Address{Path: "cse-in/ae/c"}, 0},
		{"cse-in/ae/c/la", Address{Path: "cse-in/ae/c", Edge: Latest}, 0},
		{"cnt1", Address{ID: "cnt1"}, 0},
		{"cnt1/ol", Address{ID: "cnt1", Edge: Oldest}, 0},
		{"la", Address{ID: "la"}, 0},
		{"cnt1/x", Address{}, NotFound},
		{"/id-in", Address{Path: "cse-in"}, 0},
		{"/id-in/", Address{Path: "cse-in"}, 0},
		{"/id-in/cnt1", Address{ID: "cnt1"}, 0},
		{"/id-in/-/ae", Address{Path: "cse-in/ae"}, 0},
		{"/id-mn/cse-mn", Address{}, TargetNotReachable},
		{"//sp.example/id-in/cse-in/ae", Address{Path: "cse-in/ae"}, 0},
		{"//sp.example/id-in", Address{Path: "cse-in"}, 0},
		{"//sp.example", Address{}, TargetNotReachable},
		{"//other/id-in/cse-in", Address{}, TargetNotReachable},
		{"", Address{}, BadRequest},
		{"cse-in/", Address{}, BadRequest},
		{"cse-in/a b", Address{}, BadRequest},
		{"cse-in/ä", Address{}, BadRequest},
		{strings.Repeat("a/", 64) + "a", Address{}, BadRequest},
		{"cse-in/" + strings.Repeat("a", 2000), Address{}, BadRequest},
	} {
		got, err := self.Resolve(c.to)
		var status Status
		if err != nil {
			status = AsError(err).Status
		}
		if got != c.want || status != c.status {
			t.Errorf("%q: got %+v, %v, want %+v, %d", c.to, got, err, c.want, c.status)
		}
	}
}

func TestLocalID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"Cme": "Cme", "/id-in/Cme": "Cme", "//sp.example/id-in/Cme": "Cme", "/id-mn/Cme": "/id-mn/Cme", "//other/id-in/Cme": "//other/id-in/Cme", "": "",
	} {
		if got := self.LocalID(id); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

// FuzzResolve checks that what an address resolves to resolves to itself, and that nothing gets through that no name can have.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"cse-in/a/la", "/id-in/cnt1", "//sp.example/id-in/-", "-/-", "a//b", "%00", "la/ol"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, to string) {
		a, err := self.Resolve(to)
		if err != nil {
			return
		}
		if (a.ID == "") == (a.Path == "") {
			t.Fatalf("%q: got %+v, want either identifier or path", to, a)
		}
		if strings.ContainsAny(a.String(), " %\x00'\"\\*") {
			t.Fatalf("%q: got %q", to, a)
		}
		if again, err := self.Resolve(a.String()); err != nil || again != a {
			t.Fatalf("%q: got %+v, and from that %+v, %v", to, a, again, err)
		}
	})
}

func TestHybrid(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"cnt1/x": "cnt1 x", "/id-in/cnt1/x/y/la": "cnt1 x/y/la", "//sp.example/id-in/cnt1/x": "cnt1 x", "cnt1/x/fopt/y": "cnt1 x/fopt/y",
		"cnt1": "", "cnt1/la": "", "grp1/fopt/x/y": "", "cse-in/ae": "", "-/ae": "", "/id-mn/cnt1/x": "", "cnt1//x": "", "cnt1/ä": "", "": "",
	} {
		got := ""
		if id, below, ok := self.Hybrid(to); ok {
			got = id + " " + below
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", to, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"a*a", "a", false}, {"a*b*c", "aXbYc", true}, {"*", "", true}, {"", "", true}} {
		if got := Match(c.pattern, c.s); got != c.want {
			t.Errorf("%q, %q: got %t", c.pattern, c.s, got)
		}
	}
}
