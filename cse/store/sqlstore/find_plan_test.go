package sqlstore

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestSQLitePlans has discovery of a few among many resources go by an index, once the store has been swept.
func TestSQLitePlans(t *testing.T) {
	t.Parallel()
	s, err := Open("sqlite:"+filepath.Join(t.TempDir(), "cse.db"), Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
		CreatedAt: now, ModifiedAt: now, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	// An instance each second, a container every ten.
	const resources = 5000
	if _, err := s.db.(sqlitePool).db.Exec(`INSERT INTO resource (ri, pi, ty, path, ct, lt, et, creator, host, gov, labelled, cs, seq, attrs, name, cnf, cr)
		WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ?2)
		SELECT 'r' || n, iif(n % 10, 'r' || (n - n % 10), 'id-in'), iif(n % 10, 4, 3), 'cse-in/r' || n, ?1 - n * 1000000, ?1 - n * 1000000, ?3, '', '', 'id-in', 0,
			iif(n % 10, 1, NULL), iif(n % 10, n, NULL), '{}', iif(n % 10 = 1, 'name' || n, NULL), iif(n % 1000 = 1, 'info' || n, NULL), iif(n % 1000 = 1, 'C' || n, NULL) FROM g`, micros(now), resources, int64(never)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), now, 1, nil); err != nil {
		t.Fatal(err)
	}
	late, early := now.Add(-time.Minute), now.Add(time.Minute-resources*time.Second)
	for _, c := range []struct {
		what   string
		filter primitive.Filter
		want   []string
	}{
		{"ty", primitive.Filter{Types: []int{3}}, []string{"resource_type"}},
		{"cra", primitive.Filter{CreatedAfter: late}, []string{"resource_created"}},
		{"ms", primitive.Filter{ModifiedSince: late}, []string{"resource_created", "resource_modified"}},
		{"us", primitive.Filter{UnmodifiedSince: early}, []string{"resource_created", "resource_modified"}},
		{"ms and us", primitive.Filter{ModifiedSince: late.Add(-time.Hour), UnmodifiedSince: late.Add(time.Minute - time.Hour)},
			[]string{"resource_created (ct>? AND ct<?)", "resource_modified (lt>? AND lt<?)"}},
		{"ty and ms", primitive.Filter{Types: []int{4}, ModifiedSince: late}, []string{"resource_created"}},
		{"lbl", primitive.Filter{Labels: []string{"blue"}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)",
			"label USING COVERING INDEX sqlite_autoindex_label_1 (lbl=?)"}},
		{"ri any of", primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "ri", Value: "r1"}, {Name: "ri", Value: "r2"}}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)"}},
		{"lbl, end", primitive.Filter{Labels: []string{"*blue"}}, []string{"label_end (<expr>>? AND <expr><?)"}},
		{"lbl, middle", primitive.Filter{Labels: []string{"*blue*"}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)", "SCAN label"}},
		{"mni, end", primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "mni", Value: "*7"}}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)", "attribute USING COVERING INDEX"}},
		{"mni, middle", primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "mni", Value: "*7*"}}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)", "attribute USING COVERING INDEX"}},
		{"cr, end", primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "cr", Value: "*7"}}}, []string{"resource_instance_creator_end"}},
		{"cty, end", primitive.Filter{ContentTypes: []string{"*:0"}}, []string{"resource_content_info_end (<expr>>? AND <expr><?)"}},
		{"cty, middle", primitive.Filter{ContentTypes: []string{"*json*"}}, []string{"SEARCH r USING INDEX resource_content_info (cnf=?)"}},
		{"rn, end", primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "rn", Value: "*-7"}}}, []string{"resource_name_end", "resource_id_end"}},
		{"palb", primitive.Filter{ParentLabels: []string{"blue"}}, []string{"SEARCH r USING INDEX resource_children (pi=?)",
			"label USING COVERING INDEX sqlite_autoindex_label_1 (lbl=?)"}},
		{"clbl", primitive.Filter{ChildLabels: []string{"blue"}}, []string{"SEARCH r USING INDEX sqlite_autoindex_resource_1 (ri=?)",
			"label USING COVERING INDEX sqlite_autoindex_label_1 (lbl=?)"}},
		{"p.ri", primitive.Filter{ParentAttributes: []primitive.AttributeCondition{{Name: "ri", Value: "r1"}}}, []string{"SEARCH r USING INDEX resource_children (pi=?)"}},
	} {
		query, args := s.dialect.findQuery(store.Query{Root: "cse-in", Filter: c.filter, Now: now, Limit: 100})
		steps, err := read(t.Context(), s, "EXPLAIN QUERY PLAN "+query, args, func(rows answer) (step string, err error) {
			var unused int
			return step, rows.Scan(&unused, &unused, &unused, &step)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, index := range c.want {
			if got := strings.Join(steps, "\n"); !strings.Contains(got, index) {
				t.Errorf("%s: got the plan\n%s\nwant %s in it", c.what, got, index)
			}
		}
	}
}

// TestPostgreSQLPlans has every query that finds few among many by something that has an index go by it, also while the planner knows
// nothing of the tables.
func TestPostgreSQLPlans(t *testing.T) {
	t.Parallel()
	s, err := Open(postgrestest.DSN(t), Options{Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Prepare(t.Context(), resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in",
		CreatedAt: now, ModifiedAt: now, Governor: "id-in", Attributes: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	plan := func(query string, args params) string {
		t.Helper()
		steps, err := read(t.Context(), s, "EXPLAIN "+query, append(slices.Clone(s.dialect.planAnew), args...), scanText)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(steps, "\n")
	}
	for _, a := range []primitive.Address{{ID: "x"}, {Path: "cse-in/x"}, {Path: "cse-in/x", Edge: primitive.Latest}, {ID: "x", Edge: primitive.Oldest}} {
		query, args := s.dialect.nodeQuery(a, now, s.dialect.watchedColumns)
		if got := plan(query, args); strings.Contains(got, "Seq Scan") || strings.Contains(got, "resource_expiry") {
			t.Errorf("%s in an empty store: got the plan\n%s\nwant it by the identifier or path", a, got)
		}
	}
	// An instance each second, a container every ten, and of everything that is looked for few.
	const many = 20000
	for _, statement := range []string{
		`INSERT INTO resource (ri, pi, ty, path, ct, lt, et, creator, host, gov, labelled, cs, seq, attrs, name, cnf, cr, onto, conr, dgt, snr)
		SELECT 'r' || n, CASE WHEN n % 10 > 0 THEN 'r' || (n - n % 10) ELSE 'id-in' END, CASE WHEN n % 10 > 0 THEN 4 ELSE 3 END, 'cse-in/r' || n,
			$1::bigint - n * 1000000, $1::bigint - n * 1000000, $2::bigint, '', '', 'id-in', 0, CASE WHEN n % 10 > 0 THEN n END,
			CASE WHEN n % 10 > 0 THEN n END, ('{"con":"content' || n || '"}')::json, CASE WHEN n % 10 = 1 THEN 'name' || n END, CASE WHEN n % 1000 = 1 THEN 'info' || n END,
			CASE WHEN n % 1000 = 1 THEN 'C' || n END, CASE WHEN n % 10 = 1 THEN 'o' || n END, CASE WHEN n % 10 = 1 THEN 'r' || n END,
			CASE WHEN n % 1000 = 1 THEN 'd' || n END, CASE WHEN n % 1000 = 1 THEN n END FROM generate_series(1, $3::bigint) AS n`,
		`INSERT INTO label (lbl, ri) SELECT 'l' || n, 'r' || n FROM generate_series(1, $3::bigint) AS n WHERE $1::bigint + $2::bigint <> 0`,
		`INSERT INTO attribute (name, value, ri) SELECT 'mni', n, 'r' || n FROM generate_series(10, $3::bigint, 10) AS n WHERE $1::bigint + $2::bigint <> 0`,
	} {
		if err := s.write(t.Context(), func(w *tx) error { w.exec(statement, micros(now), int64(1)<<60, many); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.ask(t.Context(), statement{query: `VACUUM ANALYZE`}); err != nil {
		t.Fatal(err)
	}
	late, size := now.Add(-time.Minute), int64(many-50)
	is := func(name, value string) primitive.Filter {
		return primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: name, Value: value}}}
	}
	for _, c := range []struct {
		what   string
		filter primitive.Filter
		want   []string
	}{
		{"ty", primitive.Filter{Types: []int{23}}, []string{"resource_"}},
		{"lbl", primitive.Filter{Labels: []string{"l7"}}, []string{"label_pkey", "resource_pkey"}},
		{"lbl, beginning", primitive.Filter{Labels: []string{"l77*"}}, []string{"label_pkey", "resource_pkey"}},
		{"lbl or cra", primitive.Filter{Or: true, Labels: []string{"l7"}, CreatedAfter: late}, []string{"label_pkey", "resource_pkey", "resource_created"}},
		{"cra", primitive.Filter{CreatedAfter: late}, []string{"resource_created"}},
		{"ms", primitive.Filter{ModifiedSince: late}, []string{"resource_created", "resource_modified"}},
		{"sza", primitive.Filter{SizeAbove: &size}, []string{"resource_size"}},
		{"ri", is("ri", "r7"), []string{"resource_pkey"}},
		{"pi", is("pi", "r10"), []string{"resource_children"}},
		{"rn", is("rn", "name1001"), []string{"resource_name", "resource_pkey"}},
		{"cr", is("cr", "C1001"), []string{"attribute_pkey", "resource_instance_creator"}},
		{"mni", is("mni", "70"), []string{"attribute_pkey", "resource_pkey"}},
		{"mni, beginning", is("mni", "77*"), []string{"attribute_pkey", "resource_pkey"}},
		{"st", primitive.Filter{StateTagBigger: &size}, []string{"resource_state_tag", "resource_type"}},
		{"or", is("or", "o1001"), []string{"attribute_pkey", "resource_ontology"}},
		{"conr", is("conr", "r1001"), []string{"resource_content_reference"}},
		{"dgt", is("dgt", "d1001"), []string{"resource_data_time"}},
		{"snr", is("snr", "1001"), []string{"resource_sequence_number"}},
		{"or, beginning", is("or", "o100*"), []string{"attribute_pkey", "resource_ontology"}},
		{"or, end", is("or", "*o1001"), []string{"attribute_", "resource_ontology_end"}},
		{"conr, end", is("conr", "*r1001"), []string{"resource_content_reference_end"}},
		{"cr, end", is("cr", "*C1001"), []string{"attribute_", "resource_instance_creator"}},
		{"lbl, end", primitive.Filter{Labels: []string{"*l77"}}, []string{"label_end", "resource_pkey"}},
		{"mni, end", is("mni", "*77"), []string{"attribute_end", "attribute_shortened", "resource_pkey"}},
		{"rn, end", is("rn", "*-name1001"), []string{"resource_name_end", "resource_id_end"}},
		{"rn, end that may be generated", is("rn", "*name1001"), []string{"resource_name_end", "resource_id_end", "Index Only Scan using resource_pkey"}},
		{"rn, middle", is("rn", "*ame-1001*"), []string{"resource_name_trigrams", "resource_id_trigrams"}},
		{"rn, middle that may be generated", is("rn", "*ame1001*"), []string{"resource_name_trigrams", "resource_id_trigrams", "Index Only Scan using resource_pkey"}},
		{"lbl, middle", primitive.Filter{Labels: []string{"*7777*"}}, []string{"label_trigrams", "resource_pkey"}},
		{"mni, middle", is("mni", "*7777*"), []string{"attribute_trigrams", "attribute_shortened", "resource_pkey"}},
		{"or, middle", is("or", "*o1001*"), []string{"attribute_", "resource_ontology_trigrams"}},
		{"cr, middle", is("cr", "*C1001*"), []string{"attribute_", "resource_instance_creator"}},
		{"cty, middle", primitive.Filter{ContentTypes: []string{"*nfo1001*"}}, []string{"resource_content_info"}},
		{"con", is("con", "content7"), []string{"attribute_pkey", "resource_content"}},
	} {
		query, args := s.dialect.findQuery(store.Query{Root: "cse-in", Filter: c.filter, Now: now, Limit: 100})
		got := plan(query, args)
		for _, index := range c.want {
			if !strings.Contains(got, index) || strings.Contains(got, "resource_path_key") {
				t.Errorf("%s: got the plan\n%s\nwant %s in it, and not the whole tree", c.what, got, index)
			}
		}
	}
}
