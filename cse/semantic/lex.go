package semantic

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one of the words that Turtle and SPARQL are made of.
type token struct {
	kind  tokenKind
	value string // what it says: an IRI without its brackets, a string without its quotes and escapes, the label of a blank node
	line  int
}

type tokenKind uint8

const (
	endToken    tokenKind = iota
	iriToken              // <iri>
	nameToken             // prefix:local; value has the colon
	varToken              // ?name
	blankToken            // _:label
	stringToken           // "text"
	atToken               // @word: a language or a directive
	numberToken           // without sign
	wordToken             // word
	signToken             // punctuation
)

// lexer takes tokens from the front of rest.
type lexer struct {
	rest string
	line int
}

func (l *lexer) fail(format string, args ...any) error {
	return &SyntaxError{Line: l.line, Detail: fmt.Sprintf(format, args...)}
}

func (l *lexer) take(n int) string {
	s := l.rest[:n]
	l.line += strings.Count(s, "\n")
	l.rest = l.rest[n:]
	return s
}

// skip passes over white space and comments.
func (l *lexer) skip() {
	for l.rest != "" {
		n := 1
		switch c := l.rest[0]; {
		case c == '#':
			if n = strings.IndexAny(l.rest, "\r\n"); n < 0 {
				n = len(l.rest)
			}
		case !strings.ContainsRune(" \t\r\n", rune(c)):
			return
		}
		l.take(n)
	}
}

// signs are the punctuation, longer ones first.
var signs = []string{"^^", "&&", "||", "!=", "<=", ">=", "{", "}", "(", ")", "[", "]", ".", ";", ",", "=", "<", ">", "!", "+", "-", "*", "/",
	"^", "|"}

func (l *lexer) next() (token, error) {
	l.skip()
	t := token{line: l.line}
	if l.rest == "" {
		return t, nil
	}
	var err error
	switch c := l.rest[0]; {
	case c == '<' && l.iriLength() > 0:
		t.kind = iriToken
		raw := l.take(l.iriLength())
		t.value, err = l.unescape(raw[1:len(raw)-1], false)
		return t, err
	case c == '"' || c == '\'':
		t.kind = stringToken
		t.value, err = l.quoted(c)
		return t, err
	case c == '?' || c == '$':
		n := nameLength(l.rest[1:], "_")
		if n == 0 {
			return t, l.fail("%q is no variable", clip(l.rest))
		}
		t.kind, t.value = varToken, l.take(n + 1)[1:]
		return t, nil
	case c == '@':
		n := nameLength(l.rest[1:], "-")
		t.kind, t.value = atToken, l.take(n + 1)[1:]
		return t, nil
	case strings.HasPrefix(l.rest, "_:"):
		n := nameLength(l.rest[2:], "_-.")
		n -= len(l.rest[2:2+n]) - len(strings.TrimRight(l.rest[2:2+n], "."))
		if n == 0 {
			return t, l.fail("%q is no blank node", clip(l.rest))
		}
		t.kind, t.value = blankToken, l.take(n + 2)[2:]
		return t, nil
	case digit(c) || c == '.' && len(l.rest) > 1 && digit(l.rest[1]):
		t.kind, t.value = numberToken, l.take(numberLength(l.rest))
		return t, nil
	}
	if n := nameLength(l.rest, "_-."); n > 0 || l.rest[0] == ':' {
		return l.name(t, n)
	}
	for _, s := range signs {
		if strings.HasPrefix(l.rest, s) {
			t.kind, t.value = signToken, l.take(len(s))
			return t, nil
		}
	}
	return t, l.fail("%q was not expected", clip(l.rest))
}

// name reads a prefixed name, whose prefix has n bytes, or a word.
func (l *lexer) name(t token, n int) (token, error) {
	if n == len(l.rest) || l.rest[n] != ':' {
		n = nameLength(l.rest, "_")
		if n == 0 {
			return t, l.fail("%q was not expected", clip(l.rest))
		}
		t.kind, t.value = wordToken, l.take(n)
		return t, nil
	}
	t.kind = nameToken
	var b strings.Builder
	b.WriteString(l.take(n + 1))
	for l.rest != "" {
		switch n := nameLength(l.rest, "_-.:"); {
		case n > 0:
			part := l.rest[:n]
			if n == len(l.rest) || l.rest[n] != '\\' && l.rest[n] != '%' { // the last part: a dot at its end is the end of the statement
				part = strings.TrimRight(part, ".")
			}
			b.WriteString(l.take(len(part)))
			if len(part) < n {
				t.value = b.String()
				return t, nil
			}
		case l.rest[0] == '\\' && len(l.rest) > 1 && strings.IndexByte("_~.-!$&'()*+,;=/?#@%", l.rest[1]) >= 0:
			b.WriteString(l.take(2)[1:])
		case l.rest[0] == '%' && len(l.rest) > 2 && hexadecimal(l.rest[1:3]):
			b.WriteString(l.take(3))
		default:
			t.value = b.String()
			return t, nil
		}
	}
	t.value = b.String()
	return t, nil
}

// iriLength is the length of the IRI in brackets at the front of the rest; 0 if there is none.
func (l *lexer) iriLength() int {
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '>':
			return i + 1
		case c <= ' ' || strings.IndexByte("<\"{}|^`", c) >= 0:
			return 0
		}
	}
	return 0
}

// quoted reads a string in quotes, long if they are three.
func (l *lexer) quoted(quote byte) (string, error) {
	end, long := string(quote), strings.Repeat(string(quote), 3)
	if strings.HasPrefix(l.rest, long) {
		end = long
	}
	l.take(len(end))
	for i := 0; i < len(l.rest); i++ {
		switch {
		case l.rest[i] == '\\':
			i++
		case len(end) == 1 && (l.rest[i] == '\n' || l.rest[i] == '\r'):
			return "", l.fail("a string does not end in its line")
		case strings.HasPrefix(l.rest[i:], end):
			for len(end) == 3 && strings.HasPrefix(l.rest[i+1:], end) { // quotes before those at the end are of the string
				i++
			}
			s := l.take(i)
			l.take(len(end))
			return l.unescape(s, true)
		}
	}
	return "", l.fail("a string does not end")
}

// unescape replaces the escapes of characters by their numbers, and in strings those of single characters.
func (l *lexer) unescape(s string, all bool) (string, error) {
	if !utf8.ValidString(s) {
		return "", l.fail("the text is not UTF-8")
	}
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", l.fail("an escape has no character")
		}
		if n := map[byte]int{'u': 4, 'U': 8}[s[i]]; n > 0 {
			if i+n >= len(s) || !hexadecimal(s[i+1:i+1+n]) {
				return "", l.fail("an escape has not %d hexadecimal digits", n)
			}
			r, err := strconv.ParseUint(s[i+1:i+1+n], 16, 31)
			if err != nil || !utf8.ValidRune(rune(r)) {
				return "", l.fail("an escape is of no character")
			}
			b.WriteRune(rune(r))
			i += n
			continue
		}
		at := strings.IndexByte(`tbnrf"'\`, s[i])
		if at < 0 || !all {
			return "", l.fail("there is no escape \\%c", s[i])
		}
		b.WriteByte("\t\b\n\r\f\"'\\"[at])
	}
	return b.String(), nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func hexadecimal(s string) bool {
	return strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// nameLength is how many bytes at the front of s are letters, digits or one of more. It does not begin with a hyphen or a dot.
func nameLength(s, more string) int {
	for i, r := range s {
		letter := r == '_' || unicode.IsLetter(r) || r > 127 && unicode.IsMark(r)
		if letter || unicode.IsDigit(r) || r == ':' && strings.Contains(more, ":") || i > 0 && strings.ContainsRune(more, r) {
			continue
		}
		return i
	}
	return len(s)
}

// numberLength is the length of the number at the front of s; a dot at its end is not of it.
func numberLength(s string) int {
	digits := func(i int) int {
		for i < len(s) && digit(s[i]) {
			i++
		}
		return i
	}
	i := digits(0)
	if i+1 < len(s) && s[i] == '.' && (digit(s[i+1]) || s[i+1] == 'e' || s[i+1] == 'E') {
		i = digits(i + 1)
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		e := i + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if end := digits(e); end > e {
			i = end
		}
	}
	return i
}

// clip is the beginning of s, for messages.
func clip(s string) string {
	const most = 20
	for i := range s {
		if i >= most {
			return s[:i] + "…"
		}
	}
	return s
}
