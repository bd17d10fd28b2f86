package load

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// TestTree prepares a tree on a CSE, runs the mix on it and removes it.
func TestTree(t *testing.T) {
	t.Parallel()
	config, err := cse.ParseConfig([]string{"-store", "sqlite:" + filepath.Join(t.TempDir(), "cse.db")}, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(config.Store, sqlstore.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	server := cse.New(config, s, hclog.NewNullLogger())
	if err := server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server.Handler())
	defer listener.Close()
	tree, err := Prepare(t.Context(), listener.URL, "cse-in", "load")
	if err != nil {
		t.Fatal(err)
	}
	latest, err := tree.Client().Latest(t.Context(), "cse-in/load/data")
	if err != nil || latest.Text() != "first" {
		t.Errorf("latest content: got %v, %v, want what was written", latest, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed, requests atomic.Int64
	err = Run(ctx, Config{
		Address: listener.Listener.Addr().String(), Connections: 2, RequestID: "t", Timeout: 10 * time.Second, Next: tree.Mix,
		Record: func(r Result) {
			if r.Failed() {
				failed.Add(1)
			}
			if requests.Add(1) >= 40 {
				cancel()
			}
		},
	})
	if err != nil || failed.Load() > 0 {
		t.Errorf("mix: got %v and %d failures of %d", err, failed.Load(), requests.Load())
	}
	if err := tree.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.New(listener.URL, "CAdmin").Retrieve(t.Context(), "cse-in/load", &client.AE{}); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after the removal: got %v, want ErrNotFound", err)
	}
}
