package semantic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	maxSteps      = 1 << 20 // triples looked at and bytes read by functions, in units of bytesPerStep
	maxSolutions  = 10_000
	maxResult     = 16 << 20 // bytes of all terms
	bytesPerStep  = 128
	costOfPattern = 64 << 10
	stepsPerCheck = 1 << 12
)

// part is a part of a group: it calls next for each way to extend the current row, and takes back what it added.
type part interface {
	solve(e *evaluation, next func() error) error
}

// evaluation is a query while it is evaluated.
type evaluation struct {
	graph    *Graph
	check    func() error
	row      []Term // the current solution, by the numbers of variables; zero Terms are not bound
	steps    int
	patterns map[string]*regexp.Regexp // nil for what is none
}

// errEnough ends a search that has found what it looked for.
var errEnough = errors.New("enough")

// spend counts a step of so many bytes.
func (e *evaluation) spend(size int) error {
	before := e.steps / stepsPerCheck
	e.steps += 1 + size/bytesPerStep
	if e.steps > maxSteps {
		return &UnsupportedError{"a query that takes so many steps"}
	}
	if e.steps/stepsPerCheck != before {
		return e.check()
	}
	return nil
}

// truthOf is the effective boolean value of x.
func (e *evaluation) truthOf(x expression) (bool, error) {
	t, err := x(e)
	if err != nil {
		return false, err
	}
	return effective(t)
}

// any reports whether g has a solution that extends the current row.
func (e *evaluation) any(g *group) (bool, error) {
	err := g.solve(e, func() error { return errEnough })
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

func (g *group) solve(e *evaluation, next func() error) error { return g.from(e, 0, next) }

// from solves the parts from i on. Filters hold for all of the group, wherever they stand in it.
func (g *group) from(e *evaluation, i int, next func() error) error {
	if i < len(g.parts) {
		return g.parts[i].solve(e, func() error { return g.from(e, i+1, next) })
	}
	for _, f := range g.filters {
		if err := e.spend(0); err != nil {
			return err
		}
		if holds, err := e.truthOf(f); errors.Is(err, errType) || err == nil && !holds {
			return nil
		} else if err != nil {
			return err
		}
	}
	return next()
}

// triples is a basic graph pattern, of at most maxPatterns.
type triples struct{ patterns [][3]slot }

func (t *triples) solve(e *evaluation, next func() error) error { return t.rest(e, 0, next) }

// rest solves the patterns that are not in done, that with the fewest candidates first.
func (t *triples) rest(e *evaluation, done uint64, next func() error) error {
	best, count := -1, 0
	var candidates []int32
	var each bool
	for i, p := range t.patterns {
		if done&(1<<i) != 0 {
			continue
		}
		at, all := e.graph.among([3]Term{e.value(p[0]), e.value(p[1]), e.value(p[2])})
		n := len(at)
		if all {
			n = e.graph.Len()
		}
		if best < 0 || n < count {
			best, count, candidates, each = i, n, at, all
		}
	}
	if best < 0 {
		return next()
	}
	for i := range count {
		if !each {
			i = int(candidates[i])
		}
		if err := e.spend(0); err != nil {
			return err
		}
		err := e.match(t.patterns[best], e.graph.triples[i], func() error { return t.rest(e, done|1<<best, next) })
		if err != nil {
			return err
		}
	}
	return nil
}

// value is the term of s, zero if it is a variable that is not bound.
func (e *evaluation) value(s slot) Term {
	if s.term.Kind != 0 {
		return s.term
	}
	return e.row[s.variable]
}

// match calls next with the variables of p bound to what t has in their places, if t is as p says.
func (e *evaluation) match(p [3]slot, t Triple, next func() error) error {
	var bound [3]int
	n := 0
	defer func() {
		for _, v := range bound[:n] {
			e.row[v] = Term{}
		}
	}()
	for i, term := range [3]Term{t.Subject, t.Predicate, t.Object} {
		switch have := e.value(p[i]); {
		case have.Kind == 0:
			e.row[p[i].variable] = term
			bound[n] = p[i].variable
			n++
		case have != term:
			return nil
		}
	}
	return next()
}

type optional struct{ group *group }

func (o *optional) solve(e *evaluation, next func() error) error {
	found := false
	err := o.group.solve(e, func() error {
		found = true
		return next()
	})
	if err != nil || found {
		return err
	}
	return next()
}

type union []*group

func (u union) solve(e *evaluation, next func() error) error {
	for _, g := range u {
		if err := g.solve(e, next); err != nil {
			return err
		}
	}
	return nil
}

type minus struct{ group *group }

func (m *minus) solve(e *evaluation, next func() error) error {
	row := e.row
	e.row = make([]Term, len(row))
	err := m.group.solve(e, func() error {
		shared := false
		for i, t := range e.row {
			if t.Kind != 0 && row[i].Kind != 0 {
				if t != row[i] {
					return nil
				}
				shared = true
			}
		}
		if shared {
			return errEnough
		}
		return nil
	})
	e.row = row
	if err == nil {
		return next()
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

type bind struct {
	variable int
	value    expression
}

func (b *bind) solve(e *evaluation, next func() error) error {
	t, err := b.value(e)
	if err != nil && !errors.Is(err, errType) {
		return err
	}
	if err != nil || t.Kind == 0 {
		return next()
	}
	return e.with(b.variable, t, next)
}

// with calls next if variable is bound to t, or can be.
func (e *evaluation) with(variable int, t Term, next func() error) error {
	switch e.row[variable] {
	case t:
		return next()
	case Term{}:
		e.row[variable] = t
		defer func() { e.row[variable] = Term{} }()
		return next()
	}
	return nil
}

type values struct {
	variable int
	terms    []Term // the zero Term is UNDEF
}

func (v *values) solve(e *evaluation, next func() error) error {
	for _, t := range v.terms {
		if err := e.spend(0); err != nil {
			return err
		}
		var err error
		if t.Kind == 0 {
			err = next()
		} else {
			err = e.with(v.variable, t, next)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) evaluation(g *Graph, check func() error) *evaluation {
	return &evaluation{graph: g, check: check, row: make([]Term, len(q.names)), steps: q.spent, patterns: map[string]*regexp.Regexp{}}
}

// Matches reports whether q has a solution in g, and so a result that is not empty. check is called now and then; if it fails, so does
// Matches. The error is an UnsupportedError if evaluation takes more than it may.
func (q *Query) Matches(g *Graph, check func() error) (bool, error) {
	if q.limit == 0 {
		return false, nil
	}
	if q.offset == 0 {
		return q.evaluation(g, check).any(q.where)
	}
	r, err := q.Evaluate(g, check)
	return len(r.Rows) > 0, err
}

// Evaluate returns the result of q in g. check and the error are as for Matches.
func (q *Query) Evaluate(g *Graph, check func() error) (Result, error) {
	e := q.evaluation(g, check)
	if q.ask {
		found, err := e.any(q.where)
		return Result{Ask: true, Boolean: found}, err
	}
	selected := q.selected
	if selected == nil {
		for i, name := range q.names {
			if name != "" {
				selected = append(selected, i)
			}
		}
	}
	c := collector{query: q, evaluation: e, selected: selected, seen: map[string]bool{}}
	if q.limit != 0 {
		if err := q.where.solve(e, c.add); err != nil && !errors.Is(err, errEnough) {
			return Result{}, err
		}
	}
	r := Result{Rows: c.rows()}
	for _, n := range selected {
		r.Variables = append(r.Variables, q.names[n])
	}
	return r, nil
}

// collector gathers solutions.
type collector struct {
	*evaluation
	query    *Query
	selected []int
	found    []solution
	seen     map[string]bool // rows, if they are to be distinct
	size     int
}

type solution struct{ terms, keys []Term }

// add takes the current row.
func (c *collector) add() error {
	s := solution{terms: make([]Term, len(c.selected))}
	for i, n := range c.selected {
		s.terms[i] = c.row[n]
		c.size += len(c.row[n].Value)
	}
	if c.query.distinct {
		key := fmt.Sprintf("%q", s.terms)
		if c.seen[key] {
			return nil
		}
		c.seen[key] = true
	}
	for _, o := range c.query.order {
		t, err := o.key(c.evaluation)
		if err != nil && !errors.Is(err, errType) {
			return err
		}
		s.keys = append(s.keys, t)
	}
	if len(c.found) == maxSolutions || c.size > maxResult {
		return &UnsupportedError{fmt.Sprintf("a result of more than %d solutions or %d bytes", maxSolutions, maxResult)}
	}
	c.found = append(c.found, s)
	if q := c.query; len(q.order) == 0 && q.limit >= 0 && len(c.found) == q.offset+q.limit {
		return errEnough
	}
	return nil
}

// rows are the terms of what was found, in order and between offset and limit.
func (c *collector) rows() [][]Term {
	slices.SortStableFunc(c.found, func(a, b solution) int {
		for i, o := range c.query.order {
			if r := rank(a.keys[i], b.keys[i]); r != 0 && o.descending {
				return -r
			} else if r != 0 {
				return r
			}
		}
		return 0
	})
	list := c.found[min(c.query.offset, len(c.found)):]
	if c.query.limit >= 0 {
		list = list[:min(c.query.limit, len(list))]
	}
	var rows [][]Term
	for _, s := range list {
		rows = append(rows, s.terms)
	}
	return rows
}

// String is t as N-Triples has it, but for escapes.
func (t Term) String() string {
	switch {
	case t.Kind == 0:
		return "-"
	case t.Kind == Blank:
		return "_:" + t.Value
	case t.Kind != Literal:
		return "<" + t.Value + ">"
	case t.Language != "":
		return `"` + t.Value + `"@` + t.Language
	case t.Datatype != "":
		return `"` + t.Value + `"^^<` + strings.Replace(t.Datatype, xsdNamespace, "xsd:", 1) + ">"
	}
	return `"` + t.Value + `"`
}
