package sqlstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestPostgreSQLDeleteRaces has the family of a container change while its deletion waits for the locks. The deletion must notice:
// once it has been permitted, nothing more can be created below the container.
func TestPostgreSQLDeleteRaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(r *race, hold func()) error // calls hold in its transaction, while it has the lock of the container
		parent string                           // where the deletion must keep others from creating something
	}{
		{"a container is added below", func(r *race, hold func()) error { return r.create(0, "cse-in/t", "z", hold) }, "cse-in/t/z"},
		{"it is deleted and created again", (*race).replaceTally, "cse-in/t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRace(t)
			held, release := make(chan struct{}, 1), make(chan struct{})
			change := begin(func() error { return c.change(r, func() { held <- struct{}{}; <-release }) })
			await(t, "change", held, change)
			permitting, permit := make(chan struct{}, 1), make(chan struct{})
			deletion := begin(func() error {
				_, err := r.stores[1].Delete(t.Context(), primitive.Address{Path: "cse-in/t"}, raceNow, func(store.Node) error {
					permitting <- struct{}{}
					<-permit
					return nil
				}, nil)
				return err
			})
			r.awaitBlocked(nil)
			close(release)
			await(t, "deletion", permitting, deletion)
			building := make(chan struct{}, 1)
			creation := begin(func() error { return r.create(2, c.parent, "late", func() { building <- struct{}{} }) })
			r.awaitBlocked(building)
			close(permit)
			if err := <-change; err != nil {
				t.Errorf("change: got %v", err)
			}
			if err := <-deletion; err != nil {
				t.Errorf("deletion: got %v", err)
			}
			if err := <-creation; !errors.Is(err, store.ErrNotFound) {
				t.Errorf("creation in %s: got %v, want not found", c.parent, err)
			}
			if err := r.create(2, "cse-in", "t", func() {}); err != nil {
				t.Errorf("create again what was deleted: got %v", err)
			}
		})
	}
}

// raceNow is the present of a race.
var raceNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// race is a database with the container cse-in/t, three stores on it, and connections beside them.
type race struct {
	t      *testing.T
	stores []store.Store
	watch  *pgx.Conn // sees who waits
	meddle *pgx.Conn // changes what the stores use
}

func newRace(t *testing.T) *race {
	dsn := postgrestest.DSN(t)
	r := &race{t: t, stores: open(t, dsn, 3), watch: connect(t, dsn), meddle: connect(t, dsn)}
	if err := r.stores[0].Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
		CreatedAt: raceNow, ModifiedAt: raceNow, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := r.create(0, "cse-in", "t", func() {}); err != nil {
		t.Fatal(err)
	}
	return r
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

// create creates a container through one of the stores and calls hold while its parent is locked.
func (r *race) create(s int, parent, name string, hold func()) error {
	_, err := r.stores[s].Create(r.t.Context(), store.Creation{Parent: primitive.Address{Path: parent}, Now: raceNow,
		Build: func(p store.Node) (resource.Resource, error) {
			hold()
			path := parent + "/" + name
			return resource.Resource{ID: path, ParentID: p.Resource.ID, Type: resource.TypeContainer, Path: path,
				CreatedAt: raceNow, ModifiedAt: raceNow, Governor: path, Attributes: []byte("{}")}, nil
		}})
	return err
}

// replaceTally leaves what a deletion of the container and its creation with the same identifier leave.
func (r *race) replaceTally(hold func()) error {
	return pgx.BeginFunc(r.t.Context(), r.meddle, func(t pgx.Tx) error {
		for _, statement := range []string{`DELETE FROM tally WHERE ri = 'cse-in/t'`, `INSERT INTO tally VALUES ('cse-in/t', 0, 0, 0)`} {
			if _, err := t.Exec(r.t.Context(), statement); err != nil {
				return err
			}
		}
		hold()
		return nil
	})
}

// awaitBlocked returns when a store waits for a lock. The test fails if instead it signals that it has it.
func (r *race) awaitBlocked(has <-chan struct{}) {
	r.t.Helper()
	for blocked := false; !blocked; {
		select {
		case <-has:
			r.t.Error("the lock could be had")
			return
		default:
		}
		if err := r.watch.QueryRow(r.t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'viot-cse' AND wait_event_type = 'Lock')`).Scan(&blocked); err != nil {
			r.t.Fatal(err)
		}
	}
}

// begin runs fn in a goroutine and returns the channel for its result.
func begin(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// await returns when what has come so far as to signal, and fails the test if it ends before.
func await(t *testing.T, what string, signal <-chan struct{}, done <-chan error) {
	t.Helper()
	select {
	case <-signal:
	case err := <-done:
		t.Fatalf("%s ended early: %v", what, err)
	}
}
