package semantic

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// expression is evaluated for one solution. Its error is errType if it has no value for that solution.
type expression func(e *evaluation) (Term, error)

// errType is what SPARQL calls a type error.
var errType = errors.New("the expression has no value")

// constraint reads what may follow FILTER.
func (p *queryParser) constraint() (expression, error) {
	if p.is("(") {
		return p.bracketed()
	}
	if p.token.kind != wordToken {
		if p.token.kind == iriToken || p.token.kind == nameToken {
			return nil, &UnsupportedError{"a function that is named by an IRI"}
		}
		return nil, p.unexpected("a condition")
	}
	return p.primary()
}

func (p *queryParser) bracketed() (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	return x, p.expect(")")
}

func (p *queryParser) expression() (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	return p.joined("||", true, func() (expression, error) { return p.joined("&&", false, p.comparison) })
}

// joined reads operands between which sign stands; one that is decisive decides, whatever the others are.
func (p *queryParser) joined(sign string, decisive bool, operand func() (expression, error)) (expression, error) {
	first, err := operand()
	if err != nil || !p.is(sign) {
		return first, err
	}
	list := []expression{first}
	for p.is(sign) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		next, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	return func(e *evaluation) (Term, error) {
		var undecided error
		for _, x := range list {
			b, err := e.truthOf(x)
			switch {
			case errors.Is(err, errType):
				undecided = err
			case err != nil:
				return Term{}, err
			case b == decisive:
				return truth(b), nil
			}
		}
		return truth(!decisive), undecided
	}, nil
}

var comparisons = map[string]func(int) bool{
	"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
	">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
}

// comparison reads a sum, or two that are compared.
func (p *queryParser) comparison() (expression, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	if not := p.word("not"); not || p.word("in") {
		return p.membership(left, not)
	}
	sign := p.token.value
	meets := comparisons[sign]
	if p.token.kind != signToken || meets == nil && sign != "=" && sign != "!=" {
		return left, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.sum()
	if err != nil {
		return nil, err
	}
	return binary(left, right, func(_ *evaluation, a, b Term) (Term, error) {
		if meets == nil {
			same, err := equal(a, b)
			return truth(same == (sign == "=")), err
		}
		c, err := compare(a, b)
		return truth(meets(c)), err
	}), nil
}

func binary(left, right expression, do func(e *evaluation, a, b Term) (Term, error)) expression {
	return func(e *evaluation) (Term, error) {
		a, err := left(e)
		if err != nil {
			return a, err
		}
		b, err := right(e)
		if err != nil {
			return b, err
		}
		if err := e.spend(len(a.Value) + len(b.Value)); err != nil {
			return Term{}, err
		}
		return do(e, a, b)
	}
}

// membership reads the list after IN or NOT IN.
func (p *queryParser) membership(left expression, not bool) (expression, error) {
	if not {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if in, err := p.keyword("in"); err != nil || !in {
		return nil, p.unexpected("IN")
	}
	list, err := p.arguments()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation) (Term, error) {
		a, err := left(e)
		if err != nil {
			return a, err
		}
		var undecided error
		for _, x := range list {
			b, err := x(e)
			same := false
			if err == nil {
				same, err = equal(a, b)
			}
			switch {
			case errors.Is(err, errType):
				undecided = err
			case err != nil:
				return Term{}, err
			case same:
				return truth(!not), nil
			}
		}
		return truth(not), undecided
	}, nil
}

// arguments reads expressions in parentheses.
func (p *queryParser) arguments() ([]expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []expression
	for {
		if len(list) == 0 {
			if end, err := p.accept(")"); end || err != nil {
				return nil, err
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		if more, err := p.accept(","); err != nil {
			return nil, err
		} else if !more {
			return list, p.expect(")")
		}
	}
}

func (p *queryParser) sum() (expression, error) { return p.calculation([]string{"+", "-"}, p.product) }

func (p *queryParser) product() (expression, error) {
	return p.calculation([]string{"*", "/"}, p.unary)
}

func (p *queryParser) calculation(signs []string, operand func() (expression, error)) (expression, error) {
	left, err := operand()
	for err == nil && p.token.kind == signToken && slices.Contains(signs, p.token.value) {
		sign := p.token.value
		if err := p.advance(); err != nil {
			return nil, err
		}
		var right expression
		if right, err = operand(); err == nil {
			left = binary(left, right, func(_ *evaluation, a, b Term) (Term, error) { return calculate(sign, a, b) })
		}
	}
	return left, err
}

func calculate(sign string, a, b Term) (Term, error) {
	x, okX := a.number()
	y, okY := b.number()
	if !okX || !okY || sign == "/" && y == 0 {
		return Term{}, errType
	}
	datatype := xsdDecimal
	if a.Datatype == xsdInteger && b.Datatype == xsdInteger && sign != "/" {
		datatype = xsdInteger
	}
	switch sign {
	case "+":
		x += y
	case "-":
		x -= y
	case "*":
		x *= y
	default:
		x /= y
	}
	return typed(strconv.FormatFloat(x, 'f', -1, 64), datatype), nil
}

func (p *queryParser) unary() (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	sign := p.token.value
	if p.token.kind != signToken || sign != "!" && sign != "-" && sign != "+" {
		return p.primary()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation) (Term, error) {
		if sign == "!" {
			b, err := e.truthOf(x)
			return truth(!b), err
		}
		a, err := x(e)
		if err != nil {
			return a, err
		}
		return calculate(sign, typed("0", xsdInteger), a)
	}, nil
}

// primary reads an expression that is not made by operators.
func (p *queryParser) primary() (expression, error) {
	switch {
	case p.is("("):
		return p.bracketed()
	case p.token.kind == varToken:
		n, err := p.variable()
		return func(e *evaluation) (Term, error) {
			if e.row[n].Kind == 0 {
				return Term{}, errType
			}
			return e.row[n], nil
		}, err
	case p.token.kind == wordToken && p.token.value != "true" && p.token.value != "false":
		return p.call()
	}
	t, err := p.constant()
	if err == nil && p.is("(") {
		err = &UnsupportedError{"a function that is named by an IRI"}
	}
	return func(*evaluation) (Term, error) { return t, nil }, err
}

// call reads the call of a function.
func (p *queryParser) call() (expression, error) {
	name := strings.ToLower(p.token.value)
	if err := p.advance(); err != nil {
		return nil, err
	}
	if not := name == "not"; not || name == "exists" {
		return p.existence(not)
	}
	if !p.is("(") {
		return nil, p.unexpected("the arguments of " + strings.ToUpper(name))
	}
	if name == "bound" {
		return p.bound()
	}
	f, known := functions[name]
	if !known {
		return nil, &UnsupportedError{"the function " + strings.ToUpper(name)}
	}
	list, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(list) < f.least || len(list) > f.most {
		return nil, &SyntaxError{Line: p.token.line, Detail: "the function " + strings.ToUpper(name) + " does not have so many arguments"}
	}
	return func(e *evaluation) (Term, error) {
		arguments := make([]Term, len(list))
		size := 0
		for i, x := range list {
			var err error
			if arguments[i], err = x(e); err != nil {
				return Term{}, err
			}
			size += len(arguments[i].Value)
		}
		if err := e.spend(size); err != nil {
			return Term{}, err
		}
		return f.do(e, arguments)
	}, nil
}

func (p *queryParser) bound() (expression, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.variable()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation) (Term, error) { return truth(e.row[n].Kind != 0), nil }, p.expect(")")
}

func (p *queryParser) existence(not bool) (expression, error) {
	if not {
		if exists, err := p.keyword("exists"); err != nil || !exists {
			return nil, p.unexpected("EXISTS")
		}
	}
	inner, err := p.group()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation) (Term, error) {
		found, err := e.any(inner)
		return truth(found != not), err
	}, nil
}
