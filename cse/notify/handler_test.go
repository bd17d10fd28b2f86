package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// world is a store with one subscription, and the targets of its notifications.
type world struct {
	*Handler
	t      *testing.T
	serial int
	away   bool             // no target can be reached
	status primitive.Status // what they answer
	busy   time.Duration    // when they say to try again
	sent   []string         // what came: target, request identifier, contents of the sgn
	counts map[Result]int
}

// Send takes a notification.
func (w *world) Send(_ context.Context, target string, r primitive.Request) (primitive.Response, error) {
	if w.away {
		return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "away")
	}
	var content struct {
		One  json.RawMessage `json:"m2m:sgn"`
		Many struct {
			List []json.RawMessage `json:"m2m:sgn"`
		} `json:"m2m:agn"`
	}
	if err := json.Unmarshal(r.Content, &content); err != nil {
		w.t.Error(err)
	}
	if r.From != "/id-in" || r.Operation != primitive.Notify || r.ReleaseVersion != "3" {
		w.t.Errorf("got %+v", r)
	}
	text := string(content.One)
	if content.One == nil {
		text = fmt.Sprintf("%s", content.Many.List)
	}
	w.sent = append(w.sent, fmt.Sprintf("%s %s %s", target, r.RequestID, text))
	return primitive.Response{Status: w.status, RetryAfter: w.busy}, nil
}

// newWorld has a subscription with the given attributes.
func newWorld(t *testing.T, attributes string) *world {
	t.Helper()
	s, err := sqlstore.Open("sqlite:"+filepath.Join(t.TempDir(), "cse.db"), sqlstore.Options{Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w := &world{t: t, status: primitive.OK, counts: map[Result]int{}}
	w.Handler = &Handler{
		Store: s, Entities: w, CSEID: "/id-in", Releases: []string{"3"}, Log: hclog.NewNullLogger(),
		Expire: func(ctx context.Context, id string) error {
			_, err := s.Delete(ctx, primitive.Address{ID: id}, time.Now(), func(store.Node) error { return nil }, nil)
			return err
		},
		Count: func(result Result, n int) { w.counts[result] += n },
	}
	now := time.Now()
	if err := s.Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in", CreatedAt: now, ModifiedAt: now,
		Governor: "id-in", Attributes: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	w.create("sub", resource.TypeSubscription, "cse-in", attributes)
	return w
}

func (w *world) create(id string, kind resource.Type, parent, attributes string) {
	w.t.Helper()
	_, err := w.Store.Create(w.t.Context(), store.Creation{Parent: primitive.Address{Path: parent}, Now: time.Now(),
		Build: func(p store.Node) (resource.Resource, error) {
			return resource.Resource{ID: id, ParentID: p.Resource.ID, Type: kind, Path: parent + "/" + id, CreatedAt: time.Now(), ModifiedAt: time.Now(),
				Governor: id, Attributes: json.RawMessage(attributes)}, nil
		}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// events leaves n notices for the target a.
func (w *world) events(n int) {
	w.t.Helper()
	for range n {
		w.serial++
		notice := Notice{ID: fmt.Sprint("n", w.serial), Subscription: "sub", Target: "a", At: time.Now(), Counts: true,
			Content: json.RawMessage(fmt.Sprint(w.serial))}
		if err := w.Store.Add(w.t.Context(), notice.Task()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// turn does the one turn there is, if any, after a while, and tells what was sent.
func (w *world) turn(after time.Duration) []string {
	w.t.Helper()
	turns, err := w.Store.Take(w.t.Context(), time.Now().Add(after), time.Minute, 10, 10, fullTurn)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, turn := range turns {
		if err := w.Store.Settle(w.t.Context(), turn, w.Do(w.t.Context(), turn)); err != nil {
			w.t.Fatal(err)
		}
	}
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *world) want(after time.Duration, want ...string) {
	w.t.Helper()
	if got := w.turn(after); !slices.Equal(got, want) {
		w.t.Errorf("got %q, want %q", got, want)
	}
}

// attributes are those of the subscription, nil if it is gone.
func (w *world) attributes() resource.Attributes {
	w.t.Helper()
	n, err := w.Store.Get(w.t.Context(), primitive.Address{ID: "sub"}, time.Now())
	if err != nil {
		return nil
	}
	a, err := n.Resource.Decode()
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// TestOrder sends notices in order, and again under the same identifier when the target was away.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // time stands still while the store works
		w := newWorld(t, `{"nu":["a"]}`)
		w.events(2)
		w.away = true
		w.want(0)
		w.want(0) // the target has a rest
		w.events(1)
		w.want(400 * time.Millisecond)
		w.away = false
		w.want(time.Second, "a n1 1", "a n2 2", "a n3 3")
		w.want(time.Hour)
		w.events(1)
		w.status = primitive.InternalServerError
		w.want(0, "a n4 4")
		w.status = primitive.OriginatorHasNoPrivilege
		w.want(time.Second, "a n4 4")
		w.want(time.Hour)
		if got := fmt.Sprint(w.counts); got != "map[failed:2 refused:1 sent:3]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestBusy has a target refuse a notification for the moment: it is sent again.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"]}`)
	w.status, w.busy = primitive.OriginatorHasNoPrivilege, time.Second
	w.events(1)
	w.want(0, "a n1 1")
	w.status, w.busy = primitive.OK, 0
	w.want(time.Minute, "a n1 1")
	w.status = primitive.OriginatorHasNoPrivilege
	w.events(1)
	w.want(0, "a n2 2")
	w.want(time.Minute)
	if w.counts[Failed] != 1 || w.counts[Sent] != 1 || w.counts[Refused] != 1 {
		t.Errorf("got %v", w.counts)
	}
}

// TestGiveUp drops what a target has not taken for long, and what came to it as early.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"]}`)
	w.away, w.GiveUp = true, time.Minute
	old := Notice{ID: "old", Subscription: "sub", Target: "a", At: time.Now().Add(-time.Hour), Content: json.RawMessage("0")}
	recent := old
	recent.At = time.Now()
	turn := store.Turn{Tasks: []store.Task{old.Task(), old.Task(), recent.Task()}, Attempts: 6}
	if o := w.Do(t.Context(), turn); o.Done != 0 || !o.Failed {
		t.Errorf("after half a minute: got %+v", o)
	}
	turn.Attempts = 7
	if o := w.Do(t.Context(), turn); o.Done != 2 || o.Failed || !o.Again.IsZero() {
		t.Errorf("after a minute: got %+v, want the old ones done with", o)
	}
	if w.counts[Dropped] != 2 {
		t.Errorf("got %v", w.counts)
	}
	turn.Attempts = 0
	turn.Tasks = []store.Task{{Body: json.RawMessage(`{`)}, recent.Task()}
	w.away = false
	if o := w.Do(t.Context(), turn); o.Done != 2 || len(w.sent) != 1 {
		t.Errorf("one that cannot be read: got %+v, %q", o, w.sent)
	}
}

// TestExpirationCounter has the subscription go after two notifications, also if one is sent twice.
func TestExpirationCounter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"],"exc":2}`)
	w.events(1)
	turns, err := w.Store.Take(t.Context(), time.Now(), time.Minute, 1, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Do(t.Context(), turns[0]) // by an instance that dies before it settles
	w.want(2*time.Minute, "a n1 1", "a n1 1")
	if got := string(w.attributes()["exc"]); got != "1" {
		t.Errorf("got %s left, want 1", got)
	}
	w.events(2)
	w.want(0, "a n2 2")
	if w.attributes() != nil {
		t.Error("the subscription is still there")
	}
	w.want(time.Hour)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"],"bn":{"num":3,"dur":"PT10M"}}`)
	w.events(2)
	w.want(0)
	w.want(time.Minute)
	w.events(1)
	w.want(0, "a n1-n3 [1 2 3]")
	w.events(1)
	w.want(0)
	w.want(5 * time.Minute)
}

// TestLargeBatch has a batch be larger than what a turn brings.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"],"bn":{"num":150,"dur":"PT10M"}}`)
	w.events(100)
	w.want(0)
	w.want(time.Minute)
	w.events(60)
	if got := w.turn(0); len(got) != 1 || !strings.HasPrefix(got[0], "a n1-n150 [1 2 ") {
		t.Errorf("got %.60q, want one notification of 150", got)
	}
	w.events(140)
	if got := w.turn(0); len(got) != 1 || !strings.HasPrefix(got[0], "a n151-n300 [151 152 ") {
		t.Errorf("got %.60q, want one notification of what was left and what came", got)
	}
	w.want(time.Minute)
}

// TestRate has every instance know what was sent before.
func TestRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a","b"],"rl":{"mnn":2,"tww":"PT1H"}}`)
	w.events(1)
	w.want(0, "a n1 1")
	w.events(2)
	w.want(0, "a n2 2")
	w.want(time.Minute)
	if b := bookOf(w.attributes(), "a"); b.Rate.Sent != 2 {
		t.Errorf("got %+v", b)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a","b"],"nse":true}`)
	w.events(2)
	w.want(0, "a n1 1", "a n2 2")
	want := `[{"tg":"a","rqs":2,"rsr":2,"noec":2},{"tg":"b","rqs":0,"rsr":0,"noec":0}]`
	if got := string(w.attributes()["nsi"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSchedule reads the schedule below the subscription.
func TestSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"nu":["a"],"pn":1}`)
	w.create("sch", resource.TypeSchedule, "cse-in/sub", `{"se":{"sce":["* * * * * * 1970"]}}`)
	w.events(3)
	w.want(0)
	if w.counts[Dropped] != 2 {
		t.Errorf("got %v, want the latest kept", w.counts)
	}
	if _, err := w.Store.Delete(t.Context(), primitive.Address{ID: "sch"}, time.Now(), func(store.Node) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	w.want(2*time.Hour, "a n3 3")
}

// TestLane has notices to one target of one subscription in one lane, and others not.
func TestLane(t *testing.T) {
	t.Parallel()
	if lane("s", "a") != lane("s", "a") || lane("s", "a") == lane("s", "b") || lane("s", "a") == lane("t", "a") || !strings.HasPrefix(lane("s", "a"), "sub/s/") {
		t.Errorf("got %s, %s, %s", lane("s", "a"), lane("s", "b"), lane("t", "a"))
	}
}
