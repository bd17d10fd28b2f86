package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// check reports why a value is not valid; the text continues the attribute's name.
type check func(v json.RawMessage) error

var (
	errNUL       = errors.New("has a NUL character, which no serialisation but JSON can carry")
	errNoContent = errors.New("must not be null")
)

func anything(json.RawMessage) error { return nil }

// null accepts only null: the originator asks for an attribute whose value the CSE sets.
func null(v json.RawMessage) error {
	if string(v) != "null" {
		return errors.New("must be null: the CSE sets its value")
	}
	return nil
}

func text(v json.RawMessage) error {
	_, err := decodeString(v)
	return err
}

func decodeString(v json.RawMessage) (string, error) {
	var s string
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return "", fmt.Errorf("must be a string, got %s", shorten(v))
	}
	return s, nil
}

func name(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if !primitive.ValidName(s) {
		return fmt.Errorf("must be a name of at most 128 letters, digits and -._~:@ that no virtual resource has, got %s", shorten(v))
	}
	return nil
}

func timestamp(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	_, err = primitive.ParseTimestamp(s)
	return prefix("must be a timestamp", err)
}

func boolean(v json.RawMessage) error {
	if s := string(v); s != "true" && s != "false" {
		return fmt.Errorf("must be true or false, got %s", shorten(v))
	}
	return nil
}

func nonNegativeInteger(v json.RawMessage) error {
	var n int64
	if json.Unmarshal(v, &n) != nil || n < 0 || string(v) == "null" {
		return fmt.Errorf("must be an integer of at least 0, got %s", shorten(v))
	}
	return nil
}

// stringList accepts a list of strings; it may be empty.
func stringList(v json.RawMessage) error {
	_, err := decodeStrings(v)
	return err
}

func decodeStrings(v json.RawMessage) ([]string, error) {
	var s []*string
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &s) != nil {
		return nil, fmt.Errorf("must be a list of strings, got %s", shorten(v))
	}
	list := make([]string, len(s))
	for i, p := range s {
		if p == nil {
			return nil, fmt.Errorf("must be a list of strings, got %s", shorten(v))
		}
		list[i] = *p
	}
	return list, nil
}

// maxLabel bounds a label, so that it fits in an index entry.
const maxLabel = 512

// tokens accepts a non-empty list of xs:token: no space at the ends, none doubled, no control character.
func tokens(v json.RawMessage) error {
	list, err := decodeStrings(v)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("must not be empty; delete the attribute instead")
	}
	for _, s := range list {
		if s == "" || len(s) > maxLabel || strings.TrimSpace(s) != s || strings.Contains(s, "  ") || strings.ContainsAny(s, "\t\n\r\x00") {
			return fmt.Errorf("has %q, which is no token of at most %d bytes", s, maxLabel)
		}
	}
	return nil
}

// identifiers accepts a non-empty list of non-empty strings.
func identifiers(v json.RawMessage) error {
	list, err := decodeStrings(v)
	if err != nil {
		return err
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return errors.New("must be a non-empty list of identifiers; delete the attribute instead")
	}
	return nil
}

func object(v json.RawMessage) error {
	if len(v) == 0 || v[0] != '{' {
		return fmt.Errorf("must be an object, got %s", shorten(v))
	}
	return nil
}

// listOf accepts a list whose members are all among allowed.
func listOf(allowed ...string) check {
	return func(v json.RawMessage) error {
		list, err := decodeStrings(v)
		if err != nil {
			return err
		}
		for _, s := range list {
			if !slices.Contains(allowed, s) {
				return fmt.Errorf("has %q, which is none of %s", s, strings.Join(allowed, ", "))
			}
		}
		return nil
	}
}

// contentInfoPattern is m2m:contentInfo, TS-0004 clause 6.3.3: media type, encoding (0 plain, 1 base64, 2 base64 of binary) and
// optionally the content security (0 to 5).
var contentInfoPattern = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[^:]*)?:[0-2](:[0-5])?$`)

func contentInfo(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if !contentInfoPattern.MatchString(s) {
		return fmt.Errorf("must be media-type:encoding[:security] like text/plain:0, got %s", shorten(v))
	}
	return nil
}

func prefix(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// shorten keeps a value fit for an error message.
func shorten(v json.RawMessage) string {
	const most = 60
	if len(v) > most {
		return string(v[:most]) + "…"
	}
	return string(v)
}

// escapesNUL reports whether JSON text contains the escape of U+0000.
func escapesNUL(v []byte) bool {
	for i := 0; i+5 < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if string(v[i:i+6]) == `\u0000` {
			return true
		}
		i++ // what follows a backslash is escaped, be it another backslash
	}
	return false
}
