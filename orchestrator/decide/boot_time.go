package decide

import (
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// bootTime learns how long an instance takes from its start to service, from those that became ready.
type bootTime struct {
	mean, off float64         // seconds: the mean, and the mean distance from it; 0 until known
	booting   map[string]bool // instances that were seen starting and not ready since
}

const bootUnknown = time.Second // what a boot is reckoned to take until one was seen

// learn takes in what was seen starting in an earlier round and is ready now. What took longer than a boot may was not one.
func (b *bootTime) learn(instances []fleet.Instance, longest time.Duration) {
	for i := range instances {
		at := &instances[i]
		switch {
		case at.State == fleet.Booting && at.Op == fleet.Start:
			if !b.booting[at.Name] {
				if b.booting == nil {
					b.booting = map[string]bool{}
				}
				b.booting[at.Name] = true
			}
		case !b.booting[at.Name] || at.StartedAt.IsZero() && at.State == fleet.Ready:
			// not a boot, or its beginning is not known yet
		default:
			delete(b.booting, at.Name)
			if took := at.Since.Sub(at.StartedAt); at.State == fleet.Ready && took > 0 && took <= longest {
				b.take(took.Seconds())
			}
		}
	}
	if len(b.booting) > len(instances) { // most of them went without a trace
		clear(b.booting)
	}
}

// take takes in one boot.
func (b *bootTime) take(seconds float64) {
	if b.mean == 0 {
		b.mean = seconds
		return
	}
	off := seconds - b.mean
	b.mean += 0.2 * off
	b.off += 0.2 * (math.Abs(off) - b.off)
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
