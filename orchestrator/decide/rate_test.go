package decide

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// largest feeds a rate the counts of a Poisson process, read at even times, and returns the largest estimate meanwhile.
func largest(r *rate, random *rand.Rand, perSecond float64, every, from, until time.Duration, total *float64) (most float64) {
	for at := from; at < until; at += every {
		expected := perSecond * every.Seconds()
		*total += poisson(random, expected)
		r.add(start.Add(at), *total)
		if estimate, ok := r.perSecond(); ok {
			most = max(most, estimate)
		}
	}
	return most
}

func poisson(random *rand.Rand, mean float64) (n float64) {
	for left := random.ExpFloat64(); left < mean; left += random.ExpFloat64() {
		n++
	}
	return n
}

// TestRateKnowsAStep has the load step up: the next reading tells that much more comes, and the one after that how much.
func TestRateKnowsAStep(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{125 * time.Millisecond, 250 * time.Millisecond} {
		var r rate
		total := 0.0
		read := func(perSecond float64, at time.Duration) float64 {
			total += perSecond * every.Seconds()
			r.add(start.Add(at), total)
			estimate, _ := r.perSecond()
			return estimate
		}
		at := time.Duration(0)
		for ; at < time.Minute; at += every {
			if got := read(50, at); at > time.Second && math.Abs(got-50) > 0.01 {
				t.Fatalf("read every %s: %.1f/s after %s, want 50", every, got, at)
			}
		}
		if got := read(200, at); got < 110 {
			t.Errorf("read every %s: %.1f/s in the first reading after a step from 50 to 200, want 110 at least", every, got)
		}
		read(200, at+every)
		if got := read(200, at+2*every); got < 150 || got > 201 {
			t.Errorf("read every %s: %.1f/s in the third reading after a step from 50 to 200, want 150 to 200", every, got)
		}
	}
}

// TestRateBelievesNoChance has arrivals by chance: readings that are closer must not make more of it.
func TestRateBelievesNoChance(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{2, 10, 50, 500} {
		alarms := map[time.Duration]int{}
		for _, every := range []time.Duration{125 * time.Millisecond, 250 * time.Millisecond} {
			random := rand.New(rand.NewPCG(1, uint64(perSecond)))
			var r rate
			total := 0.0
			largest(&r, random, perSecond, every, 0, time.Minute, &total)
			for at := time.Minute; at < 5*time.Hour; at += time.Minute {
				// Two more standard deviations than a mean over four seconds has by chance.
				if largest(&r, random, perSecond, every, at, at+time.Minute, &total) > perSecond+6*math.Sqrt(perSecond/4)+2 {
					alarms[every]++
				}
			}
		}
		for every, n := range alarms {
			if n > 15 { // one in a quarter of an hour is what sigmas allows
				t.Errorf("%v/s read every %s: in %d minutes of 299 much more was believed than comes", perSecond, every, n)
			}
		}
	}
}
