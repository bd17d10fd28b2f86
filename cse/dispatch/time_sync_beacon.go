package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindBeacon are the tasks that SendBeacons does.
const KindBeacon = "beacon"

// The values of m2m:beaconCriteria of Release 4.
const (
	beaconPeriodic = 1
	beaconOnLoss   = 2
)

const (
	beacons        = "beacon/" // the lane of one
	beaconInterval = "PT1H"    // if the originator does not say
	// beaconThreshold is by how many milliseconds a clock may be wrong if the originator does not say; it is also the least that is noticed.
	beaconThreshold = 100
	shortestBeacon  = 100 * time.Millisecond
	beaconTimeout   = 5 * time.Second
	maxBeacons      = 100 // of one requester
)

// timeSyncBeacon is the behaviour of timeSyncBeacon of Release 4, TS-0001 clause 9.6.70: it tells the time of this CSE, periodically, or
// when the clock of somebody who makes requests is wrong.
var timeSyncBeacon = behaviour{
	build: func(_ *request, b *birth, _ *resource.Resource, _ store.Node) error {
		completeBeacon(b.attributes)
		return nil
	},
	born: func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		return beaconTimer(r, q.now)
	},
	change: func(q *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
		_, given, err := resource.Parse(resource.TypeTimeSyncBeacon, q.Content)
		if err != nil {
			return err
		}
		dropParameter(attributes, given)
		completeBeacon(attributes)
		return nil
	},
	changed: func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		return beaconTimer(r, q.now)
	},
	gone: func(_ *Dispatcher, r resource.Resource) (store.Effects, error) {
		return store.Effects{Tasks: []store.Task{{Lane: beacons + r.ID, Kind: KindBeacon, Replace: true}}}, nil
	},
}

// dropParameter takes from a the parameters of a criterion that given replaces by another one.
func dropParameter(a, given resource.Attributes) {
	criterion := given.Int("bcnc")
	if criterion == nil {
		return
	}
	names := []string{"bcni"}
	if *criterion == beaconPeriodic {
		names = []string{"bcnt", "bcnr"}
	}
	for _, name := range names {
		if given[name] == nil {
			delete(a, name)
		}
	}
}

// completeBeacon gives a beacon the parameter of its criterion if it has none.
func completeBeacon(a resource.Attributes) {
	criterion := a.Int("bcnc")
	if criterion == nil {
		return
	}
	switch {
	case *criterion == beaconPeriodic && a["bcni"] == nil:
		a.Set("bcni", beaconInterval)
	case *criterion == beaconOnLoss && a["bcnt"] == nil:
		a.Set("bcnt", beaconThreshold)
	}
}

// beaconPeriod is how often the beacon with the attributes a tells the time; zero if it does when a clock is wrong.
func beaconPeriod(a resource.Attributes) time.Duration {
	if criterion := a.Int("bcnc"); criterion == nil || *criterion != beaconPeriodic {
		return 0
	}
	period, err := resource.ParseDuration(a.String("bcni"))
	if err != nil {
		return 0
	}
	return max(period, shortestBeacon)
}

// beaconTimer sets or stops the timer of the beacon r.
func beaconTimer(r resource.Resource, now time.Time) (store.Effects, error) {
	a, err := r.Decode()
	t := store.Task{Lane: beacons + r.ID, Kind: KindBeacon, Replace: true}
	if period := beaconPeriod(a); period > 0 {
		t.Due, t.Body = now.Add(period), json.RawMessage(`{}`)
	}
	return store.Effects{Tasks: []store.Task{t}}, err
}

// SendBeacons tells the time. Who is not there misses it: a later one tells more.
func (d *Dispatcher) SendBeacons(ctx context.Context, turn store.Turn) store.Outcome {
	now := clock.Now()
	n, err := d.Store.Get(ctx, primitive.Address{ID: strings.TrimPrefix(turn.Lane, beacons)}, now)
	if errors.Is(err, store.ErrNotFound) {
		return store.Outcome{Done: len(turn.Tasks)}
	}
	var a resource.Attributes
	if err == nil {
		a, err = n.Resource.Decode()
	}
	if err != nil {
		d.Log.Warn("a time beacon cannot be read, next try follows", "lane", turn.Lane, "error", err)
		return store.Outcome{Again: worker.Backoff(now, turn.Attempts, time.Minute), Failed: true}
	}
	d.sendBeacon(ctx, n.Resource.ID, a)
	if period := beaconPeriod(a); period > 0 {
		next := turn.Tasks[0].Due.Add(period)
		if next.Before(now) {
			next = now.Add(period)
		}
		return store.Outcome{Again: next}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// sendBeacon tells the time to the beaconNotificationURIs in a.
func (d *Dispatcher) sendBeacon(ctx context.Context, id string, a resource.Attributes) {
	for _, target := range a.Strings("bcnu") {
		limited, cancel := context.WithTimeout(ctx, beaconTimeout)
		r := d.notificationRequest(d.Identity.CSEID, newID(clock.Now()), nil)
		r.Content = wrap("m2m:tsbn", map[string]any{"tbr": id, "ctm": primitive.FormatTimestamp(clock.Now())})
		if _, err := d.send(limited, target, r); err != nil {
			d.Log.Debug("a time beacon did not arrive", "beacon", id, "target", target, "error", err)
		}
		cancel()
	}
}

// checkClock has the beacons sent that wait for the clock of the originator to be wrong, if it is: the request says when it was made.
func (q *request) checkClock(ctx context.Context) {
	made, err := primitive.ParseTimestamp(q.OriginatingTimestamp)
	if err != nil {
		return
	}
	wrong := q.now.Sub(made).Abs()
	if !strings.ContainsAny(q.OriginatingTimestamp, ",.") {
		wrong -= time.Second // it does not say more
	}
	if wrong <= beaconThreshold*time.Millisecond {
		return
	}
	page, err := q.d.Store.Find(ctx, store.Query{Root: q.d.Identity.Name, Now: q.now, Limit: maxBeacons,
		Filter: primitive.Filter{Types: []int{int(resource.TypeTimeSyncBeacon)}, Attributes: q.beaconRequesters()}})
	if err != nil {
		q.d.Log.Debug("time beacons could not be looked for", "error", err)
		return
	}
	var due []store.Task
	for _, r := range page.Resources {
		a, err := r.Decode()
		if err != nil || !slices.Contains(q.identities(), a.String("bcnr")) {
			continue
		}
		if threshold := a.Int("bcnt"); threshold != nil && wrong > milliseconds(*threshold) {
			due = append(due, store.Task{Lane: beacons + r.ID, Kind: KindBeacon, Replace: true, Body: json.RawMessage(`{}`)})
		}
	}
	if len(due) == 0 {
		return
	}
	if err := q.d.Store.Add(ctx, due...); err != nil {
		q.d.Log.Debug("time beacons could not be sent", "error", err)
	}
}

// identities are the forms in which a beacon can name the originator.
func (q *request) identities() []string {
	return []string{q.originator, q.d.Identity.CSEID + "/" + q.originator, q.From}
}

func (q *request) beaconRequesters() []primitive.AttributeCondition {
	var list []primitive.AttributeCondition
	for _, id := range q.identities() {
		if !strings.Contains(id, "*") {
			list = append(list, primitive.AttributeCondition{Name: "bcnr", Value: id})
		}
	}
	return list
}
