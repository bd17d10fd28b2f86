package spec

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Policy says how many instances a pool may have and what decides how many it has. Only Min, Max and TargetUtilisation
// must be given; the zero value of every other field is the default that its comment names.
type Policy struct {
	Min               int     `json:"min"`
	Max               int     `json:"max"`
	TargetUtilisation float64 `json:"targetUtilisation"` // share of an instance's capacity to use, (0, 1]

	// ScaleInAfter is how long fewer instances must have been enough; 0 is learned: twenty times what an instance takes until
	// it serves, at least LeastScaleInAfter and at most MostScaleInAfter, and DefaultScaleInAfter until one was seen booting.
	ScaleInAfter Duration `json:"scaleInAfter,omitempty"`
	// ZeroAfter is how long a pool whose Min is 0 must have had no request before its last instance goes; 0 is DefaultZeroAfter.
	ZeroAfter Duration `json:"zeroAfter,omitempty"`

	// SLO is the objective the size must meet beside TargetUtilisation; the zero SLO asks for nothing.
	SLO SLO `json:"slo,omitzero"`
	// Signals are further measures of load. Each votes for a size; the largest vote wins.
	Signals []Signal `json:"signals,omitempty"`
	// Out and In bound how fast the pool grows and shrinks; the zero Rate does not.
	Out Rate `json:"scaleOut,omitzero"`
	In  Rate `json:"scaleIn,omitzero"`
	// Spare is what the pool may lose and still carry its load.
	Spare Spare `json:"spare,omitzero"`
	// Standby is what is kept warm beside the pool's size.
	Standby Standby `json:"standby,omitzero"`
	// Schedules bound the size by the time of the week. Where several hold, the largest Min and the smallest Max do.
	Schedules []Schedule `json:"schedules,omitempty"`
	// Forecast looks ahead; the zero Forecast looks ahead by the pool's own learned boot time and by its learned seasons.
	Forecast Forecast `json:"forecast,omitzero"`
	// Priority decides who gets what a host has left when pools together want more: the larger goes first.
	Priority int `json:"priority,omitempty"`
	// Update is how a changed template is rolled out.
	Update Update `json:"update,omitzero"`
	// Algorithm is the rule that finds the size: AlgorithmViot, the default, or the name of a reference policy.
	Algorithm string `json:"algorithm,omitempty"`
	// Shadow is the name of a rule that is evaluated beside the one in force and only reported; empty is none.
	Shadow string `json:"shadow,omitempty"`
}

// Signal is one measure of load beside arrivals, and how much of it one instance should carry.
type Signal struct {
	Name   string       `json:"name"`             // of the voter, unique in the policy
	Source SignalSource `json:"source"`           //
	Metric string       `json:"metric,omitempty"` // metric name, summed over its labels; SignalInstances and SignalPage only
	URL    string       `json:"url,omitempty"`    // of the page, or base URL of the Prometheus server; SignalPage and SignalPrometheus only
	Query  string       `json:"query,omitempty"`  // PromQL, one value; SignalPrometheus only
	Rate   bool         `json:"rate,omitempty"`   // the metric is a counter: its growth per second counts
	// Target is what one instance should carry, in the unit of the metric; of SignalCPU in cores, of SignalRPS in requests per second.
	Target float64 `json:"target"`
	// Activation is the value from which a pool without instances is woken; 0 is any value above 0.
	Activation float64 `json:"activation,omitempty"`
}

// SignalSource is where a signal is measured.
type SignalSource string

// The sources of signals.
const (
	SignalRPS        SignalSource = "rps"        // arrivals per second
	SignalInFlight   SignalSource = "inFlight"   // requests being served, and those waiting
	SignalCPU        SignalSource = "cpu"        // cores in use
	SignalInstances  SignalSource = "instances"  // a metric of the instances' own pages, summed over the pool
	SignalPage       SignalSource = "page"       // a metric of one page in Prometheus text format, such as a broker's lag
	SignalPrometheus SignalSource = "prometheus" // a query to a Prometheus server
)

// Rate bounds how fast a size changes in one direction. The zero Rate does not.
type Rate struct {
	Disabled   bool `json:"disabled,omitempty"`   // the size is not changed in this direction at all
	MostAtOnce int  `json:"mostAtOnce,omitempty"` // instances in one decision; 0 is no limit
	PerMinute  int  `json:"perMinute,omitempty"`  // instances within any minute; 0 is no limit
}

// Spare is what a pool may lose without missing its objective.
type Spare struct {
	Instances int  `json:"instances,omitempty"` // so many instances
	Host      bool `json:"host,omitempty"`      // the host that carries most of them
}

// Standby is instances that are booted and ready but not in service.
type Standby struct {
	Count  int  `json:"count,omitempty"`
	Paused bool `json:"paused,omitempty"` // frozen by the engine, so that they use no CPU; else they run unregistered
}

// Schedule bounds the size at certain times of the week.
type Schedule struct {
	Days []string `json:"days,omitempty"` // mon tue wed thu fri sat sun; empty is all
	From string   `json:"from"`           // time of day, 15:04
	To   string   `json:"to"`             // time of day, at or before From: on the next day
	Zone string   `json:"zone,omitempty"` // IANA name such as Europe/Paris; empty is UTC
	Min  int      `json:"min,omitempty"`  // 0 adds nothing
	Max  int      `json:"max,omitempty"`  // 0 is no further limit
}

// Forecast says how far the size looks ahead.
type Forecast struct {
	Ahead       Duration `json:"ahead,omitempty"`       // 0 is the pool's learned boot time
	NoTrend     bool     `json:"noTrend,omitempty"`     // leaves out the short forecast
	NoSeasonal  bool     `json:"noSeasonal,omitempty"`  // leaves out what was learned of earlier days and weeks
	SeasonSteps int      `json:"seasonSteps,omitempty"` // of a day that are told apart; 0 is DefaultSeasonSteps
}

// Update is how instances of a changed template replace the others. The zero Update adds one, then drains one.
type Update struct {
	MaxSurge       int      `json:"maxSurge,omitempty"`       // instances beyond the size meanwhile; 0 is 1 unless MaxUnavailable is set
	MaxUnavailable int      `json:"maxUnavailable,omitempty"` // instances below the size meanwhile
	Canary         int      `json:"canary,omitempty"`         // instances that are tried first; 0 is no trial
	CanaryFor      Duration `json:"canaryFor,omitempty"`      // how long they are; 0 is DefaultCanaryFor
	// MaxErrorRatio is by how much the share of requests that the new instances answer with an error may exceed the old
	// ones' share, [0, 1]; 0 is DefaultMaxErrorRatio.
	MaxErrorRatio float64 `json:"maxErrorRatio,omitempty"`
	NoRollback    bool    `json:"noRollback,omitempty"` // a failed update halts where it is instead of going back
}

// AlgorithmViot is viot's own rule for the size of a pool.
const AlgorithmViot = "viot"

// Defaults for zero fields of a policy.
const (
	DefaultScaleInAfter  = 30 * time.Second
	LeastScaleInAfter    = 10 * time.Second
	MostScaleInAfter     = time.Minute
	DefaultZeroAfter     = 5 * time.Minute
	DefaultSeasonSteps   = 288 // of 5 minutes
	DefaultCanaryFor     = 30 * time.Second
	DefaultMaxErrorRatio = 0.01
)

// WithDefaults returns p with every zero field that has a default filled in.
func (p Policy) WithDefaults() Policy {
	if p.ZeroAfter == 0 {
		p.ZeroAfter = Duration(DefaultZeroAfter)
	}
	if p.Forecast.SeasonSteps == 0 {
		p.Forecast.SeasonSteps = DefaultSeasonSteps
	}
	u := &p.Update
	if u.MaxSurge == 0 && u.MaxUnavailable == 0 {
		u.MaxSurge = 1
	}
	if u.CanaryFor == 0 {
		u.CanaryFor = Duration(DefaultCanaryFor)
	}
	if u.MaxErrorRatio == 0 {
		u.MaxErrorRatio = DefaultMaxErrorRatio
	}
	if p.Algorithm == "" {
		p.Algorithm = AlgorithmViot
	}
	return p
}

// Validate reports every problem of the policy at once, joined; nil when there is none. It expects defaults to be
// filled in. Whether an algorithm of that name exists is for who evaluates it to say.
func (p Policy) Validate() error { return errors.Join(sorted(p.problems())...) }

// problems lists what is wrong, each led by its field.
func (p Policy) problems() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if p.Min < 0 {
		bad("min %d: want 0 or more", p.Min)
	}
	if p.Max < 1 || p.Max < p.Min {
		bad("max %d: want at least 1 and at least min (%d)", p.Max, p.Min)
	}
	if !(p.TargetUtilisation > 0 && p.TargetUtilisation <= 1) {
		bad("targetUtilisation %v: want more than 0 and at most 1", p.TargetUtilisation)
	}
	if p.ScaleInAfter < 0 {
		bad("scaleInAfter %s: want 0 (learned) or more", p.ScaleInAfter)
	}
	for field, d := range map[string]Duration{"zeroAfter": p.ZeroAfter, "update.canaryFor": p.Update.CanaryFor} {
		if d <= 0 {
			bad("%s %s: want more than 0", field, d)
		}
	}
	if p.Forecast.Ahead < 0 || time.Duration(p.Forecast.Ahead) > time.Hour {
		bad("forecast.ahead %s: want 0 (the learned boot time) to 1h", p.Forecast.Ahead)
	}
	if n := p.Forecast.SeasonSteps; n < 1 || n > 1440 {
		bad("forecast.seasonSteps %d: want 1 to 1440 a day", n)
	}
	for field, n := range map[string]int{
		"scaleOut.mostAtOnce": p.Out.MostAtOnce, "scaleOut.perMinute": p.Out.PerMinute, "scaleIn.mostAtOnce": p.In.MostAtOnce,
		"scaleIn.perMinute": p.In.PerMinute, "spare.instances": p.Spare.Instances, "standby.count": p.Standby.Count,
		"update.maxSurge": p.Update.MaxSurge, "update.maxUnavailable": p.Update.MaxUnavailable, "update.canary": p.Update.Canary,
	} {
		if n < 0 {
			bad("%s %d: want 0 or more", field, n)
		}
	}
	if r := p.Update.MaxErrorRatio; !(r >= 0 && r <= 1) {
		bad("update.maxErrorRatio %v: want 0 to 1", r)
	}
	problems = append(problems, p.SLO.problems()...)
	names := map[string]bool{}
	for i, s := range p.Signals {
		for _, problem := range s.problems() {
			bad("signals[%d]%s: %w", i, s.label(), problem)
		}
		if names[s.Name] {
			bad("signals[%d].name %q: another signal has it", i, s.Name)
		}
		names[s.Name] = true
	}
	for i, s := range p.Schedules {
		for _, problem := range s.problems() {
			bad("schedules[%d].%w", i, problem)
		}
	}
	return problems
}

func (s Signal) label() string {
	if s.Name == "" {
		return ""
	}
	return " (" + s.Name + ")"
}

func (s Signal) problems() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := CheckName("name", s.Name); err != nil {
		problems = append(problems, err)
	}
	if !(s.Target > 0 && s.Target < 1e15) {
		bad("target %v: want what one instance should carry, more than 0", s.Target)
	}
	if !(s.Activation >= 0 && s.Activation < 1e15) {
		bad("activation %v: want 0 or more", s.Activation)
	}
	wants := func(field, value string, wanted bool) {
		switch {
		case wanted && value == "":
			bad("%s: source %s needs it", field, s.Source)
		case !wanted && value != "":
			bad("%s %q: source %s does not take it", field, value, s.Source)
		}
	}
	switch s.Source {
	case SignalRPS, SignalInFlight, SignalCPU, SignalInstances, SignalPage, SignalPrometheus:
		wants("metric", s.Metric, s.Source == SignalInstances || s.Source == SignalPage)
		wants("url", s.URL, s.Source == SignalPage || s.Source == SignalPrometheus)
		wants("query", s.Query, s.Source == SignalPrometheus)
	default:
		bad("source %q: want rps, inFlight, cpu, instances, page or prometheus", s.Source)
	}
	if s.URL != "" && !strings.HasPrefix(s.URL, "http://") && !strings.HasPrefix(s.URL, "https://") {
		bad("url %q: want an http or https URL", s.URL)
	}
	if s.Rate && s.Source != SignalInstances && s.Source != SignalPage {
		bad("rate: source %s does not take it", s.Source)
	}
	return problems
}

var weekdays = map[string]time.Weekday{
	"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday,
}

func (s Schedule) problems() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, day := range s.Days {
		if _, ok := weekdays[day]; !ok {
			bad("days: %q: want mon, tue, wed, thu, fri, sat or sun", day)
		}
	}
	for field, text := range map[string]string{"from": s.From, "to": s.To} {
		if _, err := time.Parse("15:04", text); err != nil {
			bad("%s %q: want a time of day such as 07:30", field, text)
		}
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		bad("zone %q: want an IANA time zone such as Europe/Paris", s.Zone)
	}
	switch {
	case s.Min < 0 || s.Max < 0:
		bad("min %d, max %d: want 0 or more", s.Min, s.Max)
	case s.Min == 0 && s.Max == 0:
		bad("min and max are both 0: want one of them, or no schedule")
	case s.Max > 0 && s.Min > s.Max:
		bad("max %d: want at least min (%d)", s.Max, s.Min)
	}
	return problems
}

// Holds says whether the schedule is in force at an instant. It expects a valid schedule.
func (s Schedule) Holds(at time.Time) bool {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return false
	}
	at = at.In(zone)
	from, _ := time.Parse("15:04", s.From)
	to, _ := time.Parse("15:04", s.To)
	minute := func(t time.Time) int { return t.Hour()*60 + t.Minute() }
	now, begins, ends := minute(at), minute(from), minute(to)
	day := at.Weekday()
	if begins >= ends && now < ends { // it began the day before
		day, now = (day+6)%7, now+24*60
	}
	if begins >= ends {
		ends += 24 * 60
	}
	if now < begins || now >= ends {
		return false
	}
	for _, name := range s.Days {
		if weekdays[name] == day {
			return true
		}
	}
	return len(s.Days) == 0
}
