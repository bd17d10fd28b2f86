package dispatch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindLocation are the tasks that FollowLocation does.
const KindLocation = "location"

// The lanes of a locationPolicy are those of its period and of its events; a container without policy has one to be put away.
const (
	locationPeriods  = "lcp/due/"
	locationEvents   = "lcp/event/"
	locationOrphans  = "lcp/container/"
	orphanPause      = time.Minute // how long a container waits for its policy to be created
	shortestPeriod   = time.Second
	placeNote        = "place"
	geofenceLocation = 2 // locationInformationType
)

// locationPolicy is the behaviour of locationPolicy, TS-0001 clause 10.2.9: it has a container beside it, into which the device writes where
// it is, or the CSE what a location server or others near say (see fix), and the CSE what that means for a geofence.
var locationPolicy = behaviour{
	admit: admitLocationPolicy,
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		r.ID = b.id
		b.attributes.Set("lost", "")
		return nil
	},
	born: func(_ *request, _ store.Node, r resource.Resource) (store.Effects, error) { return followPeriod(r) },
	changed: func(_ *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		return followPeriod(r)
	},
	gone: func(_ *Dispatcher, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		return store.Effects{Tasks: []store.Task{
			{Lane: locationPeriods + r.ID, Kind: KindLocation, Replace: true},
			{Lane: locationOrphans + a.String("loi"), Kind: KindLocation, Replace: true, Body: json.RawMessage(`{}`)},
		}}, err
	},
}

// admitLocationPolicy creates the container of the policy b. If the policy is not created after all, the container is put away.
func admitLocationPolicy(ctx context.Context, q *request, b *birth) error {
	if source(b.given) == resource.LocationByNetwork && b.given.String("lor") == "" && q.d.Locator == nil {
		return primitive.Errorf(primitive.BadRequest, "a location server (lor) must be named, this CSE is connected to none")
	}
	name := b.given.String("lon")
	if name != "" && name == b.given.String("rn") {
		return primitive.Errorf(primitive.BadRequest, "the locationPolicy and its container cannot both be named %q", name)
	}
	b.id = b.t.Prefix() + newID(q.now)
	c := &birth{t: resource.TypeContainer, given: resource.Attributes{}, attributes: resource.Attributes{}, name: name}
	c.attributes.Set("li", b.id)
	receipt := sha256.Sum256(append(q.receipt(), "container"...))
	creation := store.Creation{
		Parent: q.to, Now: q.now, Receipt: receipt[:16], ReceiptUntil: q.now.Add(receiptLifetime),
		Build: func(parent store.Node) (resource.Resource, error) { return q.build(c, parent) },
		After: func(parent store.Node, r resource.Resource) (store.Effects, error) {
			effects, err := q.born(parent, r)
			effects.Tasks = append(effects.Tasks, store.Task{
				Lane: locationOrphans + r.ID, Kind: KindLocation, Due: q.now.Add(orphanPause), Body: json.RawMessage(`{}`),
			})
			return effects, err
		},
		Displaced: q.d.removed,
	}
	r, err := q.d.Store.Create(ctx, creation)
	if errors.Is(err, store.ErrNameTaken) {
		if err = q.putAwayOrphanNamed(ctx, name); err == nil || errors.Is(err, store.ErrNotFound) { // maybe it went meanwhile
			r, err = q.d.Store.Create(ctx, creation)
		}
	}
	if errors.Is(err, store.ErrNameTaken) {
		return primitive.Errorf(primitive.BadRequest, "the container of the locationPolicy cannot be named %q, which is taken", name)
	}
	if err != nil {
		return err
	}
	b.attributes.Set("loi", r.ID)
	return nil
}

// putAwayOrphanNamed puts away the container with that name beside the policy that is to be created, if its own policy is gone: that
// would happen anyway.
func (q *request) putAwayOrphanNamed(ctx context.Context, name string) error {
	parent, err := q.d.Store.Get(ctx, q.to, q.now)
	if err != nil {
		return err
	}
	r, err := q.d.Store.Get(ctx, primitive.Address{Path: parent.Resource.Path + "/" + name}, q.now)
	if err != nil || r.Resource.Type != resource.TypeContainer {
		return err
	}
	return q.d.putAwayOrphan(ctx, r.Resource.ID, q.now)
}

// putAwayOrphan deletes the container with the identifier id if its policy is gone.
func (d *Dispatcher) putAwayOrphan(ctx context.Context, id string, now time.Time) error {
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	policy := a.String("li")
	if err != nil || policy == "" {
		return err
	}
	if _, err := d.Store.Get(ctx, primitive.Address{ID: policy}, now); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = d.Store.Delete(ctx, primitive.Address{ID: id}, now, func(store.Node) error { return nil }, d.removed)
	return err
}

// followPeriod sets or stops the timer of the policy r.
func followPeriod(r resource.Resource) (store.Effects, error) {
	a, err := r.Decode()
	t := store.Task{Lane: locationPeriods + r.ID, Kind: KindLocation, Replace: true}
	if period := locationPeriod(a); source(a) != resource.LocationByDevice {
		t.Due, t.Body = r.ModifiedAt, json.RawMessage(`{}`) // now, and then as the period says
	} else if period > 0 {
		t.Due, t.Body = r.ModifiedAt.Add(period), json.RawMessage(`{}`)
	}
	return store.Effects{Tasks: []store.Task{t}}, err
}

// locationPeriod is how often the policy with the attributes a looks where the device is; zero if it does so when somebody retrieves the
// latest location.
func locationPeriod(a resource.Attributes) time.Duration {
	periods := a.Strings("lou")
	if len(periods) == 0 || source(a) == resource.LocationByDevice && !fences(a) {
		return 0
	}
	period, err := resource.ParseDuration(periods[0])
	if err != nil || period <= 0 {
		return 0
	}
	return max(period, shortestPeriod)
}

// fences reports whether the policy with the attributes a is one of a geofence.
func fences(a resource.Attributes) bool {
	kind := a.Int("lit")
	return kind != nil && *kind == geofenceLocation && a["gta"] != nil && a["gec"] != nil
}

// FollowLocation does what policies do by themselves. All of it may be done again.
func (d *Dispatcher) FollowLocation(ctx context.Context, turn store.Turn) store.Outcome {
	now := clock.Now()
	outcome := store.Outcome{Done: len(turn.Tasks)}
	var err error
	if id, period := strings.CutPrefix(turn.Lane, locationPeriods); period {
		var next time.Duration
		if next, err = d.locate(ctx, id, false, now); err == nil && next > 0 {
			outcome = store.Outcome{Again: now.Add(next)}
		}
	} else if id, orphan := strings.CutPrefix(turn.Lane, locationOrphans); orphan {
		err = d.putAwayOrphan(ctx, id, now)
	} else {
		for _, t := range turn.Tasks {
			var e locationEvent
			if err = json.Unmarshal(t.Body, &e); err == nil {
				err = d.tellLocation(ctx, e, now)
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		d.Log.Warn("a location could not be followed, next try follows", "lane", turn.Lane, "error", err)
		return store.Outcome{Again: worker.Backoff(now, turn.Attempts, time.Minute), Failed: true}
	}
	return outcome
}

// place is what a policy notes of where the device was.
type place struct {
	Fix     string `json:"fix"` // the instance that said so
	Outside bool   `json:"outside,omitempty"`
}

// locationEvent is one to be written into the container of a policy.
type locationEvent struct {
	Container string `json:"cnt"`
	Fix       string `json:"fix"`
	Event     int64  `json:"event"`
}

// locate looks where the device of a policy is now, and writes that, if the device does not, and what it means into its container. next is when to look
// again; zero for only on demand, which demand says this is.
func (d *Dispatcher) locate(ctx context.Context, id string, demand bool, now time.Time) (next time.Duration, err error) {
	policy, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return 0, err
	}
	a, err := policy.Resource.Decode()
	if err != nil {
		return 0, err
	}
	next = locationPeriod(a)
	if asked := source(a); asked != resource.LocationByDevice && (!demand || next == 0) {
		status, err := d.fix(ctx, policy.Resource, a, demand, now)
		if err == nil && status != "" && demand && asked == resource.LocationByNetwork {
			err = primitive.Errorf(primitive.TargetNotReachable, "the location is not known: %s", status)
		}
		if err != nil {
			return next, err
		}
	}
	if !fences(a) {
		return next, nil
	}
	area, ok := parsePolygon(a["gta"])
	latest, err := d.Store.Get(ctx, primitive.Address{ID: a.String("loi"), Edge: "la"}, now)
	if err != nil || !ok || latest.Resource.ID == "" {
		return next, err
	}
	content, err := latest.Resource.Decode()
	if err != nil {
		return next, err
	}
	at, ok := parsePoint(content["con"])
	if !ok {
		return next, nil // what this CSE wrote itself, or nothing it understands
	}
	e := locationEvent{Container: a.String("loi"), Fix: latest.Resource.ID}
	_, err = d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		var before place
		a.Note(placeNote, &before)
		criterion := a.Int("gec")
		if before.Fix == e.Fix || criterion == nil {
			return c, nil
		}
		after := place{Fix: e.Fix, Outside: !area.contains(at)}
		e.Event = geofenceEvent(*criterion, !before.Outside, !after.Outside)
		a.SetNote(placeNote, after)
		c.Resource.Attributes = a.Encode()
		if e.Event != 0 {
			body, err := json.Marshal(e)
			if err != nil {
				return c, err
			}
			c.After = func(resource.Resource) (store.Effects, error) {
				return store.Effects{Tasks: []store.Task{{Lane: locationEvents + id, Kind: KindLocation, Body: body}}}, nil
			}
		}
		return c, nil
	})
	if err != nil || e.Event == 0 {
		return next, err
	}
	return next, d.tellLocation(ctx, e, now) // who waits sees it at once; the task finds it done
}

// tellLocation writes e into its container, once.
func (d *Dispatcher) tellLocation(ctx context.Context, e locationEvent, now time.Time) error {
	receipt := sha256.Sum256([]byte("location " + e.Container + " " + e.Fix))
	return d.addInstance(ctx, e.Container, e.Event, receipt[:16], now)
}

// addInstance creates an instance with the given content in container, once for a receipt.
func (d *Dispatcher) addInstance(ctx context.Context, container string, con any, receipt []byte, now time.Time) error {
	content := resource.Attributes{}
	content.Set("con", con)
	q := &request{
		Request: primitive.Request{
			Operation: primitive.Create, From: d.Identity.CSEID, ResourceType: int(resource.TypeContentInstance),
			Content: wrap(resource.TypeContentInstance.Element(), content),
		},
		d: d, now: now, to: primitive.Address{ID: container}, originator: d.Identity.LocalID(d.Identity.CSEID),
	}
	b := &birth{t: resource.TypeContentInstance, given: content, attributes: content}
	_, err := d.Store.Create(ctx, store.Creation{
		Parent: q.to, Now: now, Receipt: receipt, ReceiptUntil: now.Add(receiptLifetime),
		Build: func(parent store.Node) (resource.Resource, error) { return q.build(b, parent) }, After: q.born, Displaced: d.removed,
	})
	return err
}

// showLocation has the latest instance of the container of a policy be where the target is now and what that means for a geofence, if the
// policy has no period.
func showLocation(ctx context.Context, q *request, n *store.Node) error {
	if q.to.Edge != "la" || !bytes.Contains(n.Governor.Attributes, []byte(`"li":`)) {
		return nil
	}
	container, err := n.Governor.Decode()
	if err != nil {
		return err
	}
	next, err := q.d.locate(ctx, container.String("li"), true, q.now)
	if err != nil || next > 0 {
		if errors.Is(err, store.ErrNotFound) {
			return nil // the policy, or all instances, are gone meanwhile
		}
		return err
	}
	latest, err := q.d.Store.Get(ctx, q.to, q.now)
	if err == nil && latest.Resource.ID != "" {
		*n = latest
	}
	return err
}
