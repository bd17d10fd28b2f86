package semantic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// jsonld reads JSON-LD 1.1: node and value objects, @graph, @list, @set, @reverse, @included, @type, language maps and inline
// contexts with terms, prefixes, @vocab, @base and @language. What it does not know it refuses.
type jsonld struct {
	emit   func(Triple) error
	blanks int
	depth  int
}

// context is the active context.
type context struct {
	base     *url.URL
	vocab    string
	language string
	terms    map[string]definition
}

// definition is what a term stands for.
type definition struct {
	id        string // IRI or keyword; empty if the term means nothing
	coercion  string // @type
	container []string
	language  *string
	reverse   bool
}

type object = map[string]any

func parseJSONLD(document []byte, emit func(Triple) error) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	p := &jsonld{emit: emit}
	for _, item := range many(v) {
		o, ok := item.(object)
		if !ok {
			return errors.New("JSON-LD is made of objects")
		}
		if _, err := p.node(o, context{}); err != nil {
			return err
		}
	}
	return nil
}

// many is v as a list.
func many(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// within is c after the local context v.
func (c context) within(v any) (context, error) {
	if v == nil {
		return context{}, nil
	}
	for _, local := range many(v) {
		switch local := local.(type) {
		case nil:
			c = context{}
		case string:
			return c, &UnsupportedError{"the remote context " + strconv.Quote(local)}
		case object:
			var err error
			if c, err = c.extended(local); err != nil {
				return c, err
			}
		default:
			return c, errors.New("a context is an object")
		}
	}
	return c, nil
}

func (c context) extended(local object) (context, error) {
	for _, name := range []string{"@base", "@vocab", "@language"} {
		v, given := local[name]
		s, isText := v.(string)
		switch {
		case !given:
		case v != nil && !isText:
			return c, fmt.Errorf("%s is no string", name)
		case name == "@base":
			base, err := url.Parse(resolve(c.base, s))
			if err != nil {
				return c, fmt.Errorf("%s is no IRI", name)
			}
			c.base = base
		case name == "@vocab":
			c.vocab = c.expand(s, true)
		default:
			c.language = strings.ToLower(s)
		}
	}
	if len(c.vocab) > maxIRI || c.base != nil && len(c.base.String()) > maxIRI {
		return c, errLong
	}
	c.terms = maps.Clone(c.terms)
	if c.terms == nil {
		c.terms = map[string]definition{}
	}
	// A term may be made with others of the same context, so they are looked at until all are known.
	for range 3 {
		for _, name := range slices.Sorted(maps.Keys(local)) {
			if name == "@base" || name == "@vocab" || name == "@language" || name == "@version" {
				continue
			}
			if strings.HasPrefix(name, "@") {
				return c, &UnsupportedError{name + " in a context"}
			}
			d, err := c.define(name, local[name])
			if err != nil {
				return c, err
			}
			if len(d.id) > maxIRI {
				return c, errLong
			}
			c.terms[name] = d
		}
	}
	if len(c.terms) > maxTerms {
		return c, &UnsupportedError{fmt.Sprintf("a context of more than %d terms", maxTerms)}
	}
	return c, nil
}

func (c context) define(name string, v any) (definition, error) {
	var d definition
	switch v := v.(type) {
	case nil:
		return d, nil
	case string:
		d.id = c.expand(v, true)
		return d, nil
	case object:
		id := name
		for key, value := range v {
			s, isText := value.(string)
			switch key {
			case "@id":
				id = s
			case "@reverse":
				id, d.reverse = s, true
			case "@type":
				d.coercion = c.expand(s, true)
			case "@language":
				language := strings.ToLower(s)
				d.language = &language
				isText = isText || value == nil
			case "@container":
				for _, item := range many(value) {
					kind, _ := item.(string)
					if !slices.Contains([]string{"@list", "@set", "@language"}, kind) {
						return d, &UnsupportedError{fmt.Sprintf("the container %v", item)}
					}
					d.container = append(d.container, kind)
				}
				isText = true
			case "@protected", "@prefix":
				isText = true
			default:
				return d, &UnsupportedError{key + " in the definition of a term"}
			}
			if !isText {
				return d, fmt.Errorf("%s of the term %q is no string", key, name)
			}
		}
		if id == name && !strings.Contains(name, ":") {
			d.id = c.vocab + name
		} else {
			d.id = c.expand(id, true)
		}
		return d, nil
	}
	return d, fmt.Errorf("the term %q is not defined by a string or an object", name)
}

// expand makes an IRI of a term, a compact IRI or a reference; keywords stay. vocab says that it names a property or type.
func (c context) expand(s string, vocab bool) string {
	if strings.HasPrefix(s, "@") {
		return s
	}
	if d, known := c.terms[s]; known && vocab {
		return d.id
	}
	if prefix, suffix, compact := strings.Cut(s, ":"); compact {
		if d := c.terms[prefix]; d.id != "" && !strings.HasPrefix(suffix, "//") {
			return d.id + suffix
		}
		return s
	}
	if vocab {
		if c.vocab == "" {
			return ""
		}
		return c.vocab + s
	}
	return resolve(c.base, s)
}

// named is the node that s names.
func (c context) named(s string, vocab bool) Term {
	if label, blank := strings.CutPrefix(s, "_:"); blank {
		return Term{Kind: Blank, Value: "_" + label}
	}
	expanded := c.expand(s, vocab)
	if expanded == "" && vocab {
		expanded = c.expand(s, false)
	}
	return iri(expanded)
}

func (p *jsonld) blank() Term {
	p.blanks++
	return Term{Kind: Blank, Value: strconv.Itoa(p.blanks)}
}

// node reads a node object and returns the node.
func (p *jsonld) node(o object, c context) (Term, error) {
	if p.depth++; p.depth > maxDepth {
		return Term{}, errDepth
	}
	defer func() { p.depth-- }()
	var err error
	if local, given := o["@context"]; given {
		if c, err = c.within(local); err != nil {
			return Term{}, err
		}
	}
	o, err = c.keyed(o)
	if err != nil {
		return Term{}, err
	}
	subject := p.blank()
	if id, given := o["@id"]; given {
		s, ok := id.(string)
		if !ok {
			return subject, errors.New("@id is no string")
		}
		subject = c.named(s, false)
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if err := p.member(subject, key, o[key], c); err != nil {
			return subject, err
		}
	}
	return subject, nil
}

// keyed is o with the keywords by their own names instead of those that c gives them.
func (c context) keyed(o object) (object, error) {
	k := make(object, len(o))
	for name, v := range o {
		if d := c.terms[name]; strings.HasPrefix(d.id, "@") {
			name = d.id
		}
		if _, twice := k[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		k[name] = v
	}
	return k, nil
}

// member emits what the member key of a node object says.
func (p *jsonld) member(subject Term, key string, v any, c context) error {
	switch key {
	case "@context", "@id", "@index":
		return nil
	case "@type":
		for _, item := range many(v) {
			s, ok := item.(string)
			if !ok {
				return errors.New("@type is no string")
			}
			if err := p.emit(Triple{subject, rdfType, c.named(s, true)}); err != nil {
				return err
			}
		}
		return nil
	case "@graph", "@included":
		for _, item := range many(v) {
			o, ok := item.(object)
			if !ok {
				return fmt.Errorf("%s is not made of objects", key)
			}
			if _, err := p.node(o, c); err != nil {
				return err
			}
		}
		return nil
	case "@reverse":
		o, ok := v.(object)
		if !ok {
			return errors.New("@reverse is no object")
		}
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if err := p.property(subject, name, o[name], c, true); err != nil {
				return err
			}
		}
		return nil
	}
	if strings.HasPrefix(key, "@") {
		return &UnsupportedError{key}
	}
	return p.property(subject, key, v, c, false)
}

// property emits the values of the property key.
func (p *jsonld) property(subject Term, key string, v any, c context, reverse bool) error {
	d, defined := c.terms[key]
	predicate := c.named(key, true)
	if !strings.Contains(predicate.Value, ":") {
		return nil // a name that means nothing says nothing
	}
	reverse = reverse != (defined && d.reverse)
	emit := func(o Term) error {
		if reverse {
			return p.emit(Triple{o, predicate, subject})
		}
		return p.emit(Triple{subject, predicate, o})
	}
	if m, isMap := v.(object); isMap && slices.Contains(d.container, "@language") {
		return languageMap(m, emit)
	}
	if _, isList := v.([]any); isList && slices.Contains(d.container, "@list") {
		v = object{"@list": v}
	}
	for _, item := range many(v) {
		list := []any{item}
		if o, ok := item.(object); ok && o["@set"] != nil {
			list = many(o["@set"])
		}
		for _, item := range list {
			o, err := p.value(item, d, c)
			if err != nil {
				return err
			}
			if o.Kind == 0 {
				continue
			}
			if reverse && o.Kind == Literal {
				return errors.New("a reverse property has a literal")
			}
			if err := emit(o); err != nil {
				return err
			}
		}
	}
	return nil
}

func languageMap(m object, emit func(Term) error) error {
	for _, language := range slices.Sorted(maps.Keys(m)) {
		for _, v := range many(m[language]) {
			s, ok := v.(string)
			if !ok {
				return errors.New("a language map has a value that is no string")
			}
			t := Term{Kind: Literal, Value: s}
			if language != "@none" {
				t.Language = strings.ToLower(language)
			}
			if err := emit(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// value is the term for a value of a property; the zero Term for null.
func (p *jsonld) value(v any, d definition, c context) (Term, error) {
	switch v := v.(type) {
	case nil:
		return Term{}, nil
	case []any:
		return Term{}, errors.New("a list is in a list")
	case object:
		return p.objectValue(v, d, c)
	case string:
		switch {
		case d.coercion == "@id":
			return c.named(v, false), nil
		case d.coercion == "@vocab":
			return c.named(v, true), nil
		case d.coercion == "" && d.language != nil:
			return Term{Kind: Literal, Value: v, Language: *d.language}, nil
		case d.coercion == "":
			return Term{Kind: Literal, Value: v, Language: c.language}, nil
		}
	}
	datatype := d.coercion
	if strings.HasPrefix(datatype, "@") {
		datatype = ""
	}
	return native(v, datatype), nil
}

// native is the literal for a string, number or truth value; an empty datatype leaves that to JSON.
func native(v any, datatype string) Term {
	switch v := v.(type) {
	case bool:
		t := truth(v)
		if datatype != "" {
			t = typed(t.Value, datatype)
		}
		return t
	case json.Number:
		if datatype != "" {
			return typed(v.String(), datatype)
		}
		if !strings.ContainsAny(v.String(), ".eE") {
			return typed(v.String(), xsdInteger)
		}
		return typed(v.String(), xsdDouble)
	case string:
		return typed(v, datatype)
	}
	return Term{}
}

// objectValue is the term for a value object, a list or a node.
func (p *jsonld) objectValue(o object, d definition, c context) (Term, error) {
	keyed, err := c.keyed(o)
	if err != nil {
		return Term{}, err
	}
	if list, ok := keyed["@list"]; ok {
		return p.list(many(list), d, c)
	}
	v, ok := keyed["@value"]
	if !ok {
		return p.node(o, c)
	}
	datatype, _ := keyed["@type"].(string)
	language, _ := keyed["@language"].(string)
	if datatype == "@json" {
		return Term{}, &UnsupportedError{"a JSON literal"}
	}
	if _, isText := v.(string); isText && language != "" && datatype == "" {
		return Term{Kind: Literal, Value: v.(string), Language: strings.ToLower(language)}, nil
	}
	if datatype != "" {
		datatype = c.expand(datatype, true)
	}
	t := native(v, datatype)
	if t.Kind == 0 && v != nil {
		return t, errors.New("@value is no string, number or truth value")
	}
	return t, nil
}

func (p *jsonld) list(items []any, d definition, c context) (Term, error) {
	first, last := rdfNil, Term{}
	for _, item := range items {
		o, err := p.value(item, d, c)
		if err != nil {
			return first, err
		}
		if o.Kind == 0 {
			continue
		}
		node := p.blank()
		if last.Kind == 0 {
			first = node
		} else if err := p.emit(Triple{last, rdfRest, node}); err != nil {
			return first, err
		}
		if err := p.emit(Triple{node, rdfFirst, o}); err != nil {
			return first, err
		}
		last = node
	}
	if last.Kind == 0 {
		return first, nil
	}
	return first, p.emit(Triple{last, rdfRest, rdfNil})
}
