// Package test holds what is asserted about the project as a whole. This file keeps its parts apart: who may
// import whom is the architecture, and it fails here before it fails in production.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/viot-project/viot/"

// pkg is what go list says of one package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func (p pkg) local() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func under(path string, trees ...string) bool {
	for _, tree := range trees {
		if path == tree || strings.HasPrefix(path, tree+"/") {
			return true
		}
	}
	return false
}

// An edge is forbidden when from matches one tree, to another, and no exception applies.
var forbidden = []struct {
	why    string
	from   []string
	to     []string
	except []string
}{
	{"cse, orchestrator and infra meet over HTTP, Consul and Docker labels",
		[]string{"cse"}, []string{"infra", "orchestrator", "stacks", "test"}, nil},
	{"cse, orchestrator and infra meet over HTTP, Consul and Docker labels",
		[]string{"infra"}, []string{"cse", "orchestrator", "stacks", "test"}, nil},
	{"orchestrator uses of infra only the shared documents and the thin clients",
		[]string{"orchestrator"}, []string{"infra", "cse", "stacks", "test"}, []string{"infra/spec", "infra/docker", "infra/consul"}},
	{"the clients know neither provider nor components",
		[]string{"infra/spec", "infra/docker", "infra/consul", "infra/images"}, []string{"infra/provider", "infra/sdk"}, nil},
	{"observe, decide and act know fleet, not each other",
		[]string{"orchestrator/observe"}, []string{"orchestrator/decide", "orchestrator/act"}, nil},
	{"observe, decide and act know fleet, not each other",
		[]string{"orchestrator/decide"}, []string{"orchestrator/observe", "orchestrator/act"}, nil},
	{"observe, decide and act know fleet, not each other",
		[]string{"orchestrator/act"}, []string{"orchestrator/observe", "orchestrator/decide"}, nil},
	{"the balancer's companion does not know the loop",
		[]string{"orchestrator/balancer"}, []string{"orchestrator/loop", "orchestrator/decide", "orchestrator/act", "orchestrator/observe"}, nil},
	{"a binding does not know where resources are kept",
		[]string{"cse/httpbinding"}, []string{"cse/store"}, nil},
	{"the way to others is known neither to who asks for it nor bound to a protocol",
		[]string{"cse/dispatch"}, []string{"cse/reach", "cse/httpbinding"}, nil},
	{"the way to others is known neither to who asks for it nor bound to a protocol",
		[]string{"cse/reach"}, []string{"cse/dispatch", "cse/httpbinding"}, nil},
	{"the client is what applications take: it needs nothing of the server",
		[]string{"cse/client"}, []string{"cse"}, nil},
	{"who an originator is, is known before anything is done for it",
		[]string{"cse/identity"}, []string{"cse/store", "cse/dispatch", "cse/httpbinding", "cse/access"}, nil},
	{"a serialisation does not know what it is used for",
		[]string{"cse/serialisation"}, []string{"cse/store", "cse/dispatch", "cse/httpbinding", "cse/identity"}, nil},
	{"a store does not know bindings",
		[]string{"cse/store"}, []string{"cse/httpbinding", "cse/dispatch"}, nil},
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for _, rule := range forbidden {
		for _, p := range all {
			if !under(p.local(), rule.from...) {
				continue
			}
			for _, imported := range p.Imports {
				to, ours := strings.CutPrefix(imported, module)
				if ours && under(to, rule.to...) && !under(to, rule.except...) && !under(to, rule.from...) {
					t.Errorf("%s imports %s: %s", p.local(), to, rule.why)
				}
			}
		}
	}
}

// TestRulesCoverTheTree fails when a rule names a folder that no longer exists, and so checks nothing.
func TestRulesCoverTheTree(t *testing.T) {
	t.Parallel()
	all := packages(t)
	seen := func(tree string) bool {
		for _, p := range all {
			if under(p.local(), tree) {
				return true
			}
		}
		return false
	}
	for _, rule := range forbidden {
		for _, tree := range rule.from {
			if !seen(tree) {
				t.Errorf("rule %q names %s, which has no package", rule.why, tree)
			}
		}
	}
	for _, tree := range pure {
		if !seen(tree) {
			t.Errorf("the pure package %s does not exist", tree)
		}
	}
}

func TestDaemonsDoNotReachPulumi(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !under(p.local(), "cse", "orchestrator") {
			continue
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, "github.com/pulumi/") {
				t.Errorf("%s reaches %s: the daemons ship without Pulumi", p.local(), dep)
			}
		}
	}
}

// pure packages turn values into values.
var pure = []string{"infra/spec", "orchestrator/fleet", "orchestrator/decide", "cse/primitive", "cse/resource", "cse/access", "cse/geo", "cse/serialisation", "cse/semantic", "cse/jsonpath"}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	impure := []string{"net", "net/http", "os", "os/exec", "syscall", "database/sql", "log", "log/slog", "context",
		"github.com/hashicorp/go-hclog", "sync", "math/rand", "math/rand/v2"}
	for _, p := range packages(t) {
		if !under(p.local(), pure...) {
			continue
		}
		for _, imported := range p.Imports {
			for _, bad := range impure {
				if imported == bad {
					t.Errorf("%s imports %s: it must stay pure", p.local(), imported)
				}
			}
		}
	}
	// The clock and goroutines need no import that go list would show.
	out, err := exec.Command("grep", append([]string{"-nE", `time\.(Now|Since|Until|After|Sleep|Tick|New(Timer|Ticker))\(|^\s*go (func|[a-z])`,
		"-r", "--include=*.go", "--exclude=*_test.go"}, dirs(pure)...)...).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("grep: %v", err)
	}
	if len(out) > 0 {
		t.Errorf("pure packages use the clock or start goroutines:\n%s", out)
	}
}

func dirs(trees []string) []string {
	var all []string
	for _, tree := range trees {
		all = append(all, "../"+tree)
	}
	return all
}
