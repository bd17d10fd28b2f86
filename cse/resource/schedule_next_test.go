package resource

import (
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	// 2026-03-04 is a Wednesday.
	const layout = "2006-01-02T15:04:05"
	for _, c := range []struct {
		entry, at, next string // next empty: never
	}{
		{"* * * * * * *", "2026-03-04T10:20:30", "2026-03-04T10:20:30"},
		{"0 * * * * * *", "2026-03-04T10:20:30", "2026-03-04T10:21:00"},
		{"*/20 * * * * * *", "2026-03-04T10:20:41", "2026-03-04T10:21:00"},
		{"5,15-17 30 * * * * *", "2026-03-04T10:30:06", "2026-03-04T10:30:15"},
		{"5,15-17 30 * * * * *", "2026-03-04T10:30:18", "2026-03-04T11:30:05"},
		{"50-10 * * * * * *", "2026-03-04T10:20:03", "2026-03-04T10:20:03"},
		{"50-10 * * * * * *", "2026-03-04T10:20:11", "2026-03-04T10:20:50"},
		{"* * 8-17 * * 1-5 *", "2026-03-06T18:00:00", "2026-03-09T08:00:00"},
		{"* * 8-17 * * 1-5 *", "2026-03-06T17:59:59", "2026-03-06T17:59:59"},
		{"0 0 0 31 * * *", "2026-04-01T00:00:00", "2026-05-31T00:00:00"},
		{"0 0 0 29 2 * *", "2026-03-04T00:00:00", "2028-02-29T00:00:00"},
		{"0 0 0 29 2 1 *", "2028-03-01T00:00:00", "2044-02-29T00:00:00"},
		{"59 59 23 31 12 * *", "2026-12-31T23:59:59", "2026-12-31T23:59:59"},
		{"0 0 0 1 1 * *", "2026-12-31T23:59:59", "2027-01-01T00:00:00"},
		{"* * * * * * 2030", "2026-03-04T10:20:30", "2030-01-01T00:00:00"},
		{"* * * * * * 2025", "2026-03-04T10:20:30", ""},
		{"0 0 0 30 2 * *", "2026-03-04T10:20:30", ""},
		{"not a schedule", "2026-03-04T10:20:30", ""},
		{"* * * * * 7 *", "2026-03-04T10:20:30", ""},
	} {
		at, err := time.Parse(layout, c.at)
		if err != nil {
			t.Fatal(err)
		}
		got := ScheduleNext(c.entry, at)
		if next := got.Format(layout); next != c.next && !(got.IsZero() && c.next == "") {
			t.Errorf("%q at %s: next is %s, want %q", c.entry, c.at, next, c.next)
		}
		if contains := ScheduleContains(c.entry, at); contains != (c.next == c.at) {
			t.Errorf("%q at %s: contains is %t", c.entry, c.at, contains)
		}
	}
}

func TestScheduleNextKeepsFractions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 10, 20, 30, 500_000_000, time.FixedZone("", 3600))
	if got := ScheduleNext("30 * * * * * *", at); !got.Equal(at) {
		t.Errorf("active at %s, but next is %s", at, got)
	}
	want := time.Date(2026, 3, 4, 9, 20, 31, 0, time.UTC)
	if got := ScheduleNext("31 20 9 * * * *", at); !got.Equal(want) {
		t.Errorf("next is %s, want %s", got, want)
	}
}

func TestScheduleZero(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	if s := (Schedule{}); s.Contains(at) || !s.Next(at).IsZero() {
		t.Error("the zero Schedule is active")
	}
}
