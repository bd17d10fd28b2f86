package dispatch

import (
	"slices"
	"time"

	"github.com/viot-project/viot/cse/resource"
)

// The values of m2m:timeWindowType and m2m:eventEvaluationMode of Release 4, TS-0001 table 9.6.58-2.
const (
	slidingWindow = 2

	allEventsPresent      = 1
	someEventsPresent     = 2 // or all
	someEventsMissing     = 3 // or all
	allEventsMissing      = 4
	someButNotAllPresent  = 5
	shortestCrossWindow   = 100 * time.Millisecond
	defaultEvaluationMode = allEventsPresent
)

// crossRule is when a crossResourceSubscription notifies.
type crossRule struct {
	sliding  bool
	size     time.Duration // of the window
	mode     int64         // eventEvaluationMode
	expected int           // subscriptions it listens to
}

// crossRuleOf reads the rule of the crossResourceSubscription with the attributes a.
func crossRuleOf(a resource.Attributes) crossRule {
	size, _ := resource.ParseDuration(a.String("tws")) // validated when it was accepted
	r := crossRule{
		size: max(size, shortestCrossWindow), mode: defaultEvaluationMode,
		expected: len(a.Strings("rrat")) + len(a.Strings("srat")),
	}
	if kind := a.Int("twt"); kind != nil {
		r.sliding = *kind == slidingWindow
	}
	if mode := a.Int("eem"); mode != nil {
		r.mode = *mode
	}
	return r
}

// met reports whether events of so many subscriptions in one window make a notification.
func (r crossRule) met(present int) bool {
	switch r.mode {
	case someEventsPresent:
		return present > 0
	case someEventsMissing:
		return present < r.expected
	case allEventsMissing:
		return present == 0
	case someButNotAllPresent:
		return present > 0 && present < r.expected
	}
	return present >= r.expected
}

// crossWindow is what a crossResourceSubscription notes of its current window. The zero crossWindow is none.
type crossWindow struct {
	Until time.Time `json:"until,omitzero"` // its end; zero if none is open
	Seen  []string  `json:"seen,omitempty"` // the subscriptions that notified in it, each once
}

// open is the first window: a periodic one begins at once, a sliding one with the first event after the last one ended.
func (r crossRule) open(now time.Time) crossWindow {
	if r.sliding {
		return crossWindow{}
	}
	return crossWindow{Until: now.Add(r.size)}
}

// arrive takes in a notification of the subscription sur.
func (w *crossWindow) arrive(r crossRule, sur string, now time.Time) {
	if w.Until.IsZero() {
		w.Until = now.Add(r.size)
	}
	if !slices.Contains(w.Seen, sur) {
		w.Seen = append(w.Seen, sur)
	}
}

// end ends the window if it is over at now, goes on to the next, and reports whether what was in it makes a notification.
func (w *crossWindow) end(r crossRule, now time.Time) bool {
	if w.Until.IsZero() || now.Before(w.Until) {
		return false
	}
	met := r.met(len(w.Seen))
	behind := now.Sub(w.Until) / r.size // windows that nobody looked at
	next := w.Until.Add((behind + 1) * r.size)
	*w = crossWindow{}
	if !r.sliding {
		w.Until = next
	}
	return met
}
