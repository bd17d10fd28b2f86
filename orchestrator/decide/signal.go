package decide

import (
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

const (
	// signalStale is the age from which a reading of a signal says nothing about the present.
	signalStale = 15 * time.Second
	// signalTolerance is by how much a size may be exceeded before one more is asked for: rounding is no reason to flap.
	signalTolerance = 0.02
)

// voteSignals has each signal of the policy ask for its share.
func (r *sizing) voteSignals() {
	external := 0
	for i := range r.Pool.Policy.Signals {
		s := &r.Pool.Policy.Signals[i]
		v := vote{voter: s.Name, why: (*sizing).whySignal}
		switch s.Source {
		case spec.SignalRPS, spec.SignalInFlight, spec.SignalCPU:
			if !r.load.known {
				v.abstains = "arrivals or pages are not fresh"
				break
			}
			switch s.Source {
			case spec.SignalRPS:
				v.value = r.load.perSecond
			case spec.SignalInFlight:
				v.value = r.inFlight + float64(r.queued)
			default:
				v.value = r.cpu()
			}
		default:
			v.value, v.abstains = r.reading(external, s.Name)
			external++
		}
		switch {
		case v.abstains != "":
			r.mayShrink = false
			r.missing = v.abstains
		case r.count.Live == 0 && v.value <= s.Activation:
		default:
			r.active = r.active || v.value > s.Activation
			v.need = instances(v.value / s.Target)
			if v.need == r.desired+1 && r.desired > 0 && v.value/s.Target <= float64(r.desired)*(1+signalTolerance) {
				v.need = r.desired
			}
		}
		r.v.ballot.cast(v)
	}
}

// reading is the value of a signal that is not built in, and why there is none.
func (r *sizing) reading(i int, name string) (value float64, problem string) {
	if i >= len(r.Signals) || r.Signals[i].Name != name {
		return 0, "it was not read yet"
	}
	switch s := &r.Signals[i]; {
	case s.At.IsZero() && s.Problem != "":
		return 0, s.Problem
	case s.At.IsZero():
		return 0, "it was not read yet"
	case r.now.Sub(s.At) > signalStale && s.Problem != "":
		return s.Value, s.Problem
	case r.now.Sub(s.At) > signalStale:
		return s.Value, "its value is too old"
	case !(s.Value >= 0):
		return 0, "its value is not a measure of load"
	default:
		return s.Value, ""
	}
}

func (r *sizing) whySignal(v *vote) string {
	for i := range r.Pool.Policy.Signals {
		if s := &r.Pool.Policy.Signals[i]; s.Name == v.voter {
			return fmt.Sprintf("%s at %s an instance", number(v.value), number(s.Target))
		}
	}
	return number(v.value)
}
