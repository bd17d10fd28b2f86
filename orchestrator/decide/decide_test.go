package decide

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const current = "new"

// snapshot is a pool t/cse of one-core instances at 50 %, 1 to 10 of them, whose instances are given as words such
// as "1:ready 2:booting 3:ready:old": number, state and, when it is not the current one, template.
func snapshot(instances string) fleet.Snapshot {
	s := fleet.Snapshot{
		Pool: spec.Pool{
			Stack: "t", Name: "cse", Balancers: []string{"http://lb"},
			Template: spec.Template{CPUs: 1},
			Policy:   spec.Policy{Min: 1, Max: 10, TargetUtilisation: 0.5},
		}.WithDefaults(),
		Template: current,
	}
	for _, word := range strings.Fields(instances) {
		parts := strings.Split(word, ":")
		n, err := strconv.Atoi(parts[0])
		if err != nil {
			panic(err)
		}
		i := fleet.Instance{
			Name: spec.InstanceName("t", "cse", n), Number: n, State: fleet.State(parts[1]), Template: current,
			StartedAt: start.Add(-time.Hour), Since: start.Add(-time.Hour),
		}
		if len(parts) > 2 {
			i.Template = parts[2]
		}
		switch i.State {
		case fleet.Booting:
			i.Op = fleet.Start
		case fleet.Dead:
			i.Detail = "exited with code 137"
		}
		s.Instances = append(s.Instances, i)
	}
	return s
}

// text is the plan's operations in short: "start 3, drain 1".
func text(p fleet.Plan) string {
	short := strings.ReplaceAll(strings.TrimSpace(p.String()), "viot-t-cse-", "")
	return strings.ReplaceAll(short, "\n", ", ")
}

// kinds is the kinds of the plan's decisions.
func kinds(p fleet.Plan) string {
	var k []string
	for _, d := range p.Decisions {
		k = append(k, string(d.Kind))
	}
	return strings.Join(k, ", ")
}

// scene plays rounds against a pool whose instances stay as they are: only what is asked is looked at.
type scene struct {
	s   fleet.Snapshot
	m   Memory
	now time.Time
	rps float64
}

const every = 250 * time.Millisecond

// newScene is a scene with a known service time of 10 ms and no load.
func newScene(instances string) *scene {
	s := &scene{s: snapshot(instances), now: start}
	s.m = Recall(spec.Status{}, nil, Learned{ServiceSeconds: 0.010})
	return s
}

// viot is the rule in force.
func (c *scene) viot() *Viot { return c.m.inForce.sizer.(*Viot) }

// round plays one round with fresh figures.
func (c *scene) round() fleet.Plan {
	c.now = c.now.Add(every)
	c.s.Arrivals.At, c.s.Arrivals.Complete = c.now, true
	c.s.Arrivals.Total += c.rps * every.Seconds()
	c.s.Work.At = c.now
	c.s.Work.Fresh = fleet.CountOf(c.s.Instances, current).Ready
	return c.blindRound()
}

// blindRound plays one round with the figures left as they are.
func (c *scene) blindRound() (p fleet.Plan) {
	p, c.m = Decide(c.s, c.m, c.now)
	return p
}

// until plays rounds until one plans something, at most for d, and says when.
func (c *scene) until(d time.Duration, round func() fleet.Plan) (fleet.Plan, time.Duration) {
	for began := c.now; c.now.Sub(began) < d; {
		if p := round(); len(p.Ops()) > 0 {
			return p, c.now.Sub(began)
		}
	}
	return fleet.Plan{}, d
}

func TestDecideInstances(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		instances string
		change    func(*scene)
		want      string
		kinds     string
	}{
		{"heals below min", "", nil, "start 1", "heal"},
		{"min raised", "1:ready", func(c *scene) { c.s.Pool.Policy.Min = 3 }, "start 2, start 3", "heal"},
		{"max lowered", "1:ready 2:ready 3:ready", func(c *scene) { c.s.Pool.Policy.Max = 2 }, "drain 3", "scale-in"},
		{"nothing to do", "1:ready 2:ready", nil, "", ""},
		{"booting is capacity", "1:booting", nil, "", ""},
		{"numbers are not used twice", "4:ready 7:draining", func(c *scene) { c.s.Pool.Policy.Min = 2 }, "drain 7, start 8", "resume, heal"},
		{"numbers follow the status", "", func(c *scene) { c.m.next = 12 }, "start 12", "heal"},
		{"size follows the status", "1:ready", func(c *scene) { c.m.desired = 2 }, "start 2", "heal"},
		{"adopts", "1:stray", nil, "adopt 1", "resume"},
		{"resumes a drain", "1:ready 2:draining", nil, "drain 2", "resume"},
		{"leaves what is in progress alone", "1:ready 2:draining", func(c *scene) { c.s.Instances[1].Op = fleet.Drain }, "", ""},
		{"replaces the dead", "1:ready 2:dead", func(c *scene) { c.m.desired = 2 }, "remove 2, start 3", "replace"},
		{"buries without need", "1:ready 2:dead", nil, "remove 2", "replace"},
		{"replaces the frozen", "1:ready 2:unready 3:ready", nil, "drain 2, start 4", "replace"},
		{"waits for a check to recover", "1:ready 2:unready 3:ready", func(c *scene) { c.s.Instances[1].Since = c.now }, "", ""},
		{"keeps most that fail together", "1:ready 2:unready 3:unready", func(c *scene) {
			c.s.Instances[1].Since, c.s.Instances[2].Since = c.now.Add(-6*time.Second), c.now.Add(-6*time.Second)
		}, "", "hold"},
		{"tries one more when most fail for long", "1:ready 2:unready 3:unready", nil, "start 4", "heal, hold"},
		{"replaces most once one got ready since", "1:unready 2:unready 3:ready", func(c *scene) {
			c.s.Instances[2].Since = c.now.Add(-time.Second)
		}, "drain 1, start 4, drain 2, start 5", "replace, replace"},
		{"a lone frozen one: tries another", "1:unready", nil, "start 2", "heal, hold"},
		{"rolls: one more first", "1:ready:old 2:ready:old", nil, "start 3", "roll"},
		{"rolls: waits for the boot", "1:ready:old 2:ready:old 3:booting", func(c *scene) { c.m.desired = 2 }, "", ""},
		{"rolls: then the old", "1:ready:old 2:ready:old 3:ready", func(c *scene) { c.m.begun, c.m.desired = true, 2 }, "drain 2", "roll"},
		{"does not roll what drains", "1:ready 2:draining:old", func(c *scene) { c.s.Instances[1].Op = fleet.Drain }, "", ""},
		{"halts a roll-out that fails", "1:ready:old 2:ready:old", func(c *scene) {
			c.m.boots = boots{template: current, failed: 3, at: c.now, reason: "exited with code 1"}
		}, "", "hold"},
		{"backs off when boots fail", "", func(c *scene) {
			c.m.boots = boots{template: current, failed: 2, at: c.now, reason: "exited with code 1"}
		}, "", "hold"},
		{"keeps a standby", "1:ready", func(c *scene) { c.s.Pool.Policy.Standby.Count = 1 }, "warm 2", "heal"},
		{"brings into service before it keeps another", "1:ready 2:booting", func(c *scene) {
			c.s.Pool.Policy.Standby.Count, c.m.desired = 1, 2
		}, "", ""},
		{"a repaired template is tried at once", "", func(c *scene) {
			c.m.boots = boots{template: "broken", failed: 9, at: c.now}
		}, "start 1", "heal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScene(tt.instances)
			if tt.change != nil {
				tt.change(c)
			}
			p := c.round()
			if got := text(p); got != tt.want {
				t.Errorf("plan = %q, want %q", got, tt.want)
			}
			if got := kinds(p); got != tt.kinds {
				t.Errorf("decisions = %q, want %q", got, tt.kinds)
			}
			for _, d := range p.Decisions {
				if d.Cause == "" {
					t.Errorf("decision %+v has no cause", d)
				}
			}
		})
	}
}

func TestDecideStep(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.rps = 20
	for range 40 {
		if p := c.round(); len(p.Decisions) > 0 {
			t.Fatalf("20 requests/s × 10 ms on one instance: plan %q, want none", text(p))
		}
	}
	c.rps = 230 // 2.3 cores at 0.5 an instance: 5
	p := c.round()
	if got, want := text(p), "start 2, start 3, start 4, start 5"; got != want {
		t.Fatalf("plan in the round after the step = %q, want %q", got, want)
	}
	d := p.Decisions[0]
	if got, want := d.Cause, "needs 5: 230 arrivals/s × 10.0 ms = 2.3 cores, at 0.5 cores an instance"; got != want {
		t.Errorf("cause = %q, want %q", got, want)
	}
	if d.Kind != fleet.ScaleOut || d.Inputs.Before != 1 || d.Inputs.After != 5 || d.Inputs.Need != 5 {
		t.Errorf("decision = %+v, want a scale-out from 1 to 5", d)
	}
	// As long as they boot, they are not ordered again.
	c.s.Instances = snapshot("1:ready 2:booting 3:booting 4:booting 5:booting").Instances
	for range 40 {
		if p := c.round(); len(p.Ops()) > 0 {
			t.Fatalf("plan while booting = %q, want none", text(p))
		}
	}
}

func TestDecideChanceIsNoStep(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.rps = 40 // 0.4 cores of 0.5
	for i := range 400 {
		c.rps = 40 + 12*float64(1-i%2*2) // ±30 %: within chance for 10 requests in a round
		if p := c.round(); len(p.Ops()) > 0 {
			t.Fatalf("round %d: plan %q, want none", i, text(p))
		}
	}
}

func TestDecideScaleIn(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready 4:ready 5:ready")
	for n, inFlight := range []float64{3, 0, 1, 0, 2} {
		c.s.Instances[n].InFlight = inFlight
	}
	c.rps = 230
	for range 40 {
		if p := c.round(); len(p.Ops()) > 0 {
			t.Fatalf("plan at the right size = %q, want none", text(p))
		}
	}
	c.rps = 20 // 0.2 cores: 1, but min is 2
	c.s.Pool.Policy.Min = 2
	p, after := c.until(time.Minute, c.round)
	if got, want := text(p), "drain 4, drain 2, drain 3"; got != want {
		t.Fatalf("plan = %q, want %q: several at once, least in flight first, then the newest", got, want)
	}
	if window := spec.DefaultScaleInAfter; after < window || after > window+6*time.Second {
		t.Errorf("scaled in after %v, want soon after %v", after, window)
	}
	if got, want := p.Decisions[0].Cause, "no more than 1 needed for 30s, min is 2"; got != want {
		t.Errorf("cause = %q, want %q", got, want)
	}
	// A recent scale-in does not hold up a scale-out.
	c.s.Instances = snapshot("1:ready 5:ready").Instances
	c.rps = 230
	if got, want := text(c.round()), "start 6, start 7, start 8"; got != want {
		t.Errorf("plan = %q, want %q", got, want)
	}
}

func TestDecideMissingDataHoldsTheSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		round func(*scene) fleet.Plan
	}{
		{"nothing counted", func(c *scene) fleet.Plan {
			c.now = c.now.Add(every)
			return c.blindRound()
		}},
		{"one of two load balancers counted", func(c *scene) fleet.Plan {
			c.now = c.now.Add(every)
			c.s.Arrivals.At, c.s.Arrivals.Complete, c.s.Arrivals.Problem = c.now, false, "http://lb: no answer"
			c.s.Work.At, c.s.Work.Fresh = c.now, 3
			return c.blindRound()
		}},
		{"most pages missing", func(c *scene) fleet.Plan {
			c.now = c.now.Add(every)
			c.s.Arrivals.At, c.s.Arrivals.Complete = c.now, true
			c.s.Work.At, c.s.Work.Fresh = c.now, 1
			return c.blindRound()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScene("1:ready 2:ready 3:ready")
			c.rps = 120
			for range 20 {
				c.round()
			}
			c.rps = 0
			held := false
			for range int(10 * time.Minute / every) {
				p := tt.round(c)
				if ops := text(p); ops != "" {
					t.Fatalf("plan without data = %q, want none", ops)
				}
				held = held || kinds(p) == "hold" && strings.Contains(p.Problem, "want of data")
			}
			if !held {
				t.Error("the hold was never told")
			}
			// A death is replaced all the same.
			c.s.Instances = snapshot("1:ready 2:dead 3:ready").Instances
			if got, want := text(tt.round(c)), "remove 2, start 4"; got != want {
				t.Errorf("plan = %q, want %q", got, want)
			}
			// Data that returns must have been there for a whole window.
			c.s.Instances = snapshot("1:ready 3:ready 4:ready").Instances
			if _, after := c.until(time.Hour, c.round); after < 30*time.Second-every {
				t.Errorf("scaled in %v after data returned, want no sooner than 30s after the last round without", after)
			}
		})
	}
}

func TestDecideWithoutBalancers(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.s.Pool.Balancers = nil
	c.s.Arrivals = fleet.Arrivals{}
	step := func(rps float64) fleet.Plan { // pages are read once a second
		c.now = c.now.Add(time.Second)
		c.s.Work.At, c.s.Work.Fresh = c.now, len(c.s.Instances)
		c.s.Work.Requests += rps
		c.s.Work.CPUSeconds += rps * 0.010
		c.s.Work.InstanceSeconds += float64(len(c.s.Instances))
		return c.blindRound()
	}
	for range 10 {
		if p := step(20); len(p.Ops()) > 0 {
			t.Fatalf("plan = %q, want none", text(p))
		}
	}
	if got, want := text(step(90)), "start 2"; got != want {
		t.Errorf("plan = %q, want %q", got, want)
	}
}

func TestDecideUnknownServiceTime(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.viot().service = serviceTime{}
	c.round()
	c.rps, c.s.Arrivals.Queued = 100, 5
	if got, want := text(c.round()), "start 2"; got != want {
		t.Fatalf("plan with a queue = %q, want a cautious step %q", got, want)
	}
	c.s.Instances = snapshot("1:ready 2:ready").Instances
	p, after := c.until(10*time.Second, c.round)
	if got, want := text(p), "start 3"; got != want || after != time.Second {
		t.Fatalf("plan with a lasting queue = %q after %v, want %q after 1s", got, after, want)
	}
	c.s.Instances = snapshot("1:ready 2:ready 3:ready").Instances
	for i := range c.s.Instances {
		c.s.Instances[i].SampledAt, c.s.Instances[i].CPU = c.now, 0.9
	}
	if got, want := text(c.round()), "start 4, start 5, start 6"; got != want {
		t.Fatalf("plan with 2.7 cores in use = %q, want %q", got, want)
	}
}

func TestDecideLastingQueue(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.rps = 20
	c.round()
	c.s.Arrivals.Queued = 3 // 20/s × 10 ms does not explain it: something but the CPU is short
	p, after := c.until(10*time.Second, c.round)
	if got, want := text(p), "start 2"; got != want || after < time.Second {
		t.Fatalf("plan = %q after %v, want %q after at least 1s", got, after, want)
	}
}

func TestDecideToZeroAndBack(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.s.Pool.Policy.Min, c.s.Pool.Policy.ZeroAfter = 0, spec.Duration(time.Minute)
	p, after := c.until(2*time.Minute, c.round)
	if got, want := text(p), "drain 1"; got != want || after < time.Minute || after > 62*time.Second {
		t.Fatalf("plan without load = %q after %v, want %q after 1m", got, after, want)
	}
	c.s.Instances = nil
	c.round()
	c.s.Arrivals.Total++
	c.s.Arrivals.Queued = 1
	if got, want := text(c.round()), "start 2"; got != want {
		t.Fatalf("plan with one request waiting = %q, want %q", got, want)
	}
}

func TestDecideRestartKeepsTheSizeForAWindow(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready 2:ready 3:ready 4:ready")
	c.m = Recall(spec.Status{Desired: 4, Next: 9}, []fleet.Decision{{Inputs: fleet.Inputs{ServiceTimeSeconds: 0.01}}}, Learned{})
	p, after := c.until(time.Minute, c.round)
	if got, want := text(p), "drain 4, drain 3, drain 2"; got != want || after < 30*time.Second {
		t.Fatalf("plan = %q after %v, want %q no sooner than 30s", got, after, want)
	}
}

func TestDecideBootFailures(t *testing.T) {
	t.Parallel()
	c := newScene("")
	var at []time.Duration
	for began := c.now; c.now.Sub(began) < 3*time.Minute; {
		c.s.Ended = nil
		if p := c.round(); text(p) != "" {
			at = append(at, c.now.Sub(began))
			c.s.Ended = nil
			c.now = c.now.Add(every)
			c.s.Ended = []fleet.Ended{{Op: p.Ops()[0], Template: current, Err: errors.New("exited with code 1")}}
			p := c.blindRound()
			if ops := p.Ops(); len(ops) > 0 { // the second try comes at once
				at = append(at, c.now.Sub(began))
				c.s.Ended = []fleet.Ended{{Op: ops[0], Template: current, Err: errors.New("exited with code 1")}}
				c.now = c.now.Add(every)
				p = c.blindRound()
			}
			if !strings.Contains(p.Problem, "exited with code 1") {
				t.Fatalf("problem = %q, want the reason of the failed boot", p.Problem)
			}
		}
	}
	if len(at) < 6 || len(at) > 10 {
		t.Fatalf("tries at %v, want 6 to 10 of them in 3 minutes", at)
	}
	for i := 2; i+1 < len(at); i++ {
		if at[i+1]-at[i] < at[i]-at[i-1] {
			t.Errorf("tries at %v: the pause before number %d is shorter than the one before", at, i+1)
		}
	}
}

func TestDecideEarlyDeathsBackOff(t *testing.T) {
	t.Parallel()
	c := newScene("")
	starts := 0
	for range int(time.Minute / every) {
		p := c.round()
		c.s.Instances = nil
		for _, op := range p.Ops() {
			if op.Kind == fleet.Start { // it gets ready and dies within the round
				starts++
				c.s.Instances = snapshot("1:dead").Instances
				c.s.Instances[0].StartedAt = c.now
			}
		}
	}
	if starts > 9 {
		t.Errorf("%d starts in a minute of a template that dies at once, want a back-off", starts)
	}
}

func TestDecideTellsAHoldOnce(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.s.Pool.Policy.Max = 1
	told := 0
	for i := range int(2 * time.Minute / every) {
		c.rps = float64(i/20%2) * 200 // five seconds too much, five seconds none
		if kinds(c.round()) == "hold" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times that max is in the way, want once while it comes and goes", told)
	}
}
