package notify

import (
	"context"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// drain is one turn at the notices of one subscription to one target.
type drain struct {
	*Handler
	subscription
	notices  []Notice
	more     bool
	attempts int // of the first notice that is left
	done     int
}

// run sends until there is nothing left that may be sent now.
func (d *drain) run(ctx context.Context) store.Outcome {
	if r := d.rules.Remaining; r != nil && *r <= 0 {
		d.expire(ctx)
	}
	for d.done < len(d.notices) && ctx.Err() == nil {
		now := clock.Now()
		p := Decide(d.rules, Queue{Notices: d.notices[d.done:], More: d.more, Failed: d.attempts > 0, Rate: d.rate}, now)
		d.drop(ctx, p.Drop, p.Cause)
		if p.Send == 0 {
			return store.Outcome{Done: d.done, Again: p.Again, Await: p.Await}
		}
		if err := d.reserve(ctx, p.Rate); err != nil {
			return d.again(now, err)
		}
		sent := d.send(ctx, p, now)
		d.answer(ctx, d.notices[d.done], now)
		if !sent {
			return d.failed(ctx, p, now)
		}
		d.done += p.Send
		d.attempts = 0
	}
	return store.Outcome{Done: d.done}
}

// drop forgets the next n notices.
func (d *drain) drop(ctx context.Context, n int, cause string) {
	if n == 0 {
		return
	}
	if cause != "" {
		d.count(Dropped, n)
		d.Log.Debug("notifications dropped", "subscription", d.id, "target", d.target, "count", n, "cause", cause)
		d.tell(ctx, record{dropped: true}, d.notices[d.done:d.done+n])
	}
	d.done += n
	d.attempts = 0
}

// send sends what p says, and reports whether it is done with: sent, or refused for good.
func (d *drain) send(ctx context.Context, p Plan, now time.Time) bool {
	notices := d.notices[d.done : d.done+p.Send]
	limit := d.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := primitive.Request{
		Operation: primitive.Notify, From: d.CSEID, RequestID: requestID(notices), ResultContent: primitive.DefaultResult,
		EventCategory: p.Category, Content: content(notices, p.Aggregate),
	}
	if len(d.Releases) > 0 {
		r.ReleaseVersion = d.Releases[0]
	}
	response, err := d.Entities.Send(limited, d.target, r)
	status := response.Status
	if err != nil {
		status = primitive.AsError(err).Status
	}
	switch {
	case err == nil && status.OK():
		d.count(Sent, p.Send)
		if d.Charge != nil {
			d.Charge(d.creator, p.Send)
		}
		d.tell(ctx, record{answered: true}, notices)
		return true
	case err != nil, status >= 5000, status == primitive.RequestTimeout, response.RetryAfter > 0: // which says that it may take it later
		d.Log.Debug("notification failed", "subscription", d.id, "target", d.target, "attempts", d.attempts+1,
			"event_at", notices[0].At, "status", int(status), "error", err)
		return false
	}
	d.count(Refused, p.Send)
	d.Log.Debug("notification refused", "subscription", d.id, "target", d.target, "status", int(status), "waited", now.Sub(notices[0].At))
	d.tell(ctx, record{answered: true}, notices)
	return true
}

// messageLifetime is how long whoever waits for a notice to be tried may take to learn it.
const messageLifetime = 10 * time.Second

// answer tells who waits for n to be tried that it has been.
func (d *drain) answer(ctx context.Context, n Notice, now time.Time) {
	if n.Box == "" || d.attempts > 0 {
		return
	}
	if err := d.Store.Post(ctx, store.Message{Box: n.Box, Until: now.Add(messageLifetime), Body: []byte("{}")}); err != nil {
		d.Log.Debug("who waits for a notification could not be told", "subscription", d.id, "error", err)
	}
}

// failed decides when what p says is tried again, or gives it up.
func (d *drain) failed(ctx context.Context, p Plan, now time.Time) store.Outcome {
	d.count(Failed, p.Send)
	bound := d.GiveUp
	if bound <= 0 {
		bound = defaultGiveUp
	}
	if d.rules.Gone {
		bound = min(bound, goneGiveUp)
	}
	if ctx.Err() != nil { // it was not the target's fault
		return store.Outcome{Done: d.done}
	}
	if tried(d.attempts) < bound {
		return d.again(now, nil)
	}
	n := p.Send
	for d.done+n < len(d.notices) && d.notices[d.done+n].At.Before(now.Add(-bound)) {
		n++ // which waited as long
	}
	d.Log.Warn("notifications given up", "subscription", d.id, "target", d.target, "count", n, "after", bound)
	d.drop(ctx, n, "the target could not be reached")
	return store.Outcome{Done: d.done}
}

// again says that the next notice is to be tried again after a while. err is logged if it is not nil.
func (d *drain) again(now time.Time, err error) store.Outcome {
	if err != nil {
		d.Log.Warn("notifications wait for the store", "subscription", d.id, "target", d.target, "error", err)
	}
	return store.Outcome{Done: d.done, Again: worker.Backoff(now, d.attempts, longestPause), Failed: true}
}

// tried is for how long at least something has been tried that failed attempts times before.
func tried(attempts int) time.Duration {
	var total time.Duration
	var start time.Time
	for i := range attempts {
		pause := worker.Backoff(start, i, longestPause).Sub(start)
		if pause == longestPause {
			return total + time.Duration(attempts-i)*longestPause
		}
		total += pause
	}
	return total
}
