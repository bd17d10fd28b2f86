package dispatch

import (
	"fmt"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

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
