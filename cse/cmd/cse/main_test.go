package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what run writes and reports each line.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	o.lines <- string(b)
	return len(b), nil
}

func none(string) string { return "" }

// TestRun starts the daemon as a user does, sends the request it suggests, and ends it.
func TestRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data", "cse.db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &output{lines: make(chan string, 100)}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-listen", "127.0.0.1:0", "-store", "sqlite:" + file}, none, out) }()
	var url string
	for line := range out.lines {
		if m := regexp.MustCompile(`curl -H 'X-M2M-Origin: CAdmin' -H 'X-M2M-RI: 1' (http://\S+/cse-in)`).FindStringSubmatch(line); m != nil {
			url = m[1]
		}
		if strings.Contains(line, "ready: ") {
			break
		}
	}
	if url == "" {
		t.Fatal("got no example request before it was ready")
	}
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-M2M-Origin", "CAdmin")
	r.Header.Set("X-M2M-RI", "1")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Errorf("the example request: got %s, want 200", answer.Status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: got %v, want nil", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("database file: %v", err)
	}
}

// TestRunRefuses checks that what cannot work is refused at once, with all problems.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-store", "mysql://x", "-store-password-file", filepath.Join(t.TempDir(), "missing")}, none, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "-store: ") || !strings.Contains(err.Error(), "-store-password-file: ") {
		t.Errorf("got %v, want both problems named", err)
	}
	if err := run(t.Context(), []string{"-cse-id", "x", "-log-level", "x"}, none, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "-cse-id") || !strings.Contains(err.Error(), "-log-level") {
		t.Errorf("got %v, want both problems named", err)
	}
}

// TestRunWithoutStore starts with a database that is not there: the daemon listens, is alive and not ready, and ends when told.
func TestRunWithoutStore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &output{lines: make(chan string, 1000)}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-listen", "127.0.0.1:0", "-store", "postgres://viot@/viot?host=" + t.TempDir()}, none, out)
	}()
	var url string
	for line := range out.lines {
		if m := regexp.MustCompile(`http://[\d.:]+`).FindString(line); m != "" {
			url = m
		}
		if strings.Contains(line, "the store is not ready") {
			break
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: got %s, want %d", path, answer.Status, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: got %v, want nil", err)
	}
}
