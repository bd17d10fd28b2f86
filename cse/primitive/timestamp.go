package primitive

import (
	"fmt"
	"strconv"
	"time"
)

// timestampLayout is m2m:timestamp, TS-0004 clause 6.3.3: basic ISO 8601 in UTC, here with microseconds.
const timestampLayout = "20060102T150405,000000"

// FormatTimestamp writes t as m2m:timestamp with microseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format(timestampLayout) }

// AppendTimestamp appends t to b as FormatTimestamp writes it.
func AppendTimestamp(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, timestampLayout) }

// ParseTimestamp reads m2m:timestamp, with or without a fraction of the second.
func ParseTimestamp(s string) (time.Time, error) {
	t, err := time.Parse("20060102T150405", s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a timestamp like 20060102T150405", s)
	}
	return t, nil
}

// ParseInstant reads m2m:absRelTimestamp: a timestamp, or milliseconds counted from now.
func ParseInstant(s string, now time.Time) (time.Time, error) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return now.Add(time.Duration(ms) * time.Millisecond), nil
	}
	return ParseTimestamp(s)
}
