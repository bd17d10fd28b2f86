package notify

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// entities reaches the targets; see dispatch.Entities.
type entities interface {
	Send(ctx context.Context, target string, r primitive.Request) (primitive.Response, error)
}

// Result is what became of a notice.
type Result string

// The results. Failed is an attempt that will be repeated.
const (
	Sent    Result = "sent"
	Failed  Result = "failed"
	Refused Result = "refused" // by the target
	Dropped Result = "dropped" // by the rules of the subscription, or after too many attempts
)

// Handler sends notices. Its fields are set before its first use and not changed.
type Handler struct {
	Store    store.Store
	Entities entities
	CSEID    string   // the originator of notifications
	Releases []string // the first is their release version indicator; they have none if it is empty
	// Expire deletes the subscription with the identifier id, whose expirationCounter has reached 0. One that is gone is no error.
	Expire  func(ctx context.Context, id string) error
	GiveUp  time.Duration              // how long a target may be out of reach before what is for it is dropped; 0 is an hour
	Timeout time.Duration              // for one notification; 0 is 10 s
	Count   func(result Result, n int) // is told what becomes of notices; nil for nobody
	// Charge is told how many notices of the subscriptions of an originator were sent; nil for nobody. The originator of a subscription
	// that is gone is empty.
	Charge func(originator string, n int)
	Log    hclog.Logger
}

const (
	defaultGiveUp  = time.Hour
	defaultTimeout = 10 * time.Second
	// goneGiveUp is GiveUp for what is left of a subscription that is gone.
	goneGiveUp = time.Minute
	// longestPause is the longest time between two attempts.
	longestPause = time.Minute
	// schedules bounds the schedules of one subscription that are looked at.
	maxSchedules = 10
)

// Do sends the notices of turn, as far as it gets. It is a worker.Handler.
func (h *Handler) Do(ctx context.Context, turn store.Turn) store.Outcome {
	notices := h.read(turn.Tasks)
	s, err := h.subscription(ctx, notices[0])
	if err != nil {
		h.Log.Warn("notifications wait for their subscription to be read", "lane", turn.Lane, "error", err)
		return store.Outcome{Again: worker.Backoff(clock.Now(), turn.Attempts, longestPause), Failed: true}
	}
	d := &drain{Handler: h, subscription: s, notices: notices, attempts: turn.Attempts, more: len(turn.Tasks) >= fullTurn}
	if most := s.rules.reach(notices[0]); d.more && most > len(notices) {
		rest, err := h.Store.Rest(ctx, turn, clock.Now(), most-len(notices), MaxBatchBytes)
		if err != nil {
			h.Log.Warn("notifications wait for their batch to be read", "lane", turn.Lane, "error", err)
			return store.Outcome{Again: worker.Backoff(clock.Now(), turn.Attempts, longestPause), Failed: true}
		}
		d.notices = append(d.notices, h.read(rest)...)
		d.more = len(rest) > 0
	}
	outcome := d.run(ctx)
	outcome.Read = len(d.notices) - len(notices)
	return outcome
}

// fullTurn is how many tasks a turn has after which there may be more in the lane. The worker may bring more than that.
const fullTurn = 64

// reach is how many notices there may be in one notification that begins with first.
func (r Rules) reach(first Notice) int {
	switch {
	case r.Gone && first.Batched:
		return MaxBatch
	case r.batches():
		return r.BatchNumber
	}
	return 1
}

// read reads the notices in tasks. One that cannot be read is replaced by one that is forgotten.
func (h *Handler) read(tasks []store.Task) []Notice {
	notices := make([]Notice, len(tasks))
	for i, t := range tasks {
		n, err := parse(t)
		if err != nil {
			h.Log.Error("a notification cannot be read, it is dropped", "lane", t.Lane, "error", err)
			n = Notice{}
		}
		notices[i] = n
	}
	return notices
}

// subscription is a subscription as far as its notices to one target are concerned.
type subscription struct {
	id, target string
	creator    string // empty if it is gone
	rules      Rules
	rate       Rate
	counts     bool // notificationStatsEnable
}

// subscription reads the subscription of n.
func (h *Handler) subscription(ctx context.Context, n Notice) (subscription, error) {
	s := subscription{id: n.Subscription, target: n.Target}
	now := clock.Now()
	node, err := h.Store.Get(ctx, primitive.Address{ID: n.Subscription}, now)
	if errors.Is(err, store.ErrNotFound) {
		s.rules.Gone = true
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.creator = node.Resource.Creator
	a, err := node.Resource.Decode()
	if err != nil {
		return s, err
	}
	page, err := h.Store.Find(ctx, store.Query{Root: node.Resource.Path, Now: now, Limit: maxSchedules,
		Filter: primitive.Filter{Types: []int{int(resource.TypeSchedule)}, Level: 1}})
	if err != nil {
		return s, err
	}
	var schedules []resource.Attributes
	for _, r := range page.Resources {
		schedule, err := r.Decode()
		if err != nil {
			return s, err
		}
		schedules = append(schedules, schedule)
	}
	s.rules = RulesOf(a, schedules)
	s.counts = a.Bool("nse")
	if s.rules.RateNumber > 0 {
		s.rate = bookOf(a, s.target).Rate
	}
	return s, nil
}

// count tells what became of n notices.
func (h *Handler) count(result Result, n int) {
	if h.Count != nil && n > 0 {
		h.Count(result, n)
	}
}
