package balancer_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/balancer"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/testkit"
)

// BenchmarkRegistration measures with 16 connections busy: from the call that registers an instance to the first
// request it gets, and from the write to the drain journal before it is deregistered to its last request.
// -benchtime 200x makes 200 of each.
func BenchmarkRegistration(b *testing.B) {
	w := newWorld(b)
	w.add() // there is always another one
	stop := w.traffic()
	var in, out []time.Duration
	for b.Loop() {
		i := w.newInstance()
		began := time.Now()
		w.register(i, 0)
		w.waitState(i.name, balancer.Ready)
		eventually(b, "it gets requests", i.isServing)
		in = append(in, i.first.Load().Sub(began))

		began = time.Now()
		w.drain(i)
		out = append(out, max(0, i.last.Load().Sub(began)))
	}
	if s := stop(); s.Failed > 0 {
		b.Errorf("traffic: %s", s)
	}
	root, err := testkit.Root()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []struct {
		name      string
		durations []time.Duration
	}{{"lb-register", in}, {"lb-deregister", out}} {
		if err := figure.Print(root, f.name, figure.Spread(f.durations)...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHold measures, with 20 requests held at a pool that has no instance: from the call that registers one to each
// of their answers. It includes what BenchmarkRegistration measures. -benchtime 30x makes 30 rounds.
func BenchmarkHold(b *testing.B) {
	w := newWorld(b)
	var waited []time.Duration
	for b.Loop() {
		var mu sync.Mutex
		var answered []time.Time
		var asked sync.WaitGroup
		for range 20 {
			asked.Go(func() {
				status, by := w.do("POST", "/")
				mu.Lock()
				defer mu.Unlock()
				if answered = append(answered, time.Now()); status != http.StatusOK {
					b.Errorf("held request: got status %d by %q, want 200", status, by)
				}
			})
		}
		eventually(b, "all are held", func() error {
			var s balancer.ServiceStatus
			if w.get("/v1/services/cse", &s); s.Held != 20 {
				return fmt.Errorf("%d are held", s.Held)
			}
			return nil
		})
		i := w.newInstance()
		began := time.Now()
		w.register(i, 0)
		asked.Wait()
		for _, at := range answered {
			waited = append(waited, at.Sub(began))
		}
		w.drain(i)
	}
	root, err := testkit.Root()
	if err != nil {
		b.Fatal(err)
	}
	if err := figure.Print(root, "lb-hold", figure.Spread(waited)...); err != nil {
		b.Fatal(err)
	}
}
