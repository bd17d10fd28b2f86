package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

func TestTimeSyncBeacon(t *testing.T) {
	t.Parallel()
	w := newInstances(t)
	a := w.create("cse-in/ae", resource.TypeTimeSyncBeacon, `{"m2m:tsb":{"rn":"tsb","bcnc":1,"bcnu":["http://a","Cme"]}}`)
	if a.String("bcni") != "PT1H" {
		t.Errorf("interval: got %s", a["bcni"])
	}
	due := time.Now().Add(time.Hour)
	lane := beacons + a.String("ri")
	o := w.d[0].SendBeacons(t.Context(), store.Turn{Lane: lane, Tasks: []store.Task{{Due: due}}})
	if o.Done != 0 || !o.Again.Equal(due.Add(time.Hour)) {
		t.Errorf("got %+v, want the next after another hour", o)
	}
	if len(w.told) != 2 || !strings.HasPrefix(w.told[0], `http://a {"m2m:tsbn":{"ctm":"2`) || !strings.HasPrefix(w.told[1], "Cme ") ||
		!strings.Contains(w.told[0], `"tbr":"`+a.String("ri")+`"`) {
		t.Errorf("got %q, want both to be told", w.told)
	}
	w.do(primitive.Delete, "cse-in/ae/tsb", 0, "", primitive.Deleted)
	if o := w.d[1].SendBeacons(t.Context(), store.Turn{Lane: lane, Tasks: []store.Task{{}}}); o.Done != 1 {
		t.Errorf("of one that is gone: got %+v", o)
	}
}

// TestTimeSyncBeaconOnLoss makes requests whose clock is wrong.
func TestTimeSyncBeaconOnLoss(t *testing.T) {
	t.Parallel()
	w := newInstances(t)
	d := w.create("cse-in/ae", resource.TypeTimeSyncBeacon, `{"m2m:tsb":{"rn":"d","bcnc":2,"bcnr":"Cother","bcnu":["http://d"]}}`)
	if *d.Int("bcnt") != beaconThreshold {
		t.Errorf("threshold: got %s", d["bcnt"])
	}
	w.create("cse-in/ae", resource.TypeTimeSyncBeacon, `{"m2m:tsb":{"rn":"a","bcnc":2,"bcnr":"Cme","bcnt":60000,"bcnu":["http://a"]}}`)
	w.create("cse-in/ae", resource.TypeTimeSyncBeacon, `{"m2m:tsb":{"rn":"b","bcnc":2,"bcnr":"/id-in/Cme","bcnt":600000,"bcnu":["http://b"]}}`)
	w.create("cse-in/ae", resource.TypeTimeSyncBeacon, `{"m2m:tsb":{"rn":"c","bcnc":1,"bcnu":["http://c"]}}`)
	w.work()
	for _, c := range []struct {
		wrong time.Duration
		want  string
	}{{0, ""}, {-time.Second, ""}, {-2 * time.Minute, "http://a"}, {2 * time.Minute, "http://a"}, {-time.Hour, "http://a http://b"}} {
		handle(t, w.turn(), primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae", From: "Cme",
			OriginatingTimestamp: primitive.FormatTimestamp(time.Now().Add(c.wrong))}, primitive.OK)
		var got []string
		for _, one := range w.work() {
			target, _, _ := strings.Cut(one, " ")
			got = append(got, target)
		}
		if slices.Sort(got); strings.Join(got, " ") != c.want {
			t.Errorf("wrong by %s: got %q, want %q", c.wrong, got, c.want)
		}
	}
	// A beacon that becomes a periodic one has the parameters of that.
	a := w.do(primitive.Update, "cse-in/ae/a", 0, `{"m2m:tsb":{"bcnc":1}}`, primitive.Updated)
	if a["bcnt"] != nil || a.String("bcni") == "" {
		t.Errorf("as a periodic one: got %s", a.Encode())
	}
}
