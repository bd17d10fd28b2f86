package semantic

import "strconv"

// Graph is a set of triples. The zero Graph is empty and ready to use. It is not safe for concurrent changes.
type Graph struct {
	triples   []Triple
	has       map[Triple]bool
	by        [3]map[Term][]int32 // positions in triples, by subject, predicate and object
	documents int
}

// Add adds the triples of one document. Its blank nodes are no others' (RDF 1.1 Semantics clause 4.1).
func (g *Graph) Add(document []Triple) {
	if g.has == nil {
		g.has = map[Triple]bool{}
		for i := range g.by {
			g.by[i] = map[Term][]int32{}
		}
	}
	g.documents++
	own := strconv.Itoa(g.documents) + "."
	for _, t := range document {
		for _, term := range []*Term{&t.Subject, &t.Object} {
			if term.Kind == Blank {
				term.Value = own + term.Value
			}
		}
		if g.has[t] {
			continue
		}
		g.has[t] = true
		at := int32(len(g.triples))
		g.triples = append(g.triples, t)
		for i, term := range []Term{t.Subject, t.Predicate, t.Object} {
			g.by[i][term] = append(g.by[i][term], at)
		}
	}
}

// Len is the number of triples.
func (g *Graph) Len() int { return len(g.triples) }

// among are positions of triples of which those with all given terms are some; the zero Term stands for any. all says that every
// triple is one of them, and at is not set.
func (g *Graph) among(terms [3]Term) (at []int32, all bool) {
	all = true
	for i, term := range terms {
		if term.Kind == 0 {
			continue
		}
		if list := g.by[i][term]; all || len(list) < len(at) {
			at, all = list, false
		}
	}
	return at, all
}
