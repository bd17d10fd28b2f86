package reference

import (
	"fmt"
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// nomad is the Nomad Autoscaler's target-value strategy and its policy handler, whose one cooldown blocks both
// directions.
type nomad struct {
	target           target
	threshold        float64
	coolUp, coolDown time.Duration
	mostUp, mostDown int // instances in one step; 0 is no limit
	every            time.Duration
	byRate           bool
	source           scrape
	until            time.Time
}

func newNomad(s *settings) rule {
	n := &nomad{
		target: s.target(), threshold: s.number("threshold", 0.01, 0, 1), coolDown: s.duration("cooldown", 300*time.Second),
		mostUp: int(s.number("maxup", 0, 0, 100000)), mostDown: int(s.number("maxdown", 0, 0, 100000)),
		every: s.span("every", 10*time.Second), byRate: s.word("metric", "cpu", "cpu", "rps") == "rps",
	}
	n.coolUp = s.duration("cooldownup", n.coolDown)
	n.source = newScrape(s)
	return n
}

func (n *nomad) period() time.Duration { return n.every }

func (n *nomad) observe(v *view) {
	if n.byRate {
		n.source.observe(v)
	}
}

// factor is the metric over its target.
func (n *nomad) factor(v *view) (factor float64, ok bool) {
	if n.byRate {
		rate, ok := n.source.perSecond(v.now)
		each := perInstance(v, n.target.of(v))
		if !ok || each <= 0 {
			return 0, false
		}
		return rate / each / math.Max(1, float64(v.desired)), true
	}
	sum, count := 0.0, 0
	for k := range v.Instances {
		if i := &v.Instances[k]; i.State == fleet.Ready && v.fresh(i) {
			sum, count = sum+v.busy(i), count+1
		}
	}
	if count == 0 {
		return 0, false
	}
	return sum / float64(count) / n.target.of(v), true
}

func (n *nomad) step(v *view) (int, string) {
	factor, ok := n.factor(v)
	if !ok {
		return v.desired, "query failed, evaluation aborted"
	}
	size := v.desired
	switch {
	case v.desired == 0 && factor > 0:
		size = whole(factor)
	case v.desired > 0 && math.Abs(factor-1) > n.threshold:
		size = whole(float64(v.desired) * factor)
	}
	if n.mostUp > 0 {
		size = min(size, v.desired+n.mostUp)
	}
	if n.mostDown > 0 {
		size = max(size, v.desired-n.mostDown)
	}
	size = min(max(size, v.Pool.Policy.Min), v.Pool.Policy.Max)
	switch {
	case size == v.desired:
		return size, "no change"
	case v.now.Before(n.until):
		return v.desired, "cooldown"
	case size > v.desired:
		n.until = v.now.Add(n.coolUp)
	default:
		n.until = v.now.Add(n.coolDown)
	}
	return size, fmt.Sprintf("%.2f times the target", factor)
}
