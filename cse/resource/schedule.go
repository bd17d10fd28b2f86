package resource

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is when something is active: an m2m:scheduleEntry, TS-0004 clause 6.3.3, seven fields second, minute, hour, day of the
// month, month, day of the week (0 is Sunday) and year. Every field is a star, a number, a range 1-5, a star with a step */2, a
// range with a step, or several of these with commas. The zero Schedule is never active.
type Schedule struct {
	fields [7]func(n int) bool
}

// scheduleFields are the names and the limits of the fields.
var scheduleFields = [7]struct {
	name        string
	first, last int
}{{"second", 0, 59}, {"minute", 0, 59}, {"hour", 0, 23}, {"day", 1, 31}, {"month", 1, 12}, {"weekday", 0, 6}, {"year", 1970, 9999}}

// ParseSchedule reads an m2m:scheduleEntry.
func ParseSchedule(entry string) (Schedule, error) {
	var s Schedule
	parts := strings.Fields(entry)
	if len(parts) != len(s.fields) {
		return Schedule{}, fmt.Errorf("must be a schedule of seven fields (second minute hour day month weekday year), got %q", entry)
	}
	for i, part := range parts {
		f := scheduleFields[i]
		matches, err := parseScheduleField(part, f.first, f.last)
		if err != nil {
			return Schedule{}, fmt.Errorf("must be a schedule, but its %s %w", f.name, err)
		}
		s.fields[i] = matches
	}
	return s, nil
}

// Contains reports whether s is active at t, to the second and in UTC.
func (s Schedule) Contains(t time.Time) bool {
	t = t.UTC()
	for i, n := range [7]int{t.Second(), t.Minute(), t.Hour(), t.Day(), int(t.Month()), int(t.Weekday()), t.Year()} {
		if s.fields[i] == nil || !s.fields[i](n) {
			return false
		}
	}
	return true
}

// scheduleRange is one part of a field. A range whose first is after its last goes over the end, such as seconds 50-10.
type scheduleRange struct{ first, last, step int }

func (r scheduleRange) contains(n int) bool {
	if r.first > r.last {
		return n >= r.first || n <= r.last
	}
	return n >= r.first && n <= r.last && (n-r.first)%r.step == 0
}

func parseScheduleField(field string, first, last int) (func(int) bool, error) {
	var ranges []scheduleRange
	for _, part := range strings.Split(field, ",") {
		r, err := parseScheduleRange(part, first, last)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return func(n int) bool {
		for _, r := range ranges {
			if r.contains(n) {
				return true
			}
		}
		return false
	}, nil
}

func parseScheduleRange(part string, first, last int) (scheduleRange, error) {
	r := scheduleRange{first, last, 1}
	body, step, stepped := strings.Cut(part, "/")
	var err error
	if stepped {
		if r.step, err = scheduleNumber(step, 1, last); err != nil {
			return r, err
		}
	}
	if body == "*" {
		return r, nil
	}
	from, to, ranged := strings.Cut(body, "-")
	if r.first, err = scheduleNumber(from, first, last); err != nil {
		return r, err
	}
	switch {
	case ranged:
		r.last, err = scheduleNumber(to, first, last)
	case !stepped:
		r.last = r.first
	}
	return r, err
}

func scheduleNumber(s string, first, last int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < first || n > last || s[0] == '+' {
		return 0, fmt.Errorf("has %q, wanted %d to %d", s, first, last)
	}
	return n, nil
}
