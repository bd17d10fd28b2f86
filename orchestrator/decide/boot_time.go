package decide

import (
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// bootTime learns how long an instance takes from its start to service, from those that became ready.
type bootTime struct {
	mean, off float64 // seconds: the mean, and the mean distance from it; 0 until known
	lookedAt  time.Time
}

const bootUnknown = time.Second // what a boot is reckoned to take until one was seen

// learn takes in what became ready since the previous round. What ran for longer than a boot may take had been ready before.
func (b *bootTime) learn(instances []fleet.Instance, longest time.Duration, now time.Time) {
	if !b.lookedAt.IsZero() {
		for i := range instances {
			at := &instances[i]
			took := at.Since.Sub(at.StartedAt)
			if at.State != fleet.Ready || !at.Since.After(b.lookedAt) || at.StartedAt.IsZero() || took <= 0 || took > longest {
				continue
			}
			if b.mean == 0 {
				b.mean = took.Seconds()
				continue
			}
			off := took.Seconds() - b.mean
			b.mean += 0.2 * off
			b.off += 0.2 * (math.Abs(off) - b.off)
		}
	}
	b.lookedAt = now
}

// seconds is a time within which most boots end; 0 when not known.
func (b *bootTime) seconds() float64 { return b.mean + 2*b.off }

// ahead is the time to look ahead by.
func (b *bootTime) ahead() time.Duration {
	if b.mean == 0 {
		return bootUnknown
	}
	return time.Duration(b.seconds() * float64(time.Second))
}
