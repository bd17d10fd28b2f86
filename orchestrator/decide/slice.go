package decide

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// misplaced says whether an instance is in no slice that its pool declares, or in one though there are none. It is
// replaced, as one of another template is.
func (r *round) misplaced(i *fleet.Instance) bool {
	if len(r.Pool.Slices) == 0 {
		return i.Slice != ""
	}
	return !slices.Contains(r.Pool.Slices, i.Slice)
}

// misplacedLive counts the live ones among the misplaced.
func (r *round) misplacedLive() (n int) {
	for k := range r.Instances {
		if i := &r.Instances[k]; i.Live() && i.State != fleet.Booting && r.misplaced(i) {
			n++
		}
	}
	return n
}

// sole says whether an instance is the only ready one of a slice that is declared.
func sole(instances []fleet.Instance, declared []string, i *fleet.Instance) bool {
	if i.State != fleet.Ready || !slices.Contains(declared, i.Slice) {
		return false
	}
	for k := range instances {
		if o := &instances[k]; o.State == fleet.Ready && o.Slice == i.Slice && o.Name != i.Name {
			return false
		}
	}
	return true
}

// in counts the instances of a slice that are there or ordered: all, and those that need not be replaced.
func (r *round) in(slice string) (live, fresh int) {
	for k := range r.Instances {
		if i := &r.Instances[k]; i.Slice == slice && i.Live() {
			live++
			if !r.outdates(i) {
				fresh++
			}
		}
	}
	n := r.placed[slice]
	return live + n, fresh + n
}

// place picks the slice of the next instance of a template; empty when there are none. It is one that has no instance,
// then the one of the instance whose place it takes, then the one with the fewest that need not be replaced, then with
// the fewest at all, then one that a standby or an instance that can be recalled is in, then the first declared.
func (r *round) place(template, lost string) (best string) {
	var least [5]int
	for k, slice := range r.Pool.Slices {
		live, fresh := r.in(slice)
		rank := [5]int{1, 1, fresh, live, 1}
		if live == 0 {
			rank[0] = 0
		}
		if slice == lost {
			rank[1] = 0
		}
		if _, ok := r.atHandIn(template, slice); ok {
			rank[4] = 0
		}
		if k == 0 || slices.Compare(rank[:], least[:]) < 0 {
			best, least = slice, rank
		}
	}
	return best
}

// atHandIn is the soonest operation that brings an instance of a template and slice into service which is there already.
func (r *round) atHandIn(template, slice string) (op fleet.Op, ok bool) {
	for _, op := range r.atHand(template) {
		k := slices.IndexFunc(r.Instances, func(i fleet.Instance) bool { return i.Name == op.Instance })
		if r.Instances[k].Slice == slice {
			return op, true
		}
	}
	return fleet.Op{}, false
}

// placeStandby picks the slice of the next standby: the one with the fewest, then the one with the fewest instances.
func (r *round) placeStandby(standbys map[string]int) (best string) {
	least, fewest := 0, 0
	for k, slice := range r.Pool.Slices {
		live, _ := r.in(slice)
		if k == 0 || cmp.Or(cmp.Compare(standbys[slice], least), cmp.Compare(live, fewest)) < 0 {
			best, least, fewest = slice, standbys[slice], live
		}
	}
	return best
}

// sliceOf is the slice of an instance, by its name.
func (r *round) sliceOf(name string) string {
	for k := range r.Instances {
		if r.Instances[k].Name == name {
			return r.Instances[k].Slice
		}
	}
	return ""
}

// startOp takes the next number, for an instance of a template in a slice.
func (r *round) startOp(template, slice string) fleet.Op {
	op := fleet.Op{Kind: fleet.Start, Instance: spec.InstanceName(r.Pool.Stack, r.Pool.Name, r.m.next), Slice: slice}
	if template != r.Template {
		op.Template = template
		r.earlier++
	}
	if slice != "" {
		if r.placed == nil {
			r.placed = map[string]int{}
		}
		r.placed[slice]++
	}
	r.m.next++
	r.count.Live++
	r.count.Booting++
	r.ordered++
	return op
}

// fill starts an instance in each slice that has none, beyond the size as far as a roll-out may: another goes when it
// serves. It says whether there is such a slice.
func (r *round) fill() (empty bool) {
	n := 0
	for _, slice := range r.Pool.Slices {
		if live, _ := r.in(slice); live == 0 {
			n++
		}
	}
	if n == 0 {
		return false
	}
	may := max(1, r.Pool.Policy.Update.MaxSurge) + r.m.desired - r.count.Live
	if b := r.m.boots; b.failed > 0 {
		may = min(may, 1-r.count.Booting) // one at a time until one works
	}
	if may = min(may, n); may > 0 && r.mayStart() {
		word := "slices have"
		if n == 1 {
			word = "slice has"
		}
		r.decide(fleet.Heal, fmt.Sprintf("%d %s no instance", n, word), r.bring(may, r.source())...)
	}
	return true
}
