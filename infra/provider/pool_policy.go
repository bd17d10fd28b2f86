package provider

import (
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/spec"
)

// PoolPolicy is spec.Policy.
type PoolPolicy struct {
	Min               int            `pulumi:"min"`
	Max               int            `pulumi:"max"`
	TargetUtilisation float64        `pulumi:"targetUtilisation"`
	ScaleInAfter      string         `pulumi:"scaleInAfter,optional"`
	ZeroAfter         string         `pulumi:"zeroAfter,optional"`
	SLO               string         `pulumi:"slo,optional"`
	Signals           []PoolSignal   `pulumi:"signals,optional"`
	ScaleOut          *PoolRate      `pulumi:"scaleOut,optional"`
	ScaleIn           *PoolRate      `pulumi:"scaleIn,optional"`
	Spare             *PoolSpare     `pulumi:"spare,optional"`
	Standby           *PoolStandby   `pulumi:"standby,optional"`
	Schedules         []PoolSchedule `pulumi:"schedules,optional"`
	Forecast          *PoolForecast  `pulumi:"forecast,optional"`
	Priority          int            `pulumi:"priority,optional"`
	Update            *PoolUpdate    `pulumi:"update,optional"`
	Algorithm         string         `pulumi:"algorithm,optional"`
	Shadow            string         `pulumi:"shadow,optional"`
}

// PoolSignal is spec.Signal.
type PoolSignal struct {
	Name       string  `pulumi:"name"`
	Source     string  `pulumi:"source"`
	Metric     string  `pulumi:"metric,optional"`
	URL        string  `pulumi:"url,optional"`
	Query      string  `pulumi:"query,optional"`
	Rate       bool    `pulumi:"rate,optional"`
	Target     float64 `pulumi:"target"`
	Activation float64 `pulumi:"activation,optional"`
}

// PoolRate is spec.Rate.
type PoolRate struct {
	Disabled   bool `pulumi:"disabled,optional"`
	MostAtOnce int  `pulumi:"mostAtOnce,optional"`
	PerMinute  int  `pulumi:"perMinute,optional"`
}

// PoolSpare is spec.Spare.
type PoolSpare struct {
	Instances int  `pulumi:"instances,optional"`
	Host      bool `pulumi:"host,optional"`
}

// PoolStandby is spec.Standby.
type PoolStandby struct {
	Count  int  `pulumi:"count,optional"`
	Paused bool `pulumi:"paused,optional"`
}

// PoolSchedule is spec.Schedule.
type PoolSchedule struct {
	Days []string `pulumi:"days,optional"`
	From string   `pulumi:"from"`
	To   string   `pulumi:"to"`
	Zone string   `pulumi:"zone,optional"`
	Min  int      `pulumi:"min,optional"`
	Max  int      `pulumi:"max,optional"`
}

// PoolForecast is spec.Forecast.
type PoolForecast struct {
	Ahead       string `pulumi:"ahead,optional"`
	NoTrend     bool   `pulumi:"noTrend,optional"`
	NoSeasonal  bool   `pulumi:"noSeasonal,optional"`
	SeasonSteps int    `pulumi:"seasonSteps,optional"`
}

// PoolUpdate is spec.Update.
type PoolUpdate struct {
	MaxSurge       int     `pulumi:"maxSurge,optional"`
	MaxUnavailable int     `pulumi:"maxUnavailable,optional"`
	Canary         int     `pulumi:"canary,optional"`
	CanaryFor      string  `pulumi:"canaryFor,optional"`
	MaxErrorRatio  float64 `pulumi:"maxErrorRatio,optional"`
	NoRollback     bool    `pulumi:"noRollback,optional"`
}

// examine names what spec.Policy cannot: text that is no duration or objective.
func (p PoolPolicy) examine(found *problems) {
	found.duration("policy.scaleInAfter", p.ScaleInAfter)
	found.duration("policy.zeroAfter", p.ZeroAfter)
	if p.Forecast != nil {
		found.duration("policy.forecast.ahead", p.Forecast.Ahead)
	}
	if p.Update != nil {
		found.duration("policy.update.canaryFor", p.Update.CanaryFor)
	}
	if err := new(spec.SLO).UnmarshalText([]byte(p.SLO)); err != nil {
		found.add("policy.slo", "%v", err)
	}
}

// document is the policy as the orchestrator reads it. What examine finds bad is left at its default.
func (p PoolPolicy) document() spec.Policy {
	d := spec.Policy{
		Min: p.Min, Max: p.Max, TargetUtilisation: p.TargetUtilisation, ScaleInAfter: specDuration(p.ScaleInAfter), ZeroAfter: specDuration(p.ZeroAfter),
		Priority: p.Priority, Algorithm: p.Algorithm, Shadow: p.Shadow,
	}
	_ = d.SLO.UnmarshalText([]byte(p.SLO)) // examine tells
	for _, s := range p.Signals {
		d.Signals = append(d.Signals, spec.Signal{
			Name: s.Name, Source: spec.SignalSource(s.Source), Metric: s.Metric, URL: s.URL, Query: s.Query, Rate: s.Rate, Target: s.Target, Activation: s.Activation,
		})
	}
	for _, s := range p.Schedules {
		d.Schedules = append(d.Schedules, spec.Schedule(s))
	}
	if r := p.ScaleOut; r != nil {
		d.Out = spec.Rate(*r)
	}
	if r := p.ScaleIn; r != nil {
		d.In = spec.Rate(*r)
	}
	if s := p.Spare; s != nil {
		d.Spare = spec.Spare(*s)
	}
	if s := p.Standby; s != nil {
		d.Standby = spec.Standby(*s)
	}
	if f := p.Forecast; f != nil {
		d.Forecast = spec.Forecast{Ahead: specDuration(f.Ahead), NoTrend: f.NoTrend, NoSeasonal: f.NoSeasonal, SeasonSteps: f.SeasonSteps}
	}
	if u := p.Update; u != nil {
		d.Update = spec.Update{
			MaxSurge: u.MaxSurge, MaxUnavailable: u.MaxUnavailable, Canary: u.Canary, CanaryFor: specDuration(u.CanaryFor),
			MaxErrorRatio: u.MaxErrorRatio, NoRollback: u.NoRollback,
		}
	}
	return d
}

// declaredPolicy turns a policy back into inputs.
func declaredPolicy(d spec.Policy) PoolPolicy {
	text := func(d spec.Duration) string {
		if d == 0 {
			return ""
		}
		return time.Duration(d).String()
	}
	p := PoolPolicy{
		Min: d.Min, Max: d.Max, TargetUtilisation: d.TargetUtilisation, ScaleInAfter: text(d.ScaleInAfter), ZeroAfter: text(d.ZeroAfter),
		SLO: d.SLO.String(), Priority: d.Priority, Algorithm: d.Algorithm, Shadow: d.Shadow,
	}
	for _, s := range d.Signals {
		p.Signals = append(p.Signals, PoolSignal{
			Name: s.Name, Source: string(s.Source), Metric: s.Metric, URL: s.URL, Query: s.Query, Rate: s.Rate, Target: s.Target, Activation: s.Activation,
		})
	}
	for _, s := range d.Schedules {
		p.Schedules = append(p.Schedules, PoolSchedule(s))
	}
	out, in, spare, standby := PoolRate(d.Out), PoolRate(d.In), PoolSpare(d.Spare), PoolStandby(d.Standby)
	p.ScaleOut, p.ScaleIn, p.Spare, p.Standby = given(out), given(in), given(spare), given(standby)
	p.Forecast = given(PoolForecast{
		Ahead: text(d.Forecast.Ahead), NoTrend: d.Forecast.NoTrend, NoSeasonal: d.Forecast.NoSeasonal, SeasonSteps: d.Forecast.SeasonSteps,
	})
	p.Update = given(PoolUpdate{
		MaxSurge: d.Update.MaxSurge, MaxUnavailable: d.Update.MaxUnavailable, Canary: d.Update.Canary, CanaryFor: text(d.Update.CanaryFor),
		MaxErrorRatio: d.Update.MaxErrorRatio, NoRollback: d.Update.NoRollback,
	})
	return p
}

// given is nil for a zero value, which is not written.
func given[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// Annotate implements infer.Annotated.
func (p *PoolPolicy) Annotate(a infer.Annotator) {
	a.Describe(&p.Min, "Least number of instances, 0 or more. With 0 the pool sleeps without requests; the load balancer holds the first ones meanwhile.")
	a.Describe(&p.Max, "Greatest number of instances, at least 1 and at least min.")
	a.Describe(&p.TargetUtilisation, "Share of an instance's capacity to use, more than 0 and at most 1.")
	a.Describe(&p.ScaleInAfter, "How long fewer instances must have been enough before some are removed. Default: learned, twenty boots, from 10s to 1m.")
	a.Describe(&p.ZeroAfter, "How long a pool whose min is 0 must have had no request before its last instance goes. Default: 5m.")
	a.Describe(&p.SLO, "Objective to meet beside the utilisation: \"p95 <= 100ms\" bounds the latency of 95 % of requests, \"wait <= 0.05\" the share that finds no instance free. Default: none.")
	a.Describe(&p.Signals, "Further measures of load. Each votes for a size; the largest vote wins.")
	a.Describe(&p.ScaleOut, "Bounds how fast the pool grows. Default: not bounded.")
	a.Describe(&p.ScaleIn, "Bounds how fast the pool shrinks. Default: not bounded.")
	a.Describe(&p.Spare, "What the pool may lose and still carry its load. Default: nothing.")
	a.Describe(&p.Standby, "Instances that are kept ready beside the pool's size, out of service, so that growth takes no boot. Default: none.")
	a.Describe(&p.Schedules, "Bounds of the size at certain times of the week.")
	a.Describe(&p.Forecast, "How far the size looks ahead. Default: the pool's learned boot time, and its learned days and weeks.")
	a.Describe(&p.Priority, "Who goes first when pools together want more than a host has left: the larger. Default: 0.")
	a.Describe(&p.Update, "How instances of a changed template replace the others. Default: one more is started, then one is drained.")
	a.Describe(&p.Algorithm, "Rule that finds the size: viot, or the name of a reference policy. Default: viot.")
	a.Describe(&p.Shadow, "Rule that is evaluated beside the one in force and only reported. Default: none.")
}

// Annotate implements infer.Annotated.
func (s *PoolSignal) Annotate(a infer.Annotator) {
	a.Describe(&s.Name, "Name of the voter, unique in the policy.")
	a.Describe(&s.Source, "rps, inFlight, cpu, instances (a metric of the instances' pages), page (a metric of one page), or prometheus (a query).")
	a.Describe(&s.Metric, "Metric name, summed over its labels; for instances and page.")
	a.Describe(&s.URL, "URL of the page, or of the Prometheus server.")
	a.Describe(&s.Query, "PromQL that gives one value; for prometheus.")
	a.Describe(&s.Rate, "Whether the metric is a counter, whose growth per second counts.")
	a.Describe(&s.Target, "What one instance should carry.")
	a.Describe(&s.Activation, "Value from which a pool without instances is woken. Default: any above 0.")
}

// Annotate implements infer.Annotated.
func (r *PoolRate) Annotate(a infer.Annotator) {
	a.Describe(&r.Disabled, "Whether the size is not changed in this direction at all.")
	a.Describe(&r.MostAtOnce, "Most instances in one decision. Default: no limit.")
	a.Describe(&r.PerMinute, "Most instances within any minute. Default: no limit.")
}

// Annotate implements infer.Annotated.
func (s *PoolSpare) Annotate(a infer.Annotator) {
	a.Describe(&s.Instances, "So many instances.")
	a.Describe(&s.Host, "The host that carries most of them.")
}

// Annotate implements infer.Annotated.
func (s *PoolStandby) Annotate(a infer.Annotator) {
	a.Describe(&s.Count, "How many.")
	a.Describe(&s.Paused, "Whether the engine freezes them, so that they use no CPU.")
}

// Annotate implements infer.Annotated.
func (s *PoolSchedule) Annotate(a infer.Annotator) {
	a.Describe(&s.Days, "Any of mon, tue, wed, thu, fri, sat, sun. Default: all.")
	a.Describe(&s.From, "Time of day, such as 07:30.")
	a.Describe(&s.To, "Time of day; at or before from it is on the next day.")
	a.Describe(&s.Zone, "IANA time zone, such as Europe/Paris. Default: UTC.")
	a.Describe(&s.Min, "Least number of instances then. Default: the policy's.")
	a.Describe(&s.Max, "Greatest number of instances then. Default: the policy's.")
}

// Annotate implements infer.Annotated.
func (f *PoolForecast) Annotate(a infer.Annotator) {
	a.Describe(&f.Ahead, "How far ahead. Default: the pool's learned boot time.")
	a.Describe(&f.NoTrend, "Whether to leave out the short forecast.")
	a.Describe(&f.NoSeasonal, "Whether to leave out what was learned of earlier days and weeks.")
	a.Describe(&f.SeasonSteps, "Times of a day that are told apart. Default: 288.")
}

// Annotate implements infer.Annotated.
func (u *PoolUpdate) Annotate(a infer.Annotator) {
	a.Describe(&u.MaxSurge, "Instances beyond the size meanwhile. Default: 1, or 0 when maxUnavailable is set.")
	a.Describe(&u.MaxUnavailable, "Instances below the size meanwhile. Default: 0.")
	a.Describe(&u.Canary, "Instances that are tried first. Default: none.")
	a.Describe(&u.CanaryFor, "How long they are tried. Default: 30s.")
	a.Describe(&u.MaxErrorRatio, "By how much the new instances' share of errors may exceed the old ones'. Default: 0.01.")
	a.Describe(&u.NoRollback, "Whether a failed update halts where it is instead of going back.")
}
