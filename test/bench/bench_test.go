// Package bench measures a whole stack. Each benchmark runs its cycles once, whatever b.N, and prints its figures;
// run them with make bench, which passes -benchtime 1x.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

const pool = "cse"

// cycles is how often each measurement is repeated: VIOT_BENCH_CYCLES, or the given default.
func cycles(b *testing.B, usual int) int {
	b.Helper()
	text := os.Getenv("VIOT_BENCH_CYCLES")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("VIOT_BENCH_CYCLES=%s: want a whole number of at least 1", text)
	}
	return n
}

func root(b *testing.B) string {
	b.Helper()
	dir, err := testkit.Root()
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

func print(b *testing.B, name string, values ...figure.Value) {
	b.Helper()
	if err := figure.Print(root(b), name, values...); err != nil {
		b.Fatal(err)
	}
}

// up stands a stack up and prepares a tree to read and write.
func up(ctx context.Context, b *testing.B, settings map[string]string) (*testkit.Stack, load.Tree) {
	b.Helper()
	s := testkit.NewStack(b, settings)
	if _, err := s.Up(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if b.Failed() {
			return // the stack's own clean-up shows its logs before it removes it
		}
		if err := s.Destroy(context.Background()); err != nil {
			b.Error(err)
		}
	})
	tree, err := load.Prepare(ctx, s.MCA, "cse-in", "bench")
	if err != nil {
		b.Fatal(err)
	}
	return s, tree
}

// wait gives the pool a minute to become as ok wants it.
func wait(ctx context.Context, b *testing.B, s *testkit.Stack, ok func(spec.Status) bool) spec.Status {
	b.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	status, err := s.WaitPool(ctx, pool, ok)
	if err != nil {
		b.Fatal(err)
	}
	return status
}

// document reads the pool's declaration from Consul.
func document(ctx context.Context, b *testing.B, s *testkit.Stack) (spec.Pool, uint64) {
	b.Helper()
	c, err := consul.New(s.Consul, "")
	if err != nil {
		b.Fatal(err)
	}
	kv, err := c.Get(ctx, spec.PoolKey(s.Name, pool))
	if err != nil {
		b.Fatal(err)
	}
	p, err := spec.ParsePool(kv.Value)
	if err != nil {
		b.Fatal(err)
	}
	return p, kv.ModifyIndex
}

// declare changes the pool's declaration, as pulumi up would, and returns its new index.
func declare(ctx context.Context, b *testing.B, s *testkit.Stack, change func(*spec.Pool)) uint64 {
	b.Helper()
	p, index := document(ctx, b, s)
	change(&p)
	text, err := json.Marshal(p)
	if err != nil {
		b.Fatal(err)
	}
	c, err := consul.New(s.Consul, "")
	if err != nil {
		b.Fatal(err)
	}
	if err := c.PutIf(ctx, spec.PoolKey(s.Name, pool), text, index); err != nil {
		b.Fatal(err)
	}
	_, index = document(ctx, b, s)
	return index
}

// BenchmarkDrain removes instances by scale-in, and replaces all of them by rolling updates, under 16 connections
// that send as fast as answers come, a quarter of it writes, and counts every request that failed.
func BenchmarkDrain(b *testing.B) {
	ctx := b.Context()
	n := cycles(b, 50)
	s, tree := up(ctx, b, map[string]string{"cpus": "0.2", "min": "2", "max": "2", "scaleInAfter": "100ms"})
	var tally load.Tally
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- load.Run(loading, load.Config{
			Address: s.Address(), Connections: 16, Next: tree.Mix, Record: tally.Record, Timeout: 30 * time.Second,
			RequestID: fmt.Sprint(time.Now().UnixNano()),
		})
	}()
	steady := func(size int, index uint64) func(spec.Status) bool {
		return func(p spec.Status) bool {
			return p.ObservedIndex >= index && p.Desired == size && p.Ready == size && p.Updated == size && p.Booting == 0 && p.Draining == 0
		}
	}
	measure := func(name string, cycle func(i int)) {
		tally.Reset()
		var took []time.Duration
		for i := range n {
			start := time.Now()
			cycle(i)
			took = append(took, time.Since(start))
		}
		total := tally.Summary()
		print(b, name, append([]figure.Value{figure.Count("failed", total.Failed), figure.Count("requests", total.Requests), figure.Count("cycles", n),
			figure.Seconds("request_p50", total.P50), figure.Seconds("request_p99", total.P99)}, figure.Spread(took)...)...)
		if total.Failed > 0 {
			b.Errorf("%s: %s", name, total)
		}
	}
	measure("drain-scale-in", func(int) {
		index := declare(ctx, b, s, func(p *spec.Pool) { p.Policy.Min, p.Policy.Max = 3, 3 })
		wait(ctx, b, s, steady(3, index))
		index = declare(ctx, b, s, func(p *spec.Pool) { p.Policy.Min, p.Policy.Max = 2, 2 })
		wait(ctx, b, s, steady(2, index))
	})
	measure("drain-rolling-update", func(i int) {
		index := declare(ctx, b, s, func(p *spec.Pool) {
			p.Template.Env = maps.Clone(p.Template.Env)
			p.Template.Env["VIOT_BENCH_CYCLE"] = strconv.Itoa(i)
		})
		wait(ctx, b, s, steady(2, index))
	})
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
