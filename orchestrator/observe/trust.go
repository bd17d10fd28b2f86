package observe

import (
	"fmt"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// An instance is not believed when it says what cannot be. Its figures are then left out, and it is named, until it has
// told what can be for believedAfter readings in a row.
const (
	believedAfter = 3
	// cpuSlack is by how much an instance may exceed its limit, and cpuTicks by how many seconds in any case: the kernel
	// hands CPU time out in periods and counts it in hundredths of a second.
	cpuSlack, cpuTicks = 1.5, 0.1
	// mostRPS and mostInFlight are beyond any one process.
	mostRPS, mostInFlight = 1e6, 1e6
	// requestSlack is how many times as many requests as the balancers gave it an instance may count, and requestsBeside
	// how many a second in any case: not every request comes through a balancer.
	requestSlack, requestsBeside = 10, 100
	// Figures that have not moved for frozenAfter although the balancers gave frozenRequests are not figures.
	frozenAfter, frozenRequests = 3 * time.Second, 100
)

// bounds is what an instance cannot exceed.
type bounds struct {
	cpus     float64 // its limit; 0 is none
	hostCPUs float64 // of its host; 0 when not known
}

// doubt says why a page that follows another of the same process cannot be true; empty when it can. routed is how many
// requests the balancers gave the instance between them and after; counted is false when they do not tell.
func doubt(before, p page, b bounds) string {
	// The counters were read somewhere between question and answer: the longest time that may have passed.
	seconds := p.at.Sub(before.askedAt).Seconds()
	cpu := p.cpuSeconds - before.cpuSeconds
	most := b.cpus * cpuSlack
	if b.hostCPUs > 0 && (most == 0 || most > b.hostCPUs*cpuSlack) {
		most = b.hostCPUs * cpuSlack
	}
	switch {
	case p.requests < before.requests:
		return fmt.Sprintf("its count of requests fell from %g to %g without a restart", before.requests, p.requests)
	case p.cpuSeconds < before.cpuSeconds:
		return fmt.Sprintf("its CPU time fell from %g s to %g s without a restart", before.cpuSeconds, p.cpuSeconds)
	case p.errors < before.errors:
		return fmt.Sprintf("its count of errors fell from %g to %g without a restart", before.errors, p.errors)
	case p.stamp < before.stamp:
		return "its time stamps go back"
	case most > 0 && cpu > most*seconds+cpuTicks:
		return fmt.Sprintf("it claims %.3g cores where %.3g are the most it can use", cpu/seconds, most)
	case p.requests-before.requests > mostRPS*seconds:
		return fmt.Sprintf("it claims %.3g requests/s", (p.requests-before.requests)/seconds)
	case p.inFlight > mostInFlight:
		return fmt.Sprintf("it claims %.3g requests in flight", p.inFlight)
	case p.errors-before.errors > p.requests-before.requests+requestsBeside*seconds:
		return "it claims more errors than requests"
	}
	return ""
}

// tooMany says why an instance cannot have finished so many requests in seconds when the balancers gave it routed in
// that time and a little more; empty when it can.
func tooMany(requests, routed, seconds float64) string {
	if requests > requestSlack*routed+requestsBeside*seconds+requestsBeside {
		return fmt.Sprintf("it claims %.3g requests where the balancers gave it %.3g", requests, routed)
	}
	return ""
}

// interval is what an instance did between two readings. It waits until the balancers have counted up to its end.
type interval struct {
	from, to              page
	routedFrom            float64 // by the balancers' count before it began
	routed                bool    // they had one
	requests, cpu, errors float64
	seconds               float64
}

// frozen notices figures that stand still while requests are given.
type frozen struct {
	since  page
	routed float64 // then
}

// stuck takes the newest page in, and says why it is no longer believed; empty when it is.
func (f *frozen) stuck(p page, routed float64) string {
	if f.since.at.IsZero() || p.requests != f.since.requests || p.cpuSeconds != f.since.cpuSeconds || routed < f.routed {
		*f = frozen{p, routed}
		return ""
	}
	if given := routed - f.routed; given >= frozenRequests && p.at.Sub(f.since.at) >= frozenAfter {
		return fmt.Sprintf("its figures have not moved for %.0f s in which the balancers gave it %.0f requests", p.at.Sub(f.since.at).Seconds(), given)
	}
	return ""
}

// suspect begins or goes on to disbelieve an instance.
func (w *watched) suspect(why string, at time.Time) {
	w.suspicion, w.sane, w.pending = why, 0, nil
	w.sample = fleet.Sample{At: at, Suspect: why}
}
