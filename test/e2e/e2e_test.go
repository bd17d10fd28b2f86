// Package e2e runs the dev environment as its user would, from nothing to nothing, on real Docker, Consul,
// PostgreSQL and HAProxy.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/retry"
	teststructure "github.com/gruntwork-io/terratest/modules/test-structure"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

const pool = "cse"

// TestLife is the life of one stack. The stages build on each other, so the first failure ends the test.
func TestLife(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute) // cold image builds included
	defer cancel()
	root := testkit.CopyOfRepository(t)
	s := testkit.NewStackFrom(t, root, map[string]string{
		"cpus": "0.1", "max": "4", "scaleInAfter": "5s", "maxConnections": "16",
	})
	before := testkit.Inventory(t, s.Name)
	stage := func(name string, run func()) {
		teststructure.RunTestStage(t, name, run)
		if t.Failed() {
			t.FailNow()
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	stage("up", func() {
		_, err := s.Up(ctx)
		must(err)
		changed, err := s.Up(ctx)
		must(err)
		if changed != 0 {
			t.Errorf("a second up changed %d resources, want none", changed)
		}
	})

	var tree load.Tree
	stage("data", func() {
		var err error
		tree, err = load.Prepare(ctx, s.MCA, "cse-in", "e2e")
		must(err)
		latest, err := tree.Client().Latest(ctx, strings.Trim(tree.Container, "/"))
		must(err)
		if latest.Text() != "first" {
			t.Errorf("latest content: got %v, want what was written", latest.Content)
		}
	})

	stage("grow", func() {
		l := start(ctx, t, s, tree, 32, 100)
		defer l.stop()
		deadline := time.Now().Add(2 * time.Minute)
		for {
			status, err := s.Pool(ctx, pool)
			must(err)
			if status.Ready >= 3 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("at %.0f requests/s the pool has not grown to 3: %+v", l.rate(), status)
			}
			l.setRate(l.rate() * 1.1)
			time.Sleep(500 * time.Millisecond)
		}
		l.expectNoFailure("scale-out")
		t.Logf("grew to 3 at %.0f requests/s", l.rate())

		l.setRate(20)
		_, err := s.WaitPool(timeout(ctx, t, 2*time.Minute), pool, func(p spec.Status) bool { return p.Ready == 1 && p.Draining == 0 })
		must(err)
		l.stop()
		l.expectNoFailure("scale-in")
	})

	stage("lag", func() {
		l := start(ctx, t, s, tree, 8, 20)
		defer l.stop()
		must(liveByLag(ctx, t, s))
		l.stop()
		l.expectNoFailure("another pool's life")
	})

	stage("kill", func() {
		// Two, whatever the load: what is looked at is who they are.
		must(s.Set(ctx, auto.ConfigMap{"viot:min": {Value: "2"}, "viot:max": {Value: "2"}}))
		_, err := s.Up(ctx)
		must(err)
		l := start(ctx, t, s, tree, 16, 150)
		defer l.stop()
		for round := range 3 {
			victim := testkit.Instances(t, s.Name, pool)[0]
			testkit.Crash(t, spec.RoleOrchestrator, s.Name)
			testkit.CrashContainer(t, victim)
			retry.DoWithRetry(t, fmt.Sprintf("round %d: %s is replaced", round, victim), 120, 250*time.Millisecond, func() (string, error) {
				names := testkit.Instances(t, s.Name, pool)
				status, err := s.Pool(ctx, pool)
				if err != nil {
					return "", err
				}
				if slices.Contains(names, victim) || len(names) != 2 || status.Ready != 2 {
					return "", fmt.Errorf("instances %v, status %+v", names, status)
				}
				return "replaced", nil
			})
		}
		l.stop()
		l.expectNoFailure("loss of instances and orchestrator")
	})

	stage("sources", func() { // which are changed, and the image of those before is still there to go back to
		change := filepath.Join(root, "cse/cmd/cse/changed.go")
		must(rollOutAndBack(ctx, t, s, tree, func() error {
			return os.WriteFile(change, []byte("package main\n\nfunc init() { version = 2 }\n\nvar version = 1\n"), 0o644)
		}))
	})

	var next string // the image of the update, which is the test's own, and only in a registry
	stage("update", func() {
		old := testkit.Instances(t, s.Name, pool)
		l := start(ctx, t, s, tree, 16, 150)
		defer l.stop()
		next = testkit.Publish(t, testkit.DeriveImage(t, s.Name, pool))
		must(s.Set(ctx, auto.ConfigMap{"viot:image": {Value: next}}))
		_, err := s.Up(ctx)
		must(err)
		names := testkit.Instances(t, s.Name, pool)
		if len(names) != len(old) || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(old, n) }) {
			t.Errorf("after the update the pool is %v, before it %v: want as many, all new", names, old)
		}
		l.stop()
		l.expectNoFailure("rolling update")
	})

	stage("rollout", func() {
		must(rollOutAndBack(ctx, t, s, tree, func() error { return s.Set(ctx, auto.ConfigMap{"viot:env[0]": {Value: "UPDATE=1"}}) }))
	})
	stage("zero", func() { must(fromZero(ctx, t, s, tree)) })

	stage("down", func() {
		must(s.Destroy(ctx))
		testkit.RemoveImage(t, next)
		if diff := testkit.Compare(before, testkit.Inventory(t, s.Name)); diff != "" {
			t.Errorf("the engine is not as it was before:\n%s", diff)
		}
	})
}

// running is load in the background, with every request counted.
type running struct {
	t      *testing.T
	tally  load.Tally
	perSec atomic.Int64 // requests per second × 1000
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func start(ctx context.Context, t *testing.T, s *testkit.Stack, tree load.Tree, connections int, rate float64) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	l := &running{t: t, cancel: cancel}
	l.setRate(rate)
	l.done.Go(func() {
		err := load.Run(ctx, load.Config{
			Address: s.Address(), Connections: connections, Next: tree.Mix, Record: l.tally.Record,
			Rate: func(time.Duration) float64 { return l.rate() }, RequestID: fmt.Sprint(time.Now().UnixNano()), Timeout: 30 * time.Second,
		})
		if err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *running) rate() float64     { return float64(l.perSec.Load()) / 1000 }
func (l *running) setRate(r float64) { l.perSec.Store(int64(r * 1000)) }

// stop ends the load and waits for the answers under way; a second call does nothing.
func (l *running) stop() {
	l.cancel()
	l.done.Wait()
}

func (l *running) expectNoFailure(during string) {
	l.t.Helper()
	s := l.tally.Summary()
	l.t.Logf("%s: %s", during, s)
	if s.Requests == 0 || s.Failed > 0 {
		l.t.Errorf("%s: %s; want some requests and no failure", during, s)
	}
}

func timeout(ctx context.Context, t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	t.Cleanup(cancel)
	return ctx
}
