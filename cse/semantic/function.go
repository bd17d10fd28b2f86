package semantic

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxPattern bounds a regular expression, in bytes.
const maxPattern = 1024

// function is a function of SPARQL 1.1 clause 17.4.
type function struct {
	least, most int // arguments
	do          func(e *evaluation, a []Term) (Term, error)
}

// functions are those that expressions may call, by their names in lower case, besides BOUND and EXISTS.
var functions = map[string]function{
	"str":         {1, 1, func(_ *evaluation, a []Term) (Term, error) { return str(a[0]) }},
	"lang":        {1, 1, func(_ *evaluation, a []Term) (Term, error) { return ofLiteral(a[0], text(a[0].Language)) }},
	"datatype":    {1, 1, func(_ *evaluation, a []Term) (Term, error) { return ofLiteral(a[0], iri(a[0].datatype())) }},
	"isiri":       {1, 1, is(IRI)},
	"isuri":       {1, 1, is(IRI)},
	"isblank":     {1, 1, is(Blank)},
	"isliteral":   {1, 1, is(Literal)},
	"sameterm":    {2, 2, func(_ *evaluation, a []Term) (Term, error) { return truth(a[0] == a[1]), nil }},
	"langmatches": {2, 2, texts(langMatches)},
	"contains":    {2, 2, texts(strings.Contains)},
	"strstarts":   {2, 2, texts(strings.HasPrefix)},
	"strends":     {2, 2, texts(strings.HasSuffix)},
	"regex":       {2, 3, regex},
	"lcase":       {1, 1, changed(strings.ToLower)},
	"ucase":       {1, 1, changed(strings.ToUpper)},
	"isnumeric": {1, 1, func(_ *evaluation, a []Term) (Term, error) {
		_, ok := a[0].number()
		return truth(ok), nil
	}},
	"strlen": {1, 1, func(_ *evaluation, a []Term) (Term, error) {
		if !a[0].textual() {
			return Term{}, errType
		}
		return typed(strconv.Itoa(utf8.RuneCountInString(a[0].Value)), xsdInteger), nil
	}},
}

func is(k Kind) func(*evaluation, []Term) (Term, error) {
	return func(_ *evaluation, a []Term) (Term, error) { return truth(a[0].Kind == k), nil }
}

func str(t Term) (Term, error) {
	if t.Kind == Blank {
		return Term{}, errType
	}
	return text(t.Value), nil
}

func ofLiteral(t, result Term) (Term, error) {
	if t.Kind != Literal {
		return Term{}, errType
	}
	return result, nil
}

// texts is a condition on two strings.
func texts(holds func(a, b string) bool) func(*evaluation, []Term) (Term, error) {
	return func(_ *evaluation, a []Term) (Term, error) {
		if !a[0].textual() || !a[1].textual() {
			return Term{}, errType
		}
		return truth(holds(a[0].Value, a[1].Value)), nil
	}
}

func changed(change func(string) string) func(*evaluation, []Term) (Term, error) {
	return func(_ *evaluation, a []Term) (Term, error) {
		if !a[0].textual() {
			return Term{}, errType
		}
		t := a[0]
		t.Value = change(t.Value)
		return t, nil
	}
}

func langMatches(tag, wanted string) bool {
	tag, wanted = strings.ToLower(tag), strings.ToLower(wanted)
	return wanted == "*" && tag != "" || tag == wanted || strings.HasPrefix(tag, wanted+"-")
}

// regex matches as Go does, which is as XPath does for all but a few classes.
func regex(e *evaluation, a []Term) (Term, error) {
	if !a[0].textual() || !a[1].textual() {
		return Term{}, errType
	}
	pattern, flags := a[1].Value, ""
	if len(a) == 3 {
		flags = a[2].Value
	}
	if strings.Contains(flags, "q") {
		pattern, flags = regexp.QuoteMeta(pattern), strings.ReplaceAll(flags, "q", "")
	}
	if strings.Trim(flags, "ims") != "" {
		return Term{}, &UnsupportedError{"a regular expression with the flags " + strconv.Quote(flags)}
	}
	if len(pattern) > maxPattern {
		return Term{}, &UnsupportedError{"a regular expression of more than " + strconv.Itoa(maxPattern) + " bytes"}
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	compiled, known := e.patterns[pattern]
	if !known {
		if err := e.spend(costOfPattern); err != nil {
			return Term{}, err
		}
		compiled, _ = regexp.Compile(pattern) // nil if it is none, which is an error of type
		e.patterns[pattern] = compiled
	}
	if compiled == nil {
		return Term{}, errType
	}
	return truth(compiled.MatchString(a[0].Value)), nil
}

// textual reports whether t is a string, with a language or without.
func (t Term) textual() bool { return t.Kind == Literal && t.Datatype == "" }

// datatype is that of a literal, also if it is left out.
func (t Term) datatype() string {
	return cmp.Or(t.Datatype, map[bool]string{true: rdfLangText, false: xsdString}[t.Language != ""])
}

// numeric are the datatypes of numbers.
var numeric = map[string]bool{}

func init() {
	for _, name := range strings.Fields(`integer decimal float double nonPositiveInteger negativeInteger long int short byte
		nonNegativeInteger unsignedLong unsignedInt unsignedShort unsignedByte positiveInteger`) {
		numeric[xsdNamespace+name] = true
	}
}

func (t Term) number() (float64, bool) {
	if t.Kind != Literal || !numeric[t.Datatype] {
		return 0, false
	}
	n, err := strconv.ParseFloat(t.Value, 64)
	return n, err == nil
}

// instant is the time of an xsd:dateTime or xsd:date; one without time zone is taken as UTC.
func (t Term) instant() (time.Time, bool) {
	layouts := map[string][]string{
		xsdNamespace + "dateTime": {time.RFC3339Nano, "2006-01-02T15:04:05.999999999"}, xsdNamespace + "date": {time.DateOnly, "2006-01-02Z07:00"},
	}
	for _, layout := range layouts[t.Datatype] {
		if at, err := time.Parse(layout, t.Value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// effective is the effective boolean value of t, SPARQL clause 17.2.2.
func effective(t Term) (bool, error) {
	n, isNumber := t.number()
	switch {
	case t.Datatype == xsdBoolean && t.Kind == Literal:
		return t.Value == "true" || t.Value == "1", nil
	case isNumber:
		return n != 0 && n == n, nil // not if it is no number
	case t.textual():
		return t.Value != "", nil
	}
	return false, errType
}

// equal is the operator =, SPARQL clause 17.3.
func equal(a, b Term) (bool, error) {
	if a == b {
		return true, nil
	}
	if c, err := compare(a, b); err == nil {
		return c == 0, nil
	}
	known := func(t Term) bool {
		_, isNumber := t.number()
		_, isInstant := t.instant()
		return t.textual() || isNumber || isInstant || t.Datatype == xsdBoolean
	}
	if a.Kind == Literal && b.Kind == Literal && (!known(a) || !known(b)) {
		return false, errType
	}
	return false, nil
}

// compare orders two values of the same kind.
func compare(a, b Term) (int, error) {
	x, isX := a.number()
	y, isY := b.number()
	if isX && isY {
		return cmp.Compare(x, y), nil
	}
	if s, ok := a.instant(); ok {
		if t, ok := b.instant(); ok {
			return s.Compare(t), nil
		}
	}
	if a.Kind != Literal || b.Kind != Literal || a.Datatype != b.Datatype || a.Language != b.Language {
		return 0, errType
	}
	switch a.Datatype {
	case "":
		return strings.Compare(a.Value, b.Value), nil
	case xsdBoolean:
		p, _ := effective(a)
		q, _ := effective(b)
		return cmp.Compare(strconv.FormatBool(p), strconv.FormatBool(q)), nil
	}
	return 0, errType
}

// rank orders any two terms for ORDER BY, SPARQL clause 15.1.
func rank(a, b Term) int {
	kinds := map[Kind]int{Blank: 1, IRI: 2, Literal: 3}
	if c := cmp.Compare(kinds[a.Kind], kinds[b.Kind]); c != 0 {
		return c
	}
	if c, err := compare(a, b); err == nil {
		return c
	}
	return cmp.Or(strings.Compare(a.Value, b.Value), strings.Compare(a.datatype(), b.datatype()))
}
