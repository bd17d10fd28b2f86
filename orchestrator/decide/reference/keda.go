package reference

import (
	"fmt"
	"time"
)

// keda is KEDA: it wakes a pool from zero and puts it there by its own poll, and leaves the rest to the
// HorizontalPodAutoscaler, which reads the trigger through it.
type keda struct {
	target     target
	activation float64 // requests per second
	cooldown   time.Duration
	failures   int // in a row from which fallback holds
	fallback   int // size then; 0 is none
	bounds     hpaBounds
	source     scrape
	poll       ticker

	failed   int
	activeAt time.Time
}

func newKEDA(s *settings) rule {
	return &keda{
		target: s.target(), activation: s.number("activation", 0, 0, 1e9), cooldown: s.duration("cooldown", 300*time.Second),
		failures: int(s.number("failures", 3, 0, 1000)), fallback: int(s.number("fallback", 0, 0, 100000)),
		bounds: newHPABounds(s), source: newScrape(s), poll: s.every(s.span("poll", 30*time.Second)),
	}
}

func (k *keda) period() time.Duration { return k.bounds.sync }
func (k *keda) observe(v *view)       { k.source.observe(v) }

func (k *keda) step(v *view) (int, string) {
	rate, ok := k.source.perSecond(v.now)
	each := perInstance(v, k.target.of(v))
	known := ok
	if k.failed++; ok {
		k.failed = 0
	}
	if k.activeAt.IsZero() {
		k.activeAt = v.now
	}
	if k.poll.due(v.now) {
		if known && rate > k.activation {
			k.activeAt = v.now
			if v.desired == 0 {
				return max(1, v.Pool.Policy.Min), "activated"
			}
		} else if known && v.Pool.Policy.Min == 0 && v.desired > 0 && v.now.Sub(k.activeAt) > k.cooldown {
			return 0, "deactivated"
		}
	}
	switch {
	case v.desired == 0:
		return 0, "asleep"
	case !ok && k.fallback > 0 && k.failed > k.failures && each > 0:
		rate = each * float64(k.fallback) // a figure worth so many
	case !ok || each <= 0:
		return v.desired, "no metrics"
	}
	n := max(1, k.bounds.normalise(v, externalReplicas(rate, each, 0.1, v.desired)))
	return n, fmt.Sprintf("%.0f requests/s at %.0f a pod", rate, each)
}
