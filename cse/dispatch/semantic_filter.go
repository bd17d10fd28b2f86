package dispatch

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/semantic"
	"github.com/viot-project/viot/cse/store"
)

// describedPage is how many resources that are described as wanted are looked for in one query.
const describedPage = 500

// described is a resource that a semanticDescriptor in it describes as a request wants it.
type described struct{ id, path string }

// described are those of root and the resources below it that have a descriptor in which one of the semantic filters of q has a result
// (semantic resource discovery, TS-0001 clause 10.2.14), in the order of their paths. Descriptors are looked for at most level below root
// if that is not zero.
func (q *request) described(ctx context.Context, root resource.Resource, level int) ([]described, error) {
	queries, err := q.semanticQueries()
	if err != nil {
		return nil, err
	}
	var list []described
	last := ""
	s := q.descriptors()
	err = s.each(ctx, root, level, func(r resource.Resource) error {
		if r.ParentID == last {
			return nil // another one has matched
		}
		matches, err := s.match(ctx, queries, r)
		if matches {
			last = r.ParentID
			list = append(list, described{r.ParentID, r.Path[:strings.LastIndexByte(r.Path, '/')]})
		}
		return err
	})
	slices.SortFunc(list, func(a, b described) int { return cmp.Compare(a.path, b.path) })
	return slices.Compact(list), err
}

// match reports whether one of queries has a result in the descriptor r and those that belong to it.
func (s *descriptors) match(ctx context.Context, queries []*semantic.Query, r resource.Resource) (bool, error) {
	var g semantic.Graph
	if err := s.add(ctx, &g, r, map[string]bool{}); err != nil {
		return false, err
	}
	for _, query := range queries {
		if matches, err := query.Matches(&g, ctx.Err); matches || err != nil {
			return matches, sparqlError(err)
		}
	}
	return false, nil
}

// semanticPages are the queries that together find what query does of list, in order.
func semanticPages(query store.Query, list []described) []store.Query {
	var asked []string // identifiers that the request itself asks for
	others := make([]primitive.AttributeCondition, 0, len(query.Filter.Attributes))
	for _, c := range query.Filter.Attributes {
		if c.Name == "ri" {
			asked = append(asked, c.Value)
		} else {
			others = append(others, c)
		}
	}
	var ids []primitive.AttributeCondition
	for _, d := range list {
		if len(asked) == 0 || slices.ContainsFunc(asked, func(pattern string) bool { return primitive.Match(pattern, d.id) }) {
			ids = append(ids, primitive.AttributeCondition{Name: "ri", Value: d.id})
		}
	}
	var pages []store.Query
	for page := range slices.Chunk(ids, describedPage) {
		next := query
		next.Filter.Attributes = slices.Concat(others, page)
		pages = append(pages, next)
	}
	return pages
}

// includesRoot reports whether the discovery q finds root itself: one that is described as wanted and, unless that is enough, meets the
// other conditions.
func (q *request) includesRoot(ctx context.Context, root resource.Resource, list []described) (bool, error) {
	f := q.Filter
	if f.Usage != primitive.Discovery || !describes(list, root) {
		return false, nil
	}
	if f.Or {
		return true, nil
	}
	f.SemanticFilters = nil // which root meets
	others, err := q.beyond(ctx, root, f)
	return err == nil && !slices.Contains(append(others, conditions(f, root)...), false), err
}
