package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// cli runs the command line's program against a stack and returns what it printed on standard output. Its error is that it
// failed, with what it printed on standard error.
func cli(ctx context.Context, s *testkit.Stack, args ...string) (string, error) {
	root, err := testkit.Root()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, filepath.Join(root, ".viot/bin/viot"), append(args, "-orchestrator", s.Orchestrator)...)
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return string(out), fmt.Errorf("viot %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return string(out), nil
}

// rollOutAndBack has an update to what a change declares watched by the command line until it has ended, and then undone by it, under load.
func rollOutAndBack(ctx context.Context, t *testing.T, s *testkit.Stack, tree load.Tree, change func() error) error {
	l := start(ctx, t, s, tree, 16, 150)
	defer l.stop()
	before, err := s.Pool(ctx, pool)
	if err != nil {
		return err
	}
	old := testkit.Instances(t, s.Name, pool)
	if err := change(); err != nil {
		return err
	}
	up := make(chan error, 1)
	go func() { _, err := s.Up(ctx); up <- err }()
	defer func() { <-up }() // closed once it was read
	if _, err := s.WaitPool(timeout(ctx, t, time.Minute), pool, func(p spec.Status) bool { return p.Template != before.Template }); err != nil {
		return err
	}
	out, err := cli(ctx, s, "rollout", "status", "-watch", pool)
	t.Logf("an update is watched:\n%s", out)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(strings.TrimSpace(out), "is rolled out, 2 of 2 instances are ready") {
		t.Errorf("viot rollout status -watch ends with %q, want that 2 of 2 are rolled out", out)
	}
	err = <-up
	close(up)
	if err != nil {
		return err
	}
	updated := testkit.Instances(t, s.Name, pool)
	if len(updated) != 2 || slices.ContainsFunc(updated, func(n string) bool { return slices.Contains(old, n) }) {
		t.Errorf("after the update the pool is %v, before it %v: want as many, all new", updated, old)
	}
	l.expectNoFailure("update")

	if _, err := cli(ctx, s, "rollout", "undo", pool); err != nil {
		return err
	}
	out, err = cli(ctx, s, "rollout", "status", "-watch", pool)
	t.Logf("it is undone:\n%s(%v)", out, err)
	if err == nil || !strings.Contains(err.Error(), spec.RolledBack) {
		t.Errorf("viot rollout status -watch ends with %v, want that it says that the update was rolled back", err)
	}
	// It has ended when no instance of the template is in service; the last may still be on its way out.
	if _, err := s.WaitPool(timeout(ctx, t, time.Minute), pool, func(p spec.Status) bool { return p.Draining == 0 }); err != nil {
		return err
	}
	if templates := testkit.Templates(t, s.Name, pool); !slices.Equal(templates, []string{before.Template, before.Template}) {
		t.Errorf("after undo the instances are of the templates %v, want 2 of %s", templates, before.Template)
	}
	l.stop()
	l.expectNoFailure("update and undo")
	return nil
}
