package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

func document(t testing.TB) string {
	text, err := json.Marshal(spec.Pool{
		Stack: "t", Name: "cse", Template: spec.Template{Image: "cse:1", Network: "net"},
		Service: spec.Service{Port: 8080}, Policy: spec.Policy{Min: 1, Max: 9, TargetUtilisation: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ask makes one request without a network.
func ask(a *Admin, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	} else {
		r.Host = "127.0.0.1:8090"
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	return w
}

func standby(t testing.TB, s Store, access Access) *Admin {
	acting := func() (fleet.Report, bool) { return fleet.Report{}, false }
	return New(Admin{
		Stack: "t", Identity: "a", Leader: func() string { return "b" }, Acting: acting, Access: access,
		Ready: func(context.Context) error { return nil }, Store: s, Registry: NewMetrics(acting).Registry, Log: hclog.NewNullLogger(),
	})
}

func TestOverrideOnRealConsul(t *testing.T) {
	t.Parallel()
	c := consultest.Start(t).Client()
	if err := c.Put(t.Context(), spec.PoolKey("t", "cse"), []byte(document(t))); err != nil {
		t.Fatal(err)
	}
	a := standby(t, c, Access{OpenWrites: true})
	const path = "/v1/pools/cse/override"
	steps := []struct {
		method, query, body, match string
		status                     int
		want                       string
	}{
		{"GET", "", "", "", 200, "{}"},
		{"PATCH", "?for=1h", `{"paused": true, "by": "me"}`, "", 200, `"paused": true`},
		{"PATCH", "", `{"size": 4}`, "", 200, `"size": 4`},
		{"PUT", "", `{"holdIn": true}`, `"1"`, 412, "read it again"},
		{"PUT", "", `{"size": 12, "drain": ["viot-t-cse-99"], "colour": 1, "rollback": "x"}`, "", 422, "max is 9"},
		{"PUT", "", `{"until": "2001-01-01T00:00:00Z", "size": 3}`, "", 422, "is over"},
		{"PUT", "", `{"until": "2101-01-01T00:00:00Z"}`, "", 422, "nothing of this ends"},
		{"PATCH", "", `[]`, "", 400, "merge patch"},
		{"PATCH", "", `{"size": null, "paused": null}`, "", 200, "{"},
		{"GET", "", "", "", 200, "{}"},
		{"PUT", "", `{"holdOut": true}`, "", 200, `"holdOut": true`},
		{"DELETE", "", "", "", 204, ""},
		{"DELETE", "", "", "", 204, ""},
	}
	for _, s := range steps {
		var headers []string
		if s.match != "" {
			headers = []string{"If-Match", s.match}
		}
		w := ask(a, s.method, path+s.query, s.body, headers...)
		if w.Code != s.status || !strings.Contains(w.Body.String(), s.want) {
			t.Errorf("%s%s %s: %d %s; want %d and %s", s.method, s.query, s.body, w.Code, w.Body, s.status, s.want)
		}
		if s.status == 422 && s.want == "max is 9" {
			for _, want := range []string{`no instance \"viot-t-cse-99\"`, "colour: no such field", "12 hexadecimal digits"} {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the problems lack %s:\n%s", want, w.Body)
				}
			}
		}
	}
	if _, err := c.Get(t.Context(), spec.OverrideKey("t", "cse")); err == nil {
		t.Error("an override that wants nothing is still in Consul")
	}
	if w := ask(a, "PUT", "/v1/pools/nope/override", `{"paused": true}`); w.Code != 404 {
		t.Errorf("a pool that is not declared: %d", w.Code)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	const override = "/v1/pools/cse/override"
	tests := []struct {
		name   string
		access Access
		method string
		header []string
		status int
	}{
		{"everybody reads", Access{}, "GET", nil, 200},
		{"nobody writes", Access{}, "DELETE", nil, 403},
		{"open writes", Access{OpenWrites: true}, "DELETE", nil, 204},
		{"open writes by a rebound name", Access{OpenWrites: true}, "DELETE", []string{"Host", "evil.example.com"}, 403},
		{"open writes by another origin", Access{OpenWrites: true}, "DELETE", []string{"Origin", "http://evil.example.com"}, 403},
		{"no token", Access{ReadToken: "r", WriteToken: "w"}, "GET", nil, 401},
		{"unknown token", Access{ReadToken: "r", WriteToken: "w"}, "GET", []string{"Authorization", "Bearer x"}, 401},
		{"reads", Access{ReadToken: "r", WriteToken: "w"}, "GET", []string{"Authorization", "bearer r"}, 200},
		{"may only read", Access{ReadToken: "r", WriteToken: "w"}, "DELETE", []string{"Authorization", "Bearer r"}, 403},
		{"writes", Access{ReadToken: "r", WriteToken: "w"}, "DELETE", []string{"Authorization", "Bearer w"}, 204},
		{"who writes reads", Access{ReadToken: "r", WriteToken: "w"}, "GET", []string{"Authorization", "Bearer w"}, 200},
		{"a token beats openness", Access{WriteToken: "w", OpenWrites: true}, "DELETE", nil, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := ask(standby(t, store{spec.PoolKey("t", "cse"): document(t)}, tt.access), tt.method, override, "", tt.header...)
			if w.Code != tt.status {
				t.Errorf("answer = %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type = %s", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := standby(t, store{spec.PoolKey("t", "cse"): document(t)}, Access{OpenWrites: true})
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v2", "", 404}, {"POST", "/v1/status", "", 405}, {"GET", "/v1/pools/cse/decisions?before=x", "", 400},
		{"GET", "/v1/pools/cse/decisions/0", "", 400}, {"GET", "/v1/pools/cse/decisions/7", "", 404}, {"GET", "/v1/pools/a%2fb", "", 404},
		{"PUT", "/v1/pools/cse/override", strings.Repeat(" ", maxOverride+1), 413}, {"PUT", "/v1/pools/cse/override?for=-1h", "{}", 400},
		{"PUT", "/v1/pools/cse/override?for=1h", "{}", 422}, {"GET", "/v1/instances?pool=x", "", 404},
	} {
		if w := ask(a, tt.method, tt.path, tt.body); w.Code != tt.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, w.Code, w.Body, tt.status)
		}
	}
	w := ask(a, "POST", "/v1/policies/check", `{"min": -1, "maxx": 1}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"valid": false`) || !strings.Contains(w.Body.String(), "do you mean max?") {
		t.Errorf("check: %d %s", w.Code, w.Body)
	}
	for _, tt := range []struct{ document, want string }{
		{`{"max": 3, "targetUtilisation": 0.5, "algorithm": "hpaa", "shadow": "hpa:targt=1"}`, `"field": "algorithm"`},
		{`{"max": 3, "targetUtilisation": 0.5, "algorithm": "hpaa", "shadow": "hpa:targt=1"}`, `"field": "shadow"`},
		{`{"max": 3, "targetUtilisation": 0.5, "shadow": "kneda"}`, `no scaling rule \"kneda\"`},
		{`{"stack": "t", "policy": {"algorithm": "kneda"}}`, `"field": "policy.algorithm"`},
		{`{"max": 3, "targetUtilisation": 0.5, "scaleInAfter": "30s", "algorithm": "viot", "shadow": "hpa:target=0.6"}`, `"valid": true`},
	} {
		if w := ask(a, "POST", "/v1/policies/check", tt.document); w.Code != 200 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("check of %s: %d %s, want %s", tt.document, w.Code, w.Body, tt.want)
		}
	}
	if w := ask(a, "GET", "/", ""); w.Code != 200 || strings.Contains(w.Body.String(), "src=") || strings.Contains(w.Body.String(), "href=") {
		t.Errorf("the page: %d; want one that needs nothing else", w.Code)
	}
}

// matches says what of a JSON value a schema does not allow.
func matches(document object, schema object, v any, path string) (bad []string) {
	if ref, ok := schema["$ref"].(string); ok {
		schemas := document["components"].(object)["schemas"].(object)
		return matches(document, schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(object), v, path)
	}
	kind := ""
	switch v := v.(type) {
	case map[string]any:
		kind = "object"
		properties, _ := schema["properties"].(object)
		for name, each := range v {
			if p, ok := properties[name].(object); ok {
				bad = append(bad, matches(document, p, each, path+"."+name)...)
			} else if extra, ok := schema["additionalProperties"].(object); ok {
				bad = append(bad, matches(document, extra, each, path+"."+name)...)
			} else if schema["additionalProperties"] == false {
				bad = append(bad, path+"."+name+" is not in the document")
			}
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				bad = append(bad, path+"."+name.(string)+" is required")
			}
		}
	case []any:
		kind = "array"
		for _, each := range v {
			bad = append(bad, matches(document, schema["items"].(object), each, path+"[]")...)
		}
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if schema["type"] == "integer" && v == float64(int64(v)) {
			kind = "integer"
		}
	}
	if schema["type"] != kind {
		bad = append(bad, path+" is a "+kind+", not as in the document")
	}
	return bad
}

// TestOpenAPI walks the routes: each is in the document that is served, and answers as the document says.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	full := fleet.Inputs{Votes: []fleet.Vote{{Voter: "demand"}}, Clamps: []fleet.Clamp{{Name: "max"}}, Shadow: &fleet.Shadow{Algorithm: "x"}, ScaleInAt: time.Now()}
	d := fleet.Decision{Number: 1, At: time.Now(), Ops: []fleet.Op{{Kind: fleet.Start, Instance: "viot-t-cse-1"}}, Inputs: full}
	report := fleet.Report{RoundAt: time.Now(), Pools: []fleet.PoolReport{{
		Policy: spec.Policy{Min: 1, Max: 9, SLO: spec.SLO{Wait: 0.1}, Signals: []spec.Signal{{Name: "a"}}}.WithDefaults(), Status: spec.Status{Pool: "cse", Rollout: "x"},
		Instances: []fleet.Instance{{Name: "viot-t-cse-1", Since: time.Now()}}, Inputs: full, Decisions: []fleet.Decision{d},
	}}}
	s := store{spec.PoolKey("t", "cse"): document(t)}
	a := standby(t, s, Access{OpenWrites: true})
	a.Acting = func() (fleet.Report, bool) { return report, true }
	var doc object
	if err := json.Unmarshal(ask(a, "GET", "/v1/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{"PUT": `{"size": 2, "drain": ["viot-t-cse-1"]}`, "PATCH": `{"paused": true}`, "POST": document(t)}
	checked := 0
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.TrimSuffix(path, "{$}")
		op, ok := doc["paths"].(object)[path].(object)[strings.ToLower(method)].(object)
		if !ok {
			t.Errorf("%s is not in the document", r.pattern)
			continue
		}
		if r.answer == nil {
			continue
		}
		w := ask(a, method, strings.NewReplacer("{pool}", "cse", "{number}", "1").Replace(path), bodies[method])
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != 200 {
			t.Errorf("%s: %d %v %s", r.pattern, w.Code, err, w.Body)
			continue
		}
		content := op["responses"].(object)["200"].(object)["content"].(object)["application/json"].(object)
		for _, bad := range matches(doc, content["schema"].(object), v, "") {
			t.Errorf("%s: %s", r.pattern, bad)
		}
		checked++
	}
	if checked < 11 {
		t.Errorf("only %d answers were compared", checked)
	}
}

// TestEvents follows a pool over a real connection, resumes, and is told all where it cannot resume.
func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		l, missed, resumed, _, err := s.listen("")
		if err != nil || resumed || len(missed) > 0 {
			t.Fatalf("a new listener: %v, resumed %t, missed %d", err, resumed, len(missed))
		}
		for range 3 {
			s.publish(api.EventGone, "cse", api.Gone{Pool: "cse"}, true)
		}
		s.publish(api.EventLoad, "cse", api.Load{}, false)
		if got := len(l); got != 4 {
			t.Errorf("the listener has %d events, want 4", got)
		}
		if _, missed, resumed, _, _ := s.listen(s.epoch + "-1"); !resumed || len(missed) != 2 {
			t.Errorf("resumed after the first: %t with %d events, want 2", resumed, len(missed))
		}
		for _, id := range []string{"other-1", s.epoch + "-9", s.epoch + "-x", "x"} {
			if _, _, resumed, _, _ := s.listen(id); resumed {
				t.Errorf("resumed after %s, which is not kept", id)
			}
		}
		for range keptEvents + behind {
			s.publish(api.EventGone, "cse", api.Gone{Pool: "cse"}, true)
		}
		if s.listened() {
			t.Error("listeners that take nothing are still there")
		}
		if _, _, resumed, _, _ := s.listen(s.epoch + "-1"); resumed {
			t.Error("resumed after an event that is not kept any more")
		}
		for range mostListeners {
			_, _, _, _, err = s.listen("")
		}
		if err == nil {
			t.Error("listeners are not bounded")
		}
		s.end()
		if _, _, _, _, err := s.listen(""); err == nil {
			t.Error("one may listen to what has ended")
		}
	})
}

func TestClientFollowsEvents(t *testing.T) {
	t.Parallel()
	report := fleet.Report{RoundAt: time.Now(), Pools: []fleet.PoolReport{{Status: spec.Status{Pool: "cse", Desired: 1}}}}
	a := standby(t, store{}, Access{})
	a.Acting = func() (fleet.Report, bool) { return report, true }
	told := &seen{statuses: map[string]spec.Status{}, numbers: map[string]int{}}
	a.look(t.Context(), told)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	defer a.events.end()
	c, err := api.New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	var got []string
	err = c.Events(t.Context(), "", func(e api.Event) error {
		got = append(got, e.Kind)
		if len(got) == 1 { // it listens
			next := report
			next.Pools = []fleet.PoolReport{{Status: spec.Status{Pool: "cse", Desired: 2}, Decisions: decisions(1)}}
			a.Acting = func() (fleet.Report, bool) { return next, true }
			a.look(t.Context(), told)
		}
		if e.Kind == api.EventDecision {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(got, []string{"status", "status", "decision"}) {
		t.Errorf("events %v ended with %v; want the status, its change and the decision", got, err)
	}
}

// FuzzOverride sends hostile overrides and queries: each is answered with its reason, and what is stored is an override.
func FuzzOverride(f *testing.F) {
	f.Add(`{"paused":true,"size":3}`, "for=1h", false)
	f.Add(`{"drain":["viot-t-cse-4","x"],"until":"2101-01-01T00:00:00Z"}`, "limit=-1&before=9", true)
	f.Add(`{"size":null,"rollback":"0123456789ab"}`, "for=%zz;", true)
	f.Fuzz(func(t *testing.T, body, query string, patch bool) {
		s := store{spec.PoolKey("t", "cse"): document(t)}
		a := standby(t, s, Access{OpenWrites: true})
		method := http.MethodPut
		if patch {
			method = http.MethodPatch
		}
		for _, path := range []string{"/v1/pools/cse/override", "/v1/pools/cse/decisions", "/v1/instances"} {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			if path != "/v1/pools/cse/override" {
				r.Method = http.MethodGet
			}
			r.Host, r.URL.RawQuery = "localhost", query
			w := httptest.NewRecorder()
			a.Handler().ServeHTTP(w, r)
			text, _ := io.ReadAll(w.Body)
			var p api.Problem
			if w.Code >= 500 || !json.Valid(text) || w.Code >= 400 && (json.Unmarshal(text, &p) != nil || p.Detail == "" || p.Status != w.Code) {
				t.Fatalf("%s %s?%q: %d %s", r.Method, path, query, w.Code, text)
			}
		}
		if text, ok := s[spec.OverrideKey("t", "cse")]; ok {
			o, err := spec.ParseOverride([]byte(text))
			if err != nil || o.Size != nil && (*o.Size < 1 || *o.Size > 9) {
				t.Fatalf("stored %s: %v", text, err)
			}
		}
	})
}
