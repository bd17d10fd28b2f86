package dispatch

import (
	"fmt"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

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
