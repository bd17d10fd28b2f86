package dispatch

import (
	"context"
	"errors"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/semantic"
	"github.com/viot-project/viot/cse/store"
)

const (
	maxRelated = 32      // descriptors that are looked at beside the one they belong to
	maxGraph   = 200_000 // triples that are looked at together
)

// descriptors reads semanticDescriptors for one request: those that its originator may retrieve.
type descriptors struct {
	q        *request
	verdicts map[verdict]bool
	related  map[string]*descriptor // by the addresses that lead to them; nil if they cannot be reached
}

func (q *request) descriptors() *descriptors {
	return &descriptors{q: q, verdicts: map[verdict]bool{}, related: map[string]*descriptor{}}
}

// semanticQueries are the queries (smf) of q.
func (q *request) semanticQueries() ([]*semantic.Query, error) {
	list := make([]*semantic.Query, len(q.Filter.SemanticFilters))
	for i, s := range q.Filter.SemanticFilters {
		var err error
		if list[i], err = semantic.ParseQuery(s); err != nil {
			return nil, sparqlError(err)
		}
	}
	return list, nil
}

// sparqlError gives the errors of queries their status.
func sparqlError(err error) error {
	var syntax *semantic.SyntaxError
	var unsupported *semantic.UnsupportedError
	switch {
	case errors.As(err, &syntax):
		return primitive.Errorf(primitive.InvalidSPARQLQuery, "parameter \"smf\": %v", err)
	case errors.As(err, &unsupported):
		return primitive.Errorf(primitive.NotImplemented, "parameter \"smf\": %v", err)
	}
	return err
}

// each calls do with the descriptors below root, at most level deep if it is not zero, in the order of their paths.
func (s *descriptors) each(ctx context.Context, root resource.Resource, level int, do func(resource.Resource) error) error {
	query := store.Query{Root: root.Path, Now: s.q.now, Limit: firstPage,
		Filter: primitive.Filter{Types: []int{int(resource.TypeSemanticDescriptor)}, Level: level}}
	for {
		page, err := s.q.d.Store.Find(ctx, query)
		if err != nil {
			return err
		}
		for _, r := range page.Resources {
			allowed, err := s.q.mayFind(ctx, r, page.Governors[r.Governor], resource.MayRetrieve, s.verdicts)
			if err != nil {
				return err
			}
			if !allowed {
				continue
			}
			if err := do(r); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		query.Limit = nextPage(page.Resources, firstPage)
		query.After = page.Resources[len(page.Resources)-1].Path
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// add adds to g what the descriptor r says, and what those that belong to it say, except for descriptors in seen.
func (s *descriptors) add(ctx context.Context, g *semantic.Graph, r resource.Resource, seen map[string]bool) error {
	first, err := readDescriptor(r)
	if err != nil {
		return err
	}
	more := 0
	for queue := []descriptor{first}; len(queue) > 0; queue = queue[1:] {
		d := queue[0]
		if seen[d.id] {
			continue
		}
		seen[d.id] = true
		if g.Len()+len(d.triples) > maxGraph {
			return primitive.Errorf(primitive.NotImplemented, "the descriptors have more than %d triples together", maxGraph)
		}
		g.Add(d.triples)
		for _, address := range d.related {
			if more++; more > maxRelated {
				break
			}
			next, err := s.at(ctx, address)
			if err != nil {
				return err
			}
			if next != nil {
				queue = append(queue, *next)
			}
		}
	}
	return nil
}

// at is the descriptor at address; nil if there is none on this CSE that the originator may retrieve.
func (s *descriptors) at(ctx context.Context, address string) (*descriptor, error) {
	if d, known := s.related[address]; known {
		return d, nil
	}
	d, err := s.retrieve(ctx, address)
	if err != nil {
		if status := asError(err).Status; status != primitive.NotFound && status != primitive.BadRequest {
			return nil, err
		}
		d = nil
	}
	s.related[address] = d
	return d, nil
}

func (s *descriptors) retrieve(ctx context.Context, address string) (*descriptor, error) {
	q := s.q
	if !q.d.Identity.Local(address) {
		return nil, store.ErrNotFound
	}
	a, err := q.d.resolve(ctx, address, q.now)
	if err != nil {
		return nil, err
	}
	n, err := q.d.Store.Get(ctx, a, q.now)
	if err != nil {
		return nil, err
	}
	if n.Resource.Type != resource.TypeSemanticDescriptor {
		return nil, store.ErrNotFound
	}
	allowed, err := q.found(ctx, resource.MayRetrieve, n)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, store.ErrNotFound
	}
	d, err := readDescriptor(n.Resource)
	return &d, err
}
