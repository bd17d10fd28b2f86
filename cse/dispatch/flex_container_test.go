package dispatch

import (
	"fmt"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestFlexContainerInstances follows the instances of a flexContainer through its changes.
func TestFlexContainerInstances(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 28, `{"hd:thing":{"rn":"f","cnd":"org.example.thing","level":1,"mni":2}}`, primitive.BadRequest)
	create(t, d, "cse-in/ae", 28, `{"hd:thing":{"rn":"f","cnd":"org.example.thing","level":1,"fcied":true,"mni":2}}`, primitive.Created)
	for _, step := range []struct {
		update string
		want   primitive.Status
		state  string // stateTag, instances, level of the oldest and the latest
	}{
		{`{}`, primitive.Updated, "1 1 1 1"},
		{`{"level":2}`, primitive.Updated, "2 2 1 2"},
		{`{"level":3}`, primitive.Updated, "3 2 2 3"},
		{`{"lbl":["x"]}`, primitive.Updated, "4 2 3 3"},
		{`{"mni":0}`, primitive.BadRequest, "4 2 3 3"},
		{`{"fcied":false}`, primitive.Updated, "5 1 3 3"},
		{`{"level":4}`, primitive.Updated, "6 1 3 3"},
		{`{"fcied":true}`, primitive.Updated, "7 1 4 4"},
		{`{"fcied":null,"mni":5}`, primitive.BadRequest, "7 1 4 4"},
		{`{"fcied":null}`, primitive.Updated, "8 <nil> <nil> <nil>"},
		{`{"level":5}`, primitive.Updated, "9 <nil> <nil> <nil>"},
	} {
		update(t, d, "cse-in/ae/f", `{"hd:thing":`+step.update+`}`, step.want)
		f := retrieve(t, d, "cse-in/ae/f", primitive.OK)
		var oldest, latest map[string]any
		if f["cni"] != nil {
			oldest, latest = retrieve(t, d, "cse-in/ae/f/ol", primitive.OK), retrieve(t, d, "cse-in/ae/f/la", primitive.OK)
		} else {
			retrieve(t, d, "cse-in/ae/f/la", primitive.NotFound)
		}
		if got := fmt.Sprint(f["st"], " ", f["cni"], " ", oldest["level"], " ", latest["level"]); got != step.state {
			t.Errorf("after %s: got %s, want %s", step.update, got, step.state)
		}
	}
}
