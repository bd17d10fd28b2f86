package cse_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// inbox is a receiver of notifications.
type inbox struct {
	mu    sync.Mutex
	sizes []int // how many notifications came at once; 0 is one that came alone. Guarded by mu.
	total int   // guarded by mu
}

func (v *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c struct {
		One  *struct{} `json:"m2m:sgn"`
		Many struct {
			All []struct{} `json:"m2m:sgn"`
		} `json:"m2m:agn"`
	}
	if err := json.NewDecoder(r.Body).Decode(&c); err == nil {
		v.mu.Lock()
		v.sizes = append(v.sizes, len(c.Many.All))
		v.total += max(len(c.Many.All), 1)
		v.mu.Unlock()
	}
	w.Header().Set("X-M2M-RI", r.Header.Get("X-M2M-RI"))
	w.Header().Set("X-M2M-RSC", "2000")
}

func (v *inbox) received() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.total
}

// TestGroupNotifications has the notifications of subscriptions that were made through a group passed on by it, one by one and put
// together. TS-0001 clause 10.2.7.12.
func TestGroupNotifications(t *testing.T) {
	t.Parallel()
	c := run(t, sqliteFile(t), "-drain-timeout", "2s")
	eventually(t, "ready", func() bool { return c.send("GET", "/readyz", "", 0, "").status == 200 })
	c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
	for _, name := range []string{"a", "b", "c"} {
		c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"`+name+`"}}`)
	}
	for _, s := range []struct{ name, more string }{{"alone", ""}, {"together", `,"nar":{"num":2,"dur":"PT1S"}`}} {
		v := &inbox{}
		receiver := httptest.NewServer(v)
		t.Cleanup(receiver.Close)
		c.must("POST", "/cse-in/ae", "Cme", 9, `{"m2m:grp":{"rn":"`+s.name+`","mnm":5,"mid":["cse-in/ae/a","cse-in/ae/b","cse-in/ae/c"]`+s.more+`}}`)
		made := c.must("POST", "/cse-in/ae/"+s.name+"/fopt", "Cme", 23,
			fmt.Sprintf(`{"m2m:sub":{"rn":%q,"nu":["http://127.0.0.1:1/"],"nfu":%q,"enc":{"net":[3]}}}`, s.name, receiver.URL))
		if got := answers(made); got != "2001 2001 2001" {
			t.Fatalf("%s: subscriptions: got %s", s.name, made.body)
		}
		if got := made.path("m2m:agr/m2m:rsp/0/pc/m2m:sub/nu/0"); got != "/id-in/"+c.must("GET", "/cse-in/ae/"+s.name, "Cme", 0, "").path("m2m:grp/ri").(string) {
			t.Errorf("%s: told is %v, want the group", s.name, got)
		}
		c.must("POST", "/cse-in/ae/"+s.name+"/fopt", "Cme", 4, `{"m2m:cin":{"con":"x"}}`)
		eventually(t, s.name+": all received", func() bool { return v.received() >= 3 })
		v.mu.Lock()
		want := map[string]string{"alone": "[0 0 0]", "together": "[2 1]"}[s.name]
		if got := fmt.Sprint(v.sizes); got != want {
			t.Errorf("%s: got %s, want %s", s.name, got, want)
		}
		v.mu.Unlock()
		c.must("DELETE", "/cse-in/ae/"+s.name+"/fopt/"+s.name, "Cme", 0, "")
	}
	if a := c.send("POST", "/cse-in/ae/alone", "Cother", 0, `{"m2m:sgn":{"nfu":"http://127.0.0.1:1/"}}`); a.rsc != 4103 {
		t.Errorf("notified by anybody: got %d %s", a.rsc, a.body)
	}
}
