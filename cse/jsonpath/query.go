// Package jsonpath is the query language for the content of instances of TS-0001 annex K.2 (J.2 since Release 3), such as
//
//	$.temperature GT 20 AND $.places[0].name MATCH 'kitchen'
//
// It is not that of RFC 9535, which only shares how paths look.
package jsonpath

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Query is a condition on JSON: one of several lists of comparisons must hold, AND binding closer than OR.
type Query struct {
	either [][]comparison
}

// comparison compares what is at a path.
type comparison struct {
	path     []step
	operator string
	value    any // string, float64, bool or nil
}

// step goes to a member of an object, or to an element of an array.
type step struct {
	name  string // if index is -1
	index int    // the first is 0
}

// SyntaxError is a query that is none.
type SyntaxError struct {
	Query  string
	At     int // byte
	Detail string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("at %d of %q: %s", e.At, e.Query, e.Detail) }

// maxComparisons bounds one query.
const maxComparisons = 100

// Parse reads a query.
func Parse(text string) (*Query, error) {
	p := &parser{text: text}
	q := &Query{either: [][]comparison{nil}}
	for n := 1; ; n++ {
		c, err := p.comparison()
		if err != nil {
			return nil, err
		}
		if n > maxComparisons {
			return nil, p.fail("there are more than %d comparisons", maxComparisons)
		}
		last := len(q.either) - 1
		q.either[last] = append(q.either[last], c)
		switch word := p.word(); word {
		case "":
			if p.at < len(text) {
				return nil, p.fail("want AND, OR or the end")
			}
			return q, nil
		case "AND":
		case "OR":
			q.either = append(q.either, nil)
		default:
			return nil, p.fail("want AND, OR or the end, got %q", word)
		}
	}
}

// Matches reports whether content, which is JSON, is as q says. A path that leads nowhere compares with nothing.
func (q *Query) Matches(content []byte) bool {
	var whole any
	if json.Unmarshal(content, &whole) != nil {
		return false
	}
	for _, all := range q.either {
		holds := true
		for _, c := range all {
			holds = holds && c.holds(whole)
		}
		if holds {
			return true
		}
	}
	return false
}

func (c comparison) holds(whole any) bool {
	got, found := whole, true
	for _, s := range c.path {
		if got, found = s.of(got); !found {
			return false
		}
	}
	switch c.operator {
	case "EQ", "NE":
		switch got.(type) {
		case map[string]any, []any:
			return c.operator == "NE" // no list or object equals a value
		}
		return (got == c.value) == (c.operator == "EQ")
	case "MATCH":
		text, is := got.(string)
		return is && strings.Contains(text, c.value.(string))
	}
	number, is := got.(float64)
	if !is {
		return false
	}
	switch bound := c.value.(float64); c.operator {
	case "GT":
		return number > bound
	case "LT":
		return number < bound
	case "GE":
		return number >= bound
	}
	return number <= c.value.(float64) // LE
}

// of is what is at s in v.
func (s step) of(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		member, found := v[s.name]
		return member, found && s.index < 0
	case []any:
		if s.index < 0 || s.index >= len(v) {
			return nil, false
		}
		return v[s.index], true
	}
	return nil, false
}

// parser reads a query from the left.
type parser struct {
	text string
	at   int
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{p.text, p.at, fmt.Sprintf(format, args...)}
}

func (p *parser) rest() string { return p.text[p.at:] }

// skip goes past spaces.
func (p *parser) skip() { p.at += len(p.rest()) - len(strings.TrimLeft(p.rest(), " \t")) }

// until reads up to the first of the characters in ends.
func (p *parser) until(ends string) string {
	n := strings.IndexAny(p.rest(), ends)
	if n < 0 {
		n = len(p.rest())
	}
	p.at += n
	return p.text[p.at-n : p.at]
}

// word reads what comes up to the next space.
func (p *parser) word() string {
	p.skip()
	return p.until(" \t")
}

func (p *parser) comparison() (c comparison, err error) {
	if c.path, err = p.path(); err != nil {
		return c, err
	}
	switch c.operator = p.word(); c.operator {
	case "EQ", "NE", "GT", "LT", "GE", "LE", "MATCH":
	default:
		return c, p.fail("want EQ, NE, GT, LT, GE, LE or MATCH after the path, got %q", c.operator)
	}
	if c.value, err = p.value(c.operator == "MATCH"); err != nil {
		return c, err
	}
	if _, number := c.value.(float64); !number && c.operator != "EQ" && c.operator != "NE" && c.operator != "MATCH" {
		return c, p.fail("%s wants a number", c.operator)
	}
	return c, nil
}

// special ends a name that is not in quotes.
const special = " \t.[]{}$\"'"

func (p *parser) path() ([]step, error) {
	p.skip()
	if !strings.HasPrefix(p.rest(), "$") {
		return nil, p.fail("want a path, which begins with $")
	}
	p.at++
	var path []step
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t':
			return path, nil
		case '.':
			p.at++
			name, quoted, err := p.quoted()
			if err != nil {
				return nil, err
			}
			if !quoted {
				if name = p.until(special); name == "" {
					return nil, p.fail("want the name of a member after the dot")
				}
			}
			path = append(path, step{name, -1})
		case '[':
			p.at++
			n, err := strconv.Atoi(p.until("]"))
			if err != nil || n < 0 || p.at == len(p.text) {
				return nil, p.fail("want a number and ] after [")
			}
			p.at++
			path = append(path, step{"", n})
		default:
			return nil, p.fail("want a dot, [ or a space in the path")
		}
	}
	return path, nil
}

// quoted reads a string in quotes, if one comes.
func (p *parser) quoted() (text string, quoted bool, err error) {
	rest := p.rest()
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", false, nil
	}
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && rest[0] == '"':
			i++
		case rest[i] != rest[0]:
		case rest[0] == '\'':
			p.at += i + 1
			return rest[1:i], true, nil
		default:
			if json.Unmarshal([]byte(rest[:i+1]), &text) != nil {
				return "", false, p.fail("the string is not one of JSON")
			}
			p.at += i + 1
			return text, true, nil
		}
	}
	return "", false, p.fail("the string does not end")
}

// value reads what is compared with: a string in quotes, a number, true, false or null, or else a string without spaces. With text, all
// that is not in quotes is that.
func (p *parser) value(text bool) (any, error) {
	p.skip()
	s, quoted, err := p.quoted()
	if quoted || err != nil {
		return s, err
	}
	word := p.word()
	if word == "" {
		return nil, p.fail("want a value")
	}
	var v any
	if text || json.Unmarshal([]byte(word), &v) != nil {
		return word, nil
	}
	switch v.(type) {
	case map[string]any, []any:
		return nil, p.fail("want a string or a number")
	}
	return v, nil
}
