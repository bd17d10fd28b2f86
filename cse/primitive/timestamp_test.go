package primitive

import (
	"testing"
	"time"
)

func TestTimestamps(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 30, 15, 123456000, time.UTC)
	if got := FormatTimestamp(at.In(time.FixedZone("", 7200))); got != "20260501T123015,123456" {
		t.Errorf("format: got %s", got)
	}
	for s, want := range map[string]time.Time{
		"20260501T123015,123456": at, "20260501T123015.123456": at, "20260501T123015": at.Truncate(time.Second), "20260501T123015,5": at.Truncate(time.Second).Add(time.Second / 2),
	} {
		if got, err := ParseTimestamp(s); err != nil || !got.Equal(want) {
			t.Errorf("parse %s: got %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "now", "2026-05-01T12:30:15", "20260501", "20261301T000000", "20260501T123015Z"} {
		if got, err := ParseTimestamp(s); err == nil {
			t.Errorf("parse %q: got %s, want an error", s, got)
		}
	}
	if got, err := ParseInstant("-1500", at); err != nil || !got.Equal(at.Add(-1500*time.Millisecond)) {
		t.Errorf("relative: got %s, %v", got, err)
	}
	if got, err := ParseInstant("20260501T123015", time.Time{}); err != nil || !got.Equal(at.Truncate(time.Second)) {
		t.Errorf("absolute: got %s, %v", got, err)
	}
	for s, want := range map[string]time.Time{
		"1500.5": at.Add(1500500 * time.Microsecond), "PT2S": at.Add(2 * time.Second), "-PT1.5S": at.Add(-1500 * time.Millisecond),
		"P1DT1H1M": at.Add(25*time.Hour + time.Minute), "P1Y2M": at.AddDate(1, 2, 0),
	} {
		if got, err := ParseInstant(s, at); err != nil || !got.Equal(want) {
			t.Errorf("%s from now: got %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"P", "PT", "P1", "PT1", "P1S", "PT1D", "P1.5D", "PT1.S", "PxD", "P1M1Y", "PT99999999999999S", "NaN", "Inf", "1e300", "xxx"} {
		if got, err := ParseInstant(s, at); err == nil {
			t.Errorf("%q from now: got %s, want an error", s, got)
		}
	}
}
