package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// TestExplain asks the real interface, over a connection, why a pool is as large as it is.
func TestExplain(t *testing.T) {
	t.Parallel()
	d := fleet.Decision{Number: 7, Kind: fleet.ScaleOut, Cause: "needs 3", Ops: []fleet.Op{{Kind: fleet.Start, Instance: "viot-t-cse-3"}}, Inputs: fleet.Inputs{
		Before: 2, After: 3, Need: 4, Winner: "trend", Otherwise: "2 without trend",
		Votes:  []fleet.Vote{{Voter: "trend", Need: 4, Value: 3.5, Why: "it grows"}, {Voter: "lag", Abstains: true, Why: "not read"}},
		Clamps: []fleet.Clamp{{Name: "max", From: 4, To: 3, Why: "max is 3"}},
	}}
	acting := func() (fleet.Report, bool) {
		return fleet.Report{Pools: []fleet.PoolReport{{Status: spec.Status{Pool: "cse"}, Decisions: []fleet.Decision{d}}}}, true
	}
	a := admin.New(admin.Admin{Stack: "t", Acting: acting, Leader: func() string { return "a" }, Log: hclog.NewNullLogger()})
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	got, err := call(t, "explain", "-orchestrator", server.URL, "cse", "7")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"size 2 -> 3", "trend  4     3.5", "lag    -", "max    4     3", "otherwise: 2 without trend", "does: start viot-t-cse-3"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if _, err := call(t, "explain", "cse", "8", "-orchestrator", server.URL); err == nil || !strings.Contains(err.Error(), "no decision 8") {
		t.Errorf("a decision that is not kept: %v", err)
	}
}

func TestChangesAreSent(t *testing.T) {
	t.Parallel()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		json.NewDecoder(r.Body).Decode(&body)
		delete(body, "by")
		text, _ := json.Marshal(body)
		got = append(got, r.Method+" "+r.URL.String()+" "+string(text))
		w.Write([]byte("{}"))
	}))
	defer server.Close()
	for args, want := range map[string]string{
		"scale cse 4 -for 1h": `PATCH /v1/pools/cse/override?for=1h0m0s {"size":4}`,
		"scale cse auto":      `PATCH /v1/pools/cse/override {"size":null}`,
		"pause cse -reason x": `PATCH /v1/pools/cse/override {"paused":true,"reason":"x"}`,
		"resume cse":          `PATCH /v1/pools/cse/override {"holdIn":null,"holdOut":null,"paused":null}`,
		"hold -in cse":        `PATCH /v1/pools/cse/override {"holdIn":true,"holdOut":false}`,
	} {
		got = nil
		if _, err := call(t, append(strings.Fields(args), "-orchestrator", server.URL)...); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("viot %s sent %q (%v), want %s", args, got, err, want)
		}
	}
	server.Close()
	for _, args := range []string{"scale cse 4", "explain cse", "drain x"} {
		if _, err := call(t, append(strings.Fields(args), "-orchestrator", server.URL)...); err == nil || !strings.Contains(err.Error(), "make status") {
			t.Errorf("viot %s with nobody there: %v, want advice", args, err)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte(`{"min": -1, "maxx": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := call(t, "policy", "check", file)
	if err == nil || !strings.Contains(got, "do you mean max?") || !strings.Contains(got, "min -1") {
		t.Errorf("%v\n%s", err, got)
	}
}
