package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindTimeSeries are the tasks that WatchTimeSeries does.
const KindTimeSeries = "time-series"

// watchNote is the note in which a timeSeries keeps its watch.
const watchNote = "watch"

// timeSeries is the behaviour of timeSeries, TS-0004 clause 7.4.38: it limits its instances, and misses those that do not come.
var timeSeries = behaviour{
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		r.MaxCount, r.MaxBytes = b.given.Int("mni"), b.given.Int("mbs")
		if _, given := b.attributes["mdd"]; !given {
			b.attributes.Set("mdd", false)
		}
		b.attributes.Set("mdc", 0)
		return completeDelta(b.attributes)
	},
	change: changeTimeSeries,
	changed: func(_ *request, before store.Node, r resource.Resource) (store.Effects, error) {
		var was, is watch
		if a, err := before.Resource.Decode(); err != nil || !a.Note(watchNote, &was) {
			return store.Effects{}, err
		}
		a, err := r.Decode()
		if a.Note(watchNote, &is); err != nil || is.Next.Equal(was.Next) {
			return store.Effects{}, err
		}
		return store.Effects{Tasks: []store.Task{{Lane: alarmLane(r.ID), Kind: KindTimeSeries, Replace: true}}}, nil
	},
	gone: func(_ *Dispatcher, r resource.Resource) (store.Effects, error) {
		return store.Effects{Tasks: []store.Task{{Lane: alarmLane(r.ID), Kind: KindTimeSeries, Replace: true}}}, nil
	},
}

// changeTimeSeries begins the detection anew when it is switched on, and forgets what was missing when that or its parameters change.
func changeTimeSeries(q *request, n store.Node, attributes resource.Attributes, c *store.Change) error {
	limit(attributes, c)
	_, given, err := resource.Parse(n.Resource.Type, q.Content)
	if err != nil {
		return err
	}
	if _, left := attributes["mdd"]; !left {
		attributes.Set("mdd", false)
	}
	_, switched := given["mdd"]
	tuned := false
	for _, name := range []string{"mdt", "mdn", "pei", "peid"} {
		_, changed := given[name]
		tuned = tuned || changed
	}
	if _, both := given["peid"]; !both && given["pei"] != nil {
		delete(attributes, "peid")
	}
	if err := completeDelta(attributes); err != nil {
		return err
	}
	if switched {
		attributes.SetNote(watchNote, watch{Seen: n.Resource.StateTag + 1}) // what comes after this update
	}
	if tuned || switched && attributes.Bool("mdd") {
		delete(attributes, "mdlt")
		attributes.Set("mdc", 0)
	}
	return nil
}

// completeDelta gives a timeSeries with a periodicInterval a periodicIntervalDelta: half the interval, or half the timer if that is
// shorter, so that the timer is always longer. Then it checks that the two fit.
func completeDelta(a resource.Attributes) error {
	interval, timer := a.Int("pei"), a.Int("mdt")
	if _, given := a["peid"]; interval != nil && !given {
		delta := *interval / 2
		if timer != nil && *timer <= delta {
			delta = *timer / 2
		}
		a.Set("peid", delta)
	}
	return resource.CheckState(resource.TypeTimeSeries, "", a)
}

// timeSeriesInstance is the behaviour of timeSeriesInstance, TS-0004 clause 7.4.39. Its identifier is made of that of its parent and its
// dataGenerationTime, so that the store refuses a second one of the same time.
var timeSeriesInstance = behaviour{
	taken: errSameMoment,
	build: func(q *request, b *birth, r *resource.Resource, parent store.Node) error {
		at, err := primitive.ParseInstant(b.given.String("dgt"), q.now)
		if err != nil {
			return primitive.Errorf(primitive.BadRequest, "attribute \"dgt\" (dataGenerationTime): %v", err)
		}
		r.ID = r.Type.Prefix() + momentID(parent.Resource.ID, at)
		r.Size = resource.ContentSize(b.given["con"])
		return fit(r, parent)
	},
	born: func(_ *request, parent store.Node, r resource.Resource) (store.Effects, error) {
		expected, err := parent.Resource.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		if _, watched := rhythmOf(expected); !watched {
			return store.Effects{}, nil
		}
		came, err := arrivalOf(r)
		if err != nil {
			return store.Effects{}, err
		}
		body, err := json.Marshal(came)
		return store.Effects{Tasks: []store.Task{{Lane: arrivalLane(parent.Resource.ID), Kind: KindTimeSeries, Body: body}}}, err
	},
}

// errSameMoment says that the identifier of a timeSeriesInstance is taken, TS-0004 clause 7.4.39.2.1.
var errSameMoment = primitive.Errorf(primitive.Conflict, "the timeSeries has an instance of that dataGenerationTime (dgt) already")

// momentID identifies what was at one instant in one resource, to the microsecond. Neighbours in time are neighbours in an index.
func momentID(parent string, at time.Time) string {
	id := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	hash := sha256.Sum256([]byte(parent))
	return strings.ToLower(idEncoding.EncodeToString(append(id, hash[:12]...)))
}

// arrivalOf is the instance r as the watch of its timeSeries sees it.
func arrivalOf(r resource.Resource) (arrival, error) {
	a, err := r.Decode()
	if err != nil {
		return arrival{}, err
	}
	generated, err := primitive.ParseInstant(a.String("dgt"), r.CreatedAt)
	return arrival{Tag: r.StateTag, GeneratedAt: generated.UTC(), At: r.CreatedAt.UTC()}, err
}

// A timeSeries has two lanes: one of the instances that came, one of the alarm that goes when something is due.
const (
	arrivals = "ts/came/"
	alarms   = "ts/due/"
)

func arrivalLane(id string) string { return arrivals + id }
func alarmLane(id string) string   { return alarms + id }

// WatchTimeSeries counts in the instances of a timeSeries that came, or looks for those that are missing. Both may be done again.
func (d *Dispatcher) WatchTimeSeries(ctx context.Context, turn store.Turn) store.Outcome {
	now := clock.Now()
	var err error
	if id, alarm := strings.CutPrefix(turn.Lane, alarms); alarm {
		err = d.missData(ctx, id, now)
	} else {
		id, _ := strings.CutPrefix(turn.Lane, arrivals)
		var came []arrival
		for _, t := range turn.Tasks {
			var a arrival
			if err = json.Unmarshal(t.Body, &a); err == nil {
				came = append(came, a)
			}
		}
		err = d.watchData(ctx, id, came, time.Time{})
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		d.Log.Warn("the data of a time series could not be watched, next try follows", "lane", turn.Lane, "error", err)
		return store.Outcome{Again: worker.Backoff(now, turn.Attempts, time.Minute), Failed: true}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// missData looks for what is missing at now. Instances whose tasks have not been done yet are looked up, so that they are not missed.
func (d *Dispatcher) missData(ctx context.Context, id string, now time.Time) error {
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	var w watch
	a.Note(watchNote, &w)
	unseen := w.Seen + 1
	page, err := d.Store.Find(ctx, store.Query{Root: n.Resource.Path, Now: now, Limit: maxMissing, Filter: primitive.Filter{
		Types: []int{int(resource.TypeTimeSeriesInstance)}, StateTagBigger: &unseen, Level: 1,
	}})
	if err != nil {
		return err
	}
	var came []arrival
	for _, r := range page.Resources {
		one, err := arrivalOf(r)
		if err != nil {
			return err
		}
		came = append(came, one)
	}
	return d.watchData(ctx, id, came, now)
}

// watchData counts in the instances that came to a timeSeries and, if now is not zero, what is missing. Both, the notifications and
// the next alarm are one transaction, so that whoever is told again finds it done.
func (d *Dispatcher) watchData(ctx context.Context, id string, came []arrival, now time.Time) error {
	_, err := d.Store.Update(ctx, primitive.Address{ID: id}, clock.Now(), func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		attributes, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		r, watched := rhythmOf(attributes)
		if !watched {
			return c, nil
		}
		var w watch
		attributes.Note(watchNote, &w)
		before := w.Next
		w.arrive(r, came)
		var effects store.Effects
		if !now.IsZero() {
			missing := w.detect(r, now)
			list(attributes, r, missing)
			if effects, err = d.reportMissing(n, r, &w, missing); err != nil {
				return c, err
			}
		}
		attributes.SetNote(watchNote, w)
		c.Resource.Attributes = attributes.Encode()
		if due := w.due(r); !due.IsZero() && (!now.IsZero() || !w.Next.Equal(before)) {
			effects.Tasks = append(effects.Tasks, store.Task{
				Lane: alarmLane(id), Kind: KindTimeSeries, Due: due, Replace: true, Body: json.RawMessage(`{}`),
			})
		}
		c.After = func(resource.Resource) (store.Effects, error) { return effects, nil }
		return c, nil
	})
	return err
}

// list adds missing to the missingDataList of a timeSeries, of which the oldest give way.
func list(a resource.Attributes, r rhythm, missing []time.Time) {
	if len(missing) == 0 {
		return
	}
	all := a.Strings("mdlt")
	for _, m := range missing {
		all = append(all, primitive.FormatTimestamp(m))
	}
	all = all[max(len(all)-r.most, 0):]
	a.Set("mdlt", all)
	a.Set("mdc", len(all))
}

// reportMissing makes the events of what is missing in the timeSeries n, for the subscriptions that ask for them.
func (d *Dispatcher) reportMissing(n store.Node, r rhythm, w *watch, missing []time.Time) (store.Effects, error) {
	var rules []missingRule
	subscriptions := map[string]resource.Resource{}
	for _, s := range n.Subscriptions {
		if rule, ok := missingRuleOf(s); ok {
			rules = append(rules, rule)
			subscriptions[s.ID] = s
		}
	}
	var effects store.Effects
	events := w.report(r, rules, missing)
	for _, id := range slices.Sorted(maps.Keys(events)) {
		for _, list := range events[id] {
			if err := effects.Join(d.missingData(n, subscriptions[id], list)); err != nil {
				return effects, err
			}
		}
	}
	return effects, nil
}

// missingDataEvent is the notificationEventType of missing data, TS-0004 clause 6.3.4.2.19.
const missingDataEvent = 8

// missingRuleOf is the missingData condition of a subscription, if it asks for such events. One without number asks for each missing
// one, one without duration for any time.
func missingRuleOf(subscription resource.Resource) (missingRule, bool) {
	a, err := subscription.Decode()
	if err != nil {
		return missingRule{}, false
	}
	var criteria struct {
		Events  []int `json:"net"`
		Missing struct {
			Number   int    `json:"num"`
			Duration string `json:"dur"`
		} `json:"md"`
	}
	if json.Unmarshal(a["enc"], &criteria) != nil || !slices.Contains(criteria.Events, missingDataEvent) {
		return missingRule{}, false
	}
	rule := missingRule{subscription: subscription.ID, number: max(criteria.Missing.Number, 1), within: lifetime}
	if within, err := resource.ParseDuration(criteria.Missing.Duration); err == nil {
		rule.within = within
	}
	return rule, true
}

// missingList is m2m:timeSeriesNotification, TS-0004 clause 6.3.5.70: missing ones by their dataGenerationTimes.
func missingList(missing []time.Time) json.RawMessage {
	times := make([]string, len(missing))
	for i, m := range missing {
		times[i] = primitive.FormatTimestamp(m)
	}
	return wrap("m2m:tsn", map[string]any{"mdlt": times, "mdc": len(times)})
}
