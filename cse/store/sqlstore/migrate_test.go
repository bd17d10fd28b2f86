package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// firstSchema takes from a database what the schema did not have at first.
const firstSchema = `
	DROP TABLE lane; DROP TABLE task; DROP TABLE message; DROP TABLE attribute; DROP TABLE account;
	ALTER TABLE resource DROP COLUMN spec; ALTER TABLE resource DROP COLUMN farewell; ALTER TABLE resource DROP COLUMN name;
	ALTER TABLE resource DROP COLUMN cnf; ALTER TABLE resource DROP COLUMN cr; ALTER TABLE resource DROP COLUMN onto;
	ALTER TABLE resource DROP COLUMN conr; ALTER TABLE resource DROP COLUMN dgt; ALTER TABLE resource DROP COLUMN snr;
	ALTER TABLE resource DROP COLUMN dcnt; ALTER TABLE tally DROP COLUMN gone;
	DELETE FROM schema_version WHERE version > 1`

// TestMigrate has what the first version stored be found, and be told about when it goes, as if the present one had stored it.
func TestMigrate(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "cse.db") },
		"PostgreSQL": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := address(t)
			stores := open(t, a, 2)
			prepare(t, stores[0])
			put := func(parent, name string, ty resource.Type, attributes string) {
				t.Helper()
				if _, err := stores[0].Create(t.Context(), store.Creation{Parent: primitive.Address{Path: parent}, Now: raceNow,
					Build: func(p store.Node) (resource.Resource, error) {
						r := resource.Resource{ID: "id." + name, ParentID: p.Resource.ID, Type: ty, Path: parent + "/" + name,
							CreatedAt: raceNow, ModifiedAt: raceNow, Governor: "id." + name, Attributes: []byte(attributes)}
						if ty.Instance() {
							r.Governor = p.Governor.ID
						}
						return r, nil
					}}); err != nil {
					t.Fatal(err)
				}
			}
			put("cse-in", "c", resource.TypeContainer, `{"or":"here"}`)
			put("cse-in/c", "s", resource.TypeSubscription, `{"nu":["Cx"]}`)
			for i := range 600 { // more than are described at once
				put("cse-in/c", fmt.Sprintf("i%04d", i), resource.TypeContentInstance, fmt.Sprintf(`{"con":1,"cnf":"text/plain:%d","or":"http://x/%d"}`, i, i))
			}
			execute(t, a, dropIndexes(t, a)+firstSchema)
			prepare(t, stores[1])
			prepare(t, stores[0])
			for what, f := range map[string]primitive.Filter{
				"cse-in/c":       {Attributes: []primitive.AttributeCondition{{Name: "or", Value: "here"}}},
				"cse-in/c/s":     {Attributes: []primitive.AttributeCondition{{Name: "rn", Value: "s"}}},
				"cse-in/c/i0599": {Attributes: []primitive.AttributeCondition{{Name: "cnf", Value: "text/plain:599"}}},
				"cse-in/c/i0042": {Attributes: []primitive.AttributeCondition{{Name: "or", Value: "http://x/42"}}},
			} {
				p, err := stores[1].Find(t.Context(), store.Query{Root: "cse-in", Filter: f, Now: raceNow, Limit: 10})
				if err != nil || len(p.Resources) != 1 || p.Resources[0].Path != what {
					t.Errorf("find %s: got %+v, %v", what, p.Resources, err)
				}
			}
			told := 0
			if _, err := stores[0].Delete(t.Context(), primitive.Address{Path: "cse-in/c"}, raceNow, func(store.Node) error { return nil },
				func(r store.Removal) (store.Effects, error) { told = len(r.Below); return store.Effects{}, nil }); err != nil || told != 2 {
				t.Errorf("delete: told of %d, %v; want the subscription and what it subscribed to", told, err)
			}
		})
	}
}

// TestUpgradeIndexes has what the last version lacked be there after a start on what it left.
func TestUpgradeIndexes(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"SQLite":     "sqlite:" + filepath.Join(t.TempDir(), "cse.db"),
		"PostgreSQL": postgrestest.DSN(t),
	} {
		stores := open(t, address, 2)
		prepare(t, stores[0])
		complete := dropIndexes(t, address)
		for _, index := range []string{"label_end", "resource_name_end", "attribute_end"} {
			if !strings.Contains(complete, index) {
				t.Errorf("%s: a new store lacks the index %s", name, index)
			}
		}
		execute(t, address, complete+`DELETE FROM schema_version WHERE version > 8`)
		prepare(t, stores[1])
		if got := dropIndexes(t, address); got != complete {
			t.Errorf("%s: got the indexes\n%s\nwant those of a new store\n%s", name, got, complete)
		}
	}
}

func prepare(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
		CreatedAt: raceNow, ModifiedAt: raceNow, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
}

// execute runs statements on the database at address.
func execute(t *testing.T, address, statements string) {
	t.Helper()
	driver, source := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for s := range strings.SplitSeq(statements, ";") {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// dropIndexes are statements that drop the indexes that are not made by the steps of the schema.
func dropIndexes(t *testing.T, address string) string {
	t.Helper()
	query := `SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`
	driver, source := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source, query = "sqlite", path, `SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var statements string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		kept := []string{"resource_pkey", "resource_path_key", "resource_children", "resource_expiry", "resource_created", "resource_type", "resource_modified"}
		if made := strings.HasPrefix(name, "resource_") || strings.HasSuffix(name, "_end"); made && !slices.Contains(kept, name) {
			statements += "DROP INDEX " + name + ";"
		}
	}
	return statements
}
