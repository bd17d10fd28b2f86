package admin

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// Metrics is what an orchestrator exports to Prometheus.
type Metrics struct {
	Registry *prometheus.Registry
	Rounds   prometheus.Histogram // seconds each round took
}

// NewMetrics returns the metrics of an orchestrator; acting is as in Admin.
func NewMetrics(acting func() (fleet.Report, bool)) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		Rounds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "viot_round_duration_seconds", Help: "Time one round over all pools took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
		}),
	}
	m.Registry.MustRegister(m.Rounds, poolCollector{acting},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// poolCollector exports the newest report at the time it is asked for.
type poolCollector struct {
	acting func() (fleet.Report, bool)
}

func poolDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("viot_"+name, help, append([]string{"pool"}, labels...), nil)
}

var (
	actingDesc    = prometheus.NewDesc("viot_acting", "1 while this orchestrator acts, 0 while it stands by.", nil, nil)
	decisionsDesc = poolDesc("decisions_total", "Decisions since this orchestrator acts.", "kind")
	votesDesc     = poolDesc("pool_votes", "Instances each voter asks for; those that abstain are missing.", "voter")
	shadowDesc    = poolDesc("pool_shadow_size", "Instances the shadow rule would decide on; missing without one.")
	poolGauges    = []struct {
		desc  *prometheus.Desc
		value func(fleet.PoolReport) float64
	}{
		{poolDesc("pool_desired", "Instances decided on."), func(p fleet.PoolReport) float64 { return float64(p.Status.Desired) }},
		{poolDesc("pool_ready", "Instances that pass their check."), func(p fleet.PoolReport) float64 { return float64(p.Status.Ready) }},
		{poolDesc("pool_updated", "Ready instances of the current template."), func(p fleet.PoolReport) float64 { return float64(p.Status.Updated) }},
		{poolDesc("pool_booting", "Instances that are being brought up."), func(p fleet.PoolReport) float64 { return float64(p.Status.Booting) }},
		{poolDesc("pool_draining", "Instances that are being drained."), func(p fleet.PoolReport) float64 { return float64(p.Status.Draining) }},
		{poolDesc("pool_standby", "Instances that are ready and kept out of service."), func(p fleet.PoolReport) float64 { return float64(p.Status.Standby) }},
		{poolDesc("pool_unready", "Instances that run and fail their check."), func(p fleet.PoolReport) float64 { return float64(p.Inputs.Unready) }},
		{poolDesc("pool_override", "1 while what an operator has asked for is in force."), func(p fleet.PoolReport) float64 {
			if p.Status.Override != "" {
				return 1
			}
			return 0
		}},
		{poolDesc("pool_min", "Fewest instances declared."), func(p fleet.PoolReport) float64 { return float64(p.Policy.Min) }},
		{poolDesc("pool_max", "Most instances declared."), func(p fleet.PoolReport) float64 { return float64(p.Policy.Max) }},
		{poolDesc("pool_need", "Instances the demand asks for, before clamps."), func(p fleet.PoolReport) float64 { return float64(p.Inputs.Need) }},
		{poolDesc("pool_arrivals_per_second", "Requests that arrive."), func(p fleet.PoolReport) float64 { return p.Inputs.ArrivalsPerSecond }},
		{poolDesc("pool_queued", "Requests that wait for an instance."), func(p fleet.PoolReport) float64 { return float64(p.Inputs.Queued) }},
		{poolDesc("pool_demand_erlang", "Arrivals times service time: cores kept busy."), func(p fleet.PoolReport) float64 { return p.Inputs.Demand }},
		{poolDesc("pool_service_time_seconds", "CPU time of a request; 0 when not known yet."), func(p fleet.PoolReport) float64 { return p.Inputs.ServiceTimeSeconds }},
		{poolDesc("pool_problem", "1 while something keeps the pool from being as declared."), func(p fleet.PoolReport) float64 {
			if p.Status.Problem != "" {
				return 1
			}
			return 0
		}},
	}
)

// Describe is part of prometheus.Collector.
func (c poolCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- actingDesc
	descs <- decisionsDesc
	descs <- votesDesc
	descs <- shadowDesc
	for _, g := range poolGauges {
		descs <- g.desc
	}
}

// Collect is part of prometheus.Collector.
func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	report, acting := c.acting()
	value := 0.0
	if acting {
		value = 1
	}
	metrics <- prometheus.MustNewConstMetric(actingDesc, prometheus.GaugeValue, value)
	for _, p := range report.Pools {
		for _, g := range poolGauges {
			metrics <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(p), p.Status.Pool)
		}
		told := map[string]bool{} // a signal may be called as another voter is: the first counts
		for _, v := range p.Inputs.Votes {
			if !v.Abstains && !told[v.Voter] {
				told[v.Voter] = true
				metrics <- prometheus.MustNewConstMetric(votesDesc, prometheus.GaugeValue, float64(v.Need), p.Status.Pool, v.Voter)
			}
		}
		if s := p.Inputs.Shadow; s != nil {
			metrics <- prometheus.MustNewConstMetric(shadowDesc, prometheus.GaugeValue, float64(s.Size), p.Status.Pool)
		}
		for kind, n := range p.Counts {
			metrics <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(n), p.Status.Pool, string(kind))
		}
	}
}
