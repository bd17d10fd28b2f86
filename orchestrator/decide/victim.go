package decide

import (
	"cmp"
	"slices"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// victims orders the instances that may be drained, the one to go first first: what does not serve, then what is of
// an old template, then what has least to finish, then the newest, whose connections and caches are worth least.
func victims(instances []fleet.Instance, template string) []fleet.Instance {
	var candidates []fleet.Instance
	for _, i := range instances {
		if i.Op == "" && (i.State == fleet.Ready || i.State == fleet.Unready) {
			candidates = append(candidates, i)
		}
	}
	rank := func(b bool) int {
		if b {
			return 0
		}
		return 1
	}
	slices.SortFunc(candidates, func(a, b fleet.Instance) int {
		return cmp.Or(
			rank(a.State == fleet.Unready)-rank(b.State == fleet.Unready),
			rank(a.Template != template)-rank(b.Template != template),
			cmp.Compare(a.InFlight, b.InFlight),
			b.Number-a.Number,
		)
	})
	return candidates
}
