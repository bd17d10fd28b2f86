package sqlstore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestBuildIndexes has two instances make indexes while a third one serves: nobody who stores something waits, there is one of each in
// the end, and what somebody has left half made is made anew.
func TestBuildIndexes(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	var stores []*Store
	for range 3 {
		s, err := Open(dsn, Options{Connections: 3})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	now := time.Now()
	if err := stores[0].Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
		CreatedAt: now, ModifiedAt: now, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	connect := func() *pgx.Conn {
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	c, watch := connect(), connect() // a transaction sees the activity of others as it was when it looked first
	do := func(query string) {
		t.Helper()
		if _, err := c.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := watch.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const valid = `SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text IN ('resource_size', 'resource_state_tag', 'label_end')`
	if n := count(valid); n != 3 {
		t.Fatalf("got %d of 3 indexes to begin with", n)
	}
	do(`DROP INDEX resource_size; DROP INDEX label_end; UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'resource_state_tag'::regclass`)

	// Somebody is in the middle of storing something; an index has to wait for that.
	do(`BEGIN`)
	do(`INSERT INTO label (lbl, ri) VALUES ('x', 'id-in')`)
	var builders sync.WaitGroup
	for _, s := range stores[1:] {
		builders.Go(func() {
			if err := s.buildIndexes(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for count(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()`) == 0 {
		select {
		case <-ctx.Done():
			t.Fatal("nobody makes an index")
		case <-time.After(10 * time.Millisecond):
		}
	}
	for i := range 10 { // and others do not wait for the index
		if _, err := stores[0].Create(t.Context(), store.Creation{Parent: primitive.Address{Path: "cse-in"}, Now: now,
			Build: func(p store.Node) (resource.Resource, error) {
				id := fmt.Sprint("c", i)
				return resource.Resource{ID: id, ParentID: "id-in", Type: resource.TypeContainer, Path: "cse-in/" + id, CreatedAt: now, ModifiedAt: now,
					Governor: id, Attributes: []byte(`{"lbl":["y"]}`)}, nil
			}}); err != nil {
			t.Fatal(err)
		}
	}
	do(`ROLLBACK`)
	builders.Wait()
	if n := count(valid); n != 3 {
		t.Errorf("got %d of 3 indexes in the end", n)
	}
	if n := count(`SELECT count(*) FROM pg_index WHERE NOT indisvalid`); n != 0 {
		t.Errorf("got %d indexes half made", n)
	}
}
