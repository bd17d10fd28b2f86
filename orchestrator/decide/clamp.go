package decide

import (
	"fmt"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// clamp brings size within the policy and says what did, empty when nothing had to.
func (r *round) clamp(size *int) (clamp string) {
	from := *size
	name := "max"
	switch policy := r.Pool.Policy; {
	case *size > policy.Max:
		*size, clamp = policy.Max, fmt.Sprintf("max is %d", policy.Max)
		r.holds = append(r.holds, fmt.Sprintf("more instances are needed than max, %d, allows", policy.Max))
	case *size < policy.Min:
		name = "min"
		*size, clamp = policy.Min, fmt.Sprintf("min is %d", policy.Min)
	default:
		return ""
	}
	r.inputs.Clamps = append(r.inputs.Clamps, fleet.Clamp{Name: name, From: from, To: *size, Why: clamp})
	return clamp
}
