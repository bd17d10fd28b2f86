package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Get is one query, whatever a is.
func (s *Store) Get(ctx context.Context, a primitive.Address, now time.Time) (store.Node, error) {
	query, args := s.dialect.nodeQuery(a, now, s.dialect.nodeColumns)
	nodes, err := read(ctx, s, query, args, scanNode)
	if err != nil {
		return store.Node{}, s.fail("get "+a.String(), err)
	}
	if len(nodes) == 0 {
		return store.Node{}, store.ErrNotFound
	}
	return nodes[0], nil
}

// GetAll is one query, whatever list is.
func (s *Store) GetAll(ctx context.Context, list []primitive.Address, now time.Time) ([]resource.Resource, error) {
	var ids, paths []string
	for _, a := range list {
		if a.ID != "" {
			ids = append(ids, a.ID)
		} else {
			paths = append(paths, a.Path)
		}
	}
	var p params
	present := p.add(micros(now))
	var either []string
	if len(ids) > 0 {
		either = append(either, s.dialect.among(&p, "r.ri", ids))
	}
	if len(paths) > 0 {
		either = append(either, s.dialect.among(&p, "r.path", paths))
	}
	if len(either) == 0 {
		return nil, nil
	}
	found, err := read(ctx, s, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
		WHERE (`+strings.Join(either, " OR ")+`) AND r.et + 0 > `+present+` ORDER BY r.path`, p, scanResource)
	if err != nil {
		return nil, s.fail("get several resources", err)
	}
	return found, nil
}

// watchedNode is the node at a with its subscriptions, as this transaction sees it.
func (t *tx) watchedNode(ctx context.Context, a primitive.Address, now time.Time) (watched, error) {
	query, args := t.dialect.nodeQuery(a, now, t.dialect.watchedColumns)
	nodes, err := ask(ctx, t, scanWatched, query, args...)
	if err == nil && len(nodes) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return watched{}, err
	}
	return nodes[0], nil
}

// nodeQuery selects columns of the node at a, given the parameter of the present.
func (d *dialect) nodeQuery(a primitive.Address, now time.Time, columns func(now string) string) (string, params) {
	var p params
	present := p.add(micros(now))
	from := d.nodeFrom(&p, placeOf(a), a.Edge, present)
	return `SELECT ` + columns(present) + ` ` + from, p
}

// place is where a node is: the path, or the identifier, or what has the names below, with a slash in front, under that. What does not
// apply is nil.
type place struct{ id, path, below any }

func placeOf(a primitive.Address) place {
	if a.ID != "" {
		return place{id: a.ID}
	}
	return place{path: a.Path}
}

// nodeFrom is where columns of the node at a place are, or of the instance at an edge of it. present is the parameter of the present.
func (d *dialect) nodeFrom(p *params, at place, edge primitive.Edge, present string) string {
	var target string
	switch {
	case at.below != nil:
		target = `path = (SELECT b.path FROM resource b WHERE b.ri = ` + p.add(at.id) + ` AND b.et + 0 > ` + present + `) || ` + p.add(at.below)
	case at.id != nil:
		target = `ri = ` + p.add(at.id)
	default:
		target = `path = ` + p.add(at.path)
	}
	from := `FROM resource r JOIN resource g ON g.ri = r.gov LEFT JOIN tally t ON t.ri = r.ri
		WHERE r.` + target + ` AND r.et + 0 > ` + present
	if edge != "" {
		end := "i.seq > (SELECT o.gone FROM tally o WHERE o.ri = g.ri) AND i.et + 0 > " + present + " ORDER BY i.seq"
		if edge == primitive.Latest {
			end = "i.seq IS NOT NULL AND i.et + 0 > " + present + " ORDER BY i.seq DESC"
		}
		from = `FROM resource g LEFT JOIN resource r ON r.ri =
			(SELECT i.ri FROM resource i WHERE i.pi = g.ri AND ` + end + ` LIMIT 1)
			LEFT JOIN tally t ON t.ri = r.ri
			WHERE g.` + target + ` AND g.et + 0 > ` + present
	}
	return from
}
