package cse_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// client sends requests to one whole CSE.
type client struct {
	t       testing.TB
	handler http.Handler
	serial  atomic.Int64
}

// newClient starts a CSE without a listener; args are further flags.
func newClient(t testing.TB, address string, args ...string) *client {
	t.Helper()
	config, err := cse.ParseConfig(append([]string{"-store", address, "-sp-id", "sp.example"}, args...), func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(config.Store, sqlstore.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	server := cse.New(config, s, hclog.NewNullLogger())
	if err := server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, handler: server.Handler()}
}

func sqliteFile(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "cse.db") }

// answer is a response with what tests look at.
type answer struct {
	status int
	rsc    int
	header http.Header
	body   []byte
}

// path digs into the JSON of the answer: object members by name, list members by number. It is nil where there is nothing.
func (a answer) path(p string) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	for name := range strings.SplitSeq(p, "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// text is path as JSON, "absent" where there is nothing.
func (a answer) text(p string) string {
	v := a.path(p)
	if v == nil {
		return "absent"
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// send sends one request. ty 0 is none. header are further "Name: value" lines; one with the name of a usual header replaces it
// and removes it if the value is empty.
func (c *client) send(method, to, originator string, ty int, body string, header ...string) answer {
	c.t.Helper()
	r := httptest.NewRequest(method, to, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("X-M2M-Origin", originator)
	r.Header.Set("X-M2M-RI", "r"+strconv.FormatInt(c.serial.Add(1), 10))
	r.Header.Set("X-M2M-RVI", "3")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if ty != 0 {
		r.Header.Set("Content-Type", "application/json;ty="+strconv.Itoa(ty))
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	rsc, _ := strconv.Atoi(strings.Join(w.Header()["X-M2M-RSC"], ""))
	return answer{w.Code, rsc, w.Header(), w.Body.Bytes()}
}

// must sends a request that has to succeed.
func (c *client) must(method, to, originator string, ty int, body string, header ...string) answer {
	c.t.Helper()
	a := c.send(method, to, originator, ty, body, header...)
	if a.rsc < 2000 || a.rsc >= 3000 {
		c.t.Fatalf("%s %s: got %d %s", method, to, a.rsc, a.body)
	}
	return a
}

// registered is a client of a CSE with the AE Cme named ae.
func registered(t testing.TB, args ...string) *client {
	t.Helper()
	c := newClient(t, sqliteFile(t), args...)
	c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`)
	return c
}

// TestClauses sends one request after the other to a CSE and compares status, response status code and a part of the content.
func TestClauses(t *testing.T) {
	t.Parallel()
	for _, db := range []struct {
		name    string
		address func(testing.TB) string
	}{{"sqlite", sqliteFile}, {"postgres", postgrestest.DSN}} {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, db.address(t))
			for _, s := range clauses {
				got := c.send(s.method, s.to, s.from, s.ty, s.body, s.header...)
				if got.rsc != s.rsc || got.status != s.status {
					t.Errorf("%s\n%s %s from %q: got %d (HTTP %d) %s\nwant %d (HTTP %d)", s.clause, s.method, s.to, s.from, got.rsc, got.status, got.body, s.rsc, s.status)
					continue
				}
				for i := 0; i+1 < len(s.want); i += 2 {
					if text := got.text(s.want[i]); text != s.want[i+1] {
						t.Errorf("%s\n%s %s: got %s = %s, want %s\nin %s", s.clause, s.method, s.to, s.want[i], text, s.want[i+1], got.body)
					}
				}
				if s.rsc >= 4000 && got.text("m2m:dbg") == "absent" {
					t.Errorf("%s\n%s %s: got no m2m:dbg in %s", s.clause, s.method, s.to, got.body)
				}
			}
		})
	}
}

// step is one request and what must come of it.
type step struct {
	clause   string
	method   string
	to, from string
	ty       int
	body     string
	header   []string
	rsc      int
	status   int
	want     []string // pairs of a path into the content and its JSON
}

// clauses build on each other from top to bottom. Clause numbers are of TS-0001 v3, TS-0004 v3 and TS-0009 v3.
var clauses = []step{
	// CSEBase.
	{"TS-0001 9.6.3", "GET", "/cse-in", "CAdmin", 0, "", nil, 2000, 200, []string{"m2m:cb/ty", "5", "m2m:cb/ri", `"id-in"`, "m2m:cb/rn", `"cse-in"`, "m2m:cb/csi", `"/id-in"`, "m2m:cb/et", "absent"}},
	{"TS-0001 9.6.3: no request updates it", "PUT", "/cse-in", "CAdmin", 0, `{"m2m:cb":{"lbl":["x"]}}`, nil, 4005, 405, nil},
	{"TS-0001 9.6.3: no request deletes it", "DELETE", "/cse-in", "CAdmin", 0, "", nil, 4005, 405, nil},
	{"TS-0001 9.6.3: no request creates one", "POST", "/cse-in", "CAdmin", 5, `{"m2m:cb":{}}`, nil, 4005, 405, nil},
	{"TS-0001 11.3: no privilege", "GET", "/cse-in", "Cstranger", 0, "", nil, 4103, 403, nil},

	// Addresses.
	{"TS-0009 6.2.2.1: by identifier", "GET", "/id-in", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.2.1: wildcard for the CSEBase", "GET", "/-", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.2.1: SP-relative", "GET", "/~/id-in/cse-in", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.2.1: SP-relative with wildcard", "GET", "/~/id-in/-", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.2.1: SP-relative by identifier", "GET", "/~/id-in/id-in", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0001 7.2: a CSE-ID is no resource identifier", "GET", "/~/id-in", "CAdmin", 0, "", nil, 4000, 400, nil},
	{"TS-0001 9.3.1: hybrid, a name below an identifier", "GET", "/id-in/nothing", "CAdmin", 0, "", nil, 4004, 404, nil},
	{"TS-0009 6.2.2.1: absolute", "GET", "/_/sp.example/id-in/cse-in", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0004 7.3.2.6: another CSE", "GET", "/~/id-other/cse-in", "CAdmin", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.3.2.6: another service provider", "GET", "/_/other.example/id-in/cse-in", "CAdmin", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.3.2: nothing there", "GET", "/cse-in/nothing", "CAdmin", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.3.2: neither name nor identifier", "GET", "/other/x", "CAdmin", 0, "", nil, 4004, 404, nil},
	{"TS-0001 7.2: no address", "GET", "/cse-in//x", "CAdmin", 0, "", nil, 4000, 400, nil},
	{"TS-0001 7.2: a character no name has", "GET", "/cse-in/a%00b", "CAdmin", 0, "", nil, 4000, 400, nil},

	// Primitive parameters.
	{"TS-0009 6.4: request identifier is mandatory", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RI: "}, 4000, 400, nil},
	{"TS-0009 6.4: originator is mandatory", "GET", "/cse-in", "", 0, "", []string{"X-M2M-Origin: "}, 4000, 400, nil},
	{"TS-0004 7.3.1: release 2a", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RVI: 2a"}, 2000, 200, nil},
	{"TS-0004 7.3.1: release 4", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RVI: 4"}, 2000, 200, nil},
	{"TS-0004 7.3.1: Release 2 has no indicator", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RVI: "}, 2000, 200, nil},
	{"TS-0004 7.3.1: unknown release", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RVI: 1"}, 4001, 501, nil},
	{"TS-0009 6.4: Accept", "GET", "/cse-in", "CAdmin", 0, "", []string{"Accept: application/cbor;q=0.5, application/json"}, 2000, 200, nil},
	{"TS-0009 6.4: Accept without JSON", "GET", "/cse-in", "CAdmin", 0, "", []string{"Accept: text/html"}, 5207, 406, nil},
	{"TS-0004 7.3.1: request expired", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RET: 20200101T000000"}, 4008, 504, nil},
	{"TS-0004 7.3.1: request expired, relative", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RET: -1000"}, 4008, 504, nil},
	{"TS-0004 7.3.1: request not expired", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RET: 60000"}, 2000, 200, nil},
	{"TS-0009 6.4: malformed expiration", "GET", "/cse-in", "CAdmin", 0, "", []string{"X-M2M-RET: soon"}, 4000, 400, nil},
	{"TS-0004 7.2.2.2: non-blocking", "GET", "/cse-in?rt=1", "CAdmin", 0, "", nil, 1001, 202, nil},
	{"TS-0004 7.2.2: blocking", "GET", "/cse-in?rt=3", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.2.2: unknown parameter", "GET", "/cse-in?unknown=1", "CAdmin", 0, "", nil, 4000, 400, nil},
	{"TS-0009 6.2.1: unknown method", "PATCH", "/cse-in", "CAdmin", 0, "", nil, 4005, 405, nil},
	{"TS-0009 6.2.1: HEAD", "HEAD", "/cse-in", "CAdmin", 0, "", nil, 2000, 200, nil},
	{"TS-0009 6.2.1: POST without type is a notification", "POST", "/cse-in", "CAdmin", 0, `{"m2m:sgn":{}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: ty only in a create", "GET", "/cse-in", "CAdmin", 2, "", nil, 4000, 400, nil},

	// AE registration.
	{"TS-0001 10.2.2.2: originator C gets an AE-ID", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"rn":"assigned","api":"N1","rr":true,"srv":["3"]}}`, nil, 2001, 201, []string{"m2m:ae/ty", "2", "m2m:ae/pi", `"id-in"`, "m2m:ae/srv", `["3"]`, "m2m:ae/st", "absent", "m2m:ae/acpi", "absent"}},
	{"TS-0001 10.2.2.2: so does none", "POST", "/cse-in", "", 2, `{"m2m:ae":{"api":"N1","rr":true}}`, []string{"X-M2M-Origin: "}, 2001, 201, nil},
	{"TS-0001 10.2.2.2: and S", "POST", "/cse-in", "S", 2, `{"m2m:ae":{"api":"N1","rr":true}}`, nil, 2001, 201, nil},
	{"TS-0001 10.2.2.2: a chosen AE-ID", "POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`, nil, 2001, 201, []string{"m2m:ae/aei", `"Cme"`, "m2m:ae/ri", `"Cme"`, "m2m:ae/rn", `"ae"`}},
	{"TS-0004 7.4.5: registered already", "POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"api":"N1","rr":false}}`, nil, 4117, 403, nil},
	{"TS-0004 7.4.5: registered already, same name", "POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`, nil, 4117, 403, nil},
	{"TS-0004 7.3.3: name taken", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`, nil, 4105, 409, nil},
	{"TS-0004 7.4.5: SP-relative originator", "POST", "/cse-in", "/id-in/Cfull", 2, `{"m2m:ae":{"api":"N1","rr":false}}`, nil, 2001, 201, []string{"m2m:ae/aei", `"Cfull"`}},
	{"TS-0004 7.4.5: neither C nor S", "POST", "/cse-in", "Xother", 2, `{"m2m:ae":{"api":"N1","rr":false}}`, nil, 4126, 403, nil},
	{"TS-0004 7.4.5: a CSE is no AE", "POST", "/cse-in", "id-in", 2, `{"m2m:ae":{"api":"N1","rr":false}}`, nil, 4107, 403, nil},
	{"TS-0004 7.4.5: api is mandatory", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"rr":false}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.5: rr is mandatory", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"api":"N1"}}`, nil, 4000, 400, nil},
	{"TS-0001 7.1.3: form of App-ID", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"api":"X1","rr":false}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.5: aei is the CSE's to set", "POST", "/cse-in", "C", 2, `{"m2m:ae":{"api":"N1","rr":false,"aei":"C1"}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1: AE only in the CSEBase", "POST", "/cse-in/ae", "C", 2, `{"m2m:ae":{"api":"N1","rr":false}}`, nil, 4108, 403, nil},
	{"TS-0001 11.3: the AE reads itself", "GET", "/Cme", "Cme", 0, "", nil, 2000, 200, []string{"m2m:ae/rn", `"ae"`}},
	{"TS-0001 11.3: with its SP-relative identifier", "GET", "/Cme", "/id-in/Cme", 0, "", nil, 2000, 200, nil},
	{"TS-0001 11.3: others do not", "GET", "/Cme", "Cother", 0, "", nil, 4103, 403, nil},
	{"TS-0001 11.3: a registered AE reads the CSEBase", "GET", "/cse-in", "Cme", 0, "", nil, 2000, 200, nil},

	// What a create must carry.
	{"TS-0004 7.4: unknown type", "POST", "/cse-in", "CAdmin", 999, `{"m2m:xyz":{}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: type that is not implemented", "POST", "/cse-in", "CAdmin", 38, `{"m2m:ontr":{}}`, nil, 5001, 501, nil},
	{"TS-0004 7.4: type is no number", "POST", "/cse-in", "CAdmin", 0, `{}`, []string{"Content-Type: application/json;ty=x"}, 4000, 400, nil},
	{"TS-0004 7.4: no content", "POST", "/cse-in", "CAdmin", 3, "", nil, 4000, 400, nil},
	{"TS-0004 7.4: other object", "POST", "/cse-in", "CAdmin", 3, `{"m2m:ae":{}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: no JSON", "POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":`, nil, 4000, 400, nil},
	{"TS-0004 7.4: two objects", "POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":{},"m2m:ae":{}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: null", "POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":null}`, nil, 4000, 400, nil},
	{"TS-0009 6.4: other serialisation", "POST", "/cse-in", "CAdmin", 0, `<a/>`, []string{"Content-Type: text/html;ty=3"}, 4015, 415, nil},
	{"TS-0009 6.4: oneM2M media type", "POST", "/cse-in/ae", "Cme", 0, `{"m2m:cnt":{"rn":"vnd"}}`, []string{"Content-Type: application/vnd.onem2m-res+json; ty=3"}, 2001, 201, nil},
	{"TS-0004 7.4: unknown attribute", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"foo":1}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: wrong kind", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"mni":"3"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: negative", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"mni":-1}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: labels are tokens", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"lbl":["a  b"]}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: a label is a string", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"lbl":["a",1]}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: name of a virtual resource", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"la"}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: no name", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"a/b"}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: ty is the CSE's to set", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"ty":3}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: expired at birth", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"et":"20200101T000000"}}`, nil, 4000, 400, nil},
	{"TS-0001 11.3: only the AE creates in it", "POST", "/cse-in/ae", "Cother", 3, `{"m2m:cnt":{}}`, nil, 4103, 403, nil},
	{"TS-0004 7.3.2: no parent", "POST", "/cse-in/nothing", "Cme", 3, `{"m2m:cnt":{}}`, nil, 4004, 404, nil},

	// Containers.
	{"TS-0004 7.4.6", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c","mni":3,"lbl":["a","b"],"cr":null}}`, nil, 2001, 201, []string{"m2m:cnt/cni", "0", "m2m:cnt/cbs", "0", "m2m:cnt/st", "0", "m2m:cnt/cr", `"Cme"`, "m2m:cnt/mni", "3", "m2m:cnt/pi", `"Cme"`}},
	{"TS-0001 9.6.1.3: creator is the CSE's to set", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"cr":"Cme"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.3.3: name taken", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`, nil, 4105, 409, nil},
	{"TS-0004 7.4.6: nested", "POST", "/cse-in/ae/c", "Cme", 3, `{"m2m:cnt":{"rn":"nested"}}`, nil, 2001, 201, nil},
	{"TS-0004 7.4.6: latest of nothing", "GET", "/cse-in/ae/c/la", "Cme", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.4.6: oldest of what has none", "GET", "/cse-in/ae/ol", "Cme", 0, "", nil, 4004, 404, nil},
	{"TS-0001 11.3: others do not learn that it is empty", "GET", "/cse-in/ae/c/la", "Cother", 0, "", nil, 4103, 403, nil},
	{"TS-0004 7.4.7", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i1","con":"one","cnf":"text/plain:0","lbl":["x"]}}`, nil, 2001, 201, []string{"m2m:cin/st", "1", "m2m:cin/cs", "3", "m2m:cin/con", `"one"`, "m2m:cin/cr", "absent"}},
	{"TS-0004 7.4.7: any JSON is content", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i2","con":{"b": [1, 2.50, true], "a": null}}}`, nil, 2001, 201, []string{"m2m:cin/st", "2", "m2m:cin/con", `{"a":null,"b":[1,2.50,true]}`, "m2m:cin/cs", "28"}},
	{"TS-0004 7.4.7: escapes", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i3","con":"\u00e9\ud83d\ude00\\u0000"}}`, nil, 2001, 201, []string{"m2m:cin/con", `"é😀\\u0000"`}},
	{"TS-0004 7.4.7: no NUL", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"\u0000"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.7: eviction", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i4","con":"four"}}`, nil, 2001, 201, []string{"m2m:cin/st", "4"}},
	{"TS-0004 7.4.6: counters", "GET", "/cse-in/ae/c", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt/cni", "3", "m2m:cnt/st", "4", "m2m:cnt/cbs", "44"}},
	{"TS-0004 7.4.7: the evicted is gone", "GET", "/cse-in/ae/c/i1", "Cme", 0, "", nil, 4004, 404, nil},
	{"TS-0001 9.6.27: latest", "GET", "/cse-in/ae/c/la", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cin/rn", `"i4"`}},
	{"TS-0001 9.6.28: oldest", "GET", "/cse-in/ae/c/ol", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cin/rn", `"i2"`}},
	{"TS-0001 9.6.27: not updatable", "PUT", "/cse-in/ae/c/la", "Cme", 0, `{"m2m:cin":{"con":1}}`, nil, 4005, 405, nil},
	{"TS-0001 9.6.27: nothing is created in it", "POST", "/cse-in/ae/c/la", "Cme", 4, `{"m2m:cin":{"con":1}}`, nil, 4005, 405, nil},
	{"TS-0001 9.6.27: delete latest", "DELETE", "/cse-in/ae/c/la", "Cme", 0, "", nil, 2002, 200, nil},
	{"TS-0001 9.6.28: delete oldest", "DELETE", "/cse-in/ae/c/ol", "Cme", 0, "", nil, 2002, 200, nil},
	{"TS-0004 7.4.6: counted out", "GET", "/cse-in/ae/c", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt/cni", "1", "m2m:cnt/st", "4"}},
	{"TS-0004 7.4.7: no update", "PUT", "/cse-in/ae/c/i3", "Cme", 0, `{"m2m:cin":{"con":1}}`, nil, 4005, 405, nil},
	{"TS-0004 7.4.7: con is mandatory", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"cnf":"text/plain:0"}}`, nil, 4000, 400, nil},
	{"TS-0004 6.3.3: contentInfo", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"1","cnf":"text/plain"}}`, nil, 4000, 400, nil},
	{"TS-0004 6.3.3: encoding of contentInfo", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"1","cnf":"text/plain:9"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.7: acpi is not among its attributes", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"1","acpi":["x"]}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1: not in an AE", "POST", "/cse-in/ae", "Cme", 4, `{"m2m:cin":{"con":"1"}}`, nil, 4108, 403, nil},
	{"TS-0001 9.6.1: not in an instance", "POST", "/cse-in/ae/c/i3", "Cme", 4, `{"m2m:cin":{"con":"1"}}`, nil, 4108, 403, nil},
	{"TS-0004 7.4.7: larger than the container", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"small","mbs":4}}`, nil, 2001, 201, nil},
	{"TS-0004 7.4.7: larger than the container", "POST", "/cse-in/ae/small", "Cme", 4, `{"m2m:cin":{"con":"12345"}}`, nil, 5207, 406, nil},
	{"TS-0004 7.4.7: as large as the container", "POST", "/cse-in/ae/small", "Cme", 4, `{"m2m:cin":{"con":"1234"}}`, nil, 2001, 201, nil},

	// Updates.
	{"TS-0004 7.4.6: update", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"mni":10,"lbl":null,"or":"http://o"}}`, nil, 2004, 200, []string{"m2m:cnt/mni", "10", "m2m:cnt/lbl", "absent", "m2m:cnt/or", `"http://o"`, "m2m:cnt/st", "5"}},
	{"TS-0004 7.4: an update may name no attribute", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{}}`, nil, 2004, 200, []string{"m2m:cnt/mni", "10"}},
	{"TS-0004 7.4: no content", "PUT", "/cse-in/ae/c", "Cme", 0, "", nil, 4000, 400, nil},
	{"TS-0004 7.4: names do not change", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"rn":"d"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: nor parents", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"pi":"d"}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: mandatory attributes stay", "PUT", "/cse-in/ae", "Cme", 0, `{"m2m:ae":{"rr":null}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4: others do not update", "PUT", "/cse-in/ae/c", "Cother", 0, `{"m2m:cnt":{"mni":1}}`, nil, 4103, 403, nil},
	{"TS-0004 7.4: only what changed", "PUT", "/cse-in/ae/c?rcn=9", "Cme", 0, `{"m2m:cnt":{"mni":9}}`, nil, 2004, 200, []string{"m2m:cnt/mni", "absent", "m2m:cnt/st", "7", "m2m:cnt/ri", "absent"}},
	{"TS-0004 7.4: no answer wanted", "PUT", "/cse-in/ae/c?rcn=0", "Cme", 0, `{"m2m:cnt":{"mni":8}}`, nil, 2004, 200, nil},
	{"TS-0001 8.1.2: not for updates", "PUT", "/cse-in/ae/c?rcn=2", "Cme", 0, `{"m2m:cnt":{"mni":8}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.6: retrieval disabled", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"disr":true}}`, nil, 2004, 200, nil},
	{"TS-0001 9.6.6: retrieval disabled", "GET", "/cse-in/ae/c/la", "Cme", 0, "", nil, 4005, 405, nil},
	{"TS-0001 9.6.6: retrieval disabled", "GET", "/cse-in/ae/c/i3", "Cme", 0, "", nil, 4005, 405, nil},
	{"TS-0001 9.6.6: retrieval disabled", "DELETE", "/cse-in/ae/c/i3", "Cme", 0, "", nil, 4005, 405, nil},
	{"TS-0001 9.6.6: enabling it drops the instances", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"disr":false}}`, nil, 2004, 200, []string{"m2m:cnt/cni", "0", "m2m:cnt/cbs", "0"}},

	// Result content.
	{"TS-0001 8.1.2: nothing", "POST", "/cse-in/ae?rcn=0", "Cme", 3, `{"m2m:cnt":{"rn":"r0"}}`, nil, 2001, 201, []string{"m2m:cnt", "absent"}},
	{"TS-0001 8.1.2: hierarchical address", "POST", "/cse-in/ae?rcn=2", "Cme", 3, `{"m2m:cnt":{"rn":"r2"}}`, nil, 2001, 201, []string{"m2m:uri", `"cse-in/ae/r2"`}},
	{"TS-0001 8.1.2: address and attributes", "POST", "/cse-in/ae?rcn=3", "Cme", 3, `{"m2m:cnt":{"rn":"r3"}}`, nil, 2001, 201, []string{"m2m:rce/uri", `"cse-in/ae/r3"`, "m2m:rce/m2m:cnt/rn", `"r3"`}},
	{"TS-0001 8.1.2: modified attributes", "POST", "/cse-in/ae?rcn=9", "Cme", 3, `{"m2m:cnt":{"rn":"r9","mni":4}}`, nil, 2001, 201, []string{"m2m:cnt/mni", "absent", "m2m:cnt/rn", "absent", "m2m:cnt/cni", "0"}},
	{"TS-0001 8.1.2: not for creates", "POST", "/cse-in/ae?rcn=4", "Cme", 3, `{"m2m:cnt":{"rn":"r4"}}`, nil, 4000, 400, nil},
	{"TS-0001 8.1.2: not for retrieves", "GET", "/cse-in/ae?rcn=9", "Cme", 0, "", nil, 4000, 400, nil},
	{"TS-0001 8.1.2: original resource", "GET", "/cse-in/ae?rcn=7", "Cme", 0, "", nil, 4000, 400, nil},
	{"TS-0001 8.1.2: no such", "GET", "/cse-in/ae?rcn=99", "Cme", 0, "", nil, 4000, 400, nil},
	{"TS-0001 8.1.2: attributes and children", "GET", "/cse-in/ae/c?rcn=4", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt/rn", `"c"`, "m2m:cnt/m2m:cnt/0/rn", `"nested"`}},
	{"TS-0001 8.1.2: attributes and references", "GET", "/cse-in/ae/c?rcn=5", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt/rn", `"c"`, "m2m:cnt/ch/0/nm", `"nested"`, "m2m:cnt/ch/0/typ", "3", "m2m:cnt/ch/0/val", `"cse-in/ae/c/nested"`}},
	{"TS-0001 8.1.2: references", "GET", "/cse-in/ae/c?rcn=6", "Cme", 0, "", nil, 2000, 200, []string{"m2m:rrl/rrf/0/val", `"cse-in/ae/c/nested"`}},
	{"TS-0001 8.1.2: no references", "GET", "/cse-in/ae/r2?rcn=6", "Cme", 0, "", nil, 2000, 200, []string{"m2m:rrl/rrf", "[]"}},
	{"TS-0001 8.1.2: children", "GET", "/cse-in/ae/c?rcn=8", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt/rn", "absent", "m2m:cnt/m2m:cnt/0/rn", `"nested"`}},
	{"TS-0004 7.4: partial retrieve", "GET", "/cse-in/ae/c?atrl=rn+mni+or", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt", `{"mni":8,"or":"http://o","rn":"c"}`}},
	{"TS-0004 7.4: partial retrieve of what it cannot have", "GET", "/cse-in/ae/c?atrl=con", "Cme", 0, "", nil, 4000, 400, nil},
	{"TS-0004 7.4: partial retrieve of what it has not", "GET", "/cse-in/ae/c?atrl=mbs", "Cme", 0, "", nil, 2000, 200, []string{"m2m:cnt", "{}"}},
	{"TS-0004 7.4: partial delete", "DELETE", "/cse-in/ae/c?atrl=rn", "Cme", 0, "", nil, 4000, 400, nil},

	// Deletes.
	{"TS-0004 7.4: others do not delete", "DELETE", "/cse-in/ae/c", "Cother", 0, "", nil, 4103, 403, nil},
	{"TS-0001 8.1.2: delete and tell", "DELETE", "/cse-in/ae/r9?rcn=1", "Cme", 0, "", nil, 2002, 200, []string{"m2m:cnt/rn", `"r9"`}},
	{"TS-0001 8.1.2: delete and tell the children", "DELETE", "/cse-in/ae/c?rcn=6", "Cme", 0, "", nil, 2002, 200, []string{"m2m:rrl/rrf/0/nm", `"nested"`}},
	{"TS-0004 7.4: with all below", "GET", "/cse-in/ae/c/nested", "Cme", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.4: again", "DELETE", "/cse-in/ae/c", "Cme", 0, "", nil, 4004, 404, nil},
	{"TS-0004 7.4: the admin may", "DELETE", "/cse-in/ae", "CAdmin", 0, "", nil, 2002, 200, nil},
	{"TS-0004 7.4.5: and register again", "POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`, nil, 2001, 201, nil},

	// Access control policies.
	{"TS-0004 7.4.2: a registered AE may have one in the CSEBase", "POST", "/cse-in", "Cme", 1, `{"m2m:acp":{"rn":"p","pv":{"acr":[{"acor":["Cfriend","Cf*end2"],"acop":34},{"acor":["Clocal"],"acop":2,"acco":[{"acip":{"ipv4":["192.0.2.0/24"]}}]},{"acor":["Cfar"],"acop":2,"acco":[{"acip":{"ipv4":["198.51.100.1"]}}]},{"acor":["Cmaker"],"acop":1,"acod":[{"chty":[4]}]}]},"pvs":{"acr":[{"acor":["Cme"],"acop":63}]}}}`, nil, 2001, 201, []string{"m2m:acp/ty", "1"}},
	{"TS-0004 7.4.2: a stranger may not", "POST", "/cse-in", "Cstranger", 1, `{"m2m:acp":{"pv":{"acr":[]},"pvs":{"acr":[{"acor":["all"],"acop":63}]}}}`, nil, 4103, 403, nil},
	{"TS-0004 7.4.2: pvs is mandatory", "POST", "/cse-in", "Cme", 1, `{"m2m:acp":{"pv":{"acr":[]}}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.2: empty pvs", "POST", "/cse-in", "Cme", 1, `{"m2m:acp":{"pv":{"acr":[]},"pvs":{}}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.2: acop", "POST", "/cse-in", "Cme", 1, `{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":64}]},"pvs":{"acr":[{"acor":["all"],"acop":63}]}}}`, nil, 4000, 400, nil},
	{"TS-0004 7.4.2: a restriction we cannot enforce", "POST", "/cse-in", "Cme", 1, `{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":2,"acco":[{"acec":{"optr":1}}]}]},"pvs":{"acr":[{"acor":["all"],"acop":63}]}}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.2: pvs governs it", "GET", "/cse-in/p", "Cme", 0, "", nil, 2000, 200, nil},
	{"TS-0001 9.6.2: pv does not", "GET", "/cse-in/p", "Cfriend", 0, "", nil, 4103, 403, nil},
	{"TS-0001 9.6.1.3: policies must exist", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"acpi":["cse-in/nothing"]}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: and be policies", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"acpi":["cse-in/ae"]}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: in any form of address", "POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`, nil, 2001, 201, nil},
	{"TS-0001 11.3: instances follow their container", "POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i","con":"x"}}`, nil, 2001, 201, nil},
	{"TS-0001 11.3: without policy", "GET", "/cse-in/ae/c/la", "Cfriend", 0, "", nil, 4103, 403, nil},
	{"TS-0001 9.6.1.3: acpi is updated alone", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"acpi":["cse-in/p"],"lbl":["x"]}}`, nil, 4000, 400, nil},
	{"TS-0001 9.6.1.3: by the creator", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"acpi":["/id-in/cse-in/p"]}}`, nil, 2004, 200, nil},
	{"TS-0001 11.3: permitted originator", "GET", "/cse-in/ae/c/la", "Cfriend", 0, "", nil, 2000, 200, nil},
	{"TS-0001 11.3: pattern of originators", "GET", "/cse-in/ae/c/i", "Cf-end20", 0, "", nil, 4103, 403, nil},
	{"TS-0001 11.3: pattern of originators", "GET", "/cse-in/ae/c/i", "Cf-fr-end2", 0, "", nil, 2000, 200, nil},
	{"TS-0001 11.3: permitted operation only", "PUT", "/cse-in/ae/c", "Cfriend", 0, `{"m2m:cnt":{"lbl":["x"]}}`, nil, 4103, 403, nil},
	{"TS-0001 11.3: network it may come from", "GET", "/cse-in/ae/c", "Clocal", 0, "", nil, 2000, 200, nil},
	{"TS-0001 11.3: network it may not come from", "GET", "/cse-in/ae/c", "Cfar", 0, "", nil, 4103, 403, nil},
	{"TS-0001 11.3: child it may create", "POST", "/cse-in/ae/c", "Cmaker", 4, `{"m2m:cin":{"con":"y"}}`, nil, 2001, 201, nil},
	{"TS-0001 11.3: child it may not create", "POST", "/cse-in/ae/c", "Cmaker", 3, `{"m2m:cnt":{}}`, nil, 4103, 403, nil},
	{"TS-0001 11.3: policies take the place of the creator's rights", "GET", "/cse-in/ae/c", "Cme", 0, "", nil, 4103, 403, nil},
	{"TS-0001 9.6.1.3: pvs decides about acpi", "PUT", "/cse-in/ae/c", "Cfriend", 0, `{"m2m:cnt":{"acpi":null}}`, nil, 4103, 403, nil},
	{"TS-0001 11.3: discovery", "GET", "/cse-in/ae/c?fu=1", "Cfriend", 0, "", nil, 2000, 200, []string{"m2m:uril/1", `"cse-in/ae/c/i"`, "m2m:uril/2", "absent"}},
	{"TS-0001 9.6.1.3: pvs decides about acpi", "PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"acpi":null}}`, nil, 2004, 200, []string{"m2m:cnt/acpi", "absent"}},
	{"TS-0001 11.3: back to the creator", "GET", "/cse-in/ae/c", "Cme", 0, "", nil, 2000, 200, nil},
	{"TS-0001 11.3: and nobody else", "GET", "/cse-in/ae/c", "Cfriend", 0, "", nil, 4103, 403, nil},
}
