package decide

import "time"

// saturation notices that more instances do not get more done: something that they share is the ceiling.
type saturation struct {
	since   time.Time     // since when requests wait; zero when they do not
	ready   int           // instances, and what they got done per second, when the present trial began
	served  float64       //
	wait    time.Duration // before the next trial, doubling
	until   time.Time     // more are not tried before; zero when they may be
	ceiling int           // instances that were there when it was found
}

const (
	saturationSettle = 5 * time.Second // how long new instances serve before they are judged
	saturationMore   = 0.2             // share of instances that must have been added to judge them
	saturationGain   = 0.2             // of what they should add, below which they add nothing
	saturationWait   = 30 * time.Second
	saturationMost   = 10 * time.Minute
)

// look takes in whether requests wait, how many instances are ready, when the newest became so, and what they get done.
func (s *saturation) look(waits bool, ready int, newest time.Time, served float64, now time.Time) {
	switch {
	case now.Before(s.until):
	case !waits:
		*s = saturation{}
	case s.since.IsZero(), !s.until.IsZero(), ready < s.ready, s.served <= 0: // a trial begins
		if s.since.IsZero() {
			s.since = now
		}
		s.ready, s.served, s.until = ready, served, time.Time{}
	case now.Sub(newest) < saturationSettle || now.Sub(s.since) < saturationSettle:
	default:
		more := float64(ready)/float64(max(s.ready, 1)) - 1
		switch {
		case more < saturationMore:
		case served/s.served-1 >= saturationGain*more:
			s.ready, s.served, s.wait = ready, served, 0
		default:
			s.wait = min(max(2*s.wait, saturationWait), saturationMost)
			s.until, s.ceiling = now.Add(s.wait), ready
		}
	}
}
