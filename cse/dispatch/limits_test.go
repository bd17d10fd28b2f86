package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// full are books of originators that have nothing left.
type full struct{ stored int }

func (f *full) Room(originator string, _ int64) error {
	return primitive.Errorf(primitive.OriginatorHasNoPrivilege, "%q has used up its quota", originator)
}
func (f *full) Stored(string, int64) { f.stored++ }
func (f *full) Usage(context.Context, string, time.Time) (store.Usage, error) {
	return store.Usage{}, nil
}

// TestQuotaOfRequests counts what non-blocking requests keep in the store like anything else.
func TestQuotaOfRequests(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	retrieve := primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae", From: "Cme", ReleaseVersion: "3"}
	silent, kept := retrieve, retrieve
	silent.ResponseType, kept.ResponseType = primitive.NoResponse, primitive.NonBlockingSynch
	late := silent
	late.OperationExecution = time.Now().Add(2 * longestSilence)
	handle(t, d, late, primitive.BadRequest)
	books := &full{}
	d.Accounts = books
	handle(t, d, silent, primitive.OriginatorHasNoPrivilege)
	handle(t, d, kept, primitive.OriginatorHasNoPrivilege)
	if turns, err := d.Store.Take(t.Context(), time.Now(), time.Minute, 10, 10, 10); err != nil || len(turns) > 0 || books.stored > 0 {
		t.Errorf("got turns %+v, %v and %d resources, want none", turns, err, books.stored)
	}
}

// carriedOut has the non-blocking r carried out as entities and limit, unless it is 0, have it, and returns the outcome and what its
// <request> has as result.
func carriedOut(t *testing.T, d *Dispatcher, r primitive.Request, limit time.Duration) (store.Outcome, string) {
	t.Helper()
	r.ResponseType, r.ReleaseVersion = primitive.NonBlockingSynch, "3"
	accepted := handle(t, d, r, primitive.AcceptedNonBlockingSynch)
	var uri struct {
		ID string `json:"m2m:uri"`
	}
	if err := json.Unmarshal(accepted.Content, &uri); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	o := d.CarryOut(ctx, take(t, d, time.Now()))
	return o, string(handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: uri.ID, From: r.From}, primitive.OK).Content)
}

// asked is an entity that does what it is asked in its own way.
type asked func(ctx context.Context) (primitive.Response, error)

func (f asked) Send(ctx context.Context, _ string, _ primitive.Request) (primitive.Response, error) {
	return f(ctx)
}

// TestCarryOutEnds is about requests that would keep a lane for ever.
func TestCarryOutEnds(t *testing.T) {
	t.Parallel()
	forward := primitive.Request{Operation: primitive.Retrieve, To: "/id-mn/x", From: "Cme"}
	for _, c := range []struct {
		what   string
		r      primitive.Request
		limit  time.Duration
		entity asked
		failed bool
		want   string // in the <request>
	}{
		{"a poll", primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae/pch/pcu", From: "Cme"}, 0, nil, false, `"rsc":4005`},
		{"one who takes too long", forward, resultTime + 50*time.Millisecond, func(ctx context.Context) (primitive.Response, error) {
			<-ctx.Done()
			return primitive.Response{}, ctx.Err()
		}, false, `"rsc":4008`},
		{"one who is away for the moment", forward, 0, func(context.Context) (primitive.Response, error) {
			return primitive.Response{Status: primitive.InternalServerError, RetryAfter: time.Second}, nil
		}, true, `"rs":3`},
		{"one who makes us panic", forward, 0, func(context.Context) (primitive.Response, error) { panic("so what") }, false, `"rsc":5000`},
	} {
		d, _ := newDispatcher(t)
		d.Channels = noChannels{}
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: int(resource.TypePollingChannel),
			Content: []byte(`{"m2m:pch":{"rn":"pch"}}`)}, primitive.Created)
		if c.entity != nil {
			d.Entities = c.entity
		}
		if o, got := carriedOut(t, d, c.r, c.limit); o.Failed != c.failed || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %+v and %s, want %s", c.what, o, got, c.want)
		}
	}
}

// noChannels have nothing for whoever polls.
type noChannels struct{}

func (noChannels) Poll(ctx context.Context, _ string, _ bool) ([]store.Message, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (noChannels) Return(context.Context, []store.Message) error      { return nil }
func (noChannels) Answer(_ context.Context, _ string, _ []byte) error { return nil }

// TestRetriesEnd has a request whose answer is for ever that it may be tried again.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	d.Entities = asked(func(context.Context) (primitive.Response, error) {
		return primitive.Response{Status: primitive.InternalServerError, RetryAfter: time.Second}, nil
	})
	r := primitive.Request{Operation: primitive.Retrieve, To: "/id-mn/x", From: "Cme", RequestID: "1", ResultContent: primitive.DefaultResult}
	for age, failed := range map[time.Duration]bool{time.Second: true, retriesFor + time.Second: false} {
		body, err := json.Marshal(accepted{Request: r, Accepted: time.Now().Add(-age)})
		if err != nil {
			t.Fatal(err)
		}
		if o := d.CarryOut(t.Context(), store.Turn{Tasks: []store.Task{{Body: body}}}); o.Failed != failed {
			t.Errorf("after %s: got %+v, want failed %t", age, o, failed)
		}
	}
}

// large makes n contentInstances of 1 MiB each in a new container.
func large(t *testing.T, d *Dispatcher, n int) {
	t.Helper()
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3,
		Content: []byte(`{"m2m:cnt":{"rn":"large"}}`)}, primitive.Created)
	content := fmt.Appendf(nil, `{"m2m:cin":{"con":"%s"}}`, strings.Repeat("x", 1<<20))
	for range n {
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae/large", From: "Cme", ResourceType: 4, Content: content}, primitive.Created)
	}
}

// TestLargeResults cuts off what would be too large to be put together, and goes on where it was cut off.
func TestLargeResults(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	const all = maxResultBytes>>20 + 4
	large(t, d, all)
	r := primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae/large", From: "Cme", RequestID: "1", Structured: true,
		ResultContent: primitive.Children}
	first := d.Handle(t.Context(), r)
	if first.Status != primitive.OK || !first.Partial || len(first.Content) > maxResultBytes+1<<20 {
		t.Fatalf("got %d, %t and %d bytes", first.Status, first.Partial, len(first.Content))
	}
	r.Filter.Offset = first.Offset
	rest := d.Handle(t.Context(), r)
	if n := strings.Count(string(first.Content)+string(rest.Content), `"con":`); rest.Status != primitive.OK || rest.Partial || n != all {
		t.Errorf("got %d, %t and %d instances, want %d", rest.Status, rest.Partial, n, all)
	}
	r.Filter.Offset, r.ResultContent = 0, primitive.ChildRefs
	if p := d.Handle(t.Context(), r); p.Partial || strings.Count(string(p.Content), `"nm":`) != all {
		t.Errorf("references: got %d, %t", p.Status, p.Partial)
	}

	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 9,
		Content: fmt.Appendf(nil, `{"m2m:grp":{"rn":"g","mnm":9,"mid":["cse-in/ae/large","cse-in/ae"]}}`)}, primitive.Created)
	r.To, r.ResultContent = "cse-in/ae/g/fopt", primitive.AttributesAndChildren
	p := d.Handle(t.Context(), r)
	if p.Status != primitive.OK || len(p.Content) > 2*maxResultBytes+4<<20 {
		t.Errorf("fan-out: got %d and %d bytes", p.Status, len(p.Content))
	}
}

// TestNextPage reads few resources at a time if they are large.
func TestNextPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bytes, most, want int }{{10, 1000, 1000}, {1 << 20, 1000, 3}, {64 << 20, 1000, 1}, {pageBytes / 100, 1000, 99}} {
		page := make([]resource.Resource, 10)
		for i := range page {
			page[i].Attributes = make([]byte, c.bytes)
		}
		if got := nextPage(page, c.most); got != c.want {
			t.Errorf("after resources of %d bytes: got %d, want %d", c.bytes, got, c.want)
		}
	}
}

// TestPanicInBuild has the build of a resource panic: the next create finds no lock, and nobody who would have stored it.
func TestPanicInBuild(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	_, err := d.Store.Create(t.Context(), store.Creation{Parent: primitive.Address{Path: "cse-in/ae"}, Now: time.Now(),
		Build: func(store.Node) (resource.Resource, error) { panic("so what") }})
	if err == nil || !strings.Contains(err.Error(), "so what") {
		t.Errorf("got %v, want the panic", err)
	}
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3, Content: []byte(`{"m2m:cnt":{}}`)},
		primitive.Created)
}

// lost is a store that is away when it is asked for an identifier.
type lost struct {
	store.Store
	id string
}

func (l lost) Get(ctx context.Context, a primitive.Address, now time.Time) (store.Node, error) {
	if a.ID == l.id {
		return store.Node{}, fmt.Errorf("get: %w", store.ErrUnavailable)
	}
	return l.Store.Get(ctx, a, now)
}

// TestStoreAwayMeanwhile has the store go while policies are looked up by hybrid addresses: that says nothing about them.
func TestStoreAwayMeanwhile(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 9,
		Content: []byte(`{"m2m:grp":{"rn":"g","mnm":1,"mid":["cse-in/ae"],"macp":["Cother/policy"]}}`)}, primitive.Created)
	d.Store = lost{d.Store, "Cother"}
	for _, r := range []primitive.Request{
		{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3, Content: []byte(`{"m2m:cnt":{"acpi":["Cother/policy"]}}`)},
		{Operation: primitive.Retrieve, To: "cse-in/ae/g/fopt", From: "Cme"},
	} {
		if p := handle(t, d, r, primitive.InternalServerError); p.RetryAfter == 0 {
			t.Errorf("%s %s: got %s, want it to say when to try again", r.Operation, r.To, p.Content)
		}
	}
}

// TestBusyCSE has another CSE refuse announcements because it gets too many requests: that does not last.
func TestBusyCSE(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	for busy, want := range map[time.Duration]bool{time.Second: false, 0: true} {
		d.Entities = asked(func(context.Context) (primitive.Response, error) {
			return primitive.Response{Status: primitive.OriginatorHasNoPrivilege, RetryAfter: busy}, nil
		})
		_, err := d.tellAnnouncement(t.Context(), "/id-mn/x", primitive.Request{Operation: primitive.Delete})
		var e *primitive.Error
		if !errors.As(err, &e) || lasting(err) != want {
			t.Errorf("busy for %s: got %v, want lasting %t", busy, err, want)
		}
	}
}

// TestDeleteByGroup deletes the members of a group by a non-blocking request: the deletion of one is not yet the result, so that another
// instance goes on with the others if this one dies.
func TestDeleteByGroup(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	for _, name := range []string{"a", "b"} {
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 3,
			Content: fmt.Appendf(nil, `{"m2m:cnt":{"rn":%q}}`, name)}, primitive.Created)
	}
	handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 9,
		Content: []byte(`{"m2m:grp":{"rn":"g","mnm":2,"mid":["cse-in/ae/a","cse-in/ae/b"]}}`)}, primitive.Created)
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/g/fopt", From: "Cme", ReleaseVersion: "3",
		ResponseType: primitive.NonBlockingSynch}, primitive.AcceptedNonBlockingSynch)
	turn := take(t, d, time.Now())
	settle(t, d, turn, d.CarryOut(t.Context(), turn)) // fails if a member's deletion has replaced the task
}

// names are n strings in JSON, each different.
func names(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%s%d"`, prefix, i)
	}
	return b.String()[1:]
}

// TestLongLists refuses lists that would make a resource cost far more than what it holds.
func TestLongLists(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	create(t, d, "cse-in/ae", 9, `{"m2m:grp":{"mnm":1000000,"mid":[`+names("C", maxFanOut+1)+`]}}`, primitive.MaxNumberOfMemberExceeded)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"at":[`+names("/id-", maxAnnouncements+1)+`]}}`, primitive.BadRequest)
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"nu":[`+names("http://x/", maxSubscriptionTargets+1)+`]}}`, primitive.BadRequest)
	create(t, d, "cse-in/ae", 48, `{"m2m:crs":{"nu":[`+names("http://x/", maxSubscriptionTargets+1)+`],"twt":1,"tws":"PT1S",
		"rrat":["cse-in/ae"],"encs":{"enc":[{"net":[1]}]}}}`, primitive.BadRequest)
	if len(r.taken) > 0 {
		t.Errorf("%d were asked", len(r.taken))
	}
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"rn":"s","nu":["Cme"]}}`, primitive.Created)
	handle(t, d, primitive.Request{Operation: primitive.Update, To: "cse-in/ae/s", From: "Cme",
		Content: []byte(`{"m2m:sub":{"nu":[` + names("http://x/", maxSubscriptionTargets+1) + `]}}`)}, primitive.BadRequest)
}

// TestLargePriorEvents has a subscription ask for what came before it, but it is too much to be kept for its targets.
func TestLargePriorEvents(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	large(t, d, 6)
	create(t, d, "cse-in/ae/large", 23, `{"m2m:sub":{"nu":["Cme","/id-in/Cme","cse-in/ae","//sp.example/id-in/Cme"],"enc":{"net":[3]},"psn":6}}`,
		primitive.Created)
	turns, err := d.Store.Take(t.Context(), time.Now(), time.Minute, 10, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, turn := range turns {
		total += len(turn.Tasks)
	}
	if total == 0 || total > maxResultBytes>>20 {
		t.Errorf("got %d notices of 1 MiB", total)
	}
}

// TestGroupNoticeLane has a lane that an index can hold, whoever is told.
func TestGroupNoticeLane(t *testing.T) {
	t.Parallel()
	short, long := groupNoticeLane("grp1", "http://x"), groupNoticeLane("grp1", "http://x"+strings.Repeat("x", 1<<20))
	if short == long || len(long) != len(short) || short == groupNoticeLane("grp2", "http://x") {
		t.Errorf("got %q and %q", short, long)
	}
}

// TestEndBeforeExecution has an instance end while a request waits for its execution time: it is sent to another one.
func TestEndBeforeExecution(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	ending, end := context.WithCancel(t.Context())
	d.Ending = ending
	end()
	p := handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae", From: "Cme", OperationExecution: time.Now().Add(time.Hour)},
		primitive.InternalServerError)
	if p.RetryAfter == 0 {
		t.Errorf("got %s, want it to say when to try again", p.Content)
	}
}
