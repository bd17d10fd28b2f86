package balancer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// fakeConsul is a registry with blocking queries. A change wakes whoever waits.
type fakeConsul struct {
	mu        sync.Mutex
	away      bool
	instances string // as in instancesOf
	keys      map[string]string
	index     uint64
	changed   chan struct{}
	asked     int // queries of instances
}

func newFakeConsul() *fakeConsul {
	return &fakeConsul{keys: map[string]string{}, index: 1, changed: make(chan struct{})}
}

func (f *fakeConsul) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeConsul) queries() int {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *fakeConsul) Instances(ctx context.Context, _ string, index uint64, wait time.Duration) ([]consul.Instance, uint64, error) {
	f.mu.Lock()
	f.asked++
	changed, blocks := f.changed, index >= f.index && !f.away
	f.mu.Unlock()
	if blocks {
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-changed:
		case <-time.After(wait):
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, 0, consul.ErrUnavailable
	}
	return instancesOf(f.instances), f.index, nil
}

func (f *fakeConsul) Get(_ context.Context, key string) (consul.KV, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return consul.KV{}, consul.ErrUnavailable
	}
	value, ok := f.keys[key]
	if !ok {
		return consul.KV{}, consul.ErrNotFound
	}
	return consul.KV{Key: key, Value: []byte(value)}, nil
}

func (f *fakeConsul) List(_ context.Context, prefix string) ([]consul.KV, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, consul.ErrUnavailable
	}
	var kvs []consul.KV
	for key := range f.keys {
		if strings.HasPrefix(key, prefix) {
			kvs = append(kvs, consul.KV{Key: key, Value: []byte(f.keys[key])})
		}
	}
	return kvs, nil
}

// fakeHAProxy is a backend that refuses what a real one refuses.
type fakeHAProxy struct {
	mu       sync.Mutex
	away     bool
	servers  map[string]*Server
	commands []string
	held     int
	names    map[string]string // addresses of containers by name; nil where names say nothing
}

func newFakeHAProxy() *fakeHAProxy { return &fakeHAProxy{servers: map[string]*Server{}} }

func (f *fakeHAProxy) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeHAProxy) Backend(_ context.Context, name string) (Backend, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return Backend{}, ErrUnreachable
	}
	b := Backend{Name: name, SampledAt: time.Now(), Held: f.held}
	for _, s := range f.servers {
		b.Servers = append(b.Servers, *s)
	}
	slices.SortFunc(b.Servers, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
	return b, nil
}

// lookup is how a companion beside this HAProxy finds containers by name.
func (f *fakeHAProxy) lookup(_ context.Context, name string) (netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ip, ok := f.names[name]; ok {
		return netip.ParseAddr(ip)
	}
	return netip.Addr{}, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (f *fakeHAProxy) do(command, name string, change func(*Server) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return ErrUnreachable
	}
	s, ok := f.servers[name]
	if !ok {
		return fmt.Errorf("%s %s: %w: no such server", command, name, ErrRefused)
	}
	if err := change(s); err != nil {
		return fmt.Errorf("%s %s: %w: %w", command, name, ErrRefused, err)
	}
	f.commands = append(f.commands, command+" "+name)
	return nil
}

func (f *fakeHAProxy) Add(_ context.Context, _ string, s Server) error {
	f.set(func() {
		if _, there := f.servers[s.Name]; !f.away && !there {
			f.servers[s.Name] = &Server{Name: s.Name, Address: s.Address, MaxConnections: s.MaxConnections, State: Maintenance}
		}
	})
	return f.do("add", s.Name, func(*Server) error { return nil })
}

func (f *fakeHAProxy) SetState(_ context.Context, _, server string, state State) error {
	return f.do(string(state), server, func(s *Server) error { s.State = state; return nil })
}

func (f *fakeHAProxy) SetAddress(_ context.Context, _, server string, a netip.AddrPort) error {
	return f.do("move", server, func(s *Server) error { s.Address = a; return nil })
}

func (f *fakeHAProxy) SetMaxConnections(_ context.Context, _, server string, n int) error {
	return f.do("limit", server, func(s *Server) error { s.MaxConnections = n; return nil })
}

func (f *fakeHAProxy) Shutdown(_ context.Context, _, server string) error {
	return f.do("shutdown", server, func(s *Server) error { s.Current = 0; return nil })
}

func (f *fakeHAProxy) Delete(_ context.Context, _, server string) error {
	err := f.do("delete", server, func(s *Server) error {
		if s.State != Maintenance || s.Used > 0 {
			return fmt.Errorf("in use")
		}
		return nil
	})
	if err == nil {
		f.set(func() { delete(f.servers, server) })
	}
	return err
}

// serves writes which servers get requests.
func (f *fakeHAProxy) serves() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name, s := range f.servers {
		if s.State == Ready {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// inBubble runs a companion between a fake Consul and a fake HAProxy, on the fake clock.
func inBubble(t *testing.T, allowEmpty bool, test func(t *testing.T, c *fakeConsul, h *fakeHAProxy, b *Balancer, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, h, log := newFakeConsul(), newFakeHAProxy(), new(bytes.Buffer)
		config := Config{Stack: "t", Routes: []Route{{"cse", "cse"}}, AllowEmpty: allowEmpty, Resync: DefaultResync}
		b := New(config, c, h, hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info}))
		b.routes[0].lookup = h.lookup
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		test(t, c, h, b, log)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (f *fakeHAProxy) want(t *testing.T, when, want string) {
	t.Helper()
	synctest.Wait()
	if got := f.serves(); got != want {
		t.Errorf("%s: got %q served, want %q", when, got, want)
	}
}

func TestRouteFollowsWithoutWaiting(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, _ *bytes.Buffer) {
		began := time.Now()
		h.want(t, "at the start", "")
		c.set(func() { c.instances = "a" })
		h.want(t, "registered", "a")
		c.set(func() { c.instances = "a b c!" })
		h.want(t, "another and one that fails", "a b")
		if took := time.Since(began); took != 0 {
			t.Errorf("changes took %s on the fake clock, want none", took)
		}
		time.Sleep(settle)
		began = time.Now()
		c.set(func() { c.instances = "b!  c a" })
		h.want(t, "one fails, one recovers", "a c")
		if took := time.Since(began); took != 0 {
			t.Errorf("changes took %s on the fake clock, want none", took)
		}
	})
}

func TestRouteHealsAnEmptiedHAProxy(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, log *bytes.Buffer) {
		c.set(func() { c.instances = "a b" })
		h.want(t, "registered", "a b")
		h.set(func() { h.away, h.servers = true, map[string]*Server{} })
		time.Sleep(time.Minute)
		c.set(func() { c.instances = "b c" }) // missed by HAProxy, not by the companion
		time.Sleep(time.Minute)
		h.set(func() { h.away = false })
		time.Sleep(DefaultResync)
		h.want(t, "a restart later", "b c")
		h.set(func() { h.servers["a"] = &Server{Name: "a", State: Ready}; delete(h.servers, "b") })
		time.Sleep(DefaultResync)
		h.want(t, "after somebody meddled", "b c")
		if n := strings.Count(log.String(), "haproxy is not as it should be"); n != 1 {
			t.Errorf("two minutes without haproxy: got %d warnings, want 1:\n%s", n, log)
		}
	})
}

// What an instance is serving is ended when it goes because it fails its check, and finishes when it goes for any other
// reason; also while Consul is away, for then nobody can tell.
func TestRequestsOfAFailingInstanceAreEnded(t *testing.T) {
	t.Parallel()
	one, two := spec.InstanceName("t", "cse", 1), spec.InstanceName("t", "cse", 2)
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, log *bytes.Buffer) {
		current := func() (n int) {
			h.set(func() { n = h.servers[one].Current })
			return n
		}
		c.set(func() { c.instances = one + " " + two })
		time.Sleep(settle)
		h.set(func() { h.servers[one].Current, h.servers[one].Used = 4, 4 })
		for _, when := range []struct {
			is     string
			change func()
			want   int
		}{
			{"fails its check", func() { c.instances = one + "! " + two }, 4},
			{"drained", func() { c.instances = two; c.keys[spec.DrainKey("t", "cse", one)] = `{"phase":"deregistered"}` }, 4},
			{"drained for failing, consul away", func() {
				c.away = true
				c.keys[spec.DrainKey("t", "cse", one)] = `{"phase":"deregistered","failing":true}`
			}, 4},
			{"drained for failing", func() { c.away = false }, 0},
		} {
			c.set(when.change)
			time.Sleep(time.Minute)
			if got := current(); got != when.want {
				t.Errorf("%s: got %d requests left, want %d", when.is, got, when.want)
			}
		}
		h.want(t, "at the end", two)
		if n := strings.Count(log.String(), "ended requests"); n != 1 {
			t.Errorf("log: got %d lines that requests were ended, want 1:\n%s", n, log)
		}
	})
}

func TestQuestionForLoadWaitsUntilARequestIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, _ *fakeConsul, h *fakeHAProxy, b *Balancer, _ *bytes.Buffer) {
		ask := func(query string) (code int, s ServiceStatus, took time.Duration) {
			began := time.Now()
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/services/cse"+query, nil))
			json.Unmarshal(w.Body.Bytes(), &s)
			return w.Code, s, time.Since(began)
		}
		if code, _, took := ask("?wait=5s&held=0"); code != http.StatusOK || took < 5*time.Second || took > 5*time.Second+heldLook {
			t.Errorf("nothing held: got %d after %s, want 200 after 5s", code, took)
		}
		time.AfterFunc(2*time.Second, func() { h.set(func() { h.held = 3 }) })
		code, s, took := ask("?wait=5s&held=0")
		if code != http.StatusOK || s.Held != 3 || s.Queued != 3 || took > 2*time.Second+heldLook {
			t.Errorf("held after 2s: got %d %+v after %s, want 3 held after 2s", code, s, took)
		}
		if _, s, took := ask("?wait=5s&held=3"); s.Held != 3 || took < 5*time.Second {
			t.Errorf("no more are held: got %+v after %s, want the wait", s, took)
		}
		if _, s, took := ask(""); s.Held != 3 || took != 0 {
			t.Errorf("asked without a wait: got %+v after %s, want it at once", s, took)
		}
		for _, query := range []string{"?wait=x", "?wait=1h", "?wait=1s&held=x", "?held=-1"} {
			if code, _, _ := ask(query); code != http.StatusBadRequest {
				t.Errorf("%s: got %d, want 400", query, code)
			}
		}
	})
}

func TestRouteWaitsForConsulAndHAProxy(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, b *Balancer, log *bytes.Buffer) {
		c.set(func() { c.away = true })
		h.set(func() { h.away = true })
		ready := func() int {
			synctest.Wait()
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			return w.Code
		}
		time.Sleep(time.Minute)
		if got := ready(); got != http.StatusServiceUnavailable {
			t.Errorf("readyz with neither: got %d, want 503", got)
		}
		h.set(func() { h.away = false; h.servers["old"] = &Server{Name: "old", Address: address(80), State: Ready} })
		time.Sleep(time.Minute)
		h.want(t, "haproxy only", "old")
		if got := ready(); got != http.StatusServiceUnavailable {
			t.Errorf("readyz without consul: got %d, want 503", got)
		}
		asked := c.queries()
		time.Sleep(time.Minute)
		if n := c.queries() - asked; n < 10 || n > 61 {
			t.Errorf("a minute without consul: asked %d times, want about once a second", n)
		}
		if n := strings.Count(log.String(), "[WARN]"); n > 2 {
			t.Errorf("minutes without either: got %d warnings, want at most one for each:\n%s", n, log)
		}
		c.set(func() { c.away, c.instances = false, "new" })
		time.Sleep(longestPause)
		h.want(t, "consul is back", "new old")
		time.Sleep(settle)
		h.want(t, "and has settled", "new")
		if got := ready(); got != http.StatusOK {
			t.Errorf("readyz with both: got %d, want 200", got)
		}
	})
}

func TestRouteHoldsUntilMeantToGo(t *testing.T) {
	t.Parallel()
	const one = "viot-t-cse-1"
	for name, meant := range map[string]func(c *fakeConsul){
		"journal":  func(c *fakeConsul) { c.keys[spec.DrainKey("t", "cse", one)] = "{}" },
		"deletion": func(c *fakeConsul) { c.keys[spec.PoolKey("t", "cse")] = `{"deleting":true}` },
	} {
		inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, _ *bytes.Buffer) {
			c.set(func() { c.instances = one; c.keys[spec.PoolKey("t", "cse")] = `{"name":"cse"}` })
			time.Sleep(settle)
			c.set(func() { c.instances = "" })
			time.Sleep(time.Minute)
			h.want(t, name+": lost", one)
			c.mu.Lock()
			meant(c) // no change of the service: found by the next round
			c.mu.Unlock()
			time.Sleep(DefaultResync)
			h.want(t, name+": meant to go", "")
		})
	}
}

func TestRouteForgetsServersWhenTheirConnectionsAreGone(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, log *bytes.Buffer) {
		c.set(func() { c.instances = "a b" })
		time.Sleep(settle)
		h.set(func() { h.servers["b"].Used = 1 })
		c.set(func() { c.instances = "a" })
		h.want(t, "b is deregistered", "a")
		time.Sleep(time.Minute)
		h.set(func() { h.servers["b"].Used = 0 })
		time.Sleep(DefaultResync)
		synctest.Wait()
		h.set(func() {
			if _, there := h.servers["b"]; there {
				t.Error("b has no connections and is still there")
			}
		})
		if strings.Contains(log.String(), "[WARN]") {
			t.Errorf("a server with connections is nothing to warn of:\n%s", log)
		}
	})
}

func TestDrained(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, b *Balancer, _ *bytes.Buffer) {
		ask := func(name string, wait time.Duration) ServerStatus {
			t.Helper()
			synctest.Wait()
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/servers/"+name+"?wait="+wait.String(), nil))
			var s ServerStatus
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK {
				t.Fatalf("ask for %s: %d %s: %v", name, w.Code, w.Body, err)
			}
			return s
		}
		expect := func(name string, wait time.Duration, drained bool, reason string) {
			t.Helper()
			if s := ask(name, wait); s.Drained != drained || !strings.Contains(s.Reason, reason) || drained != (s.Reason == "") {
				t.Errorf("%s: got drained %v because %q, want %v because %q", name, s.Drained, s.Reason, drained, reason)
			}
		}
		c.set(func() { c.instances = "a b c!" })
		time.Sleep(settle)
		expect("a", 0, false, "consul lists it as passing")
		expect("c", 0, false, "consul lists it as critical")
		expect("never", 0, true, "")

		h.set(func() { h.servers["a"].Used, h.servers["a"].Current = 2, 1 })
		c.set(func() { c.instances = "b" })
		expect("a", time.Second, false, "2 connections in use, 1 requests in flight")
		began := time.Now()
		go func() {
			time.Sleep(10 * time.Second)
			h.set(func() { h.servers["a"].Used, h.servers["a"].Current = 0, 0 })
		}()
		expect("a", time.Minute, true, "")
		if took := time.Since(began); took < 10*time.Second || took > 10*time.Second+2*lastLook {
			t.Errorf("long poll: got an answer after %s, want it within %s of 10s", took, 2*lastLook)
		}

		// Away, Consul may know of a registration that the companion has not seen.
		c.set(func() { c.away = true })
		expect("a", 0, false, "consul")
		expect("never", time.Second, false, "consul")
		expect("b", 0, false, "held: consul does not answer")
		h.set(func() { h.away = true })
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/servers/a?wait=1s", nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("without haproxy: got %d %s, want 503", w.Code, w.Body)
		}
		for _, wait := range []string{"x", "-1s", "1h"} {
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/servers/a?wait="+wait, nil))
			if w.Code != http.StatusBadRequest {
				t.Errorf("wait=%s: got %d, want 400", wait, w.Code)
			}
		}
	})
}

// A registration that Consul knows and the companion does not yet must not be called drained.
func TestDrainedWaitsForTheNewestAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, _ *fakeHAProxy, b *Balancer, _ *bytes.Buffer) {
		c.set(func() { c.instances = "a" })
		time.Sleep(settle)
		synctest.Wait()
		c.mu.Lock()
		c.index += 5 // Consul is ahead and wakes nobody
		c.mu.Unlock()
		s, err := b.Drained(t.Context(), "b", time.Second)
		if err != nil || s.Drained || !strings.Contains(s.Reason, "newest answer") {
			t.Errorf("behind Consul: got %+v, %v; want not drained because of that", s, err)
		}
		s, err = b.Drained(t.Context(), "b", 2*contactEvery)
		if err != nil || !s.Drained {
			t.Errorf("after Consul's next answer: got %+v, %v; want drained", s, err)
		}
	})
}

func TestServersAreListed(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, b *Balancer, _ *bytes.Buffer) {
		c.set(func() { c.instances = "b a" })
		time.Sleep(settle + DefaultResync/2) // between two rounds
		synctest.Wait()
		h.set(func() { h.servers["old"] = &Server{Name: "old", State: Maintenance, Used: 1}; delete(h.servers, "b") })
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/servers", nil))
		var infos []ServerInfo
		if err := json.Unmarshal(w.Body.Bytes(), &infos); err != nil {
			t.Fatal(err)
		}
		var got string
		for _, i := range infos {
			got += fmt.Sprintf("%s/%s present=%v state=%s wanted=%v\n", i.Backend, i.Name, i.Present, i.State, i.Wanted)
		}
		want := "cse/a present=true state=ready wanted=true\ncse/b present=false state= wanted=true\ncse/old present=true state=maint wanted=false\n"
		if got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}
