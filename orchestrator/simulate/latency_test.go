package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// events is a pool that is followed request by request: arrivals go to the instance that has least, which shares its
// processor among them; more than its connections wait in turn. It returns the share that took longer than the bound.
func events(s Service, n int, rate, seconds float64, chance *rand.Rand) (late float64) {
	type request struct{ came, left float64 } // left to do, in seconds alone
	instances := make([][]request, n)
	var queue []request
	count, missed, now := 0, 0, 0.0
	next := chance.ExpFloat64() / rate
	for now < seconds {
		// The next event: an arrival, or the first to be done anywhere.
		which, done, at := -1, -1, next
		for i, r := range instances {
			for k := range r {
				if end := now + r[k].left*float64(len(r)); end < at {
					which, done, at = i, k, end
				}
			}
		}
		for _, r := range instances {
			for k := range r {
				r[k].left -= (at - now) / float64(len(r))
			}
		}
		now = at
		if which >= 0 {
			r := instances[which]
			if now > seconds/10 { // the beginning is not steady
				count++
				if now-r[done].came > s.Bound {
					missed++
				}
			}
			r[done] = r[len(r)-1]
			instances[which] = r[:len(r)-1]
			if len(queue) > 0 {
				instances[which] = append(instances[which], queue[0])
				queue = queue[1:]
			}
			continue
		}
		next = now + chance.ExpFloat64()/rate
		one := request{now, chance.ExpFloat64() * s.CPUSeconds / s.Cores}
		least := 0
		for i := range instances {
			if len(instances[i]) < len(instances[least]) {
				least = i
			}
		}
		if len(instances[least]) >= s.Connections {
			queue = append(queue, one)
			continue
		}
		instances[least] = append(instances[least], one)
	}
	return float64(missed) / float64(count)
}

// The steady state of the model is that of a pool which is followed request by request.
func TestSteadyStateIsThatOfTheEvents(t *testing.T) {
	t.Parallel()
	s := Defaults().Service
	st := steadyOf(s)
	chance := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 5, 20} {
		for _, load := range []float64{0.4, 0.6, 0.75, 0.85} {
			want := events(s, n, load*float64(n)*s.perSecond(), 1500/math.Sqrt(float64(n)), chance)
			got := st.late(n, load)
			t.Logf("%2d instances at %.2f: model %.4f, events %.4f", n, load, got, want)
			if math.Abs(got-want) > 0.01+0.35*want {
				t.Errorf("%d instances at load %.2f: %.4f late, event by event %.4f", n, load, got, want)
			}
		}
	}
}

// M/M/1 with a shared processor has its known share beyond the bound.
func TestSteadyStateOfOne(t *testing.T) {
	t.Parallel()
	s := Defaults().Service
	s.Connections = 1 << 20 // all share
	for _, load := range []float64{0.3, 0.5, 0.8} {
		mean := 0.0 // of the slowdown, by the tail of the share of late requests over bounds
		const step = 0.01
		for x := step / 2; x < 400; x += step {
			s.Bound = x * s.CPUSeconds
			if x > 20 && int(x/step)%50 != 25 {
				continue // a coarse tail will do
			}
			weight := step
			if x > 20 {
				weight *= 50
			}
			mean += weight * s.lateSteady(1, load)
		}
		if want := 1 / (1 - load); math.Abs(mean-want) > 0.02*want {
			t.Errorf("load %v: mean slowdown %.3f, want %.3f", load, mean, want)
		}
	}
}

func TestNeedMeetsTheObjective(t *testing.T) {
	t.Parallel()
	st := steadyOf(Defaults().Service)
	for rate := 1.0; rate < 5000; rate *= 1.07 {
		n := st.need(rate)
		at := func(n int) float64 { return st.late(n, rate/(float64(n)*100)) }
		if at(n) > 0.0505 || n > 1 && at(n-1) <= 0.045 && rate/(float64(n-1)*100) < fullLoad-0.01 {
			t.Fatalf("%v requests/s: %d instances have %.4f late, one fewer %.4f", rate, n, at(n), at(n-1))
		}
	}
}

func TestPoisson(t *testing.T) {
	t.Parallel()
	for _, mean := range []float64{0, 0.1, 3, 11, 40, 700} {
		t.Run(fmt.Sprint(mean), func(t *testing.T) {
			t.Parallel()
			d := dice(7)
			const n = 200_000
			var sum, squares float64
			for i := range uint64(n) {
				x, _ := poisson(d.at(i), mean)
				sum += x
				squares += x * x
			}
			m := sum / n
			v := squares/n - m*m
			if math.Abs(m-mean) > 0.02*mean || math.Abs(v-mean) > 0.05*mean {
				t.Errorf("mean %v, variance %v, want %v", m, v, mean)
			}
		})
	}
}
