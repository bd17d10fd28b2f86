package load

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCountsWhatTheServerSees sends against a server that refuses every tenth request and drops every twentieth
// connection, and compares the tally with the server's own count.
func TestCountsWhatTheServerSees(t *testing.T) {
	t.Parallel()
	var seen, refused, dropped atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := seen.Add(1)
		w.Header().Set("X-Viot-Instance", "one")
		switch {
		case n%20 == 0:
			dropped.Add(1)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		case n%10 == 0:
			refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Write([]byte("fine"))
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var tally Tally
	err := Run(ctx, Config{
		Address: strings.TrimPrefix(server.URL, "http://"), Connections: 4, RequestID: "t", Timeout: 10 * time.Second,
		Next: func(connection, sequence int) Request { return Request{Method: http.MethodPost, Path: "/", Body: "x"} },
		Record: func(r Result) {
			tally.Record(r)
			if tally.Summary().Requests >= 200 {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := tally.Summary()
	if int64(s.Requests) != seen.Load() || int64(s.Failed) != refused.Load()+dropped.Load() || int64(s.Served["one"]) != seen.Load()-refused.Load()-dropped.Load() {
		t.Errorf("tally %s, served %v; the server saw %d, refused %d and dropped %d", s, s.Served, seen.Load(), refused.Load(), dropped.Load())
	}
	if !strings.Contains(s.Failures, "POST 503 from one") || !strings.Contains(s.Failures, "unexpected EOF") {
		t.Errorf("failures %q: want both kinds", s.Failures)
	}
}

func TestRunNeedsAServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if err := Run(t.Context(), Config{Address: address, Connections: 1, Timeout: time.Second}); err == nil {
		t.Error("load on an address where nobody listens: want an error")
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {0.1, 1}, {0.11, 2}, {0.5, 5}, {0.99, 10}, {1, 10}} {
		if got := Quantile(values, c.q); got != c.want {
			t.Errorf("quantile %v: got %d, want %d", c.q, got, c.want)
		}
	}
	if got := Quantile([]time.Duration{}, 0.5); got != 0 {
		t.Errorf("quantile of nothing: got %d, want 0", got)
	}
}
