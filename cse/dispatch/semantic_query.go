package dispatch

import (
	"context"
	"encoding/json"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/semantic"
)

// queries reports whether r is a semantic query (sqi), not a semantic resource discovery.
func queries(r primitive.Request) bool { return r.SemanticQuery != nil && *r.SemanticQuery }

// checkSemantic checks the semantic query indicator (sqi) of a request, TS-0004 clause 7.3.1.1.
func checkSemantic(r primitive.Request) error {
	switch {
	case r.SemanticQuery == nil:
		return nil
	case r.Operation != primitive.Retrieve:
		return primitive.Errorf(primitive.BadRequest, "only a retrieve can be semantic (sqi)")
	case len(r.Filter.SemanticFilters) == 0:
		return primitive.Errorf(primitive.BadRequest, "a semantic query or discovery (sqi) needs a query (smf)")
	case queries(r) && len(r.Filter.SemanticFilters) > 1:
		return primitive.Errorf(primitive.BadRequest, "a semantic query (sqi) has one query (smf); a plus sign in it is written %%2B, a space %%20")
	}
	return nil
}

// semanticQuery answers the query of q from all descriptors in and below root together, TS-0001 clause 10.2.15. The result is that of
// SPARQL, in JSON.
func (q *request) semanticQuery(ctx context.Context, root resource.Resource) (primitive.Response, error) {
	others := q.Filter
	others.SemanticFilters = nil
	if !others.Empty() || others.RelativePath != "" {
		return primitive.Response{}, primitive.Errorf(primitive.NotImplemented, "a semantic query (sqi) cannot have other conditions")
	}
	list, err := q.semanticQueries()
	if err != nil {
		return primitive.Response{}, err
	}
	var g semantic.Graph
	s, seen := q.descriptors(), map[string]bool{}
	add := func(r resource.Resource) error { return s.add(ctx, &g, r, seen) }
	if root.Type == resource.TypeSemanticDescriptor {
		err = add(root)
	}
	if err == nil {
		err = s.each(ctx, root, q.Filter.Level, add)
	}
	if err != nil {
		return primitive.Response{}, err
	}
	result, err := list[0].Evaluate(&g, ctx.Err)
	if err != nil {
		return primitive.Response{}, sparqlError(err)
	}
	b, err := json.Marshal(result)
	if err != nil {
		return primitive.Response{}, err
	}
	return primitive.Response{Status: primitive.OK, Content: wrap("m2m:qres", string(b))}, nil
}
