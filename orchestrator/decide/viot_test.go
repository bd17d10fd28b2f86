package decide

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

func TestWaiting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		c    int
		a    float64
		want float64
	}{
		{1, 0.5, 0.5}, {2, 1, 1.0 / 3}, {10, 8, 0.4092}, {100, 90, 0.2170}, {3, 3, 1}, {3, 5, 1},
	} {
		if got := waiting(tt.c, tt.a); math.Abs(got-tt.want) > 0.001 {
			t.Errorf("waiting(%d, %v) = %.4f, want %.4f", tt.c, tt.a, got, tt.want)
		}
	}
}

// The fewest instances reach the objective and one fewer does not; small pools keep proportionally more free.
func TestStaff(t *testing.T) {
	t.Parallel()
	s := stationOf(1, 0.02, 1)
	free := math.Inf(1)
	for _, a := range []float64{0.1, 1, 10, 100, 1000, 10000} {
		n, share, possible := s.staff(a, objective{0, 0.05})
		if !possible || share > 0.05 || waiting(n, a) > 0.0501 || n > 1 && waiting(n-1, a) <= 0.05 {
			t.Errorf("staff(%v) = %d, share %v", a, n, share)
		}
		if left := float64(n)/a - 1; left > free {
			t.Errorf("%v Erlangs leave %v free, want less than the %v of fewer", a, left, free)
		} else {
			free = left
		}
	}
	if n, _, possible := stationOf(1, 0.1, 1).staff(1, objective{0.1, 0.05}); possible || n < 2 {
		t.Errorf("100 ms of CPU cannot be served within 100 ms: got %d, possible %v", n, possible)
	}
}

func TestDecideOverride(t *testing.T) {
	t.Parallel()
	five := 5
	for _, tt := range []struct {
		name string
		o    spec.Override
		rps  float64
		want string
		hold string
	}{
		{"nothing", spec.Override{}, 230, "start 3, start 4, start 5", ""},
		{"paused", spec.Override{Paused: true, By: "ann"}, 230, "", "the pool is paused by ann"},
		{"kept from growing", spec.Override{HoldOut: true}, 230, "", "the size is kept from growing"},
		{"kept from shrinking grows", spec.Override{HoldIn: true}, 230, "start 3, start 4, start 5", ""},
		{"manual size", spec.Override{Size: &five}, 0, "start 3, start 4, start 5", ""},
		{"manual size, ended", spec.Override{Size: &five, Until: start}, 0, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScene("1:ready 2:ready")
			c.round()
			c.s.Override, c.rps = tt.o, tt.rps
			p := c.round()
			if got := text(p); got != tt.want {
				t.Errorf("plan = %q, want %q", got, tt.want)
			}
			if tt.hold != "" && (len(p.Decisions) == 0 || p.Decisions[0].Cause != tt.hold) {
				t.Errorf("decisions = %+v, want to be told %q", p.Decisions, tt.hold)
			}
		})
	}
}

func TestDecidePace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		out   spec.Rate
		room  fleet.Room
		want  int
		clamp string
	}{
		{"not bounded", spec.Rate{}, fleet.Room{}, 9, ""},
		{"two at once", spec.Rate{MostAtOnce: 2}, fleet.Room{}, 3, "step"},
		{"three a minute", spec.Rate{PerMinute: 3}, fleet.Room{}, 4, "rate"},
		{"not at all", spec.Rate{Disabled: true}, fleet.Room{}, 1, "step"},
		{"room for six", spec.Rate{}, fleet.Room{Limited: true, Most: 6, Cause: "host a is full"}, 6, "room"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScene("1:ready")
			c.s.Pool.Policy.Out, c.s.Room = tt.out, tt.room
			c.round()
			c.rps = 450
			p := c.round()
			clamp := ""
			for _, at := range p.Inputs.Clamps {
				clamp = at.Name
			}
			if p.Desired != tt.want || clamp != tt.clamp {
				t.Errorf("size %d by clamp %q, want %d by %q", p.Desired, clamp, tt.want, tt.clamp)
			}
		})
	}
}

func TestDecideSchedule(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.s.Pool.Policy.Schedules = []spec.Schedule{{From: "00:01", To: "00:02", Min: 4}}
	c.s.Pool.Policy.Forecast.Ahead = spec.Duration(20 * time.Second)
	p, after := c.until(2*time.Minute, c.round)
	if got, want := text(p), "start 2, start 3, start 4"; got != want || after < 39*time.Second || after > 61*time.Second {
		t.Fatalf("plan = %q after %v, want %q before the schedule begins after 1m", got, after, want)
	}
	if !strings.Contains(p.Decisions[0].Cause, "schedule") {
		t.Errorf("cause = %q, want the schedule", p.Decisions[0].Cause)
	}
}

func TestDecideSignals(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready")
	c.s.Pool.Policy.Signals = []spec.Signal{{Name: "lag", Source: spec.SignalPage, Target: 100}}
	read := func(value float64) fleet.Plan {
		c.s.Signals = []fleet.Reading{{Name: "lag", At: c.now, Value: value}}
		return c.round()
	}
	for range 200 {
		if p := read(305); text(p) != "" {
			t.Fatalf("plan = %q at 305 for 3 × 100, want none: that is rounding", text(p))
		}
	}
	p := read(450)
	if got, want := text(p), "start 4, start 5"; got != want || p.Inputs.Winner != "lag" {
		t.Fatalf("plan = %q by %s, want %q by lag", got, p.Inputs.Winner, want)
	}
	// A signal that is silent keeps the pool from shrinking, not from growing.
	c.s.Instances = snapshot("1:ready 2:ready 3:ready 4:ready 5:ready").Instances
	for range int(2 * time.Minute / every) {
		if p := c.round(); text(p) != "" {
			t.Fatalf("plan = %q while the signal is silent, want none", text(p))
		}
	}
	c.rps = 300
	if got, want := text(c.round()), "start 6"; got != want {
		t.Fatalf("plan = %q, want %q by demand", got, want)
	}
}

func TestDecideSpare(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready 4:ready")
	for i := range c.s.Instances {
		c.s.Instances[i].Host = []string{"a", "b"}[i%2]
	}
	c.s.Pool.Policy.Spare = spec.Spare{Host: true}
	c.rps = 140 // 1.4 cores at 0.5 an instance: 3, and 3 more on the other host
	c.round()
	if p := c.round(); p.Desired != 6 || p.Inputs.Winner != "spare" {
		t.Fatalf("size %d by %s, want 6 by spare", p.Desired, p.Inputs.Winner)
	}
}

func TestDecideAllUnready(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready")
	c.rps = 60
	for range 20 {
		c.round()
	}
	c.s.Instances = snapshot("1:unready 2:unready").Instances
	for i := range c.s.Instances {
		c.s.Instances[i].Since = c.now
	}
	if got, want := text(c.round()), "start 3"; got != want {
		t.Fatalf("plan = %q, want %q", got, want)
	}
	c.s.Instances = append(c.s.Instances, snapshot("3:booting").Instances...)
	for range 8 {
		if p := c.round(); text(p) != "" {
			t.Fatalf("plan = %q, want no more than one", text(p))
		}
	}
}

func TestSaturation(t *testing.T) {
	t.Parallel()
	var s saturation
	now := start
	look := func(d time.Duration, ready int, served float64) {
		newest := now
		for began := now; now.Sub(began) < d; now = now.Add(every) {
			s.look(true, ready, newest, served, now)
		}
	}
	look(10*time.Second, 2, 100)
	look(10*time.Second, 4, 200)
	if !s.until.IsZero() {
		t.Fatal("twice the instances got twice as much done, and it counts as saturated")
	}
	look(6*time.Second, 8, 203)
	if !now.Before(s.until) || s.ceiling != 8 {
		t.Fatalf("twice the instances got no more done: until %v, ceiling %d", s.until, s.ceiling)
	}
	look(time.Minute, 8, 203) // the next trial may begin
	if now.Before(s.until) {
		t.Fatal("more is never tried again")
	}
	s.look(false, 8, start, 203, now)
	if s != (saturation{}) {
		t.Errorf("nothing waits any more and %+v is remembered", s)
	}
}

func TestDamping(t *testing.T) {
	t.Parallel()
	var d damping
	now := start
	for range 5 {
		d.changed(5, 3, 30*time.Second, now)
		now = now.Add(20 * time.Second)
		d.changed(3, 5, 30*time.Second, now)
		now = now.Add(20 * time.Second)
	}
	if got := d.now(now); got < 1.9 || got > dampingMost {
		t.Errorf("window is %v times as long after five reversals, want about %d", got, dampingMost)
	}
	if got := d.now(now.Add(2 * time.Hour)); got != 1 {
		t.Errorf("window is %v times as long after two quiet hours, want 1", got)
	}
}

// A week that repeats is known in the second: what comes each morning is ordered before it does.
func TestSeasonLooksAhead(t *testing.T) {
	t.Parallel()
	var s season
	now := start
	rate := func(at time.Time) float64 {
		if h := at.Hour(); h >= 8 && h < 18 {
			return 500
		}
		return 50
	}
	for range 4 * 24 * 3600 {
		s.learn(rate(now), 288, now)
		now = now.Add(time.Second)
	}
	morning := now.Add(8*time.Hour - time.Second)
	for ; now.Before(morning); now = now.Add(time.Second) {
		s.learn(rate(now), 288, now)
	}
	if got, ok := s.ahead(50, 2*time.Second, now); !ok || got < 400 {
		t.Errorf("expects %v (%v) two seconds before the morning's 500/s", got, ok)
	}
	// It survives a successor, and what is not a season is refused.
	v := &Viot{season: s}
	heir := NewViot(v.Learned())
	heir.season.learn(50, 288, now)
	if got, ok := heir.season.ahead(50, 2*time.Second, now); !ok || got < 400 {
		t.Errorf("a successor expects %v (%v)", got, ok)
	}
	if bad := NewViot(Learned{ServiceSeconds: -1, Season: &Season{Steps: 288, Rates: []float32{1}}}); bad.season.steps != 0 || bad.service.seconds != 0 {
		t.Error("what cannot have been learnt is believed")
	}
}

func TestDecideShadowAndVotes(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.m = c.m.With(named)
	c.s.Pool.Policy.Shadow = "three"
	c.rps = 90
	c.round()
	p := c.round()
	if s := p.Inputs.Shadow; s == nil || s.Size != 3 || s.Algorithm != "three" || p.Desired != 2 {
		t.Errorf("shadow = %+v beside a size of %d, want 3 beside 2", s, p.Desired)
	}
	if p.Inputs.Winner != "demand" || len(p.Inputs.Votes) == 0 || p.Inputs.Votes[0].Why == "" {
		t.Errorf("votes = %+v", p.Inputs.Votes)
	}
}

// A round in which nothing changes allocates nothing.
func TestDecideAllocatesNothing(t *testing.T) {
	c := newScene(strings.Repeat("1:ready ", 1))
	c.s.Instances = nil
	for n := range 50 {
		c.s.Instances = append(c.s.Instances, fleet.Instance{
			Name: spec.InstanceName("t", "cse", n+1), Number: n + 1, State: fleet.Ready, Template: current,
			StartedAt: start.Add(-time.Hour), Since: start.Add(-time.Hour),
		})
	}
	c.s.Pool.Policy.Max = 100
	c.s.Pool.Policy.SLO = spec.SLO{Percentile: 0.95, Latency: 100 * time.Millisecond}
	c.rps = 4500
	for range int(20 * time.Minute / every) { // what it does not know of bursts yet has faded
		c.round()
	}
	if p := c.round(); p.Desired != 50 {
		t.Fatalf("size %d at 45 Erlangs that hold no surprise, want 50", p.Desired)
	}
	if n := testing.AllocsPerRun(200, func() { c.round() }); n != 0 {
		t.Errorf("%v allocations in a round of 50 instances, want 0", n)
	}
}

func BenchmarkDecide50(b *testing.B) {
	c := newScene("")
	c.s.Instances = snapshot(strings.TrimSpace(strings.Repeat("1:ready ", 50))).Instances
	c.s.Pool.Policy.Max, c.rps = 100, 2490
	for range 600 {
		c.round()
	}
	b.ReportAllocs()
	for b.Loop() {
		c.round()
	}
}

// What Consul last said may not hold any more: nobody is let go on the strength of it.
func TestSilentConsulKeepsTheSize(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready")
	c.s.Stale, c.s.StaleSince = "service cse", start
	if p, _ := c.until(10*time.Minute, c.round); text(p) != "" {
		t.Errorf("plan while consul is silent = %q, want none", text(p))
	}
	if p := c.round(); !strings.Contains(p.Problem, "consul does not answer about service cse") {
		t.Errorf("problem = %q, want it to say that consul does not answer", p.Problem)
	}
	c.s.Stale, c.s.StaleSince = "", time.Time{}
	if p, _ := c.until(10*time.Minute, c.round); text(p) == "" {
		t.Error("no instance is let go once consul answers again")
	}
}
