package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Find is two queries: the resources, and what governs access to them, each governor once.
func (s *Store) Find(ctx context.Context, q store.Query) (store.Page, error) {
	query, args := s.dialect.findQuery(q)
	found, err := read(ctx, s, query, append(slices.Clone(s.dialect.planAnew), args...), scanResource)
	if err != nil {
		return store.Page{}, s.fail("find below "+q.Root, err)
	}
	page := store.Page{Resources: found, Governors: map[string]store.Node{}}
	if len(found) > q.Limit {
		page.Resources, page.More = found[:q.Limit], true
	}
	var ids []string
	for _, r := range page.Resources {
		if _, seen := page.Governors[r.Governor]; !seen {
			page.Governors[r.Governor] = store.Node{}
			ids = append(ids, r.Governor)
		}
	}
	if len(ids) == 0 {
		return page, nil
	}
	var p params
	present := p.add(micros(q.Now))
	query = `SELECT ` + s.dialect.nodeColumns(present) + `
		FROM resource r JOIN resource g ON g.ri = r.gov LEFT JOIN tally t ON t.ri = r.ri
		WHERE ` + s.dialect.among(&p, "r.ri", ids)
	governors, err := read(ctx, s, query, p, scanNode)
	if err != nil {
		return store.Page{}, s.fail("find governors below "+q.Root, err)
	}
	for _, g := range governors {
		page.Governors[g.Resource.ID] = g
	}
	return page, nil
}

// findQuery selects one resource more than q wants, to know whether there are more.
func (d *dialect) findQuery(q store.Query) (string, params) {
	var p params
	where := []string{
		`r.path > ` + p.add(max(q.Root+"/", q.After)),
		`r.path < ` + p.add(q.Root+"0"), // the character after the slash
		`r.et + 0 > ` + p.add(micros(q.Now)),
	}
	switch level := q.Filter.Level; {
	case level == 1:
		where = append(where, `r.pi = (SELECT ri FROM resource WHERE path = `+p.add(q.Root)+`)`)
	case level > 1:
		depth := strings.Count(q.Root, "/") + level
		where = append(where, `length(r.path) - length(replace(r.path, '/', '')) <= `+strconv.Itoa(depth))
	}
	if conditions := d.conditions(&p, q.Filter, micros(q.Now), !strings.Contains(q.Root, "/")); len(conditions) > 0 {
		join := " AND "
		if q.Filter.Or {
			join = " OR "
		}
		where = append(where, "("+strings.Join(conditions, join)+")")
	}
	return `SELECT ` + resourceColumns + ` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE ` + strings.Join(where, " AND ") + ` ORDER BY r.path LIMIT ` + strconv.Itoa(q.Limit+1), p
}

// conditions are the conditions of f, one for each kind; what may be one of several values is one condition. whole says that they are looked
// for in the whole tree.
func (d *dialect) conditions(p *params, f primitive.Filter, now int64, whole bool) []string {
	var list []string
	compare := func(present bool, column, operator string, value int64) {
		if present {
			list = append(list, column+" "+operator+" "+p.add(value))
		}
	}
	compare(!f.CreatedAfter.IsZero(), "r.ct", ">=", micros(f.CreatedAfter))
	compare(!f.CreatedBefore.IsZero(), "r.ct", "<", micros(f.CreatedBefore))
	var modified []string
	if !f.ModifiedSince.IsZero() {
		modified = append(modified, ">= "+p.add(micros(f.ModifiedSince)))
	}
	if !f.UnmodifiedSince.IsZero() {
		modified = append(modified, "< "+p.add(micros(f.UnmodifiedSince)))
	}
	switch {
	case f.Or:
		for _, m := range modified {
			list = append(list, modifiedIs(m))
		}
	case len(modified) > 0:
		list = append(list, modifiedIs(modified...))
	}
	compare(!f.ExpireAfter.IsZero(), "r.et", ">=", micros(f.ExpireAfter))
	compare(!f.ExpireBefore.IsZero(), "r.et", "<", micros(f.ExpireBefore))
	for _, bound := range []struct {
		value            *int64
		column, operator string
	}{
		{f.SizeAbove, "r.cs", ">="},
		{f.SizeBelow, "r.cs", "<"},
	} {
		if bound.value != nil {
			compare(true, bound.column, bound.operator, *bound.value)
		}
	}
	if f.StateTagBigger != nil {
		list = append(list, stateTagIs(">= "+p.add(*f.StateTagBigger)))
	}
	if f.StateTagSmaller != nil {
		list = append(list, stateTagIs("< "+p.add(*f.StateTagSmaller)))
	}
	list = append(list, d.kinship(p, f.Types, f.Labels, f.Attributes, f.Or, whole)...)
	if len(f.ContentTypes) > 0 {
		list = append(list, "("+d.anyOfFew(p, "cnf", f.ContentInfos())+")")
	}
	if f.Geo != nil { // the caller looks closer
		list = append(list, d.attribute("loc")+" IS NOT NULL")
	}
	// Within the parentheses, r is the parent or the child.
	for _, c := range d.kinship(p, f.ParentTypes, f.ParentLabels, f.ParentAttributes, false, true) {
		list = append(list, "r.pi IN (SELECT r.ri FROM resource r LEFT JOIN tally t ON t.ri = r.ri WHERE r.et + 0 > "+p.add(now)+" AND "+c+")")
	}
	for _, c := range d.kinship(p, f.ChildTypes, f.ChildLabels, f.ChildAttributes, false, true) {
		list = append(list, "r.ri IN (SELECT r.pi FROM resource r LEFT JOIN tally t ON t.ri = r.ri WHERE r.et + 0 > "+p.add(now)+" AND "+c+")")
	}
	return list
}

// kinship are the conditions that there can be on a resource, its parent or a child. joined says that one of them is enough,
// whole that they are looked for in the whole tree.
func (d *dialect) kinship(p *params, types []int, labels []string, attributes []primitive.AttributeCondition, joined, whole bool) []string {
	var list []string
	if len(types) > 0 {
		list = append(list, anyType(types))
	}
	if len(labels) > 0 {
		list = append(list, d.oneOf("r.ri", "SELECT ri FROM label WHERE "+d.anyOf(p, "lbl", labels), joined || slices.ContainsFunc(labels, endsKnown)))
	}
	var names []string
	values := map[string][]string{}
	for _, a := range attributes {
		if values[a.Name] == nil {
			names = append(names, a.Name)
		}
		values[a.Name] = append(values[a.Name], a.Value)
	}
	for _, name := range names {
		list = append(list, d.attributeIs(p, name, values[name], joined, whole))
	}
	return list
}

// modifiedIs is the condition that all comparisons hold for the time of modification. For an instance that is when it was created;
// to say so, and to say it of both bounds of a period at once, lets indexes answer.
func modifiedIs(comparisons ...string) string {
	return "(r.seq IS NULL AND r.lt " + strings.Join(comparisons, " AND r.lt ") +
		" OR r.seq IS NOT NULL AND r.ct " + strings.Join(comparisons, " AND r.ct ") + ")"
}

// anyType is the condition that a resource is of one of types. It says of which of them no instances are, and the types are literal,
// so that the database sees that it can use the index of all that are no instances.
func anyType(types []int) string {
	var others, instances []string
	for _, t := range types {
		if resource.Type(t).Instance() {
			instances = append(instances, strconv.Itoa(t))
		} else {
			others = append(others, strconv.Itoa(t))
		}
	}
	var either []string
	if len(others) > 0 {
		either = append(either, "r.seq IS NULL AND r.ty IN ("+strings.Join(others, ", ")+")")
	}
	if len(instances) > 0 {
		either = append(either, "r.ty IN ("+strings.Join(instances, ", ")+")")
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// stateTagIs is the condition that the stateTag of any type that has one compares so.
func stateTagIs(comparison string) string {
	return "(r.seq IS NOT NULL AND r.seq " + comparison + " OR r.seq IS NULL AND r.ty IN (" + typesWith("st", resource.TypeFlexContainer) + ") AND t.st " + comparison + ")"
}

// typesWith lists more and the types that have the attribute name, apart from instances.
func typesWith(name string, more ...resource.Type) string {
	var list []string
	for _, t := range resource.Types() {
		if !t.Instance() && t.Has(name) && !slices.Contains(more, t) {
			more = append(more, t)
		}
	}
	for _, t := range more {
		list = append(list, strconv.Itoa(int(t)))
	}
	return strings.Join(list, ", ")
}

// anyOf compares expression with each value.
func (d *dialect) anyOf(p *params, expression string, values []string) string {
	var list, exact []string
	for _, v := range values {
		if endsKnown(v) {
			list = append(list, d.ends(p, expression, v))
		} else if strings.Contains(v, "*") {
			list = append(list, expression+" "+d.like+" "+p.add(d.pattern(v)))
		} else {
			exact = append(exact, v)
		}
	}
	switch len(exact) {
	case 0:
	case 1:
		list = append(list, expression+" = "+p.add(exact[0]))
	default:
		list = append(list, expression+" IN ("+addAll(p, exact)+")")
	}
	return strings.Join(list, " OR ")
}

// anyOfFew is anyOf for a column of which there is an index and which has few different values: each is looked at once, for all that have it.
func (d *dialect) anyOfFew(p *params, column string, values []string) string {
	var list, others []string
	for _, v := range values {
		if !bothOpen(v) {
			others = append(others, v)
			continue
		}
		list = append(list, d.oneOf("r."+column, `WITH RECURSIVE few(v) AS (SELECT min(`+column+`) FROM resource WHERE `+column+` IS NOT NULL
			UNION ALL SELECT (SELECT min(`+column+`) FROM resource WHERE `+column+` > few.v) FROM few WHERE few.v IS NOT NULL)
			SELECT v FROM few WHERE v `+d.like+` `+p.add(d.pattern(v)), true))
	}
	if len(others) > 0 {
		list = append(list, d.anyOf(p, "r."+column, others))
	}
	return strings.Join(list, " OR ")
}

// column is the attribute name as text. The name has been checked to be one that resources have.
func (d *dialect) column(name string) string {
	switch name {
	case "ri", "pi":
		return "r." + name
	case "cni", "cbs":
		return fmt.Sprintf("CASE WHEN r.ty IN (%s) THEN CAST(t.%s AS TEXT) END", typesWith(name, resource.TypeFlexContainer), name)
	}
	return d.attribute(name)
}
