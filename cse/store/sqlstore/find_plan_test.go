package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
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
	if _, err := s.db.(sqlitePool).db.Exec(`INSERT INTO resource (ri, pi, ty, path, ct, lt, et, creator, host, gov, labelled, cs, seq, attrs)
		WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ?2)
		SELECT 'r' || n, iif(n % 10, 'r' || (n - n % 10), 'id-in'), iif(n % 10, 4, 3), 'cse-in/r' || n, ?1 - n * 1000000, ?1 - n * 1000000, ?3, '', '', 'id-in', 0,
			iif(n % 10, 1, NULL), iif(n % 10, n, NULL), '{}' FROM g`, micros(now), resources, int64(never)); err != nil {
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
