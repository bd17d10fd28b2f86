package semantic

import (
	"errors"
	"fmt"
)

// Representation is how a descriptor is written, m2m:semanticFormat (TS-0004 clause 6.3.4.2.48, descriptorRepresentation).
type Representation int

// The representations.
const (
	IRIReference    Representation = 1
	FunctionalStyle Representation = 2
	OWLXML          Representation = 3
	RDFXML          Representation = 4
	Turtle          Representation = 5 // also of N-Triples, which are Turtle
	Manchester      Representation = 6
	JSONLD          Representation = 7
)

// Triples reports whether Parse reads descriptors in r. The others write down OWL axioms, not triples.
func (r Representation) Triples() bool { return r == RDFXML || r == Turtle || r == JSONLD }

const (
	// MaxTriples bounds a document.
	MaxTriples = 100_000
	maxBytes   = 32 << 20 // of all terms of a document, which prefixes can make much longer than it
	maxIRI     = 2048     // bytes of what others are made of: bases, namespaces, terms of contexts
	maxTerms   = 1000     // of a context
	maxDepth   = 64       // of what nests
)

// UnsupportedError is a part of a language that is not understood here.
type UnsupportedError struct{ Feature string }

func (e *UnsupportedError) Error() string { return e.Feature + " is not supported" }

// SyntaxError is a document or query that is not in its language.
type SyntaxError struct {
	Line   int // from 1 on; 0 if it is not known
	Detail string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
}

var errLong = &UnsupportedError{fmt.Sprintf("a base, namespace or term of more than %d bytes", maxIRI)}

var errDepth = errors.New("it is nested too deeply")

// Parse reads a document: RDF/XML, Turtle, or JSON-LD without remote contexts. The error is a SyntaxError if the document is not what r
// says, and an UnsupportedError if it may be but needs what is not implemented.
func Parse(r Representation, document []byte) ([]Triple, error) {
	var list []Triple
	size := 0
	emit := func(t Triple) error {
		size += len(t.Subject.Value) + len(t.Predicate.Value) + len(t.Object.Value) + len(t.Object.Datatype)
		if len(list) == MaxTriples || size > maxBytes {
			return &UnsupportedError{fmt.Sprintf("a descriptor of more than %d triples or %d bytes in all terms", MaxTriples, maxBytes)}
		}
		list = append(list, t)
		return nil
	}
	var err error
	switch r {
	case RDFXML:
		err = parseRDFXML(document, emit)
	case Turtle:
		err = parseTurtle(string(document), emit)
	case JSONLD:
		err = parseJSONLD(document, emit)
	default:
		err = &UnsupportedError{fmt.Sprintf("the descriptor representation %d", r)}
	}
	if err == nil {
		return list, nil
	}
	var unsupported *UnsupportedError
	var syntax *SyntaxError
	if errors.As(err, &unsupported) || errors.As(err, &syntax) {
		return nil, err
	}
	return nil, &SyntaxError{Detail: err.Error()}
}
