package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

func TestGeofenceEvents(t *testing.T) {
	t.Parallel()
	square := polygon{{0, 0}, {0, 2}, {2, 2}, {2, 0}}
	for _, c := range []struct {
		at     position
		inside bool
	}{{position{1, 1}, true}, {position{3, 1}, false}, {position{-1, 1}, false}, {position{1, 3}, false}} {
		if got := square.contains(c.at); got != c.inside {
			t.Errorf("%v: inside %t", c.at, got)
		}
	}
	if (polygon{}).contains(position{1, 1}) {
		t.Error("there is something inside nothing")
	}
}

// TestLocationPolicy moves a device through a geofence, TS-0001 clause 10.2.9.
func TestLocationPolicy(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	const area = `"gta":{"type":"Polygon","coordinates":[[[0,0],[0,2],[2,2],[2,0]]]}`
	policy := func(name string, criterion int) string {
		return fmt.Sprintf(`{"m2m:lcp":{"rn":%q,"los":2,"lit":2,"lon":"where","gec":%d,%s}}`, name, criterion, area)
	}
	create(t, d, "cse-in/ae", 10, policy("where", geofenceLeaving), primitive.BadRequest)
	create(t, d, "cse-in/ae", 10, policy("p", geofenceLeaving), primitive.Created)
	create(t, d, "cse-in/ae", 10, policy("q", geofenceLeaving), primitive.BadRequest) // the name of the container is taken
	for _, step := range []struct {
		at   string
		want string
	}{{"1,1", "map["}, {"5,5", "2"}, {"6,6", "map["}, {"1,1", "map["}, {"5,1", "2"}} {
		create(t, d, "cse-in/ae/where", 4, `{"m2m:cin":{"con":{"type":"Point","coordinates":[`+step.at+`]}}}`, primitive.Created)
		for range 2 { // looking again changes nothing
			got := fmt.Sprint(retrieve(t, d, "cse-in/ae/where/la", primitive.OK)["con"])
			if got[:min(4, len(got))] != step.want {
				t.Errorf("at %s: latest is %s, want %s", step.at, got, step.want)
			}
			work(t, d, time.Now())
		}
	}
	if n := retrieve(t, d, "cse-in/ae/where", primitive.OK)["cni"]; n != float64(7) {
		t.Errorf("the container has %v instances, want 7", n)
	}
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/p", From: "Cme"}, primitive.Deleted)
	create(t, d, "cse-in/ae", 10, policy("p", geofenceInside), primitive.Created) // takes the name from the one without policy
	work(t, d, time.Now())
	retrieve(t, d, "cse-in/ae/where", primitive.OK)
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/p", From: "Cme"}, primitive.Deleted)
	work(t, d, time.Now())
	retrieve(t, d, "cse-in/ae/where", primitive.NotFound)
}
