package primitive

import (
	"fmt"
	"math"
	"strconv"
	"strings"
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

// maxRelative bounds how far from now a relative instant may be.
const maxRelative = 200 * 365 * 24 * time.Hour

// ParseInstant reads m2m:absRelTimestamp: a timestamp, or milliseconds counted from now. A relative instant may also be written as
// xs:duration, as clients of later releases do.
func ParseInstant(s string, now time.Time) (time.Time, error) {
	if ms, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(ms) || math.Abs(ms) > float64(maxRelative/time.Millisecond) {
			return time.Time{}, fmt.Errorf("%s ms from now is out of range", s)
		}
		return now.Add(time.Duration(ms * float64(time.Millisecond))), nil
	}
	if strings.HasPrefix(strings.TrimPrefix(s, "-"), "P") {
		return AddDuration(now, s)
	}
	return ParseTimestamp(s)
}
