package decide

import (
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// serviceTime learns how much CPU time one request takes, from what the whole pool did. CPU time does not grow
// while requests wait for each other, so the figure stays true under overload. Where instances do not report CPU time
// it takes the shortest time that requests are seen to stay, by Little's law, as if each kept a core busy.
type serviceTime struct {
	last      fleet.Work
	requests  float64 // decayed sums
	cpu       float64 // seconds
	idle      float64 // cores an instance uses without requests
	stay      float64 // seconds a request stays when few are there; 0 until known
	byStay    bool    // seconds is stay
	seconds   float64 // the estimate; 0 until known
	uncounted float64 // requests since CPU time last grew
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

// learn takes the newest totals in, and the requests that are being served and end per second. What an instance did may be
// added after another was read at the same time, so totals that grew are new whatever their time.
func (s *serviceTime) learn(w fleet.Work, inFlight, perSecond float64) {
	if !w.At.After(s.last.At) && w.InstanceSeconds <= s.last.InstanceSeconds {
		return
	}
	last := s.last
	s.last = w
	requests, cpu := w.Requests-last.Requests, w.CPUSeconds-last.CPUSeconds
	watched := w.InstanceSeconds - last.InstanceSeconds
	if last.At.IsZero() || !(watched > 0 && requests >= 0 && cpu >= 0) {
		return
	}
	elapsed := w.At.Sub(last.At)
	if requests < idleRPS*watched {
		keep := decay(elapsed, idleHalfLife)
		s.idle = keep*s.idle + (1-keep)*cpu/watched
		return // too few to learn from: what is known stays
	}
	if perSecond > 1 && inFlight > 0 {
		switch stay := inFlight / perSecond; {
		case s.stay == 0:
			s.stay = stay
		case stay < s.stay:
			s.stay += 0.2 * (stay - s.stay)
		default:
			s.stay += 0.002 * (stay - s.stay)
		}
	}
	if s.uncounted += requests; cpu > 0 {
		s.uncounted = 0
	}
	keep := decay(elapsed, serviceHalfLife)
	s.requests = keep*s.requests + requests
	s.cpu = keep*s.cpu + max(0, cpu-s.idle*watched)
	switch {
	case s.uncounted >= manyRequests:
		if s.byStay = s.stay > 0; s.byStay {
			s.seconds = s.stay
		}
	case s.requests >= enoughRequests && s.cpu >= enoughCPU || s.requests >= manyRequests:
		s.seconds, s.byStay = s.cpu/s.requests, false
	}
}

func decay(elapsed, halfLife time.Duration) float64 {
	return math.Exp2(-elapsed.Seconds() / halfLife.Seconds())
}
