package semantic

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// rdfxml reads RDF/XML (W3C RDF 1.1 XML Syntax).
type rdfxml struct {
	decoder *xml.Decoder
	emit    func(Triple) error
	blanks  int
	depth   int
}

// scope is what holds for an element and those in it.
type scope struct {
	base     *url.URL
	language string
}

func parseRDFXML(document []byte, emit func(Triple) error) error {
	p := &rdfxml{decoder: xml.NewDecoder(bytes.NewReader(document)), emit: emit}
	root, err := p.prologue()
	if err != nil {
		return p.located(err)
	}
	if err := p.document(root); err != nil {
		return p.located(err)
	}
	if _, err := p.child(); !errors.Is(err, io.EOF) {
		return p.located(errors.Join(err, errors.New("there is more than one root element")))
	}
	return nil
}

// located says in which line an error is.
func (p *rdfxml) located(err error) error {
	var unsupported *UnsupportedError
	var inXML *xml.SyntaxError
	if errors.As(err, &unsupported) || errors.As(err, &inXML) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("there is no element")
	}
	line, _ := p.decoder.InputPos()
	return &SyntaxError{Line: line, Detail: err.Error()}
}

// entity is the declaration of an internal entity; ontologies abbreviate their namespaces so.
var entity = regexp.MustCompile(`<!ENTITY\s+([\w.-]+)\s+(?:"([^"%&<]{0,128})"|'([^'%&<]{0,128})')\s*>`)

// prologue passes over what stands before the root element.
func (p *rdfxml) prologue() (xml.StartElement, error) {
	for {
		t, err := p.decoder.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t, nil
		case xml.Directive:
			p.decoder.Entity = map[string]string{}
			for _, m := range entity.FindAllStringSubmatch(string(t), -1) {
				p.decoder.Entity[m[1]] = m[2] + m[3]
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return xml.StartElement{}, errors.New("there is text before the root element")
			}
		}
	}
}

func (p *rdfxml) document(root xml.StartElement) error {
	if root.Name != (xml.Name{Space: rdfNamespace, Local: "RDF"}) {
		_, err := p.node(root, scope{})
		return err
	}
	s := scope{}.within(root)
	for {
		e, err := p.child()
		if err != nil || e == nil {
			return err
		}
		if _, err := p.node(*e, s); err != nil {
			return err
		}
	}
}

// child is the next element in the current one; nil if that ends before it.
func (p *rdfxml) child() (*xml.StartElement, error) {
	e, text, err := p.content()
	if err == nil && strings.TrimSpace(text) != "" {
		err = errors.New("there is text where elements are expected")
	}
	return e, err
}

// content is the text up to the next element in the current one, nil if that ends before it.
func (p *rdfxml) content() (*xml.StartElement, string, error) {
	var text strings.Builder
	for {
		t, err := p.decoder.Token()
		if err != nil {
			return nil, "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return &t, text.String(), nil
		case xml.EndElement:
			return nil, text.String(), nil
		case xml.CharData:
			text.Write(t)
		}
	}
}

func (s scope) within(e xml.StartElement) scope {
	for _, a := range e.Attr {
		switch {
		case a.Name == xml.Name{Space: xmlNamespace, Local: "lang"} || a.Name == xml.Name{Space: "xml", Local: "lang"}:
			s.language = strings.ToLower(a.Value)
		case a.Name == xml.Name{Space: xmlNamespace, Local: "base"} || a.Name == xml.Name{Space: "xml", Local: "base"}:
			if base, err := url.Parse(resolve(s.base, a.Value)); err == nil && len(a.Value) <= maxIRI {
				s.base = base
			}
		}
	}
	return s
}

func (s scope) iri(reference string) Term { return iri(resolve(s.base, reference)) }

// literal is a plain text, in the language of the scope.
func (s scope) literal(value string) Term {
	return Term{Kind: Literal, Value: value, Language: s.language}
}

// marks are the attributes of an element that belong to the syntax; the others are properties.
type marks struct {
	about, id, nodeID, resource, datatype, parseType string
	has                                              map[string]bool
	properties                                       []xml.Attr
}

func marksOf(e xml.StartElement) (marks, error) {
	m := marks{has: map[string]bool{}}
	known := map[string]*string{"about": &m.about, "ID": &m.id, "nodeID": &m.nodeID, "resource": &m.resource, "datatype": &m.datatype,
		"parseType": &m.parseType}
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == xmlNamespace || strings.HasPrefix(strings.ToLower(a.Name.Local), "xml") || a.Name.Space == "xml":
		case a.Name.Space == rdfNamespace && known[a.Name.Local] != nil:
			*known[a.Name.Local] = a.Value
			m.has[a.Name.Local] = true
		case a.Name.Space == "":
			return m, errors.New("the attribute " + strconv.Quote(a.Name.Local) + " has no namespace")
		default:
			m.properties = append(m.properties, a)
		}
	}
	return m, nil
}

func (p *rdfxml) blank() Term {
	p.blanks++
	return Term{Kind: Blank, Value: strconv.Itoa(p.blanks)}
}

// node reads the element of a node and returns the node.
func (p *rdfxml) node(e xml.StartElement, s scope) (Term, error) {
	if p.depth++; p.depth > maxDepth {
		return Term{}, errDepth
	}
	defer func() { p.depth-- }()
	s = s.within(e)
	m, err := marksOf(e)
	if err != nil {
		return Term{}, err
	}
	var subject Term
	switch {
	case len(m.has) > 1 || m.has["resource"] || m.has["datatype"] || m.has["parseType"]:
		return Term{}, errors.New("the node " + strconv.Quote(e.Name.Local) + " has attributes that do not go together")
	case m.has["about"]:
		subject = s.iri(m.about)
	case m.has["ID"]:
		subject = s.iri("#" + m.id)
	case m.has["nodeID"]:
		subject = Term{Kind: Blank, Value: "_" + m.nodeID}
	default:
		subject = p.blank()
	}
	if e.Name.Space == "" {
		return subject, errors.New("the element " + strconv.Quote(e.Name.Local) + " has no namespace")
	}
	if e.Name != (xml.Name{Space: rdfNamespace, Local: "Description"}) {
		if err := p.emit(Triple{subject, rdfType, iri(e.Name.Space + e.Name.Local)}); err != nil {
			return subject, err
		}
	}
	if err := p.attributes(subject, m.properties, s); err != nil {
		return subject, err
	}
	return subject, p.properties(subject, s)
}

// attributes emits properties that are written as attributes.
func (p *rdfxml) attributes(subject Term, list []xml.Attr, s scope) error {
	for _, a := range list {
		predicate, object := iri(a.Name.Space+a.Name.Local), s.literal(a.Value)
		if predicate == rdfType {
			object = s.iri(a.Value)
		}
		if err := p.emit(Triple{subject, predicate, object}); err != nil {
			return err
		}
	}
	return nil
}

// properties reads the elements in that of a node.
func (p *rdfxml) properties(subject Term, s scope) error {
	for items := 1; ; {
		e, err := p.child()
		if err != nil || e == nil {
			return err
		}
		if e.Name.Space == "" {
			return errors.New("the element " + strconv.Quote(e.Name.Local) + " has no namespace")
		}
		predicate := iri(e.Name.Space + e.Name.Local)
		if predicate.Value == rdfNamespace+"li" {
			predicate.Value = rdfNamespace + "_" + strconv.Itoa(items)
			items++
		}
		if err := p.property(subject, predicate, *e, s.within(*e)); err != nil {
			return err
		}
	}
}

// property reads the element of a property.
func (p *rdfxml) property(subject, predicate Term, e xml.StartElement, s scope) error {
	m, err := marksOf(e)
	if err != nil {
		return err
	}
	if m.has["about"] || m.has["resource"] && m.has["nodeID"] {
		return errors.New("the property " + strconv.Quote(e.Name.Local) + " has attributes that do not go together")
	}
	object, err := p.object(m, s)
	if err != nil {
		return err
	}
	statement := Triple{subject, predicate, object}
	if err := p.emit(statement); err != nil || !m.has["ID"] {
		return err
	}
	return p.reify(s.iri("#"+m.id), statement)
}

// reify emits what a statement consists of.
func (p *rdfxml) reify(name Term, t Triple) error {
	for _, part := range []Triple{
		{name, rdfType, iri(rdfNamespace + "Statement")}, {name, iri(rdfNamespace + "subject"), t.Subject},
		{name, iri(rdfNamespace + "predicate"), t.Predicate}, {name, iri(rdfNamespace + "object"), t.Object},
	} {
		if err := p.emit(part); err != nil {
			return err
		}
	}
	return nil
}

// object reads what is in the element of a property, to its end.
func (p *rdfxml) object(m marks, s scope) (Term, error) {
	switch {
	case m.parseType == "Resource":
		node := p.blank()
		if p.depth++; p.depth > maxDepth {
			return node, errDepth
		}
		defer func() { p.depth-- }()
		return node, p.properties(node, s)
	case m.parseType == "Collection":
		return p.collection(s)
	case m.has["parseType"]:
		return Term{}, &UnsupportedError{"an XML literal (rdf:parseType)"}
	case m.has["resource"] || m.has["nodeID"] || len(m.properties) > 0:
		object := p.blank()
		if m.has["resource"] {
			object = s.iri(m.resource)
		} else if m.has["nodeID"] {
			object = Term{Kind: Blank, Value: "_" + m.nodeID}
		}
		if err := p.attributes(object, m.properties, s); err != nil {
			return object, err
		}
		return object, p.end()
	}
	e, text, err := p.content()
	switch {
	case err != nil:
		return Term{}, err
	case e == nil && m.has["datatype"]:
		return typed(text, resolve(s.base, m.datatype)), nil
	case e == nil:
		return s.literal(text), nil
	case strings.TrimSpace(text) != "":
		return Term{}, errors.New("a property has text and an element")
	}
	object, err := p.node(*e, s)
	if err != nil {
		return object, err
	}
	return object, p.end()
}

// end reads the end of the current element, in which nothing may be.
func (p *rdfxml) end() error {
	e, err := p.child()
	if err == nil && e != nil {
		err = errors.New("the element " + strconv.Quote(e.Name.Local) + " was not expected")
	}
	return err
}

func (p *rdfxml) collection(s scope) (Term, error) {
	first, last := rdfNil, Term{}
	for {
		e, err := p.child()
		if err != nil {
			return first, err
		}
		next := rdfNil
		if e != nil {
			next = p.blank()
		}
		if last.Kind == 0 {
			first = next
		} else if err := p.emit(Triple{last, rdfRest, next}); err != nil {
			return first, err
		}
		if e == nil {
			return first, nil
		}
		item, err := p.node(*e, s)
		if err != nil {
			return first, err
		}
		if err := p.emit(Triple{next, rdfFirst, item}); err != nil {
			return first, err
		}
		last = next
	}
}
