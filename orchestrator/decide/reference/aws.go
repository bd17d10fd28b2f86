package reference

import (
	"fmt"
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// aws is target tracking of AWS by mean CPU. The exact step is not published; this is the documented behaviour: a high
// alarm after out datapoints above the target, a low one after in datapoints below nine tenths of it.
type aws struct {
	target           target
	every            time.Duration
	out, in          int
	warmup, cooldown time.Duration

	sum, n   float64
	points   []float64 // newest last; NaN is a missing one
	shrunkAt time.Time
}

func newAWS(s *settings) rule {
	return &aws{
		target: s.target(), every: s.span("period", 60*time.Second), out: int(s.number("out", 3, 1, 100)), in: int(s.number("in", 15, 1, 100)),
		warmup: s.duration("warmup", 300*time.Second), cooldown: s.duration("cooldown", 300*time.Second),
	}
}

func (a *aws) period() time.Duration { return a.every }

func (a *aws) observe(v *view) {
	var warm, all, warmSum, allSum float64
	for k := range v.Instances {
		i := &v.Instances[k]
		if i.State != fleet.Ready || !v.fresh(i) {
			continue
		}
		all, allSum = all+1, allSum+v.busy(i)
		if v.now.Sub(i.StartedAt) >= a.warmup { // one that warms up is not part of the mean
			warm, warmSum = warm+1, warmSum+v.busy(i)
		}
	}
	switch {
	case warm > 0:
		a.sum, a.n = a.sum+v.elapsed*warmSum/warm, a.n+v.elapsed
	case all > 0:
		a.sum, a.n = a.sum+v.elapsed*allSum/all, a.n+v.elapsed
	}
}

// lasting says whether the last n datapoints are there and f holds for each.
func (a *aws) lasting(n int, f func(float64) bool) bool {
	if len(a.points) < n {
		return false
	}
	for _, p := range a.points[len(a.points)-n:] {
		if math.IsNaN(p) || !f(p) {
			return false
		}
	}
	return true
}

func (a *aws) step(v *view) (int, string) {
	mean := math.NaN()
	if a.n > 0 {
		mean = a.sum / a.n
	}
	a.sum, a.n = 0, 0
	if a.points = append(a.points, mean); len(a.points) > max(a.out, a.in) {
		a.points = append(a.points[:0], a.points[1:]...)
	}
	target, warm := a.target.of(v), 0
	for k := range v.Instances {
		if i := &v.Instances[k]; i.Live() && v.now.Sub(i.StartedAt) >= a.warmup {
			warm++
		}
	}
	if a.lasting(a.out, func(p float64) bool { return p > target }) {
		// What warms up is counted already, so a further step is only for what the warm ones need beyond it.
		return max(v.desired, whole(float64(max(warm, 1))*mean/target)), fmt.Sprintf("high alarm, CPU %.2f above %.2f", mean, target)
	}
	if warm == v.live && v.now.Sub(a.shrunkAt) >= a.cooldown && a.lasting(a.in, func(p float64) bool { return p < 0.9*target }) {
		// Assumed, for the size of a step is not published: at most a tenth at once.
		n := max(whole(float64(v.desired)*mean/target), v.desired-max(1, v.desired/10))
		if n < v.desired {
			a.shrunkAt = v.now
		}
		return n, fmt.Sprintf("low alarm, CPU %.2f below %.2f", mean, 0.9*target)
	}
	return v.desired, "in range"
}
