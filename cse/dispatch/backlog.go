package dispatch

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// backlogPage is how many subscriptions are looked up in one query.
const backlogPage = 500

// shed drops pending notifications of subscribers that have more than MaxPending, see notify.Shed. Those of subscriptions that are gone
// are nobody's; they are given up soon.
func (d *Dispatcher) shed(ctx context.Context, now time.Time) error {
	if d.MaxPending <= 0 {
		return nil
	}
	pending, err := d.Store.Backlog(ctx, notify.Kind, d.MaxPending)
	if err != nil || len(pending) == 0 {
		return err
	}
	bySubscription := map[string]*notify.Backlog{}
	for _, lane := range slices.Sorted(maps.Keys(pending)) {
		id := notify.SubscriptionOf(lane)
		if bySubscription[id] == nil {
			bySubscription[id] = &notify.Backlog{}
		}
		b := bySubscription[id]
		b.Lanes, b.Pending = append(b.Lanes, lane), b.Pending+pending[lane]
	}
	bySubscriber := map[string][]notify.Backlog{}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(bySubscription)), backlogPage) {
		filter := primitive.Filter{Types: []int{int(resource.TypeSubscription)}}
		for _, id := range ids {
			filter.Attributes = append(filter.Attributes, primitive.AttributeCondition{Name: "ri", Value: id})
		}
		page, err := d.Store.Find(ctx, store.Query{Root: d.Identity.Name, Filter: filter, Now: now, Limit: backlogPage})
		if err != nil {
			return err
		}
		for _, s := range page.Resources {
			a, err := s.Decode()
			if err != nil {
				return err
			}
			b := bySubscription[s.ID]
			if priority := a.Int("nsp"); priority != nil {
				b.Priority = *priority
			}
			bySubscriber[s.Creator] = append(bySubscriber[s.Creator], *b)
		}
	}
	for subscriber, list := range bySubscriber {
		if err := d.shedOf(ctx, now, subscriber, list); err != nil {
			return err
		}
	}
	return nil
}

// shedOf is shed for one subscriber.
func (d *Dispatcher) shedOf(ctx context.Context, now time.Time, subscriber string, list []notify.Backlog) error {
	total := 0
	for _, s := range notify.Shed(list, d.MaxPending) {
		n, err := d.Store.Shed(ctx, now, s.Lanes, s.Drop)
		if err != nil {
			return err
		}
		total += n
	}
	if total > 0 {
		d.Log.Warn("notifications dropped", "subscriber", subscriber, "count", total, "cause", "too many are pending")
		if d.Dropped != nil {
			d.Dropped(total)
		}
	}
	return nil
}
