package dispatch

import (
	"slices"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// born is what the creation of child in parent brings with it, for whatever type.
func (q *request) born(parent store.Node, child resource.Resource) (store.Effects, error) {
	var all store.Effects
	if b := behaviours[child.Type].born; b != nil {
		if err := all.Join(b(q, parent, child)); err != nil {
			return all, err
		}
	}
	if err := all.Join(q.announcing(resource.Resource{}, child)); err != nil {
		return all, err
	}
	if err := all.Join(actionsOn(parent.Resource, false)); err != nil {
		return all, err
	}
	if child.Type.Instance() {
		if err := all.Join(q.d.evicting(parent), nil); err != nil {
			return all, err
		}
	}
	err := all.Join(q.childCreated(parent, child))
	return all, err
}

// changed is what the change of before to r brings with it, for whatever type. given are the attributes that were asked for.
func (q *request) changed(before store.Node, r resource.Resource, given resource.Attributes) (store.Effects, error) {
	var all store.Effects
	if b := behaviours[r.Type].changed; b != nil {
		if err := all.Join(b(q, before, r)); err != nil {
			return all, err
		}
	}
	if err := all.Join(q.announcing(before.Resource, r)); err != nil {
		return all, err
	}
	if err := all.Join(actionsOn(r, true)); err != nil {
		return all, err
	}
	if err := all.Join(q.d.evicting(before), nil); err != nil {
		return all, err
	}
	err := all.Join(q.updated(before, r, given))
	return all, err
}

// evicting has the instances looked at that n may lose to its limits by a change, if they may be announced. Subscriptions are not told:
// what a hosting CSE deletes by itself to keep to mni, mbs and mia is no deletion that event 4 is about.
func (d *Dispatcher) evicting(n store.Node) store.Effects {
	if !n.Resource.AnnouncesInstances {
		return store.Effects{}
	}
	return store.Effects{Evicted: func(r store.Removal) (store.Effects, error) {
		var all store.Effects
		for _, below := range r.Below {
			if err := all.Join(withdrawing(below, "")); err != nil {
				return all, err
			}
		}
		return all, nil
	}}
}

// removed is what a removal that q asks for brings with it, for whatever type.
func (q *request) removed(r store.Removal) (store.Effects, error) {
	if q.announcement == "" && slices.ContainsFunc(r.Below, func(below resource.Resource) bool { return below.Announced }) {
		q.announcement = TaskAnnounce + " " + newID(q.now)
	}
	e, err := q.d.removedBy(q.originator, q.announcement, r)
	if err == nil && q.done != nil {
		e.Tasks = append(e.Tasks, *q.done)
	}
	return e, err
}

// removed is what a removal brings with it that nobody asked for.
func (d *Dispatcher) removed(r store.Removal) (store.Effects, error) { return d.removedBy("", "", r) }

// removedBy is what a removal brings with it, for whatever type; originator is empty for one that nobody asked for. box is told when
// announcements have been withdrawn; it may be empty.
func (d *Dispatcher) removedBy(originator, box string, r store.Removal) (store.Effects, error) {
	var all store.Effects
	if err := all.Join(d.removalEvents(r, originator)); err != nil {
		return all, err
	}
	if err := all.Join(actionsOn(r.Parent.Resource, false)); err != nil {
		return all, err
	}
	for _, below := range r.Below {
		if err := all.Join(withdrawing(below, box)); err != nil {
			return all, err
		}
		if b := behaviours[below.Type].gone; b != nil {
			if err := all.Join(b(d, below)); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}
