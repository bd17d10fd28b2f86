package account

import "time"

// bucketTime is how long an originator may save up requests it did not send.
const bucketTime = time.Second

// bucket is how many requests an originator may still send at once.
type bucket struct {
	left float64
	at   time.Time // when left was right
}

// take takes one request of originator out of its bucket. If there is none it returns how long until there is. The caller holds mu.
func (b *Books) take(originator string, now time.Time) time.Duration {
	if b.limits.Requests == 0 || originator == b.exempt && originator != "" {
		return 0
	}
	rate := float64(b.limits.Requests)
	most := rate * bucketTime.Seconds()
	k := b.buckets[originator]
	if k == nil && len(b.buckets) >= maxOriginators {
		originator = Others
		k = b.buckets[originator]
	}
	if k == nil {
		k = &bucket{left: most, at: now}
		b.buckets[originator] = k
	}
	if since := now.Sub(k.at); since > 0 {
		k.left = min(most, k.left+since.Seconds()*rate)
		k.at = now
	}
	if k.left < 1 {
		return max(time.Duration((1-k.left)/rate*float64(time.Second)), time.Millisecond)
	}
	k.left--
	return 0
}
