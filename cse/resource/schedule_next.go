package resource

import "time"

// ScheduleContains reports whether the m2m:scheduleEntry entry is active at t, to the second and in UTC. One that is not valid never is.
func ScheduleContains(entry string, t time.Time) bool {
	s, err := ParseSchedule(entry)
	return err == nil && s.Contains(t)
}

// ScheduleNext is the first instant at which the m2m:scheduleEntry entry is active and that is not before t: t itself if it is active
// then, else the beginning of a second, in UTC. It is zero if there is none within a century, or entry is not valid.
func ScheduleNext(entry string, t time.Time) time.Time {
	s, err := ParseSchedule(entry)
	if err != nil {
		return time.Time{}
	}
	return s.Next(t)
}

// Next is the first instant at which s is active and that is not before t: t itself if s is active then, else the beginning of a
// second, in UTC. It is zero if there is none within a century.
func (s Schedule) Next(t time.Time) time.Time {
	if s.fields[0] == nil {
		return time.Time{}
	}
	if s.Contains(t) {
		return t
	}
	end := t.AddDate(100, 0, 0)
	for n := t.UTC().Truncate(time.Second).Add(time.Second); n.Before(end); {
		after, ok := s.skip(n)
		if ok {
			return n
		}
		n = after
	}
	return time.Time{}
}

// skip reports whether s is active at t, the beginning of a second in UTC. If not, it is not active before after either.
func (s Schedule) skip(t time.Time) (after time.Time, ok bool) {
	year, month, day := t.Date()
	switch {
	case !s.fields[6](year):
		return time.Date(year+1, time.January, 1, 0, 0, 0, 0, time.UTC), false
	case !s.fields[4](int(month)):
		return time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC), false
	case !s.fields[3](day), !s.fields[5](int(t.Weekday())):
		return time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC), false
	case !s.fields[2](t.Hour()):
		return t.Truncate(time.Hour).Add(time.Hour), false
	case !s.fields[1](t.Minute()):
		return t.Truncate(time.Minute).Add(time.Minute), false
	}
	return t.Add(time.Second), s.fields[0](t.Second())
}
