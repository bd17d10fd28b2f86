package bench

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// BenchmarkScale steps the load up so that one instance is not enough, and takes the time from the first request of the step to the first
// answer of an instance that did not serve before: one that is started for it, and one that stands by. The load then steps back, the pool
// shrinks, and the next cycle begins. VIOT_BENCH_CPUS is how many processors an instance has, 0.2 by default, and VIOT_BENCH_STEP how many
// times what one instance gives at its target the load is stepped up to, 2 by default: the larger, the larger is the step in requests per
// second, and the sooner it is more than chance.
func BenchmarkScale(b *testing.B) {
	b.Run("start", func(b *testing.B) { react(b, "scale-out-reaction", 0) })
	b.Run("standby", func(b *testing.B) { react(b, "standby-reaction", 1) })
}

// react measures reactions of a pool with so many paused standbys.
func react(b *testing.B, name string, standbys int) {
	ctx := b.Context()
	n := cycles(b, 30)
	settings := map[string]string{"cpus": cmp.Or(os.Getenv("VIOT_BENCH_CPUS"), "0.2"), "max": "2", "scaleInAfter": "2s", "maxConnections": "16"}
	if standbys > 0 {
		settings["policy.standby.count"], settings["policy.standby.paused"] = strconv.Itoa(standbys), "true"
	}
	s, tree := up(ctx, b, settings)
	low := 50.0
	var rate atomic.Value // float64
	rate.Store(low)
	var counting atomic.Pointer[load.Tally]
	counting.Store(&load.Tally{})
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- load.Run(loading, load.Config{
			Address: s.Address(), Connections: 64, Next: tree.Mix, Timeout: 30 * time.Second, RequestID: fmt.Sprint(time.Now().UnixNano()),
			Record: func(r load.Result) { counting.Load().Record(r) },
			Rate:   func(time.Duration) float64 { return rate.Load().(float64) },
		})
	}()
	var tallies []*load.Tally
	count := func() *load.Tally { // and begin anew
		t := counting.Swap(&load.Tally{})
		tallies = append(tallies, t)
		return t
	}
	times, err := strconv.ParseFloat(cmp.Or(os.Getenv("VIOT_BENCH_STEP"), "2"), 64)
	if err != nil || !(times > 1 && times <= 5) {
		b.Fatalf("VIOT_BENCH_STEP=%s: want a number above 1 and up to 5", os.Getenv("VIOT_BENCH_STEP"))
	}
	high := capacity(ctx, b, s) * times
	if standbys == 0 {
		print(b, "engine-boot", figure.Spread(bareBoots(ctx, b, s, min(n, 10)))...)
	}
	var reactions, decided, brought []time.Duration // brought is from the decision on
	for range n {
		rate.Store(low)
		wait(ctx, b, s, func(p spec.Status) bool {
			return p.Ready == 1 && p.Booting == 0 && p.Draining == 0 && p.Standby == standbys
		})
		count()
		time.Sleep(time.Second) // let the estimate settle on the low rate
		before := count().Summary().FirstAt
		stepped := time.Now()
		rate.Store(high)
		var served time.Time
		for served.IsZero() {
			if time.Since(stepped) > 30*time.Second {
				b.Fatalf("no other instance served within 30 s of a step from %.0f to %.0f requests/s", low, high)
			}
			time.Sleep(5 * time.Millisecond)
			for name, at := range counting.Load().Summary().FirstAt {
				if _, known := before[name]; !known {
					served = at
				}
			}
		}
		at := decidedAt(ctx, b, s, stepped)
		reactions = append(reactions, served.Sub(stepped))
		decided, brought = append(decided, at.Sub(stepped)), append(brought, served.Sub(at))
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	count()
	requests, failed := 0, 0
	for _, t := range tallies {
		summary := t.Summary()
		requests, failed = requests+summary.Requests, failed+summary.Failed
	}
	print(b, name, append(figure.Spread(reactions),
		figure.Text("step", fmt.Sprintf("%.0f/s→%.0f/s", low, high)), figure.Count("requests", requests), figure.Count("failed", failed))...)
	print(b, name+"-decided", figure.Spread(decided)...)
	print(b, name+"-brought", figure.Spread(brought)...)
	if failed > 0 {
		b.Errorf("%s: %d of %d requests failed", name, failed, requests)
	}
}

// capacity is how many requests per second one instance takes at its target utilisation, by the orchestrator's own
// estimate once that has settled.
func capacity(ctx context.Context, b *testing.B, s *testkit.Stack) float64 {
	b.Helper()
	time.Sleep(10 * time.Second)
	var answer struct {
		Policy spec.Policy `json:"policy"`
		Inputs struct {
			ServiceTimeSeconds float64 `json:"serviceTimeSeconds"`
		} `json:"inputs"`
	}
	if err := s.Ask(ctx, "/v1/pools/"+pool, &answer); err != nil {
		b.Fatal(err)
	}
	if answer.Inputs.ServiceTimeSeconds <= 0 {
		b.Fatal("the orchestrator has not learned the service time under load")
	}
	document, _ := document(ctx, b, s)
	return document.Template.CPUs * document.Policy.TargetUtilisation / answer.Inputs.ServiceTimeSeconds
}

// decidedAt is when the pool was decided to grow, after an instant.
func decidedAt(ctx context.Context, b *testing.B, s *testkit.Stack, after time.Time) time.Time {
	b.Helper()
	var decisions []fleet.Decision
	if err := s.Ask(ctx, "/v1/pools/"+pool+"/decisions?limit=20", &decisions); err != nil {
		b.Fatal(err)
	}
	first := time.Time{}
	for _, d := range decisions {
		if d.Kind == fleet.ScaleOut && d.At.After(after) && (first.IsZero() || d.At.Before(first)) {
			first = d.At
		}
	}
	if first.IsZero() {
		b.Fatalf("another instance served, and no scale-out was decided since %s", after)
	}
	return first
}

// bareBoots are the times that the engine alone takes for an instance: from the order to make the container until it answers that it is
// ready, without an orchestrator and under the load that there is. No scale-out can be faster than that.
func bareBoots(ctx context.Context, b *testing.B, s *testkit.Stack, n int) (took []time.Duration) {
	b.Helper()
	engine, err := docker.Open(ctx, "")
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	declared, _ := document(ctx, b, s)
	t := declared.Template
	for i := range n {
		began := time.Now()
		id, err := engine.CreateContainer(ctx, docker.ContainerSpec{
			Name: fmt.Sprintf("viot-%s-bare-%d", s.Name, i), Image: t.Image, Command: t.Command, Env: t.Env, Network: t.Network,
			Labels: map[string]string{spec.LabelStack: s.Name, spec.LabelRole: "bench"}, MemoryBytes: t.MemoryBytes, Restart: docker.RestartNo,
		})
		if err == nil {
			err = engine.StartContainer(ctx, id)
		}
		var c docker.Container
		if err == nil {
			c, err = engine.InspectContainer(ctx, id)
		}
		if err != nil {
			b.Fatal(err)
		}
		address := fmt.Sprintf("http://%s:%d%s", c.IPs[t.Network], declared.Service.Port, declared.Service.ReadinessPath)
		for ready := false; !ready; {
			if time.Since(began) > 30*time.Second {
				b.Fatalf("%s does not answer", address)
			}
			if answer, err := http.Get(address); err == nil {
				answer.Body.Close()
				ready = answer.StatusCode == http.StatusOK
			}
			time.Sleep(5 * time.Millisecond)
		}
		took = append(took, time.Since(began))
		if err := engine.RemoveContainer(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	return took
}
