package serialisation

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CheckJSON reports what is wrong with content as one JSON text: its grammar, text that is not UTF-8, a NUL character or half a
// surrogate pair, members that occur twice, and nesting deeper than MaxDepth. It reads content once and keeps nothing of it.
func CheckJSON(content []byte) error {
	c := checker{text: content}
	if err := c.value(0); err != nil {
		return fmt.Errorf("at byte %d: %w", c.at, err)
	}
	if c.space(); c.at < len(content) {
		return fmt.Errorf("at byte %d: %w", c.at, errTrailing)
	}
	return nil
}

var (
	errTrailing  = errors.New("something follows the end")
	errEarlyEnd  = errors.New("it ends early")
	errDepth     = fmt.Errorf("it is nested more than %d levels deep", MaxDepth)
	errNUL       = errors.New("it has a NUL character")
	errUTF8      = errors.New("it is not UTF-8")
	errSurrogate = errors.New("it has half a surrogate pair")
	errEscape    = errors.New("a backslash escapes nothing known")
	errControl   = errors.New("a string has a control character")
	errNumber    = errors.New("a number is malformed")
	errValue     = errors.New("a value is missing or malformed")
)

// checker is where CheckJSON is in its text.
type checker struct {
	text []byte
	at   int
	keys [][]byte // member names of the objects that are open, with their quotes
}

func (c *checker) space() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, or 0 at the end.
func (c *checker) peek() byte {
	if c.space(); c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

func (c *checker) value(depth int) error {
	switch b := c.peek(); {
	case b == '{' || b == '[':
		if depth++; depth > MaxDepth {
			return errDepth
		}
		if b == '{' {
			return c.object(depth)
		}
		return c.list(depth)
	case b == '"':
		return c.str()
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	case c.at == len(c.text):
		return errEarlyEnd
	}
	return errValue
}

func (c *checker) word(w string) error {
	if len(c.text)-c.at < len(w) || string(c.text[c.at:c.at+len(w)]) != w {
		return errValue
	}
	c.at += len(w)
	return nil
}

func (c *checker) list(depth int) error {
	c.at++
	if c.peek() == ']' {
		c.at++
		return nil
	}
	for {
		if err := c.value(depth); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.at++
		case ']':
			c.at++
			return nil
		default:
			return c.unexpected("a list needs , or ]")
		}
	}
}

func (c *checker) object(depth int) error {
	c.at++
	if c.peek() == '}' {
		c.at++
		return nil
	}
	first := len(c.keys)
	var many map[string]bool // names of an object that has many
	for {
		if c.peek() != '"' {
			return c.unexpected("an object needs a member's name in quotes")
		}
		start := c.at
		if err := c.str(); err != nil {
			return err
		}
		var err error
		if many, err = c.member(c.text[start:c.at], first, many); err != nil {
			return err
		}
		if c.peek() != ':' {
			return c.unexpected("a member's name needs :")
		}
		c.at++
		if err := c.value(depth); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.at++
		case '}':
			c.at++
			c.keys = c.keys[:first]
			return nil
		default:
			return c.unexpected("an object needs , or }")
		}
	}
}

// manyMembers is from how many members on names are looked up instead of compared one by one.
const manyMembers = 24

// member notes the quoted name of one member of the object whose names start at first, and refuses a name that it has already.
func (c *checker) member(name []byte, first int, many map[string]bool) (map[string]bool, error) {
	for _, b := range name {
		if b == '\\' { // the same name may be written in several ways
			var s string
			if err := json.Unmarshal(name, &s); err != nil {
				return many, err
			}
			name = []byte(`"` + s + `"`)
			break
		}
	}
	if many == nil {
		for _, k := range c.keys[first:] {
			if string(k) == string(name) {
				return many, fmt.Errorf("the member %s occurs twice", name)
			}
		}
		c.keys = append(c.keys, name)
		if len(c.keys)-first < manyMembers {
			return nil, nil
		}
		many = make(map[string]bool, 2*manyMembers)
		for _, k := range c.keys[first:] {
			many[string(k)] = true
		}
		return many, nil
	}
	if many[string(name)] {
		return many, fmt.Errorf("the member %s occurs twice", name)
	}
	many[string(name)] = true
	return many, nil
}

func (c *checker) unexpected(text string) error {
	if c.at >= len(c.text) {
		return errEarlyEnd
	}
	return errors.New(text)
}

// str reads one string, quotes included.
func (c *checker) str() error {
	for c.at++; c.at < len(c.text); {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return nil
		case b == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		case b == 0:
			return errNUL
		case b < ' ':
			return errControl
		case b < utf8.RuneSelf:
			c.at++
		default:
			r, size := utf8.DecodeRune(c.text[c.at:])
			if r == utf8.RuneError && size == 1 {
				return errUTF8
			}
			c.at += size
		}
	}
	return errEarlyEnd
}

// escape reads what starts with a backslash.
func (c *checker) escape() error {
	if c.at+1 >= len(c.text) {
		return errEarlyEnd
	}
	switch c.text[c.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at += 2
		return nil
	case 'u':
	default:
		return errEscape
	}
	switch r := hex4(c.text[c.at:]); {
	case r < 0:
		return errEscape
	case r == 0:
		return errNUL
	case 0xDC00 <= r && r < 0xE000:
		return errSurrogate
	case 0xD800 <= r && r < 0xDC00:
		if low := hex4(c.text[c.at+6:]); low < 0xDC00 || low >= 0xE000 {
			return errSurrogate
		}
		c.at += 6
	}
	c.at += 6
	return nil
}

// hex4 is the number in an escape like \u00e9 with which text starts, or -1.
func hex4(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n := 0
	for _, b := range text[2:6] {
		switch {
		case '0' <= b && b <= '9':
			n = n<<4 | int(b-'0')
		case 'a' <= b && b <= 'f':
			n = n<<4 | int(b-'a'+10)
		case 'A' <= b && b <= 'F':
			n = n<<4 | int(b-'A'+10)
		default:
			return -1
		}
	}
	return n
}

func (c *checker) number() error {
	if c.text[c.at] == '-' {
		c.at++
	}
	if c.at < len(c.text) && c.text[c.at] == '0' {
		c.at++
	} else if c.digits() == 0 {
		return errNumber
	}
	if c.at < len(c.text) && c.text[c.at] == '.' {
		c.at++
		if c.digits() == 0 {
			return errNumber
		}
	}
	if c.at < len(c.text) && (c.text[c.at] == 'e' || c.text[c.at] == 'E') {
		c.at++
		if c.at < len(c.text) && (c.text[c.at] == '+' || c.text[c.at] == '-') {
			c.at++
		}
		if c.digits() == 0 {
			return errNumber
		}
	}
	return nil
}

// digits reads decimal digits and returns how many there were.
func (c *checker) digits() int {
	start := c.at
	for c.at < len(c.text) && '0' <= c.text[c.at] && c.text[c.at] <= '9' {
		c.at++
	}
	return c.at - start
}
