package serialisation

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Bounds of CBOR besides MaxDepth. The sizes are those of the content, which the binding bounds.
const (
	maxElements = 131072
	maxDigits   = 4096 // of an integer that needs a big one in CBOR
)

// maxBits is what maxDigits need. To write a number in decimal takes more than linear time.
const maxBits = maxDigits * 10 / 3

// decodeMode refuses what JSON cannot say: members that occur twice, text that is not UTF-8. Tags but those of big integers are skipped.
var decodeMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: MaxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
		UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertNone, BigIntDec: cbor.BigIntDecodePointer,
		UnrecognizedTagToAny: cbor.UnrecognizedTagContentToAny, TimeTagToAny: cbor.TimeTagToRFC3339Nano,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

var encodeMode = func() cbor.EncMode {
	m, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, BigIntConvert: cbor.BigIntConvertShortest}.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// decodeCBOR writes CBOR as JSON. Byte strings become base64, as TS-0004 has xs:base64Binary in JSON.
func decodeCBOR(content []byte) (json.RawMessage, error) {
	var v any
	if err := decodeMode.Unmarshal(content, &v); err != nil {
		return nil, err
	}
	return appendValue(make([]byte, 0, 2*len(content)), v, 0)
}

// appendValue appends a value that CBOR decoded to as JSON.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case *big.Int:
		if v.BitLen() > maxBits {
			return nil, fmt.Errorf("it has an integer of more than %d digits", maxDigits)
		}
		return v.Append(b, 10), nil
	case float64:
		return appendFloat(b, v)
	case string:
		return appendString(b, v)
	case []byte:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v), '"'), nil
	case []any:
		return appendList(b, v, depth)
	case map[any]any:
		return appendObject(b, v, depth)
	}
	return nil, fmt.Errorf("it has a value that JSON cannot say (%T)", v)
}

// appendFloat appends f so that it is still seen to be no integer.
func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("it has a number that is not finite")
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// appendString appends s as JSON does without escaping more than it must.
func appendString(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errUTF8
	}
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0:
			return nil, errNUL
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"'), nil
}

func appendList(b []byte, list []any, depth int) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, v, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object map[any]any, depth int) ([]byte, error) {
	names := make([]string, 0, len(object))
	for k := range object {
		name, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("it has a member whose name is no text but %v", k)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendString(b, name); err != nil {
			return nil, err
		}
		if b, err = appendValue(append(b, ':'), object[name], depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// encodeCBOR writes JSON as CBOR. Numbers with a fraction or an exponent become floating point.
func encodeCBOR(content json.RawMessage) ([]byte, error) {
	if len(content) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	v, err := numbers(v)
	if err != nil {
		return nil, err
	}
	return encodeMode.Marshal(v)
}

// numbers replaces the texts of numbers in v by what they say.
func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func number(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("the number %.40s is out of range", s)
		}
		return f, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if len(s) > maxDigits {
		return nil, fmt.Errorf("a number has more than %d digits", maxDigits)
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("%.40s is no number", s)
	}
	return n, nil
}
