package resource

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// check says which values are valid.
type check struct {
	kind Kind
	// valid reports why a value is not valid; the text continues the attribute's name.
	valid   func(v json.RawMessage) error
	members []member // of an object, or of each object of a list; nil if they are not known
}

var (
	errNUL       = errors.New("has a NUL character, which no serialisation but JSON can carry")
	errNoContent = errors.New("must not be null")
)

// The checks of simple values.
var (
	anything  = check{kind: Any, valid: func(json.RawMessage) error { return nil }}
	content   = check{kind: Any, valid: notNull}
	null      = check{kind: String, valid: isNull}
	text      = check{kind: String, valid: isText}
	token     = check{kind: String, valid: isToken}
	name      = check{kind: String, valid: isName}
	timestamp = check{kind: String, valid: isTimestamp}
	instant   = check{kind: String, valid: isInstant}
	duration  = check{kind: String, valid: isDuration}
	schedule  = check{kind: String, valid: isSchedule}
	base64ed  = check{kind: String, valid: isBase64}
	boolean   = check{kind: Boolean, valid: isBoolean}
	number    = check{kind: Float, valid: isNumber}
	object    = check{kind: Object, valid: isObject}

	integer            = check{kind: Integer, valid: isInteger}
	nonNegativeInteger = integersFrom(0)
	positiveInteger    = integersFrom(1)

	stringList     = check{kind: Strings, valid: isStrings}
	labelList      = check{kind: Strings, valid: isLabels}
	identifiers    = check{kind: Strings, valid: isIdentifiers}
	attributeNames = listOf(check{kind: String, valid: isAttributeName})
	contentInfo    = check{kind: String, valid: isContentInfo}
	resourceType   = enumeration(span{1, 70}, span{announcedOffset + 1, announcedOffset + 70})
	resourceTypes  = listOf(resourceType)
	eventCategory  = enumeration(span{2, 4}, span{100, 999})
)

// Values that the CSE sets are not checked; these say only of which kind they are.
var (
	keptText    = check{kind: String, valid: anything.valid}
	keptInteger = check{kind: Integer, valid: anything.valid}
	keptBoolean = check{kind: Boolean, valid: anything.valid}
	keptStrings = check{kind: Strings, valid: anything.valid}
)

func notNull(v json.RawMessage) error {
	if string(v) == "null" {
		return errNoContent
	}
	return nil
}

// isNull accepts only null: the originator asks for an attribute whose value the CSE sets.
func isNull(v json.RawMessage) error {
	if string(v) != "null" {
		return errors.New("must be null: the CSE sets its value")
	}
	return nil
}

func isText(v json.RawMessage) error {
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

func isName(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if !primitive.ValidName(s) {
		return fmt.Errorf("must be a name of at most 128 letters, digits and -._~:@ that no virtual resource has, got %s", shorten(v))
	}
	return nil
}

func isTimestamp(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	_, err = primitive.ParseTimestamp(s)
	return prefix("must be a timestamp", err)
}

// isInstant accepts m2m:absRelTimestamp, TS-0004 table 6.3.3-1: a timestamp, or milliseconds from now as a number or as its digits.
func isInstant(v json.RawMessage) error {
	if _, err := strconv.ParseInt(strings.Trim(string(v), `"`), 10, 64); err == nil {
		return nil
	}
	if err := isTimestamp(v); err != nil {
		return fmt.Errorf("must be a timestamp or a number of milliseconds, got %s", shorten(v))
	}
	return nil
}

func isDuration(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	_, err = ParseDuration(s)
	return err
}

func isSchedule(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	_, err = ParseSchedule(s)
	return err
}

func isBase64(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return fmt.Errorf("must be base64, got %s", shorten(v))
	}
	return nil
}

func isBoolean(v json.RawMessage) error {
	if s := string(v); s != "true" && s != "false" {
		return fmt.Errorf("must be true or false, got %s", shorten(v))
	}
	return nil
}

func isNumber(v json.RawMessage) error {
	var f *float64
	if json.Unmarshal(v, &f) != nil || f == nil {
		return fmt.Errorf("must be a number, got %s", shorten(v))
	}
	return nil
}

func isInteger(v json.RawMessage) error {
	_, err := decodeInteger(v)
	return err
}

func decodeInteger(v json.RawMessage) (int64, error) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("must be an integer, got %s", shorten(v))
	}
	return n, nil
}

// integersFrom accepts integers of at least least.
func integersFrom(least int64) check {
	return check{kind: Integer, valid: func(v json.RawMessage) error {
		if n, err := decodeInteger(v); err != nil || n < least {
			return fmt.Errorf("must be an integer of at least %d, got %s", least, shorten(v))
		}
		return nil
	}}
}

// span is a range of integers, first and last included.
type span struct{ first, last int64 }

func (s span) String() string {
	if s.first == s.last {
		return strconv.FormatInt(s.first, 10)
	}
	return fmt.Sprint(s.first, " to ", s.last)
}

// enumeration accepts the integers of the spans.
func enumeration(spans ...span) check {
	return check{kind: Integer, valid: func(v json.RawMessage) error {
		n, err := decodeInteger(v)
		for _, s := range spans {
			if err == nil && s.first <= n && n <= s.last {
				return nil
			}
		}
		return fmt.Errorf("must be an integer in %s, got %s", strings.Trim(fmt.Sprint(spans), "[]"), shorten(v))
	}}
}

// isStrings accepts a list of strings; it may be empty.
func isStrings(v json.RawMessage) error {
	_, err := decodeStrings(v)
	return err
}

func decodeStrings(v json.RawMessage) ([]string, error) {
	var s []*string
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &s) != nil || slices.Contains(s, nil) {
		return nil, fmt.Errorf("must be a list of strings, got %s", shorten(v))
	}
	list := make([]string, len(s))
	for i, p := range s {
		list[i] = *p
	}
	return list, nil
}

// maxLabel bounds a label, so that it fits in an index entry.
const maxLabel = 512

// isLabels accepts a non-empty list of xs:token.
func isLabels(v json.RawMessage) error {
	list, err := decodeStrings(v)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("must not be empty; delete the attribute instead")
	}
	for _, s := range list {
		if !tokenLike(s) || len(s) > maxLabel {
			return fmt.Errorf("has %q, which is no token of at most %d bytes", s, maxLabel)
		}
	}
	return nil
}

// tokenLike reports whether s is an xs:token that is not empty: no space at the ends, none doubled, no control character.
func tokenLike(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.Contains(s, "  ") && !strings.ContainsAny(s, "\t\n\r\x00")
}

func isToken(v json.RawMessage) error {
	s, err := decodeString(v)
	if err == nil && !tokenLike(s) {
		err = fmt.Errorf("must be a token without space at its ends, got %s", shorten(v))
	}
	return err
}

// isIdentifiers accepts a non-empty list of non-empty strings.
func isIdentifiers(v json.RawMessage) error {
	list, err := decodeStrings(v)
	if err != nil {
		return err
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return errors.New("must be a non-empty list of identifiers; delete the attribute instead")
	}
	return nil
}

// attributeNamePattern is what a short name can look like. It does not begin as the notes of the CSE do.
var attributeNamePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

func isAttributeName(v json.RawMessage) error {
	s, err := decodeString(v)
	if err == nil && !attributeNamePattern.MatchString(s) {
		err = fmt.Errorf("must be the short name of an attribute, got %s", shorten(v))
	}
	return err
}

func isObject(v json.RawMessage) error {
	if len(v) == 0 || v[0] != '{' {
		return fmt.Errorf("must be an object, got %s", shorten(v))
	}
	return nil
}

// contentInfoPattern is m2m:contentInfo, TS-0004 clause 6.3.3: media type, encoding (0 plain, 1 base64, 2 base64 of binary) and
// optionally the content security (0 to 5).
var contentInfoPattern = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[^:]*)?:[0-2](:[0-5])?$`)

func isContentInfo(v json.RawMessage) error {
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
