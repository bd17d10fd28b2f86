package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tally counts results. Its zero value is ready; it is safe for concurrent use.
type Tally struct {
	mu        sync.Mutex
	requests  int
	failures  map[string]int // by what went wrong
	latencies []time.Duration
	served    map[string]int       // requests by instance
	firstAt   map[string]time.Time // end of the first request each instance served
}

// Record adds one result; it fits Config.Record.
func (t *Tally) Record(r Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures == nil {
		t.failures, t.served, t.firstAt = map[string]int{}, map[string]int{}, map[string]time.Time{}
	}
	t.requests++
	if r.Failed() {
		by := "the load balancer"
		if r.Instance != "" {
			by = r.Instance
		}
		what := fmt.Sprintf("%s %d from %s", r.Method, r.Status, by)
		if r.Err != nil {
			what = fmt.Sprintf("%s %v", r.Method, r.Err)
		}
		t.failures[what]++
		return
	}
	t.latencies = append(t.latencies, r.Latency)
	if t.served[r.Instance]++; t.served[r.Instance] == 1 {
		t.firstAt[r.Instance] = r.At.Add(r.Latency)
	}
}

// Summary is a Tally at one instant.
type Summary struct {
	Requests      int
	Failed        int
	Failures      string // each kind with its count; empty when nothing failed
	P50, P99, Max time.Duration
	Served        map[string]int       // answered requests by instance
	FirstAt       map[string]time.Time // when each instance answered its first request
}

// Summary returns what has been counted so far.
func (t *Tally) Summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Summary{Requests: t.requests, Served: maps.Clone(t.served), FirstAt: maps.Clone(t.firstAt)}
	var kinds []string
	for what, n := range t.failures {
		s.Failed += n
		kinds = append(kinds, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(kinds)
	s.Failures = strings.Join(kinds, "; ")
	sorted := slices.Sorted(slices.Values(t.latencies))
	s.P50, s.P99, s.Max = Quantile(sorted, 0.5), Quantile(sorted, 0.99), Quantile(sorted, 1)
	return s
}

// Reset forgets everything counted.
func (t *Tally) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests, t.failures, t.latencies, t.served, t.firstAt = 0, nil, nil, nil, nil
}

// String is one line for a log.
func (s Summary) String() string {
	text := fmt.Sprintf("%d requests, %d failed, p50 %s, p99 %s, max %s", s.Requests, s.Failed,
		s.P50.Round(100*time.Microsecond), s.P99.Round(100*time.Microsecond), s.Max.Round(100*time.Microsecond))
	if s.Failures != "" {
		text += ": " + s.Failures
	}
	return text
}

// Quantile is the smallest value of sorted that at least the share q of its values do not exceed; 0 when there
// are none.
func Quantile[T ~int64 | ~float64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	n := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(n, 0), len(sorted)-1)]
}
