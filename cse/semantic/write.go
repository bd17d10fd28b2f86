package semantic

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Write writes triples so that Parse reads them again, but for the labels of blank nodes. The error is an UnsupportedError for triples that
// r cannot express.
func Write(r Representation, list []Triple) ([]byte, error) {
	list = relabelled(list)
	switch r {
	case RDFXML:
		return writeRDFXML(list)
	case Turtle:
		var b bytes.Buffer
		for _, t := range list {
			fmt.Fprintf(&b, "%s %s %s .\n", turtle(t.Subject), turtle(t.Predicate), turtle(t.Object))
		}
		return b.Bytes(), nil
	case JSONLD:
		return writeJSONLD(list)
	}
	return nil, &UnsupportedError{fmt.Sprintf("the descriptor representation %d", r)}
}

// relabelled is list with labels of blank nodes that can be written everywhere.
func relabelled(list []Triple) []Triple {
	labels := map[string]string{}
	again := make([]Triple, len(list))
	for i, t := range list {
		for _, term := range []*Term{&t.Subject, &t.Object} {
			if term.Kind == Blank {
				if labels[term.Value] == "" {
					labels[term.Value] = "b" + strconv.Itoa(len(labels))
				}
				term.Value = labels[term.Value]
			}
		}
		again[i] = t
	}
	return again
}

// turtle is t in N-Triples.
func turtle(t Term) string {
	switch t.Kind {
	case IRI:
		return "<" + escaped(t.Value, "<>\"{}|^`\\ ") + ">"
	case Blank:
		return "_:" + t.Value
	}
	s := `"` + escaped(t.Value, `"\`) + `"`
	switch {
	case t.Language != "":
		return s + "@" + t.Language
	case t.Datatype != "":
		return s + "^^" + turtle(iri(t.Datatype))
	}
	return s
}

// escaped is s with control characters and those in special by their numbers.
func escaped(s, special string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || strings.ContainsRune(special, r) {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// writeRDFXML writes a description for each triple.
func writeRDFXML(list []Triple) ([]byte, error) {
	var b bytes.Buffer
	attribute := func(name, value string) {
		b.WriteString(" " + name + `="`)
		xml.EscapeText(&b, []byte(value)) // a buffer takes everything
		b.WriteByte('"')
	}
	b.WriteString("<rdf:RDF")
	attribute("xmlns:rdf", rdfNamespace)
	b.WriteString(">\n")
	for _, t := range list {
		namespace, local := split(t.Predicate.Value)
		control := func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r", r) }
		if namespace == "" || local == "" || strings.ContainsFunc(t.Subject.Value+t.Predicate.Value+t.Object.Value, control) {
			return nil, &UnsupportedError{"a statement that RDF/XML cannot express"}
		}
		b.WriteString("<rdf:Description")
		attribute(map[bool]string{true: "rdf:nodeID", false: "rdf:about"}[t.Subject.Kind == Blank], t.Subject.Value)
		b.WriteString("><p:" + local)
		attribute("xmlns:p", namespace)
		switch {
		case t.Object.Kind == Blank:
			attribute("rdf:nodeID", t.Object.Value)
		case t.Object.Kind == IRI:
			attribute("rdf:resource", t.Object.Value)
		case t.Object.Language != "":
			attribute("xml:lang", t.Object.Language)
		case t.Object.Datatype != "":
			attribute("rdf:datatype", t.Object.Datatype)
		}
		b.WriteByte('>')
		if t.Object.Kind == Literal {
			xml.EscapeText(&b, []byte(t.Object.Value))
		}
		b.WriteString("</p:" + local + "></rdf:Description>\n")
	}
	b.WriteString("</rdf:RDF>\n")
	return b.Bytes(), nil
}

// split cuts an IRI into a namespace and the longest name in XML at its end.
func split(s string) (namespace, local string) {
	end := strings.LastIndexFunc(s, func(r rune) bool { return !nameRune(r) }) + 1
	local = strings.TrimLeftFunc(s[end:], func(r rune) bool { return r != '_' && !unicode.IsLetter(r) })
	return strings.TrimSuffix(s, local), local
}

// nameRune reports whether r may be in the local part of a name in XML.
func nameRune(r rune) bool {
	return r == '_' || r == '-' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// writeJSONLD writes a node object for each triple.
func writeJSONLD(list []Triple) ([]byte, error) {
	node := func(t Term) string {
		if t.Kind == Blank {
			return "_:" + t.Value
		}
		return t.Value
	}
	nodes := make([]object, len(list))
	for i, t := range list {
		if !strings.Contains(t.Predicate.Value, ":") || strings.HasPrefix(t.Predicate.Value, "_:") {
			return nil, &UnsupportedError{"a predicate in JSON-LD that is no absolute IRI"}
		}
		value := object{"@id": node(t.Object)}
		if t.Object.Kind == Literal {
			value = object{"@value": t.Object.Value}
			if t.Object.Language != "" {
				value["@language"] = t.Object.Language
			} else if t.Object.Datatype != "" {
				value["@type"] = t.Object.Datatype
			}
		}
		nodes[i] = object{"@id": node(t.Subject), t.Predicate.Value: value}
	}
	return json.Marshal(nodes)
}
