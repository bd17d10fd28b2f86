package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// network is a small world of peers that answer or do not.
type network struct {
	mu    sync.Mutex
	dead  map[string]bool
	calls []string
}

var errDead = errors.New("no answer")

func (n *network) Notify(_ context.Context, url string, r primitive.Request) (primitive.Response, error) {
	return n.answer("notify "+url, url, r)
}

func (n *network) Forward(_ context.Context, poa string, r primitive.Request) (primitive.Response, error) {
	return n.answer(fmt.Sprintf("forward %s %s from %s", poa, r.To, r.From), poa, r)
}

func (n *network) answer(call, url string, r primitive.Request) (primitive.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, call)
	if n.dead[url] {
		return primitive.Response{}, errDead
	}
	return primitive.Response{Status: primitive.OK, RequestID: r.RequestID}, nil
}

// made returns what has been sent since the last call.
func (n *network) made() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	calls := strings.Join(n.calls, ", ")
	n.calls = nil
	return calls
}

// local notes what is carried out here.
type local struct{ to []string }

func (l *local) Handle(_ context.Context, r primitive.Request) primitive.Response {
	l.to = append(l.to, r.To)
	return primitive.Response{Status: primitive.OK}
}

// newRouter is a Router of the CSE /id-in over a store of its own.
func newRouter(t *testing.T) (*Router, *network, *local) {
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
	base := resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in", Governor: "id-in", CreatedAt: time.Now(), Attributes: []byte("{}")}
	if err := s.Prepare(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	n, l := &network{dead: map[string]bool{}}, &local{}
	return &Router{
		Store: s, Identity: primitive.Identity{SPID: "sp.example", CSEID: "/id-in", Name: "cse-in"}, Client: n, Local: l, Log: hclog.NewNullLogger(),
	}, n, l
}

// add stores a resource below parent.
func add(t *testing.T, v *Router, parent string, ty resource.Type, id, attributes string) {
	t.Helper()
	_, err := v.Store.Create(t.Context(), store.Creation{
		Parent: primitive.Address{ID: parent}, Now: time.Now(),
		Build: func(p store.Node) (resource.Resource, error) {
			return resource.Resource{ID: id, Type: ty, ParentID: parent, Path: p.Resource.Path + "/" + id, Governor: id, CreatedAt: time.Now(),
				ModifiedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Attributes: []byte(attributes)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSend names targets in every way and looks who is asked.
func TestSend(t *testing.T) {
	t.Parallel()
	v, n, l := newRouter(t)
	v.Registrar = "/id-up"
	add(t, v, "id-in", resource.TypeAE, "Cone", `{"rr":true,"poa":["mqtt://x","http://one","http://two"]}`)
	add(t, v, "id-in", resource.TypeAE, "Ccbor", `{"rr":true,"poa":["http://one?x=1"],"csz":["application/cbor"]}`)
	add(t, v, "id-in", resource.TypeAE, "Cshy", `{"rr":false,"poa":["http://shy"]}`)
	add(t, v, "id-in", resource.TypeContainer, "cnt1", `{}`)
	add(t, v, "id-in", resource.TypeRemoteCSE, "id-mn", `{"rr":true,"csi":"/id-mn","poa":["http://mn"],"dcse":["/id-asn","/id-both"]}`)
	add(t, v, "id-in", resource.TypeRemoteCSE, "id-up", `{"rr":true,"csi":"/id-up","poa":["http://up"],"dcse":["/id-both"]}`)
	for _, s := range []struct {
		what, target, from string
		op                 primitive.Operation
		dead               string
		want               string // calls; empty if it is not reachable
	}{
		{"URL", "http://x/y", "CApp", primitive.Notify, "", "notify http://x/y"},
		{"dead URL", "http://x/y", "CApp", primitive.Notify, "http://x/y", ""},
		{"unknown scheme", "coap://x", "CApp", primitive.Notify, "", ""},
		{"AE-ID", "Cone", "CApp", primitive.Notify, "", "notify http://one"},
		{"SP-relative AE-ID", "/id-in/Cone", "CApp", primitive.Notify, "", "notify http://one"},
		{"absolute AE-ID", "//sp.example/id-in/Cone", "CApp", primitive.Notify, "", "notify http://one"},
		{"address of an AE", "cse-in/Cone", "CApp", primitive.Notify, "", "notify http://one"},
		{"second point of access", "Cone", "CApp", primitive.Notify, "http://one", "notify http://one, notify http://two"},
		{"in another serialisation", "Ccbor", "CApp", primitive.Notify, "", "notify http://one?x=1&ct=cbor"},
		{"retrieve of an AE", "Cone", "CApp", primitive.Retrieve, "", "forward http://one Cone from CApp"},
		{"not request reachable", "Cshy", "CApp", primitive.Notify, "", ""},
		{"nobody", "Cnone", "CApp", primitive.Notify, "", ""},
		{"malformed", "x y", "CApp", primitive.Notify, "", ""},
		{"own resource", "cnt1", "CApp", primitive.Notify, "", "local cnt1"},
		{"own virtual resource", "cse-in/grp/fopt", "CApp", primitive.Notify, "", "local cse-in/grp/fopt"},
		{"registered CSE", "/id-mn/Cx", "CApp", primitive.Notify, "", "forward http://mn /id-mn/Cx from /id-in/CApp"},
		{"address of a remoteCSE", "cse-in/id-mn", "CApp", primitive.Notify, "", "forward http://mn /id-mn from /id-in/CApp"},
		{"registered CSE, absolute", "//sp.example/id-mn/x", "/id-x/C1", primitive.Retrieve, "", "forward http://mn //sp.example/id-mn/x from /id-x/C1"},
		{"descendant", "/id-asn/x", "CApp", primitive.Retrieve, "", "forward http://mn /id-asn/x from /id-in/CApp"},
		{"descendant of several", "/id-both/x", "CApp", primitive.Retrieve, "", "forward http://mn /id-both/x from /id-in/CApp"},
		{"registrar", "/id-far/x", "CApp", primitive.Retrieve, "", "forward http://up /id-far/x from /id-in/CApp"},
		{"registrar, from below", "/id-far/x", "/id-asn/C1", primitive.Retrieve, "", "forward http://up /id-far/x from /id-asn/C1"},
		{"back to where it came from", "/id-asn/x", "/id-mn/C1", primitive.Retrieve, "", ""},
		{"back up", "/id-far/x", "/id-further/C1", primitive.Retrieve, "", ""},
		{"of the sender itself", "/id-mn/x", "/id-mn/C1", primitive.Retrieve, "", "forward http://mn /id-mn/x from /id-mn/C1"},
		{"dead CSE", "/id-mn/x", "CApp", primitive.Retrieve, "http://mn", ""},
		{"other service provider", "//other.example/id-mn/x", "CApp", primitive.Retrieve, "", ""},
	} {
		n.dead = map[string]bool{s.dead: true}
		p, err := v.Send(t.Context(), s.target, primitive.Request{Operation: s.op, From: s.from, RequestID: "1"})
		got := n.made()
		if len(l.to) > 0 {
			got, l.to = "local "+l.to[0], nil
		}
		if s.want == "" {
			var e *primitive.Error
			if !errors.As(err, &e) || e.Status != primitive.TargetNotReachable && e.Status != primitive.NotFound {
				t.Errorf("%s: got %+v, %v after %q, want not reachable", s.what, p, err, got)
			}
			continue
		}
		if err != nil || p.Status != primitive.OK || got != s.want {
			t.Errorf("%s: got %d, %v after %q, want %q", s.what, p.Status, err, got, s.want)
		}
	}
}

// TestPoll has two routers on one store, as two instances are: one sends, the other is polled and answered.
func TestPoll(t *testing.T) {
	t.Parallel()
	sender, n, _ := newRouter(t)
	polled := *sender
	add(t, sender, "id-in", resource.TypeAE, "Cpoll", `{"rr":true,"poa":["http://gone"]}`)
	channel := resource.PollingChannelID("Cpoll")
	add(t, sender, "Cpoll", resource.TypePollingChannel, channel, `{}`)
	n.dead["http://gone"] = true
	send := func(id string, wait time.Duration) (primitive.Response, error) {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		return sender.Send(ctx, "Cpoll", primitive.Request{Operation: primitive.Notify, From: "/id-in", RequestID: id, Content: []byte(`{"x":1}`)})
	}
	var w sync.WaitGroup
	w.Go(func() {
		p, err := send("a", 20*time.Second)
		if err != nil || p.Status != primitive.Updated || p.RequestID != "a" {
			t.Errorf("send: got %+v, %v", p, err)
		}
	})
	messages, err := polled.Poll(t.Context(), channel, false)
	if err != nil || len(messages) != 1 || !strings.Contains(string(messages[0].Body), `"rqi":"a"`) {
		t.Fatalf("poll: got %+v, %v", messages, err)
	}
	if err := polled.Return(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	if messages, err = polled.Poll(t.Context(), channel, true); err != nil || len(messages) != 1 {
		t.Fatalf("poll what was put back: got %+v, %v", messages, err)
	}
	for _, wrong := range []string{``, `{}`, `{"m2m:rqp":{"rqi":"a"}}`, `{"m2m:rsp":{"rqi":"a","rsc":"x"}}`, `{"m2m:rsp":{"rsc":2000}}`} {
		var e *primitive.Error
		if err := polled.Answer(t.Context(), channel, []byte(wrong)); !errors.As(err, &e) || e.Status != primitive.BadRequest {
			t.Errorf("answer %s: got %v, want a bad request", wrong, err)
		}
	}
	if err := polled.Answer(t.Context(), channel, []byte(`{"m2m:rsp":{"rqi":"a","rsc":2004}}`)); err != nil {
		t.Fatal(err)
	}
	w.Wait()

	// Nobody polls in time; two tries are there for who polls later, and the next try takes the answer to the earlier one.
	for _, id := range []string{"b", "c"} {
		var e *primitive.Error
		if _, err := send(id, 500*time.Millisecond); !errors.As(err, &e) || e.Status != primitive.TargetNotReachable {
			t.Fatalf("send %s: got %v, want not reachable", id, err)
		}
	}
	if messages, err = polled.Poll(t.Context(), channel, true); err != nil || len(messages) != 2 {
		t.Fatalf("poll what waits: got %+v, %v", messages, err)
	}
	if err := polled.Answer(t.Context(), channel, []byte(`{"m2m:rsp":{"rqi":"b","rsc":2000}}`)); err != nil {
		t.Fatal(err)
	}
	if p, err := send("b", 20*time.Second); err != nil || p.Status != primitive.OK {
		t.Errorf("send again: got %+v, %v", p, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if messages, err = polled.Poll(ctx, channel, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("poll in vain: got %+v, %v", messages, err)
	}
}

// TestDifference compares what a registration is with what it should be.
func TestDifference(t *testing.T) {
	t.Parallel()
	there := resource.Attributes{"poa": []byte(`["a"]`), "rr": []byte(`true`), "csi": []byte(`"/x"`)}
	for _, d := range []struct {
		wanted resource.Attributes
		want   string
	}{
		{resource.Attributes{"poa": []byte(`[ "a" ]`), "dcse": []byte(`[]`), "csi": []byte(`"/y"`)}, `{}`},
		{resource.Attributes{"poa": []byte(`["b"]`), "dcse": []byte(`["/z"]`)}, `{"dcse":["/z"],"poa":["b"]}`},
		{resource.Attributes{"rr": []byte(`false`)}, `{"rr":false}`},
	} {
		if got := string(difference(d.wanted, there).Encode()); got != d.want {
			t.Errorf("difference of %v: got %s, want %s", d.wanted, got, d.want)
		}
	}
}

// TestPolledAnswers has originators whose requests have the same identifier reach one who polls: each gets the answer to its own.
func TestPolledAnswers(t *testing.T) {
	t.Parallel()
	v, _, _ := newRouter(t)
	add(t, v, "id-in", resource.TypeAE, "Cpoll", `{"rr":false}`)
	channel := resource.PollingChannelID("Cpoll")
	add(t, v, "Cpoll", resource.TypePollingChannel, channel, `{}`)
	var w sync.WaitGroup
	defer w.Wait()
	for _, r := range []primitive.Request{
		{From: "Cone", Operation: primitive.Retrieve, Content: nil},
		{From: "Ctwo", Operation: primitive.Retrieve, Content: nil},
		{From: "Ctwo", Operation: primitive.Notify, Content: []byte(`{"x":1}`)},
	} {
		r.RequestID, r.RequestExpiration = "1", time.Now().Add(24*time.Hour)
		w.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			want := fmt.Sprintf(`"%s %d"`, r.From, r.Operation)
			if p, err := v.Send(ctx, "Cpoll", r); err != nil || string(p.Content) != want {
				t.Errorf("got %s, %v, want %s", p.Content, err, want)
			}
		})
	}
	for range 3 {
		messages, err := v.Poll(t.Context(), channel, false)
		if err != nil || len(messages) != 1 || time.Until(messages[0].Until) > messageLifetime {
			t.Fatalf("poll: got %+v, %v", messages, err)
		}
		var m struct {
			Request struct {
				Operation int    `json:"op"`
				From      string `json:"fr"`
				ID        string `json:"rqi"`
			} `json:"m2m:rqp"`
		}
		if err := json.Unmarshal(messages[0].Body, &m); err != nil {
			t.Fatal(err)
		}
		r := m.Request
		if err := v.Answer(t.Context(), channel, fmt.Appendf(nil, `{"m2m:rsp":{"rqi":%q,"rsc":2000,"pc":"%s %d"}}`, r.ID, r.From, r.Operation)); err != nil {
			t.Fatal(err)
		}
	}
	var e *primitive.Error
	long := fmt.Appendf(nil, `{"m2m:rsp":{"rqi":"%s","rsc":2000}}`, strings.Repeat("x", maxRequestID+1))
	if err := v.Answer(t.Context(), channel, long); !errors.As(err, &e) || e.Status != primitive.BadRequest {
		t.Errorf("a long request identifier: got %v, want a bad request", err)
	}
}
