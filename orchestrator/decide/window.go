package decide

import (
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// window remembers the largest of the values it was given within a time. Its values fall from oldest to newest: one
// that a later value reaches can never be the largest again and is forgotten.
type window struct{ values []timed }

type timed struct {
	at time.Time
	n  int
}

// add takes n in, as of at, and forgets what is older than keep.
func (w *window) add(at time.Time, n int, keep time.Duration) {
	v := w.values
	for len(v) > 0 && v[len(v)-1].n <= n {
		v = v[:len(v)-1]
	}
	v = append(v, timed{at, n})
	expired := 0
	for at.Sub(v[expired].at) >= keep { // ends at the newest: keep is positive
		expired++
	}
	w.values = append(v[:0], v[expired:]...)
}

// peak is the largest value; 0 when none was given.
func (w *window) peak() int {
	if len(w.values) == 0 {
		return 0
	}
	return w.values[0].n
}

// peakSince is the largest value of those given at or after an instant, which the newest always is.
func (w *window) peakSince(at time.Time) int {
	for i, v := range w.values {
		if !v.at.Before(at) || i == len(w.values)-1 {
			return v.n
		}
	}
	return 0
}

// reached is when n was last reached; zero when it was not.
func (w *window) reached(n int) (at time.Time) {
	for _, v := range w.values {
		if v.n < n {
			break
		}
		at = v.at
	}
	return at
}

// patience is how long fewer instances must have been enough: as declared, or so long that a removal that was wrong,
// which one boot makes up for, costs little beside what the wait does.
func (v *Viot) patience(p *spec.Policy) time.Duration {
	const boots = 20
	switch {
	case p.ScaleInAfter > 0:
		return time.Duration(p.ScaleInAfter)
	case v.boot.mean == 0:
		return spec.DefaultScaleInAfter
	}
	return min(max(boots*(v.boot.ahead()+reaction), spec.LeastScaleInAfter), spec.MostScaleInAfter)
}
