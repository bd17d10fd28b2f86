package balancer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/balancer"
	"github.com/viot-project/viot/test/load"
)

// noFailure checks what the client counted over a disturbance.
func noFailure(t *testing.T, what string, s load.Summary) {
	t.Helper()
	t.Logf("%s: %s", what, s)
	if s.Failed > 0 || s.Requests == 0 {
		t.Errorf("%s: got %d failed of %d (%s), want none of some", what, s.Failed, s.Requests, s.Failures)
	}
}

func TestRegistrationIsServedAndDeregistrationIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.add()
	if status, by := w.do("GET", "/"); status != http.StatusOK || by != first.name {
		t.Errorf("one instance: got %d by %q, want 200 by %s", status, by, first.name)
	}
	second := w.add()
	w.drain(first)
	for range 10 {
		if status, by := w.do("POST", "/"); status != http.StatusOK || by != second.name {
			t.Fatalf("after the first has left: got %d by %q, want 200 by %s", status, by, second.name)
		}
	}
}

func TestScaleInLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stay, current := w.add(), w.add()
	stop := w.traffic()
	for range 25 {
		next := w.add()
		eventually(t, "the newcomer is busy", func() error {
			if n := next.served.Load(); n < 30 {
				return fmt.Errorf("it served %d requests", n)
			}
			return nil
		})
		w.drain(current)
		current = next
	}
	noFailure(t, "25 times one in, one out", stop())
	if stay.served.Load() == 0 {
		t.Error("the instance that stayed served nothing")
	}
}

func TestDrainedWaitsForRequestsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, busy := w.add(), w.add()
	var wait sync.WaitGroup
	for held := 0; held < 2; { // until two requests are held by busy; the other instance answers none
		wait.Go(func() {
			if status, _ := w.do("GET", "/hold"); status != http.StatusOK {
				t.Errorf("request in flight while draining: got status %d, want 200", status)
			}
		})
		select {
		case <-busy.entered:
			held++
		case <-other.entered:
		}
	}
	w.deregister(busy)
	w.waitState(busy.name, balancer.Maintenance)
	if s := w.drained(busy.name, "200ms"); s.Drained || s.Used == 0 {
		t.Errorf("drained with requests in flight: got %+v, want connections in use", s)
	}
	close(busy.release)
	if s := w.drained(busy.name, "1m"); !s.Drained {
		t.Errorf("drained after the last request: got %+v, want drained", s)
	}
	close(other.release)
	wait.Wait()
	busy.CloseClientConnections() // idle ones keep HAProxy from forgetting it
	w.waitState(busy.name, "")
	if s := w.drained(busy.name, ""); !s.Drained || s.Present {
		t.Errorf("drained after it has gone: got %+v, want drained and absent", s)
	}
	if s := w.drained("viot-t-cse-99", ""); !s.Drained {
		t.Errorf("drained of what never was: got %+v, want drained", s)
	}
	if s := w.drained(other.name, "20ms"); s.Drained || !s.Wanted {
		t.Errorf("drained of what serves: got %+v, want it not to be", s)
	}
}

func TestUnreadyInstanceIsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add()
	sick := w.add()
	if err := w.consul.SetMaintenance(t.Context(), sick.name, true, "test"); err != nil {
		t.Fatal(err)
	}
	w.waitOut(sick.name)
	if err := w.consul.SetMaintenance(t.Context(), sick.name, false, ""); err != nil {
		t.Fatal(err)
	}
	w.waitState(sick.name, balancer.Ready)
	sick.hangUp.Store(true)
	sick.Listener.Close() // its readiness check fails from now on
	w.waitOut(sick.name)
}

func TestLastInstanceLeavesOnPurposeOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	only := w.add()
	// Gone from Consul, but nobody said that it should go.
	if err := w.consul.Deregister(t.Context(), only.name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance is held", func() error {
		if s := w.drained(only.name, ""); s.Held == "" || s.Drained || s.State != balancer.Ready {
			return fmt.Errorf("it is %+v", s)
		}
		return nil
	})
	if status, _ := w.do("GET", "/"); status != http.StatusOK {
		t.Errorf("held: got status %d, want 200", status)
	}
	w.deregister(only)
	if s := w.drained(only.name, "1m"); !s.Drained {
		t.Errorf("with an entry in the drain journal: got %+v, want drained", s)
	}

	// The same at the end of the pool, which the Pulumi side may do without a journal.
	last := w.add()
	if err := w.consul.Put(t.Context(), spec.PoolKey(stack, pool), []byte(`{"deleting":true}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.consul.Deregister(t.Context(), last.name); err != nil {
		t.Fatal(err)
	}
	if s := w.drained(last.name, "1m"); !s.Drained {
		t.Errorf("pool being deleted: got %+v, want drained", s)
	}
}

func TestAllowEmptyBelievesAnEmptyConsul(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	w.config.AllowEmpty = true
	w.startCompanion()
	only := w.add()
	if err := w.consul.Deregister(t.Context(), only.name); err != nil {
		t.Fatal(err)
	}
	if s := w.drained(only.name, "1m"); !s.Drained {
		t.Errorf("with -allow-empty: got %+v, want drained", s)
	}
}

func TestKilledHAProxyGetsItsServersBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.add(), w.add()
	w.haproxy.Kill()
	var answer struct{ Error string }
	if code := w.get("/v1/servers/"+first.name, &answer); code != http.StatusServiceUnavailable || answer.Error == "" {
		t.Errorf("drained while haproxy is away: got %d %+v, want 503 and why", code, answer)
	}
	eventually(t, "the companion is not ready", func() error {
		if code := w.status("/readyz"); code != http.StatusServiceUnavailable {
			return fmt.Errorf("readyz: %d", code)
		}
		return nil
	})
	w.haproxy.Start()
	w.waitState(first.name, balancer.Ready)
	w.waitState(second.name, balancer.Ready)
	if status, _ := w.do("GET", "/"); status != http.StatusOK {
		t.Errorf("after the restart: got status %d, want 200", status)
	}
	eventually(t, "the companion is ready", func() error {
		if code := w.status("/readyz"); code != http.StatusOK {
			return fmt.Errorf("readyz: %d", code)
		}
		return nil
	})
}

func TestCompanionRestartDisturbsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.add(), w.add()
	stop := w.traffic()
	w.stop()
	w.deregister(first) // behind its back
	w.startCompanion()
	w.drain(first)
	third := w.add()
	// And once more with Consul away.
	w.stop()
	w.server.Kill()
	w.startCompanion()
	eventually(t, "it holds what it found", func() error { return w.held(second, third) })
	if code := w.status("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz before consul has answered: got %d, want 503", code)
	}
	noFailure(t, "companion restarted twice", stop())
}

func TestConsulAwayKeepsServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.add(), w.add()
	stop := w.traffic()

	w.server.Kill()
	eventually(t, "the companion holds", func() error { return w.held(first, second) })
	w.server.Restart()
	eventually(t, "nothing is held any more", func() error {
		if w.held(first) == nil || w.held(second) == nil {
			return fmt.Errorf("still held")
		}
		return nil
	})
	third := w.add()
	w.drain(third)
	noFailure(t, "consul killed and restarted", stop())

	stop = w.traffic()
	w.server.Kill()
	w.server.Wipe()
	w.server.Restart()
	eventually(t, "the companion holds what consul lost", func() error { return w.held(first, second) })
	w.register(first, 0) // as the orchestrator does when it finds them unregistered
	w.register(second, 0)
	fourth := w.add()
	for _, i := range []*instance{first, second, fourth} {
		w.waitState(i.name, balancer.Ready)
	}
	noFailure(t, "consul killed and returned empty", stop())
}

func TestMovedInstanceIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	former := w.add()
	w.do("GET", "/") // leaves an idle connection to its former address
	moved := w.newInstance()
	moved.name = former.name
	w.register(moved, 7)
	eventually(t, "requests go to the new address", func() error {
		if w.do("GET", "/"); moved.served.Load() == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	// A request that was under way during the move leaves its connection idle, and it may be used again until the former instance
	// closes it, as one that ends does.
	former.CloseClientConnections()
	before := former.served.Load()
	for range 20 {
		w.do("GET", "/")
	}
	if got := former.served.Load() - before; got != 0 {
		t.Errorf("after the move: got %d requests at the former address, want none", got)
	}
	eventually(t, "its limit is followed", func() error {
		b, err := w.haproxy.client.Backend(t.Context(), "cse")
		if err == nil && b.Servers[0].MaxConnections != 7 {
			err = fmt.Errorf("limit %d", b.Servers[0].MaxConnections)
		}
		return err
	})
}

func TestLoadIsCountedOnArrival(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "timeout queue 10s", "timeout queue 100ms", "SERVICE 30 2000", "cse 0.1 2000")
	load := func() (s balancer.ServiceStatus) {
		t.Helper()
		if code := w.get("/v1/services/cse", &s); code != http.StatusOK {
			t.Fatalf("load: got status %d", code)
		}
		return s
	}
	w.do("GET", "/") // no server
	if s := load(); s.Arrivals != 1 || s.Rejected != 1 || s.Errors != 0 || s.Failed != 0 {
		t.Errorf("no server: got %+v, want 1 arrived and rejected", s)
	}
	only := w.newInstance()
	w.register(only, 1)
	w.waitState(only.name, balancer.Ready)
	var wait sync.WaitGroup
	request := func() { wait.Go(func() { w.do("GET", "/hold") }) }
	request()
	<-only.entered
	if s := load(); s.Arrivals != 2 || s.Current != 1 || s.Queued != 0 || s.Servers[only.name].Current != 1 {
		t.Errorf("one in flight: got %+v, want 2 arrived, 1 current", s)
	}
	request() // queues, and is refused after timeout queue
	eventually(t, "the second is counted while it waits or when it is refused", func() error {
		if s := load(); s.Arrivals != 3 || s.Queued+int(s.Rejected) != 2 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	eventually(t, "the second is refused", func() error {
		if s := load(); s.Rejected != 2 || s.Queued != 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	close(only.release)
	wait.Wait()
	only.hangUp.Store(true)
	if status, _ := w.do("POST", "/"); status != http.StatusBadGateway {
		t.Errorf("instance that hangs up on a POST: got status %d, want 502", status)
	}
	if s := load(); s.Arrivals != 4 || s.Failed != 1 || s.Errors != 1 || s.Rejected != 2 || s.Retries != 0 || s.Servers[only.name].Requests != 2 {
		t.Errorf("one failed: got %+v, want 4 arrived, 1 failed, 2 requests given to the instance", s)
	}
	only.hangUp.Store(false)
	if status, _ := w.do("POST", "/?status=500"); status != http.StatusInternalServerError {
		t.Errorf("instance that answers 500: got status %d", status)
	}
	if s := load(); s.Arrivals != 5 || s.Failed != 1 || s.Errors != 2 || s.Rejected != 2 {
		t.Errorf("one answered 500: got %+v, want 5 arrived, 2 errors", s)
	}
	var by balancer.ServiceStatus
	if code := w.get("/v1/backends/cse", &by); code != http.StatusOK || by.Service != "cse" {
		t.Errorf("by backend: got %d %+v, want service cse", code, by)
	}
	var answer struct{ Error string }
	if code := w.get("/v1/services/none", &answer); code != http.StatusNotFound || answer.Error == "" {
		t.Errorf("unknown service: got %d %+v, want 404 and why", code, answer)
	}
	page := w.page("/metrics")
	for _, line := range []string{
		`balancer_arrivals_total{backend="cse",service="cse"} 5`, `balancer_errors_total{backend="cse",service="cse"} 2`, `balancer_held{backend="cse",service="cse"} 0`, `balancer_rejected_total{backend="cse",service="cse"} 2`,
		`balancer_failed_total{backend="cse",service="cse"} 1`, `balancer_haproxy_up{backend="cse",service="cse"} 1`,
		`balancer_servers_ready{backend="cse",service="cse"} 1`, `balancer_consul_contact_age_seconds{`, `balancer_sync_seconds_count{service="cse"}`,
	} {
		if !strings.Contains(page, line) {
			t.Errorf("metrics: got no line with %s", line)
		}
	}
}

// While there is no instance requests are held, and answered as soon as there is one.
func TestRequestsAreHeldWhileThereIsNoInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wait sync.WaitGroup
	ask := func(method string) {
		wait.Go(func() {
			if status, by := w.do(method, "/"); status != http.StatusOK || by != spec.InstanceName(stack, pool, 1) && by != spec.InstanceName(stack, pool, 2) {
				t.Errorf("held %s: got status %d by %q, want 200 by an instance", method, status, by)
			}
		})
	}
	held := func(n int, arrivals uint64) {
		t.Helper()
		eventually(t, "requests are held", func() error {
			var s balancer.ServiceStatus
			if w.get("/v1/services/cse?wait=1m&held="+fmt.Sprint(n-1), &s); s.Held != n || s.Queued != n || s.Arrivals != arrivals || s.Rejected != 0 {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	}
	// A client that goes away is not waited for.
	gone, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(gone, "GET", "http://"+w.haproxy.Address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	wait.Go(func() {
		if _, err := http.DefaultClient.Do(r); err == nil {
			t.Error("request whose client went away: got an answer")
		}
	})
	held(1, 1)
	cancel()
	for range 20 {
		ask("GET")
		ask("POST")
	}
	eventually(t, "40 are held", func() error {
		var s balancer.ServiceStatus
		if w.get("/v1/services/cse", &s); s.Held < 40 || s.Arrivals != 41 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	first := w.add()
	wait.Wait()
	if n := first.served.Load(); n < 40 || n > 41 {
		t.Errorf("the first instance got %d requests, want each of 40 once", n)
	}
	// And once more after the pool has gone to zero.
	w.drain(first)
	ask("POST")
	held(1, 42)
	second := w.add()
	wait.Wait()
	if n := second.served.Load(); n != 1 {
		t.Errorf("the second instance got %d requests, want 1", n)
	}
}

func TestHoldingIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "SERVICE 30 2000", "cse 3 5")
	statuses := make(chan *http.Response, 10)
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			response, err := http.Post("http://"+w.haproxy.Address+"/", "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			statuses <- response
		})
	}
	wait.Wait()
	close(statuses)
	for r := range statuses {
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
			t.Errorf("held too long or too many: got %d with Retry-After %q, want 503 and when to try again", r.StatusCode, r.Header.Get("Retry-After"))
		}
	}
	eventually(t, "all are counted as rejected", func() error {
		var s balancer.ServiceStatus
		if w.get("/v1/services/cse", &s); s.Arrivals != 10 || s.Rejected != 10 || s.Errors != 0 || s.Held != 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// The only instance dies under load, as a container does: its address answers nothing any more. What was being served is
// repeated where that is safe, and waits with all that comes for the next instance.
func TestDeathOfTheOnlyInstanceLosesNoRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	only := w.add()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if status, _ := w.do("GET", "/hold"); status != http.StatusOK {
				t.Errorf("read in flight: got status %d, want 200 from the next instance", status)
			}
		})
	}
	for range 8 {
		<-only.entered
	}
	only.hangUp.Store(true)
	only.Listener.Close()
	close(only.release)
	only.CloseClientConnections()
	next := w.newInstance()
	close(next.release)
	wait.Go(func() {
		if status, _ := w.do("POST", "/"); status != http.StatusOK {
			t.Errorf("write that came meanwhile: got status %d, want 200 from the next instance", status)
		}
	})
	eventually(t, "all are held", func() error {
		var s balancer.ServiceStatus
		if w.get("/v1/services/cse", &s); s.Held != 9 || s.Arrivals != 9 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	w.register(next, 0)
	wait.Wait()
	if n := next.served.Load(); n != 9 {
		t.Errorf("the next instance got %d requests, want 9", n)
	}
	var s balancer.ServiceStatus
	if w.get("/v1/services/cse", &s); s.Arrivals != 9 || s.Rejected != 0 || s.Errors != 0 {
		t.Errorf("counted: got %+v, want 9 arrivals and no failure", s)
	}
}

// What may have reached an instance is repeated only when that is safe; what could not be sent always is.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, dying := w.add(), w.add()
	dying.hangUp.Store(true)
	posts := 0
	for range 20 {
		if status, _ := w.do("GET", "/"); status != http.StatusOK {
			t.Errorf("GET: got status %d, want 200 from the other instance", status)
		}
		if status, _ := w.do("POST", "/"); status != http.StatusOK {
			posts++
		}
	}
	if got := dying.served.Load(); got == 0 || posts == 0 {
		t.Errorf("the dying instance got %d requests and failed %d POST: want some of each", got, posts)
	}
	if given := good.served.Load() + int64(posts); given < 40 {
		t.Errorf("answered or failed: got %d of 40", given)
	}
	dying.Listener.Close() // connections are refused from now on
	dying.CloseClientConnections()
	for range 20 {
		if status, _ := w.do("POST", "/"); status != http.StatusOK {
			t.Errorf("POST that cannot be sent: got status %d, want 200 from the other instance", status)
		}
	}
}

func TestInternalFrontend(t *testing.T) {
	t.Parallel()
	h := startHAProxy(t)
	for path, want := range map[string]int{"/haproxy-ready": 200, "/metrics": 200, "/": 404} {
		r, err := http.Get("http://" + h.Internal + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("GET %s: got status %d, want %d", path, r.StatusCode, want)
		}
	}
}
