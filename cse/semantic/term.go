// Package semantic reads the descriptors of semanticDescriptor resources into RDF graphs and evaluates SPARQL queries on them (oneM2M
// TS-0034; W3C RDF 1.1 Concepts, Turtle, RDF/XML, JSON-LD 1.1 and SPARQL 1.1 Query Language, of which it has the part that Parse and
// ParseQuery describe). The package is pure: it fetches nothing, neither ontologies nor contexts.
package semantic

// Kind says what a Term is.
type Kind uint8

// The kinds of terms. The zero Kind is that of no term.
const (
	IRI Kind = iota + 1
	Blank
	Literal
	variable // in queries only
)

// Term is a node or an edge of a graph. Terms are equal if they are the same RDF term. The zero Term is none.
type Term struct {
	Kind     Kind
	Value    string // the IRI, the label of a blank node, or the lexical form of a literal
	Datatype string // IRI of a literal; empty for a plain string and one with a language
	Language string // in lower case
}

// Triple is one statement.
type Triple struct {
	Subject, Predicate, Object Term
}

const (
	rdfNamespace = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsdNamespace = "http://www.w3.org/2001/XMLSchema#"

	xsdString   = xsdNamespace + "string"
	xsdBoolean  = xsdNamespace + "boolean"
	xsdInteger  = xsdNamespace + "integer"
	xsdDecimal  = xsdNamespace + "decimal"
	xsdDouble   = xsdNamespace + "double"
	rdfLangText = rdfNamespace + "langString"
)

var (
	rdfType  = iri(rdfNamespace + "type")
	rdfFirst = iri(rdfNamespace + "first")
	rdfRest  = iri(rdfNamespace + "rest")
	rdfNil   = iri(rdfNamespace + "nil")
)

func iri(value string) Term { return Term{Kind: IRI, Value: value} }

func text(value string) Term { return Term{Kind: Literal, Value: value} }

// typed is a literal of a datatype; that of plain strings is left out, so that both ways to write them are one term.
func typed(value, datatype string) Term {
	if datatype == xsdString {
		datatype = ""
	}
	return Term{Kind: Literal, Value: value, Datatype: datatype}
}

func truth(b bool) Term {
	if b {
		return typed("true", xsdBoolean)
	}
	return typed("false", xsdBoolean)
}
