package notify

import "time"

// Rate is what has been sent in the current window of a rateLimit. The zero Rate has sent nothing.
type Rate struct {
	Since time.Time `json:"since"`
	Sent  int       `json:"sent"`
}

// Plan is what to do with the notices of one subscription to one target. The zero Plan does nothing.
type Plan struct {
	Drop  int    // forget so many, from the first
	Cause string // why, in words an operator can act on; empty if Drop is 0
	// Send is how many of those that follow to send as one notification.
	Send      int
	Aggregate bool // as m2m:agn
	Category  int
	// Again is when to plan again if nothing is to be sent; zero if there is nothing left.
	Again time.Time
	// Await says that Again is earlier when another notice comes.
	Await bool
	Rate  Rate // after Send
}

// Queue are the notices of one subscription to one target.
type Queue struct {
	Notices []Notice // the first of them, in order
	More    bool     // there may be more after them
	Failed  bool     // the first has been tried, but the target could not be reached
	Rate    Rate
}

// Decide plans what to do with q at now, TS-0001 clause 9.6.8.
func Decide(r Rules, q Queue, now time.Time) Plan {
	p := Plan{Rate: q.Rate}
	queue := q.Notices
	for p.drop(r, queue, q.Failed) {
	}
	queue = queue[p.Drop:]
	if len(queue) == 0 {
		return p
	}
	if queue[0].Urgent {
		p.Send, p.Category = 1, queue[0].Category
		return p
	}
	if !r.Gone && !r.active(now) {
		p.Again, p.Await = r.next(now), true // what changes the schedule stirs the lane
		if p.Again.IsZero() {
			p.Again = now.Add(idle)
		}
		return p
	}
	events, whole := events(queue, q.More)
	p.send(r, queue[:events], whole, now)
	return p
}

// idle is how long notices rest whose time never comes.
const idle = time.Hour

// drop forgets the next notice if it is not to be sent at all, and reports whether there may be another.
func (p *Plan) drop(r Rules, queue []Notice, failed bool) bool {
	rest := queue[p.Drop:]
	if len(rest) == 0 {
		return false
	}
	n := rest[0]
	switch {
	case len(n.Content) == 0: // its lane has been looked at
	case n.Urgent:
		return false
	case r.Remaining != nil && *r.Remaining <= 0 && !r.Gone:
		p.Cause = "the expiration counter has reached 0"
	case r.Gone:
		return false
	case r.Pending == 0 && !r.active(n.At):
		p.Cause = "the event was outside of the schedule"
	case r.Pending == sendLatest && len(rest) > 1 && rest[1].event() && (failed || !r.active(rest[1].At)):
		p.Cause = "a later notification is pending"
	default:
		return false
	}
	p.Drop++
	return true
}

// events is how many notices of events queue begins with. whole says that there is none after them that could join them.
func events(queue []Notice, more bool) (n int, whole bool) {
	for n < len(queue) && queue[n].event() {
		n++
	}
	return n, n < len(queue) || !more
}

// event reports whether n tells of an event.
func (n Notice) event() bool { return !n.Urgent && len(n.Content) > 0 }

// send plans to send what may be of queue, the notices of events.
func (p *Plan) send(r Rules, queue []Notice, whole bool, now time.Time) {
	if r.Gone {
		p.sendLeft(queue)
		return
	}
	if p.Category = r.Category; r.Latest {
		p.Category = latestOnly
	}
	batches := r.batches()
	n := 1
	if batches {
		var full bool
		n, full = batch(queue, r.BatchNumber)
		if ready := queue[0].At.Add(r.BatchDuration); !full && now.Before(ready) {
			p.Again, p.Await = ready, true
			if !whole {
				p.Again, p.Await = now, false // look at more
			}
			return
		}
	}
	if r.RateNumber > 0 && r.RateWindow > 0 && r.Category != immediate {
		end := p.Rate.Since.Add(r.RateWindow)
		if !now.Before(end) {
			p.Rate = Rate{Since: now}
		} else if p.Rate.Sent >= r.RateNumber {
			p.Again = end
			return
		}
		p.Rate.Sent++
	}
	if r.Remaining != nil {
		n = min(n, int(*r.Remaining))
	}
	if r.Latest {
		if !batches {
			n = len(queue)
		}
		if n > 1 {
			p.Drop, p.Cause = p.Drop+n-1, "only the latest notification is wanted"
		}
		n = 1
	}
	p.Send, p.Aggregate = n, batches
}

// sendLeft plans to send what is left of a subscription that is gone.
func (p *Plan) sendLeft(queue []Notice) {
	first := queue[0]
	p.Send, p.Category = 1, first.Category
	if !first.Batched && !first.Latest {
		return
	}
	n := len(queue)
	if first.Batched {
		n, _ = batch(queue, MaxBatch)
		p.Aggregate = true
	}
	if first.Latest {
		if n > 1 {
			p.Drop, p.Cause = p.Drop+n-1, "only the latest notification is wanted"
		}
		n, p.Category = 1, latestOnly
	}
	p.Send = n
}
