package dispatch

import (
	"slices"
	"time"

	"github.com/viot-project/viot/cse/resource"
)

// rhythm is how data is expected to come to a timeSeries, TS-0001 table 9.6.36-1.
type rhythm struct {
	interval  time.Duration // periodicInterval: between two dataGenerationTimes
	delta     time.Duration // periodicIntervalDelta: how far a dataGenerationTime may be off
	detection time.Duration // missingDataDetectTimer: after the expected dataGenerationTime data is missing
	most      int           // missingDataMaxNr: how many missing ones are listed
}

// maxMissing bounds the list of a timeSeries without missingDataMaxNr, and how many missing ones one look can find.
const maxMissing = 1000

// rhythmOf is the rhythm of the timeSeries with the attributes a, and whether its data is watched at all.
func rhythmOf(a resource.Attributes) (rhythm, bool) {
	interval, delta, detection, most := a.Int("pei"), a.Int("peid"), a.Int("mdt"), a.Int("mdn")
	if !a.Bool("mdd") || interval == nil || *interval <= 0 || detection == nil {
		return rhythm{}, false
	}
	r := rhythm{interval: milliseconds(*interval), delta: milliseconds(*interval) / 2, detection: milliseconds(*detection), most: maxMissing}
	if delta != nil {
		r.delta = milliseconds(*delta)
	}
	if most != nil {
		r.most = int(min(*most, maxMissing))
	}
	return r, true
}

// milliseconds is n ms, but never so long that instants would overflow.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, int64(lifetime/time.Millisecond))) * time.Millisecond
}

// watch is what the CSE notes of a timeSeries whose data it expects. The zero watch has seen nothing.
type watch struct {
	// Next is the dataGenerationTime that is expected next; zero until the first instance has come.
	Next time.Time `json:"next,omitzero"`
	// Seen is the state tag of the last instance that was counted in: what is told again, or out of turn, is known by it.
	Seen int64 `json:"seen"`
	// Came are the instances that came and were not expected yet, in the order in which they came.
	Came []arrival `json:"came,omitempty"`
	// Windows are what is missing and was not notified yet, by the identifier of the subscription.
	Windows map[string]window `json:"windows,omitempty"`
}

// arrival is an instance of a timeSeries that came.
type arrival struct {
	Tag         int64     `json:"tag"` // its state tag
	GeneratedAt time.Time `json:"dgt"`
	At          time.Time `json:"at"` // when it was created
}

// window is what one subscription has yet to be told, TS-0001 clause 9.6.8, missingData.
type window struct {
	Since   time.Time   `json:"since"` // when the first was missed
	Missing []time.Time `json:"missing"`
}

// arrive counts in those of came that are new. The first that is counted in starts the watch, unless it is so old that what follows
// it would be missing already.
func (w *watch) arrive(r rhythm, came []arrival) {
	came = slices.SortedFunc(slices.Values(came), func(a, b arrival) int { return int(a.Tag - b.Tag) })
	for _, a := range came {
		if a.Tag <= w.Seen {
			continue
		}
		w.Seen = a.Tag
		next := a.GeneratedAt.Add(r.interval)
		switch {
		case !w.Next.IsZero():
			w.Came = append(w.Came, a)
		case a.At.Before(next.Add(r.detection)):
			w.Next = next
		}
	}
}

// due is when something is missing unless it comes before; zero if nothing is expected.
func (w *watch) due(r rhythm) time.Time {
	if w.Next.IsZero() {
		return time.Time{}
	}
	return w.Next.Add(r.detection)
}

// detect finds the dataGenerationTimes that were due at now and for which nothing came, oldest first.
func (w *watch) detect(r rhythm, now time.Time) []time.Time {
	var missing []time.Time
	for due := w.due(r); !due.IsZero() && !now.Before(due); due = w.due(r) {
		if !w.take(r, due) {
			missing = append(missing, w.Next)
		}
		w.Next = w.Next.Add(r.interval)
		if len(missing) >= maxMissing {
			behind := now.Sub(w.due(r)) / r.interval
			w.Next = w.Next.Add(max(behind, 0) * r.interval)
		}
	}
	return missing
}

// take reports whether the expected instance came before due, and forgets those that came before it. If it did not, all that came
// before due are forgotten: one that does not come when it is expected is not taken for a later one.
func (w *watch) take(r rhythm, due time.Time) bool {
	inTime := 0
	for inTime < len(w.Came) && !w.Came[inTime].At.After(due) {
		if off := w.Came[inTime].GeneratedAt.Sub(w.Next); off > -r.delta && off <= r.delta || off == 0 {
			w.Came = w.Came[inTime+1:]
			return true
		}
		inTime++
	}
	w.Came = w.Came[inTime:]
	return false
}

// missingRule is the missingData condition of a subscription.
type missingRule struct {
	subscription string // its identifier
	number       int    // so many missing ones make an event
	within       time.Duration
}

// report tells which of the rules make an event of missing, which were detected in the rhythm r, and of which list. Windows of
// subscriptions without a rule are forgotten.
func (w *watch) report(r rhythm, rules []missingRule, missing []time.Time) map[string][][]time.Time {
	events := map[string][][]time.Time{}
	windows := map[string]window{}
	for _, rule := range rules {
		open := w.Windows[rule.subscription]
		for _, m := range missing {
			if at := m.Add(r.detection); len(open.Missing) == 0 || at.Sub(open.Since) >= rule.within {
				open = window{Since: at}
			}
			open.Missing = append(open.Missing, m)
			if len(open.Missing) >= rule.number {
				events[rule.subscription] = append(events[rule.subscription], open.Missing)
				open = window{}
			}
		}
		if len(open.Missing) > 0 {
			windows[rule.subscription] = open
		}
	}
	w.Windows = windows
	return events
}
