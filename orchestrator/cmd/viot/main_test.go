package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// call runs a command and returns what it wrote to standard output.
func call(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr strings.Builder
	err := run(t.Context(), args, &stdout, &stderr)
	return stdout.String(), err
}

func TestStatusPrintsKeysAndValues(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		json.NewEncoder(w).Encode(map[string]any{"leader": "one", "pools": []spec.Status{
			{Pool: "cse", Desired: 3, Ready: 2, Booting: 1, Updated: 2, Template: "0123", Cause: "needs 3", Problem: "max is 3"},
		}})
	}))
	defer server.Close()
	got, err := call(t, "status", "-url", server.URL)
	want := `leader: one
pool.cse.desired: 3
pool.cse.ready: 2
pool.cse.booting: 1
pool.cse.draining: 0
pool.cse.updated: 2
pool.cse.template: 0123
pool.cse.cause: needs 3
pool.cse.problem: max is 3
`
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestStatusSaysWhatToDo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if _, err := call(t, "status", "-url", server.URL); err == nil || !strings.Contains(err.Error(), "make up") {
		t.Errorf("nobody answers: got %v, want advice", err)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"fly"}, {"sweep"}, {"sweep", "-stack", "x", "-cache"}, {"status", "-what"}} {
		if _, err := call(t, args...); err == nil {
			t.Errorf("viot %v: want an error", args)
		}
	}
}

// TestSweepRemovesOneStackOnly makes two stacks on the real engine and sweeps one.
func TestSweepRemovesOneStackOnly(t *testing.T) {
	t.Parallel()
	engine, err := docker.Open(t.Context(), "")
	if err != nil {
		t.Fatalf("this test needs Docker: %v", err)
	}
	defer engine.Close()
	random := make([]byte, 4)
	rand.Read(random)
	stacks := [2]string{"t" + hex.EncodeToString(random) + "a", "t" + hex.EncodeToString(random) + "b"}
	for _, stack := range stacks {
		labels := map[string]string{spec.LabelStack: stack}
		t.Cleanup(func() {
			if err := run(context.Background(), []string{"sweep", "-stack", stack}, io.Discard, io.Discard); err != nil {
				t.Error(err)
			}
		})
		if err := engine.CreateVolume(t.Context(), "viot-"+stack+"-v", labels); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.CreateNetwork(t.Context(), docker.NetworkSpec{Name: "viot-" + stack, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	listed := func(stack string) string {
		t.Helper()
		got, err := call(t, "inventory", "-stack", stack)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := func(stack string) string { return "network viot-" + stack + "\nvolume viot-" + stack + "-v\n" }
	if got := listed(stacks[0]); got != all(stacks[0]) {
		t.Errorf("inventory before: got\n%s\nwant\n%s", got, all(stacks[0]))
	}
	if got, err := call(t, "sweep", "-stack", stacks[0]); err != nil || got != "removed network viot-"+stacks[0]+"\nremoved volume viot-"+stacks[0]+"-v\n" {
		t.Errorf("sweep: %v\n%s", err, got)
	}
	if got := listed(stacks[0]); got != "" {
		t.Errorf("after the sweep there is still\n%s", got)
	}
	if got := listed(stacks[1]); got != all(stacks[1]) {
		t.Errorf("the other stack has\n%s\nwant\n%s", got, all(stacks[1]))
	}
	if got, err := call(t, "sweep", "-stack", stacks[0]); err != nil || got != "" {
		t.Errorf("a second sweep: %v\n%s", err, got)
	}
}
