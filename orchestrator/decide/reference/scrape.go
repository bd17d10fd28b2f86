package reference

import "time"

// scrape is a counter as Prometheus has it: read once a scrape, asked for its rate over a window.
type scrape struct {
	clock  ticker
	window time.Duration
	points []point
}

type point struct {
	at    time.Time
	total float64
}

func (c *scrape) observe(v *view) {
	if !c.clock.due(v.now) || !v.counted {
		return
	}
	c.points = append(c.points, point{v.now, v.total})
	old := 0
	for v.now.Sub(c.points[old].at) > c.window {
		old++
	}
	c.points = append(c.points[:0], c.points[old:]...)
}

// perSecond is the rate over the window; ok is false without two readings in it.
func (c *scrape) perSecond(now time.Time) (rate float64, ok bool) {
	p := c.points
	for len(p) > 0 && now.Sub(p[0].at) > c.window {
		p = p[1:]
	}
	if len(p) < 2 {
		return 0, false
	}
	first, last := p[0], p[len(p)-1]
	return (last.total - first.total) / last.at.Sub(first.at).Seconds(), true
}
