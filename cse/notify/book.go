package notify

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// bookNote is the name of the note that a subscription has with the books of its targets.
const bookNote = "notified"

// book is what the CSE notes about the notices to one target of a subscription. The zero book is of a target that got none.
type book struct {
	Rate Rate `json:"rate,omitzero"`
	// Last is the last notice that was counted, so that none is counted again that is sent again.
	Last string `json:"last,omitempty"`
}

func bookOf(a resource.Attributes, target string) book {
	var books map[string]book
	a.Note(bookNote, &books)
	return books[target]
}

func setBook(a resource.Attributes, target string, b book) {
	books := map[string]book{}
	a.Note(bookNote, &books)
	targets := a.Strings("nu")
	kept := map[string]book{target: b}
	for _, t := range targets {
		if old, known := books[t]; known && t != target {
			kept[t] = old
		}
	}
	a.SetNote(bookNote, kept)
}

// revise changes the attributes of the subscription as change says, without anybody noticing. One that is gone stays so.
func (d *drain) revise(ctx context.Context, change func(a resource.Attributes)) error {
	_, err := d.Store.Update(ctx, primitive.Address{ID: d.id}, clock.Now(), func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		change(a)
		c.Resource.Attributes = a.Encode()
		return c, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		d.rules.Gone = true
		return nil
	}
	return err
}

// reserve notes rate before something is sent, so that nobody exceeds it, whatever happens to this instance.
func (d *drain) reserve(ctx context.Context, rate Rate) error {
	if d.rules.Gone || d.rules.RateNumber == 0 || rate == d.rate {
		return nil
	}
	d.rate = rate
	return d.revise(ctx, func(a resource.Attributes) {
		b := bookOf(a, d.target)
		b.Rate = rate
		setBook(a, d.target, b)
	})
}

// record is what happened to notices.
type record struct {
	answered bool // they were sent, and answered
	dropped  bool // they were not sent
}

// tell counts notices in at their subscription: in its statistics, and in its expirationCounter, at whose end it goes.
func (d *drain) tell(ctx context.Context, r record, notices []Notice) {
	var events, counted int64
	for _, n := range notices {
		if !n.event() {
			continue
		}
		if events++; n.Counts {
			counted++
		}
	}
	limited := d.rules.Remaining != nil && counted > 0 && !r.dropped
	if d.rules.Gone || events == 0 || !d.counts && !limited {
		return
	}
	last := notices[len(notices)-1].ID
	err := d.revise(ctx, func(a resource.Attributes) {
		b := bookOf(a, d.target)
		if d.rules.Remaining = a.Int("exc"); b.Last == last {
			return
		}
		b.Last = last
		setBook(a, d.target, b)
		if left := a.Int("exc"); limited && left != nil {
			*left = max(*left-counted, 0)
			a.Set("exc", *left)
			d.rules.Remaining = left
		}
		if a.Bool("nse") {
			addStatistics(a, d.target, r, events)
		}
	})
	if err != nil {
		d.Log.Warn("notifications could not be counted", "subscription", d.id, "target", d.target, "error", err)
	}
	if left := d.rules.Remaining; left != nil && *left <= 0 {
		d.expire(ctx)
	}
}

// expire deletes the subscription, whose expirationCounter has reached 0. If that fails, the next event tries again.
func (d *drain) expire(ctx context.Context) {
	if d.rules.Gone {
		return
	}
	if err := d.Expire(ctx, d.id); err != nil {
		d.Log.Warn("a subscription could not be deleted that has notified enough", "subscription", d.id, "error", err)
	}
}

// statistics is m2m:notificationStatsInfo (Release 4) of one target.
type statistics struct {
	Target    string `json:"tg"`
	Requests  int64  `json:"rqs"`
	Responses int64  `json:"rsr"`
	Events    int64  `json:"noec"`
}

// addStatistics counts events of target in at the notificationStatsInfo, which has exactly the targets there are.
func addStatistics(a resource.Attributes, target string, r record, events int64) {
	var before []statistics
	_ = json.Unmarshal(a["nsi"], &before) // written here; absent leaves it empty
	after := []statistics{}
	for _, t := range a.Strings("nu") {
		s := statistics{Target: t}
		for _, b := range before {
			if b.Target == t {
				s = b
			}
		}
		if t == target {
			s.Events += events
			if !r.dropped {
				s.Requests += events
			}
			if r.answered {
				s.Responses += events
			}
		}
		after = append(after, s)
	}
	a.Set("nsi", after)
}
