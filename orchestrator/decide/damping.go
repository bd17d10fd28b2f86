package decide

import (
	"math"
	"time"
)

// damping lengthens the scale-in window while the pool flaps: each time what had just been taken out is wanted back.
type damping struct {
	factor  float64   // as of flappedAt; 0 is 1
	at      time.Time // of the newest reversal
	shrunk  time.Time // when the pool last shrank; zero when what it lost came back since
	shrunkN int       // to what size
}

const (
	dampingMost     = 2
	dampingHalfLife = 10 * time.Minute
	flapWithin      = 1 // scale-in windows, within which growing again is a reversal
)

// changed takes in that the size was changed.
func (d *damping) changed(before, after int, window time.Duration, now time.Time) {
	switch {
	case after < before:
		d.shrunk, d.shrunkN = now, after
	case after > d.shrunkN && !d.shrunk.IsZero():
		if now.Sub(d.shrunk) < time.Duration(flapWithin*float64(window)) {
			d.factor = min(dampingMost, 2*d.now(now))
			d.at = now
		}
		d.shrunk = time.Time{}
	}
}

// now is by how much the window is longer.
func (d *damping) now(now time.Time) float64 {
	if d.factor <= 1 {
		return 1
	}
	f := 1 + (d.factor-1)*math.Exp2(-now.Sub(d.at).Seconds()/dampingHalfLife.Seconds())
	if f < 1.05 {
		d.factor = 0
		return 1
	}
	return f
}
