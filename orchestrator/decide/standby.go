package decide

import (
	"fmt"
	"slices"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// bring orders n instances of a template, the soonest first: those that are being drained and can be recalled, then
// standbys, then new ones. In a pool with slices only those of the slice that is to have the next count as the soonest.
func (r *round) bring(n int, template string) []fleet.Op { return r.bringTo(n, template, "") }

// bringTo is bring in place of what is lost in a slice.
func (r *round) bringTo(n int, template, lost string) []fleet.Op {
	ops := make([]fleet.Op, 0, max(n, 0))
	r.Instances = slices.Clone(r.Instances) // the snapshot is the caller's
	for range n {
		slice := r.place(template, lost)
		op, ok := r.atHandIn(template, slice)
		if all := r.atHand(template); !ok && len(all) > 0 && !r.mayStartOf(template) {
			op, ok = all[0], true // in another slice is better than not at all
		}
		if !ok {
			ops = append(ops, r.startOp(template, slice))
			continue
		}
		i := slices.IndexFunc(r.Instances, func(i fleet.Instance) bool { return i.Name == op.Instance })
		r.Instances[i].Op, r.Instances[i].State = op.Kind, fleet.Booting
		ops = append(ops, op)
	}
	r.count = fleet.CountOf(r.Instances, r.Template)
	r.count.Live += r.ordered
	r.count.Booting += r.ordered
	return ops
}

// atHand are the operations that bring instances of a template into service which are there already, the soonest first.
func (r *round) atHand(template string) (ops []fleet.Op) {
	for k := range r.Instances {
		i := &r.Instances[k]
		if r.recallable(i, template) {
			ops = append(ops, fleet.Op{Kind: fleet.Recall, Instance: i.Name})
		}
	}
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.State == fleet.Standby && i.Op == "" && r.fits(i, template) {
			ops = append(ops, fleet.Op{Kind: fleet.Enlist, Instance: i.Name})
		}
	}
	return ops
}

// recallable says whether an instance's drain may be called off where one of a template is needed. Whether it still can,
// its journal decides.
func (r *round) recallable(i *fleet.Instance, template string) bool {
	return i.State == fleet.Draining && (i.Op == "" || i.Op == fleet.Drain) && !r.m.spoiled[i.Name] && r.fits(i, template) &&
		(i.Phase == fleet.Journalled || i.Phase == fleet.Deregistered || i.Phase == fleet.Settled || i.Phase == fleet.Recalled)
}

// spoil notes that an instance is not to be recalled, and forgets those that are gone.
func (r *round) spoil(name string) {
	spoiled := map[string]bool{name: true}
	for k := range r.Instances {
		i := &r.Instances[k]
		if r.m.spoiled[i.Name] {
			spoiled[i.Name] = true
		}
	}
	r.m.spoiled = spoiled
}

// outdates says whether an instance is to be replaced: it is of another template or misplaced, or an operator has asked
// for it.
func (r *round) outdates(i *fleet.Instance) bool {
	return i.Template != r.Template || r.misplaced(i) || slices.Contains(r.Override.Drain, i.Name)
}

// fits says whether an instance is of a template and in its place, and nobody wants it gone.
func (r *round) fits(i *fleet.Instance, template string) bool {
	return i.Template == template && !r.misplaced(i) && !slices.Contains(r.Override.Drain, i.Name)
}

// asked counts the live instances that an operator has asked to go.
func (r *round) asked() (n int) {
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.Live() && slices.Contains(r.Override.Drain, i.Name) {
			n++
		}
	}
	return n
}

// rollCause says why an instance replaces another while n are to be replaced.
func (r *round) rollCause(template string, n int) string {
	if template == r.Template && r.misplacedLive() > 0 {
		return fmt.Sprintf("other slices are declared, %d to go", n)
	}
	if template == r.Template {
		return fmt.Sprintf("an operator asked for it to be drained, %d to go", n)
	}
	return fmt.Sprintf("template %s replaces %s, %d to go", r.Template, template, n)
}

// standby keeps as many standbys as the policy asks for, once the pool itself has what it needs: none is made while another comes into
// service, for the two would share the processors and requests wait for the one. They are of the current template; those of another go when no instance in service is of it any more.
func (r *round) standby() {
	if r.Override.Paused || r.count.Live < r.m.desired {
		return
	}
	coming := r.count.Booting > 0
	want := r.Pool.Policy.Standby
	var kept, surplus []fleet.Instance
	outdated, _ := r.outdated()
	for k := range r.Instances {
		i := &r.Instances[k]
		switch {
		case i.State != fleet.Standby:
		case r.outdates(i) && (outdated == 0 || slices.Contains(r.Override.Drain, i.Name)):
			surplus = append(surplus, *i)
		case !r.outdates(i):
			kept = append(kept, *i)
		}
	}
	if n := len(kept) - want.Count; n > 0 {
		surplus = append(surplus, kept[len(kept)-n:]...)
		kept = kept[:len(kept)-n]
	}
	var ops []fleet.Op
	for _, i := range surplus {
		if i.Op == "" {
			ops = append(ops, fleet.Op{Kind: fleet.Drain, Instance: i.Name})
		}
	}
	if len(ops) > 0 {
		r.decide(fleet.ScaleIn, fmt.Sprintf("%d standbys are wanted", want.Count), ops...)
	}
	ops = nil
	for _, i := range kept {
		if i.Op == "" && i.Paused != want.Paused { // its warming was interrupted, or the policy has changed
			ops = append(ops, fleet.Op{Kind: fleet.Warm, Instance: i.Name})
		}
	}
	if missing := want.Count - len(kept); missing > 0 && !coming && r.mayStartOf(r.Template) && outdated == 0 {
		if r.m.boots.template == r.Template && r.m.boots.failed > 0 {
			missing = 1
		}
		in := map[string]int{}
		for k := range kept {
			in[kept[k].Slice]++
		}
		for range missing {
			slice := r.placeStandby(in)
			in[slice]++
			ops = append(ops, fleet.Op{Kind: fleet.Warm, Instance: spec.InstanceName(r.Pool.Stack, r.Pool.Name, r.m.next), Slice: slice})
			r.m.next++
		}
	}
	if len(ops) > 0 {
		r.decide(fleet.Heal, fmt.Sprintf("%d of %d standbys are warm", len(kept)-len(warming(kept)), want.Count), ops...)
	}
}

// warming are the standbys that an operation is in progress on.
func warming(standbys []fleet.Instance) []fleet.Instance {
	return slices.DeleteFunc(slices.Clone(standbys), func(i fleet.Instance) bool { return i.Op == "" })
}
