package spec

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// valid is a document with nothing wrong, before defaults.
func valid() Pool {
	return Pool{
		Stack: "dev", Name: "cse",
		Template: Template{Image: "example/cse:1", Network: "viot-dev", CPUs: 0.25, MemoryBytes: 64 << 20, Env: map[string]string{"A": "1", "B": "2"}},
		Service:  Service{Port: 8080},
		Policy:   Policy{Min: 1, Max: 4, TargetUtilisation: 0.6},
	}
}

func TestParsePoolFillsDefaults(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(valid())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePool(text)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{p.Service.Name, p.Service.ReadinessPath, p.Service.MetricsPath, p.Service.Metrics, p.Template.StopGrace,
		p.Service.BootTimeout, p.Service.DrainTimeout, p.Policy.ZeroAfter}
	want := []any{"cse", "/readyz", "/metrics", Metrics{"http_requests_total", "process_cpu_seconds_total", "http_requests_in_flight", ""},
		Duration(DefaultStopGrace), Duration(DefaultBootTimeout), Duration(DefaultDrainTimeout), Duration(DefaultZeroAfter)}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("default %d: got %v, want %v", i, got[i], want[i])
		}
	}
	again, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if q, err := ParsePool(again); err != nil || q.Template.Hash() != p.Template.Hash() {
		t.Errorf("written and read again: %v, hash %s, want %s", err, q.Template.Hash(), p.Template.Hash())
	}
}

func TestParsePoolRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{`, "read pool document"},
		{`{"stack":"dev","nmae":"cse"}`, `unknown field "nmae"`},
		{`{"policy":{"scaleInAfter":"ten"}}`, "500ms, 10s or 2m"},
		{`{"policy":{"scaleInAfter":10}}`, "scaleInAfter"},
	} {
		if _, err := ParsePool([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.text, err, c.want)
		}
	}
}

func TestValidateNamesEachProblem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field string
		spoil func(*Pool)
	}{
		{"stack", func(p *Pool) { p.Stack = "Dev" }},
		{"name", func(p *Pool) { p.Name = "" }},
		{"name", func(p *Pool) { p.Name = "cse-" }},
		{"name", func(p *Pool) { p.Name = strings.Repeat("x", 41) }},
		{"template.image", func(p *Pool) { p.Template.Image = "" }},
		{"template.network", func(p *Pool) { p.Template.Network = "" }},
		{"template.cpus", func(p *Pool) { p.Template.CPUs = 0.001 }},
		{"template.cpus", func(p *Pool) { p.Template.CPUs = -1 }},
		{"template.memoryBytes", func(p *Pool) { p.Template.MemoryBytes = 1 }},
		{"template.env", func(p *Pool) { p.Template.Env = map[string]string{"A=B": ""} }},
		{"template.stopGrace", func(p *Pool) { p.Template.StopGrace = -1 }},
		{"service.name", func(p *Pool) { p.Service.Name = "a b" }},
		{"service.port", func(p *Pool) { p.Service.Port = 65536 }},
		{"service.readinessPath", func(p *Pool) { p.Service.ReadinessPath = "readyz" }},
		{"service.metricsPath", func(p *Pool) { p.Service.MetricsPath = "metrics" }},
		{"service.maxConnections", func(p *Pool) { p.Service.MaxConnections = -1 }},
		{"service.bootTimeout", func(p *Pool) { p.Service.BootTimeout = -1 }},
		{"service.drainTimeout", func(p *Pool) { p.Service.DrainTimeout = -1 }},
		{"policy.min", func(p *Pool) { p.Policy.Min = -1 }},
		{"policy.max", func(p *Pool) { p.Policy.Max = 0 }},
		{"policy.max", func(p *Pool) { p.Policy.Min = 5 }},
		{"policy.targetUtilisation", func(p *Pool) { p.Policy.TargetUtilisation = 0 }},
		{"policy.targetUtilisation", func(p *Pool) { p.Policy.TargetUtilisation = 1.01 }},
		{"policy.scaleInAfter", func(p *Pool) { p.Policy.ScaleInAfter = -1 }},
		{"balancers", func(p *Pool) { p.Balancers = []string{"balancer:8081"} }},
		{"slices", func(p *Pool) { p.Slices = []string{"a b"} }},
		{"slices", func(p *Pool) { p.Slices = []string{""} }},
		{"slices", func(p *Pool) { p.Slices = []string{"host"} }},
		{"slices", func(p *Pool) { p.Slices = []string{p.Template.Network} }},
		{"slices", func(p *Pool) { p.Slices = []string{"acme", "other", "acme"} }},
		{"slices", func(p *Pool) { p.Slices, p.Policy.Min, p.Policy.Max = []string{"a", "b", "c"}, 1, 2 }},
	} {
		p := valid().WithDefaults()
		c.spoil(&p)
		err := p.Validate()
		if err == nil {
			t.Errorf("%s: accepted", c.field)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], c.field) {
			t.Errorf("%s: got %q, want this one problem", c.field, lines)
		}
	}
	err := Pool{}.Validate()
	if got := len(strings.Split(err.Error(), "\n")); got < 10 {
		t.Errorf("an empty document has %d problems, want all of them at once:\n%v", got, err)
	}
	for range 20 {
		if again := (Pool{}).Validate(); again.Error() != err.Error() {
			t.Fatalf("the same document reads differently:\n%v\n%v", err, again)
		}
	}
}

func TestHashFollowsTheTemplateOnly(t *testing.T) {
	t.Parallel()
	p := valid()
	before := p.Template.Hash()
	p.Policy.Max, p.Service.Port = 9, 9000
	if got := p.Template.Hash(); got != before {
		t.Errorf("hash after a change of policy: %s, want %s", got, before)
	}
	p.Template.Env["A"] = "3"
	if got := p.Template.Hash(); got == before || len(got) != 12 {
		t.Errorf("hash after a change of environment: %s, want 12 digits other than %s", got, before)
	}
}

func TestInstanceNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z]([a-z0-9-]{0,8}[a-z0-9])?`)
		stack, pool, number := name.Draw(t, "stack"), name.Draw(t, "pool"), rapid.IntRange(1, 1<<40).Draw(t, "number")
		text := InstanceName(stack, pool, number)
		if got, ok := InstanceNumber(stack, pool, text); !ok || got != number {
			t.Fatalf("%s: got %d %t, want %d", text, got, ok, number)
		}
	})
	for _, name := range []string{"", "viot-dev-cse-", "viot-dev-cse-0", "viot-dev-cse-01", "viot-dev-cse--1", "viot-dev-cse-1x", "viot-dev-other-1", "viot-dev-cse-9999999999999999999999"} {
		if n, ok := InstanceNumber("dev", "cse", name); ok {
			t.Errorf("%q is taken for instance %d", name, n)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Duration(90 * time.Second))
	if err != nil || string(text) != `"1m30s"` {
		t.Errorf("got %s, %v, want \"1m30s\"", text, err)
	}
}

func FuzzParsePool(f *testing.F) {
	text, err := json.Marshal(valid())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"policy":{"targetUtilisation":1e999}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePool(text)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("accepted and yet not valid: %v", err)
		}
	})
}
