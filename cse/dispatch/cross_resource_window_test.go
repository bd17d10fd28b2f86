package dispatch

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCrossWindow tells events to windows of ten seconds over two subscriptions, and looks at each end. The script has the events, as the
// second and the subscription, and so have the notifications that are wanted.
func TestCrossWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what    string
		sliding bool
		mode    int64
		events  string
		want    string // seconds of notifications
	}{
		{"periodic, all", false, allEventsPresent, "1a 9b 11a 21b 25a 26b", "10 30"},
		{"periodic, twice the same", false, allEventsPresent, "1a 2a", ""},
		{"periodic, some or all", false, someEventsPresent, "1a 11a 12b", "10 20"},
		{"periodic, some missing", false, someEventsMissing, "1a 11a 12b", "10 30 40"},
		{"periodic, all missing", false, allEventsMissing, "1a 11a 12b", "30 40"},
		{"periodic, some but not all", false, someButNotAllPresent, "1a 11a 12b", "10"},
		{"sliding, all", true, allEventsPresent, "3a 12b 20a 31b 33a", "13 41"},
		{"sliding, some or all", true, someEventsPresent, "3a 20b", "13 30"},
		{"sliding, some but not all", true, someButNotAllPresent, "3a 20a 21b", "13"},
	} {
		r := crossRule{sliding: c.sliding, size: 10 * time.Second, mode: c.mode, expected: 2}
		start := time.Unix(1e9, 0)
		w := r.open(start)
		var got []string
		events := strings.Fields(c.events)
		for second := 1; second <= 45; second++ {
			now := start.Add(time.Duration(second) * time.Second)
			if w.end(r, now) {
				got = append(got, strconv.Itoa(second))
			}
			for _, e := range events {
				if e[:len(e)-1] == strconv.Itoa(second) {
					w.arrive(r, e[len(e)-1:], now)
				}
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: got notifications at %q, want %q", c.what, g, c.want)
		}
	}
}

// TestCrossWindowLate looks at a periodic window long after its end: the next one ends when it would have.
func TestCrossWindowLate(t *testing.T) {
	t.Parallel()
	r := crossRule{size: 10 * time.Second, mode: allEventsMissing, expected: 1}
	start := time.Unix(1e9, 0)
	w := r.open(start)
	if !w.end(r, start.Add(35*time.Second)) || !w.Until.Equal(start.Add(40*time.Second)) {
		t.Errorf("got a window until %s, want one until %s", w.Until, start.Add(40*time.Second))
	}
}
