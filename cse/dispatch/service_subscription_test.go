package dispatch

import (
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestAppRules: once there are serviceSubscribedAppRules, only AEs that one of them allows can register.
func TestAppRules(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	register := func(originator, app string, want primitive.Status) {
		t.Helper()
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in", From: originator, ResourceType: 2,
			Content: []byte(`{"m2m:ae":{"api":"` + app + `","rr":false}}`)}, want)
	}
	register("Cfirst", "Nany", primitive.Created)
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in", From: "CAdmin", ResourceType: 19,
		Content: []byte(`{"m2m:asar":{"aai":["Ngood*"],"aae":["C*"]}}`)}, primitive.Created)
	register("Csecond", "Nbad", primitive.AppRuleValidationFailed)
	register("Csecond", "Ngood1", primitive.Created)
	register("Sthird", "Ngood1", primitive.AppRuleValidationFailed)
	register("C", "Ngood1", primitive.Created)
}

// TestAppIDOfRelease: an App-ID in lower case is borne until Release 4.
func TestAppIDOfRelease(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	d.Releases = []string{"3", "4"}
	for release, want := range map[string]primitive.Status{"3": primitive.Created, "4": primitive.BadRequest} {
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in", From: "C", ResourceType: 2, ReleaseVersion: release,
			Content: []byte(`{"m2m:ae":{"api":"racme","rr":false}}`)}, want)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"abc", "abc", true}, {"abc", "abcd", false}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true},
		{"a*c", "a", false}, {"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"*", "", true}, {"", "", true}, {"ab*ba", "aba", false},
	} {
		if got := matches(c.pattern, c.s); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.s, got)
		}
	}
}
