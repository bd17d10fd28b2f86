package reference

import (
	"fmt"
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// hpa is Kubernetes' HorizontalPodAutoscaler, autoscaling/v2, by CPU. Its figures come through the kubelet, which looks
// every 10 s, and metrics-server, which asks every 15 s and takes the difference of two readings.
type hpa struct {
	target    target
	tolerance float64
	bounds    hpaBounds
	initial   time.Duration // CPU of a pod that young is not believed unless it was taken after it got ready
	kubelet   ticker
	server    ticker
	pods      map[int]*pod
}

// pod is the way of one pod's CPU time to the controller.
type pod struct {
	total     float64 // CPU seconds used so far
	seen      bool    // in this round
	kubelet   point   // newest reading there
	server    point   // the reading metrics-server has
	usage     float64 // cores, what metrics-server answers
	at        time.Time
	window    time.Duration
	available bool
}

func newHPA(s *settings) rule {
	h := &hpa{pods: map[int]*pod{}}
	h.target = s.target()
	h.tolerance = s.number("tolerance", 0.1, 0, 1)
	h.bounds = newHPABounds(s)
	h.initial = s.duration("init", 300*time.Second)
	h.kubelet = s.every(10 * time.Second)
	h.server = s.every(s.span("resolution", 15*time.Second))
	return h
}

func (h *hpa) period() time.Duration { return h.bounds.sync }

func (h *hpa) observe(v *view) {
	read, ask := h.kubelet.due(v.now), h.server.due(v.now)
	for k := range v.Instances {
		i := &v.Instances[k]
		if !i.Live() {
			continue
		}
		p := h.pods[i.Number]
		if p == nil {
			p = &pod{}
			h.pods[i.Number] = p
		}
		p.seen = true
		if !v.fresh(i) {
			continue
		}
		p.total += i.CPU * v.elapsed
		if read {
			p.kubelet = point{v.now, p.total}
		}
		if ask && !p.kubelet.at.IsZero() {
			if last := p.server; !last.at.IsZero() && p.kubelet.at.After(last.at) {
				p.window = p.kubelet.at.Sub(last.at)
				p.usage, p.at, p.available = (p.kubelet.total-last.total)/p.window.Seconds(), p.kubelet.at, true
			}
			p.server = p.kubelet
		}
	}
	for number, p := range h.pods {
		if !p.seen {
			delete(h.pods, number)
		}
		p.seen = false
		if v.now.Sub(p.server.at) > time.Minute { // metrics-server forgets what does not report
			p.available = false
		}
	}
}

func (h *hpa) step(v *view) (int, string) {
	n, why, ok := h.replicas(v)
	if !ok {
		return v.desired, why
	}
	return h.bounds.normalise(v, n), why
}

// replicas is GetResourceReplicas.
func (h *hpa) replicas(v *view) (n int, why string, ok bool) {
	var sum float64
	counted, unready, missing := 0, 0, 0
	for k := range v.Instances {
		i := &v.Instances[k]
		if !i.Live() {
			continue
		}
		p := h.pods[i.Number]
		available := p != nil && p.available
		switch isReady := i.State == fleet.Ready; {
		case !available && i.State == fleet.Booting:
			unready++
		case !available:
			missing++
		case v.now.Before(i.StartedAt.Add(h.initial)) && (!isReady || p.at.Before(i.Since.Add(p.window))):
			unready++
		case !isReady && v.now.After(i.StartedAt.Add(h.initial)) && i.Since.IsZero(): // never ready
			unready++
		default:
			sum += p.usage / v.cores
			counted++
		}
	}
	if counted == 0 {
		return 0, "no metrics of a ready pod", false
	}
	target := h.target.of(v)
	n, moved := hpaReplicas(sum, target, h.tolerance, counted, unready, missing, v.desired)
	why = fmt.Sprintf("CPU %.2f of %.2f in %d pods", sum/float64(counted), target, counted)
	if !moved {
		return v.desired, why, true
	}
	return n, why, true
}

// hpaReplicas is the arithmetic of GetResourceReplicas: the usage of counted pods is known, of missing ones not, and
// unready ones do not count. moved is false when the size is to stay.
func hpaReplicas(sum, target, tolerance float64, counted, unready, missing, current int) (n int, moved bool) {
	ratio := sum / float64(counted) / target
	if missing == 0 && !(unready > 0 && ratio > 1) {
		if math.Abs(1-ratio) <= tolerance {
			return current, false
		}
		return whole(ratio * float64(counted)), true
	}
	pods := counted + missing
	if ratio < 1 {
		sum += float64(missing) // as if they used all of their request
	}
	if ratio > 1 {
		pods += unready // as if they used nothing
	}
	again := sum / float64(pods) / target
	n = whole(again * float64(pods))
	if math.Abs(1-again) <= tolerance || (ratio < 1) != (again < 1) || again < 1 && n > current || again > 1 && n < current {
		return current, false
	}
	return n, true
}

// hpaBounds is what the controller does to a recommendation: the largest of the downscale stabilisation window, and a
// limit of how fast it grows.
type hpaBounds struct {
	sync    time.Duration
	window  time.Duration // of downscale stabilisation
	percent float64       // growth within a period of 15 s; 0 is the limit without a behavior: double, or 4
	recs    []recommendation
	grown   []recommendation // what was added when
}

type recommendation struct {
	at time.Time
	n  int
}

func newHPABounds(s *settings) hpaBounds {
	return hpaBounds{
		sync: s.span("sync", 15*time.Second), window: s.duration("down", 300*time.Second), percent: s.number("up", 0, 0, 10000),
	}
}

const behaviorPeriod = 15 * time.Second

func (b *hpaBounds) normalise(v *view, n int) int {
	if len(b.recs) == 0 { // the controller begins with what it finds
		b.recs = append(b.recs, recommendation{v.now, v.desired})
	}
	want := n
	kept := b.recs[:0]
	for _, r := range b.recs {
		if v.now.Sub(r.at) < b.window {
			kept = append(kept, r)
			want = max(want, r.n)
		}
	}
	b.recs = append(kept, recommendation{v.now, n})
	limit := max(2*v.desired, 4)
	if b.percent > 0 {
		added := 0
		grown := b.grown[:0]
		for _, r := range b.grown {
			if v.now.Sub(r.at) < behaviorPeriod {
				grown = append(grown, r)
				added += r.n
			}
		}
		b.grown = grown
		start := v.desired - added
		limit = max(start+4, whole(float64(start)*(1+b.percent/100)))
	}
	want = min(want, max(limit, v.desired))
	if want > v.desired {
		b.grown = append(b.grown, recommendation{v.now, want - v.desired})
	}
	return want
}

// hpaExternal is the HorizontalPodAutoscaler by requests per second and pod, which Prometheus counts.
type hpaExternal struct {
	target    target
	tolerance float64
	bounds    hpaBounds
	source    scrape
}

func newHPARPS(s *settings) rule {
	h := &hpaExternal{target: s.target(), tolerance: s.number("tolerance", 0.1, 0, 1), bounds: newHPABounds(s)}
	if _, given := s.given["up"]; !given {
		h.bounds.percent = 900
	}
	h.source = newScrape(s)
	return h
}

func newScrape(s *settings) scrape {
	return scrape{clock: s.every(s.span("scrape", 15*time.Second)), window: s.span("window", 60*time.Second)}
}

func (h *hpaExternal) period() time.Duration { return h.bounds.sync }
func (h *hpaExternal) observe(v *view)       { h.source.observe(v) }

func (h *hpaExternal) step(v *view) (int, string) {
	rate, ok := h.source.perSecond(v.now)
	each := perInstance(v, h.target.of(v))
	if !ok || each <= 0 {
		return v.desired, "no metrics"
	}
	return h.bounds.normalise(v, externalReplicas(rate, each, h.tolerance, v.desired)), fmt.Sprintf("%.0f requests/s at %.0f a pod", rate, each)
}

// externalReplicas is GetExternalPerPodMetricReplicas.
func externalReplicas(total, each, tolerance float64, current int) int {
	if current > 0 && math.Abs(1-total/(each*float64(current))) <= tolerance {
		return current
	}
	return whole(total / each)
}
