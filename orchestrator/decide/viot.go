package decide

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	// staleAfter is the age from which a reading says nothing about the present.
	staleAfter = 3 * time.Second
	// Where arrivals are counted.
	fromBalancers = "balancers"
	fromInstances = "instances"
	// backlogWithin is the time in which waiting requests are to be worked off.
	backlogWithin = time.Second
	// reaction is the time from a reading until what it asks for is ordered.
	reaction = 250 * time.Millisecond
	// surely is by how many standard deviations fewer instances must be enough.
	surely = 3
)

// Viot is viot's own rule. Measures of load each vote for a size, and the largest vote wins; fewer are needed once the
// largest within the scale-in window is fewer. Without fresh figures it does not shrink: missing data is not low load.
type Viot struct {
	begun       bool
	terse       bool   // its votes are not read while the size stays
	desired     int    // in the round before
	source      string // what arrivals are counted from
	arrivals    rate
	served      rate
	service     serviceTime
	boot        bootTime
	season      season
	burst       burst
	ballot      ballot
	needs       window // of the scale-in window
	damping     damping
	saturation  saturation
	queue       queue
	quietSince  time.Time // since when there is nothing to do; zero when there is
	blindSince  time.Time // since when figures are missing; zero when they are not
	unreadySize int       // asked for since no instance passes its check; 0 while one does
	problem     saying
	clamps      []fleet.Clamp // last told
	round       sizing
}

// sizing is one Size in progress.
type sizing struct {
	*fleet.Snapshot
	v       *Viot
	now     time.Time
	count   fleet.Count
	desired int
	out     Sizing

	capacity    float64 // cores of an instance
	perInstance float64 // of these, cores to use
	load        load
	demand      float64 // cores
	queued      int
	inFlight    float64 // being served, by fresh pages
	busy        bool
	active      bool // a signal says that there is something to do
	mayShrink   bool
	missing     string // what keeps it from shrinking
	ahead       time.Duration
	expected    float64 // the most arrivals per second that the pool is sized for
	slope       float64 // of the trend, arrivals per second and second
	sloPossible bool
	clamps      [2]fleet.Clamp
}

// Size implements Sizer.
func (v *Viot) Size(s *fleet.Snapshot, desired int, now time.Time) Sizing {
	v.round = sizing{Snapshot: s, v: v, now: now, count: fleet.CountOf(s.Instances, s.Template), desired: desired}
	r := &v.round
	window := v.patience(&s.Pool.Policy)
	if !v.begun {
		v.begun = true
		v.needs.add(now, desired, window)
	} else if desired != v.desired {
		v.damping.changed(v.desired, desired, window, now)
	}
	v.desired = desired
	r.believe()
	r.vote()
	r.decide(window)
	out := r.out
	v.round.Snapshot = nil
	return out
}

// believe takes the readings in.
func (r *sizing) believe() {
	v := r.v
	if r.capacity = r.Pool.Template.CPUs; r.capacity == 0 {
		r.capacity = 1 // no limit: what one busy core can do
	}
	r.perInstance = r.capacity * r.Pool.Policy.TargetUtilisation
	perSecond := 0.0
	for i := range r.Instances {
		if at := &r.Instances[i]; at.Live() && r.fresh(at.SampledAt) && at.Suspect == "" {
			r.inFlight += at.InFlight
			perSecond += at.RPS
		}
	}
	v.service.learn(r.Work, r.inFlight, perSecond)
	v.boot.learn(r.Instances, time.Duration(r.Pool.Service.BootTimeout))
	if r.ahead = time.Duration(r.Pool.Policy.Forecast.Ahead); r.ahead == 0 {
		r.ahead = v.boot.ahead() + reaction
	}
	if r.fresh(r.Work.At) {
		v.served.add(r.Work.At, r.Work.Requests)
	}
	r.load = r.believed()
	if v.source == fromBalancers {
		r.queued = r.Arrivals.Queued
	}
	r.demand, r.expected = r.load.perSecond*v.service.seconds, r.load.perSecond
	r.busy = r.load.perSecond > 0 || r.queued > 0
	r.mayShrink, r.missing = r.load.complete, r.load.problem
	if r.Stale != "" {
		r.mayShrink, r.missing = false, "consul does not answer about "+r.Stale
	}
}

func (r *sizing) fresh(at time.Time) bool { return !at.IsZero() && r.now.Sub(at) <= staleAfter }

// load is what comes in as this round believes it.
type load struct {
	perSecond float64
	known     bool   // there is a fresh estimate
	complete  bool   // and it leaves nothing out, so that it may also make the pool smaller
	problem   string // why it is not complete
}

// believed picks the count to believe, by this table:
//
//	balancers' counts   instances' pages   instances        signals        size may grow    size may shrink
//	all fresh           half or more       some are ready   fresh          yes              yes
//	all fresh           fewer              some are ready   any            yes              no
//	some                any                any              any            yes              no
//	none                any fresh          any              any            yes              no
//	not declared        all fresh          some are ready   fresh          yes              yes
//	not declared        some               any              any            yes              no
//	not declared        never any          any              fresh          by the signals   by the signals
//	any                 any                all unready      any            by one, if busy  no
//	any                 any                any              one is stale   by the others    no
//	none                none               any              any            by the signals   no
//
// While Consul is silent the pool does not shrink either, whatever is counted: who is in service may have changed.
func (r *sizing) believed() load {
	v, declared := r.v, len(r.Pool.Balancers) > 0
	source, at, total := "", time.Time{}, 0.0
	l := load{problem: r.Work.Problem}
	allUnready := r.count.Unready > 0 && r.count.Ready == 0
	switch {
	case declared && r.fresh(r.Arrivals.At):
		source, at, total = fromBalancers, r.Arrivals.At, r.Arrivals.Total
		l.complete = r.Arrivals.Complete && 2*r.Work.Fresh >= r.count.Ready && !allUnready
		if !r.Arrivals.Complete {
			l.problem = r.Arrivals.Problem
		}
	case r.fresh(r.Work.At):
		source, at, total = fromInstances, r.Work.At, r.Work.Requests
		l.complete = !declared && r.Work.Fresh >= r.count.Ready && !allUnready
		if declared {
			l.problem = r.Arrivals.Problem
		}
	case declared:
		l.problem = r.Arrivals.Problem
	}
	if l.problem == "" && allUnready {
		l.problem = "no instance passes its check"
	}
	if source != v.source {
		v.source, v.arrivals, v.burst.since = source, rate{}, time.Time{}
	}
	if source != "" {
		v.arrivals.add(at, total)
		l.perSecond, l.known = v.arrivals.perSecond()
	}
	l.complete = l.complete && l.known
	if !declared && r.Work.At.IsZero() && len(r.Signals) > 0 {
		l.complete = true
	}
	return l
}

// vote asks all.
func (r *sizing) vote() {
	v := r.v
	v.ballot.votes = v.ballot.votes[:0]
	r.voteDemand()
	r.voteSLO()
	r.voteQueue()
	r.voteTrend()
	r.voteSeason()
	r.voteSignals()
	r.voteUnready()
	r.voteSpare()
	r.voteAwake()
	r.blind()
	r.learnBurst()
}

// decide makes a size of the votes.
func (r *sizing) decide(window time.Duration) {
	v, in := r.v, &r.out.Inputs
	winner := v.ballot.largest()
	need := r.desired
	if winner != nil {
		need = winner.need
		in.Winner = winner.voter
	}
	in.ArrivalsPerSecond, in.ServiceTimeSeconds, in.Demand, in.Queued = r.load.perSecond, v.service.seconds, r.demand, r.queued
	in.BootSeconds, in.Need = v.boot.seconds(), need
	if !r.mayShrink {
		need = max(need, r.desired)
	}
	longer := v.damping.now(r.now)
	keep := time.Duration(float64(window) * longer)
	enough := need
	if _, ok := r.objective(); ok && need < r.desired && r.load.known {
		// Fewer must be enough beyond chance, here that of ten seconds, else the pool grows again as soon as it has shrunk.
		chance := surely * math.Sqrt(r.load.perSecond/10)
		enough = max(need, min(r.need(r.load.perSecond+chance), r.desired))
	}
	v.needs.add(r.now, enough, keep)
	in.Peak = v.needs.peak()

	size := r.desired
	switch {
	case need > r.desired:
		size = need
	case in.Peak < r.desired:
		size = in.Peak
	}
	clamps := r.clamps[:0]
	if longer > 1 && need < r.desired && size > in.Peak-1 {
		if soon := v.needs.peakSince(r.now.Add(-window)); soon < size {
			clamps = append(clamps, fleet.Clamp{Name: "damping", From: soon, To: size, Why: "it shrank and grew again: fewer must be enough for longer"})
		}
	}
	if most := r.saturated(); most > 0 && size > max(most, r.desired) {
		clamps = append(clamps, fleet.Clamp{Name: "saturation", From: size, To: max(most, r.desired), Why: saturated})
		size = max(most, r.desired)
		r.out.Holds = append(r.out.Holds, saturated)
	}
	if !sameClamps(clamps, v.clamps) {
		v.clamps = append([]fleet.Clamp(nil), clamps...)
	}
	in.Clamps = v.clamps
	if in.Peak >= r.desired && need < r.desired && r.mayShrink {
		in.ScaleInAt = v.needs.reached(r.desired).Add(keep)
	}
	if !v.terse || size != r.desired {
		in.Votes = v.ballot.tell(r, size != r.desired)
	}
	r.out.Size = size
	switch {
	case size > r.desired:
		r.out.Cause = fmt.Sprintf("needs %d: %s", need, winner.why(r, winner))
	case size < r.desired:
		r.out.Cause = fmt.Sprintf("no more than %d needed for %s", in.Peak, keep.Round(time.Second))
	}
}

const saturated = "more instances do not add throughput: the ceiling is elsewhere"

// saturated is how many instances are as good as more; 0 when more may help.
func (r *sizing) saturated() int {
	v := r.v
	served, ok := v.served.perSecond()
	var newest time.Time
	for i := range r.Instances {
		if at := &r.Instances[i]; at.State == fleet.Ready && at.Since.After(newest) {
			newest = at.Since
		}
	}
	v.saturation.look(ok && r.queued > 0, r.count.Ready, newest, served, r.now)
	if r.now.Before(v.saturation.until) {
		return v.saturation.ceiling
	}
	return 0
}

// voteAwake keeps one instance until there was nothing to do for long enough, and wakes the pool when there is.
func (r *sizing) voteAwake() {
	v := r.v
	policy := &r.Pool.Policy
	if policy.Min > 0 {
		return
	}
	idle := !r.active && r.queued == 0 && r.Arrivals.Held == 0 && r.inFlight == 0 && r.now.Sub(v.arrivals.grewAt) > time.Second
	switch {
	case !idle:
		v.quietSince = time.Time{}
	case v.quietSince.IsZero():
		v.quietSince = r.now
	}
	quiet := time.Duration(0)
	if idle {
		quiet = r.now.Sub(v.quietSince)
	}
	switch {
	case !idle:
		v.ballot.cast(vote{voter: "awake", need: 1, why: func(*sizing, *vote) string { return "there is something to do" }})
	case r.desired > 0 && quiet < time.Duration(policy.ZeroAfter)-v.patience(policy):
		v.ballot.cast(vote{voter: "awake", need: 1, why: func(r *sizing, _ *vote) string {
			return "nothing was to do for less than " + r.Pool.Policy.ZeroAfter.String()
		}})
	default: // what is left in the means of arrivals is the past
		for i := range v.ballot.votes {
			if w := &v.ballot.votes[i]; w.need == 1 {
				w.need = 0
			}
		}
	}
}

// blind reports that figures have been missing for long enough to matter.
func (r *sizing) blind() {
	switch v := r.v; {
	case r.mayShrink && (r.v.service.seconds > 0 || !r.busy || !r.load.known):
		v.blindSince = time.Time{}
	case r.mayShrink:
		r.mayShrink = false // the service time is not known yet
		v.blindSince = time.Time{}
	case v.blindSince.IsZero():
		v.blindSince = r.now
	case r.now.Sub(v.blindSince) >= staleAfter && r.count.Live > 0:
		problem := r.missing
		if problem == "" {
			problem = "no fresh figures"
		}
		r.out.Problem = v.problem.of(problem, 0, func() string { return blind + ": " + problem })
		r.out.Holds = append(r.out.Holds, blind)
	}
}

const blind = "size is not reduced for want of data"

// saying is a sentence that is built again only when what it is about changes.
type saying struct {
	about string
	n     int
	text  string
}

func (s *saying) of(about string, n int, text func() string) string {
	if s.about != about || s.n != n || s.text == "" {
		*s = saying{about, n, text()}
	}
	return s.text
}

// cpu is how many cores the pool uses now, by what fresh pages say.
func (r *sizing) cpu() (cores float64) {
	for i := range r.Instances {
		if at := &r.Instances[i]; at.Live() && r.fresh(at.SampledAt) && at.Suspect == "" {
			cores += at.CPU
		}
	}
	return cores
}

// mostInstances bounds a size reckoned from absurd figures; policies bound it further.
const mostInstances = 100_000

// instances is how many whole instances a share of them is.
func instances(x float64) int {
	if !(x < mostInstances) { // also NaN
		return mostInstances
	}
	return max(0, int(math.Ceil(x-1e-9)))
}

// number is x to about three figures.
func number(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
