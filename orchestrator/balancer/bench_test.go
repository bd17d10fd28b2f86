package balancer_test

import (
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
