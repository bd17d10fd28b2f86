package decide

import (
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// serviceTime learns how much CPU time one request takes, from what the whole pool did. CPU time does not grow
// while requests wait for each other, so the figure stays true under overload.
type serviceTime struct {
	last     fleet.Work
	requests float64 // decayed sums
	cpu      float64 // seconds
	idle     float64 // cores an instance uses without requests
	seconds  float64 // the estimate; 0 until known
}

const (
	serviceHalfLife = 15 * time.Second // of what was learnt, in time during which requests came
	idleHalfLife    = 30 * time.Second
	idleRPS         = 0.5 // requests per second and instance below which its CPU use counts as idle
	// An estimate is believed from enoughRequests on if the clock that counts CPU time, in hundredths of a second,
	// is fine enough for them, and from manyRequests on in any case.
	enoughRequests, manyRequests = 20, 1000
	enoughCPU                    = 0.05
)

// learn takes the newest totals in.
func (s *serviceTime) learn(w fleet.Work) {
	if !w.At.After(s.last.At) {
		return
	}
	last := s.last
	s.last = w
	requests, cpu := w.Requests-last.Requests, w.CPUSeconds-last.CPUSeconds
	watched := w.InstanceSeconds - last.InstanceSeconds
	if last.At.IsZero() || watched <= 0 || requests < 0 || cpu < 0 {
		return
	}
	elapsed := w.At.Sub(last.At)
	if requests < idleRPS*watched {
		keep := decay(elapsed, idleHalfLife)
		s.idle = keep*s.idle + (1-keep)*cpu/watched
		return // too few to learn from: what is known stays
	}
	keep := decay(elapsed, serviceHalfLife)
	s.requests = keep*s.requests + requests
	s.cpu = keep*s.cpu + max(0, cpu-s.idle*watched)
	if s.requests >= enoughRequests && s.cpu >= enoughCPU || s.requests >= manyRequests {
		s.seconds = s.cpu / s.requests
	}
}

func decay(elapsed, halfLife time.Duration) float64 {
	return math.Exp2(-elapsed.Seconds() / halfLife.Seconds())
}
