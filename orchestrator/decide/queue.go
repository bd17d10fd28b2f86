package decide

import "time"

// queue notices requests that wait and do not get fewer, which says that the pool is too small whatever the
// reckoning says.
type queue struct {
	since time.Time // of the length below; zero while nothing waits
	n     int
}

const queuePatience = time.Second

// stuck takes the present length in and says whether the queue has not shrunk for queuePatience, or, when it is
// not patient, has just come into being. It says so once for each such period.
func (q *queue) stuck(n int, patient bool, now time.Time) bool {
	switch {
	case n == 0:
		*q = queue{}
		return false
	case q.since.IsZero():
		*q = queue{now, n}
		return !patient
	case now.Sub(q.since) < queuePatience:
		return false
	}
	grew := n >= q.n
	*q = queue{now, n}
	return grew
}
