package cse

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/viot-project/viot/cse/notify"
)

// metrics are what an instance tells about itself. Requests for probes and for the metrics themselves are not counted.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	inFlight prometheus.Gauge
	notices  *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Mca requests answered, by HTTP method and status code."}, []string{"method", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from the header of an Mca request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Mca requests that are being answered."}),
	}
	m.notices = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "notifications_total", Help: "Notifications of subscriptions, by what became of them; failed is an attempt that is repeated.",
	}, []string{"result"})
	for _, result := range []notify.Result{notify.Sent, notify.Failed, notify.Refused, notify.Dropped} {
		m.notices.WithLabelValues(string(result))
	}
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.notices,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// count wraps the handler of Mca requests.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		start := time.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(s, r)
		m.duration.Observe(time.Since(start).Seconds())
		m.requests.WithLabelValues(method(r.Method), strconv.Itoa(s.status)).Inc()
	})
}

// notified counts what became of n notifications.
func (m *metrics) notified(result notify.Result, n int) {
	m.notices.WithLabelValues(string(result)).Add(float64(n))
}

// method keeps the label to the methods that mean something, whatever clients send.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		return m
	}
	return "other"
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
