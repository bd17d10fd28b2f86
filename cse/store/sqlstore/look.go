package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Look is one query, whatever v is. What only some types show is only looked for where it is shown.
func (s *Store) Look(ctx context.Context, v store.View) (store.Sight, error) {
	kind := lookKind{v.Address.Edge, v.Address.ID != "", v.Below != "", v.Visitor != "", v.Identity}
	known, ok := s.looks.Load(kind)
	if !ok {
		known, _ = s.looks.LoadOrStore(kind, s.dialect.lookPlan(kind))
	}
	plan := known.(*lookPlan)
	found, err := read(ctx, s, plan.query, plan.args(&v), scanSight)
	if err != nil {
		return store.Sight{}, s.fail("look at "+v.Address.String(), err)
	}
	if len(found) == 0 {
		return store.Sight{}, store.ErrNotFound
	}
	return found[0], nil
}

// lookKind is what the query for a view depends on. There are few: the query is put together once for each.
type lookKind struct {
	edge           primitive.Edge
	byID           bool // with an identifier, not a path
	below, visitor bool
	of             primitive.Identity
}

// lookPlan is the query for views of one kind.
type lookPlan struct {
	query string
	given params // values, and functions that take them from a view
}

func (l *lookPlan) args(v *store.View) params {
	args := make(params, len(l.given))
	for i, g := range l.given {
		if from, ok := g.(func(*store.View) any); ok {
			g = from(v)
		}
		args[i] = g
	}
	return args
}

// lookPlan makes the query that selects what scanSight scans.
func (d *dialect) lookPlan(k lookKind) *lookPlan {
	var p params
	add := func(from func(v *store.View) any) string { return p.add(from) }
	present := add(func(v *store.View) any { return micros(v.Now) })
	at := place{path: func(v *store.View) any { return v.Address.Path }}
	if k.byID || k.below {
		at = place{id: func(v *store.View) any { return v.Address.ID }}
	}
	if k.below {
		at.below = func(v *store.View) any { return "/" + v.Below }
	}
	from := d.nodeFrom(&p, at, k.edge, present)
	watched, holder := "r.ri IS NULL", "g.ri"
	if k.edge == "" {
		watched = "r.seq IS NULL AND CAST(r.attrs AS text) LIKE " + add(func(v *store.View) any { return `%"\_` + v.Note + `"%` }) + ` ESCAPE '\'`
		holder = "r.ri"
	}
	visitor := "NULL"
	if k.visitor {
		visitor = "(SELECT v.ty FROM resource v WHERE v.ri = " + add(func(v *store.View) any { return v.Visitor }) + " AND v.et + 0 > " + present + ")"
	}
	belongings := "NULL"
	if k.edge == "" {
		link := "CASE WHEN r.ty = " + code(resource.TypeAE) + " THEN " + d.local(&p, d.attribute("nl"), k.of) + " END"
		if d.routine {
			belongings = "CASE WHEN r.ty IN (" + code(resource.TypeNode) + ", " + code(resource.TypeGroup) + ") OR " + link + " IS NOT NULL THEN " +
				belongingsRoutine + "(r.ty, r.ri, r.attrs, " + link + ", " + present + ") END"
		} else {
			belongings = "CASE r.ty"
			for _, b := range d.belongings(link, present) {
				belongings += " WHEN " + code(b.of) + " THEN " + b.are
			}
			belongings += " END"
		}
	}
	query := `SELECT ` + d.nodeColumns(present) + `, CASE WHEN ` + watched + ` THEN ` + fmt.Sprintf(d.subscriptions, present, holder) + ` END, ` +
		visitor + `, ` + belongings + ` ` + from
	return &lookPlan{query, p}
}

func code(t resource.Type) string { return strconv.Itoa(int(t)) }

// belonging is what resources of a type show of others: an expression for a JSON array of identifiers.
type belonging struct {
	of  resource.Type
	are string
}

// belongings are what r shows: of an AE the node it is linked to, whose address is link, if it is there; of a node the AEs that it hosts;
// of a group the members that are gone.
func (d *dialect) belongings(link, present string) []belonging {
	there := func(row string) string { return row + ".et + 0 > " + present }
	member := d.head("m.value")
	return []belonging{
		{resource.TypeAE, "(SELECT " + d.list + "(l.ri) FROM resource l WHERE (l.ri = " + link + " OR l.path = " + link + ") AND " + there("l") + ")"},
		{resource.TypeNode, "(SELECT " + d.list + "(h.ri ORDER BY h.path) FROM resource h WHERE h.ri IN (SELECT n.ri FROM attribute n " +
			"WHERE n.name = 'nl' AND n.value = r.ri LIMIT " + strconv.Itoa(store.MaxHosted) + ") AND h.ty = " + code(resource.TypeAE) + " AND " + there("h") + ")"},
		{resource.TypeGroup, "(SELECT " + d.list + "(" + member + ") FROM " + d.elements("mid") + " WHERE " +
			"(SELECT f.ri FROM resource f WHERE f.ri = " + member + " AND " + there("f") + ") IS NULL)"},
	}
}

// belongingsRoutine is the name of the routine that works belongings out in the database. When what it does changes, so does its name, as
// instances of two versions may serve together.
const belongingsRoutine = "viot_belongings_1"

// createBelongings makes the routine. PostgreSQL sets up all subqueries of a statement each time it runs, and those of belongings took
// more time than all the rest of a retrieve, of which few have any; what is in a routine is only set up when it is called.
func (d *dialect) createBelongings() string {
	var cases string
	for _, b := range d.belongings("$4", "$5") {
		cases += ` WHEN ` + code(b.of) + ` THEN RETURN (SELECT ` + b.are + ` FROM (SELECT $2 AS ri, $3 AS attrs) AS r);`
	}
	return `CREATE OR REPLACE FUNCTION ` + belongingsRoutine + `(bigint, text, json, text, bigint) RETURNS json LANGUAGE plpgsql STABLE AS
		$body$ BEGIN CASE $1` + cases + ` ELSE RETURN NULL; END CASE; END $body$`
}

// local is an expression for the address that link, an expression too, has within the CSE i.
func (d *dialect) local(p *params, link string, i primitive.Identity) string {
	begins := func(prefix, replacement string) string {
		n := strconv.Itoa(len(prefix))
		return " WHEN substr(" + link + ", 1, " + n + ") = " + p.add(prefix) + " THEN " + replacement + "substr(" + link + ", " + n + " + 1)"
	}
	inside := func(prefix string) string {
		return begins(prefix+"-/", "CAST("+p.add(i.Name+"/")+" AS text) || ") + begins(prefix, "")
	}
	return "(CASE" + inside("//"+i.SPID+i.CSEID+"/") + inside(i.CSEID+"/") + begins("-/", "CAST("+p.add(i.Name+"/")+" AS text) || ") + " ELSE " + link + " END)"
}

// scanSight scans nodeColumns and what a lookPlan adds.
func scanSight(rows answer) (store.Sight, error) {
	var subscriptions, belongings []byte
	var visitor pgtype.Int8
	node, err := scanNodeAnd(rows, &subscriptions, &visitor, &belongings)
	s := store.Sight{Node: node, Visitor: resource.Type(visitor.Int64)}
	if err != nil {
		return s, err
	}
	holder := s.Resource.ID
	if holder == "" {
		holder = s.Governor.ID
	}
	if s.Subscriptions, err = parseSubscriptions(subscriptions, holder); err != nil || len(belongings) == 0 {
		return s, err
	}
	var found []string
	if err := json.Unmarshal(belongings, &found); err != nil {
		return s, fmt.Errorf("read what belongs to %s: %w", holder, err)
	}
	switch s.Resource.Type {
	case resource.TypeAE:
		s.Linked = len(found) > 0
	case resource.TypeNode:
		s.Hosted = found
	case resource.TypeGroup:
		s.Missing = found
	}
	return s, nil
}
