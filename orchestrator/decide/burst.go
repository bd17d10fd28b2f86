package decide

import (
	"math"
	"time"
)

// burst learns by how much more comes than the pool is sized for before an instance that is ordered now would serve: the
// largest such surprise of late. A pool whose arrivals hold none needs no room for bursts beside what its objective asks.
type burst struct {
	largest float64 // as a share of what was reckoned with, as of at; 0 until known
	at      time.Time
	since   time.Time // when rate was reckoned; zero when it is not
	total   float64   // arrivals then
	rate    float64   // per second
}

const (
	burstHalfLife = 3 * time.Minute // of what was a surprise
	burstMost     = 0.3             // larger ones are remembered as this: room for all of them costs more than it helps
	burstSigmas   = 3               // what chance explains is no surprise
	burstLeast    = time.Second     // over less, arrivals are chance
)

// learn takes in the arrivals up to now, and the rate that the pool is sized for now, with which those within ahead will
// be compared.
func (b *burst) learn(total, rate, dispersion float64, ahead time.Duration, now time.Time) {
	if b.at.IsZero() {
		b.at = now
		if b.largest == 0 {
			b.largest = burstMost
		}
	}
	elapsed := now.Sub(b.since)
	switch {
	case b.since.IsZero() || total < b.total:
	case elapsed < max(ahead, burstLeast):
		return
	default:
		expected := max(b.rate*elapsed.Seconds(), 1)
		over := total - b.total - expected - burstSigmas*math.Sqrt(dispersion*expected)
		if surprise := min(burstMost, over/expected); surprise > b.now(now) {
			b.largest, b.at = surprise, now
		}
	}
	b.since, b.total, b.rate = now, total, rate
}

// missed takes in that requests stay longer than the objective lets them.
func (b *burst) missed(now time.Time) { b.largest, b.at = burstMost, now }

// now is the largest surprise, as far as it is still to be reckoned with.
func (b *burst) now(now time.Time) float64 {
	if b.at.IsZero() {
		return burstMost
	}
	return b.largest * decay(now.Sub(b.at), burstHalfLife)
}
