package reference

import (
	"fmt"
	"math"
	"time"
)

// kpa is Knative's pod autoscaler by concurrency: it scrapes every second, and decides every 2 s by the mean of a
// minute, or by that of 6 s when those ask for twice what is ready.
type kpa struct {
	target    target  // share of concurrency
	each      float64 // requests at once that fill an instance; 0 is one per core
	stable    int     // buckets of a second
	panicking int
	threshold float64
	grace     time.Duration // at zero load, after the stable window

	buckets []float64 // ring
	n, next int
	sum     float64 // of requests × seconds in the bucket that is being filled
	filled  float64 // seconds of it

	panicAt  time.Time // zero while calm
	most     int
	begun    bool
	idleFrom time.Time // since when nothing is wanted
}

func newKPA(s *settings) rule {
	stable := s.span("window", 60*time.Second)
	k := &kpa{
		target: s.target(), each: s.number("concurrency", 0, 0, 10000),
		stable: max(6, int(stable/time.Second)), threshold: s.number("threshold", 2, 1.1, 10), grace: s.duration("grace", 30*time.Second),
	}
	k.panicking = max(1, int(math.Round(s.number("panic", 0.1, 0.01, 1)*float64(k.stable))))
	k.buckets = make([]float64, k.stable)
	return k
}

func (k *kpa) period() time.Duration { return 2 * time.Second }

func (k *kpa) observe(v *view) {
	now := v.concurrency()
	if !v.counted {
		now = 0 // nothing is recorded, which later counts as nothing
	}
	for left := v.elapsed; left > 0; {
		part := min(left, 1-k.filled)
		k.sum += now * part
		k.filled += part
		left -= part
		if k.filled >= 1-1e-9 {
			k.buckets[k.next] = k.sum
			k.next = (k.next + 1) % k.stable
			k.n = min(k.n+1, k.stable)
			k.sum, k.filled = 0, 0
		}
	}
}

// mean is that of the newest n buckets.
func (k *kpa) mean(n int) (sum float64) {
	n = min(n, k.n)
	for i := range n {
		sum += k.buckets[(k.next-1-i+k.stable)%k.stable]
	}
	return sum / float64(max(n, 1))
}

func (k *kpa) step(v *view) (int, string) {
	if k.n == 0 {
		return v.desired, "no data"
	}
	if !k.begun {
		if k.begun = true; v.ready > 1 {
			k.panicAt, k.most = v.now, v.ready
		}
	}
	each := k.each
	if each == 0 {
		each = max(1, v.cores)
	}
	each *= k.target.of(v)
	over := k.mean(k.panicking)
	want, why := k.decide(math.Ceil(k.mean(k.stable)/each), math.Ceil(over/each), v.ready, v.now)
	if want > 0 {
		k.idleFrom = time.Time{}
	} else if v.Pool.Policy.Min == 0 { // to zero only after the grace period
		if k.idleFrom.IsZero() {
			k.idleFrom = v.now
		}
		if v.now.Sub(k.idleFrom) < k.grace {
			want = min(1, v.desired)
		}
	}
	return want, fmt.Sprintf("%s, concurrency %.1f at %.2f a pod", why, over, each)
}

// decide is the size for what the stable and the panic window ask for.
func (k *kpa) decide(stable, panicking float64, ready int, now time.Time) (int, string) {
	pods := math.Max(1, float64(ready))
	most, least := math.Ceil(1000*pods), math.Floor(pods/2)
	bound := func(x float64) int { return int(math.Min(math.Max(x, least), most)) }
	switch {
	case panicking/pods >= k.threshold:
		k.panicAt = now
	case !k.panicAt.IsZero() && now.Sub(k.panicAt) > time.Duration(k.stable)*time.Second:
		k.panicAt, k.most = time.Time{}, 0
	}
	if k.panicAt.IsZero() {
		return bound(stable), "stable"
	}
	k.most = max(k.most, bound(stable), bound(panicking))
	return k.most, "panic"
}
