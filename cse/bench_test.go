package cse_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// connections is how many keep-alive connections the benchmarks use.
const connections = 16

// BenchmarkMca measures the requests that peers are compared by, over loopback HTTP with 16 connections and 100 bytes of content in
// a container of 1,000. The private PostgreSQL does not sync: set VIOT_TEST_POSTGRES for figures that count.
func BenchmarkMca(b *testing.B) {
	stores := map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite:" + filepath.Join(b.TempDir(), "cse.db") },
		"postgres": func(b *testing.B) string { return postgrestest.DSN(b) },
	}
	content := fmt.Sprintf(`{"m2m:cin":{"con":%q}}`, strings.Repeat("x", 100))
	for _, name := range []string{"sqlite", "postgres"} {
		for _, request := range []struct{ name, method, path, body, contentType string }{
			{"create", "POST", "/cse-in/bench", content, "application/json;ty=4"},
			{"latest", "GET", "/cse-in/bench/la", "", ""},
			{"base", "GET", "/cse-in", "", ""},
		} {
			b.Run(name+"/"+request.name, func(b *testing.B) {
				base := serve(b, stores[name](b))
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
				defer client.CloseIdleConnections()
				var ids atomic.Int64
				send := func(method, path, body, contentType string) {
					r, err := http.NewRequest(method, base+path, strings.NewReader(body))
					if err != nil {
						b.Fatal(err)
					}
					r.Header.Set("X-M2M-Origin", "CAdmin")
					r.Header.Set("X-M2M-RI", fmt.Sprint(ids.Add(1)))
					if contentType != "" {
						r.Header.Set("Content-Type", contentType)
					}
					w, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					answer, err := io.ReadAll(w.Body)
					w.Body.Close()
					if w.StatusCode >= 300 || err != nil {
						b.Errorf("%s %s: got %s %s (%v)", method, path, w.Status, answer, err)
					}
				}
				send("POST", "/cse-in", `{"m2m:cnt":{"rn":"bench","mni":1000}}`, "application/json;ty=3")
				send("POST", "/cse-in/bench", content, "application/json;ty=4")
				work := make(chan struct{})
				b.ResetTimer()
				done := make(chan struct{})
				for range connections {
					go func() {
						for range work {
							send(request.method, request.path, request.body, request.contentType)
						}
						done <- struct{}{}
					}()
				}
				for range b.N {
					work <- struct{}{}
				}
				close(work)
				for range connections {
					<-done
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			})
		}
	}
}

// serve runs a whole CSE on a store until the test ends and returns its address once it is ready.
func serve(tb testing.TB, address string) string {
	tb.Helper()
	config, err := cse.ParseConfig([]string{"-store", address}, func(string) string { return "" }, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := sqlstore.Open(config.Store, sqlstore.Options{Connections: config.StoreConnections})
	if err != nil {
		tb.Fatal(err)
	}
	server := cse.New(config, s, hclog.NewNullLogger())
	if err := server.Prepare(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("serve: %v", err)
		}
		if err := s.Close(); err != nil {
			tb.Errorf("close store: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}
