package balancer

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// instancesOf reads instances from text such as "a b! c~": a passes, b is critical, c is in maintenance.
func instancesOf(text string) []consul.Instance {
	var instances []consul.Instance
	for name := range strings.FieldsSeq(text) {
		i := consul.Instance{ID: strings.TrimRight(name, "!~"), Address: "10.0.0.1", Port: 80, Status: consul.StatusPassing}
		switch {
		case strings.HasSuffix(name, "!"):
			i.Status = consul.StatusCritical
		case strings.HasSuffix(name, "~"):
			i.Status = consul.StatusMaintenance
		}
		i.Passing = i.Status == consul.StatusPassing
		instances = append(instances, i)
	}
	return instances
}

// servedBy writes what a memory serves, such as "a b?": b is held.
func servedBy(m memory) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.serve)) {
		if _, held := m.held[name]; held {
			name += "?"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestFollow(t *testing.T) {
	t.Parallel()
	// Each step is what Consul answers, or "away", or "wait" for the settling time; after it what is served.
	type step struct{ consul, want string }
	for _, c := range []struct {
		name       string
		found      string // what HAProxy served at the start
		leaving    string
		allowEmpty bool
		steps      []step
	}{
		{name: "serves who passes", steps: []step{{"a b! c~", "a"}, {"a b c", "a b c"}}},
		{name: "takes out who fails, is in maintenance or is gone", steps: []step{
			{"a b c d", "a b c d"}, {"wait", "a b c d"}, {"a b! c~", "a"}}},
		{name: "holds when nobody passes", steps: []step{{"a b", "a b"}, {"wait", "a b"}, {"a! b!", "a? b?"}, {"", "a? b?"}, {"b", "b"}}},
		{name: "lets the last go into maintenance", steps: []step{{"a", "a"}, {"wait", "a"}, {"a~", ""}}},
		{name: "lets the last go when it is leaving", leaving: "a", steps: []step{{"a", "a"}, {"wait", "a"}, {"", ""}}},
		{name: "does not let a listed one go because it is leaving", leaving: "a", steps: []step{{"a", "a"}, {"wait", "a"}, {"a!", "a?"}}},
		{name: "empties when allowed", allowEmpty: true, steps: []step{{"a b", "a b"}, {"wait", "a b"}, {"b!", ""}}},
		{name: "does not empty at once after an absence", allowEmpty: true, steps: []step{{"a", "a"}, {"wait", "a"}, {"away", "a?"}, {"", "a?"}, {"wait", ""}}},
		{name: "holds while consul is away", steps: []step{{"a b!", "a"}, {"away", "a?"}, {"wait", "a?"}}},
		{name: "holds for a while after consul was away", steps: []step{
			{"a b c", "a b c"}, {"wait", "a b c"}, {"away", "a? b? c?"}, {"a b!", "a b? c?"}, {"wait", "a"}}},
		{name: "settling begins when somebody passes", steps: []step{
			{"a b", "a b"}, {"away", "a? b?"}, {"", "a? b?"}, {"wait", "a? b?"}, {"a", "a b?"}, {"wait", "a"}}},
		{name: "leaving goes although consul was away", leaving: "b", steps: []step{{"a b", "a b"}, {"away", "a? b?"}, {"a", "a"}}},
		{name: "nobody leaves while consul is away", leaving: "a b", steps: []step{{"a b", "a b"}, {"away", "a? b?"}}},
		{name: "takes over what haproxy serves", found: "a b", steps: []step{{"away", "a? b?"}, {"a c", "a b? c"}, {"wait", "a c"}}},
	} {
		m, now := memory{lost: true, serve: map[string]target{}}, time.Unix(1_000_000, 0)
		for _, i := range instancesOf(c.found) {
			m.serve[i.ID] = target{}
		}
		leaving := map[string]bool{}
		for name := range strings.FieldsSeq(c.leaving) {
			leaving[name] = true
		}
		for n, s := range c.steps {
			switch s.consul {
			case "away":
				m = m.missed()
			case "wait":
				now = now.Add(settle)
			default:
				m = m.heard(instancesOf(s.consul), uint64(n), c.allowEmpty, now)
			}
			m = m.follow(leaving, c.allowEmpty, now)
			if got := servedBy(m); got != s.want {
				t.Errorf("%s: step %d, consul %q: got %q, want %q", c.name, n, s.consul, got, s.want)
				break
			}
			now = now.Add(10 * time.Millisecond)
		}
	}
}

// Whatever Consul says and however often it is away: who passes is served, and without allowEmpty and without
// anybody meant to go, the backend never becomes empty.
func TestFollowNeverEmpties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, now := memory{lost: true}, time.Unix(1_000_000, 0)
		served := false
		for n := range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			answer := instancesOf(strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "a!", "b!", "c!"}), 0, 3,
				func(s string) string { return s[:1] }).Draw(t, "answer"), " "))
			if rapid.Bool().Draw(t, "away") {
				m = m.missed()
			} else {
				m = m.heard(answer, uint64(n), false, now)
				for _, i := range answer {
					served = served || i.Passing
				}
			}
			m = m.follow(nil, false, now)
			for name := range m.passing {
				if _, ok := m.serve[name]; !ok {
					t.Fatalf("%s passes and is not served", name)
				}
			}
			if served && len(m.serve) == 0 {
				t.Fatalf("nobody is served")
			}
			for name := range m.held {
				if _, ok := m.serve[name]; !ok {
					t.Fatalf("%s is held and not served", name)
				}
			}
		}
	})
}

func address(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		actual []Server
		wanted map[string]target
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"a new one", nil, map[string]target{"a": {address(1), 5}}, "add a 10.0.0.1:1 max 5\nready a\n"},
		{"as it should be", []Server{{Name: "a", Address: address(1), State: Ready, MaxConnections: 5}}, map[string]target{"a": {address(1), 5}}, ""},
		{"down is haproxy's business", []Server{{Name: "a", Address: address(1), State: Down}}, map[string]target{"a": {address(1), 0}}, ""},
		{"back again", []Server{{Name: "a", Address: address(1), State: Maintenance}}, map[string]target{"a": {address(1), 0}}, "ready a\n"},
		{"drained by hand", []Server{{Name: "a", Address: address(1), State: Drain}}, map[string]target{"a": {address(1), 0}}, "ready a\n"},
		{"moved and limited", []Server{{Name: "a", Address: address(1), State: Maintenance}}, map[string]target{"a": {address(2), 3}},
			"move a 10.0.0.1:2\nlimit a 3\nready a\n"},
		{"gone", []Server{{Name: "a", Address: address(1), State: Ready}}, nil, "stop a\ndelete a\n"},
		{"gone and not forgotten", []Server{{Name: "a", Address: address(1), State: Maintenance}}, nil, "delete a\n"},
		{"new ones before old ones go", []Server{{Name: "old", Address: address(1), State: Ready}, {Name: "older", Address: address(1), State: Maintenance}},
			map[string]target{"z": {address(2), 0}, "new": {address(3), 0}},
			"add new 10.0.0.1:3 max 0\nready new\nadd z 10.0.0.1:2 max 0\nready z\nstop old\ndelete old\ndelete older\n"},
	} {
		var got string
		for _, change := range compare(c.actual, c.wanted) {
			got += change.String() + "\n"
		}
		if got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		instance consul.Instance
		want     string
	}{
		{consul.Instance{ID: "a", Address: "10.0.0.1", Port: 80}, "10.0.0.1:80 max 0"},
		{consul.Instance{ID: "a", Address: "fd00::1", Port: 80, Meta: map[string]string{spec.MetaMaxConnections: "64"}}, "[fd00::1]:80 max 64"},
		{consul.Instance{ID: "a b", Address: "10.0.0.1", Port: 80}, `instance "a b": its ID cannot name a server`},
		{consul.Instance{ID: "a;shutdown sessions", Address: "10.0.0.1", Port: 80}, `instance "a;shutdown sessions": its ID cannot name a server`},
		{consul.Instance{ID: "a", Address: "host", Port: 80}, "instance a: host port 80 is not an IP address and port"},
		{consul.Instance{ID: "a", Address: "10.0.0.1", Port: 65536}, "instance a: 10.0.0.1 port 65536 is not an IP address and port"},
		{consul.Instance{ID: "a", Address: "10.0.0.1"}, "instance a: 10.0.0.1 port 0 is not an IP address and port"},
		{consul.Instance{ID: "a", Address: "10.0.0.1", Port: 80, Meta: map[string]string{spec.MetaMaxConnections: "many"}},
			`instance a: viot-max-connections is "many", want a number`},
	} {
		c.instance.Passing = true
		got, problems := targets([]consul.Instance{c.instance, {ID: "critical", Address: "10.0.0.9", Port: 9}})
		text := strings.Join(problems, "; ")
		if t, ok := got[c.instance.ID]; ok {
			text += fmt.Sprintf("%s max %d", t.address, t.maxConnections)
		}
		if _, critical := got["critical"]; critical || text != c.want {
			t.Errorf("%+v: got %q, critical served: %v; want %q", c.instance, text, critical, c.want)
		}
	}
}

func TestPoolOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"viot-t-cse-1": "cse", "viot-t-my-pool-12": "my-pool", "viot-t-x-cse-1": "x-cse",
		"viot-other-cse-1": "", "viot-t-cse": "", "viot-t-cse-01": "", "viot-t-1": "", "cse-1": "", "": "",
	} {
		got, ok := poolOf("t", name)
		if ok != (want != "") || ok && got != want {
			t.Errorf("poolOf(t, %q): got %q, %v; want %q", name, got, ok, want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := Config{Stack: "dev", Routes: []Route{{"cse", "cse"}}, Resync: DefaultResync}
	if err := good.Validate(); err != nil {
		t.Errorf("good: got %v", err)
	}
	bad := Config{Stack: "Dev", Routes: []Route{{"a", "b"}, {"a", "b"}, {"", "b c"}}, Resync: time.Millisecond}
	err := bad.Validate()
	if err == nil {
		t.Fatal("bad: got no error")
	}
	for _, part := range []string{"-stack", "service a is there twice", "backend b is there twice", `service ""`, `backend "b c"`, "-resync 1ms"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("bad: got %q, want it to name %s", err, part)
		}
	}
	if err := (Config{Stack: "dev", Resync: DefaultResync}).Validate(); err == nil || !strings.Contains(err.Error(), "-route") {
		t.Errorf("no route: got %v, want it to name -route", err)
	}
}
