package observe

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func TestWorkTotalsNeverFall(t *testing.T) {
	t.Parallel()
	m := newMeasurement()
	m.instances["a"], m.instances["b"] = &watched{}, &watched{}
	take := func(name string, born float64, p page) {
		p.askedAt = p.at
		m.take(name, p, at(born), bounds{}, nil)
	}
	take("a", -100, page{at: at(0), requests: 1000, cpuSeconds: 10}) // what was before is not known
	take("a", -100, page{at: at(1), requests: 1100, cpuSeconds: 11})
	take("b", -100, page{at: at(1), requests: 5, cpuSeconds: 1})
	take("b", -100, page{at: at(2), requests: 15, cpuSeconds: 1.5})
	take("a", 1.5, page{at: at(2), requests: 3, cpuSeconds: 0.1}) // it began anew
	take("a", 1.5, page{at: at(3), requests: 13, cpuSeconds: 0.2, inFlight: 4})
	instances := []fleet.Instance{{Name: "a", State: fleet.Ready}, {Name: "b", State: fleet.Ready}, {Name: "c", State: fleet.Ready}, {Name: "a", State: fleet.Unready}}
	got := m.work(instances, at(5.5))
	want := fleet.Work{At: at(3), Requests: 120, CPUSeconds: 1.6, InstanceSeconds: 3, Fresh: 1}
	if diff := got.CPUSeconds - want.CPUSeconds; diff < -1e-9 || diff > 1e-9 {
		t.Errorf("CPU time = %v, want %v", got.CPUSeconds, want.CPUSeconds)
	}
	if got.CPUSeconds = want.CPUSeconds; got != want {
		t.Errorf("work = %+v, want %+v", got, want)
	}
	if s := m.samples()["a"]; s.RPS != 10 || s.InFlight != 4 || !s.At.Equal(at(3)) {
		t.Errorf("sample = %+v, want 10 requests/s and 4 in flight", s)
	}
}

// TestWhenCounted has answers of a balancer wait on their way: the time between two counts is the balancer's, within what can be.
func TestWhenCounted(t *testing.T) {
	t.Parallel()
	by := func(seconds float64) time.Time { return at(seconds).Add(time.Hour) } // its clock is wrong
	for _, test := range []struct {
		name                  string
		before, now           float64 // by the balancer's clock; negative for not told
		asked, answered, want float64
	}{
		{"at once", 10, 11, 11, 11.001, 11},
		{"the answer waited", 10, 11, 11, 11.4, 11},
		{"the one before had waited as well", 9.8, 11.1, 11.0, 11.4, 11.3},
		{"its clock leapt ahead", 10, 4000, 11, 11.1, 11.1},
		{"it tells no more", 10, -1, 11, 11.1, 11.1},
		{"it began anew with a slow clock", 10, 2, 11, 11.1, 11},
		{"it does not tell", -1, 11, 11, 11.1, 11.1},
	} {
		c := &counter{at: at(10)}
		if test.before >= 0 {
			c.by = by(test.before)
		}
		var n count
		if test.now >= 0 {
			n.At = by(test.now)
		}
		if got := c.when(n, at(test.asked), at(test.answered)); !got.Equal(at(test.want)) {
			t.Errorf("%s: got %v, want %v", test.name, got.Sub(at(0)), at(test.want).Sub(at(0)))
		}
	}
	if got := (&counter{}).when(count{At: by(1)}, at(0), at(2)); !got.Equal(at(2)) {
		t.Errorf("the first: got %v, want 2s", got.Sub(at(0)))
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	m := newMeasurement()
	one, two := &counter{}, &counter{}
	m.balancers["one"], m.balancers["two"] = one, two
	both := []string{"one", "two"}
	if a := m.arrivals(both); a.Complete || !a.At.IsZero() {
		t.Errorf("before the first reading: %+v, want nothing known", a)
	}
	one.take(at(0), count{Arrivals: 500, Rejected: 7})
	two.take(at(0), count{})
	one.take(at(1), count{Arrivals: 600, Queued: 3, Held: 2, Rejected: 10, Errors: 4})
	two.take(at(1), count{Arrivals: 50, Queued: 1})
	want := fleet.Arrivals{At: at(1), Total: 150, Queued: 4, Held: 2, Rejected: 3, Errors: 4, Complete: true}
	if got := m.arrivals(both); got != want {
		t.Errorf("arrivals = %+v, want %+v", got, want)
	}
	one.take(at(2), count{Arrivals: 30}) // restarted
	two.err = errors.New("no answer")
	want = fleet.Arrivals{At: at(2), Total: 180, Rejected: 3, Errors: 4, Problem: "no answer"}
	if got := m.arrivals(both); got != want {
		t.Errorf("arrivals with one silent = %+v, want %+v", got, want)
	}
	two.take(at(9), count{Arrivals: 100000}) // what came meanwhile is no burst
	two.take(at(10), count{Arrivals: 100010})
	if got := m.arrivals(both); got.Total != 190 || !got.Complete {
		t.Errorf("arrivals when it answers again = %+v, want a total of 190", got)
	}
	if a := m.arrivals(nil); a.Complete {
		t.Errorf("arrivals without a balancer = %+v, want them not to be known", a)
	}
}

func TestRegistrations(t *testing.T) {
	t.Parallel()
	instance := func(id, stack string, passing, agentAlive bool) consul.Instance {
		return consul.Instance{ID: id, Meta: map[string]string{spec.MetaStack: stack, spec.MetaPool: "cse"}, Passing: passing, AgentAlive: agentAlive}
	}
	none := func(string) map[string]fleet.Registration { return nil }
	first := registrations("t", []consul.Instance{instance("a", "t", true, true), instance("b", "t", true, true), instance("x", "u", true, true)}, none, at(0))
	before := func(pool string) map[string]fleet.Registration { return first[pool] }
	got := registrations("t", []consul.Instance{instance("a", "t", false, true), instance("b", "t", false, false)}, before, at(5))["cse"]
	if a := got["a"]; a.Passing || !a.Since.Equal(at(5)) {
		t.Errorf("a = %+v, want it failing since now", a)
	}
	if b := got["b"]; !b.Passing || !b.Since.Equal(at(0)) {
		t.Errorf("b = %+v, want it passing as before: its agent is dead, not it", b)
	}
	if len(first) != 1 || len(first["cse"]) != 2 {
		t.Errorf("registrations = %v, want those of the own stack", first)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	good := spec.Pool{
		Stack: "t", Name: "cse", Template: spec.Template{Image: "cse:1", Network: "net"},
		Service: spec.Service{Port: 8080}, Policy: spec.Policy{Max: 1, TargetUtilisation: 0.5},
	}
	document := func(change func(*spec.Pool)) []byte {
		p := good
		change(&p)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := read("t", "cse", consul.KV{Value: document(func(*spec.Pool) {}), ModifyIndex: 5}, fleet.Declaration{})
	if before.Refused != "" || before.Index != 5 || before.Template == "" || before.Pool.Service.Name != "cse" {
		t.Fatalf("declaration = %+v, want it in force with defaults", before)
	}
	tests := []struct {
		name     string
		text     []byte
		refused  string
		deleting bool
		index    uint64
	}{
		{"another", document(func(p *spec.Pool) { p.Policy.Max = 3 }), "", false, 9},
		{"not JSON", []byte("{"), "document at index 9 refused", false, 5},
		{"misspelt", []byte(`{"polici": {}}`), "polici", false, 5},
		{"bad values", document(func(p *spec.Pool) { p.Policy.Max = 0; p.Service.Port = -1 }), "service.port -1", false, 5},
		{"another stack's", document(func(p *spec.Pool) { p.Stack = "u" }), `stack "u": want "t"`, false, 5},
		{"another name", document(func(p *spec.Pool) { p.Name = "csf" }), `name "csf": want "cse"`, false, 5},
		{"deleting", document(func(p *spec.Pool) { p.Deleting = true }), "", true, 9},
		{"deleting and broken", []byte(`{"deleting": true, "policy": {"max": -1}}`), "", true, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := read("t", "cse", consul.KV{Value: tt.text, ModifyIndex: 9}, before)
			if tt.refused == "" && d.Refused != "" || !strings.Contains(d.Refused, tt.refused) || strings.Contains(d.Refused, "\n") {
				t.Errorf("refused = %q, want %q on one line", d.Refused, tt.refused)
			}
			if d.Deleting != tt.deleting || d.Index != tt.index || d.Name != "cse" {
				t.Errorf("declaration = %+v, want deleting %t at index %d", d, tt.deleting, tt.index)
			}
			if tt.refused != "" && d.Template != before.Template {
				t.Error("the last good document is not in force")
			}
		})
	}
}

// What an instance did counts at once where the balancers do not list it: no later count of theirs could bear it out.
func TestWorkDoesNotWaitForBalancersThatDoNotTell(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := newMeasurement()
	m.instances["i-1"] = &watched{}
	m.balancers["http://lb"] = &counter{}
	for second := range 2 {
		at := begun.Add(time.Duration(second) * time.Second)
		m.balancers["http://lb"].take(at, count{Arrivals: 100 * float64(second)})
		m.take("i-1", page{askedAt: at, at: at, requests: 100 * float64(second), cpuSeconds: float64(second)}, begun, bounds{cpus: 2}, nil)
	}
	if got := m.total; got.Requests != 100 || got.CPUSeconds != 1 || got.InstanceSeconds != 1 {
		t.Errorf("totals after two readings a second apart are %+v, want 100 requests, 1 s of CPU time and 1 s watched", got)
	}
}
