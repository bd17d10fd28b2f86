package spec

import (
	"testing"
	"time"
)

func TestOverrideWords(t *testing.T) {
	t.Parallel()
	two := 2
	until := time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		o    Override
		want string
	}{
		{Override{}, ""},
		{Override{By: "ann", Reason: "none"}, ""},
		{Override{Paused: true}, "paused"},
		{Override{HoldOut: true, Size: &two, Until: until, By: "ann", Reason: "a test"}, "kept from growing, size 2 until 2026-01-02T14:04:05Z, by ann: a test"},
		{Override{RolloutPaused: true, Rollback: "0123456789ab", Until: until}, "update paused, roll back 0123456789ab"},
		{Override{Drain: []string{"a", "b"}}, "drain a b"},
		{Override{Drain: make([]string, 6)}, "drain 6 instances"},
	} {
		if got := tt.o.Words(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.o, got, tt.want)
		}
	}
}
