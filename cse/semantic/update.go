package semantic

import (
	"fmt"
	"strconv"
)

// Update is a SPARQL update: operations that are carried out one after the other.
type Update struct{ operations []operation }

// operation takes remove away and puts insert in, for each solution of the query.
type operation struct {
	query          *Query
	remove, insert [][3]slot
}

const (
	maxOperations = 8
	// spentOnUpdate leaves an operation a twentieth of the steps of a query: others wait for it.
	spentOnUpdate = maxSteps - maxSteps/20
)

// ParseUpdate reads an update in the part of SPARQL 1.1 Update that concerns one graph: INSERT DATA, DELETE DATA, DELETE WHERE, and DELETE
// and INSERT with WHERE, in which patterns are as in ParseQuery. The errors are as there.
func ParseUpdate(s string) (*Update, error) {
	if len(s) > MaxQuery {
		return nil, &UnsupportedError{fmt.Sprintf("an update of more than %d bytes", MaxQuery)}
	}
	p := &queryParser{}
	p.lexer = lexer{rest: s, line: 1}
	p.prefixes, p.variables, p.emit = map[string]string{}, true, p.pattern
	if err := p.advance(); err != nil {
		return nil, err
	}
	u := new(Update)
	for {
		for p.word("prefix") || p.word("base") {
			if err := p.declaration(); err != nil {
				return nil, err
			}
		}
		if p.token.kind == endToken && len(u.operations) > 0 {
			return u, nil
		}
		if len(u.operations) == maxOperations {
			return nil, &UnsupportedError{fmt.Sprintf("an update of more than %d operations", maxOperations)}
		}
		o, err := p.operation()
		if err != nil {
			return nil, err
		}
		u.operations = append(u.operations, o)
		if more, err := p.accept(";"); err != nil {
			return nil, err
		} else if !more && p.token.kind != endToken {
			return nil, p.unexpected("the end")
		}
	}
}

// operation reads one operation.
func (p *queryParser) operation() (operation, error) {
	if err := p.refuse("load", "clear", "create", "drop", "copy", "move", "add", "with"); err != nil {
		return operation{}, err
	}
	p.query, p.numbers = &Query{limit: -1, spent: spentOnUpdate}, map[string]int{}
	o := operation{query: p.query}
	removes, err := p.keyword("delete")
	if err != nil {
		return o, err
	}
	if removes {
		if where, err := p.keyword("where"); err != nil {
			return o, err
		} else if where {
			if o.remove, err = p.template(false); err != nil {
				return o, err
			}
			o.query.where = &group{parts: []part{&triples{o.remove}}}
			return o, p.named(o.remove)
		}
	}
	if !removes && !p.word("insert") {
		return o, p.unexpected("INSERT or DELETE")
	}
	return o, p.modification(&o, removes)
}

// modification reads what follows DELETE, or begins with INSERT.
func (p *queryParser) modification(o *operation, removes bool) error {
	var err error
	if removes {
		data, err := p.keyword("data")
		if err != nil {
			return err
		}
		if o.remove, err = p.template(data); err != nil {
			return err
		}
		if err := p.named(o.remove); err != nil || data {
			o.query.where = new(group)
			return err
		}
	}
	if inserts, err := p.keyword("insert"); err != nil {
		return err
	} else if inserts {
		data, err := p.keyword("data")
		if err != nil {
			return err
		}
		if o.insert, err = p.template(data); err != nil || data {
			o.query.where = new(group)
			return err
		}
	}
	if err := p.refuse("using"); err != nil {
		return err
	}
	if where, err := p.keyword("where"); err != nil || !where {
		return p.unexpected("WHERE")
	}
	o.query.where, err = p.group()
	return err
}

// template reads triples in braces, without variables if they are data.
func (p *queryParser) template(data bool) ([][3]slot, error) {
	line := p.token.line
	g, err := p.group()
	if err != nil || len(g.parts) == 0 && len(g.filters) == 0 {
		return nil, err
	}
	t, plain := g.parts[0].(*triples)
	if !plain || len(g.parts) > 1 || len(g.filters) > 0 {
		return nil, &SyntaxError{line, "there is more than triples where only triples can be"}
	}
	for _, pattern := range t.patterns {
		for _, s := range pattern {
			if data && s.term.Kind == 0 && p.query.names[s.variable] != "" {
				return nil, &SyntaxError{line, "there is a variable in data"}
			}
		}
	}
	return t.patterns, nil
}

// named fails if there are blank nodes in what is to be removed: they would stand for any node.
func (p *queryParser) named(patterns [][3]slot) error {
	for _, pattern := range patterns {
		for _, s := range pattern {
			if s.term.Kind == 0 && p.query.names[s.variable] == "" {
				return &SyntaxError{p.token.line, "there is a blank node in what is to be removed"}
			}
		}
	}
	return nil
}

// Apply returns the document as it is after u. The error is an UnsupportedError if that takes more than it may.
func (u *Update) Apply(document []Triple) ([]Triple, error) {
	blanks := 0
	for _, o := range u.operations {
		var g Graph
		g.Add(document)
		q := *o.query
		for i := range q.names {
			q.selected = append(q.selected, i)
		}
		r, err := q.Evaluate(&g, func() error { return nil })
		if err != nil {
			return nil, err
		}
		removed := map[Triple]bool{}
		var inserted []Triple
		for _, row := range r.Rows {
			for _, p := range o.remove {
				removed[instance(p, row)] = true
			}
			for i, name := range q.names {
				if name == "" && row[i].Kind == 0 { // a new node for each solution
					blanks++
					row[i] = Term{Kind: Blank, Value: "new" + strconv.Itoa(blanks)}
				}
			}
			for _, p := range o.insert {
				t := instance(p, row)
				if t.Subject.Kind != 0 && t.Subject.Kind != Literal && t.Predicate.Kind == IRI && t.Object.Kind != 0 {
					inserted = append(inserted, t)
				}
			}
			if len(inserted) > MaxTriples {
				return nil, &UnsupportedError{fmt.Sprintf("a descriptor of more than %d triples", MaxTriples)}
			}
		}
		document = merged(g.triples, removed, inserted)
	}
	return document, nil
}

func instance(p [3]slot, row []Term) Triple {
	var terms [3]Term
	for i, s := range p {
		if terms[i] = s.term; s.term.Kind == 0 {
			terms[i] = row[s.variable]
		}
	}
	return Triple{terms[0], terms[1], terms[2]}
}

// merged are the triples of list without those removed and with those inserted, each once.
func merged(list []Triple, removed map[Triple]bool, inserted []Triple) []Triple {
	var kept []Triple
	has := map[Triple]bool{}
	for _, t := range list {
		if !removed[t] {
			has[t] = true
			kept = append(kept, t)
		}
	}
	for _, t := range inserted {
		if !has[t] {
			has[t] = true
			kept = append(kept, t)
		}
	}
	return kept
}
