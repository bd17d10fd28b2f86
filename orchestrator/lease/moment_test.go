package lease

import (
	"testing"
	"time"
)

// A term lasts as long whatever the clock says, and a machine that was suspended has lost it.
func TestTermIsMeasuredByWhatNoStepOfTheClockMoves(t *testing.T) {
	t.Parallel()
	if a, b := now(), now(); a.up == 0 || b.since(a) < 0 || b.since(a) > time.Minute {
		t.Fatalf("%v passed from %+v to %+v, want next to nothing, by the machine's own count", b.since(a), a, b)
	}
	for name, tt := range map[string]struct {
		renewed func(moment) moment
		leads   bool
	}{
		"just renewed":     {func(m moment) moment { return m }, true},
		"renewed long ago": {func(m moment) moment { m.at, m.up = m.at.Add(-TTL), m.up-TTL; return m }, false},
		"suspended since, the monotonic clock stood":     {func(m moment) moment { m.up -= TTL; return m }, false},
		"not known for how long the machine has been up": {func(m moment) moment { m.up = 0; return m }, true},
	} {
		term := &Term{renewedAt: tt.renewed(now())}
		if leads := term.Check() == nil; leads != tt.leads {
			t.Errorf("%s: leads %t, want %t", name, leads, tt.leads)
		}
	}
}
