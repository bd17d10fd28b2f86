package decide

import (
	"math"
	"time"
)

// rate estimates how fast a counter grows. It remembers about a minute, the last seconds of it finely, and is as quick
// as the evidence allows: the mean over the minute while the counter grows steadily, the mean since a step, up or down,
// once that is beyond chance.
type rate struct {
	latest       ring // readings as close as they come
	fine, coarse ring
	steady       bool    // no change was found lately
	spread       float64 // variance of counts over that of a Poisson process, in the mean; 0 until known
	grewAt       time.Time
	begun        time.Time // of the first reading, from which those of readings count
}

// ring is the newest readings of a counter.
type ring struct {
	points [readings]reading
	n      int
	next   int
}

type reading struct {
	at    float64 // seconds
	total float64
}

const (
	readings = 17 // at four a second the fine ones span over 4 s, and the coarse ones over a minute
	// sigmas is how far off, in standard deviations, arrivals must be before the mean over a shorter time is believed,
	// and so a trend. At 4, chance alone is believed about once in a quarter of an hour.
	sigmas = 4
	// shortest is the least time, in seconds, between two readings that are both kept: closer ones say nothing.
	shortest  = 0.1
	finest    = 0.2 // seconds between two fine readings
	coarsest  = 4   // seconds between two coarse readings
	spreadMax = 25
	// unexplained is by how much more than chance readings may be off a line that is believed.
	unexplained = 2
)

// back returns the reading i before the newest.
func (r *ring) back(i int) reading { return r.points[(r.next-1-i+2*readings)%readings] }

func (r *ring) add(p reading) {
	r.points[r.next] = p
	r.next = (r.next + 1) % readings
	r.n = min(r.n+1, readings)
}

// add takes a reading in. A counter that fell, or a clock that did, begins anew.
func (r *rate) add(when time.Time, total float64) {
	if r.latest.n > 0 {
		last := r.latest.back(0)
		switch at := when.Sub(r.begun).Seconds(); {
		case at < last.at || total < last.total || math.IsNaN(total):
			*r = rate{}
		case at-last.at < shortest:
			return
		case total > last.total:
			r.grewAt = when
		}
	}
	if r.latest.n == 0 {
		r.begun = when
	}
	at := when.Sub(r.begun).Seconds()
	if r.fine.n == 0 || at-r.fine.back(0).at >= finest {
		r.vary(at, total)
		r.fine.add(reading{at, total})
	}
	r.latest.add(reading{at, total})
	if r.coarse.n == 0 || at-r.coarse.back(0).at >= coarsest {
		r.coarse.add(reading{at, total})
	}
}

// vary learns how much more counts vary than chance explains, as long as their mean does not change.
func (r *rate) vary(at, total float64) {
	if !r.steady || r.fine.n == 0 {
		return
	}
	last := r.fine.back(0)
	perSecond, ok := r.perSecond()
	expected := perSecond * (at - last.at)
	if !ok || expected < 1 {
		return
	}
	off := total - last.total - expected
	if r.spread == 0 {
		r.spread = 1
	}
	r.spread += 0.01 * (min(off*off/expected, spreadMax) - r.spread)
}

// dispersion is the variance of counts over that of a Poisson process, at least 1.
func (r *rate) dispersion() float64 { return max(1, r.spread) }

// perSecond returns the estimate; ok is false until there are two readings.
func (r *rate) perSecond() (estimate float64, ok bool) {
	if r.latest.n < 2 {
		return 0, false
	}
	newest := r.latest.back(0)
	dispersion := r.dispersion()
	begun := false
	r.steady = true
	consider := func(oldest reading) {
		seconds := newest.at - oldest.at
		count := newest.total - oldest.total
		expected := estimate * seconds
		if off := math.Abs(count - expected); !begun || off > sigmas*math.Sqrt(dispersion*expected)+2 {
			estimate = count / seconds
			r.steady = r.steady && !begun
		}
		begun = true
	}
	for i := r.coarse.n - 1; i >= 1 && r.coarse.back(i).at < r.fine.back(r.fine.n-1).at; i /= 2 {
		consider(r.coarse.back(i))
	}
	for i := r.fine.n - 1; i >= 1; i /= 2 {
		consider(r.fine.back(i))
	}
	for i := 2; i >= 1; i-- {
		if i < r.latest.n && newest.at-r.latest.back(i).at < finest {
			consider(r.latest.back(i))
		}
	}
	return estimate, true
}

// ahead is the rate a time after the newest reading if its trend goes on; ok is false unless there is a trend that is
// beyond chance. It rests on the shortest time that shows one.
func (r *rate) ahead(by time.Duration) (perSecond, slope float64, ok bool) {
	if perSecond, slope, ok = r.fine.line(by, r.dispersion()); ok {
		return perSecond, slope, true
	}
	return r.coarse.line(by, r.dispersion())
}

// line fits a line to the rates between readings.
func (r *ring) line(by time.Duration, dispersion float64) (perSecond, slope float64, ok bool) {
	const fewest = 6
	if r.n < fewest {
		return 0, 0, false
	}
	oldest, newest := r.back(r.n-1), r.back(0)
	span := newest.at - oldest.at
	mean := (newest.total - oldest.total) / span
	var along, across float64
	for i := 0; i+1 < r.n; i++ {
		b, a := r.back(i), r.back(i+1)
		seconds := b.at - a.at
		centre := (a.at+b.at)/2 - oldest.at - span/2
		along += centre * (b.total - a.total - mean*seconds)
		across += centre * centre * seconds
	}
	if !(span > 0 && across > 0) {
		return 0, 0, false
	}
	slope = along / across
	// The slope of a Poisson process over span varies by 12 × rate ÷ span³.
	if math.Abs(slope) <= sigmas*math.Sqrt(12*dispersion*mean/(span*span*span)) {
		return 0, 0, false
	}
	// A step is no trend: each quarter must go on where the one before was, in part at least.
	q, quarter := (r.n-1)/4, func(from, to int) float64 {
		a, b := r.back(from), r.back(to)
		return (b.total - a.total) / (b.at - a.at)
	}
	const part = 0.3
	for i := range 3 {
		newer, older := quarter((i+1)*q, i*q), quarter((i+2)*q, (i+1)*q)
		if (newer-older)*math.Copysign(1, slope) < part*math.Abs(slope)*span/4 {
			return 0, 0, false
		}
	}
	// What is left between the line and the counts must be no more than chance.
	left := 0.0
	for i := 0; i+1 < r.n; i++ {
		b, a := r.back(i), r.back(i+1)
		seconds := b.at - a.at
		centre := (a.at+b.at)/2 - oldest.at - span/2
		expected := max((mean+slope*centre)*seconds, 0.5)
		off := b.total - a.total - expected
		left += off * off / expected
	}
	if left > unexplained*dispersion*float64(r.n-3) {
		return 0, 0, false
	}
	const longest = 0.5 // of the span, beyond which a line is not drawn on
	return max(0, mean+slope*(span/2+min(by.Seconds(), longest*span))), slope, true
}
