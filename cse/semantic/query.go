package semantic

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// MaxQuery bounds a query, in bytes.
	MaxQuery    = 16 << 10
	maxPatterns = 64
)

// Query is a SPARQL query. It may be evaluated by several goroutines at once.
type Query struct {
	ask      bool
	distinct bool
	names    []string // of the variables, by their number; empty for blank nodes
	selected []int    // nil is all that have a name
	where    *group
	order    []ordering
	limit    int // negative is no limit
	offset   int
	spent    int // steps that are taken as done already
}

type ordering struct {
	key        expression
	descending bool
}

// group is a group graph pattern.
type group struct {
	parts   []part
	filters []expression
}

// slot is a term of a pattern, or the number of the variable in its place if it is none.
type slot struct {
	term     Term
	variable int
}

// queryParser reads a Query.
type queryParser struct {
	statements
	query    *Query
	numbers  map[string]int // of variables; blank nodes begin with "_:"
	patterns int
	target   *group // to which triples are added
}

// ParseQuery reads a query in the part of SPARQL 1.1 that is known here: SELECT and ASK with PREFIX, BASE, DISTINCT, ORDER BY, LIMIT and
// OFFSET; patterns of triples in all their notations, groups, FILTER, OPTIONAL, UNION, MINUS, BIND and VALUES of one variable; and the
// expressions of functions. The error is an UnsupportedError for what SPARQL has beyond that, else a SyntaxError.
func ParseQuery(s string) (*Query, error) {
	if len(s) > MaxQuery {
		return nil, &UnsupportedError{fmt.Sprintf("a query of more than %d bytes", MaxQuery)}
	}
	p := &queryParser{query: &Query{limit: -1}, numbers: map[string]int{}}
	p.lexer = lexer{rest: s, line: 1}
	p.prefixes, p.variables, p.emit = map[string]string{}, true, p.pattern
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.all(); err != nil {
		return nil, err
	}
	return p.query, nil
}

func (p *queryParser) all() error {
	for p.word("prefix") || p.word("base") {
		if err := p.declaration(); err != nil {
			return err
		}
	}
	if err := p.form(); err != nil {
		return err
	}
	if p.word("from") {
		return &UnsupportedError{"a dataset (FROM)"}
	}
	if _, err := p.keyword("where"); err != nil {
		return err
	}
	var err error
	if p.query.where, err = p.group(); err != nil {
		return err
	}
	if err := p.modifiers(); err != nil {
		return err
	}
	if p.token.kind != endToken {
		return p.unexpected("the end")
	}
	return nil
}

// keyword passes over the word w if it is there.
func (p *queryParser) keyword(w string) (bool, error) {
	if !p.word(w) {
		return false, nil
	}
	return true, p.advance()
}

// refuse fails if the current token is a word that begins something of SPARQL that is not known here.
func (p *queryParser) refuse(words ...string) error {
	for _, w := range words {
		if p.word(w) {
			return &UnsupportedError{strings.ToUpper(w)}
		}
	}
	return nil
}

// form reads what kind of query it is and which variables are asked for.
func (p *queryParser) form() error {
	if err := p.refuse("construct", "describe", "insert", "delete", "load", "clear", "create", "drop", "copy", "move", "add", "with"); err != nil {
		return err
	}
	var err error
	if p.query.ask, err = p.keyword("ask"); p.query.ask || err != nil {
		return err
	}
	if !p.word("select") {
		return p.unexpected("SELECT or ASK")
	}
	if err := p.advance(); err != nil {
		return err
	}
	if p.query.distinct, err = p.keyword("distinct"); err != nil {
		return err
	}
	if _, err := p.keyword("reduced"); err != nil {
		return err
	}
	if all, err := p.accept("*"); all || err != nil {
		return err
	}
	for p.token.kind == varToken {
		p.query.selected = append(p.query.selected, p.numbered(p.token.value))
		if err := p.advance(); err != nil {
			return err
		}
	}
	if p.is("(") {
		return &UnsupportedError{"an expression among what is selected"}
	}
	if p.query.selected == nil {
		return p.unexpected("variables")
	}
	return nil
}

// numbered is the number of the variable with the name; blank nodes are variables that nobody sees.
func (p *queryParser) numbered(name string) int {
	n, known := p.numbers[name]
	if !known {
		n = len(p.query.names)
		p.numbers[name] = n
		if strings.HasPrefix(name, "_:") {
			name = ""
		}
		p.query.names = append(p.query.names, name)
	}
	return n
}

func (p *queryParser) slot(t Term) slot {
	switch t.Kind {
	case variable:
		return slot{variable: p.numbered(t.Value)}
	case Blank:
		return slot{variable: p.numbered("_:" + t.Value)}
	}
	return slot{term: t}
}

// pattern adds a triple to the group that is being read.
func (p *queryParser) pattern(t Triple) error {
	if p.patterns++; p.patterns > maxPatterns {
		return &UnsupportedError{fmt.Sprintf("a query of more than %d triple patterns", maxPatterns)}
	}
	var block *triples
	if n := len(p.target.parts); n > 0 {
		block, _ = p.target.parts[n-1].(*triples)
	}
	if block == nil {
		block = new(triples)
		p.target.parts = append(p.target.parts, block)
	}
	block.patterns = append(block.patterns, [3]slot{p.slot(t.Subject), p.slot(t.Predicate), p.slot(t.Object)})
	return nil
}

// group reads a group graph pattern in its braces.
func (p *queryParser) group() (*group, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	outer, g := p.target, new(group)
	p.target = g
	defer func() { p.depth--; p.target = outer }()
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	for {
		if end, err := p.accept("}"); end || err != nil {
			return g, err
		}
		if err := p.part(g); err != nil {
			return nil, err
		}
	}
}

// part reads one part of a group and the dot after it.
func (p *queryParser) part(g *group) error {
	if err := p.refuse("graph", "service", "select"); err != nil {
		return err
	}
	read, known := parts[strings.ToLower(p.token.value)]
	switch {
	case p.is("{"):
		read = (*queryParser).union
	case p.token.kind != wordToken || !known:
		if err := p.triples(); err != nil {
			return err
		}
		if dot, err := p.accept("."); dot || err != nil {
			return err
		}
		if !p.is("}") && !p.is("{") && p.token.kind != wordToken {
			return p.unexpected(`"."`)
		}
		return nil
	default:
		if err := p.advance(); err != nil {
			return err
		}
	}
	if err := read(p, g); err != nil {
		return err
	}
	_, err := p.accept(".")
	return err
}

// parts read what begins with a word, which has been passed.
var parts map[string]func(*queryParser, *group) error

func init() {
	parts = map[string]func(*queryParser, *group) error{
		"filter": (*queryParser).filter, "optional": (*queryParser).optional, "minus": (*queryParser).minus, "bind": (*queryParser).bind,
		"values": (*queryParser).values,
	}
}

func (p *queryParser) filter(g *group) error {
	e, err := p.constraint()
	g.filters = append(g.filters, e)
	return err
}

func (p *queryParser) optional(g *group) error {
	inner, err := p.group()
	g.parts = append(g.parts, &optional{inner})
	return err
}

func (p *queryParser) minus(g *group) error {
	inner, err := p.group()
	g.parts = append(g.parts, &minus{inner})
	return err
}

func (p *queryParser) union(g *group) error {
	var u union
	for {
		branch, err := p.group()
		if err != nil {
			return err
		}
		u = append(u, branch)
		if more, err := p.keyword("union"); err != nil {
			return err
		} else if !more {
			g.parts = append(g.parts, u)
			return nil
		}
	}
}

// variable reads a variable and returns its number.
func (p *queryParser) variable() (int, error) {
	if p.token.kind != varToken {
		return 0, p.unexpected("a variable")
	}
	n := p.numbered(p.token.value)
	return n, p.advance()
}

func (p *queryParser) bind(g *group) error {
	if err := p.expect("("); err != nil {
		return err
	}
	value, err := p.expression()
	if err != nil {
		return err
	}
	if as, err := p.keyword("as"); err != nil || !as {
		return p.unexpected("AS")
	}
	n, err := p.variable()
	if err != nil {
		return err
	}
	g.parts = append(g.parts, &bind{n, value})
	return p.expect(")")
}

func (p *queryParser) values(g *group) error {
	if p.is("(") {
		return &UnsupportedError{"VALUES of several variables"}
	}
	n, err := p.variable()
	if err != nil {
		return err
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	v := &values{variable: n}
	for {
		if end, err := p.accept("}"); end || err != nil {
			g.parts = append(g.parts, v)
			return err
		}
		if undefined, err := p.keyword("undef"); err != nil {
			return err
		} else if undefined {
			v.terms = append(v.terms, Term{})
			continue
		}
		t, err := p.constant()
		if err != nil {
			return err
		}
		v.terms = append(v.terms, t)
	}
}

// constant reads an IRI or a literal.
func (p *queryParser) constant() (Term, error) {
	if p.token.kind == varToken || p.token.kind == blankToken || p.is("[") || p.is("(") {
		return Term{}, p.unexpected("an IRI or a literal")
	}
	return p.term()
}

// modifiers reads what follows the patterns.
func (p *queryParser) modifiers() error {
	for {
		if err := p.refuse("group", "having", "values"); err != nil {
			return err
		}
		var err error
		switch {
		case p.word("order"):
			err = p.orderBy()
		case p.word("limit"):
			p.query.limit, err = p.count()
		case p.word("offset"):
			p.query.offset, err = p.count()
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// count passes over the current word and reads a whole number.
func (p *queryParser) count() (int, error) {
	if err := p.advance(); err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(p.token.value, 10, 31)
	if p.token.kind != numberToken || err != nil {
		return 0, p.unexpected("a number")
	}
	return int(n), p.advance()
}

func (p *queryParser) orderBy() error {
	if err := p.advance(); err != nil {
		return err
	}
	if by, err := p.keyword("by"); err != nil || !by {
		return p.unexpected("BY")
	}
	for {
		var o ordering
		var err error
		if o.descending = p.word("desc"); o.descending || p.word("asc") {
			if err := p.advance(); err != nil {
				return err
			}
			o.key, err = p.bracketed()
		} else if p.token.kind == varToken || p.is("(") {
			o.key, err = p.primary()
		} else if len(p.query.order) > 0 {
			return nil
		} else {
			return p.unexpected("what to order by")
		}
		if err != nil {
			return err
		}
		p.query.order = append(p.query.order, o)
	}
}
