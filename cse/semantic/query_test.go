package semantic

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const devices = `@prefix e: <http://e/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
	e:lamp a e:Light ; e:name "Lamp", "Leuchte"@de ; e:watts 5 ; e:in e:hall .
	e:tv a e:Screen ; e:name "TV" ; e:watts 80.5 ; e:in e:room ; e:since "2026-01-02T00:00:00Z"^^xsd:dateTime .
	e:fan a e:Fan ; e:watts "x"^^e:odd ; e:part [ e:name "Blade" ; e:on false ] .`

func graph(t *testing.T, documents ...string) *Graph {
	t.Helper()
	g := new(Graph)
	for _, d := range documents {
		list, err := Parse(Turtle, []byte(d))
		if err != nil {
			t.Fatal(err)
		}
		g.Add(list)
	}
	return g
}

func proceed() error { return nil }

// answer is a result as text: a line for each row, in order.
func answer(r Result) string {
	if r.Ask {
		return map[bool]string{true: "yes", false: "no"}[r.Boolean]
	}
	var lines []string
	for _, row := range r.Rows {
		var terms []string
		for _, term := range row {
			terms = append(terms, strings.ReplaceAll(term.String(), "http://e/", ""))
		}
		lines = append(lines, strings.Join(terms, " "))
	}
	return strings.Join(lines, "; ")
}

func TestQuery(t *testing.T) {
	t.Parallel()
	g := graph(t, devices)
	for query, want := range map[string]string{
		`SELECT ?s WHERE { ?s a e:Light }`:                                                                             `<lamp>`,
		`select * { ?s e:in ?where }`:                                                                                  `<lamp> <hall>; <tv> <room>`,
		`SELECT $s WHERE { $s a e:Light ; e:in e:hall, e:hall . }`:                                                     `<lamp>`,
		`SELECT ?s { ?s a e:Light ; e:in e:room }`:                                                                     ``,
		`SELECT ?n { ?s e:part [ e:name ?n ] }`:                                                                        `"Blade"`,
		`SELECT ?n { ?s e:part _:b . _:b e:name ?n ; e:on false }`:                                                     `"Blade"`,
		`SELECT ?s { ?s e:watts 5 }`:                                                                                   `<lamp>`,
		`SELECT ?s { ?s e:name "Leuchte"@DE }`:                                                                         `<lamp>`,
		`SELECT ?s { ?s e:name "Leuchte" }`:                                                                            ``,
		`SELECT ?s { ?s e:watts ?w FILTER(?w > 5) }`:                                                                   `<tv>`,
		`SELECT ?s { ?s e:watts ?w . FILTER(?w >= 5 && ?w < 1e2) }`:                                                    `<lamp>; <tv>`,
		`SELECT ?s { FILTER(?w = 5.0 || ?w = 7) ?s e:watts ?w }`:                                                       `<lamp>`,
		`SELECT ?s { ?s e:watts ?w FILTER(!(?w = 5)) }`:                                                                `<tv>`,
		`SELECT ?s { ?s e:watts ?w FILTER(?w * 2 + 1 = 11) }`:                                                          `<lamp>`,
		`SELECT ?s { ?s e:watts ?w FILTER(?w-1 = 4) }`:                                                                 `<lamp>`,
		`SELECT ?s { ?s e:watts ?w FILTER(-?w / 2 < -40) }`:                                                            `<tv>`,
		`SELECT ?n { ?s e:name ?n FILTER regex(?n, "^l", "i") }`:                                                       `"Lamp"; "Leuchte"@de`,
		`SELECT ?n { ?s e:name ?n FILTER regex(?n, "(") }`:                                                             ``,
		`SELECT ?n { ?s e:name ?n FILTER(contains(str(?n), "amp") || strstarts(?n, "T")) }`:                            `"Lamp"; "TV"`,
		`SELECT ?n { ?s e:name ?n FILTER(lang(?n) = "de") }`:                                                           `"Leuchte"@de`,
		`SELECT ?n { ?s e:name ?n FILTER langMatches(lang(?n), "*") }`:                                                 `"Leuchte"@de`,
		`SELECT ?s { ?s e:watts ?w FILTER(datatype(?w) = <http://e/odd>) }`:                                            `<fan>`,
		`SELECT ?s { ?s e:watts ?w FILTER isNumeric(?w) }`:                                                             `<lamp>; <tv>`,
		`SELECT ?s { ?s e:since ?t FILTER(?t > "2026-01-01T23:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime>) }`: `<tv>`,
		`SELECT ?o { e:fan ?p ?o FILTER isBlank(?o) }`:                                                                 `_:1.1`,
		`SELECT ?s { ?s a ?c FILTER(?c IN (e:Fan, e:Screen)) }`:                                                        `<tv>; <fan>`,
		`SELECT ?s { ?s a ?c FILTER(?c NOT IN (e:Fan, e:Screen)) }`:                                                    `<lamp>`,
		`SELECT ?s ?w { ?s a ?c OPTIONAL { ?s e:in ?w } }`:                                                             `<lamp> <hall>; <tv> <room>; <fan> -`,
		`SELECT ?s { ?s a ?c OPTIONAL { ?s e:in ?w } FILTER(!bound(?w)) }`:                                             `<fan>`,
		`SELECT ?s { { ?s a e:Fan } UNION { ?s a e:Light } UNION { ?s a e:None } }`:                                    `<fan>; <lamp>`,
		`SELECT ?s { ?s a ?c MINUS { ?s e:in ?w } }`:                                                                   `<fan>`,
		`SELECT ?s { ?s a ?c FILTER NOT EXISTS { ?s e:in ?w } }`:                                                       `<fan>`,
		`SELECT ?s { ?s a ?c FILTER EXISTS { ?s e:in e:hall } }`:                                                       `<lamp>`,
		`SELECT ?d { ?s e:watts ?w BIND(?w + ?w AS ?d) FILTER bound(?d) }`:                                             `"10"^^<xsd:integer>; "161"^^<xsd:decimal>`,
		`SELECT ?s { VALUES ?c { e:Fan e:Light } ?s a ?c }`:                                                            `<fan>; <lamp>`,
		`SELECT ?s { ?s a ?c } ORDER BY DESC(?s)`:                                                                      `<tv>; <lamp>; <fan>`,
		`SELECT ?s { ?s e:watts ?w FILTER isNumeric(?w) } ORDER BY DESC(?w) LIMIT 1`:                                   `<tv>`,
		`SELECT ?s { ?s a ?c } LIMIT 1 OFFSET 1`:                                                                       `<tv>`,
		`SELECT ?s { ?s a ?c } LIMIT 0`:                                                                                ``,
		`SELECT DISTINCT ?s { ?s e:name ?n }`:                                                                          `<lamp>; <tv>; _:1.1`,
		`ASK { e:tv e:in e:room }`:                                                                                     `yes`,
		`ASK { e:tv e:in e:hall }`:                                                                                     `no`,
		`ASK {}`:                                                                                                       `yes`,
		`SELECT ?x ?y { ?x e:in ?y . ?y e:in ?x }`:                                                                     ``,
		`SELECT ?n { ?s e:name ?n FILTER(strlen(?n) = 2 && ucase(?n) = "TV" && sameTerm(?n, "TV")) }`:                  `"TV"`,
	} {
		q, err := ParseQuery("PREFIX e: <http://e/>\n" + query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		r, err := q.Evaluate(g, proceed)
		if got := answer(r); err != nil || got != want {
			t.Errorf("%s: got %s (%v), want %s", query, got, err, want)
		}
		if matches, err := q.Matches(g, proceed); err != nil || matches != (want != "" && want != "no") {
			t.Errorf("%s: matches %v (%v)", query, matches, err)
		}
	}
}

func TestQueryIsRefused(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		``:                                                        `line 1: got the end, want SELECT or ASK`,
		`SELECT`:                                                  `line 1: got the end, want variables`,
		`SELECT ?s`:                                               `line 1: got the end, want "{"`,
		`SELECT ?s { ?s ?p }`:                                     `line 1: got "}", want a term`,
		`SELECT ?s { ?s ?p ?o ?q ?r ?t }`:                         `line 1: got "q", want "."`,
		`SELECT ?s { ?s e:p ?o }`:                                 `line 1: the prefix "e:" is not declared`,
		`SELECT ?s { ?s ?p ?o } x`:                                `line 1: got "x", want the end`,
		`SELECT ?s { ?s ?p ?o FILTER }`:                           `line 1: got "}", want a condition`,
		`SELECT ?s { ?s ?p ?o FILTER(?o <) }`:                     `line 1: got ")", want`,
		`SELECT ?s { ?s ?p ?o FILTER regex(?o) }`:                 `line 1: the function REGEX does not have so many`,
		"SELECT ?s {\n?s ?p \"o }":                                `line 2: a string does not end`,
		`CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }`:                     `CONSTRUCT is not supported`,
		`DELETE WHERE { ?s ?p ?o }`:                               `DELETE is not supported`,
		`SELECT (count(*) AS ?n) { ?s ?p ?o }`:                    `an expression among what is selected`,
		`SELECT ?s FROM <x> { ?s ?p ?o }`:                         `a dataset (FROM)`,
		`SELECT ?s { GRAPH ?g { ?s ?p ?o } }`:                     `GRAPH is not supported`,
		`SELECT ?s { SERVICE <x> { ?s ?p ?o } }`:                  `SERVICE is not supported`,
		`SELECT ?s { { SELECT ?s { ?s ?p ?o } } }`:                `SELECT is not supported`,
		`SELECT ?s { ?s <p>/<q> ?o }`:                             `a property path is not supported`,
		`SELECT ?s { ?s ^<p> ?o }`:                                `a property path is not supported`,
		`SELECT ?s { ?s ?p ?o } GROUP BY ?s`:                      `GROUP is not supported`,
		`SELECT ?s { ?s ?p ?o FILTER(now() > 1) }`:                `the function NOW is not supported`,
		`SELECT ?s { ?s ?p ?o FILTER(<f>(?o)) }`:                  `a function that is named by an IRI`,
		`SELECT ?s { ` + strings.Repeat(`?s ?p ?o .`, 65) + `}`:   `a query of more than 64 triple patterns`,
		`ASK ` + strings.Repeat(`{`, 100):                         `line 1: it is nested too deeply`,
		`ASK { FILTER(` + strings.Repeat(`(`, 100) + `1`:          `line 1: it is nested too deeply`,
		`ASK { FILTER(` + strings.Repeat(`!`, 100) + `1`:          `line 1: it is nested too deeply`,
		`ASK { <s> <p> "` + strings.Repeat(`x`, MaxQuery) + `" }`: `a query of more than`,
	} {
		_, err := ParseQuery(query)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", query, err, want)
		}
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for range 200 {
		b.WriteString("[] <p> 1 .")
	}
	g := graph(t, b.String())
	var unsupported *UnsupportedError
	for _, query := range []string{
		`ASK { ?a <p> ?x . ?b <p> ?x . ?c <p> ?x . ?d <p> ?x FILTER(?x = 2) }`, // steps
		`SELECT * { ?a <p> ?x . ?b <p> ?x }`,                                   // solutions
	} {
		q, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Evaluate(g, proceed); !errors.As(err, &unsupported) {
			t.Errorf("%s: got %v, want an UnsupportedError", query, err)
		}
		stopped := errors.New("stopped")
		if _, err := q.Evaluate(g, func() error { return stopped }); !errors.Is(err, stopped) {
			t.Errorf("%s: got %v when it was stopped", query, err)
		}
	}
}

func TestDocumentsKeepTheirBlankNodes(t *testing.T) {
	t.Parallel()
	g := graph(t, `_:a <p> <x> . <s> <q> <o> .`, `_:a <p> <y> . <s> <q> <o> .`)
	q, err := ParseQuery(`ASK { ?a <p> <x>, <y> }`)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := q.Matches(g, proceed); same || err != nil || g.Len() != 3 {
		t.Errorf("got %v (%v) in %d triples, want two blank nodes in 3", same, err, g.Len())
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	g := graph(t, devices)
	for query, want := range map[string]string{
		`ASK {}`: `{"boolean":true,"head":{}}`,
		`PREFIX e: <http://e/> SELECT ?s ?n ?w { ?s e:in e:hall OPTIONAL { ?s e:name ?n FILTER(lang(?n) = "de") } OPTIONAL { ?s e:no ?w } }`: `{"results":{"bindings":[
			{"n":{"type":"literal","value":"Leuchte","xml:lang":"de"},"s":{"type":"uri","value":"http://e/lamp"}}]},"head":{"vars":["s","n","w"]}}`,
		`PREFIX e: <http://e/> SELECT ?w { e:lamp e:watts ?w }`: `{"results":{"bindings":[
			{"w":{"type":"literal","value":"5","datatype":"http://www.w3.org/2001/XMLSchema#integer"}}]},"head":{"vars":["w"]}}`,
		`SELECT ?w { <x> <y> ?w }`: `{"results":{"bindings":[]},"head":{"vars":["w"]}}`,
	} {
		q, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := q.Evaluate(g, proceed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if want := strings.ReplaceAll(want, "\n\t\t\t", ""); err != nil || string(b) != want {
			t.Errorf("%s: got %s (%v), want %s", query, b, err, want)
		}
	}
}

// FuzzParseQuery looks for queries that cannot be read or evaluated without harm.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{
		`PREFIX e: <http://e/> SELECT DISTINCT ?s { ?s a e:T ; e:p [ e:q "x"@en, 5.0 ] . FILTER(regex(?s, "a", "i") && !bound(?t) || ?s IN (1, 2)) } ORDER BY DESC(?s) LIMIT 1 OFFSET 2`,
		`ASK { { ?s ?p ?o } UNION { ?s ?p (1 2) } OPTIONAL { ?s ?q ?r MINUS { ?s ?p "x"^^<t> } } BIND(1 + -2 * 3 AS ?z) VALUES ?v { UNDEF 1 } FILTER NOT EXISTS { _:a ?p '''x''' } }`,
	} {
		f.Add(s)
	}
	list, err := Parse(Turtle, []byte(devices))
	if err != nil {
		f.Fatal(err)
	}
	var g Graph
	g.Add(list)
	f.Add(`DELETE { ?s ?p ?o } INSERT { ?s ?p [ ?p ?o ] } WHERE { ?s ?p ?o }; DELETE WHERE { ?s ?p 1 }; INSERT DATA { <s> <p> _:b }`)
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := ParseUpdate(s); err == nil {
			if _, err := u.Apply(list); err != nil && !errors.As(err, new(*UnsupportedError)) {
				t.Error(err)
			}
		}
		q, err := ParseQuery(s)
		if err != nil {
			return
		}
		calls := 0
		r, err := q.Evaluate(&g, func() error {
			if calls++; calls > 4 {
				return errEnough
			}
			return nil
		})
		if err == nil {
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzParse looks for documents that cannot be read without harm.
func FuzzParse(f *testing.F) {
	f.Add(5, devices)
	f.Add(4, rdfxmlHead+`<e:T rdf:ID="i"><e:p rdf:parseType="Collection"><e:U/></e:p></e:T></rdf:RDF>`)
	f.Add(7, `{"@context":{"e":"http://e/","p":{"@id":"e:p","@container":"@list"}},"@id":"e:s","p":[1,{"@reverse":{"e:q":{}}}]}`)
	f.Fuzz(func(t *testing.T, representation int, document string) {
		list, err := Parse(Representation(representation), []byte(document))
		if err == nil {
			new(Graph).Add(list)
		}
	})
}
