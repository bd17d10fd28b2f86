package semantic

import (
	"errors"
	"strings"
	"testing"
)

func TestUpdate(t *testing.T) {
	t.Parallel()
	const document = `@prefix e: <e:> . e:a e:p 1 ; e:q "x"@en . e:b e:p 2 . _:n e:p 3 .`
	for update, want := range map[string]string{
		`INSERT DATA { e:c e:p 4 }`:                                 "<e:a> <e:p> 1; <e:a> <e:q> x@en; <e:b> <e:p> 2; <e:c> <e:p> 4; _:n <e:p> 3",
		`INSERT DATA { e:a e:p 1 }`:                                 "<e:a> <e:p> 1; <e:a> <e:q> x@en; <e:b> <e:p> 2; _:n <e:p> 3",
		`DELETE DATA { e:a e:p 1 . e:a e:q "x"@en . e:none e:p 1 }`: "<e:b> <e:p> 2; _:n <e:p> 3",
		`DELETE WHERE { e:a ?p ?o }`:                                "<e:b> <e:p> 2; _:n <e:p> 3",
		`delete where { ?s e:p ?o }; insert data { e:c e:p 4 } ;`:   "<e:a> <e:q> x@en; <e:c> <e:p> 4",
		`DELETE { ?s e:p ?o } INSERT { ?s e:r ?n } WHERE { ?s e:p ?o FILTER(?o < 3) BIND(?o + 1 AS ?n) }`: "<e:a> <e:q> x@en; <e:a> <e:r> 2; <e:b> <e:r> 3; _:n <e:p> 3",
		`INSERT { ?o e:r ?s } WHERE { ?s e:p ?o }`:                                                        "<e:a> <e:p> 1; <e:a> <e:q> x@en; <e:b> <e:p> 2; _:n <e:p> 3",
		`INSERT { ?s e:r [ e:t ?o ] } WHERE { ?s e:q ?o }`:                                                "<e:a> <e:p> 1; <e:a> <e:q> x@en; <e:a> <e:r> _:n; <e:b> <e:p> 2; _:n <e:p> 3; _:n <e:t> x@en",
	} {
		u, err := ParseUpdate("PREFIX e: <e:> " + update)
		if err != nil {
			t.Errorf("%s: %v", update, err)
			continue
		}
		list, err := Parse(Turtle, []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		after, err := u.Apply(list)
		if err != nil {
			t.Errorf("%s: %v", update, err)
		}
		for _, r := range []Representation{RDFXML, Turtle, JSONLD} {
			b, err := Write(r, after)
			if err != nil {
				t.Fatalf("%s: %v", update, err)
			}
			again, err := Parse(r, b)
			if err != nil {
				t.Fatalf("%s: %d: %v in\n%s", update, r, err, b)
			}
			for i := range again {
				for _, term := range []*Term{&again[i].Subject, &again[i].Object} {
					if term.Kind == Blank {
						term.Value = "n"
					}
				}
			}
			got := strings.NewReplacer("\n", "; ", `"`, "", "^^<xsd:integer>", "").Replace(written(again))
			if got != want {
				t.Errorf("%s: %d: got %s, want %s", update, r, got, want)
			}
		}
	}
}

func TestUpdateIsRefused(t *testing.T) {
	t.Parallel()
	for update, want := range map[string]string{
		``:                                                 `line 1: got the end, want INSERT or DELETE`,
		`SELECT ?s { ?s ?p ?o }`:                           `line 1: got "SELECT", want INSERT or DELETE`,
		`INSERT DATA { ?s <p> <o> }`:                       `line 1: there is a variable in data`,
		`DELETE DATA { _:b <p> <o> }`:                      `line 1: there is a blank node`,
		`DELETE WHERE { [] <p> <o> }`:                      `line 1: there is a blank node`,
		`INSERT { <s> <p> <o> }`:                           `line 1: got the end, want WHERE`,
		`INSERT DATA { { <s> <p> <o> } }`:                  `line 1: there is more than triples`,
		`INSERT DATA { <s> <p> <o> } x`:                    `line 1: got "x", want the end`,
		strings.Repeat(`INSERT DATA {};`, 9):               `an update of more than 8 operations`,
		`CLEAR ALL`:                                        `CLEAR is not supported`,
		`DELETE { ?s ?p ?o } USING <g> WHERE { ?s ?p ?o }`: `USING is not supported`,
	} {
		if _, err := ParseUpdate(update); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", update, err, want)
		}
	}
	u, err := ParseUpdate(strings.Repeat(`INSERT { ?a <q> [] } WHERE { ?a <p> ?x . ?b <p> ?x } ;`, 2))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Parse(Turtle, []byte(strings.Repeat("[] <p> 1 .", 200)))
	if err != nil {
		t.Fatal(err)
	}
	var unsupported *UnsupportedError
	if _, err := u.Apply(list); !errors.As(err, &unsupported) {
		t.Errorf("got %v, want an UnsupportedError", err)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	list := []Triple{
		{iri("http://e/a b<"), iri("http://e/x#9p"), text("a\"\\<&\n\r\té")},
		{Term{Kind: Blank, Value: "1.x"}, rdfType, typed("", "http://e/t")},
	}
	want := strings.ReplaceAll(written(list), "_:1.x", "_:_b0")
	for _, r := range []Representation{RDFXML, Turtle, JSONLD} {
		b, err := Write(r, list)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(r, b)
		if got := written(again); err != nil || got != want {
			t.Errorf("%d: got\n%s (%v)\nwant\n%s", r, got, err, want)
		}
	}
	for r, predicate := range map[Representation]string{RDFXML: "http://e/", JSONLD: "p", OWLXML: "http://e/p"} {
		var unsupported *UnsupportedError
		if _, err := Write(r, []Triple{{iri("s"), iri(predicate), text("")}}); !errors.As(err, &unsupported) {
			t.Errorf("%d: got %v, want an UnsupportedError", r, err)
		}
	}
}
