package balancer

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics is what /metrics shows. What HAProxy counts is read from it at each scrape.
type metrics struct {
	registry    *prometheus.Registry
	syncSeconds *prometheus.HistogramVec
}

func newMetrics(b *Balancer) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		syncSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "balancer_sync_seconds",
			Help:    "From an answer of Consul to HAProxy serving it.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 12),
		}, []string{"service"}),
	}
	m.registry.MustRegister(m.syncSeconds, collector{b},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Descriptions of what a collector reports, each by service and backend.
var (
	descUp       = describe("balancer_haproxy_up", "1 when HAProxy answers on its admin socket, else 0.")
	descContact  = describe("balancer_consul_contact_age_seconds", "Since Consul last answered; absent before it has.")
	descReady    = describe("balancer_servers_ready", "Servers that get requests.")
	descKept     = describe("balancer_servers_held", "Servers that get requests although Consul does not say now that they pass.")
	descArrivals = describe("balancer_arrivals_total", "Requests that reached HAProxy, queued and refused ones included.")
	descRejected = describe("balancer_rejected_total", "Requests that no server got.")
	descErrors   = describe("balancer_errors_total", "Requests answered with a status of 500 or more, without the rejected ones.")
	descFailed   = describe("balancer_failed_total", "Requests that a server got and did not answer.")
	descRetries  = describe("balancer_retries_total", "Attempts beyond the first.")
	descQueued   = describe("balancer_queued", "Requests that wait for a server, the held ones included.")
	descHeld     = describe("balancer_held", "Requests that wait for there to be a server at all.")
	descCurrent  = describe("balancer_current", "Requests that wait or are being worked on.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"service", "backend"}, nil)
}

// collector reads HAProxy and the newest view of each route.
type collector struct{ b *Balancer }

func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descContact, descReady, descKept, descArrivals, descRejected,
		descErrors, descFailed, descRetries, descQueued, descHeld, descCurrent} {
		out <- d
	}
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, r := range c.b.routes {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
			out <- prometheus.MustNewConstMetric(d, kind, value, r.Service, r.Backend)
		}
		if v := r.view.Load(); v != nil {
			send(descKept, prometheus.GaugeValue, float64(len(v.memory.held)))
			if !v.memory.answeredAt.IsZero() {
				send(descContact, prometheus.GaugeValue, time.Since(v.memory.answeredAt).Seconds())
			}
		}
		backend, err := r.load(context.Background())
		if err != nil {
			send(descUp, prometheus.GaugeValue, 0)
			continue
		}
		ready := 0
		for _, s := range backend.Servers {
			if s.State == Ready {
				ready++
			}
		}
		send(descUp, prometheus.GaugeValue, 1)
		send(descReady, prometheus.GaugeValue, float64(ready))
		send(descArrivals, prometheus.CounterValue, float64(backend.Arrivals))
		send(descRejected, prometheus.CounterValue, float64(backend.Rejected))
		send(descFailed, prometheus.CounterValue, float64(backend.Failed))
		send(descRetries, prometheus.CounterValue, float64(backend.Retries))
		send(descErrors, prometheus.CounterValue, float64(backend.Errors))
		send(descQueued, prometheus.GaugeValue, float64(backend.Queued+backend.Held))
		send(descHeld, prometheus.GaugeValue, float64(backend.Held))
		send(descCurrent, prometheus.GaugeValue, float64(backend.Current))
	}
}
