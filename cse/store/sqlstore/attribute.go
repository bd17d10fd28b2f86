package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// What discovery may ask of attributes is answered as follows, so that it does not have to look at every resource:
//
//   - ri, pi, and the conditions that have a column of their own, by the indexes of the columns;
//   - rn by the name that was given, or by the identifier, which is the generated name;
//   - of all but instances: any attribute that is one value, by the table attribute;
//   - of instances: cnf and cr by indexes.
//
// The other attributes of instances, that is their content, are only looked at below the root of the query.

// maxTerm bounds the values in the table attribute, bytes. Of a longer value it has the beginning.
const maxTerm = 200

// term is one attribute as it is looked for.
type term struct{ name, value string }

// termsOf are the attributes of r that are one value; none for instances.
func termsOf(r resource.Resource) ([]term, error) {
	if r.Type.Instance() || len(r.Attributes) == 0 {
		return nil, nil
	}
	a, err := r.Decode()
	if err != nil {
		return nil, fmt.Errorf("read attributes of %s: %w", r.ID, err)
	}
	var terms []term
	for name, v := range a {
		if text, ok := scalar(v); ok {
			terms = append(terms, term{name, shorten(text)})
		}
	}
	slices.SortFunc(terms, func(a, b term) int { return strings.Compare(a.name, b.name) })
	return terms, nil
}

// scalar is the text of v, if it is a string, a number or a boolean.
func scalar(v json.RawMessage) (text string, ok bool) {
	if len(v) == 0 || bytes.IndexByte([]byte("[{n"), v[0]) >= 0 {
		return "", false
	}
	if v[0] != '"' {
		return string(v), true
	}
	err := json.Unmarshal(v, &text)
	return text, err == nil
}

// searched are the columns of r by which it is found: its name if that is not the identifier, contentInfo, and of an instance the
// creator. What is not there is nil.
func searched(r resource.Resource) (name, cnf, cr any, err error) {
	if n := r.Name(); n != r.ID {
		name = n
	}
	if !bytes.Contains(r.Attributes, []byte(`"cnf"`)) && !bytes.Contains(r.Attributes, []byte(`"cr"`)) {
		return name, nil, nil, nil
	}
	a, err := r.Decode()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read attributes of %s: %w", r.ID, err)
	}
	if v, ok := scalar(a["cnf"]); ok {
		cnf = v
	}
	if v, ok := scalar(a["cr"]); ok && r.Type.Instance() {
		cr = v
	}
	return name, cnf, cr, nil
}

// shorten cuts text to what the table attribute has of it.
func shorten(text string) string {
	if len(text) <= maxTerm {
		return text
	}
	return strings.ToValidUTF8(text[:maxTerm], "")
}

// replaceTerms queues what makes the terms of r, which were before, what they are now.
func (t *tx) replaceTerms(before, r resource.Resource) error {
	old, err := termsOf(before)
	if err != nil {
		return err
	}
	terms, err := termsOf(r)
	if err != nil {
		return err
	}
	for _, o := range old {
		if !slices.Contains(terms, o) {
			t.exec(`DELETE FROM attribute WHERE name = $1 AND value = $2 AND ri = $3`, o.name, o.value, r.ID)
		}
	}
	var rows [][]any
	for _, n := range terms {
		if !slices.Contains(old, n) {
			rows = append(rows, []any{n.name, n.value, r.ID})
		}
	}
	t.insertRows(attributes, rows)
	return nil
}

// attributeIs is the condition that the attribute name has one of values. joined says that it is one of several conditions of which
// one is enough.
func (d *dialect) attributeIs(p *params, name string, values []string, joined bool) string {
	if name == "rn" {
		return d.nameIs(p, values)
	}
	is := "(" + d.anyOf(p, d.column(name), values) + ")"
	if slices.Contains([]string{"ri", "pi", "cni", "cbs"}, name) || slices.ContainsFunc(values, unindexed) {
		return is
	}
	var either []string
	for _, v := range values {
		either = append(either, d.termIs(p, v))
	}
	found := `SELECT ri FROM attribute WHERE name = ` + p.add(name) + ` AND (` + strings.Join(either, " OR ") + `)`
	instances := slices.ContainsFunc(instanceTypes, func(t resource.Type) bool { return t.Has(name) })
	others := "r.seq IS NULL AND " + d.oneOf("r.ri", found, joined || instances) + " AND " + is
	if !instances {
		return "(" + others + ")"
	}
	if name == "cnf" || name == "cr" {
		is = "(" + d.anyOf(p, "r."+name, values) + ")"
	}
	return "(" + others + " OR r.seq IS NOT NULL AND " + is + ")"
}

var instanceTypes = []resource.Type{resource.TypeContentInstance, resource.TypeTimeSeriesInstance, resource.TypeFlexContainerInstance}

// unindexed reports whether the table attribute is no help to find what matches value: it has no lists and no objects, and is ordered
// by how values begin.
func unindexed(value string) bool {
	return value == "" || strings.ContainsRune("[{*", rune(value[0])) || value == "null"
}

// termIs is the condition that the value in the table attribute is one that value may match.
func (d *dialect) termIs(p *params, value string) string {
	begin, _, pattern := strings.Cut(value, "*")
	if pattern {
		begin = shorten(begin)
		return `value >= ` + p.add(begin) + ` AND value < ` + p.add(begin+"\U0010ffff")
	}
	return `value = ` + p.add(shorten(value))
}

// oneOf is the condition that column is one of what query finds. If it is one of several conditions of which one is enough, the
// database must be told that it can find what query finds first.
func (d *dialect) oneOf(column, query string, joined bool) string {
	if joined && d.arrays {
		return column + ` = ANY(ARRAY(` + query + `))`
	}
	return column + ` IN (` + query + `)`
}

// nameIs is the condition that the name is one of values: it is the column or, where that is NULL, the identifier.
func (d *dialect) nameIs(p *params, values []string) string {
	return "(r.name IS NOT NULL AND (" + d.anyOf(p, "r.name", values) + ") OR r.name IS NULL AND (" + d.anyOf(p, "r.ri", values) + "))"
}
