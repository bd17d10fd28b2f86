package spec

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestPolicyProblemsAreAllNamed(t *testing.T) {
	t.Parallel()
	p := Policy{
		Min: -1, Max: 0, TargetUtilisation: 2, SLO: SLO{Percentile: 1.5, Latency: time.Second},
		Signals: []Signal{
			{Name: "lag", Source: SignalPage, Target: 10},
			{Name: "lag", Source: "guess", Target: 0},
			{Name: "cpu", Source: SignalCPU, Target: 1, Query: "up", Rate: true},
		},
		Out: Rate{MostAtOnce: -1}, Update: Update{MaxErrorRatio: 2},
		Schedules: []Schedule{{Days: []string{"monday"}, From: "25:00", To: "10:00", Zone: "Mars/Base"}},
	}.WithDefaults()
	err := p.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"min -1", "max 0", "targetUtilisation 2", `slo "p150 <= 1s"`, "signals[0] (lag): metric", "signals[0] (lag): url",
		"signals[1] (lag): source", "signals[1] (lag): target", "signals[1].name", "signals[2] (cpu): query", "signals[2] (cpu): rate",
		"scaleOut.mostAtOnce -1", "update.maxErrorRatio 2", `schedules[0].days: "monday"`, `schedules[0].from "25:00"`,
		`schedules[0].zone "Mars/Base"`, "schedules[0].min and max are both 0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestSLOText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]SLO{
		"p95 <= 100ms":   {Percentile: 0.95, Latency: 100 * time.Millisecond},
		"p99.9 ≤ 250 ms": {Percentile: 0.999, Latency: 250 * time.Millisecond},
		"wait <= 0.05":   {Wait: 0.05},
		"":               {},
	} {
		var got SLO
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
		encoded, err := json.Marshal(struct{ SLO SLO }{got})
		if err != nil {
			t.Fatal(err)
		}
		var again struct{ SLO SLO }
		if err := json.Unmarshal(encoded, &again); err != nil || again.SLO != want {
			t.Errorf("%s reads back as %+v, %v; want %+v", encoded, again.SLO, err, want)
		}
	}
	for _, text := range []string{"fast", "p95", "p95 <= soon", "95 <= 1s", "wait <= x"} {
		if err := new(SLO).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestScheduleHolds(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse("2006-01-02 15:04", text) // 2026-01-05 is a Monday
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	work := Schedule{Days: []string{"mon", "fri"}, From: "07:30", To: "19:00", Min: 1}
	night := Schedule{Days: []string{"fri"}, From: "22:00", To: "06:00", Min: 1}
	paris := Schedule{From: "08:00", To: "09:00", Zone: "Europe/Paris", Min: 1}
	always := Schedule{From: "00:00", To: "00:00", Min: 1}
	for _, tt := range []struct {
		s    Schedule
		at   string
		want bool
	}{
		{work, "2026-01-05 07:29", false}, {work, "2026-01-05 07:30", true}, {work, "2026-01-05 19:00", false}, {work, "2026-01-06 12:00", false},
		{night, "2026-01-09 23:00", true}, {night, "2026-01-10 05:59", true}, {night, "2026-01-10 06:00", false}, {night, "2026-01-09 05:00", false},
		{paris, "2026-01-05 07:30", true}, {paris, "2026-07-06 07:30", false}, {paris, "2026-07-06 06:30", true},
		{always, "2026-01-05 00:00", true}, {always, "2026-01-05 23:59", true},
	} {
		if got := tt.s.Holds(at(tt.at)); got != tt.want {
			t.Errorf("%+v holds at %s: %t, want %t", tt.s, tt.at, got, tt.want)
		}
	}
}

func TestOverrideEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	o, err := ParseOverride([]byte(`{"size": 3, "holdIn": true, "rolloutPaused": true, "until": "2026-01-05T12:00:01Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := o.InForce(now); got.Size == nil || *got.Size != 3 || !got.HoldIn {
		t.Errorf("before its end it is %+v", got)
	}
	if got := o.InForce(now.Add(time.Second)); got.Size != nil || got.HoldIn || !got.RolloutPaused {
		t.Errorf("after its end it is %+v", got)
	}
	for _, text := range []string{`{"size": -1}`, `{"sizes": 1}`, `[]`, ``} {
		if _, err := ParseOverride([]byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}
