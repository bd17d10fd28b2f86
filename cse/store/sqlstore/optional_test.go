package sqlstore

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestWithoutTrigrams has a user serve who may not make extensions: it is told once, everything is found, and when somebody else has made the
// extension the indexes come with the next start.
func TestWithoutTrigrams(t *testing.T) {
	t.Parallel()
	admin := postgrestest.DSN(t)
	role := "viot_plain_" + strings.TrimPrefix(mustURL(t, admin).Path, "/viot_test_")
	do := func(dsn, statement string) {
		t.Helper()
		c, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	do(admin, `CREATE ROLE `+role+` LOGIN PASSWORD 'plain'`)
	t.Cleanup(func() { do(admin, `DROP ROLE `+role) })
	dsn := postgrestest.DSN(t) // goes before the role that owns what is in it
	do(dsn, `GRANT ALL ON SCHEMA public TO `+role)
	u := mustURL(t, dsn)
	u.User = url.UserPassword(role, "plain")

	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	prepare := func() (*Store, []string) {
		t.Helper()
		var told []string
		s, err := Open(u.String(), Options{Connections: 2, Notice: func(what string, why error) { told = append(told, what+": "+why.Error()) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
			CreatedAt: now, ModifiedAt: now, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		return s, told
	}
	s, told := prepare()
	if len(told) != 1 || !strings.Contains(told[0], "pg_trgm") {
		t.Errorf("without the right: told %q, want one thing, about pg_trgm", told)
	}
	if _, err := s.Create(t.Context(), store.Creation{Parent: primitive.Address{Path: "cse-in"}, Now: now,
		Build: func(store.Node) (resource.Resource, error) {
			return resource.Resource{ID: "c1", ParentID: "id-in", Type: resource.TypeContainer, Path: "cse-in/c1", CreatedAt: now, ModifiedAt: now,
				Governor: "c1", Attributes: []byte(`{"lbl":["room-7-temp"]}`)}, nil
		}}); err != nil {
		t.Fatal(err)
	}
	find := func(s *Store) {
		t.Helper()
		p, err := s.Find(t.Context(), store.Query{Root: "cse-in", Now: now, Limit: 10, Filter: primitive.Filter{Labels: []string{"*-7-*"}}})
		if err != nil || len(p.Resources) != 1 {
			t.Errorf("find by the middle of a label: got %+v, %v", p.Resources, err)
		}
	}
	find(s)
	if _, told := prepare(); len(told) != 1 {
		t.Errorf("at the next start: told %q, want one thing", told)
	}

	do(dsn, trigrams)
	s, told = prepare()
	if len(told) != 0 {
		t.Errorf("with the extension: told %q, want nothing", told)
	}
	found, err := read(t.Context(), s, `SELECT `+s.dialect.optional, nil, scanInt)
	if err != nil || len(found) != 1 || found[0] != int64(len(optional)) {
		t.Errorf("with the extension: got %v indexes, %v, want %d", found, err, len(optional))
	}
	find(s)
}

func mustURL(t *testing.T, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
