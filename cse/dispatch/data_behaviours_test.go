package dispatch

import (
	"fmt"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestDeletionCount retrieves an instance until it is gone, TS-0001 clause 9.6.7.
func TestDeletionCount(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c"}}`, primitive.Created)
	create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"i","con":"x","dcnt":3}}`, primitive.Created)
	for want := 3; want > 0; want-- {
		if got := retrieve(t, d, "cse-in/ae/c/i", primitive.OK)["dcnt"]; got != float64(want) {
			t.Errorf("got %v, want %d", got, want)
		}
	}
	retrieve(t, d, "cse-in/ae/c/i", primitive.NotFound)
	if got := retrieve(t, d, "cse-in/ae/c", primitive.OK)["cni"]; got != float64(0) {
		t.Errorf("the container counts %v instances", got)
	}
}

// TestNodeLinks has an AE move from one node to another.
func TestNodeLinks(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	admin := func(o primitive.Operation, to string, ty int, content string, want primitive.Status) map[string]any {
		t.Helper()
		p := handle(t, d, primitive.Request{Operation: o, To: to, From: "CAdmin", ResourceType: ty, Content: []byte(content)}, want)
		if len(p.Content) == 0 {
			return nil
		}
		return attributesOf(t, p)
	}
	one := admin(primitive.Create, "cse-in", 14, `{"m2m:nod":{"rn":"one","ni":"1","hael":["Cother"]}}`, primitive.Created)["ri"]
	two := admin(primitive.Create, "cse-in", 14, `{"m2m:nod":{"rn":"two","ni":"2"}}`, primitive.Created)["ri"]
	for _, step := range []struct {
		link     any
		one, two string
	}{{one, "[Cother Cme]", "<nil>"}, {two, "[Cother]", "[Cme]"}} {
		update(t, d, "cse-in/ae", fmt.Sprintf(`{"m2m:ae":{"nl":%q}}`, step.link), primitive.Updated)
		for node, want := range map[string]string{"one": step.one, "two": step.two} {
			if got := fmt.Sprint(admin(primitive.Retrieve, "cse-in/"+node, 0, "", primitive.OK)["hael"]); got != want {
				t.Errorf("linked to %v: node %s hosts %s, want %s", step.link, node, got, want)
			}
		}
	}
	admin(primitive.Delete, "cse-in/two", 0, "", primitive.Deleted)
	if link := retrieve(t, d, "cse-in/ae", primitive.OK)["nl"]; link != nil {
		t.Errorf("the AE is linked to %v, which is gone", link)
	}
}

// TestMgmtObj gives commands to management objects, TS-0001 annex D.
func TestMgmtObj(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	send := func(o primitive.Operation, to string, ty int, content string, want primitive.Status) map[string]any {
		t.Helper()
		return attributesOf(t, handle(t, d, primitive.Request{Operation: o, To: to, From: "CAdmin", ResourceType: ty, Content: []byte(content)}, want))
	}
	send(primitive.Create, "cse-in", 14, `{"m2m:nod":{"rn":"n","ni":"1"}}`, primitive.Created)
	send(primitive.Create, "cse-in/n", 13, `{"m2m:rbo":{"mgd":1009,"rn":"r"}}`, primitive.Created)
	send(primitive.Create, "cse-in/n", 13, `{"m2m:swr":{"mgd":1002,"rn":"s","vr":"1","swn":"s","url":"u"}}`, primitive.Created)
	for _, c := range []struct {
		to, content string
		want        primitive.Status
		name, value string
	}{
		{"r", `{"m2m:rbo":{"rbo":true}}`, primitive.Updated, "rbo", "false"},
		{"r", `{"m2m:rbo":{"rbo":true,"far":true}}`, primitive.BadRequest, "", ""},
		{"s", `{"m2m:swr":{"in":true}}`, primitive.Updated, "ins", "map[acn:install sus:3]"},
		{"s", `{"m2m:swr":{"ins":{"acn":"install","sus":1}}}`, primitive.Updated, "ins", "map[acn:install sus:1]"},
		{"s", `{"m2m:swr":{"un":true}}`, primitive.Updated, "in", "false"},
		{"s", `{"m2m:swr":{"act":true}}`, primitive.Updated, "acts", "map[acn:activate sus:3]"},
	} {
		got := send(primitive.Update, "cse-in/n/"+c.to, 0, c.content, c.want)
		if c.name != "" && fmt.Sprint(got[c.name]) != c.value {
			t.Errorf("%s: %s is %v, want %s", c.content, c.name, got[c.name], c.value)
		}
	}
}

// TestSchedules: a parent has one schedule, whose name a subscription prescribes; TS-0004 clause 7.4.9.
func TestSchedules(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	const always = `"se":{"sce":["* * * * * * *"]}`
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"s","nco":false,`+always+`}}`, primitive.ContentsUnacceptable)
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"s",`+always+`}}`, primitive.Created)
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"t",`+always+`}}`, primitive.BadRequest)
	update(t, d, "cse-in/ae/s", `{"m2m:sch":{"nco":true}}`, primitive.ContentsUnacceptable)
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"rn":"sub","nu":["Cme"]}}`, primitive.Created)
	create(t, d, "cse-in/ae/sub", 18, `{"m2m:sch":{"rn":"s",`+always+`}}`, primitive.BadRequest)
	create(t, d, "cse-in/ae/sub", 18, `{"m2m:sch":{`+always+`}}`, primitive.Created)
	retrieve(t, d, "cse-in/ae/sub/notificationSchedule", primitive.OK)
}

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
