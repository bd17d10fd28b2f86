package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSDKIsCurrent fails when the provider's schema has changed and the committed SDK has not.
func TestSDKIsCurrent(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"-check", "-dir", "../../sdk"}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestCheckListsWhatDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check := func(want string) {
		t.Helper()
		var out strings.Builder
		err := run(t.Context(), []string{"-check", "-dir", dir}, &out)
		if (err != nil) != (want != "") || err != nil && !errors.Is(err, errNotCurrent) {
			t.Errorf("got %v", err)
		}
		if got := strings.ReplaceAll(strings.TrimSpace(out.String()), dir+string(filepath.Separator), ""); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	write := func() {
		t.Helper()
		if err := run(t.Context(), []string{"-dir", dir}, nil); err != nil {
			t.Fatal(err)
		}
	}
	write()
	check("")
	pool := filepath.Join(dir, "go/viot/pool.go")
	for _, err := range []error{
		os.WriteFile(pool, []byte("package viot\n"), 0o644),
		os.Remove(filepath.Join(dir, "schema.json")),
		os.WriteFile(filepath.Join(dir, "go/viot/queue.go"), []byte("package viot\n"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	check("go/viot/pool.go\ngo/viot/queue.go\nschema.json")
	write()
	check("")
}
