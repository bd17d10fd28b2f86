package balancer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/balancer"
	"github.com/viot-project/viot/test/load"
)

// newOutage is HAProxy with nobody beside it that tells which of its servers are dead: it has to find that out by itself.
func newOutage(t *testing.T, edit ...string) *world {
	t.Helper()
	return &world{t: t, haproxy: startHAProxy(t, edit...)}
}

// serve starts an instance and gives it to HAProxy as the companion does.
func (w *world) serve() *instance {
	w.t.Helper()
	i := w.newInstance()
	address := netip.MustParseAddrPort(i.Listener.Addr().String())
	if err := w.haproxy.client.Add(w.t.Context(), "cse", balancer.Server{Name: i.name, Address: address}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.haproxy.client.SetState(w.t.Context(), "cse", i.name, balancer.Ready); err != nil {
		w.t.Fatal(err)
	}
	return i
}

// refuse ends an instance: its connections are closed and its address refuses new ones.
func (w *world) refuse(i *instance) {
	i.hangUp.Store(true)
	i.Listener.Close()
	i.CloseClientConnections()
}

// vanish ends an instance as a container ends: its connections are closed and its address answers nothing any more. What
// stands in for the address is a listener with a full queue, for which the kernel drops whatever asks for a connection.
func (w *world) vanish(i *instance) {
	w.t.Helper()
	w.refuse(i)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { syscall.Close(fd) })
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Port: i.port, Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0))
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		conn, err := net.DialTimeout("tcp", i.Listener.Addr().String(), 50*time.Millisecond)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { conn.Close() })
	}
}

// request is a read, or every third time a create that may be repeated.
func (w *world) request(_, sequence int) load.Request {
	if sequence%3 == 2 {
		return load.Request{Method: http.MethodPost, Path: "/?ms=5", Body: "x", Header: map[string]string{"Content-Type": "application/json;ty=4"}}
	}
	return load.Request{Method: http.MethodGet, Path: "/?ms=5"}
}

// Every instance dies at once while requests run. Nothing fails: what was being served is repeated and waits, with all that
// comes, for the next instance. With many instances and few requests these alone do not find out soon enough that all are
// dead.
func TestDeathOfEveryInstanceLosesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		instances, connections int
		die                    func(*world, *instance)
	}{
		"gone":                  {4, 16, (*world).vanish},
		"refused":               {4, 16, (*world).refuse},
		"gone, few requests":    {9, 1, (*world).vanish},
		"refused, few requests": {9, 1, (*world).refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOutage(t)
			var instances []*instance
			for range c.instances {
				instances = append(instances, w.serve())
			}
			var tally load.Tally
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				done <- load.Run(ctx, load.Config{Address: w.haproxy.Address, Connections: c.connections, Timeout: deadline, RequestID: "t", Record: tally.Record, Next: w.request})
			}()
			for _, i := range instances {
				eventually(t, "all are busy", i.isServing)
			}
			for _, i := range instances {
				c.die(w, i)
			}
			eventually(t, "all requests are held", func() error {
				b, err := w.haproxy.client.Backend(t.Context(), "cse")
				if err == nil && b.Held != c.connections {
					err = fmt.Errorf("%d of %d are", b.Held, c.connections)
				}
				return err
			})
			next := w.serve()
			eventually(t, "the next instance serves", func() error {
				if n := next.served.Load(); n < 100 {
					return fmt.Errorf("it has served %d requests", n)
				}
				return nil
			})
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			noFailure(t, "all died", tally.Summary())
		})
	}
}

// When no instance comes in time a request is refused like any other that there is no room for.
func TestDeathOfEveryInstanceIsToldAfterTheHold(t *testing.T) {
	t.Parallel()
	w := newOutage(t, "SERVICE 30 2000", "cse 1 2000")
	instances := []*instance{w.serve(), w.serve()}
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			response, err := http.Get("http://" + w.haproxy.Address + "/hold")
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
				t.Errorf("got %d with Retry-After %q, want 503 and when to try again", response.StatusCode, response.Header.Get("Retry-After"))
			}
		})
	}
	eventually(t, "all are being served", func() error {
		if n := instances[0].served.Load() + instances[1].served.Load(); n != 6 {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	for _, i := range instances {
		i.hangUp.Store(true)
		close(i.release)
		w.vanish(i)
	}
	wait.Wait()
}

// What an instance that hangs is serving is repeated on another when it is given up, if that is safe. What it takes its time
// for is not: it is asked once.
func TestRequestsOfAnInstanceThatHangsAreRepeated(t *testing.T) {
	t.Parallel()
	w := newOutage(t)
	hung := w.serve()
	var wait sync.WaitGroup
	ask := func(method, contentType string, want func(status int, by string) bool) {
		wait.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.haproxy.Address+"/hold", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("X-M2M-RI", "1")
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Errorf("%s: %v", method, err)
				return
			}
			response.Body.Close()
			if by := response.Header.Get("X-Viot-Instance"); !want(response.StatusCode, by) {
				t.Errorf("%s %s: got %d by %q", method, contentType, response.StatusCode, by)
			}
		})
	}
	var other *instance
	byOther := func(status int, by string) bool { return status == http.StatusOK && by == other.name }
	for range 4 {
		ask("GET", "", byOther)
		ask("POST", "application/json;ty=4", byOther)
		ask("POST", "application/json", func(status int, _ string) bool { return status == http.StatusBadGateway })
	}
	for range 12 {
		<-hung.entered
	}
	other = w.serve()
	close(other.release)
	if err := w.haproxy.client.SetState(t.Context(), "cse", hung.name, balancer.Maintenance); err != nil {
		t.Fatal(err)
	}
	if n := other.served.Load(); n != 0 {
		t.Errorf("before it is given up: the other instance got %d requests, want none", n)
	}
	if err := w.haproxy.client.Shutdown(t.Context(), "cse", hung.name); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	if n := other.served.Load(); n != 8 {
		t.Errorf("the other instance got %d requests, want the 4 reads and 4 creates", n)
	}
	hung.hangUp.Store(true)
	close(hung.release)
}

// A create is repeated also when its body comes after its headers, as many clients send it.
func TestCreateThatComesInPartsIsRepeated(t *testing.T) {
	t.Parallel()
	w := newOutage(t)
	dying := w.serve()
	dying.hangUp.Store(true)
	conn, err := net.Dial("tcp", w.haproxy.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: t\r\nX-M2M-RI: 1\r\nContent-Type: application/json;ty=4\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
	eventually(t, "haproxy has the headers", func() error {
		b, err := w.haproxy.client.Backend(t.Context(), "cse")
		if err == nil && b.Current != 1 {
			err = errors.New("not yet")
		}
		return err
	})
	fmt.Fprint(conn, "x")
	eventually(t, "the first attempt fails", dying.isServing)
	w.serve()
	if err := w.haproxy.client.SetState(t.Context(), "cse", dying.name, balancer.Maintenance); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("got %q, %v, want 200 from the other instance", answer, err)
	}
}
