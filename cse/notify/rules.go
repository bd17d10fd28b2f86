package notify

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/resource"
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

// maxBatch bounds the notices of one batch: a turn of the worker brings at most so many.
const maxBatch = 64

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
		r.BatchNumber, r.BatchDuration = min(batch.Number, maxBatch), interval(batch.Duration)
		if r.BatchNumber == 0 {
			r.BatchNumber = maxBatch
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
