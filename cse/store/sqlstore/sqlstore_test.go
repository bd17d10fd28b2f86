package sqlstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, n int) []store.Store {
		return open(t, "sqlite:"+filepath.Join(t.TempDir(), "new", "cse.db"), n)
	})
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, n int) []store.Store { return open(t, postgrestest.DSN(t), n) })
}

func open(t *testing.T, address string, n int) []store.Store {
	t.Helper()
	stores := make([]store.Store, n)
	for i := range stores {
		s, err := sqlstore.Open(address, sqlstore.Options{Connections: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		stores[i] = s
	}
	return stores
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, want string }{
		{"", "sqlite:PATH"},
		{"mysql://host/db", "sqlite:PATH"},
		{"sqlite:", "names no file"},
		{"sqlite:a?mode=memory", "names no file"},
		{"postgres://user@host:port/db", "port"},
	} {
		if _, err := sqlstore.Open(c.address, sqlstore.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("open %q: got %v, want an error with %q", c.address, err, c.want)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	if got := sqlstore.Redact("postgres://viot:secret@host/db"); strings.Contains(got, "secret") || !strings.Contains(got, "host") {
		t.Errorf("got %q, want it without the password", got)
	}
}
