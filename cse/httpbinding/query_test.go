package httpbinding

import (
	"slices"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

func TestTarget(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/cse-in/ae": "cse-in/ae", "/cse-in/ae/": "cse-in/ae/", "/": "", "/~/id-in/x": "/id-in/x", "/~/id-in/": "/id-in/", "//x": "/x", "/_/sp/id-in/x": "//sp/id-in/x",
		"/-/x": "-/x", "/~x": "~x",
	} {
		if got := target(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// FuzzQuery feeds query strings to the parser: it must neither fail other than by a bad request nor let anything through that the
// store does not expect.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"fu=1&ty=3+4&lbl=a%20b", "cra=20260101T000000&fo=2&lim=5&ofst=2&lvl=1", "cr=Sam*&rn=x", "&&=", "ty=%2B", "lbl=%00", "szb=-1", "atrl=rn+ri", "rcn=4&drt=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var p primitive.Request
		if err := decodeQuery(raw, &p); err != nil {
			if e := primitive.AsError(err); e.Status != primitive.BadRequest {
				t.Fatalf("%q: got %v, want a bad request", raw, err)
			}
			return
		}
		for _, a := range p.Filter.Attributes {
			if strings.ContainsAny(a.Name, "'\" ;") {
				t.Fatalf("%q: got an attribute named %q", raw, a.Name)
			}
		}
		if n := p.Filter; n.Limit < 0 || n.Offset < 0 || n.Level < 0 || slices.ContainsFunc(n.Labels, func(l string) bool { return strings.ContainsRune(l, 0) }) {
			t.Fatalf("%q: got %+v", raw, n)
		}
	})
}
