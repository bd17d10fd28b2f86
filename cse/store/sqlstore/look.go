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
	query, args := s.dialect.lookQuery(v)
	found, err := read(ctx, s, query, args, scanSight)
	if err != nil {
		return store.Sight{}, s.fail("look at "+v.Address.String(), err)
	}
	if len(found) == 0 {
		return store.Sight{}, store.ErrNotFound
	}
	return found[0], nil
}

// lookQuery selects what scanSight scans.
func (d *dialect) lookQuery(v store.View) (string, params) {
	var p params
	present := p.add(micros(v.Now))
	from := d.nodeFrom(&p, v.Address, v.Below, present)
	watched := "r.seq IS NULL AND CAST(r.attrs AS text) LIKE " + p.add(`%"\_`+v.Note+`"%`) + ` ESCAPE '\'`
	holder := "r.ri"
	if v.Address.Edge != "" {
		watched, holder = "r.ri IS NULL", "g.ri"
		p = p[:len(p)-1]
	}
	there := func(row string) string { return row + ".et + 0 > " + present }
	visitor := "NULL"
	if v.Visitor != "" {
		visitor = "(SELECT v.ty FROM resource v WHERE v.ri = " + p.add(v.Visitor) + " AND " + there("v") + ")"
	}
	when := func(t resource.Type, what string) string {
		return "CASE WHEN r.ty = " + strconv.Itoa(int(t)) + " THEN " + what + " END"
	}
	linked, hosted, missing := "NULL", "NULL", "NULL"
	if v.Address.Edge == "" {
		link := d.local(&p, d.attribute("nl"), v.Identity)
		linked = when(resource.TypeAE, "(SELECT count(*) FROM resource l WHERE (l.ri = "+link+" OR l.path = "+link+") AND "+there("l")+")")
		hosted = when(resource.TypeNode, "(SELECT "+d.list+"(h.ri ORDER BY h.path) FROM resource h WHERE h.ri IN (SELECT n.ri FROM attribute n "+
			"WHERE n.name = 'nl' AND n.value = r.ri LIMIT "+strconv.Itoa(store.MaxHosted)+") AND h.ty = 2 AND "+there("h")+")")
		member := d.head("m.value")
		missing = when(resource.TypeGroup, "(SELECT "+d.list+"("+member+") FROM "+d.elements("mid")+" WHERE "+
			"(SELECT f.ri FROM resource f WHERE f.ri = "+member+" AND "+there("f")+") IS NULL)")
	}
	return `SELECT ` + d.nodeColumns(present) + `, CASE WHEN ` + watched + ` THEN ` + fmt.Sprintf(d.subscriptions, present, holder) + ` END, ` +
		visitor + `, ` + linked + `, ` + hosted + `, ` + missing + ` ` + from, p
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

// scanSight scans nodeColumns and what lookQuery adds.
func scanSight(rows answer) (store.Sight, error) {
	var subscriptions, hosted, missing []byte
	var visitor, linked pgtype.Int8
	node, err := scanNodeAnd(rows, &subscriptions, &visitor, &linked, &hosted, &missing)
	s := store.Sight{Node: node, Visitor: resource.Type(visitor.Int64), Linked: linked.Int64 > 0}
	if err != nil {
		return s, err
	}
	holder := s.Resource.ID
	if holder == "" {
		holder = s.Governor.ID
	}
	if s.Subscriptions, err = parseSubscriptions(subscriptions, holder); err != nil {
		return s, err
	}
	for list, raw := range map[*[]string][]byte{&s.Hosted: hosted, &s.Missing: missing} {
		if len(raw) == 0 {
			continue
		}
		if err := json.Unmarshal(raw, list); err != nil {
			return s, fmt.Errorf("read what belongs to %s: %w", holder, err)
		}
	}
	return s, nil
}
