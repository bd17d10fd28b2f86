package cse_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// found are the addresses in m2m:uril, in order, without what all begin with.
func found(t *testing.T, a answer) string {
	t.Helper()
	var c struct {
		List []string `json:"m2m:uril"`
	}
	if err := json.Unmarshal(a.body, &c); err != nil {
		t.Errorf("got %s, want m2m:uril", a.body)
	}
	for i, address := range c.List {
		c.List[i] = strings.TrimPrefix(address, "cse-in/ae/")
	}
	return strings.Join(c.List, " ")
}

// TestFilterCriteria has resources found by filter criteria, TS-0004 clause 7.3.3.17.
func TestFilterCriteria(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return sqliteFile(t) },
		"postgres": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, address(t))
			c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
			for name, attributes := range map[string]string{
				"a": `"lbl":["red","big"],"loc":{"typ":1,"crd":"[1.0,1.0]"}`, "b": `"lbl":["red"],"mni":5`,
				"c": `"lbl":["blue"],"loc":{"typ":3,"crd":"[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,4.0],[0.0,0.0]]"}`,
			} {
				c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"`+name+`",`+attributes+`}}`)
			}
			for _, name := range []string{"a", "b"} {
				c.must("POST", "/cse-in/ae/"+name, "Cme", 3, `{"m2m:cnt":{"rn":"sub"}}`)
				c.must("POST", "/cse-in/ae/"+name, "Cme", 4, `{"m2m:cin":{"rn":"i","con":"x","cnf":"text/plain:0"}}`)
			}
			testDiscovered(t, c)
			testConditional(t, c)
		})
	}
}

func testDiscovered(t *testing.T, c *client) {
	for query, want := range map[string]string{
		"":                            "a a/i a/sub b b/i b/sub c",
		"lbl=red":                     "a b",
		"lbl=red&lbl=blue":            "a b c",
		"lbl=red&mni=5":               "b",
		"lbl=blue&mni=5&fo=2":         "b c",
		"lbl=*e*":                     "a b c",
		"ty=3&lvl=1":                  "a b c",
		"ty=4":                        "a/i b/i",
		"palb=big":                    "a/i a/sub",
		"pty=2&chty=4":                "a b",
		"clbl=red":                    "",
		"c.rn=i":                      "a b",
		"p.mni=5":                     "b/i b/sub",
		"cty=text/plain":              "a/i b/i",
		"lim=2":                       "a a/i",
		"lim=2&ofst=3":                "a/sub b",
		"lbl=red&arp=sub":             "a/sub b/sub",
		"ty=3&lbl=*&arp=la":           "a/i b/i",
		"ty=4&arp=../sub":             "a/sub b/sub",
		"ty=4&arp=../../c":            "c",
		"lbl=red&arp=../../../../..":  "",
		"gmty=1&gsf=1&geom=[1.0,1.0]": "a c",
		"gmty=1&gsf=1&geom=[2.0,1.0]": "c",
		"gmty=3&gsf=2&geom=[[[0.0,0.0],[2.0,0.0],[2.0,2.0],[0.0,0.0]]]": "",
		"gmty=2&gsf=3&geom=[[-1.0,1.0],[9.0,1.0]]&lbl=red":              "a",
	} {
		if got := found(t, c.must("GET", "/cse-in/ae?fu=1&"+query, "Cme", 0, "")); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	for query, rsc := range map[string]int{
		"smf=SELECT": 4143, "cfs=1&cfq=$.x": 4000, "gmty=3&gsf=1&geom=[1.0,1.0]": 4000,
		"gmty=1": 4000, "wrong=1": 4000, "rcn=4": 4000,
	} {
		if a := c.send("GET", "/cse-in/ae?fu=1&"+query, "Cme", 0, ""); a.rsc != rsc {
			t.Errorf("%s: got %d %s, want %d", query, a.rsc, a.body, rsc)
		}
	}
	a := c.must("GET", "/cse-in/ae?fu=1&drt=2&ty=3&lim=2", "Cme", 0, "")
	if list := strings.Fields(found(t, a)); len(list) != 2 || slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "cse-in") }) ||
		strings.Join(a.header["X-M2M-CTS"], "") != "1" || strings.Join(a.header["X-M2M-CTO"], "") != "3" {
		t.Errorf("by identifier, cut off: got %s, %v", a.body, a.header)
	}
	if a := c.must("GET", "/cse-in/ae?rcn=8&ty=4&arp=../../c", "Cme", 0, ""); a.text("m2m:ae/m2m:cnt/0/rn") != `"c"` || a.text("m2m:ae/m2m:cnt/1") != "absent" {
		t.Errorf("children by a relative path: got %s", a.body)
	}
}

// testConditional has operations that are only carried out on a resource that matches.
func testConditional(t *testing.T, c *client) {
	for _, s := range []struct {
		method, query, body string
		rsc                 int
	}{
		{"GET", "fu=2&lbl=red", "", 2000},
		{"GET", "fu=2&lbl=blue", "", 4004},
		{"GET", "fu=2&lbl=blue&mni=5&fo=2", "", 2000},
		{"GET", "fu=2&stb=1&sts=2&ty=3&rn=b", "", 2000},
		{"GET", "fu=2&pty=2", "", 2000},
		{"GET", "lbl=blue", "", 2000},
		{"PUT", "fu=2&lbl=blue", `{"m2m:cnt":{"mni":6}}`, 4004},
		{"PUT", "fu=2&lbl=re*", `{"m2m:cnt":{"mni":6}}`, 2004},
		{"DELETE", "fu=2&mni=5", "", 4004},
		{"DELETE", "fu=2&mni=6&us=20200101T000000", "", 4004},
		{"DELETE", "fu=2&mni=6&ms=20200101T000000", "", 2002},
	} {
		if a := c.send(s.method, "/cse-in/ae/b?"+s.query, "Cme", 0, s.body); a.rsc != s.rsc {
			t.Errorf("%s %s: got %d %s, want %d", s.method, s.query, a.rsc, a.body, s.rsc)
		}
	}
}
