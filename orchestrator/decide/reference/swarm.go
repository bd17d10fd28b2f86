package reference

import (
	"fmt"
	"slices"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// swarm is the loop of the autoscalers for Docker Swarm: one more while the median instance is busy, one fewer while it
// is not.
type swarm struct {
	every     time.Duration
	high, low float64
	busy      []float64
}

func newSwarm(s *settings) rule {
	w := &swarm{every: s.span("every", 300*time.Second), high: s.number("high", 0.85, 0.01, 1), low: s.number("low", 0.25, 0, 1)}
	if w.low >= w.high {
		s.problems = append(s.problems, fmt.Sprintf("low=%v: want less than high, %v", w.low, w.high))
	}
	return w
}

func (w *swarm) period() time.Duration { return w.every }
func (w *swarm) observe(*view)         {}

func (w *swarm) step(v *view) (int, string) {
	w.busy = w.busy[:0]
	for k := range v.Instances {
		if i := &v.Instances[k]; i.State == fleet.Ready && v.fresh(i) { // the others are left out silently
			w.busy = append(w.busy, v.busy(i))
		}
	}
	if len(w.busy) == 0 {
		return v.desired, "no stats"
	}
	slices.Sort(w.busy)
	median := w.busy[len(w.busy)/2]
	why := fmt.Sprintf("median CPU %.2f", median)
	switch {
	case median > w.high:
		return v.desired + 1, why
	case median < w.low:
		return v.desired - 1, why
	}
	return v.desired, why
}
