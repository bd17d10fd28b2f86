package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// hostOf is another CSE that takes announcements. It is used by one goroutine.
type hostOf struct {
	refuses primitive.Status
	held    map[string]resource.Attributes // announcements by address
	serial  int
	log     []string
}

func (h *hostOf) Send(_ context.Context, _ string, r primitive.Request) (primitive.Response, error) {
	h.log = append(h.log, fmt.Sprint(r.Operation, " ", r.To))
	if h.refuses == primitive.TargetNotReachable {
		return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "away")
	}
	if h.refuses != 0 {
		return primitive.Response{Status: h.refuses}, nil
	}
	var content map[string]resource.Attributes
	if len(r.Content) > 0 {
		if err := json.Unmarshal(r.Content, &content); err != nil {
			return primitive.Response{}, err
		}
	}
	switch {
	case r.Operation == primitive.Create:
		for element, a := range content {
			h.serial++
			a.Set("ri", fmt.Sprint("x", h.serial))
			a.Set("ty", r.ResourceType)
			h.held["/id-mn/"+a.String("ri")] = a
			return primitive.Response{Status: primitive.Created, Content: wrap(element, a)}, nil
		}
	case r.Filter.Usage == primitive.Discovery:
		found := []string{}
		for _, address := range slices.Sorted(maps.Keys(h.held)) {
			if a := h.held[address]; a.String("lnk") == r.Filter.Attributes[0].Value && *a.Int("ty") == int64(r.Filter.Types[0]) {
				found = append(found, address)
			}
		}
		return primitive.Response{Status: primitive.OK, Content: wrap("m2m:uril", found)}, nil
	case h.held[r.To] == nil:
		return primitive.Response{Status: primitive.NotFound}, nil
	case r.Operation == primitive.Update:
		for _, a := range content {
			for name, v := range a {
				if h.held[r.To][name] = v; string(v) == "null" {
					delete(h.held[r.To], name)
				}
			}
		}
	case r.Operation == primitive.Delete:
		delete(h.held, r.To)
	}
	return primitive.Response{Status: primitive.OK}, nil
}

// announcementsIn are the links and labels of the announced containers that h has.
func (h *hostOf) announcementsIn() string {
	var list []string
	for _, a := range h.held {
		if *a.Int("ty") == 10003 {
			list = append(list, string(a["lbl"]))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// announceDue does the task that is due. An instance that does not settle it has died.
func announceDue(t *testing.T, d *Dispatcher, settles bool) store.Outcome {
	t.Helper()
	turn := take(t, d, time.Now().Add(time.Hour))
	o := d.Announce(t.Context(), turn)
	if !settles {
		o = store.Outcome{Failed: true}
	}
	settle(t, d, turn, o)
	return o
}

// TestAnnounceAgain has announcements go wrong in every way, and made what they are to be.
func TestAnnounceAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // time stands still while the store works
		d, _ := newDispatcher(t)
		h := &hostOf{held: map[string]resource.Attributes{}}
		d.Entities = h
		// No worker runs, so nobody waits for announcements longer than this.
		request := func(op primitive.Operation, to, content string, want primitive.Status) {
			t.Helper()
			r := primitive.Request{Operation: op, To: to, From: "Cme", RequestID: newID(time.Now()), RequestExpiration: time.Now().Add(200 * time.Millisecond),
				ResultContent: primitive.DefaultResult}
			if content != "" {
				r.Content = []byte(content)
			}
			if op == primitive.Create {
				r.ResourceType = int(resource.TypeContainer)
			}
			if p := d.Handle(t.Context(), r); p.Status != want {
				t.Fatalf("%s %s: got %d %s", op, to, p.Status, p.Content)
			}
		}
		at := func() string {
			n, err := d.Store.Get(t.Context(), primitive.Address{Path: "cse-in/ae/c"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			a, err := n.Resource.Decode()
			if err != nil {
				t.Fatal(err)
			}
			return string(a["at"])
		}

		h.refuses = primitive.TargetNotReachable
		request(primitive.Create, "cse-in/ae", `{"m2m:cnt":{"rn":"c","lbl":["one"],"at":["/id-mn"]}}`, primitive.Created)
		if o := announceDue(t, d, true); !o.Failed || o.Done != 0 || at() != "" {
			t.Errorf("away: got %+v, announced at %q", o, at())
		}
		h.refuses = 0
		announceDue(t, d, true)
		if at() == "" || h.announcementsIn() != `["one"]` {
			t.Errorf("back: got %q, %s", at(), h.announcementsIn())
		}

		// The instance dies after the update was told, and before it was noted.
		request(primitive.Update, "cse-in/ae/c", `{"m2m:cnt":{"lbl":["two"]}}`, primitive.Updated)
		announceDue(t, d, false)
		if announceDue(t, d, true); h.announcementsIn() != `["two"]` {
			t.Errorf("updated twice: got %s", h.announcementsIn())
		}

		// The announcement is deleted where it is: it is no longer announced there.
		maps.DeleteFunc(h.held, func(_ string, a resource.Attributes) bool { return *a.Int("ty") == 10003 })
		request(primitive.Update, "cse-in/ae/c", `{"m2m:cnt":{"lbl":["three"]}}`, primitive.Updated)
		if announceDue(t, d, true); at() != "" {
			t.Errorf("gone: got %s", at())
		}

		// An instance dies after the announcement was made, and before it was noted: it is found again.
		request(primitive.Update, "cse-in/ae/c", `{"m2m:cnt":{"at":["/id-mn"]}}`, primitive.Updated)
		original := get(t, d, "cse-in/ae/c")
		attributes, err := original.Decode()
		if err != nil {
			t.Fatal(err)
		}
		address, err := d.announceAt(t.Context(), original, "/id-mn", d.announcementOf(original, attributes), false)
		if err != nil {
			t.Fatal(err)
		}
		turn := take(t, d, time.Now())
		turn.Attempts = 1
		settle(t, d, turn, d.Announce(t.Context(), turn))
		if at() != `["`+address+`"]` || h.announcementsIn() != `["three"]` {
			t.Errorf("made twice: got %s, %s", at(), h.announcementsIn())
		}

		// What may not be announced is not tried for ever.
		h.refuses = primitive.OriginatorHasNoPrivilege
		request(primitive.Update, "cse-in/ae/c", `{"m2m:cnt":{"at":["/id-mn","/id-asn"]}}`, primitive.Updated)
		if o := announceDue(t, d, true); o.Failed || o.Done != 1 || at() != `["`+address+`"]` {
			t.Errorf("refused: got %+v, %s", o, at())
		}

		h.refuses = 0
		request(primitive.Delete, "cse-in/ae/c", "", primitive.Deleted)
		if announceDue(t, d, true); h.announcementsIn() != "" {
			t.Errorf("deleted: got %s", h.announcementsIn())
		}
	})
}

func get(t *testing.T, d *Dispatcher, path string) resource.Resource {
	t.Helper()
	n, err := d.Store.Get(t.Context(), primitive.Address{Path: path}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return n.Resource
}
