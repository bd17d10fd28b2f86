package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// logDecisions logs n decisions and returns the log with what it told about itself.
func logDecisions(t *testing.T, path string, most int64, n int) (*decisionLog, string) {
	t.Helper()
	var told bytes.Buffer
	d := newDecisionLog(path, hclog.New(&hclog.LoggerOptions{Output: &told}))
	d.most = most
	for i := range n {
		d.Decided("cse", fleet.Decision{Number: i + 1, Kind: fleet.ScaleOut, Cause: "needs more"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return d, told.String()
}

// failures is what the log has counted.
func failures(t *testing.T, d *decisionLog) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(d.errors)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// numbers are the decisions of a file.
func numbers(t *testing.T, path string) (n []int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Pool != "cse" || l.Cause != "needs more" {
			t.Errorf("%s: %q, %v", path, line, err)
		}
		n = append(n, l.Number)
	}
	return n
}

func TestDecisionLogRotates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions")
	const most = 4000
	d, told := logDecisions(t, path, most, 100)
	if failed := failures(t, d); failed != 0 || told != "" {
		t.Errorf("%v errors: %s", failed, told)
	}
	var all []int
	for _, file := range []string{path + ".3", path + ".2", path + ".1", path} {
		if info, err := os.Stat(file); err != nil || info.Size() > most {
			t.Errorf("%s: %+v, %v; want at most %d bytes", file, info, err, most)
		}
		all = append(all, numbers(t, file)...)
	}
	for i, n := range all {
		if n != 100-len(all)+1+i {
			t.Fatalf("decisions %v, want the newest without a gap", all)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 4 {
		t.Errorf("%d files, %v; want 4", len(files), err)
	}
	before := len(numbers(t, path))
	logDecisions(t, path, 1<<20, 1) // a restart goes on in the same file
	if after := len(numbers(t, path)); after != before+1 {
		t.Errorf("%d decisions after a restart, want %d", after, before+1)
	}
}

func TestDecisionLogOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/dev/full", filepath.Join(t.TempDir(), "missing", "decisions")} {
		d, told := logDecisions(t, path, decisionLogBytes, 10)
		if failed := failures(t, d); failed != 10 {
			t.Errorf("%s: %v errors, want 10", path, failed)
		}
		if strings.Count(told, "decisions are not logged") != 1 {
			t.Errorf("%s: told %q, want it once", path, told)
		}
	}
}

// A disk that hangs does not hold up who decides.
func TestDecisionLogNeverBlocks(t *testing.T) {
	t.Parallel()
	d := newDecisionLog("/dev/null", hclog.NewNullLogger())
	for i := range decisionLogWaiting + 5 {
		d.Decided("cse", fleet.Decision{Number: i + 1})
	}
	if failed := failures(t, d); failed != 5 {
		t.Errorf("%v errors, want the 5 that found no room", failed)
	}
}
