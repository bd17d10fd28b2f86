package bench

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/simulate"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
)

// profile is the load of a calibration, as a share of what one instance takes at its target utilisation: low, a step,
// low again so that the pool drains, a ramp, and the end.
func profile(seconds float64) float64 {
	switch {
	case seconds < 20:
		return 0.5
	case seconds < 50:
		return 2.5
	case seconds < 80:
		return 0.5
	case seconds < 110:
		return 0.5 + 2*(seconds-80)/30
	case seconds < 120:
		return 2.5
	}
	return 0.5
}

const calibrationSeconds = 150

// BenchmarkCalibration plays one load, a step, a drain and a ramp, to a pool on Docker and to the simulator with the same
// policy, and reports how far the simulator is off.
func BenchmarkCalibration(b *testing.B) {
	ctx := b.Context()
	s, tree := up(ctx, b, map[string]string{"cpus": "0.1", "max": "5", "scaleInAfter": "10s", "maxConnections": "32"})
	var tally load.Tally
	var mu sync.Mutex
	var began time.Time
	late, base := 0, 50.0
	bound := 100 * time.Millisecond
	rate := func(time.Duration) float64 {
		mu.Lock()
		defer mu.Unlock()
		if began.IsZero() {
			return base
		}
		return base * 2 * profile(time.Since(began).Seconds())
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- load.Run(loading, load.Config{
			Address: s.Address(), Connections: 128, Next: tree.Mix, Timeout: 30 * time.Second, Rate: rate, RequestID: fmt.Sprint(time.Now().UnixNano()),
			Record: func(r load.Result) {
				tally.Record(r)
				mu.Lock()
				if !began.IsZero() && r.Latency > bound {
					late++
				}
				mu.Unlock()
			},
		})
	}()
	each := capacity(ctx, b, s) // requests per second one instance takes at its target
	mu.Lock()
	base = each / 2
	mu.Unlock()
	wait(ctx, b, s, func(p spec.Status) bool { return p.Ready == 1 && p.Booting == 0 && p.Draining == 0 })
	time.Sleep(5 * time.Second)
	tally.Reset()
	mu.Lock()
	began, late = time.Now(), 0
	mu.Unlock()

	// The pool as its orchestrator sees it, every 50 ms.
	var instanceSeconds, toCapacity float64
	declared, _ := document(ctx, b, s)
	last := began
	for time.Since(began) < calibrationSeconds*time.Second {
		status, err := s.Pool(ctx, pool)
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		instanceSeconds += float64(status.Ready+status.Booting+status.Draining) * now.Sub(last).Seconds()
		last = now
		if at := now.Sub(began).Seconds() - 20; at > 0 && at < 30 && toCapacity == 0 && status.Ready >= 3 {
			toCapacity = at
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	total := tally.Summary()

	c := simulate.Defaults()
	c.Policy = declared.Policy
	c.Service.Cores, c.Service.CPUSeconds = declared.Template.CPUs, declared.Template.CPUs*declared.Policy.TargetUtilisation/each
	c.Service.Connections, c.Service.Bound = declared.Service.MaxConnections, bound.Seconds()
	c.Trace = simulate.Trace{Name: "calibration", Step: 200 * time.Millisecond}
	for i := range calibrationSeconds * 5 {
		c.Trace.Rates = append(c.Trace.Rates, each*profile((float64(i)+0.5)/5))
	}
	c.Series = 250 * time.Millisecond
	var simSeconds, simCapacity, simLate, simRequests float64
	const seeds = 20
	for seed := range uint64(seeds) {
		c.Seed = seed
		r, err := simulate.Run(ctx, c)
		if err != nil {
			b.Fatal(err)
		}
		simSeconds += r.InstanceHours * 3600 / seeds
		simLate += r.Late / seeds
		simRequests += r.Requests / seeds
		for _, at := range r.Series {
			if at.At > 20*time.Second && at.Serving >= 3 {
				simCapacity += (at.At.Seconds() + 0.25 - 20) / seeds
				break
			}
		}
	}
	share := func(x float64) string { return fmt.Sprintf("%.1f%%", 100*x) }
	print(b, "sim-calibration-error",
		figure.Text("instance_seconds", share(math.Abs(simSeconds-instanceSeconds)/instanceSeconds)),
		figure.Text("real_instance_seconds", fmt.Sprintf("%.1f", instanceSeconds)), figure.Text("sim_instance_seconds", fmt.Sprintf("%.1f", simSeconds)),
		figure.Text("to_capacity", share(math.Abs(simCapacity-toCapacity)/toCapacity)),
		figure.Text("real_to_capacity", fmt.Sprintf("%.2fs", toCapacity)), figure.Text("sim_to_capacity", fmt.Sprintf("%.2fs", simCapacity)),
		figure.Text("real_late", share(float64(late)/float64(total.Requests))), figure.Text("sim_late", share(simLate/simRequests)),
		figure.Count("failed", total.Failed), figure.Text("each", fmt.Sprintf("%.0f/s", each)), figure.Count("n", 1))
}
