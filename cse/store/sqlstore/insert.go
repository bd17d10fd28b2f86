package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/viot-project/viot/cse/resource"
)

// table is where rows are inserted: its columns, and the statements that do it. A row that is there already is an error, or what the
// table says.
type table struct {
	columns []column
	arrays  string // inserts any number of rows: each parameter is one column of all of them
	single  string // inserts one row, for a database in this process
}

type column struct {
	name string
	kind byte // t for text, i for a whole number, j for JSON, b for bytes
}

// The tables as far as rows are inserted in groups.
var (
	resources = describe("resource",
		"ri:t pi:t ty:i path:t ct:i lt:i et:i creator:t host:t gov:t policies:j labelled:i cs:i seq:i attrs:j spec:t farewell:i "+searchedColumns, "")
	tallies    = describe("tally", "ri:t st:i cni:i cbs:i mni:i mbs:i", "")
	labels     = describe("label", "lbl:t ri:t", "")
	attributes = describe("attribute", "name:t value:t ri:t", "")
	// There may be a receipt that has expired and has not been swept yet.
	receipts = describe("receipt", "id:b et:i result:j", ` ON CONFLICT (id) DO UPDATE SET et = excluded.et, result = excluded.result`)
	messages = describe("message", "box:t et:i body:t", "")
	tasks    = describe("task", "lane:t due:i body:t", "")
	// A lane that is there already stays as it is, but is locked, unless its tasks are replaced. One that awaits tasks becomes due with
	// the first that comes.
	lanes = describe("lane", "lane:t kind:t due:i token:t attempts:i", ` ON CONFLICT (lane) DO UPDATE SET
		kind = CASE WHEN excluded.attempts < 0 THEN excluded.kind ELSE lane.kind END,
		due = CASE WHEN excluded.attempts < 0 OR lane.attempts = `+awaits+` AND lane.token = '' AND excluded.due < lane.due
			THEN excluded.due ELSE lane.due END,
		token = CASE WHEN excluded.attempts < 0 THEN '' ELSE lane.token END,
		attempts = CASE WHEN excluded.attempts < 0 OR lane.attempts = `+awaits+` AND lane.token = '' THEN 0 ELSE lane.attempts END`)
)

// describe makes the table name with columns in the form "ri:t ty:i".
func describe(name, columns, conflict string) table {
	var t table
	var names, values, arrays, places []string
	for i, f := range strings.Fields(columns) {
		c := column{f[:len(f)-2], f[len(f)-1]}
		kind, cast := "text", ""
		switch c.kind {
		case 'i':
			kind = "bigint"
		case 'b':
			kind = "bytea"
		case 'j':
			cast = "::json"
		}
		t.columns = append(t.columns, c)
		names, values = append(names, c.name), append(values, "n."+c.name+cast)
		arrays, places = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, kind)), append(places, fmt.Sprint("$", i+1))
	}
	list := strings.Join(names, ", ")
	into := `INSERT INTO ` + name + ` (` + list + `)`
	t.arrays = into + ` SELECT ` + strings.Join(values, ", ") + ` FROM unnest(` + strings.Join(arrays, ", ") + `) AS n(` + list + `)` + conflict
	t.single = into + ` VALUES (` + strings.Join(places, ", ") + `)` + conflict
	return t
}

// insertRows queues the insertion of rows into a table, in their order. Values are string, []byte, int, int64, *int64 or nil.
func (t *tx) insertRows(to table, rows [][]any) {
	if len(rows) == 0 {
		return
	}
	if !t.dialect.arrays {
		for _, row := range rows {
			t.exec(to.single, row...)
		}
		return
	}
	args := make(params, len(to.columns))
	for i, c := range to.columns {
		args[i] = array(c.kind, rows, i)
	}
	t.exec(to.arrays, args...)
}

// array is column i of rows.
func array(kind byte, rows [][]any, i int) any {
	switch kind {
	case 'i':
		a := make([]pgtype.Int8, len(rows))
		for j, row := range rows {
			switch v := row[i].(type) {
			case int64:
				a[j] = pgtype.Int8{Int64: v, Valid: true}
			case int:
				a[j] = pgtype.Int8{Int64: int64(v), Valid: true}
			case *int64:
				if v != nil {
					a[j] = pgtype.Int8{Int64: *v, Valid: true}
				}
			}
		}
		return a
	case 'b':
		a := make([][]byte, len(rows))
		for j, row := range rows {
			a[j] = row[i].([]byte)
		}
		return a
	}
	a := make([]pgtype.Text, len(rows))
	for j, row := range rows {
		if v, ok := row[i].(string); ok {
			a[j] = pgtype.Text{String: v, Valid: true}
		}
	}
	return a
}

// insert queues the insertion of rs as they are, with a tally for all that are no instances, and their labels.
func (t *tx) insert(rs []resource.Resource) error {
	var rows, counters, labelled, described [][]any
	for _, r := range rs {
		var size, seq, policies any
		if r.Type.Instance() {
			size, seq = r.Size, r.StateTag
		} else {
			counters = append(counters, []any{r.ID, r.StateTag, r.Count, r.Bytes, r.MaxCount, r.MaxBytes})
		}
		if len(r.Policies) > 0 {
			policies = policyList(r.Policies)
		}
		own, err := labelsOf(r)
		if err != nil {
			return err
		}
		for _, l := range own {
			labelled = append(labelled, []any{l, r.ID})
		}
		terms, err := termsOf(r)
		if err != nil {
			return err
		}
		for _, n := range terms {
			described = append(described, []any{n.name, n.value, r.ID})
		}
		found, err := searched(r)
		if err != nil {
			return err
		}
		rows = append(rows, append([]any{r.ID, r.ParentID, int64(r.Type), r.Path, micros(r.CreatedAt), micros(r.ModifiedAt), expiry(r.ExpiresAt),
			r.Creator, r.Host, r.Governor, policies, min(len(own), 1), size, seq, string(r.Attributes), r.Specialisation, farewell(r)}, found...))
	}
	t.insertRows(resources, rows)
	t.insertRows(tallies, counters)
	t.insertRows(labels, labelled)
	t.insertRows(attributes, described)
	return nil
}

func policyList(ids []string) string {
	b, err := json.Marshal(ids)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// labelsOf are the distinct labels of r.
func labelsOf(r resource.Resource) ([]string, error) {
	if !bytes.Contains(r.Attributes, []byte(`"lbl"`)) && json.Valid(r.Attributes) {
		return nil, nil
	}
	var a struct {
		Labels []string `json:"lbl"`
	}
	if err := json.Unmarshal(r.Attributes, &a); err != nil {
		return nil, fmt.Errorf("read labels of %s: %w", r.ID, err)
	}
	seen := make(map[string]bool, len(a.Labels))
	var distinct []string
	for _, l := range a.Labels {
		if !seen[l] {
			seen[l] = true
			distinct = append(distinct, l)
		}
	}
	return distinct, nil
}
