package consul_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
)

// wait bounds blocking queries whose change is on its way; it never decides a verdict.
const wait = 30 * time.Second

func want(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"127.0.0.1:8500": true, "consul:8500": true, "http://consul:8500": true, "https://consul.example": true,
		"": false, "unix:///run/consul.sock": false, "ftp://consul": false, "http://": false, "a b": false,
	} {
		if _, err := consul.New(address, ""); (err == nil) != ok {
			t.Errorf("New(%q): got error %v, want accepted %v", address, err, ok)
		}
	}
}

func TestKV(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), consultest.Start(t).Client()

	_, err := c.Get(ctx, "viot/a")
	want(t, "get what is not there", err, consul.ErrNotFound)
	must(t, c.PutIf(ctx, "viot/a", []byte("1"), 0))
	want(t, "create twice", c.PutIf(ctx, "viot/a", []byte("2"), 0), consul.ErrConflict)
	kv, err := c.Get(ctx, "viot/a")
	must(t, err)
	if string(kv.Value) != "1" || kv.Key != "viot/a" || kv.ModifyIndex == 0 || kv.Session != "" {
		t.Errorf("get: got %+v, want value 1 of viot/a with an index and no session", kv)
	}
	must(t, c.PutIf(ctx, "viot/a", []byte("3"), kv.ModifyIndex))
	want(t, "write over a newer value", c.PutIf(ctx, "viot/a", []byte("4"), kv.ModifyIndex), consul.ErrConflict)
	want(t, "delete a newer value", c.DeleteIf(ctx, "viot/a", kv.ModifyIndex), consul.ErrConflict)

	must(t, c.Put(ctx, "viot/b/2", nil))
	must(t, c.Put(ctx, "viot/b/1", []byte("x")))
	kvs, err := c.List(ctx, "viot/b/")
	must(t, err)
	if len(kvs) != 2 || kvs[0].Key != "viot/b/1" || kvs[1].Key != "viot/b/2" {
		t.Errorf("list: got %+v, want viot/b/1 and viot/b/2", kvs)
	}
	must(t, c.DeleteTree(ctx, "viot/b/"))
	kvs, err = c.List(ctx, "viot/b/")
	must(t, err)
	if len(kvs) != 0 {
		t.Errorf("list of a deleted tree: got %+v, want none", kvs)
	}
	must(t, c.Delete(ctx, "viot/a"))
	must(t, c.Delete(ctx, "viot/a"))
	must(t, c.DeleteIf(ctx, "viot/a", 7))
	must(t, c.Ready(ctx))
	kvs, err = c.List(ctx, "")
	must(t, err)
	if len(kvs) != 0 {
		t.Errorf("list of everything after Ready: got %+v, want none", kvs)
	}
}

func TestWatchReturnsOnChange(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), consultest.Start(t).Client()

	_, index, err := c.WatchKey(ctx, "viot/a", 0, 0)
	want(t, "watch what is not there", err, consul.ErrNotFound)
	_, all, err := c.WatchPrefix(ctx, "viot/", 0, 0)
	must(t, err)
	written := make(chan error, 1)
	go func() { written <- c.Put(ctx, "viot/a", []byte("1")) }()
	kv, next, err := c.WatchKey(ctx, "viot/a", index, wait)
	must(t, err)
	must(t, <-written)
	if string(kv.Value) != "1" || next <= index {
		t.Errorf("watch key from %d: got %+v, index %d; want value 1, a higher index", index, kv, next)
	}
	kvs, next, err := c.WatchPrefix(ctx, "viot/", all, wait)
	must(t, err)
	if len(kvs) != 1 || next <= all {
		t.Errorf("watch prefix from %d: got %+v, index %d; want one key, a higher index", all, kvs, next)
	}
	// From an index of the future, as after Consul has lost its history: the next call must not block.
	_, next, err = c.WatchPrefix(ctx, "viot/", next+1_000_000, 10*time.Millisecond)
	must(t, err)
	if next != 0 {
		t.Errorf("watch prefix from a future index: got index %d, want 0", next)
	}
}

func TestFenced(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), consultest.Start(t).Client()
	const leader = "viot/s/leader"

	first, err := c.CreateSession(ctx, "first", 10*time.Second)
	must(t, err)
	second, err := c.CreateSession(ctx, "second", 10*time.Second)
	must(t, err)
	want(t, "write without a lock", c.Fenced(ctx, leader, first, consul.OpPut("viot/s/x", []byte("0"))), consul.ErrNotLeader)
	if got, err := c.Acquire(ctx, leader, []byte("me"), first); err != nil || !got {
		t.Fatalf("acquire what is free: got %v, %v; want true", got, err)
	}
	if got, err := c.Acquire(ctx, leader, []byte("you"), second); err != nil || got {
		t.Fatalf("acquire what another holds: got %v, %v; want false", got, err)
	}
	must(t, c.Put(ctx, "viot/s/tree/1", nil))
	must(t, c.Put(ctx, "viot/s/old", nil))
	must(t, c.Fenced(ctx, leader, first, consul.OpPut("viot/s/x", []byte("1")), consul.OpPutIf("viot/s/y", []byte("1"), 0),
		consul.OpDelete("viot/s/old"), consul.OpDelete("viot/s/never"), consul.OpDeleteTree("viot/s/tree/")))
	want(t, "fenced compare-and-set of an old value",
		c.Fenced(ctx, leader, first, consul.OpPut("viot/s/x", []byte("2")), consul.OpPutIf("viot/s/y", nil, 0)), consul.ErrConflict)
	want(t, "write as another", c.Fenced(ctx, leader, second, consul.OpPut("viot/s/x", []byte("3"))), consul.ErrNotLeader)
	want(t, "fenced delete of an old value", c.Fenced(ctx, leader, first, consul.OpDeleteIf("viot/s/x", 1)), consul.ErrConflict)
	kvs, err := c.List(ctx, "viot/s/")
	must(t, err)
	var got string
	for _, kv := range kvs {
		got += kv.Key + "=" + string(kv.Value) + " "
	}
	if want := "viot/s/leader=me viot/s/x=1 viot/s/y=1 "; got != want {
		t.Errorf("keys: got %q, want %q", got, want)
	}
	if kvs[0].Session != first {
		t.Errorf("holder: got %q, want %q", kvs[0].Session, first)
	}

	must(t, c.Release(ctx, leader, second)) // does not hold it: no effect
	must(t, c.Fenced(ctx, leader, first, consul.OpDelete("viot/s/y")))
	must(t, c.Release(ctx, leader, first))
	want(t, "write after release", c.Fenced(ctx, leader, first, consul.OpDelete("viot/s/x")), consul.ErrNotLeader)
	tooMany := make([]consul.Op, 64)
	for i := range tooMany {
		tooMany[i] = consul.OpPut("viot/s/n"+strconv.Itoa(i), nil)
	}
	if err := c.Fenced(ctx, leader, first, tooMany...); err == nil || errors.Is(err, consul.ErrNotLeader) {
		t.Errorf("64 operations: got error %v, want one about their number", err)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), consultest.Start(t).Client()
	const gone = "11111111-2222-3333-4444-555555555555"

	id, err := c.CreateSession(ctx, "orchestrator", 10*time.Second)
	must(t, err)
	info, err := c.SessionInfo(ctx, id)
	must(t, err)
	if info.ID != id || info.Name != "orchestrator" || info.TTL != 10*time.Second || info.Node == "" {
		t.Errorf("session: got %+v", info)
	}
	must(t, c.RenewSession(ctx, id))
	held, err := c.Acquire(ctx, "viot/leader", nil, id)
	must(t, err)
	if !held {
		t.Error("acquire a free lock: got false")
	}
	other, err := c.CreateSession(ctx, "other", 10*time.Second)
	must(t, err)
	must(t, c.DestroySession(ctx, id))
	must(t, c.DestroySession(ctx, id))
	// The lock of a destroyed session is free once the lock delay of a millisecond is over.
	for held = false; !held; {
		held, err = c.Acquire(ctx, "viot/leader", nil, other)
		must(t, err)
	}
	want(t, "renew what is destroyed", c.RenewSession(ctx, id), consul.ErrNotFound)
	want(t, "renew what never was", c.RenewSession(ctx, gone), consul.ErrNotFound)
	_, err = c.SessionInfo(ctx, gone)
	want(t, "info of what never was", err, consul.ErrNotFound)
	_, err = c.Acquire(ctx, "viot/leader", nil, gone)
	want(t, "acquire for what never was", err, consul.ErrNotFound)
}

func TestRegistrationsAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), consultest.Start(t).Client()
	ready := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer ready.Close()
	notReady := httptest.NewServer(http.NotFoundHandler())
	defer notReady.Close()

	instances, index, err := c.Instances(ctx, "cse", 0, 0)
	must(t, err)
	if len(instances) != 0 || index == 0 {
		t.Fatalf("unknown service: got %+v at index %d, want none at an index", instances, index)
	}
	next := func(until func([]consul.Instance) bool) {
		t.Helper()
		for !until(instances) {
			instances, index, err = c.Instances(ctx, "cse", index, wait)
			must(t, err)
			must(t, ctx.Err())
		}
	}
	register := func(id, url string, port int) {
		t.Helper()
		must(t, c.Register(ctx, consul.Registration{ID: id, Service: "cse", Address: "10.1.2.3", Port: port,
			Meta: map[string]string{"viot-pool": "p"}, ReadinessURL: url, Interval: 50 * time.Millisecond}))
	}
	register("cse-1", ready.URL, 8080)
	next(func(got []consul.Instance) bool { return len(got) == 1 })
	if i := instances[0]; i.ID != "cse-1" || i.Service != "cse" || i.Address != "10.1.2.3" || i.Port != 8080 ||
		i.Meta["viot-pool"] != "p" || !i.Passing || i.Status != consul.StatusPassing || !i.AgentAlive || i.Node == "" {
		t.Errorf("registered: got %+v", i)
	}
	register("cse-2", notReady.URL, 8080)
	next(func(got []consul.Instance) bool { return len(got) == 2 && !got[1].Passing })
	if i := instances[1]; i.Status != consul.StatusCritical || !i.AgentAlive || !instances[0].Passing {
		t.Errorf("not ready: got %+v beside %+v", i, instances[0])
	}
	register("cse-2", ready.URL, 8081) // the same name with another address and check
	next(func(got []consul.Instance) bool { return got[1].Port == 8081 && got[1].Passing })
	must(t, c.SetMaintenance(ctx, "cse-2", true, "test"))
	next(func(got []consul.Instance) bool { return got[1].Status == consul.StatusMaintenance })
	if instances[1].Passing {
		t.Error("an instance in maintenance passes")
	}
	must(t, c.SetMaintenance(ctx, "cse-2", false, ""))
	services, err := c.Services(ctx)
	must(t, err)
	if len(services) != 2 || services[1] != "cse" {
		t.Errorf("services: got %q, want consul and cse", services)
	}
	must(t, c.Deregister(ctx, "cse-2"))
	must(t, c.Deregister(ctx, "cse-2"))
	must(t, c.DeregisterFromCatalog(ctx, "no-such-node", "cse-9"))
	must(t, c.DeregisterFromCatalog(ctx, instances[0].Node, "cse-9"))
	must(t, c.Deregister(ctx, "cse-1"))
	next(func(got []consul.Instance) bool { return len(got) == 0 })
}

func TestErrorsOfAnAbsentConsul(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	l.Close()
	c, err := consul.New(address, "")
	must(t, err)
	_, err = c.Get(t.Context(), "viot/a")
	want(t, "get", err, consul.ErrUnavailable)
	_, _, err = c.Instances(t.Context(), "cse", 0, 0)
	want(t, "instances", err, consul.ErrUnavailable)
	want(t, "ready", c.Ready(t.Context()), consul.ErrUnavailable)
	want(t, "renew", c.RenewSession(t.Context(), "x"), consul.ErrUnavailable)
	want(t, "fenced", c.Fenced(t.Context(), "k", "s"), consul.ErrUnavailable)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Get(cancelled, "viot/a")
	want(t, "get after cancel", err, context.Canceled)
	if errors.Is(err, consul.ErrUnavailable) {
		t.Errorf("get after cancel: got %v, want it not to blame Consul", err)
	}
}

// A Consul without a leader answers every read and write with 500.
func TestErrorsOfALeaderlessConsul(t *testing.T) {
	t.Parallel()
	leaderless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status/leader" {
			w.Write([]byte(`""`))
			return
		}
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	}))
	defer leaderless.Close()
	c, err := consul.New(leaderless.URL, "")
	must(t, err)
	want(t, "ready", c.Ready(t.Context()), consul.ErrUnavailable)
	want(t, "put", c.Put(t.Context(), "viot/a", nil), consul.ErrUnavailable)
	_, _, err = c.Instances(t.Context(), "cse", 5, wait)
	want(t, "instances", err, consul.ErrUnavailable)
	want(t, "renew", c.RenewSession(t.Context(), "x"), consul.ErrUnavailable)
}

func TestCancelEndsABlockingQuery(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	blocked := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}))
	defer blocked.Close()
	c, err := consul.New(blocked.URL, "")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, _, err = c.WatchPrefix(ctx, "viot/", 5, 10*time.Minute)
	want(t, "watch", err, context.Canceled)
}

func TestACL(t *testing.T) {
	t.Parallel()
	s := consultest.StartACL(t)
	anonymous, err := consul.New(s.Address, "")
	must(t, err)
	want(t, "write without a token", anonymous.Put(t.Context(), "viot/a", nil), consul.ErrDenied)
	must(t, s.Client().Put(t.Context(), "viot/a", nil))

	// A token without the right to read must not make a service look empty.
	must(t, s.Client().Register(t.Context(), consul.Registration{ID: "cse-1", Service: "cse", Address: "10.1.2.3", Port: 80,
		ReadinessURL: "http://" + s.Address + "/v1/status/leader"}))
	blind, err := consul.New(s.Address, newToken(t, s.Address))
	must(t, err)
	for index := uint64(0); err == nil; { // the registration reaches the catalog a moment later
		_, index, err = blind.Instances(t.Context(), "cse", index, wait)
	}
	want(t, "instances with a token that may not see them", err, consul.ErrDenied)
}

// newToken makes a token that may do nothing.
func newToken(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+"/v1/acl/token", strings.NewReader("{}"))
	must(t, err)
	r.Header.Set("X-Consul-Token", consultest.Token)
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	defer response.Body.Close()
	var token struct{ SecretID string }
	must(t, json.NewDecoder(response.Body).Decode(&token))
	return token.SecretID
}

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t)
	c := s.Client()
	must(t, c.Put(t.Context(), "viot/a", []byte("1")))
	s.Kill()
	_, err := c.Get(t.Context(), "viot/a")
	want(t, "get from a killed Consul", err, consul.ErrUnavailable)
	s.Restart()
	kv, err := c.AllowStale().Get(t.Context(), "viot/a")
	if err != nil || string(kv.Value) != "1" {
		t.Errorf("get after a restart: got %q, %v; want 1", kv.Value, err)
	}
	s.Kill()
	s.Wipe()
	s.Restart()
	_, err = c.Get(t.Context(), "viot/a")
	want(t, "get from a wiped Consul", err, consul.ErrNotFound)
}
