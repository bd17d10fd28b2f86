package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWatch plays what comes to a timeSeries with an interval of 2 s, a delta of 1 s and a timer of 1.6 s. Every step is a pair of
// when it comes and its dataGenerationTime, in seconds; the watch is looked at when something is due, or only at the end.
func TestWatch(t *testing.T) {
	t.Parallel()
	r := rhythm{interval: 2 * time.Second, delta: time.Second, detection: 1600 * time.Millisecond, most: 10}
	epoch := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	second := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct {
		name    string
		came    [][2]float64
		end     float64
		missing string
	}{
		{"nothing comes", nil, 100, ""},
		{"only one comes", [][2]float64{{0, 0}}, 6, "2 4"},
		{"only one comes, and nothing is due yet", [][2]float64{{0, 0}}, 3.5, ""},
		{"all come in time", [][2]float64{{0, 0}, {2, 2}, {4, 4.5}, {6, 5.5}}, 8, ""},
		{"one is left out", [][2]float64{{0, 0}, {4, 4}, {6, 6}}, 8, "2"},
		{"the clock of the source is behind", [][2]float64{{0, -2}, {2, 0}, {4, 2}, {6, 4}}, 8, "0 2 4 6"},
		{"the clock of the source is too fast", [][2]float64{{0, 0}, {2, 4}, {4, 8}, {6, 12}}, 8, "2 4 6"},
		{"the clock of the source is too slow", [][2]float64{{0, 0}, {2, 1}, {4, 2}, {6, 3}}, 8, "2 4 6"},
		{"many come at once", [][2]float64{{0, 0}, {0.5, 0.5}, {1, 1}, {1.5, 1.5}, {2, 2}}, 6.5, "4"},
		{"one comes too late", [][2]float64{{0, 0}, {3.7, 2}, {4, 4}}, 6, "2"},
		{"the first is too old to start with", [][2]float64{{10, 0}}, 20, ""},
	} {
		for _, once := range []bool{false, true} {
			var w watch
			var missing []time.Time
			for i, came := range c.came {
				at := second(came[0])
				if !once {
					missing = append(missing, w.detect(r, at.Add(-time.Microsecond))...)
				}
				a := arrival{Tag: int64(i + 1), GeneratedAt: second(came[1]), At: at}
				w.arrive(r, []arrival{a})
				w.arrive(r, []arrival{a}) // told again
			}
			missing = append(missing, w.detect(r, second(c.end))...)
			var got []string
			for _, m := range missing {
				got = append(got, fmt.Sprint(m.Sub(epoch).Seconds()))
			}
			if text := strings.Join(got, " "); text != c.missing {
				t.Errorf("%s (looked at once: %t): missing %q, want %q", c.name, once, text, c.missing)
			}
		}
	}
}

func TestWatchBoundsWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := rhythm{interval: time.Millisecond, delta: 0, detection: time.Millisecond}
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	w := watch{Next: now.Add(-time.Hour)}
	if n := len(w.detect(r, now)); n < maxMissing || n > maxMissing+2 {
		t.Errorf("found %d", n)
	}
	if due := w.due(r); !due.After(now) || due.After(now.Add(2*time.Millisecond)) {
		t.Errorf("next is due at %s, it is %s", due, now)
	}
}

func TestWatchReports(t *testing.T) {
	t.Parallel()
	r := rhythm{interval: time.Second, detection: time.Second}
	epoch := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		rule    missingRule
		missing []int // seconds
		want    string
	}{
		{"not enough", missingRule{"sub", 3, time.Hour}, []int{1, 2}, "[]"},
		{"enough", missingRule{"sub", 3, time.Hour}, []int{1, 2, 3}, "[3]"},
		{"again", missingRule{"sub", 2, time.Hour}, []int{1, 2, 3, 4, 5}, "[2 2]"},
		{"too slowly", missingRule{"sub", 2, 10 * time.Second}, []int{1, 11, 21, 22}, "[2]"},
		{"each", missingRule{"sub", 1, time.Second}, []int{1, 2}, "[1 1]"},
	} {
		var w watch
		sizes := []int{}
		for _, s := range c.missing {
			events := w.report(r, []missingRule{c.rule}, []time.Time{epoch.Add(time.Duration(s) * time.Second)})
			for _, list := range events[c.rule.subscription] {
				sizes = append(sizes, len(list))
			}
		}
		if got := fmt.Sprint(sizes); got != c.want {
			t.Errorf("%s: events of %s missing ones, want %s", c.name, got, c.want)
		}
		if w.report(r, nil, nil); len(w.Windows) > 0 {
			t.Errorf("%s: the window of a subscription that is gone is still there", c.name)
		}
	}
}
