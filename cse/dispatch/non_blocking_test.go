package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// receivers take notifications, unless they are away.
type receivers struct {
	away  bool
	taken []string // target and content
}

func (r *receivers) Send(_ context.Context, target string, q primitive.Request) (primitive.Response, error) {
	if r.away {
		return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "away")
	}
	r.taken = append(r.taken, target+" "+string(q.Content))
	return primitive.Response{Status: primitive.OK}, nil
}

// newDispatcher is a CSE on a store of its own with the AE Cme.
func newDispatcher(t *testing.T) (*Dispatcher, *receivers) {
	t.Helper()
	s, err := sqlstore.Open("sqlite:"+filepath.Join(t.TempDir(), "cse.db"), sqlstore.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	r := &receivers{}
	d := &Dispatcher{
		Store: s, Identity: primitive.Identity{SPID: "sp.example", CSEID: "/id-in", Name: "cse-in"}, Admin: "CAdmin",
		Releases: []string{"2a", "3"}, MaxResults: 100, Entities: r, Log: hclog.NewNullLogger(),
	}
	if err := s.Prepare(t.Context(), d.Base(time.Now())); err != nil {
		t.Fatal(err)
	}
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in", From: "Cme", ResourceType: 2,
		Content: []byte(`{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`)}, primitive.Created)
	return d, r
}

// handle carries out r, which must end with status want.
func handle(t *testing.T, d *Dispatcher, r primitive.Request, want primitive.Status) primitive.Response {
	t.Helper()
	if r.RequestID == "" {
		r.RequestID = newID(time.Now())
	}
	r.ResultContent, r.Structured = primitive.DefaultResult, true
	p := d.Handle(t.Context(), r)
	if p.Status != want {
		t.Fatalf("%s %s: got %d %s, want %d", r.Operation, r.To, p.Status, p.Content, want)
	}
	return p
}

// take is the one turn that is due at now.
func take(t *testing.T, d *Dispatcher, now time.Time) store.Turn {
	t.Helper()
	turns, err := d.Store.Take(t.Context(), now, time.Minute, 10, 10, 10)
	if err != nil || len(turns) != 1 || len(turns[0].Tasks) != 1 {
		t.Fatalf("got turns %+v, %v, want one", turns, err)
	}
	return turns[0]
}

func settle(t *testing.T, d *Dispatcher, turn store.Turn, o store.Outcome) {
	t.Helper()
	if err := d.Store.Settle(t.Context(), turn, o); err != nil {
		t.Fatal(err)
	}
}

// TestCarryOutAgain lets instances die at every point of a non-blocking request: the next one ends with the same result.
func TestCarryOutAgain(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	create := primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", RequestID: "once", ResourceType: 3,
		ReleaseVersion: "3", Content: []byte(`{"m2m:cnt":{"rn":"c"}}`), ResponseType: primitive.NonBlockingAsynch}
	accepted := handle(t, d, create, primitive.AcceptedNonBlockingAsynch)
	var uri struct {
		ID string `json:"m2m:uri"`
	}
	if err := json.Unmarshal(accepted.Content, &uri); err != nil {
		t.Fatal(err)
	}
	now := time.Now()

	// The first instance dies when the container is there, but before it could say so.
	take(t, d, now)
	blocking := create
	blocking.ResponseType = primitive.Blocking
	handle(t, d, blocking, primitive.Created)
	// The second dies when it has written the result, but before the task is settled.
	now = now.Add(2 * time.Minute)
	second := take(t, d, now)
	if o := d.CarryOut(t.Context(), second); o.Done != 1 || o.Failed {
		t.Fatalf("carry out: got %+v", o)
	}
	// The third finds the result.
	now = now.Add(2 * time.Minute)
	turns, err := d.Store.Take(t.Context(), now, time.Minute, 10, 10, 10)
	if err != nil || len(turns) != 2 {
		t.Fatalf("got turns %+v, %v, want the request and its result", turns, err)
	}
	for _, turn := range turns {
		if turn.Kind == TaskRequest {
			settle(t, d, turn, d.CarryOut(t.Context(), turn))
			continue
		}
		r.away = true
		o := d.SendResult(t.Context(), turn)
		if !o.Failed || o.Done != 0 || !o.Again.After(time.Now()) {
			t.Errorf("send to nobody: got %+v, want another try", o)
		}
		r.away = false
		settle(t, d, turn, d.SendResult(t.Context(), turn))
	}
	if len(r.taken) != 1 || !strings.HasPrefix(r.taken[0], "Cme ") || !strings.Contains(r.taken[0], `"rsc":2001`) ||
		!strings.Contains(r.taken[0], `"rqi":"once"`) {
		t.Errorf("got results %q, want one of 2001", r.taken)
	}
	p := handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: uri.ID, From: "Cme"}, primitive.OK)
	if s := string(p.Content); !strings.Contains(s, `"rs":1`) || !strings.Contains(s, `"rsc":2001`) {
		t.Errorf("got %s, want the result", s)
	}
	if turns, err := d.Store.Take(t.Context(), now.Add(time.Hour), time.Minute, 10, 10, 10); err != nil || len(turns) != 0 {
		t.Errorf("got further turns %+v, %v", turns, err)
	}
}

// TestDeleteAgain lets an instance die when it has deleted, before it could say so.
func TestDeleteAgain(t *testing.T) {
	t.Parallel()
	for _, dies := range []bool{false, true} {
		d, r := newDispatcher(t)
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3, Content: []byte(`{"m2m:cnt":{"rn":"c"}}`)},
			primitive.Created)
		handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/c", From: "Cme", ReleaseVersion: "3",
			ResponseType: primitive.NonBlockingAsynch}, primitive.AcceptedNonBlockingAsynch)
		now := time.Now()
		working := d
		if dies {
			working = &Dispatcher{Store: dying{d.Store}, Identity: d.Identity, Admin: d.Admin, Releases: d.Releases, MaxResults: 100, Log: d.Log}
		}
		turn := take(t, d, now)
		if o := working.CarryOut(t.Context(), turn); o.Failed != dies {
			t.Errorf("carry out: got %+v", o)
		}
		if err := d.Store.Settle(t.Context(), turn, store.Outcome{Done: 1}); !errors.Is(err, store.ErrTurnLost) {
			t.Errorf("settle: got %v, want a lost turn", err)
		}
		for range 3 {
			now = now.Add(2 * time.Minute)
			turns, err := d.Store.Take(t.Context(), now, time.Minute, 10, 10, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, turn := range turns {
				if turn.Kind == TaskRequest {
					settle(t, d, turn, d.CarryOut(t.Context(), turn))
				} else {
					settle(t, d, turn, d.SendResult(t.Context(), turn))
				}
			}
		}
		if len(r.taken) != 1 || !strings.Contains(r.taken[0], `"rsc":2002`) {
			t.Errorf("got results %q, want one of 2002", r.taken)
		}
	}
}

// dying is the store of an instance that dies before it can write a result.
type dying struct{ store.Store }

func (dying) Update(context.Context, primitive.Address, time.Time, func(store.Node) (store.Change, error)) (resource.Resource, error) {
	return resource.Resource{}, store.ErrUnavailable
}

// TestCarryOutExpired has nobody left who wants the result.
func TestCarryOutExpired(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3, Content: []byte(`{"m2m:cnt":{"rn":"c"}}`),
		ResponseType: primitive.NonBlockingSynch, ReleaseVersion: "2a", ResultPersistence: time.Now().Add(time.Millisecond)}, primitive.AcceptedNonBlockingSynch)
	turn := take(t, d, time.Now())
	if _, err := d.Store.Sweep(t.Context(), time.Now().Add(time.Second), 10, nil); err != nil {
		t.Fatal(err)
	}
	if o := d.CarryOut(t.Context(), turn); o.Done != 1 || o.Failed {
		t.Errorf("carry out: got %+v", o)
	}
	handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae/c", From: "Cme"}, primitive.NotFound)

	body, err := json.Marshal(result{Target: "Cme", Content: []byte(`{}`), Until: time.Now().Add(-time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	o := d.SendResult(t.Context(), store.Turn{Tasks: []store.Task{{Body: body}, {Body: []byte(`no JSON`)}}})
	if o.Done != 2 || o.Failed || len(r.taken) > 0 {
		t.Errorf("send an expired result: got %+v and %q", o, r.taken)
	}
}

// TestCheckTimes compares the instants of a request among each other, TS-0004 clause 7.3.1.1.
func TestCheckTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time {
		if seconds == 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(seconds) * time.Second)
	}
	for _, c := range []struct {
		what            string
		rqet, rset, oet int // seconds from now; 0 is not given
		want            primitive.Status
	}{
		{"nothing", 0, 0, 0, 0},
		{"in order", 3, 3, 1, 0},
		{"to be carried out in the past", 3, 3, -1, 0},
		{"request expired", -1, 0, 0, primitive.RequestTimeout},
		{"result expired", 0, -1, 0, primitive.RequestTimeout},
		{"result before request", 3, 2, 0, primitive.BadRequest},
		{"carried out after request", 3, 0, 4, primitive.BadRequest},
		{"carried out after result", 0, 3, 4, primitive.BadRequest},
	} {
		err := checkTimes(primitive.Request{RequestExpiration: at(c.rqet), ResultExpiration: at(c.rset), OperationExecution: at(c.oet)}, now)
		var e *primitive.Error
		if errors.As(err, &e); c.want == 0 && err != nil || c.want != 0 && (e == nil || e.Status != c.want) {
			t.Errorf("%s: got %v, want %d", c.what, err, c.want)
		}
	}
}

// TestRequestExpiration is about how long a <request> is kept.
func TestRequestExpiration(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for _, c := range []struct {
		what string
		r    primitive.Request
		want time.Duration
	}{
		{"by default", primitive.Request{}, defaultPersistence},
		{"persistence", primitive.Request{ResultPersistence: in(time.Second), ResultExpiration: in(time.Hour)}, time.Second},
		{"result expiration", primitive.Request{ResultExpiration: in(time.Minute), RequestExpiration: in(time.Second)}, time.Minute},
		{"request expiration", primitive.Request{RequestExpiration: in(time.Second)}, time.Second},
		{"persistence from when it is carried out", primitive.Request{ResultPersistence: in(time.Second), OperationExecution: in(time.Hour)}, time.Hour + time.Second},
		{"carried out later than the default", primitive.Request{OperationExecution: in(time.Hour)}, time.Hour + defaultPersistence},
		{"carried out within the default", primitive.Request{OperationExecution: in(time.Second)}, defaultPersistence},
	} {
		if got := requestExpiration(c.r, now).Sub(now); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}
