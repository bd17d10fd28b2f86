package cse_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// described is the body of a semanticDescriptor in Turtle.
func described(name, turtle, more string) string {
	dsp := base64.StdEncoding.EncodeToString([]byte("@prefix e: <http://e/> . " + turtle))
	return fmt.Sprintf(`{"m2m:smd":{"rn":%q,"dcrp":5,"dsp":%q%s}}`, name, dsp, more)
}

// smf is a query as a parameter.
func smf(query string) string {
	return "smf=" + strings.ReplaceAll(url.QueryEscape("PREFIX e: <http://e/> "+query), "+", "%20")
}

// TestSemanticDiscovery has resources found by what descriptors say of them, and descriptors queried (TS-0001 clauses 10.2.14, 10.2.15).
func TestSemanticDiscovery(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return sqliteFile(t) },
		"postgres": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, address(t))
			c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
			c.must("POST", "/cse-in", "Cother", 2, `{"m2m:ae":{"rn":"other","api":"Nx","rr":false}}`)
			for _, name := range []string{"a", "b", "c"} {
				c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"`+name+`","lbl":["`+name+`"]}}`)
			}
			kinds := c.must("POST", "/cse-in/ae/c", "Cme", 24, described("kinds", `e:Lamp e:isA e:Light .`, ""))
			c.must("POST", "/cse-in/ae/a", "Cme", 24, described("d", `e:x a e:Lamp ; e:watts 5 .`, `,"rels":[`+kinds.text("m2m:smd/ri")+`,"gone","/else/where"]`))
			c.must("POST", "/cse-in/ae/a", "Cme", 24, described("e", `e:x a e:Lamp .`, ""))
			c.must("POST", "/cse-in/ae/b", "Cme", 24, described("d", `e:y a e:Lamp ; e:watts 50 ; e:resourceDescriptorLink "cse-in/ae/c/kinds" .`, ""))
			c.must("POST", "/cse-in/ae", "Cme", 24, described("d", `e:z a e:House .`, ""))
			c.must("POST", "/cse-in/ae/c", "Cme", 24, `{"m2m:smd":{"rn":"owl","dcrp":2,"dsp":"YQ=="}}`)
			testSemanticFilter(t, c)
			testSemanticQuery(t, c)
			testDescriptorIsChecked(t, c)
		})
	}
}

func testSemanticFilter(t *testing.T, c *client) {
	for query, want := range map[string]string{
		smf(`SELECT ?x { ?x a e:Lamp }`):                                           "a b",
		smf(`ASK { ?x e:watts ?w FILTER(?w > 10) }`):                               "b",
		smf(`ASK { ?x a ?c . ?c e:isA e:Light }`):                                  "a b",
		smf(`ASK { ?x e:isA ?c }`):                                                 "a b c",
		smf(`ASK { ?x a e:House }`):                                                "cse-in/ae",
		smf(`ASK { ?x a e:House }`) + "&" + smf(`ASK { ?x e:watts 5 }`):            "cse-in/ae a",
		smf(`ASK { ?x a e:Lamp }`) + "&lbl=b":                                      "b",
		smf(`ASK { ?x a e:Lamp }`) + "&ty=2":                                       "",
		smf(`ASK { ?x a e:Lamp }`) + "&lim=1":                                      "a",
		smf(`ASK { ?x a e:Lamp }`) + "&ofst=2":                                     "b",
		smf(`ASK { ?x ?p ?o }`) + "&lim=2":                                         "cse-in/ae a",
		smf(`ASK { ?x ?p ?o }`) + "&ofst=2&lim=2":                                  "a b",
		smf(`ASK { ?x a e:Lamp }`) + "&lvl=1":                                      "a b",
		smf(`ASK { ?x a e:Lamp }`) + "&arp=d":                                      "a/d b/d",
		smf(`ASK { ?x a e:None }`):                                                 "",
		"sqi=false&" + strings.Replace(smf(`ASK { ?x a e:Lamp }`), "fu=1&", "", 1): "a b",
	} {
		to := "/cse-in/ae?fu=1&" + query
		if strings.HasPrefix(query, "sqi") {
			to = "/cse-in/ae?" + query
		}
		if got := found(t, c.must("GET", to, "Cme", 0, "")); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if got := found(t, c.must("GET", "/cse-in?fu=1&"+smf(`ASK { ?x ?p ?o }`), "Cother", 0, "")); got != "" {
		t.Errorf("without privileges: got %q", got)
	}
	if a := c.must("GET", "/cse-in/ae?rcn=8&"+smf(`ASK { ?x e:watts 5 }`), "Cme", 0, ""); a.text("m2m:ae/m2m:cnt/0/rn") != `"a"` || a.text("m2m:ae/m2m:cnt/1") != "absent" {
		t.Errorf("children: got %s", a.body)
	}
	for query, rsc := range map[string]int{
		"fu=1&" + smf(`SELECT`):                                      4143,
		"fu=1&" + smf(`ASK { ?x ?p }`):                               4143,
		"fu=1&" + smf(`CONSTRUCT { ?x ?p ?o } { ?x ?p ?o }`):         5001,
		"fu=1&" + smf(`ASK { ?x e:a/e:b ?o }`):                       5001,
		"fu=1&fo=2&lbl=a&" + smf(`ASK {}`):                           2000,
		"fu=2&" + smf(`ASK { ?x a e:None }`):                         4004,
		"fu=1&" + smf(`ASK { ?x ?p ?o FILTER regex(?o, "x", "z") }`): 5001,
	} {
		if a := c.send("GET", "/cse-in/ae?"+query, "Cme", 0, ""); a.rsc != rsc {
			t.Errorf("%s: got %d %s, want %d", query, a.rsc, a.body, rsc)
		}
	}
}

func testSemanticQuery(t *testing.T, c *client) {
	query := smf(`SELECT ?x ?w { ?x e:watts ?w . ?x a ?c . ?c e:isA e:Light } ORDER BY ?w`)
	a := c.must("GET", "/cse-in/ae?sqi=true&rcn=10&"+query, "Cme", 0, "")
	var content struct {
		Result string `json:"m2m:qres"`
	}
	var result struct {
		Results struct {
			Bindings []map[string]struct{ Value string }
		}
	}
	if err := json.Unmarshal(a.body, &content); err != nil {
		t.Fatalf("got %s: %v", a.body, err)
	}
	if err := json.Unmarshal([]byte(content.Result), &result); err != nil {
		t.Fatalf("got %s: %v", content.Result, err)
	}
	if b := result.Results.Bindings; len(b) != 2 || b[0]["x"].Value != "http://e/x" || b[1]["w"].Value != "50" {
		t.Errorf("got %s, want x and y", content.Result)
	}
	a = c.must("GET", "/cse-in/ae/a/e?sqi=true&"+smf(`ASK { e:x a e:Lamp }`), "Cme", 0, "")
	if want := `"{\"boolean\":true,\"head\":{}}"`; a.text("m2m:qres") != want {
		t.Errorf("of one descriptor: got %s, want %s", a.body, want)
	}
	for query, rsc := range map[string]int{
		"rcn=10": 4000, "sqi=true": 4000, "sqi=false": 4000, "rcn=10&" + query: 4000, "fu=1&sqi=true&rcn=10&" + query: 4000, "sqi=true&rcn=4&" + query: 4000,
		"sqi=true&" + query + "&" + query: 4000, "sqi=true&lbl=a&" + query: 5001, "sqi=true&" + smf("SELECT"): 4143, query: 2000,
	} {
		if a := c.send("GET", "/cse-in/ae?"+query, "Cme", 0, ""); a.rsc != rsc {
			t.Errorf("%s: got %d %s, want %d", query, a.rsc, a.body, rsc)
		}
	}
	if a := c.send("DELETE", "/cse-in/ae?sqi=true&"+query, "Cme", 0, ""); a.rsc != 4000 {
		t.Errorf("deleted: got %d %s", a.rsc, a.body)
	}
}

// testDescriptorIsChecked has descriptors refused that are not in their representation.
func testDescriptorIsChecked(t *testing.T, c *client) {
	body := func(dcrp int, document string) string {
		return fmt.Sprintf(`{"m2m:smd":{"dcrp":%d,"dsp":%q}}`, dcrp, base64.StdEncoding.EncodeToString([]byte(document)))
	}
	for _, s := range []struct {
		dcrp     int
		document string
		rsc      int
	}{
		{4, `<e:T xmlns:e="http://e/"/>`, 2001},
		{4, `<e:T>`, 4120},
		{5, `<s> <p> <o> .`, 2001},
		{5, `<s> <p> .`, 4120},
		{6, `Class: T`, 2001},
		{7, `{"@id":"e:s","e:p":1}`, 2001},
		{7, `{`, 4120},
		{7, `{"@context":"http://example.org/"}`, 5001},
	} {
		if a := c.send("POST", "/cse-in/ae/c", "Cme", 24, body(s.dcrp, s.document)); a.rsc != s.rsc {
			t.Errorf("%d %s: got %d %s, want %d", s.dcrp, s.document, a.rsc, a.body, s.rsc)
		}
	}
	lamps := "/cse-in/ae?fu=1&" + smf(`ASK { ?x a e:Lamp }`)
	if a := c.send("PUT", "/cse-in/ae/b/d", "Cme", 0, body(5, `wrong`)); a.rsc != 4120 {
		t.Errorf("updated: got %d %s, want 4120", a.rsc, a.body)
	}
	if a := c.send("PUT", "/cse-in/ae/b/d", "Cme", 0, `{"m2m:smd":{"dcrp":7}}`); a.rsc != 4120 {
		t.Errorf("only the representation updated: got %d %s, want 4120", a.rsc, a.body)
	}
	if a := c.must("PUT", "/cse-in/ae/b/d", "Cme", 0, `{"m2m:smd":{"vlde":true}}`); a.text("m2m:smd/vlde") != "true" || a.text("m2m:smd/svd") != "false" {
		t.Errorf("to be validated: got %s", a.body)
	}
	if got := found(t, c.must("GET", lamps, "Cme", 0, "")); got != "a b" {
		t.Errorf("after updates that failed: got %q", got)
	}
	update := func(soe string) string { return fmt.Sprintf(`{"m2m:smd":{"soe":%q}}`, soe) }
	a := c.must("PUT", "/cse-in/ae/b/d", "Cme", 0, update(`PREFIX e: <http://e/> DELETE { ?x a e:Lamp } INSERT { ?x a e:Torch } WHERE { ?x a e:Lamp }`))
	if a.text("m2m:smd/soe") != "absent" {
		t.Errorf("executed: got %s, want no soe", a.body)
	}
	if got := found(t, c.must("GET", "/cse-in/ae?fu=1&"+smf(`ASK { e:y a e:Torch ; e:watts 50 }`), "Cme", 0, "")); got != "b" {
		t.Errorf("after it was executed: got %q", got)
	}
	for soe, rsc := range map[string]int{`SELECT`: 5212, `CLEAR ALL`: 5001} {
		if a := c.send("PUT", "/cse-in/ae/b/d", "Cme", 0, update(soe)); a.rsc != rsc {
			t.Errorf("execute %s: got %d %s, want %d", soe, a.rsc, a.body, rsc)
		}
	}
	if a := c.send("PUT", "/cse-in/ae/c/owl", "Cme", 0, update(`INSERT DATA { <s> <p> <o> }`)); a.rsc != 5001 {
		t.Errorf("executed on another representation: got %d %s", a.rsc, a.body)
	}
	c.must("PUT", "/cse-in/ae/b/d", "Cme", 0, body(5, `<s> <p> <o> .`))
	if got := found(t, c.must("GET", lamps, "Cme", 0, "")); got != "a" {
		t.Errorf("after the update: got %q", got)
	}
}
