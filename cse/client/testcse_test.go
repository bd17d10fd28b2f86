package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// newCSE is a whole CSE on an SQLite file in dir; args are further flags.
func newCSE(dir string, args ...string) (handler http.Handler, closeStore func() error, err error) {
	args = append([]string{"-store", "sqlite:" + filepath.Join(dir, "cse.db")}, args...)
	config, err := cse.ParseConfig(args, func(string) string { return "" }, io.Discard)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.Open(config.Store, sqlstore.Options{Connections: 4})
	if err != nil {
		return nil, nil, err
	}
	server := cse.New(config, s, hclog.NewNullLogger())
	if err := server.Prepare(context.Background()); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return server.Handler(), s.Close, nil
}

// serve listens with a handler that may stand in front of a CSE, and returns the base URL.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// cseHandler is a CSE that lives as long as the test.
func cseHandler(t testing.TB, args ...string) http.Handler {
	t.Helper()
	handler, closeStore, err := newCSE(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeStore(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return handler
}

// registered is a client for the AE Cme named ae of a new CSE.
func registered(t testing.TB, args ...string) *client.Client {
	t.Helper()
	c := client.New(serve(t, cseHandler(t, args...)), "Cme")
	register(t, c)
	return c
}

func register(t testing.TB, c *client.Client) {
	t.Helper()
	if _, err := c.Register(t.Context(), "cse-in", &client.AE{Common: client.Named("ae"), AppID: "N1"}, client.Refuse); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exampleCSE is a CSE for the examples; stop ends it.
func exampleCSE() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "client-example-")
	if err != nil {
		panic(err)
	}
	handler, closeStore, err := newCSE(dir)
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(handler)
	return server.URL, func() {
		server.Close()
		if err := errors.Join(closeStore(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}
