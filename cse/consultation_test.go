package cse_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a dynamic authorization server: it lets one originator retrieve, for as long as it is told to.
type authority struct {
	t        *testing.T
	server   *httptest.Server
	grants   string // originator
	lifetime string // privilegesLifetime, in JSON; empty is none
	asked    atomic.Int64
}

func newAuthority(t *testing.T, grants, lifetime string) *authority {
	v := &authority{t: t, grants: grants, lifetime: lifetime}
	v.server = httptest.NewServer(v)
	t.Cleanup(v.server.Close)
	return v
}

// ServeHTTP answers m2m:securityInfo, TS-0003 clause 7.3.
func (v *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked.Add(1)
	var c struct {
		Info struct {
			Type    int `json:"sit"`
			Request struct {
				Originator string `json:"or"`
				Operation  int    `json:"op"`
				Target     string `json:"trid"`
			} `json:"dreq"`
		} `json:"m2m:seci"`
	}
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || c.Info.Type != 1 || c.Info.Request.Operation == 0 || c.Info.Request.Target == "" {
		v.t.Errorf("asked %+v, %v", c, err)
	}
	w.Header().Set("X-M2M-RI", r.Header.Get("X-M2M-RI"))
	if c.Info.Request.Originator != v.grants {
		w.Header().Set("X-M2M-RSC", "4103")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	lifetime := ""
	if v.lifetime != "" {
		lifetime = `,"pl":` + v.lifetime
	}
	w.Header().Set("X-M2M-RSC", "2000")
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"m2m:seci":{"sit":2,"dres":{"dai":{"gp":{"acr":[{"acor":[%q],"acop":2}]}%s}}}}`, v.grants, lifetime)
}

// TestConsultation has access decided by authorization servers where policies refuse it.
func TestConsultation(t *testing.T) {
	t.Parallel()
	address := sqliteFile(t)
	c, other := newClient(t, address), newClient(t, address)
	c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
	forLong := newAuthority(t, "Cguest", `"`+time.Now().Add(time.Hour).UTC().Format("20060102T150405")+`"`)
	forOnce := newAuthority(t, "Cguest", "")
	for name, v := range map[string]*authority{"long": forLong, "once": forOnce} {
		dac := c.must("POST", "/cse-in/ae", "Cme", 34, fmt.Sprintf(`{"m2m:dac":{"rn":"dac-%s","dae":true,"dap":["http://127.0.0.1:1/",%q]}}`, name, v.server.URL)).text("m2m:dac/ri")
		c.must("POST", "/cse-in/ae", "Cme", 3, fmt.Sprintf(`{"m2m:cnt":{"rn":%q,"daci":[%s]}}`, name, dac))
		c.must("POST", "/cse-in/ae/"+name, "Cme", 3, `{"m2m:cnt":{"rn":"sub"}}`)
	}
	for _, s := range []struct {
		what   string
		on     *client
		method string
		to     string
		from   string
		rsc    int
		asked  int64 // of forLong and forOnce together, so far
	}{
		{"the owner needs nobody", c, "GET", "long", "Cme", 2000, 0},
		{"granted", c, "GET", "long", "Cguest", 2000, 1},
		{"still granted", c, "GET", "long", "Cguest", 2000, 1},
		{"also on the other instance", other, "GET", "long", "Cguest", 2000, 1},
		{"another operation is asked about", c, "DELETE", "long", "Cguest", 4103, 2},
		{"another resource is asked about", c, "GET", "long/sub", "Cguest", 2000, 3},
		{"refused", c, "GET", "long", "Cother", 4103, 4},
		{"granted once", c, "GET", "once", "Cguest", 2000, 5},
		{"and once more", c, "GET", "once", "Cguest", 2000, 6},
		{"not linked", c, "GET", "", "Cguest", 4103, 6},
	} {
		to := "/cse-in/ae"
		if s.to != "" {
			to += "/" + s.to
		}
		if a := s.on.send(s.method, to, s.from, 0, ""); a.rsc != s.rsc {
			t.Errorf("%s: got %d %s, want %d", s.what, a.rsc, a.body, s.rsc)
		}
		if got := forLong.asked.Load() + forOnce.asked.Load(); got != s.asked {
			t.Errorf("%s: asked %d times, want %d", s.what, got, s.asked)
		}
	}
	c.must("PUT", "/cse-in/ae/dac-once", "Cme", 0, `{"m2m:dac":{"dae":false}}`)
	if a := c.send("GET", "/cse-in/ae/once", "Cguest", 0, ""); a.rsc != 4103 {
		t.Errorf("not enabled: got %d %s", a.rsc, a.body)
	}
	if a := c.must("GET", "/cse-in/ae/dac-long", "Cme", 0, ""); a.path("m2m:dac/_grants") != nil || a.path("m2m:dac/st") != nil {
		t.Errorf("grants are shown: %s", a.body)
	}
}

// TestAliases has originators that rules name by a group or by a role.
func TestAliases(t *testing.T) {
	t.Parallel()
	c := newClient(t, sqliteFile(t))
	for _, id := range []string{"Cme", "Cone", "Ctwo"} {
		c.must("POST", "/cse-in", id, 2, `{"m2m:ae":{"rn":"`+id+`","api":"Nx","rr":false}}`)
	}
	group := c.must("POST", "/cse-in", "CAdmin", 9, `{"m2m:grp":{"rn":"team","mnm":5,"mid":["cse-in/Cone"]}}`).path("m2m:grp/ri")
	acp := c.must("POST", "/cse-in/Cme", "Cme", 1, fmt.Sprintf(`{"m2m:acp":{"pv":{"acr":[{"acor":[%q,"R1"],"acop":35}]},
		"pvs":{"acr":[{"acor":["Cme"],"acop":63}]}}}`, group)).path("m2m:acp/ri")
	c.must("POST", "/cse-in/Cme", "Cme", 3, fmt.Sprintf(`{"m2m:cnt":{"rn":"c","acpi":[%q]}}`, acp))
	role := func(id, from, until string) {
		c.must("POST", "/cse-in", "CAdmin", 31, fmt.Sprintf(`{"m2m:rol":{"rlid":%q,"tkis":"Cissuer","tkhd":"Ctwo","tknb":%q,"tkna":%q}}`, id, from, until))
	}
	role("R1", "20200101T000000", "20400101T000000")
	role("R2", "20200101T000000", "20200102T000000")
	for _, s := range []struct {
		what, method, to, from string
		rsc                    int
		more                   string
	}{
		{"member", "GET", "", "Cone", 2000, ""},
		{"member creates", "POST", "", "Cone", 2001, ""},
		{"member deletes", "DELETE", "", "Cone", 4103, ""},
		{"no member", "GET", "", "Ctwo", 4103, ""},
		{"role", "GET", "?rids=R1", "Ctwo", 2000, ""},
		{"role of another", "GET", "?rids=R1", "Cthree", 4103, ""},
		{"role that is over", "GET", "?rids=R2", "Ctwo", 4103, ""},
	} {
		body, ty := "", 0
		if s.method == "POST" {
			body, ty = `{"m2m:cin":{"con":"x"}}`, 4
		}
		if a := c.send(s.method, "/cse-in/Cme/c"+s.to, s.from, ty, body); a.rsc != s.rsc {
			t.Errorf("%s: got %d %s, want %d", s.what, a.rsc, a.body, s.rsc)
		}
	}
	if a := c.must("GET", "/cse-in?fu=1&ty=3", "Cone", 0, ""); a.text("m2m:uril/0") != `"cse-in/Cme/c"` {
		t.Errorf("a member discovers: got %s", a.body)
	}
}
