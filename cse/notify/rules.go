package notify

import (
	"encoding/json"
	"iter"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// sendLatest is the m2m:pendingNotification, TS-0004 clause 6.3.4.2.20, that keeps only the last notification that could not be sent.
// The other one keeps all.
const sendLatest = 1

// immediate is the event category of notifications that do not wait.
const immediate = 2

// latestOnly is the event category of notifications that replace those before them.
const latestOnly = 4

// Rules are what a subscription says about when its notices are sent, TS-0001 table 9.6.8-2. The zero Rules send each at once.
type Rules struct {
	Gone          bool // there is no subscription any more
	BatchNumber   int  // notices in one notification; 0 for no batches
	BatchDuration time.Duration
	RateNumber    int // notifications in a window; 0 for any number
	RateWindow    time.Duration
	Latest        bool // latestNotify: of several only the last is sent
	Pending       int  // pendingNotification; 0 if not given
	Category      int  // notificationEventCat; 0 if not given
	// Remaining is how many notices the expirationCounter leaves; nil for any number.
	Remaining *int64
	// Scheduled says that the subscription has schedules; Schedules are theirs.
	Scheduled bool
	Schedules []resource.Schedule
}

// BatchDuration is how long a batch waits for its number of notices if the subscription does not say.
const BatchDuration = "PT1M"

// Bounds of what is sent as one notification: a batch is full when it has MaxBatch notices, or MaxBatchBytes of content.
const (
	MaxBatch      = store.TurnReach
	MaxBatchBytes = 1_000_000 // with what is around it less than the 1 MiB that receivers, this CSE among them, mostly take
)

// RulesOf reads the rules of a subscription with the attributes a and the given schedules below it.
func RulesOf(a resource.Attributes, schedules []resource.Attributes) Rules {
	r := Rules{Latest: a.Bool("ln"), Remaining: a.Int("exc")}
	if n := a.Int("pn"); n != nil {
		r.Pending = int(*n)
	}
	if n := a.Int("nec"); n != nil {
		r.Category = int(*n)
	}
	var batch struct {
		Number   int             `json:"num"`
		Duration json.RawMessage `json:"dur"`
	}
	if json.Unmarshal(a["bn"], &batch) == nil && a["bn"] != nil {
		r.BatchNumber, r.BatchDuration = min(batch.Number, MaxBatch), interval(batch.Duration)
		if r.BatchNumber == 0 {
			r.BatchNumber = MaxBatch
		}
	}
	var rate struct {
		Number int             `json:"mnn"`
		Window json.RawMessage `json:"tww"`
	}
	if json.Unmarshal(a["rl"], &rate) == nil {
		r.RateNumber, r.RateWindow = rate.Number, interval(rate.Window)
	}
	for _, s := range schedules {
		var element struct {
			Entries []string `json:"sce"`
		}
		if json.Unmarshal(s["se"], &element) != nil {
			continue
		}
		r.Scheduled = true
		for _, entry := range element.Entries {
			if parsed, err := resource.ParseSchedule(entry); err == nil {
				r.Schedules = append(r.Schedules, parsed)
			}
		}
	}
	return r
}

// batches reports whether the notices of events are put together.
func (r Rules) batches() bool { return r.BatchNumber > 0 && r.Category != immediate }

// Batch is how many notifications, the first of those whose contents have the given lengths, make one of at most most. full says that no
// more fit into it.
func Batch(lengths iter.Seq[int], most int) (n int, full bool) {
	bytes := 0
	for length := range lengths {
		if bytes += length + 1; n == most || bytes > MaxBatchBytes && n > 0 {
			return n, true
		}
		n++
	}
	return n, n == most
}

// batch is Batch of queue.
func batch(queue []Notice, most int) (n int, full bool) {
	return Batch(func(yield func(int) bool) {
		for _, n := range queue {
			if !yield(len(n.Content)) {
				return
			}
		}
	}, most)
}

// interval is a duration, or a number of milliseconds as older clients write it; 0 if it is neither.
func interval(v json.RawMessage) time.Duration {
	var text string
	if json.Unmarshal(v, &text) == nil {
		d, _ := resource.ParseDuration(text) // validated when it was accepted
		return d
	}
	ms, _ := strconv.ParseInt(string(v), 10, 64)
	return time.Duration(min(ms, int64(24*time.Hour/time.Millisecond)*365)) * time.Millisecond
}

// active reports whether notifications may be sent at t.
func (r Rules) active(t time.Time) bool {
	if !r.Scheduled || r.Category == immediate {
		return true
	}
	for _, s := range r.Schedules {
		if s.Contains(t) {
			return true
		}
	}
	return false
}

// next is when notifications may be sent again, after t at which they may not; zero for never.
func (r Rules) next(t time.Time) time.Time {
	var first time.Time
	for _, s := range r.Schedules {
		if n := s.Next(t); !n.IsZero() && (first.IsZero() || n.Before(first)) {
			first = n
		}
	}
	return first
}
