package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Field  string `json:"field"`  // path of the field, such as signals[1].target; empty when it is the document
	Detail string `json:"detail"` // what is wrong and what is wanted, the field included
}

// Error is the problem as text.
func (p Problem) Error() string { return p.Detail }

// CheckPool reads a pool document and names every problem at once: what cannot be read, what no field is called, and
// what Validate finds. The pool has its defaults filled in; it is whole only when there is no problem.
func CheckPool(text []byte) (Pool, []Problem) {
	var p Pool
	problems := read(text, &p)
	p = p.WithDefaults()
	return p, and(problems, p.Validate())
}

// CheckPolicy is CheckPool for a policy alone.
func CheckPolicy(text []byte) (Policy, []Problem) {
	var p Policy
	problems := read(text, &p)
	p = p.WithDefaults()
	return p, and(problems, p.Validate())
}

// CheckOverride is CheckPool for an override.
func CheckOverride(text []byte) (Override, []Problem) {
	var o Override
	problems := read(text, &o)
	return o, and(problems, o.Validate())
}

// IsPool says whether a document has fields of a pool that a policy has not.
func IsPool(text []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return false
	}
	for _, name := range []string{"stack", "template", "service", "policy"} {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return false
}

// and adds what Validate found to what reading found, except where reading already found something.
func and(problems []Problem, invalid error) []Problem {
	if invalid == nil {
		return problems
	}
	errs := []error{invalid}
	if joined, ok := invalid.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	read := problems
	for _, err := range errs {
		text := err.Error()
		field := text
		if end := strings.IndexAny(text, " :"); end >= 0 {
			field = text[:end]
		}
		known := false
		for _, p := range read {
			known = known || p.Field == field || p.Field == "" || strings.HasPrefix(field, p.Field+".")
		}
		if !known {
			problems = append(problems, Problem{field, text})
		}
	}
	return problems
}

// read decodes a document into a pointer to a struct, as far as it can, and lists what it cannot.
func read(text []byte, into any) []Problem {
	if !json.Valid(text) {
		var v any
		return []Problem{{"", "read the document: " + syntax(text, json.Unmarshal(text, &v))}}
	}
	r := reader{}
	r.value("", text, reflect.ValueOf(into).Elem())
	return r.problems
}

// syntax adds the line to a syntax error.
func syntax(text []byte, err error) string {
	var at *json.SyntaxError
	if !errors.As(err, &at) {
		return err.Error()
	}
	line := 1 + bytes.Count(text[:min(int(at.Offset), len(text))], []byte("\n"))
	return fmt.Sprintf("line %d: %v", line, err)
}

type reader struct{ problems []Problem }

// mostProblems is how many are named of a document that is not one.
const mostProblems = 100

func (r *reader) bad(field, format string, args ...any) {
	if len(r.problems) == mostProblems {
		return
	}
	detail := fmt.Sprintf(format, args...)
	if field != "" {
		detail = field + ": " + detail
	}
	r.problems = append(r.problems, Problem{field, detail})
}

// value decodes one valid JSON value. What is null stays as it is.
func (r *reader) value(path string, text json.RawMessage, v reflect.Value) {
	text = bytes.TrimSpace(text)
	if string(text) == "null" {
		return
	}
	if _, ok := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		if text[0] != '"' {
			r.bad(path, "%s: want text", short(text))
		} else if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
			r.bad(path, "%s", strings.TrimPrefix(err.Error(), "json: "))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		r.value(path, text, p.Elem())
		v.Set(p)
	case reflect.Struct:
		if text[0] != '{' {
			r.bad(path, "%s: want an object", short(text))
			return
		}
		r.object(path, text, v)
	case reflect.Slice:
		var elements []json.RawMessage
		if json.Unmarshal(text, &elements) != nil {
			r.bad(path, "%s: want a list", short(text))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
		for i, e := range elements {
			r.value(fmt.Sprintf("%s[%d]", path, i), e, v.Index(i))
		}
	case reflect.Map:
		if text[0] != '{' {
			r.bad(path, "%s: want an object", short(text))
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		r.members(path, text, func(name string, value json.RawMessage) {
			e := reflect.New(v.Type().Elem()).Elem()
			r.value(path+"."+name, value, e)
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), e)
		})
	default:
		if json.Unmarshal(text, v.Addr().Interface()) != nil {
			r.bad(path, "%s: want %s", short(text), wanted(v))
		}
	}
}

// members calls each for every member of an object, in their order, and reports those that are there twice.
func (r *reader) members(path string, text json.RawMessage, each func(string, json.RawMessage)) {
	dec := json.NewDecoder(bytes.NewReader(text))
	seen := map[string]bool{}
	_, err := dec.Token() // the brace
	for err == nil && dec.More() {
		var name json.Token
		var value json.RawMessage
		if name, err = dec.Token(); err != nil {
			break
		}
		if err = dec.Decode(&value); err != nil {
			break
		}
		key, _ := name.(string)
		if seen[key] {
			r.bad(under(path, key), "is there twice")
			continue
		}
		seen[key] = true
		each(key, value)
	}
	if err != nil && err != io.EOF {
		r.bad(path, "%v", err)
	}
}

func (r *reader) object(path string, text json.RawMessage, v reflect.Value) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	r.members(path, text, func(name string, value json.RawMessage) {
		field, ok := fields[name]
		if !ok {
			advice := ""
			if like := nearest(name, fields); like != "" {
				advice = ", do you mean " + like + "?"
			}
			r.bad(under(path, clip(name)), "no such field%s", advice)
			return
		}
		r.value(under(path, name), value, field)
	})
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wanted names a JSON value that v can hold.
func wanted(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.String:
		return "text"
	case v.CanInt() || v.CanUint():
		return "a whole number"
	}
	return "a number"
}

// short is a value as it is quoted in a problem.
func short(text []byte) string { return clip(string(text)) }

func clip(text string) string {
	const longest = 60
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// nearest is the field that is most like name, the first by name of several; empty when none is.
func nearest(name string, fields map[string]reflect.Value) string {
	const farthest = 2
	if len(name) > 100 {
		return ""
	}
	best, distance := "", math.MaxInt
	for field := range fields {
		d := edits(strings.ToLower(name), strings.ToLower(field))
		if d < distance || d == distance && field < best {
			best, distance = field, d
		}
	}
	if distance > farthest {
		return ""
	}
	return best
}

// edits counts the bytes to insert, delete or change to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
