package semantic

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// written are triples as text, sorted.
func written(list []Triple) string {
	var lines []string
	for _, t := range list {
		lines = append(lines, t.Subject.String()+" "+t.Predicate.String()+" "+t.Object.String())
	}
	slices.Sort(lines)
	return strings.ReplaceAll(strings.Join(lines, "\n"), rdfNamespace, "rdf:")
}

const rdfxmlHead = `<?xml version="1.0" encoding="utf-8"?><!DOCTYPE rdf:RDF [<!ENTITY ex "http://e/">]>
	<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/" xml:base="http://b/x">`

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		representation Representation
		document       string
		want           string // triples; or the beginning of the error
	}{
		"triples":             {Turtle, `<http://e/s> <http://e/p> <http://e/o> . # comment`, `<http://e/s> <http://e/p> <http://e/o>`},
		"nothing":             {Turtle, " \n# comment", ``},
		"prefix":              {Turtle, `@prefix e: <http://e/> . e:s a e:T.`, `<http://e/s> <rdf:type> <http://e/T>`},
		"SPARQL's prefix":     {Turtle, "PREFIX : <http://e/>\nBASE <http://b/>\n:s :p <o>.", `<http://e/s> <http://e/p> <http://b/o>`},
		"lists":               {Turtle, `@prefix e: <e:>. e:s e:p 1, 2.5 ; e:q -1e3 ; .`, "<e:s> <e:p> \"1\"^^<xsd:integer>\n<e:s> <e:p> \"2.5\"^^<xsd:decimal>\n<e:s> <e:q> \"-1e3\"^^<xsd:double>"},
		"number at the end":   {Turtle, `<s> <p> 5.`, `<s> <p> "5"^^<xsd:integer>`},
		"strings":             {Turtle, `<s> <p> "a\"\u00e9\n", 'b'@EN-gb, """c"d""""^^<t>, true .`, "<s> <p> \"a\"é\n\"\n<s> <p> \"b\"@en-gb\n<s> <p> \"c\"d\"\"^^<t>\n<s> <p> \"true\"^^<xsd:boolean>"},
		"a string's datatype": {Turtle, `<s> <p> "a"^^<http://www.w3.org/2001/XMLSchema#string> .`, `<s> <p> "a"`},
		"blank nodes":         {Turtle, `_:a <p> [ <q> _:a. ] .`, `line 1: got ".", want "]"`},
		"blank node":          {Turtle, `_:a.b <p> [ <q> _:a.b ] .`, "_:1 <q> _:_a.b\n_:_a.b <p> _:1"},
		"collection":          {Turtle, `<s> <p> (1 <o>), () .`, "<s> <p> <rdf:nil>\n<s> <p> _:1\n_:1 <rdf:first> \"1\"^^<xsd:integer>\n_:1 <rdf:rest> _:2\n_:2 <rdf:first> <o>\n_:2 <rdf:rest> <rdf:nil>"},
		"alone":               {Turtle, `[ <p> <o> ] .`, `_:1 <p> <o>`},
		"escaped names":       {Turtle, `@prefix e: <e:> . e:a\,b%20c.d e:p e:x:y .`, `<e:a,b%20c.d> <e:p> <e:x:y>`},
		"no dot":              {Turtle, "<s> <p>\n<o>", "line 2: got the end, want \".\""},
		"no prefix":           {Turtle, `e:s e:p e:o .`, `line 1: the prefix "e:" is not declared`},
		"no variable":         {Turtle, `?s <p> <o> .`, `line 1: got "s", want a term`},
		"literal subject":     {Turtle, `"s" <p> <o> .`, `line 1: got "s", want a subject`},
		"literal predicate":   {Turtle, `<s> "p" <o> .`, `line 1: got "p", want a predicate`},
		"open string":         {Turtle, `<s> <p> "o .`, `line 1: a string does not end`},
		"wrong escape":        {Turtle, `<s> <p> "\x" .`, `line 1: there is no escape \x`},
		"deep":                {Turtle, strings.Repeat(`[ <p> `, 1000), `line 1: it is nested too deeply`},
		"long":                {Turtle, `@prefix e: <` + strings.Repeat("x", 3000) + `> .`, `a base, namespace or term of more`},

		"description": {RDFXML, rdfxmlHead + `<rdf:Description rdf:about="http://e/s" e:q="v"><rdf:type rdf:resource="&ex;T"/><e:p xml:lang="EN">o</e:p>
			</rdf:Description></rdf:RDF>`, "<http://e/s> <http://e/p> \"o\"@en\n<http://e/s> <http://e/q> \"v\"\n<http://e/s> <rdf:type> <http://e/T>"},
		"typed node": {RDFXML, rdfxmlHead + `<e:T rdf:ID="i"><e:p rdf:datatype="http://www.w3.org/2001/XMLSchema#int">5</e:p><e:q><e:U rdf:nodeID="n"/></e:q></e:T></rdf:RDF>`,
			"<http://b/x#i> <http://e/p> \"5\"^^<xsd:int>\n<http://b/x#i> <http://e/q> _:_n\n<http://b/x#i> <rdf:type> <http://e/T>\n_:_n <rdf:type> <http://e/U>"},
		"resource and collection": {RDFXML, rdfxmlHead + `<rdf:Description><e:p rdf:parseType="Resource"><e:q/></e:p><e:r rdf:parseType="Collection"><e:T/></e:r></rdf:Description></rdf:RDF>`,
			"_:1 <http://e/p> _:2\n_:1 <http://e/r> _:3\n_:2 <http://e/q> \"\"\n_:3 <rdf:first> _:4\n_:3 <rdf:rest> <rdf:nil>\n_:4 <rdf:type> <http://e/T>"},
		"bag":               {RDFXML, rdfxmlHead + `<rdf:Bag><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Bag></rdf:RDF>`, "_:1 <rdf:_1> \"a\"\n_:1 <rdf:_2> \"b\"\n_:1 <rdf:type> <rdf:Bag>"},
		"only a node":       {RDFXML, `<T xmlns="http://e/"/>`, `_:1 <rdf:type> <http://e/T>`},
		"no XML":            {RDFXML, `a`, `line 1: there is text before the root element`},
		"nothing in XML":    {RDFXML, ``, `line 1: there is no element`},
		"open XML":          {RDFXML, rdfxmlHead, `XML syntax error on line 2`},
		"text among":        {RDFXML, rdfxmlHead + `x</rdf:RDF>`, `line 2: there is text where elements`},
		"no namespace":      {RDFXML, rdfxmlHead + `<e:T><p/></e:T></rdf:RDF>`, `line 2: the element "p" has no namespace`},
		"not together":      {RDFXML, rdfxmlHead + `<e:T rdf:about="a" rdf:ID="b"/></rdf:RDF>`, `line 2: the node "T" has attributes`},
		"XML literal":       {RDFXML, rdfxmlHead + `<e:T><e:p rdf:parseType="Literal"><b/></e:p></e:T></rdf:RDF>`, `an XML literal`},
		"two roots":         {RDFXML, `<T xmlns="http://e/"/><T xmlns="http://e/"/>`, `line 1: there is more than one root`},
		"functional style":  {FunctionalStyle, `Ontology()`, `the descriptor representation 2 is not supported`},
		"no representation": {0, ``, `the descriptor representation 0`},

		"node": {JSONLD, `{"@context":{"e":"http://e/","p":{"@id":"e:p","@type":"@id"},"q":{"@id":"e:q","@language":"de"}},
			"@id":"e:s","@type":"e:T","p":["e:o",{"@value":"v","@language":"EN"}],"q":"w","e:r":5,"x":"nothing"}`,
			"<http://e/s> <http://e/p> \"v\"@en\n<http://e/s> <http://e/p> <http://e/o>\n<http://e/s> <http://e/q> \"w\"@de\n" +
				"<http://e/s> <http://e/r> \"5\"^^<xsd:integer>\n<http://e/s> <rdf:type> <http://e/T>"},
		"vocabulary": {JSONLD, `{"@context":{"@vocab":"http://v#","@base":"http://b/"},"@graph":[{"@id":"s","p":{"q":true}},{"@id":"t","@reverse":{"p":{"@id":"u"}}}]}`,
			"<http://b/s> <http://v#p> _:3\n<http://b/u> <http://v#p> <http://b/t>\n_:3 <http://v#q> \"true\"^^<xsd:boolean>"},
		"list in JSON": {JSONLD, `[{"@id":"e:s","e:p":{"@list":[1.5,"a"]}}]`,
			"<e:s> <e:p> _:2\n_:2 <rdf:first> \"1.5\"^^<xsd:double>\n_:2 <rdf:rest> _:3\n_:3 <rdf:first> \"a\"\n_:3 <rdf:rest> <rdf:nil>"},
		"languages":      {JSONLD, `{"@context":{"p":{"@id":"e:p","@container":"@language"}},"@id":"e:s","p":{"de":"a","en":["b"]}}`, "<e:s> <e:p> \"a\"@de\n<e:s> <e:p> \"b\"@en"},
		"aliases":        {JSONLD, `{"@context":{"id":"@id","type":"@type"},"id":"e:s","type":"e:T"}`, `<e:s> <rdf:type> <e:T>`},
		"remote context": {JSONLD, `{"@context":"http://e/","@id":"s"}`, `the remote context "http://e/" is not supported`},
		"scoped context": {JSONLD, `{"@context":{"p":{"@id":"e:p","@context":{}}}}`, `@context in the definition of a term is not supported`},
		"no JSON":        {JSONLD, `{`, `unexpected EOF`},
		"no object":      {JSONLD, `5`, `JSON-LD is made of objects`},
	} {
		got, err := Parse(c.representation, []byte(c.document))
		if s := written(got); err == nil && s != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, s, c.want)
		}
		var syntax *SyntaxError
		var unsupported *UnsupportedError
		if err != nil && (!strings.HasPrefix(err.Error(), c.want) || c.want == "" || !errors.As(err, &syntax) && !errors.As(err, &unsupported)) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	var unsupported *UnsupportedError
	if _, err := Parse(Turtle, []byte(strings.Repeat("<s><p><o>.", MaxTriples+1))); !errors.As(err, &unsupported) {
		t.Errorf("of too many triples: got %v", err)
	}
	amplified := "@prefix e: <" + strings.Repeat("x", 2000) + "> ." + strings.Repeat("e:s e:p e:o .", 20_000)
	if _, err := Parse(Turtle, []byte(amplified)); !errors.As(err, &unsupported) {
		t.Errorf("of terms that are too long: got %v", err)
	}
}
