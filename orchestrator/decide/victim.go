package decide

import (
	"cmp"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// victim finds the instance that is to be drained first, among those that may be and were not passed over: what does
// not serve, then what is not the only one in service in its slice, then what is outdated, then what is not the only one
// in service on its host, then what has least to finish and to do, then what is on the host with most of them, then the
// newest, whose connections and caches are worth least.
func victim(instances []fleet.Instance, passed map[string]bool, outdated func(*fleet.Instance) bool, declared []string) (best fleet.Instance, found bool) {
	onHost := map[string]int{}
	for _, i := range instances {
		if i.State == fleet.Ready {
			onHost[i.Host]++
		}
	}
	rank := func(b bool) int {
		if b {
			return 0
		}
		return 1
	}
	lone := func(i *fleet.Instance) bool { return i.State == fleet.Ready && len(onHost) > 1 && onHost[i.Host] == 1 }
	before := func(a, b *fleet.Instance) bool {
		return cmp.Or(
			rank(a.State == fleet.Unready)-rank(b.State == fleet.Unready),
			rank(!sole(instances, declared, a))-rank(!sole(instances, declared, b)),
			rank(outdated(a))-rank(outdated(b)),
			rank(!lone(a))-rank(!lone(b)),
			cmp.Compare(a.InFlight, b.InFlight),
			cmp.Compare(a.RPS, b.RPS),
			onHost[b.Host]-onHost[a.Host],
			b.Number-a.Number,
		) < 0
	}
	for k := range instances {
		if i := &instances[k]; i.Op == "" && (i.State == fleet.Ready || i.State == fleet.Unready) && !passed[i.Name] && (!found || before(i, &best)) {
			best, found = *i, true
		}
	}
	return best, found
}
