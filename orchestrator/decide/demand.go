package decide

import (
	"fmt"
	"math"
	"time"
)

// need is how many instances so many requests per second ask for: by the share of an instance to use, and by the objective.
func (r *sizing) need(perSecond float64) int {
	n := r.within(perSecond)
	if o, ok := r.objective(); ok && perSecond > 0 {
		s := r.station()
		byObjective, _, _ := s.staff(perSecond*s.seconds, o)
		n = max(n, byObjective)
	}
	return n
}

// within is how many instances keep so many requests per second within the share of an instance to use: the policy's, or
// where an objective says what is needed and arrivals are steady, as much more as keeps it at all but rare moments.
func (r *sizing) within(perSecond float64) int {
	n := instances(perSecond * r.v.service.seconds / r.perInstance)
	o, ok := r.objective()
	if !ok || perSecond <= 0 {
		return n
	}
	s := r.station()
	if steady, ok := s.steady(perSecond*(1+r.v.burst.now(r.now))*s.seconds, o); ok {
		n = min(n, max(steady, instances(perSecond*r.v.service.seconds/(r.capacity*busiest))))
	}
	return n
}

// learnBurst compares what came with what the pool was sized for, and how long requests stay with the objective.
func (r *sizing) learnBurst() {
	if !r.load.known {
		return
	}
	v, total := r.v, r.Work.Requests
	if v.source == fromBalancers {
		total = r.Arrivals.Total
	}
	v.burst.learn(total, r.expected, v.arrivals.dispersion(), r.ahead, r.now)
	// In the mean they stay inFlight ÷ perSecond, by Little's law. What varies as much as its mean has the share of the
	// objective beyond that many means.
	if o, ok := r.objective(); ok && o.seconds > 0 && r.inFlight*-math.Log(o.share) > r.load.perSecond*o.seconds && r.inFlight > 1 {
		v.burst.missed(r.now)
	}
}

// voteDemand asks for what keeps instances within the share of their capacity that the policy lets use.
func (r *sizing) voteDemand() {
	v := vote{voter: "demand", value: r.demand}
	switch {
	case !r.load.known:
		v.abstains = r.load.problem
		if v.abstains == "" {
			v.abstains = "arrivals are not known yet"
		}
	case r.v.service.seconds > 0:
		v.need, v.why = r.within(r.load.perSecond), (*sizing).whyDemand
	case r.busy:
		v.value = r.cpu()
		v.need, v.why = instances(v.value/r.perInstance), (*sizing).whyCPU
	default:
		v.why = func(*sizing, *vote) string { return "no arrivals" }
	}
	if v.abstains == "" && r.busy {
		v.need = max(v.need, 1)
	}
	r.v.ballot.cast(v)
}

func (r *sizing) whyDemand(v *vote) string {
	what := "ms"
	if r.v.service.byStay {
		what = "ms in service"
	}
	share := "at " + number(r.perInstance) + " cores an instance"
	if v.need < instances(v.value/r.perInstance) {
		share = fmt.Sprintf("and surprises of %s %% beside what keeps %s", number(100*r.v.burst.now(r.now)), r.Pool.Policy.SLO)
	}
	return fmt.Sprintf("%s arrivals/s × %s %s = %s cores, %s",
		number(r.load.perSecond), number(r.v.service.seconds*1000), what, number(v.value), share)
}

func (r *sizing) whyCPU(v *vote) string {
	return fmt.Sprintf("%s cores in use, at %s cores an instance; service time not known yet", number(v.value), number(r.perInstance))
}

// objective is the policy's, as staff takes it; ok is false when there is none.
func (r *sizing) objective() (o objective, ok bool) {
	switch slo := r.Pool.Policy.SLO; {
	case slo.Percentile > 0:
		return objective{slo.Latency.Seconds(), 1 - slo.Percentile}, true
	case slo.Wait > 0:
		return objective{0, slo.Wait}, true
	}
	return objective{}, false
}

func (r *sizing) station() station {
	return stationOf(r.capacity, r.v.service.seconds, r.v.arrivals.dispersion())
}

// voteSLO asks for what the objective needs.
func (r *sizing) voteSLO() {
	o, ok := r.objective()
	if !ok {
		return
	}
	v := vote{voter: "slo", why: (*sizing).whySLO}
	switch {
	case !r.load.known || r.busy && r.v.service.seconds == 0:
		v.abstains = "arrivals or service time are not known"
	case r.busy:
		s := r.station()
		v.need, v.value, r.sloPossible = s.staff(r.load.perSecond*s.seconds, o)
	}
	r.v.ballot.cast(v)
}

func (r *sizing) whySLO(v *vote) string {
	o, _ := r.objective()
	switch {
	case o.seconds == 0:
		return fmt.Sprintf("%s %% of requests would wait, objective %s", number(v.value*100), r.Pool.Policy.SLO)
	case v.need > 0 && !r.sloPossible:
		return fmt.Sprintf("%s cannot be met: a request takes %s ms of CPU alone; %s %% would wait",
			r.Pool.Policy.SLO, number(r.v.service.seconds*1000), number(v.value*100))
	}
	return fmt.Sprintf("%s %% of requests would take longer, objective %s", number(v.value*100), r.Pool.Policy.SLO)
}

// voteQueue asks for what works the waiting requests off in time, and for one more when they do not get fewer.
func (r *sizing) voteQueue() {
	v := vote{voter: "queue", value: float64(r.queued), why: (*sizing).whyQueue}
	if r.v.service.seconds > 0 && r.load.known && r.queued > 0 {
		// What is left free on purpose works the backlog off.
		backlog := float64(r.queued) * r.v.service.seconds / backlogWithin.Seconds()
		v.need = instances((r.demand + backlog) / r.capacity)
	}
	largest := v.need
	if w := r.v.ballot.largest(); w != nil {
		largest = max(largest, w.need)
	}
	if r.v.queue.stuck(r.queued, r.v.service.seconds > 0, r.now) && r.count.Booting == 0 && r.count.Live >= largest {
		v.need, v.why = r.count.Live+1, (*sizing).whyStuck
	}
	if v.need > 0 {
		r.v.ballot.cast(v)
	}
}

func (r *sizing) whyQueue(v *vote) string {
	return fmt.Sprintf("%d requests wait, to be worked off in %s beside %s cores of arrivals", r.queued, backlogWithin, number(r.demand))
}

func (r *sizing) whyStuck(*vote) string {
	return fmt.Sprintf("%d requests wait for %d instances and do not get fewer", r.queued, r.count.Live)
}

// voteTrend asks for what will be needed once an instance that is started now serves, if the load goes on as it does.
func (r *sizing) voteTrend() {
	if r.Pool.Policy.Forecast.NoTrend || !r.load.known || r.v.service.seconds == 0 {
		return
	}
	expected, slope, ok := r.v.arrivals.ahead(r.ahead)
	if !ok || slope <= 0 || expected <= r.load.perSecond {
		return
	}
	r.slope, r.expected = slope, max(r.expected, expected)
	r.v.ballot.cast(vote{voter: "trend", need: r.need(expected), value: expected, why: (*sizing).whyTrend})
}

func (r *sizing) whyTrend(v *vote) string {
	return fmt.Sprintf("%s arrivals/s expected in %s, growing by %s/s a second", number(v.value), r.ahead.Round(10*time.Millisecond), number(r.slope))
}

// voteSeason asks for what this time of the week is about to bring, as far as earlier days and weeks tell.
func (r *sizing) voteSeason() {
	p := &r.Pool.Policy.Forecast
	if p.NoSeasonal || !r.load.known {
		return
	}
	r.v.season.learn(r.load.perSecond, p.SeasonSteps, r.now)
	if r.v.service.seconds == 0 {
		return
	}
	if expected, ok := r.v.season.ahead(r.load.perSecond, r.ahead, r.now); ok {
		r.v.ballot.cast(vote{voter: "season", need: r.need(expected), value: expected, why: (*sizing).whySeason})
	}
}

func (r *sizing) whySeason(v *vote) string {
	return fmt.Sprintf("%s arrivals/s expected in %s, as earlier at this time", number(v.value), r.ahead.Round(10*time.Millisecond))
}

// voteUnready asks for one more when no instance passes its check though requests come: they may be overloaded.
func (r *sizing) voteUnready() {
	if r.count.Ready > 0 || r.count.Unready == 0 || !r.busy && r.queued == 0 {
		r.v.unreadySize = 0
		return
	}
	if r.v.unreadySize == 0 {
		r.v.unreadySize = r.count.Live + 1
	}
	r.v.ballot.cast(vote{voter: "unready", need: r.v.unreadySize, value: float64(r.count.Unready), why: (*sizing).whyUnready})
}

func (r *sizing) whyUnready(*vote) string {
	return fmt.Sprintf("none of %d instances passes its check though requests come", r.count.Unready)
}
