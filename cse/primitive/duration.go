package primitive

import (
	"fmt"
	"strings"
	"time"
)

// AddDuration adds the xs:duration s, such as P1DT12H or -PT1.5S, to t. Years and months are those of the calendar.
func AddDuration(t time.Time, s string) (time.Time, error) {
	wrong := func() (time.Time, error) { return time.Time{}, fmt.Errorf("%q is not a duration like P1DT12H", s) }
	rest, negative := strings.CutPrefix(s, "-")
	rest, ok := strings.CutPrefix(rest, "P")
	date, clock, timed := strings.Cut(rest, "T")
	if !ok || rest == "" || timed && clock == "" {
		return wrong()
	}
	sign := int64(1)
	if negative {
		sign = -1
	}
	var years, months, days int
	for _, part := range []struct {
		unit byte
		to   *int
	}{{'Y', &years}, {'M', &months}, {'D', &days}} {
		n, fraction, left, ok := designated(date, part.unit)
		if !ok || fraction != 0 || n > 1e6 {
			return wrong()
		}
		*part.to, date = int(sign*n), left
	}
	var d time.Duration
	for _, part := range []struct {
		unit byte
		size time.Duration
	}{{'H', time.Hour}, {'M', time.Minute}, {'S', time.Second}} {
		n, fraction, left, ok := designated(clock, part.unit)
		if !ok || fraction != 0 && part.unit != 'S' || n > int64(100*365*24*time.Hour/part.size) {
			return wrong()
		}
		d, clock = d+time.Duration(n)*part.size+fraction, left
	}
	if date != "" || clock != "" {
		return wrong()
	}
	return t.AddDate(years, months, days).Add(time.Duration(sign) * d), nil
}

// designated takes the number before unit off s; it is 0 if s does not start with such a number. The fraction is in seconds.
func designated(s string, unit byte) (n int64, fraction time.Duration, rest string, ok bool) {
	i := strings.IndexByte(s, unit)
	if i < 0 {
		return 0, 0, s, true
	}
	whole, decimals, fractional := strings.Cut(s[:i], ".")
	if whole == "" || len(whole) > 12 || fractional && decimals == "" {
		return 0, 0, s, false
	}
	for _, c := range []byte(whole) {
		if c < '0' || c > '9' {
			return 0, 0, s, false
		}
		n = 10*n + int64(c-'0')
	}
	scale := time.Second
	for _, c := range []byte(decimals) {
		if c < '0' || c > '9' {
			return 0, 0, s, false
		}
		scale /= 10
		fraction += time.Duration(c-'0') * scale
	}
	return n, fraction, s[i+1:], true
}
