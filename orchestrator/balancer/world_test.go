package balancer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/balancer"
	"github.com/viot-project/viot/test/load"
)

const stack, pool = "t", "cse"

// world is a real Consul, a real HAProxy and the companion between them.
type world struct {
	t       testing.TB
	server  *consultest.Server
	consul  *consul.Client
	haproxy *haproxyProcess
	config  balancer.Config
	api     *httptest.Server
	stop    func() // ends the companion
	next    int
}

func newWorld(t testing.TB, edit ...string) *world {
	t.Helper()
	w := &world{t: t, server: consultest.Start(t), haproxy: startHAProxy(t, edit...), config: balancer.Config{
		Stack: stack, Routes: []balancer.Route{{Service: "cse", Backend: "cse"}}, Resync: balancer.DefaultResync,
	}}
	w.consul = w.server.Client()
	w.startCompanion()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) startCompanion() {
	w.t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Output: w.t.Output(), Level: hclog.Debug})
	companion := balancer.New(w.config, w.consul, w.haproxy.client, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- companion.Run(ctx) }()
	w.api = httptest.NewServer(companion.Handler())
	w.stop = func() {
		cancel()
		w.api.Close()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
		w.stop = func() {}
	}
}

// instance is one member of the pool: it says who it is and takes as long as it is asked to.
type instance struct {
	*httptest.Server
	name    string
	port    int
	served  atomic.Int64
	first   atomic.Pointer[time.Time] // when the first request came
	last    atomic.Pointer[time.Time] // and the newest one
	entered chan struct{}             // one value for each request to /hold
	release chan struct{}             // closed to answer these
	hangUp  atomic.Bool               // closes connections instead of answering
}

func (w *world) newInstance() *instance {
	w.next++
	i := &instance{
		name: spec.InstanceName(stack, pool, w.next), entered: make(chan struct{}, 1024), release: make(chan struct{}),
	}
	i.Server = httptest.NewServer(i)
	w.t.Cleanup(i.Server.Close)
	w.t.Cleanup(func() { i.hangUp.Store(true) })
	i.port = i.Listener.Addr().(*net.TCPAddr).Port
	return i
}

func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		return
	}
	now := time.Now()
	i.first.CompareAndSwap(nil, &now)
	i.last.Store(&now)
	i.served.Add(1)
	io.Copy(io.Discard, r.Body)
	if i.hangUp.Load() {
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/hold" {
		i.entered <- struct{}{}
		<-i.release
		if i.hangUp.Load() {
			panic(http.ErrAbortHandler)
		}
	}
	if ms, _ := strconv.Atoi(r.URL.Query().Get("ms")); ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond) // the instance's work, not a wait of the test
	}
	if status, _ := strconv.Atoi(r.URL.Query().Get("status")); status > 0 {
		w.WriteHeader(status)
	}
	fmt.Fprintln(w, i.name)
}

// isServing returns nil once the instance has got a request.
func (i *instance) isServing() error {
	if i.served.Load() == 0 {
		return errors.New("it has got no request")
	}
	return nil
}

// register registers an instance as the orchestrator does.
func (w *world) register(i *instance, maxConnections int) {
	w.t.Helper()
	r := consul.Registration{ID: i.name, Service: "cse", Address: "127.0.0.1", Port: i.port, ReadinessURL: i.URL + "/readyz"}
	if maxConnections > 0 {
		r.Meta = map[string]string{spec.MetaMaxConnections: strconv.Itoa(maxConnections)}
	}
	if err := w.consul.Register(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

// add starts and registers an instance and waits until HAProxy gives it requests.
func (w *world) add() *instance {
	w.t.Helper()
	i := w.newInstance()
	w.register(i, 0)
	w.waitState(i.name, balancer.Ready)
	return i
}

// deregister deregisters an instance as the orchestrator does: the drain journal first.
func (w *world) deregister(i *instance) {
	w.t.Helper()
	if err := w.consul.Put(w.t.Context(), spec.DrainKey(stack, pool, i.name), []byte("{}")); err != nil {
		w.t.Fatal(err)
	}
	if err := w.consul.Deregister(w.t.Context(), i.name); err != nil {
		w.t.Fatal(err)
	}
}

// waitState waits until HAProxy has a server in a state; an empty state means not at all.
func (w *world) waitState(name string, state balancer.State) {
	w.t.Helper()
	eventually(w.t, name+" is "+string(state), func() error {
		got, err := w.state(name)
		if err == nil && got != state {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	})
}

// waitOut waits until HAProxy gives a server no requests.
func (w *world) waitOut(name string) {
	w.t.Helper()
	eventually(w.t, name+" is out", func() error {
		got, err := w.state(name)
		if err == nil && got != "" && got != balancer.Maintenance {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	})
}

func (w *world) state(name string) (balancer.State, error) {
	b, err := w.haproxy.client.Backend(w.t.Context(), "cse")
	if err != nil {
		return "", err
	}
	for _, s := range b.Servers {
		if s.Name == name {
			return s.State, nil
		}
	}
	return "", nil
}

// get asks the companion.
func (w *world) get(path string, into any) (status int) {
	w.t.Helper()
	r, err := http.Get(w.api.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		w.t.Fatalf("GET %s: %s: %v", path, r.Status, err)
	}
	return r.StatusCode
}

// status asks the companion for a page and returns the status.
func (w *world) status(path string) int {
	w.t.Helper()
	r, err := http.Get(w.api.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// page asks the companion for a page and returns its text.
func (w *world) page(path string) string {
	w.t.Helper()
	r, err := http.Get(w.api.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// held returns nil when all of the instances are held and served.
func (w *world) held(instances ...*instance) error {
	w.t.Helper()
	for _, i := range instances {
		var s balancer.ServerStatus
		if code := w.get("/v1/servers/"+i.name, &s); code != http.StatusOK || s.Held == "" || s.State != balancer.Ready {
			return fmt.Errorf("status %d, %+v", code, s)
		}
	}
	return nil
}

// drained asks whether an instance is drained.
func (w *world) drained(name, wait string) balancer.ServerStatus {
	w.t.Helper()
	var s balancer.ServerStatus
	if code := w.get("/v1/servers/"+name+"?wait="+wait, &s); code != http.StatusOK {
		w.t.Fatalf("drained %s: got status %d", name, code)
	}
	return s
}

// drain takes an instance out and stops it when the companion says so.
func (w *world) drain(i *instance) {
	w.t.Helper()
	w.deregister(i)
	if s := w.drained(i.name, "1m"); !s.Drained {
		w.t.Fatalf("drain: %+v", s)
	}
	i.hangUp.Store(true) // a request after this is a failure at the client
	i.CloseClientConnections()
	i.Server.Close()
}

// do sends one request through HAProxy on a connection of its own and returns the status and who answered; status 0
// when nobody did.
func (w *world) do(method, path string) (status int, by string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.haproxy.Address+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("X-Viot-Instance")
}

// traffic keeps 16 keep-alive connections busy with a quarter of POST until stop, which returns what was counted at
// the client.
func (w *world) traffic() (stop func() load.Summary) {
	w.t.Helper()
	var tally load.Tally
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- load.Run(ctx, load.Config{
			Address: w.haproxy.Address, Connections: 16, Timeout: deadline, RequestID: "t", Record: tally.Record,
			Next: func(_, sequence int) load.Request {
				if sequence%4 == 0 {
					return load.Request{Method: http.MethodPost, Path: "/?ms=5", Body: "x"}
				}
				return load.Request{Method: http.MethodGet, Path: "/?ms=5"}
			},
		})
	}()
	w.t.Cleanup(cancel)
	return func() load.Summary {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		return tally.Summary()
	}
}
