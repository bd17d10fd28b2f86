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
//   - of instances: those that are not content by columns and their indexes;
//   - what begins with * and does not end with it, backwards;
//   - what begins and ends with *, by trigrams (see optional), or by going through the values of the attribute;
//   - content that is given exactly by filters (see optional).
//
// Only looked at below the root of the query are patterns of content, content in SQLite, and what begins and ends with * of attributes that
// are lists or objects, and of names in SQLite.

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

// searchedColumns are the columns of a resource by which it is found: its name if that is not the identifier, contentInfo, and what many
// instances have. The attributes in them are instanceColumns.
const searchedColumns = "name:t cnf:t cr:t onto:t conr:t dgt:t snr:t dcnt:t"

// instanceColumns are the columns of the attributes of instances that are looked for.
var instanceColumns = map[string]string{"cnf": "r.cnf", "cr": "r.cr", "or": "r.onto", "conr": "r.conr", "dgt": "r.dgt", "snr": "r.snr", "dcnt": "r.dcnt"}

// searched are the values of searchedColumns for r. What is not there is nil.
func searched(r resource.Resource) ([]any, error) {
	values := make([]any, 8)
	if n := r.Name(); n != r.ID {
		values[0] = n
	}
	names := []string{"cnf", "cr", "or", "conr", "dgt", "snr", "dcnt"}
	if !slices.ContainsFunc(names, func(name string) bool { return bytes.Contains(r.Attributes, []byte(`"`+name+`"`)) }) {
		return values, nil
	}
	a, err := r.Decode()
	if err != nil {
		return nil, fmt.Errorf("read attributes of %s: %w", r.ID, err)
	}
	for i, name := range names {
		if v, ok := scalar(a[name]); ok && (name == "cnf" || r.Type.Instance()) {
			values[i+1] = v
		}
	}
	return values, nil
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
// one is enough, whole that it is looked for in the whole tree.
func (d *dialect) attributeIs(p *params, name string, values []string, joined, whole bool) string {
	if name == "rn" {
		return d.nameIs(p, values, whole)
	}
	is := "(" + d.anyOf(p, d.column(name), values) + ")"
	if slices.Contains([]string{"ri", "pi", "cni", "cbs"}, name) || slices.ContainsFunc(values, func(v string) bool { return unindexed(name, v) }) {
		return is
	}
	var either []string
	for _, v := range values {
		either = append(either, d.termIs(p, v))
	}
	found := `SELECT ri FROM attribute WHERE name = ` + p.add(name) + ` AND (` + strings.Join(either, " OR ") + `)`
	instances := slices.ContainsFunc(instanceTypes, func(t resource.Type) bool { return t.Has(name) })
	others := "r.seq IS NULL AND " + d.oneOf("r.ri", found, joined || instances || slices.ContainsFunc(values, openBegin)) + " AND " + is
	if !instances {
		return "(" + others + ")"
	}
	switch column, ok := instanceColumns[name]; {
	case name == "cr":
		is = "(" + d.anyOfFew(p, "cr", values) + ")"
	case ok:
		is = "(" + d.anyOf(p, column, values) + ")"
	}
	return "(" + others + " OR r.seq IS NOT NULL AND " + is + ")"
}

var instanceTypes = []resource.Type{resource.TypeContentInstance, resource.TypeTimeSeriesInstance, resource.TypeFlexContainerInstance}

// unindexed reports whether the table attribute is no help to find what matches value: it has no lists and no objects.
func unindexed(name, value string) bool {
	switch {
	case bothOpen(value):
		return !resource.OneValue(name)
	case endsKnown(value):
		return strings.ContainsRune("]}", rune(value[len(value)-1]))
	}
	return value == "" || strings.ContainsRune("[{", rune(value[0])) || value == "null"
}

// openBegin reports whether value is a pattern of which the beginning is not known, bothOpen whether the end is not known either.
func openBegin(value string) bool { return strings.HasPrefix(value, "*") }

func bothOpen(value string) bool {
	return strings.HasPrefix(value, "*") && strings.HasSuffix(value, "*")
}

// endsKnown reports whether value is a pattern of which only the end is known.
func endsKnown(value string) bool {
	return strings.HasPrefix(value, "*") && !strings.HasSuffix(value, "*")
}

// backwards is value from its end to its beginning.
func backwards(value string) string {
	runes := []rune(value)
	slices.Reverse(runes)
	return string(runes)
}

// termIs is the condition that the value in the table attribute is one that value may match.
func (d *dialect) termIs(p *params, value string) string {
	if openBegin(value) { // of values that were shortened the end is not there
		return `(` + d.anyOf(p, "value", []string{value}) + ` OR ` + cutShort + `)`
	}
	begin, _, pattern := strings.Cut(value, "*")
	if pattern {
		begin = shorten(begin)
		return `value >= ` + p.add(begin) + ` AND value < ` + p.add(begin+last)
	}
	return `value = ` + p.add(shorten(value))
}

// last sorts after every text that goes on.
const last = "\U0010ffff"

// oneOf is the condition that column is one of what query finds. If it is one of several conditions of which one is enough, the
// database must be told that it can find what query finds first.
func (d *dialect) oneOf(column, query string, joined bool) string {
	if joined && d.arrays {
		return column + ` = ANY(ARRAY(` + query + `))`
	}
	return column + ` IN (` + query + `)`
}

// cutShort is the condition that the table attribute may have only the beginning of a value: one that is cut ends with a whole character.
const cutShort = `octet_length(value) > 196`

// nameIs is the condition that the name is one of values: it is the column or, where that is NULL, the identifier. The identifiers of
// instances are generated then, so most patterns of which the beginning is not known cannot be for them, and they need not be looked at. What
// may be for them is looked for among all identifiers, if that is less than to look at everything below the root.
func (d *dialect) nameIs(p *params, values []string, whole bool) string {
	either := []string{"r.name IS NOT NULL AND (" + d.anyOf(p, "r.name", values) + ")"}
	var open, generated []string // patterns of which the beginning is not known, and those among them that generated names may match
	var others []string
	for _, v := range values {
		switch {
		case !openBegin(v):
			others = append(others, v)
		case mayBeGenerated(v):
			generated = append(generated, v)
			fallthrough
		default:
			open = append(open, v)
		}
	}
	if len(open) > 0 {
		either = append(either, "r.name IS NULL AND r.seq IS NULL AND ("+d.anyOf(p, "r.ri", open)+")")
	}
	if len(generated) > 0 {
		matching := "(" + d.matches(p, "r.ri", generated) + ")"
		if whole && !slices.ContainsFunc(generated, matchesMany) {
			matching = d.oneOf("r.ri", "SELECT ri FROM resource WHERE "+strings.ReplaceAll(matching, "r.ri", "ri"), true)
		}
		either = append(either, "r.name IS NULL AND r.seq IS NOT NULL AND "+matching)
	}
	if len(others) > 0 {
		either = append(either, "r.name IS NULL AND ("+d.anyOf(p, "r.ri", others)+")")
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// matches compares expression with patterns, by no index of how texts end.
func (d *dialect) matches(p *params, expression string, patterns []string) string {
	var list []string
	for _, v := range patterns {
		list = append(list, expression+" "+d.like+" "+p.add(d.pattern(v)))
	}
	return strings.Join(list, " OR ")
}

// mayBeGenerated reports whether pattern may match an identifier that is generated: at most 32 digits and letters up to v.
func mayBeGenerated(pattern string) bool {
	literal := strings.ReplaceAll(pattern, "*", "")
	return len(literal) <= 32 && !strings.ContainsFunc(literal, func(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'v') })
}

// matchesMany reports whether pattern matches so many generated names that the first of them are found soon, whatever is looked at: it has
// no four characters in a row.
func matchesMany(pattern string) bool {
	return !slices.ContainsFunc(strings.Split(pattern, "*"), func(part string) bool { return len(part) >= 4 })
}
