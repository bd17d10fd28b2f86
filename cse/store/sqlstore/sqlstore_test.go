package sqlstore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // to look at the database beside the store

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, n int) []store.Store {
		return open(t, "sqlite:"+filepath.Join(inMemory(t), "new", "cse.db"), n)
	})
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, n int) []store.Store { return open(t, postgrestest.DSN(t), n) })
}

// TestClock asks what time it is. Only PostgreSQL has a clock that is not the host's.
func TestClock(t *testing.T) {
	t.Parallel()
	opened := func(address string) *sqlstore.Store {
		s, err := sqlstore.Open(address, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	if ask := opened("sqlite:" + filepath.Join(inMemory(t), "cse.db")).Clock(); ask != nil {
		t.Error("SQLite has a clock of its own")
	}
	address := postgrestest.DSN(t)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var before, after time.Time
	if err := db.QueryRow(`SELECT clock_timestamp()`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	said, err := opened(address).Clock()(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(`SELECT clock_timestamp()`).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if said.Before(before) || said.After(after) {
		t.Errorf("got %s between %s and %s", said, before, after)
	}
}

func open(t *testing.T, address string, n int) []store.Store {
	t.Helper()
	t.Cleanup(func() { wantConsistent(t, address) })
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

// faults are the rows that contradict others, whatever was done to the tree.
const faults = `
	SELECT 'tally without resource', ri FROM tally WHERE ri NOT IN (SELECT ri FROM resource WHERE seq IS NULL) UNION ALL
	SELECT 'resource without tally', ri FROM resource WHERE seq IS NULL AND ri NOT IN (SELECT ri FROM tally) UNION ALL
	SELECT 'resource without parent', ri FROM resource WHERE pi <> '' AND pi NOT IN (SELECT ri FROM tally) UNION ALL
	SELECT 'label without resource', ri FROM label WHERE ri NOT IN (SELECT ri FROM resource WHERE labelled = 1) UNION ALL
	SELECT 'attribute without resource', ri FROM attribute WHERE ri NOT IN (SELECT ri FROM resource WHERE seq IS NULL) UNION ALL
	SELECT 'lane without task', lane FROM lane WHERE lane NOT IN (SELECT lane FROM task) UNION ALL
	SELECT 'task without lane', lane FROM task WHERE lane NOT IN (SELECT lane FROM lane) UNION ALL
	SELECT 'wrong count', t.ri FROM tally t WHERE t.cni <> (SELECT count(*) FROM resource WHERE pi = t.ri AND seq IS NOT NULL) UNION ALL
	SELECT 'wrong size', t.ri FROM tally t WHERE t.cbs <> (SELECT coalesce(sum(cs), 0) FROM resource WHERE pi = t.ri AND seq IS NOT NULL)`

// deadlocks are how often PostgreSQL had to end a transaction because several waited for each other.
const deadlocks = `SELECT 'deadlocks', CAST(deadlocks AS text) FROM pg_stat_database WHERE datname = current_database() AND deadlocks > 0 UNION ALL`

// wantConsistent looks for faults in the database at address, which nobody uses any more.
func wantConsistent(t *testing.T, address string) {
	t.Helper()
	driver, source, query := "pgx", address, deadlocks+faults
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source, query = "sqlite", path, faults
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("look for faults: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var fault, id string
		if err := rows.Scan(&fault, &id); err != nil {
			t.Fatal(err)
		}
		t.Errorf("left behind: %s: %s", fault, id)
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
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

// TestPostgreSQLConnectionsLost cuts all connections of a store, as a restart of the database does: what comes next is served.
func TestPostgreSQLConnectionsLost(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	s := open(t, dsn, 1)[0]
	now := time.Now()
	base := resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in", CreatedAt: now, ModifiedAt: now, Governor: "id-in", Attributes: []byte("{}")}
	if err := s.Prepare(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	address := primitive.Address{Path: "cse-in"}
	for round, next := range []func() error{
		func() error { _, err := s.Get(t.Context(), address, now); return err },
		func() error {
			_, err := s.Create(t.Context(), store.Creation{Parent: address, Now: now, Build: func(store.Node) (resource.Resource, error) {
				return resource.Resource{ID: "c", ParentID: "id-in", Type: resource.TypeContainer, Path: "cse-in/c", CreatedAt: now, ModifiedAt: now,
					Governor: "c", Attributes: []byte("{}")}, nil
			}})
			return err
		},
		func() error { return s.Ping(t.Context()) },
	} {
		var w sync.WaitGroup
		for range 8 { // so that there are several connections to lose
			w.Go(func() {
				if _, err := s.Get(t.Context(), address, now); err != nil {
					t.Error(err)
				}
			})
		}
		w.Wait()
		killer, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := killer.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		if err := next(); err != nil {
			t.Errorf("round %d: got %v, want it to be served", round, err)
		}
		if err := killer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// inMemory is a folder of the test's own, in memory where there is a file system for that: on a busy disk what is done at once by many
// waits for longer than a store lets it.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "viot-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
