package dispatch

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// create creates a resource as the AE Cme.
func create(t *testing.T, d *Dispatcher, to string, ty int, content string, want primitive.Status) primitive.Response {
	t.Helper()
	return handle(t, d, primitive.Request{Operation: primitive.Create, To: to, From: "Cme", ResourceType: ty, Content: []byte(content)}, want)
}

// update updates a resource as the AE Cme.
func update(t *testing.T, d *Dispatcher, to, content string, want primitive.Status) primitive.Response {
	t.Helper()
	return handle(t, d, primitive.Request{Operation: primitive.Update, To: to, From: "Cme", Content: []byte(content)}, want)
}

// retrieve retrieves a resource as the AE Cme, and returns its attributes.
func retrieve(t *testing.T, d *Dispatcher, to string, want primitive.Status) map[string]any {
	t.Helper()
	return attributesOf(t, handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: to, From: "Cme"}, want))
}

// attributesOf are those of the one resource in p.
func attributesOf(t *testing.T, p primitive.Response) map[string]any {
	t.Helper()
	var content map[string]json.RawMessage
	if err := json.Unmarshal(p.Content, &content); err != nil {
		t.Fatal(err)
	}
	var attributes map[string]any
	for _, raw := range content {
		_ = json.Unmarshal(raw, &attributes) // stays nil for what is no resource
	}
	return attributes
}

// work does all tasks that are due at now, as a worker would.
func work(t *testing.T, d *Dispatcher, now time.Time) {
	t.Helper()
	for range 100 {
		turns, err := d.Store.Take(t.Context(), now, time.Minute, 10, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if len(turns) == 0 {
			return
		}
		for _, turn := range turns {
			o := store.Outcome{Done: len(turn.Tasks)}
			switch turn.Kind {
			case KindTimeSeries:
				o = d.WatchTimeSeries(t.Context(), turn)
			case KindLocation:
				o = d.FollowLocation(t.Context(), turn)
			case KindCommand:
				o = d.Command(t.Context(), turn)
			}
			if err := d.Store.Settle(t.Context(), turn, o); err != nil && err != store.ErrTurnLost {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("the work does not end")
}

// TestMissingData plays the detection of missing data, TS-0004 clause 7.4.38, on instances whose times are in the past, so that everything
// is due at once: one is missing at the end of the watch, and it is missing once however often the alarm goes.
func TestMissingData(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 29, `{"m2m:ts":{"rn":"ts","pei":60000,"mdt":40000,"mdd":true,"mdn":2}}`, primitive.Created)
	start := time.Now().Add(-99 * time.Second) // the next would be missing in a second
	instance := `{"m2m:tsi":{"con":"1","dgt":"` + primitive.FormatTimestamp(start) + `"}}`
	create(t, d, "cse-in/ae/ts", 30, instance, primitive.Created)
	create(t, d, "cse-in/ae/ts", 30, instance, primitive.Conflict)
	work(t, d, time.Now())
	if got := retrieve(t, d, "cse-in/ae/ts", primitive.OK); got["mdc"] != float64(0) || got["peid"] != float64(30000) || got["cni"] != float64(1) {
		t.Fatalf("before anything is due: got %v", got)
	}
	if got := retrieve(t, d, "cse-in/ae/ts", primitive.OK); strings.Contains(strings.Join(keys(got), " "), "_") {
		t.Errorf("the watch is shown: %v", got)
	}
	// Two are due, and then a third; only the last two are kept.
	id := retrieve(t, d, "cse-in/ae/ts", primitive.OK)["ri"].(string)
	for range 2 {
		if err := d.watchData(t.Context(), id, nil, start.Add(170*time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := retrieve(t, d, "cse-in/ae/ts", primitive.OK); got["mdc"] != float64(2) {
			t.Fatalf("two are due: got %v", got)
		}
	}
	if err := d.watchData(t.Context(), id, nil, start.Add(230*time.Second)); err != nil {
		t.Fatal(err)
	}
	got := retrieve(t, d, "cse-in/ae/ts", primitive.OK)
	want := primitive.FormatTimestamp(start.Add(180 * time.Second))
	if list, _ := got["mdlt"].([]any); len(list) != 2 || list[1] != want {
		t.Errorf("three are due: got %v, want two up to %s", got["mdlt"], want)
	}
	// Switched on again it begins anew, and the alarm is off.
	update(t, d, "cse-in/ae/ts", `{"m2m:ts":{"mdd":true}}`, primitive.Updated)
	if got := retrieve(t, d, "cse-in/ae/ts", primitive.OK); got["mdc"] != float64(0) || got["mdlt"] != nil {
		t.Errorf("begun anew: got %v", got)
	}
	if turns, err := d.Store.Take(t.Context(), time.Now().Add(time.Hour), time.Minute, 10, 10, 10); err != nil || len(turns) != 0 {
		t.Errorf("the alarm is still on: %+v, %v", turns, err)
	}
	update(t, d, "cse-in/ae/ts", `{"m2m:ts":{"mdd":false,"mdt":50000}}`, primitive.BadRequest)
}

// TestMissingDataOnce has several instances find the same data missing at the same time.
func TestMissingDataOnce(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 29, `{"m2m:ts":{"rn":"ts","pei":60000,"mdt":40000,"mdd":true}}`, primitive.Created)
	start := time.Now().Add(-time.Second)
	create(t, d, "cse-in/ae/ts", 30, `{"m2m:tsi":{"con":"1","dgt":"`+primitive.FormatTimestamp(start)+`"}}`, primitive.Created)
	work(t, d, time.Now())
	id := retrieve(t, d, "cse-in/ae/ts", primitive.OK)["ri"].(string)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := d.missData(t.Context(), id, start.Add(230*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := retrieve(t, d, "cse-in/ae/ts", primitive.OK); got["mdc"] != float64(3) {
		t.Errorf("missing: got %v of %v, want 3", got["mdc"], got["mdlt"])
	}
}

func keys(m map[string]any) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}
