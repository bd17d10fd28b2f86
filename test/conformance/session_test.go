package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crypto/rand"
)

// Resource types as TS-0004 clause 6.3.4.2.1 numbers them.
const (
	tyACP = 1
	tyAE  = 2
	tyCnt = 3
	tyCin = 4
	tyGrp = 9
	tyMgo = 13
	tyPch = 15
	tyReq = 17
	tySub = 23
	tyTsi = 30
)

// admin may do everything.
const admin = "CAdmin"

// session is one case's view of the CSE. It has an AE of its own, below which the case keeps what it creates.
type session struct {
	*testing.T
	urls []string
	base string // resource name of the CSEBase
	AE   string // AE-ID, and the originator of requests that do not say otherwise
	Root string // structured address of the AE
	// transport is how its requests are sent; nil for as usual.
	transport http.RoundTripper
	// header is what all its requests have in addition.
	header []string
	// slowTarget is the container that slow clients ask for.
	slowTarget string
}

// object is JSON.
type object = map[string]any

func newSession(t *testing.T, urls []string) *session {
	t.Helper()
	return newSessionAt(t, urls, "cse-in")
}

// newSessionAt is newSession at the CSE whose CSEBase has the name base.
func newSessionAt(t *testing.T, urls []string, base string) *session {
	t.Helper()
	s := &session{T: t, urls: urls, base: base}
	s.AE, s.Root = s.register()
	return s
}

// register registers another AE, which is deleted when the case ends, and returns its AE-ID and its address.
func (s *session) register() (id, address string) {
	s.Helper()
	name := "ae" + strings.ToLower(rand.Text()[:12])
	id = "C" + name
	s.send(request{op: "POST", to: s.base, from: id, ty: tyAE, body: object{"m2m:ae": object{"rn": name, "api": "Nconformance", "rr": true, "srv": []string{"2a"}}}}).want(2001)
	s.Cleanup(func() {
		s.send(request{op: "DELETE", to: s.base + "/" + name, from: admin})
	})
	return id, s.base + "/" + name
}

// request is one request to the CSE. The zero value of a field leaves it out, except that from is the session's AE.
type request struct {
	op     string // HTTP method
	to     string // as a path: cse-in/x, ~/id-in/x, _/sp/id-in/x; with its query
	from   string // none for no originator
	ty     int
	body   any // JSON unless a []byte
	header []string
}

// none as the originator leaves it out.
const none = "\x00"

// response is what came back.
type response struct {
	s      *session
	what   string
	HTTP   int
	RSC    int
	Header http.Header
	Raw    []byte
	Body   any
}

func (s *session) send(r request) response {
	s.Helper()
	var body []byte
	switch b := r.body.(type) {
	case nil:
	case []byte:
		body = b
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			s.Fatal(err)
		}
	}
	q, err := http.NewRequestWithContext(s.Context(), r.op, pick(s.urls)+"/"+r.to, bytes.NewReader(body))
	if s.Context().Err() != nil { // cleaning up
		q, err = http.NewRequest(r.op, pick(s.urls)+"/"+r.to, bytes.NewReader(body))
	}
	if err != nil {
		s.Fatal(err)
	}
	if r.from == "" {
		r.from = s.AE
	}
	if r.from != none {
		q.Header["X-M2M-Origin"] = []string{r.from}
	}
	q.Header["X-M2M-RI"] = []string{rand.Text()}
	q.Header["X-M2M-RVI"] = []string{"2a"}
	if len(body) > 0 {
		q.Header["Content-Type"] = []string{"application/json"}
		if r.ty != 0 {
			q.Header["Content-Type"][0] += ";ty=" + strconv.Itoa(r.ty)
		}
	}
	for _, h := range slices.Concat(s.header, r.header) {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			delete(q.Header, name)
			continue
		}
		q.Header[name] = []string{value}
	}
	client := http.Client{Timeout: patience, Transport: s.transport}
	a, err := client.Do(q)
	if err != nil {
		s.Fatalf("%s %s: %v", r.op, r.to, err)
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", r.op, r.to, err)
	}
	out := response{s: s, what: r.op + " " + r.to, HTTP: a.StatusCode, Header: a.Header, Raw: raw}
	if v := a.Header["X-M2m-Rsc"]; len(v) == 1 {
		out.RSC, _ = strconv.Atoi(v[0])
	}
	if len(raw) > 0 && strings.Contains(a.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &out.Body); err != nil {
			s.Fatalf("%s: the answer is no JSON: %s", out.what, raw)
		}
	}
	out.check(q.Header)
	return out
}

// httpStatus is what TS-0009 table 6.3.2-1 has for each response status code that the cases meet.
var httpStatus = map[int]int{
	1000: 202, 1001: 202, 1002: 202, 2000: 200, 2001: 201, 2002: 200, 2004: 200,
	4000: 400, 4001: 501, 4004: 404, 4005: 405, 4008: 504, 4015: 415, 4101: 403, 4102: 400, 4103: 403, 4104: 409, 4105: 409, 4106: 403, 4107: 403,
	4108: 403, 4109: 403, 4110: 400, 4117: 403, 4126: 403, 4127: 403,
	5000: 500, 5001: 501, 5103: 404, 5105: 403, 5106: 409, 5107: 404, 5203: 403, 5204: 500, 5205: 403, 5206: 501, 5207: 406, 5209: 500, 6010: 400,
}

// check fails the case unless r is what every answer is, TS-0009 clauses 6.3.2 and 6.4; asked is the header of the request.
func (r response) check(asked http.Header) {
	r.s.Helper()
	if strings.HasPrefix(r.what, "OPTIONS") {
		return
	}
	want, known := httpStatus[r.RSC]
	if r.RSC == 4107 && r.Header.Get("WWW-Authenticate") != "" {
		want = http.StatusUnauthorized // RFC 9110 has a challenge with no other; the table knows none
	}
	if r.RSC == 5000 && r.Header.Get("Retry-After") != "" {
		want = http.StatusServiceUnavailable
	}
	if !known || r.HTTP != want {
		r.s.Errorf("%s: got HTTP %d with X-M2M-RSC %q, want %d; %s", r.what, r.HTTP, r.Header.Get("X-M2M-RSC"), want, r.Raw)
	}
	if id := asked["X-M2M-RI"]; len(id) == 1 && r.Header.Get("X-M2M-RI") != id[0] {
		r.s.Errorf("%s: got X-M2M-RI %q, want %q", r.what, r.Header.Get("X-M2M-RI"), id[0])
	}
	if len(r.Raw) > 0 && r.Header.Get("Content-Type") == "" {
		r.s.Errorf("%s: got no Content-Type", r.what)
	}
	if r.RSC >= 4000 && !bytes.Contains(r.Raw, []byte("dbg")) && !strings.HasPrefix(r.what, "HEAD") {
		r.s.Errorf("%s: got no m2m:dbg: %s", r.what, r.Raw)
	}
}

// create creates a child of the type ty in parent.
func (s *session) create(parent string, ty int, body object) response {
	s.Helper()
	return s.send(request{op: "POST", to: parent, ty: ty, body: body})
}

// get retrieves to.
func (s *session) get(to string) response {
	s.Helper()
	return s.send(request{op: "GET", to: to})
}

// put updates to.
func (s *session) put(to string, body object) response {
	s.Helper()
	return s.send(request{op: "PUT", to: to, body: body})
}

// remove deletes to.
func (s *session) remove(to string) response {
	s.Helper()
	return s.send(request{op: "DELETE", to: to})
}

// want ends the case unless the response has the status rsc.
func (r response) want(rsc int) response {
	r.s.Helper()
	if r.RSC != rsc {
		r.s.Fatalf("%s: got %d (HTTP %d) %s, want %d", r.what, r.RSC, r.HTTP, r.Raw, rsc)
	}
	return r
}

// at is what is in the content at path, whose steps are member names or indices, or nil.
func (r response) at(path string) any {
	return at(r.Body, path)
}

func at(v any, path string) any {
	for step := range strings.SplitSeq(path, "/") {
		switch m := v.(type) {
		case object:
			v = m[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(m) {
				return nil
			}
			v = m[i]
		default:
			return nil
		}
	}
	return v
}

// text is what is at path as text; absent is empty.
func (r response) text(path string) string {
	switch v := r.at(path).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		b, _ := json.Marshal(v)
		return string(b)
	}
}

// has fails the case unless each path has its value, given as in text: pairs of path and value.
func (r response) has(pairs ...any) response {
	r.s.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path, want := pairs[i].(string), fmt.Sprint(pairs[i+1])
		if got := r.text(path); got != want {
			r.s.Errorf("%s: at %s got %q, want %q, in %s", r.what, path, got, want, r.Raw)
		}
	}
	return r
}

// lacks fails the case if there is anything at one of the paths.
func (r response) lacks(paths ...string) response {
	r.s.Helper()
	for _, path := range paths {
		if v := r.at(path); v != nil {
			r.s.Errorf("%s: at %s got %v, want nothing", r.what, path, v)
		}
	}
	return r
}

// list is the list of strings at path.
func (r response) list(path string) []string {
	var list []string
	members, _ := r.at(path).([]any)
	for _, v := range members {
		list = append(list, fmt.Sprint(v))
	}
	return list
}

// eventually repeats try until it reports true; the case ends if that takes too long.
func (s *session) eventually(what string, try func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !try(); {
		if time.Now().After(end) {
			s.Fatalf("%s: did not happen within %v", what, patience)
		}
		select {
		case <-s.Context().Done():
			s.Fatalf("%s: %v", what, s.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stamp is the instant d from now as m2m:timestamp.
func stamp(d time.Duration) string { return time.Now().UTC().Add(d).Format("20060102T150405,000000") }
