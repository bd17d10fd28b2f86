package decide

import (
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// What arrives beyond what was reckoned with is remembered for a while; what chance explains is not.
func TestBurst(t *testing.T) {
	t.Parallel()
	var b burst
	now, total := start, 0.0
	play := func(rate, reckoned float64, d time.Duration) {
		for end := now.Add(d); now.Before(end); now = now.Add(every) {
			b.learn(total, reckoned, 1, 0, now)
			total += rate * every.Seconds()
		}
	}
	if got := b.now(now); got != burstMost {
		t.Errorf("reckons with surprises of %v while none is known, want %v", got, burstMost)
	}
	play(1000, 1000, 30*time.Minute)
	if got := b.now(now); got > 0.001 {
		t.Errorf("reckons with surprises of %v after half an hour without, want none", got)
	}
	play(1050, 1000, time.Minute) // 1.6 standard deviations of a second's arrivals
	if got := b.now(now); got > 0.001 {
		t.Errorf("chance became a surprise of %v", got)
	}
	play(1250, 1000, 3*time.Second)
	if got, want := b.now(now), 0.155; got < want-0.01 || got > want {
		t.Errorf("a quarter more is a surprise of %.3f, want what chance does not explain of it, about %v", got, want)
	}
	play(500, 500, burstHalfLife)
	if got := b.now(now); got < 0.07 || got > 0.08 {
		t.Errorf("reckons with %.3f after a half-life, want half of before", got)
	}
	play(5000, 500, 3*time.Second)
	if got := b.now(now); got < burstMost-0.01 || got > burstMost {
		t.Errorf("reckons with %v after ten times as much, want no more than %v", got, burstMost)
	}
	if heir := NewViot((&Viot{burst: b}).Learned()); heir.burst.largest != b.largest {
		t.Errorf("a successor reckons with %v, want %v", heir.burst.largest, b.largest)
	}
}

// With an objective, a load without surprises needs fewer instances than the share that the policy gives asks for; one that
// doubles at once has it keep room for more of the kind, and some time without lets that go again.
func TestObjectiveRelaxesTheShare(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.s.Pool.Policy.Max = 100
	c.s.Pool.Policy.SLO = spec.SLO{Percentile: 0.95, Latency: 100 * time.Millisecond}
	size := func(rps float64, d time.Duration) (n int) {
		c.rps = rps
		for range int(d / every) {
			n = c.round().Desired
		}
		return n
	}
	if got := size(2000, time.Minute); got < 29 || got > 40 {
		t.Errorf("%d instances for 20 Erlangs of which little is known, want room for surprises of 30 %%, and no more than the policy's 40", got)
	}
	if got := size(2000, 20*time.Minute); got < 22 || got > 25 {
		t.Errorf("%d instances for 20 Erlangs that hold no surprise, want 22 to 25", got)
	}
	if got := size(1000, 20*time.Minute); got > 14 {
		t.Errorf("%d instances for 10 Erlangs, want 14 at most", got)
	}
	if got := size(2000, 5*time.Second); got < 29 {
		t.Errorf("%d instances right after the load doubled, want room for more of that kind", got)
	}
	if got := size(2000, 20*time.Minute); got > 25 {
		t.Errorf("%d instances for 20 Erlangs, long after that, want 25 at most", got)
	}
}

// What is measured goes first: requests that stay too long have it keep more room.
func TestMissedObjectiveTakesRoom(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready")
	c.s.Pool.Policy.SLO = spec.SLO{Percentile: 0.95, Latency: 100 * time.Millisecond}
	c.s.Pool.Policy.Max, c.rps = 20, 500
	for range int(20 * time.Minute / every) {
		c.round()
	}
	relaxed := c.round().Desired
	for i := range c.s.Instances {
		c.s.Instances[i].SampledAt, c.s.Instances[i].InFlight = c.now.Add(every), 8 // of 167 requests per second: 48 ms each, 144 ms for one in twenty
	}
	c.round()
	if got := c.round().Desired; relaxed != 8 || got <= 8 || got > 10 {
		t.Errorf("%d instances while the objective is kept and %d while it is not, want 8 and more, no more than the policy's 10", relaxed, got)
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared   time.Duration
		boot, want time.Duration
	}{
		{5 * time.Minute, time.Second, 5 * time.Minute},
		{0, 0, spec.DefaultScaleInAfter},
		{0, 50 * time.Millisecond, spec.LeastScaleInAfter},
		{0, time.Second, 25 * time.Second},
		{0, time.Minute, spec.MostScaleInAfter},
	} {
		v := NewViot(Learned{BootSeconds: tt.boot.Seconds()})
		if got := v.patience(&spec.Policy{ScaleInAfter: spec.Duration(tt.declared)}); got != tt.want {
			t.Errorf("waits %v with %v declared and boots of %v, want %v", got, tt.declared, tt.boot, tt.want)
		}
	}
}

// The fewest instances keep the objective at all but rare moments; one that leaves no room is told.
func TestSteady(t *testing.T) {
	t.Parallel()
	s, o := stationOf(1, 0.01, 1), objective{0.1, 0.05}
	before := 0
	for _, a := range []float64{0.5, 1, 5, 20, 100} {
		n, ok := s.steady(a, o)
		mean, _, _ := s.staff(a, o)
		if !ok || n < mean || n <= before || float64(n) <= a {
			t.Errorf("%d instances for %v Erlangs, want more than for fewer and no fewer than the %d of the mean", n, a, mean)
		}
		before = n
	}
	if n, ok := stationOf(1, 0.05, 1).steady(1, o); ok {
		t.Errorf("%d instances answer requests of 50 ms within 100 ms however long one in twenty takes", n)
	}
	bunched, _ := stationOf(1, 0.01, 4).steady(20, o)
	if single, _ := s.steady(20, o); bunched <= single {
		t.Errorf("%d instances for arrivals in bunches, want more than the %d for single ones", bunched, single)
	}
}
