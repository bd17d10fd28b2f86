package decide

import (
	"math"
	"time"
)

// rate estimates how fast a counter grows. It keeps the newest readings and is as quick as the evidence allows: the
// mean over all readings while the counter grows steadily, the mean since a step, up or down, once it is beyond chance.
type rate struct {
	points [readings]reading // ring, oldest first from next
	n      int
	next   int
}

type reading struct {
	at    time.Time
	total float64
}

const (
	readings = 17 // at four a second the longest mean is over 4 s
	// sigmas is how far off, in standard deviations of a Poisson process, arrivals must be before the mean over a
	// shorter time is believed. At 4, chance alone is believed about once in a quarter of an hour.
	sigmas = 4
	// shortest is the least time between two readings that are both kept: closer ones say nothing.
	shortest = 100 * time.Millisecond
)

// add takes a reading in. A counter that fell, or a clock that did, begins anew.
func (r *rate) add(at time.Time, total float64) {
	if r.n > 0 {
		last := r.back(0)
		switch {
		case at.Before(last.at) || total < last.total:
			*r = rate{}
		case at.Sub(last.at) < shortest:
			return
		}
	}
	r.points[r.next] = reading{at, total}
	r.next = (r.next + 1) % readings
	r.n = min(r.n+1, readings)
}

// back returns the reading i before the newest.
func (r *rate) back(i int) reading { return r.points[(r.next-1-i+2*readings)%readings] }

// perSecond returns the estimate; ok is false until there are two readings.
func (r *rate) perSecond() (estimate float64, ok bool) {
	if r.n < 2 {
		return 0, false
	}
	newest := r.back(0)
	for i := r.n - 1; ; i /= 2 {
		oldest := r.back(i)
		seconds := newest.at.Sub(oldest.at).Seconds()
		count := newest.total - oldest.total
		if expected := estimate * seconds; i == r.n-1 || math.Abs(count-expected) > sigmas*math.Sqrt(expected)+2 {
			estimate = count / seconds
		}
		if i == 1 {
			return estimate, true
		}
	}
}
