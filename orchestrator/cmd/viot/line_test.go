package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

func TestLongFlagsTakeOneDashOrTwo(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"status -url x":                "status --url x",
		"status --url=x -o json":       "status --url=x -o json",
		"status -url=x -ojson":         "status --url=x -ojson",
		"scale cse 4 -for 1h":          "scale cse 4 --for 1h",
		"scale cse 4 -reason -for -h":  "scale cse 4 --reason -for -h",
		"hold -in cse -what":           "hold --in cse --what",
		"rollout status cse -watch -w": "rollout status cse --watch -w",
		"scale cse -- -url":            "scale cse -- -url",
		"__complete status -url x -o ": "__complete status --url x -o ",
	} {
		if got := twoDashes(newRoot(), strings.Split(args, " ")); !slices.Equal(got, strings.Split(want, " ")) {
			t.Errorf("%s: %q, want %s", args, got, want)
		}
	}
}

func TestErrorsAreToldAsAskedFor(t *testing.T) {
	t.Parallel()
	refused := &api.Problem{Status: 422, Detail: "the override is refused", Problems: []spec.Problem{{Field: "size", Detail: "size 12: max is 9"}}}
	for _, tt := range []struct {
		args string
		err  error
		want string
	}{
		{"scale cse 12", refused, "viot: the override is refused\n  size 12: max is 9\n"},
		{"scale cse 12 -o json", fmt.Errorf("ask: %w", refused), `{"error":"the override is refused","status":422,"problems":[{"field":"size","detail":"size 12: max is 9"}]}` + "\n"},
		{"scale cse -o=json", errors.New("no"), `{"error":"no"}` + "\n"},
		{"scale --output json", errors.New("no"), `{"error":"no"}` + "\n"},
		{"-ojson scale", errors.New("no"), `{"error":"no"}` + "\n"},
		{"scale json -o table", errors.New("no"), "viot: no\n"},
	} {
		var out strings.Builder
		tell(&out, strings.Fields(tt.args), tt.err)
		if out.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, &out, tt.want)
		}
	}
}

// orchestrator is the real interface of one that acts for two pools.
func orchestrator(t *testing.T) *httptest.Server {
	instances := func(pool string) []fleet.Instance {
		return []fleet.Instance{{Name: "viot-t-" + pool + "-1", State: fleet.Ready}, {Name: "viot-t-" + pool + "-2", State: fleet.Booting}}
	}
	acting := func() (fleet.Report, bool) {
		return fleet.Report{Pools: []fleet.PoolReport{
			{Status: spec.Status{Pool: "cse", Desired: 3, Ready: 2, Template: "0123", Cause: "needs 3", Override: "paused"}, Instances: instances("cse"),
				Decisions: []fleet.Decision{{Number: 6, Kind: fleet.Hold, Cause: "max is 3"}, {Number: 7, Kind: fleet.ScaleOut, Cause: "needs 3"}}},
			{Status: spec.Status{Pool: "queue", Problem: "no such image"}, Instances: instances("queue")},
		}}, true
	}
	a := admin.New(admin.Admin{Stack: "t", Acting: acting, Leader: func() string { return "a" }, Log: hclog.NewNullLogger()})
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return server
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	at := orchestrator(t).URL
	for args, want := range map[string]string{
		"explain |":                   "cse\t2 of 3 ready,queue\t0 of 0 ready",
		"explain cse |":               "7\tscale-out: needs 3,6\thold: max is 3",
		"explain cse 7 |":             "",
		"explain none |":              "",
		"scale |":                     "cse\t2 of 3 ready,queue\t0 of 0 ready",
		"scale cse |":                 "auto\tas decided",
		"rollout undo |":              "cse\t2 of 3 ready,queue\t0 of 0 ready",
		"drain viot-t-cse-1 |":        "viot-t-cse-2\tbooting,viot-t-queue-1\tready,viot-t-queue-2\tbooting",
		"status -o |":                 "lines,table,json",
		"explain cse -o |":            "table,json",
		"pause cse |":                 "",
		"rollout sta|":                "status\tsay how far an update is",
		"explain -orchestrator 0:1 |": "", // nobody is there: the last word on where counts
	} {
		words := append([]string{"__complete"}, strings.Split(strings.TrimSuffix(args, "|"), " ")...)
		if !strings.Contains(args, "-orchestrator") && !strings.HasPrefix(args, "rollout sta") && !strings.HasPrefix(args, "status") {
			words = slices.Insert(words, 2, "-orchestrator="+at)
			if words[1] == "rollout" {
				words[2], words[3] = words[3], words[2]
			}
		}
		out, err := call(t, words...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		got := strings.Join(lines[:len(lines)-1], ",") // the last is for the shell
		if err != nil || got != want {
			t.Errorf("%s: %v, %q, want %q", args, err, got, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, err := call(t, "completion", shell); err != nil || !strings.Contains(out, "__complete") {
			t.Errorf("completion %s: %v, %d bytes", shell, err, len(out))
		}
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	at := orchestrator(t).URL
	for args, want := range map[string]string{
		"status":          "pool.cse.override: paused\n",
		"status -o lines": "leader: a\n",
		"status -o table": "POOL   DESIRED  READY  BOOTING",
		"explain cse":     "decision 7,",
	} {
		if out, err := call(t, append(strings.Fields(args), "-orchestrator", at)...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, lacks %q:\n%s", args, err, want, out)
		}
	}
	if out, err := call(t, "status", "-o", "table", "-url", at); err != nil || !strings.Contains(out, "cse: asked for: paused") || !strings.Contains(out, "queue: problem: no such image") {
		t.Errorf("status -o table: %v\n%s", err, out)
	}
	for _, args := range []string{"status", "explain cse", "explain cse 6"} {
		var v map[string]any
		if out, err := call(t, append(strings.Fields(args), "-o", "json", "-orchestrator", at)...); err != nil || json.Unmarshal([]byte(out), &v) != nil || len(v) == 0 {
			t.Errorf("%s -o json: %v\n%s", args, err, out)
		}
	}
	for _, args := range []string{"explain cse -o lines", "explain", "explain cse 7 8", "status x", "status -o xml", "top x", "drain", "policy"} {
		if _, err := call(t, append(strings.Fields(args), "-orchestrator", at)...); err == nil {
			t.Errorf("%s: want an error", args)
		}
	}
}

// TestTopWithoutTerminal is a line of JSON for each change, and advice where nobody is.
func TestTopWithoutTerminal(t *testing.T) {
	t.Parallel()
	server := orchestrator(t)
	lines := &firstLine{line: make(chan string, 1)}
	c := newRoot()
	c.SetOut(lines)
	c.SetArgs([]string{"top", "--orchestrator", server.URL})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(t.Context()) }()
	var l struct {
		Event string
		Data  spec.Status
	}
	if err := json.Unmarshal([]byte(<-lines.line), &l); err != nil || l.Event != "status" || l.Data.Pool != "cse" {
		t.Errorf("first line: %v %+v", err, l)
	}
	if err := <-ended; !errors.Is(err, errFull) {
		t.Errorf("ended with %v, want what its reader failed with", err)
	}
	server.Close()
	if _, err := call(t, "top", "-orchestrator", server.URL); err == nil || !strings.Contains(err.Error(), "make status") {
		t.Errorf("with nobody there: %v, want advice", err)
	}
}

// firstLine takes one line and fails after.
type firstLine struct {
	line chan string
	full bool
}

var errFull = errors.New("one line is enough")

func (f *firstLine) Write(text []byte) (int, error) {
	if f.full {
		return 0, errFull
	}
	f.full = true
	f.line <- string(text)
	return len(text), nil
}
