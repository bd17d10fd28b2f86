package semantic

import (
	"net/url"
	"strconv"
	"strings"
)

// statements reads what Turtle and SPARQL share: terms and the triples made of them.
type statements struct {
	lexer
	token     token
	base      *url.URL // nil if there is none
	prefixes  map[string]string
	blanks    int
	depth     int
	variables bool // may stand for terms
	emit      func(Triple) error
}

// advance makes the next token the current one.
func (p *statements) advance() (err error) {
	p.token, err = p.next()
	return err
}

func (p *statements) is(sign string) bool { return p.token.kind == signToken && p.token.value == sign }

// word reports whether the current token is the word w in any case.
func (p *statements) word(w string) bool {
	return p.token.kind == wordToken && strings.EqualFold(p.token.value, w)
}

func (p *statements) unexpected(wanted string) error {
	found := strconv.Quote(clip(p.token.value))
	if p.token.kind == endToken {
		found = "the end"
	}
	return &SyntaxError{Line: p.token.line, Detail: "got " + found + ", want " + wanted}
}

// expect passes over a sign that must be there.
func (p *statements) expect(sign string) error {
	if !p.is(sign) {
		return p.unexpected(strconv.Quote(sign))
	}
	return p.advance()
}

// accept passes over a sign if it is there.
func (p *statements) accept(sign string) (bool, error) {
	if !p.is(sign) {
		return false, nil
	}
	return true, p.advance()
}

func (p *statements) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return &SyntaxError{Line: p.token.line, Detail: errDepth.Error()}
	}
	return nil
}

func parseTurtle(document string, emit func(Triple) error) error {
	p := &statements{lexer: lexer{rest: strings.TrimPrefix(document, "\uFEFF"), line: 1}, prefixes: map[string]string{}, emit: emit}
	if err := p.advance(); err != nil {
		return err
	}
	for p.token.kind != endToken {
		if err := p.statement(); err != nil {
			return err
		}
	}
	return nil
}

// statement reads a directive or triples of Turtle.
func (p *statements) statement() error {
	if directive := p.token.kind == atToken; directive || p.word("prefix") || p.word("base") {
		if err := p.declaration(); err != nil || !directive {
			return err
		}
		return p.expect(".")
	}
	if err := p.triples(); err != nil {
		return err
	}
	return p.expect(".")
}

// declaration reads PREFIX or BASE.
func (p *statements) declaration() error {
	what := strings.ToLower(p.token.value)
	if err := p.advance(); err != nil {
		return err
	}
	prefix := p.token.value
	switch what {
	case "base":
	case "prefix":
		if p.token.kind != nameToken || strings.Index(prefix, ":") != len(prefix)-1 {
			return p.unexpected("a prefix")
		}
		if err := p.advance(); err != nil {
			return err
		}
	default:
		return p.unexpected("a directive")
	}
	if p.token.kind != iriToken {
		return p.unexpected("an IRI")
	}
	value := p.resolve(p.token.value)
	if len(value) > maxIRI {
		return errLong
	}
	if what == "base" {
		base, err := url.Parse(value)
		if err != nil {
			return p.unexpected("an IRI")
		}
		p.base = base
	} else {
		p.prefixes[prefix] = value
	}
	return p.advance()
}

// resolve makes reference absolute if it is relative and there is a base.
func (p *statements) resolve(reference string) string { return resolve(p.base, reference) }

func resolve(base *url.URL, reference string) string {
	if base == nil {
		return reference
	}
	u, err := url.Parse(reference)
	if err != nil || u.IsAbs() {
		return reference
	}
	if reference == "" {
		u = &url.URL{}
	}
	return base.ResolveReference(u).String()
}

// triples reads a subject and what is said of it.
func (p *statements) triples() error {
	alone := p.is("[")
	subject, err := p.subject()
	if err != nil {
		return err
	}
	if alone && (p.is(".") || p.is("}") || p.token.kind == endToken) {
		return nil
	}
	return p.properties(subject)
}

func (p *statements) subject() (Term, error) {
	if p.token.kind == stringToken || p.token.kind == numberToken {
		return Term{}, p.unexpected("a subject")
	}
	return p.term()
}

// properties reads predicates with their objects.
func (p *statements) properties(subject Term) error {
	for {
		predicate, err := p.predicate()
		if err != nil {
			return err
		}
		for more := true; more; {
			object, err := p.term()
			if err != nil {
				return err
			}
			if err := p.emit(Triple{subject, predicate, object}); err != nil {
				return err
			}
			if more, err = p.accept(","); err != nil {
				return err
			}
		}
		more := false
		for p.is(";") {
			more = true
			if err := p.advance(); err != nil {
				return err
			}
		}
		if !more || p.is(".") || p.is("]") || p.is("}") || p.token.kind == endToken {
			return nil
		}
	}
}

func (p *statements) predicate() (Term, error) {
	if p.token.kind == wordToken && p.token.value == "a" {
		return rdfType, p.advance()
	}
	if p.variables && (p.is("^") || p.is("(") || p.is("!")) {
		return Term{}, &UnsupportedError{"a property path"}
	}
	switch p.token.kind {
	case iriToken, nameToken, varToken:
		t, err := p.term()
		if err == nil && p.variables && (p.is("/") || p.is("|") || p.is("*") || p.is("+")) {
			err = &UnsupportedError{"a property path"}
		}
		return t, err
	}
	return Term{}, p.unexpected("a predicate")
}

// term reads a term; of one that is a collection or has properties of its own, those are emitted.
func (p *statements) term() (Term, error) {
	t := p.token
	switch t.kind {
	case iriToken:
		return iri(p.resolve(t.value)), p.advance()
	case nameToken:
		return p.prefixed()
	case varToken:
		if p.variables {
			return Term{Kind: variable, Value: t.value}, p.advance()
		}
	case blankToken:
		return Term{Kind: Blank, Value: "_" + t.value}, p.advance()
	case stringToken:
		return p.literal()
	case numberToken:
		return p.number("")
	case wordToken:
		if t.value == "true" || t.value == "false" {
			return typed(t.value, xsdBoolean), p.advance()
		}
	case signToken:
		switch t.value {
		case "+", "-":
			if err := p.advance(); err != nil {
				return Term{}, err
			}
			return p.number(t.value)
		case "[", "(":
			return p.compound()
		}
	}
	return Term{}, p.unexpected("a term")
}

func (p *statements) prefixed() (Term, error) {
	colon := strings.IndexByte(p.token.value, ':') + 1
	namespace, known := p.prefixes[p.token.value[:colon]]
	if !known {
		return Term{}, &SyntaxError{Line: p.token.line, Detail: "the prefix " + strconv.Quote(p.token.value[:colon]) + " is not declared"}
	}
	return iri(namespace + p.token.value[colon:]), p.advance()
}

func (p *statements) number(sign string) (Term, error) {
	value := p.token.value
	if p.token.kind != numberToken {
		return Term{}, p.unexpected("a number")
	}
	datatype := xsdInteger
	switch {
	case strings.ContainsAny(value, "eE"):
		datatype = xsdDouble
	case strings.Contains(value, "."):
		datatype = xsdDecimal
	}
	return typed(sign+value, datatype), p.advance()
}

// literal reads a string and its language or datatype.
func (p *statements) literal() (Term, error) {
	value := p.token.value
	if err := p.advance(); err != nil {
		return Term{}, err
	}
	if p.token.kind == atToken {
		if p.token.value == "" || p.token.value == "prefix" || p.token.value == "base" {
			return Term{}, p.unexpected("a language")
		}
		return Term{Kind: Literal, Value: value, Language: strings.ToLower(p.token.value)}, p.advance()
	}
	if !p.is("^^") {
		return text(value), nil
	}
	if err := p.advance(); err != nil {
		return Term{}, err
	}
	if p.token.kind != iriToken && p.token.kind != nameToken {
		return Term{}, p.unexpected("a datatype")
	}
	datatype, err := p.term()
	return typed(value, datatype.Value), err
}

func (p *statements) blank() Term {
	p.blanks++
	return Term{Kind: Blank, Value: strconv.Itoa(p.blanks)}
}

// compound reads a blank node with its properties, or a collection.
func (p *statements) compound() (Term, error) {
	if err := p.deeper(); err != nil {
		return Term{}, err
	}
	defer func() { p.depth-- }()
	list := p.is("(")
	if err := p.advance(); err != nil {
		return Term{}, err
	}
	if list {
		return p.collection()
	}
	node := p.blank()
	if done, err := p.accept("]"); done || err != nil {
		return node, err
	}
	if err := p.properties(node); err != nil {
		return node, err
	}
	return node, p.expect("]")
}

func (p *statements) collection() (Term, error) {
	first, last := rdfNil, Term{}
	for {
		if done, err := p.accept(")"); err != nil || done && last.Kind == 0 {
			return first, err
		} else if done {
			return first, p.emit(Triple{last, rdfRest, rdfNil})
		}
		item, err := p.term()
		if err != nil {
			return first, err
		}
		node := p.blank()
		if last.Kind == 0 {
			first = node
		} else if err := p.emit(Triple{last, rdfRest, node}); err != nil {
			return first, err
		}
		if err := p.emit(Triple{node, rdfFirst, item}); err != nil {
			return first, err
		}
		last = node
	}
}
