package resource

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// durationPattern is xs:duration without a sign, and with weeks as ISO 8601 has them.
var durationPattern = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,6})D)?` +
	`(T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,9}(?:[.,]\d{1,9})?)S)?)?$`)

// ParseDuration reads an xs:duration such as PT30S or P1DT12H. A year counts 365 days and a month 30.
func ParseDuration(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	m := durationPattern.FindStringSubmatch(s)
	if m == nil || s[len(s)-1] == 'P' || s[len(s)-1] == 'T' {
		return 0, fmt.Errorf("must be a duration such as PT30S, got %q", s)
	}
	var total time.Duration
	for group, unit := range map[int]time.Duration{1: 365 * day, 2: 30 * day, 3: 7 * day, 4: day, 6: time.Hour, 7: time.Minute} {
		if m[group] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[group], 10, 64)
		if err != nil || n > int64(maxDuration/unit) {
			return 0, fmt.Errorf("must be a duration of at most 40 years, got %q", s)
		}
		total += time.Duration(n) * unit
	}
	if m[8] != "" {
		seconds, err := time.ParseDuration(commaToPoint(m[8]) + "s")
		if err != nil {
			return 0, fmt.Errorf("must be a duration, got %q", s)
		}
		total += seconds
	}
	if total < 0 || total > maxDuration {
		return 0, fmt.Errorf("must be a duration of at most 40 years, got %q", s)
	}
	return total, nil
}

// maxDuration keeps sums of the parts of a duration within what time.Duration can hold.
const maxDuration = 40 * 365 * 24 * time.Hour

func commaToPoint(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == ',' {
			b[i] = '.'
		}
	}
	return string(b)
}
