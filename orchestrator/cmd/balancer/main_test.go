package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/balancer"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	t.Parallel()
	c, err := parse([]string{"-stack", "dev", "-resync", "1s", "-route", "a=x", "-route", "b=y"}, environment(map[string]string{
		"BALANCER_STACK": "other", "BALANCER_LISTEN": ":9", "BALANCER_ALLOW_EMPTY": "true", "BALANCER_ROUTE": "c=z",
		"BALANCER_LOG_FORMAT": "json", "BALANCER_LOG_LEVEL": "debug", "BALANCER_CONSUL": "http://consul:8500",
	}), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := (*routes)(&c.balancer.Routes).String(), "a=x,b=y"; got != want {
		t.Errorf("routes: got %s, want %s", got, want)
	}
	if c.balancer.Stack != "dev" || c.balancer.Resync != time.Second || !c.balancer.AllowEmpty || c.listen != ":9" || !c.log.JSONFormat {
		t.Errorf("got %+v", c)
	}
	c, err = parse([]string{"-stack", "dev"}, environment(map[string]string{"BALANCER_ROUTE": "a=x,b=y"}), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.balancer.Routes) != 2 || c.balancer.Routes[1] != (balancer.Route{Service: "b", Backend: "y"}) ||
		c.balancer.Resync != balancer.DefaultResync || c.listen != ":8081" || c.balancer.AllowEmpty {
		t.Errorf("routes by environment and defaults: got %+v", c)
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := parse([]string{"-consul", "", "-haproxy", "x", "-route", "a", "-resync", "0", "-log-level", "loud", "-log-format", "xml", "more"},
		environment(map[string]string{"BALANCER_ALLOW_EMPTY": "perhaps"}), io.Discard)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, part := range []string{"-stack", "-consul:", "-haproxy:", "-route", "-resync", "-log-level", "-log-format", "-allow-empty", `"more"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to name %s", err, part)
		}
	}
}

// Neither Consul nor HAProxy is there: the companion says so, waits, and ends when it is told to.
func TestRunAnswersAndEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var log bytes.Buffer
	go func() {
		done <- run(ctx, []string{"-stack", "dev", "-route", "cse=cse", "-listen", address, "-consul", "127.0.0.1:1",
			"-haproxy", "unix:/nonexistent/admin.sock"}, environment(nil), &log)
	}()
	get := func(path string) int {
		for {
			r, err := http.Get("http://" + address + path)
			if err == nil {
				r.Body.Close()
				return r.StatusCode
			}
			select {
			case err := <-done:
				t.Fatalf("run ended: %v", err)
			case <-time.After(time.Millisecond):
			}
		}
	}
	if got := get("/healthz"); got != http.StatusOK {
		t.Errorf("healthz: got %d, want 200", got)
	}
	if got := get("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz: got %d, want 503", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: got %v, want nil", err)
	}
	if !strings.Contains(log.String(), "following consul") {
		t.Errorf("log: got %q", log.String())
	}
}

func TestPortTakenIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = run(t.Context(), []string{"-stack", "dev", "-route", "cse=cse", "-listen", l.Addr().String()}, environment(nil), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-listen") {
		t.Errorf("got %v, want an error that names -listen", err)
	}
}
