package dispatch

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// The events of m2m:notificationEventType, TS-0004 clause 6.3.4.2.19.
const (
	eventUpdate       = 1
	eventDelete       = 2
	eventChildCreated = 3
	eventChildDeleted = 4
	eventNoChild      = 5 // a retrieve of an instance of a container that has none
	eventBlocking     = 7 // an update that the target must agree to (Release 3)
	eventMissingData  = 8 // Release 3
)

// The values of m2m:notificationContentType, TS-0004 clause 6.3.4.2.31.
const (
	allAttributes      = 1
	modifiedAttributes = 2
	onlyIdentifier     = 3
	timeSeriesContent  = 5 // Release 3
)

// event is something that happened to a resource and that its subscriptions may want to tell.
type event struct {
	kind       int64               // notificationEventType; 0 if only those who monitor operations may want it
	operation  primitive.Operation // that brought it about; 0 if none did
	originator string              // of the operation, in CSE-relative form; empty if nobody
	at         time.Time
	subject    resource.Resource   // that was subscribed to, as it is after the event
	affected   resource.Resource   // that is told of: the subject, or a child of it
	given      resource.Attributes // of an update
	missing    []time.Time         // of missing data
}

// notices are what the subscriptions in list tell of e, as tasks.
func (d *Dispatcher) notices(list []resource.Resource, e event) (store.Effects, error) {
	var effects store.Effects
	for _, s := range list {
		if s.ID == e.affected.ID {
			continue // the creation or removal of the subscription itself
		}
		a, err := s.Decode()
		if err != nil {
			return effects, err
		}
		if monitor, wants := e.wanted(a.Criteria()); wants {
			effects.Tasks = append(effects.Tasks, d.tell(s.ID, a, e, d.notification(s.ID, a, e, monitor))...)
		}
	}
	return effects, nil
}

// wanted reports whether a subscription with the criteria c wants to tell of e. The operationMonitor is not zero if that is why.
func (e event) wanted(c resource.EventCriteria) (resource.OperationMonitor, bool) {
	size := e.affected.Size
	if !e.affected.Type.Instance() {
		size = max(size, e.affected.Bytes)
	}
	if len(c.Monitored) > 0 {
		for _, m := range c.Monitored {
			if e.operation != 0 && m.Covers(e.operation, e.originator) {
				return resource.OperationMonitor{Operation: e.operation, Originator: e.originator}, c.Selects(e.subject, size)
			}
		}
		return resource.OperationMonitor{}, false
	}
	if len(c.Events) == 0 {
		c.Events = []int64{eventUpdate}
	}
	wants := slices.Contains(c.Events, e.kind)
	switch e.kind {
	case eventUpdate, eventBlocking:
		wants = wants && (len(c.Attributes) == 0 || slices.ContainsFunc(c.Attributes, func(name string) bool { return e.given[name] != nil }))
	case eventChildCreated, eventChildDeleted:
		wants = wants && (len(c.ChildTypes) == 0 || slices.Contains(c.ChildTypes, e.affected.Type))
	}
	return resource.OperationMonitor{}, wants && c.Selects(e.subject, size)
}

// notification is the m2m:notification, TS-0004 clause 6.3.5.10, of e by the subscription id with the attributes a.
func (d *Dispatcher) notification(id string, a resource.Attributes, e event, monitor resource.OperationMonitor) map[string]any {
	told := map[string]any{}
	if monitor.Operation != 0 {
		told["om"] = monitor
	} else {
		told["net"] = e.kind
	}
	if rep := d.representation(a, e); rep != nil {
		told["rep"] = rep
	}
	n := d.aboutSubscription(id, a)
	n["nev"] = told
	if n["cr"] == nil && a.Bool("eeno") && e.originator != "" {
		n["cr"] = e.originator
	}
	if nfu := a.String("nfu"); nfu != "" {
		n["nfu"] = nfu
	}
	return n
}

// aboutSubscription is what all notifications of the subscription id say.
func (d *Dispatcher) aboutSubscription(id string, a resource.Attributes) map[string]any {
	n := map[string]any{"sur": d.Identity.CSEID + "/" + id}
	if creator := a.String("cr"); creator != "" {
		n["cr"] = creator
	}
	return n
}

// representation is what a notification of e carries, in the form that the subscription with the attributes a asks for; nil for nothing.
func (d *Dispatcher) representation(a resource.Attributes, e event) json.RawMessage {
	form := int64(allAttributes)
	switch nct := a.Int("nct"); {
	case nct != nil:
		form = *nct
	case e.kind == eventMissingData:
		form = timeSeriesContent
	case len(a.Criteria().Monitored) > 0:
		return nil
	}
	switch form {
	case modifiedAttributes:
		return updatedOnly(e.affected, e.given)
	case onlyIdentifier:
		return wrap("m2m:uri", d.Identity.CSEID+"/"+e.affected.ID)
	case timeSeriesContent:
		return missingList(e.missing)
	}
	return e.affected.Wrap()
}

// updatedOnly is r with the attributes that an update with given set, deleted ones as null, and those that the CSE changed with them.
func updatedOnly(r resource.Resource, given resource.Attributes) json.RawMessage {
	all, some := members(r), map[string]any{}
	for name := range given {
		some[name] = all[name]
	}
	for _, name := range []string{"lt", "st"} {
		if v, has := all[name]; has {
			some[name] = v
		}
	}
	return wrap(r.Element(), some)
}

// tell sends content to the targets of the subscription id with the attributes a.
func (d *Dispatcher) tell(id string, a resource.Attributes, e event, content map[string]any) []store.Task {
	body, err := json.Marshal(content)
	if err != nil {
		panic(err) // only strings, and JSON that has been read before, get here
	}
	n := notify.Notice{Subscription: id, At: e.at, Content: body, Counts: true, Batched: a["bn"] != nil, Latest: a.Bool("ln")}
	if category := a.Int("nec"); category != nil {
		n.Category = int(*category)
	}
	id = newID(e.at)
	var tasks []store.Task
	for _, target := range targets(a) {
		n.ID, n.Target = id, target
		tasks = append(tasks, n.Task())
		n.Counts = false
	}
	return tasks
}

// targets are the notificationURIs of a subscription, each once.
func targets(a resource.Attributes) []string {
	return unique(a.Strings("nu"))
}

// childCreated is what the subscriptions of parent tell of a new child.
func (q *request) childCreated(parent store.Node, child resource.Resource) (store.Effects, error) {
	if len(parent.Subscriptions) == 0 {
		return store.Effects{}, nil
	}
	return q.d.notices(parent.Subscriptions, event{
		kind: eventChildCreated, operation: primitive.Create, originator: q.originator, at: q.now, subject: parent.Resource, affected: child,
	})
}

// updated is what the subscriptions of a resource tell of its change to r by an update with given.
func (q *request) updated(before store.Node, r resource.Resource, given resource.Attributes) (store.Effects, error) {
	if len(before.Subscriptions) == 0 {
		return store.Effects{}, nil
	}
	return q.d.notices(before.Subscriptions, event{
		kind: eventUpdate, operation: primitive.Update, originator: q.originator, at: q.now, subject: r, affected: r, given: given,
	})
}

// removalEvents are what subscriptions tell of a removal on behalf of originator: those of the parent, and those of each resource
// that goes.
func (d *Dispatcher) removalEvents(r store.Removal, originator string) (store.Effects, error) {
	var all store.Effects
	e := event{kind: eventChildDeleted, originator: originator, at: clock.Now(), subject: r.Parent.Resource, affected: r.Resource}
	if err := all.Join(d.notices(r.Parent.Subscriptions, e)); err != nil {
		return all, err
	}
	going := map[string][]resource.Resource{} // subscriptions by what they subscribe to
	for _, s := range r.Below {
		if s.Type == resource.TypeSubscription {
			going[s.ParentID] = append(going[s.ParentID], s)
		}
	}
	if len(going) == 0 {
		return all, nil
	}
	if e.kind = eventDelete; !r.Expired {
		e.operation = primitive.Delete
	}
	for _, subject := range r.Below {
		e.subject, e.affected = subject, subject
		if err := all.Join(d.notices(going[subject.ID], e)); err != nil {
			return all, err
		}
	}
	return all, nil
}

// missingData is the event that the instances of the timeSeries n with the dataGenerationTimes in missing did not come, for one
// subscription that asks for it.
func (d *Dispatcher) missingData(n store.Node, subscription resource.Resource, missing []time.Time) (store.Effects, error) {
	return d.notices([]resource.Resource{subscription}, event{
		kind: eventMissingData, at: clock.Now(), subject: n.Resource, affected: n.Resource, missing: missing,
	})
}
