package decide

import "math"

// station is what requests are served by, as queueing theory sees it.
type station struct {
	servers int     // of one instance
	seconds float64 // one request takes on one of them when it does not wait
	spread  float64 // variance of arrivals over that of a Poisson process, at least 1
}

// stationOf is an instance with so many cores on which a request costs so much CPU time. A request uses one core at a
// time; a share of a core is one slow server.
func stationOf(cores, cpuSeconds, spread float64) station {
	servers := max(1, math.Floor(cores))
	return station{int(servers), cpuSeconds * servers / cores, max(1, spread)}
}

// waiting is the probability that a request finds c servers busy when they are offered a Erlangs, by Erlang's second
// formula; 1 when c is no more than a.
func waiting(c int, a float64) float64 {
	b := 1.0
	for i := 1; i <= c; i++ {
		b = a * b / (float64(i) + a*b)
	}
	return delayed(float64(c), a, b)
}

// delayed turns the probability that all of c servers are busy and requests are lost into the one that they wait.
func delayed(c, a, blocked float64) float64 {
	if c <= a {
		return 1
	}
	return c * blocked / (c - a*(1-blocked))
}

// late is the probability that a request takes longer than x times its mean service time when it waits with a
// probability and gap servers are free in the mean.
func late(x, wait, gap float64) float64 {
	if math.Abs(gap-1) < 1e-6 {
		return math.Exp(-x) * (1 + wait*x)
	}
	return math.Exp(-x) + wait*(math.Exp(-x)-math.Exp(-x*gap))/(gap-1)
}

// objective is what staff is to reach: a share of requests that take longer than a time, or with no time, that wait.
type objective struct {
	seconds float64 // 0: it bounds waiting
	share   float64
}

const (
	// rare is the share of moments at which more may be there than the objective lets, for a pool that is as steady as
	// its arrivals.
	rare = 1e-3
	// busiest is the share of an instance that is used at most, however steady arrivals are.
	busiest = 0.92
)

// steady returns the fewest instances that, offered a Erlangs, have at all but rare moments so few requests that the
// share of the objective is answered in time, as servers share themselves among requests; ok is false when the
// objective leaves no room for that.
func (s station) steady(a float64, o objective) (n int, ok bool) {
	times := o.seconds / s.seconds / -math.Log(o.share) // as many requests as servers slow each down that much
	if !(times > 1) || a <= 0 {
		return 0, false
	}
	const most = 1 << 17
	a /= s.spread
	b := 1.0
	for i := 1; i < most; i++ {
		c := float64(i)
		b = a * b / (c + a*b)
		if c > a && delayed(c, a, b)*math.Pow(a/c, (times-1)*c) <= rare {
			return instances(c * s.spread / float64(s.servers)), true
		}
	}
	return 0, false
}

// staff returns the fewest instances that reach an objective when offered a Erlangs of their servers, and the share that
// is then expected. Arrivals that come in bunches are reckoned with by Hayward's rule: as if their size were the unit.
// An objective that even an idle instance misses is replaced by the same share of waiting; then possible is false.
func (s station) staff(a float64, o objective) (n int, share float64, possible bool) {
	possible = true
	x := 0.0
	if o.seconds > 0 {
		x = o.seconds / s.seconds
		if math.Exp(-x) >= o.share {
			x, possible = 0, false
		}
	}
	if a <= 0 {
		return 0, 0, possible
	}
	const most = 1 << 17
	a /= s.spread
	b := 1.0
	for i := 1; i < most; i++ {
		c := float64(i)
		b = a * b / (c + a*b)
		if c <= a {
			continue
		}
		share = delayed(c, a, b)
		if x > 0 {
			share = late(x, share, c-a)
		}
		if share <= o.share {
			return instances(c * s.spread / float64(s.servers)), share, possible
		}
	}
	return mostInstances, share, possible
}
