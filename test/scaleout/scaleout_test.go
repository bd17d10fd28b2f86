// Package scaleout tests that the CSE is one CSE however many instances it has and whatever becomes of them: real processes on one
// PostgreSQL database, which are killed and started again in turn while clients use them.
package scaleout

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// program is the CSE, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "scaleout")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "cse")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "github.com/viot-project/viot/cse/cmd/cse")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the CSE: %v\n%s", err, out)
		return 1
	}
	return postgrestest.Main(m)
}

const (
	instances = 3
	// turmoil is how long instances come and go.
	turmoil = 16 * time.Second
	// patience bounds waiting for what must come; it decides nothing unless it does not.
	patience = 90 * time.Second
)

// load is what clients do with the CSE.
type load interface {
	// work goes on until ctx ends. It fails the test if a request fails that must not.
	work(ctx context.Context)
	// check fails the test unless what has come of the work is right. All instances live again.
	check()
}

// TestInstancesDie kills instances under load. Everything is as if there were one instance that never failed: each create is one
// resource, counters are right, and what was to be done by the CSE itself is done, once, in order.
func TestInstancesDie(t *testing.T) {
	t.Parallel()
	address := postgrestest.DSN(t)
	p := start(t, address)
	app := p.client("CScaleout")
	if _, err := app.Register(t.Context(), "cse-in", &client.AE{Common: client.Named("app"), AppID: "Nscaleout"}, client.Refuse); err != nil {
		t.Fatal(err)
	}
	loads := []load{
		newCreates(t, app), newRing(t, app), newTrees(t, app), newMail(t, p), newSeries(t, app), newExpirations(t, app), newOrders(t, p, app),
	}
	ctx, end := context.WithTimeout(t.Context(), turmoil)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(loads, func(l load) { l.work(ctx) })
	}()
	rounds := 0
	for ; ctx.Err() == nil; rounds++ {
		signal := syscall.SIGKILL
		if rounds%4 == 3 {
			signal = syscall.SIGTERM // as in a rolling update
		}
		p.restart(rounds%instances, signal)
		pause(ctx, 500*time.Millisecond)
	}
	<-done
	t.Logf("%d instances ended and were started again", rounds)
	if t.Failed() {
		return
	}
	together(loads, load.check)
	wantNoDeadlocks(t, address)
}

// together calls do with all loads at once and waits.
func together(loads []load, do func(load)) {
	ended := make(chan struct{})
	for _, l := range loads {
		go func() {
			defer func() { ended <- struct{}{} }()
			do(l)
		}()
	}
	for range loads {
		<-ended
	}
}

// pause waits for d, or until ctx ends, and reports whether it has not.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// eventually waits until got is as wanted, and fails the test if it never is. It is for the goroutines of a test.
func eventually(t *testing.T, what string, got func() (state string, right bool)) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		state, right := got()
		if right {
			return true
		}
		if !pause(ctx, 100*time.Millisecond) {
			t.Errorf("%s: got %s after %v", what, state, patience)
			return false
		}
	}
}

// wantNoDeadlocks checks that no transaction ever had to be ended because several waited for each other.
func wantNoDeadlocks(t *testing.T, address string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var n int
	if err := c.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("got %d deadlocks, want none", n)
	}
}
