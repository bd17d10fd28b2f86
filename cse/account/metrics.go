package account

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/viot-project/viot/cse/store"
)

const (
	// maxLabels bounds how many originators the metrics tell apart; what the others do is counted for otherLabel.
	maxLabels  = 50
	otherLabel = "other"
	// promoteAfter is how many requests an originator must have sent to this instance to get one of the labels, so that those that come
	// and go do not use them up.
	promoteAfter = 10
)

// metrics are what originators did at this instance. Everything is counted for exactly one label, so that no counter ever falls.
type metrics struct {
	requests, refused, received, sent, notifications *prometheus.CounterVec

	labels map[string]bool // originators that have a label
	seen   map[string]int  // requests of those that have none yet
}

func newMetrics() *metrics {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"originator"})
	}
	return &metrics{
		requests:      vec("originator_requests_total", "Requests that were let in, by originator."),
		refused:       vec("originator_refused_total", "Requests beyond the quota, by originator."),
		received:      vec("originator_request_bytes_total", "Bytes of content of requests, by originator."),
		sent:          vec("originator_response_bytes_total", "Bytes of content of responses, by originator."),
		notifications: vec("originator_notifications_total", "Notifications sent, by the originator of the subscription."),
		labels:        map[string]bool{}, seen: map[string]int{},
	}
}

// count counts u for the label of originator. Calls are not concurrent.
func (m *metrics) count(originator string, u store.Usage) {
	label := m.label(originator, u.Requests > 0)
	for _, c := range []struct {
		vec *prometheus.CounterVec
		n   int64
	}{{m.requests, u.Requests}, {m.refused, u.Refused}, {m.received, u.RequestBytes}, {m.sent, u.ResponseBytes}, {m.notifications, u.Notifications}} {
		if c.n > 0 {
			c.vec.WithLabelValues(label).Add(float64(c.n))
		}
	}
}

func (m *metrics) label(originator string, request bool) string {
	switch {
	case m.labels[originator]:
		return originator
	case originator == Others || len(m.labels) >= maxLabels:
		return otherLabel
	case request:
		if len(m.seen) >= maxOriginators { // most of them come and go
			clear(m.seen)
		}
		if m.seen[originator]++; m.seen[originator] >= promoteAfter {
			delete(m.seen, originator)
			m.labels[originator] = true
			return originator
		}
	}
	return otherLabel
}

// Describe implements prometheus.Collector.
func (b *Books) Describe(to chan<- *prometheus.Desc) {
	for _, v := range b.metric.all() {
		v.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (b *Books) Collect(to chan<- prometheus.Metric) {
	for _, v := range b.metric.all() {
		v.Collect(to)
	}
}

func (m *metrics) all() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{m.requests, m.refused, m.received, m.sent, m.notifications}
}
