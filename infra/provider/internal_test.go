package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

func TestGoalReached(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what      string
		goal      goal
		status    spec.Status
		strangers int
		want      bool
	}{
		{"an old document is not seen", untilSeen, spec.Status{ObservedIndex: 6, Ready: 2, Updated: 2}, 0, false},
		{"a seen document is enough for a policy", untilSeen, spec.Status{ObservedIndex: 7}, 3, true},
		{"too few are ready", untilReady, spec.Status{ObservedIndex: 7, Ready: 1, Updated: 1}, 0, false},
		{"enough are ready", untilReady, spec.Status{ObservedIndex: 7, Ready: 2}, 1, true},
		{"one is old", untilReplaced, spec.Status{ObservedIndex: 8, Ready: 3, Updated: 2}, 1, false},
		{"an old one still drains", untilReplaced, spec.Status{ObservedIndex: 8, Ready: 2, Updated: 2}, 1, false},
		{"all are new", untilReplaced, spec.Status{ObservedIndex: 8, Ready: 3, Updated: 3, Booting: 1}, 0, true},
		{"all are new and too few", untilReplaced, spec.Status{ObservedIndex: 8, Ready: 1, Updated: 1}, 0, false},
	} {
		if got := test.goal.reached(test.status, 7, 2, test.strangers); got != test.want {
			t.Errorf("%s: got %t, want %t", test.what, got, test.want)
		}
	}
}

func TestFailedUpdateEndsTheWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what   string
		status spec.Status
		want   bool
	}{
		{"under way", spec.Status{ObservedIndex: 7, Rollout: "template x: 2 to be replaced"}, false},
		{"on its way back", spec.Status{ObservedIndex: 7, Rollout: "rolling back: 1 to be replaced"}, false},
		{"rolled back", spec.Status{ObservedIndex: 7, Rollout: spec.RolledBack}, true},
		{"halted", spec.Status{ObservedIndex: 8, Rollout: spec.Halted}, true},
		{"an earlier update was rolled back", spec.Status{ObservedIndex: 6, Rollout: spec.RolledBack}, false},
	} {
		if got := failed(test.status, 7); got != test.want {
			t.Errorf("%s: got %t, want %t", test.what, got, test.want)
		}
	}
}

// TestWaitForgetsWhatIsOver has an update to an earlier document halted; this one is not, though nothing says so.
func TestWaitForgetsWhatIsOver(t *testing.T) {
	t.Parallel()
	statuses := []spec.Status{{ObservedIndex: 6, Rollout: spec.Halted, Problem: "no image"}, {ObservedIndex: 7, Ready: 2}}
	asked := 0
	client := reporting(t, func() (spec.Status, int) {
		asked++
		return statuses[min(asked, len(statuses))-1], asked
	})
	pool := spec.Pool{Stack: "dev", Name: "cse", Policy: spec.Policy{Min: 2, Max: 2}}
	if err := await(t.Context(), nil, client, pool, 7, untilReady, time.Minute); err != nil || asked != 2 {
		t.Errorf("got %v after %d looks, want it to be ready at the second", err, asked)
	}
}

// TestWaitEndsWhileTheEngineIsAsked has the time run out in the middle of a look at the engine.
func TestWaitEndsWhileTheEngineIsAsked(t *testing.T) {
	t.Parallel()
	client := reporting(t, func() (spec.Status, int) {
		return spec.Status{ObservedIndex: 7, Desired: 2, Problem: "svc-1 ended before it was ready"}, 1
	})
	looks := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/containers/json") {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		if looks++; looks == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `[]`)
	}))
	t.Cleanup(server.Close)
	engine, err := docker.New("tcp://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pool := spec.Pool{Stack: "dev", Name: "svc", Policy: spec.Policy{Min: 2, Max: 2}}
	err = await(t.Context(), engine, client, pool, 7, untilReplaced, 300*time.Millisecond)
	if want := "pool svc is not as declared after 300ms: 0 of 2 instances ready: svc-1 ended before it was ready"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// reporting is a Consul that answers with the status and the index that next gives.
func reporting(t *testing.T, next func() (spec.Status, int)) *consul.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/kv/"+spec.StatusKey("dev", "")) {
			http.NotFound(w, r)
			return
		}
		status, index := next()
		value, err := json.Marshal(status)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Consul-Index", fmt.Sprint(index))
		fmt.Fprintf(w, `[{"Key":"x","ModifyIndex":%d,"Value":%q}]`, index, base64.StdEncoding.EncodeToString(value))
	}))
	t.Cleanup(server.Close)
	client, err := consul.New(strings.TrimPrefix(server.URL, "http://"), "")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestRegistryHost(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"haproxy:2.8":                   "docker.io",
		"hashicorp/consul:1.21":         "docker.io",
		"registry.example/team/cse:1.0": "registry.example",
		"localhost/cse":                 "localhost",
		"127.0.0.1:5000/cse":            "127.0.0.1:5000",
	} {
		if got := registryHost(reference); got != want {
			t.Errorf("%s: got %s, want %s", reference, got, want)
		}
	}
}

// TestDeclared turns what an engine reports back into inputs: what only came from the image is left out.
func TestDeclared(t *testing.T) {
	t.Parallel()
	image := docker.Image{Entrypoint: []string{"/app"}, Command: []string{"serve"}, Env: map[string]string{"PATH": "/bin", "MODE": "fast"}, User: "7", StopSignal: "SIGINT", Labels: map[string]string{"vendor": "x"}}
	found := docker.Container{
		Name: "c", Image: "app:1", Networks: []string{"net"},
		Labels: map[string]string{spec.LabelStack: "dev", spec.LabelRole: "probe", "vendor": "x", "colour": "blue"},
		Spec: docker.ContainerSpec{
			Entrypoint: []string{"/app"}, Command: []string{"serve", "-v"}, Env: map[string]string{"PATH": "/bin", "MODE": "fast", "KEY": "1"},
			User: "7", StopSignal: "SIGINT", Network: "net", Aliases: []string{"b", "a"}, CapDrop: []string{"ALL"}, CPUs: 0.5, MemoryBytes: 9, Restart: docker.RestartNo,
			Ports:  []docker.Port{{HostAddress: "127.0.0.1", HostPort: 80, ContainerPort: 8080}},
			Mounts: []docker.Mount{{Volume: "v", Target: "/d"}},
		},
	}
	want := ContainerArgs{
		Stack: "dev", Name: "c", Role: "probe", Image: "app:1", Command: []string{"serve", "-v"}, Env: map[string]string{"KEY": "1"},
		Labels: map[string]string{"colour": "blue"}, Network: "net", Aliases: []string{"b", "a"}, CapDrop: []string{"ALL"}, CPUs: 0.5, MemoryBytes: 9, Restart: "no",
		Ports:  []Port{{HostAddress: "127.0.0.1", HostPort: 80, ContainerPort: 8080}},
		Mounts: []Mount{{Volume: "v", Target: "/d"}},
	}
	if got := declared(found, image, ContainerArgs{}); !reflect.DeepEqual(got, want) {
		t.Errorf("imported:\ngot  %+v\nwant %+v", got, want)
	}

	was := want
	was.Env = map[string]string{"KEY": "1", "MODE": "fast"} // declared, though the image says so too
	was.Aliases = []string{"a", "b"}
	was.Ports = []Port{{HostAddress: "127.0.0.1", HostPort: 80, ContainerPort: 8080, ConfigKey: "viot:port"}}
	was.Files = []File{{Path: "/f"}}
	if got := declared(found, image, was); !reflect.DeepEqual(got, was) {
		t.Errorf("unchanged:\ngot  %+v\nwant %+v", got, was)
	}

	found.Networks = []string{"net", "other"}
	if got := declared(found, image, was); got.Network != "net,other" {
		t.Errorf("got network %q, want another network to be seen", got.Network)
	}
}

// TestContainerDiff wants each property to be changed the way Docker allows.
func TestContainerDiff(t *testing.T) {
	t.Parallel()
	is := ContainerState{ContainerArgs: ContainerArgs{Name: "c", StopGrace: "10s", Ports: []Port{{ContainerPort: 80}}}, Status: statusHealthy}
	for _, test := range []struct {
		property string
		change   func(*ContainerArgs)
		kind     string
	}{
		{"", func(c *ContainerArgs) { c.StopGrace, c.Env = "10000ms", map[string]string{} }, ""},
		{"", func(c *ContainerArgs) { c.Ports = []Port{{ContainerPort: 80, ConfigKey: "viot:port"}} }, ""},
		{"stopGrace", func(c *ContainerArgs) { c.StopGrace = "5s" }, "update"},
		{"cpus", func(c *ContainerArgs) { c.CPUs = 1 }, "update"},
		{"memoryBytes", func(c *ContainerArgs) { c.MemoryBytes = 1 }, "update"},
		{"restart", func(c *ContainerArgs) { c.Restart = "always" }, "update"},
		{"healthCheck", func(c *ContainerArgs) { c.HealthCheck = &HealthCheck{} }, "update"},
		{"image", func(c *ContainerArgs) { c.Image = "x" }, "update&replace"},
		{"env", func(c *ContainerArgs) { c.Env = map[string]string{"A": "1"} }, "update&replace"},
		{"ports", func(c *ContainerArgs) { c.Ports = []Port{{ContainerPort: 81}} }, "update&replace"},
		{"files", func(c *ContainerArgs) { c.Files = []File{{Path: "/x"}} }, "update&replace"},
		{"name", func(c *ContainerArgs) { c.Name = "x" }, "update&replace"},
		{"network", func(c *ContainerArgs) { c.Network = "x" }, "update&replace"},
	} {
		want := is.ContainerArgs
		test.change(&want)
		diff, err := Container{}.Diff(t.Context(), infer.DiffRequest[ContainerArgs, ContainerState]{State: is, Inputs: want})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(len(diff.DetailedDiff), diff.DetailedDiff[test.property].Kind, diff.DeleteBeforeReplace)
		wanted := fmt.Sprint(1, test.kind, true)
		if test.property == "" {
			wanted = fmt.Sprint(0, "", true)
		}
		if got != wanted {
			t.Errorf("%s: got %s, want %s (%+v)", test.property, got, wanted, diff.DetailedDiff)
		}
	}
}

// TestPoolDocument turns inputs into a document and back without losing anything.
func TestPoolDocument(t *testing.T) {
	t.Parallel()
	in := PoolArgs{
		Stack: "dev", Name: "cse", ConsulAddress: "127.0.0.1:8500", WaitTimeout: "1m",
		Template: PoolTemplate{Image: "i", Command: []string{"a"}, Env: map[string]string{"K": "v"}, Network: "n", CPUs: 0.5, MemoryBytes: 64 << 20, StopGrace: "3s"},
		Service: PoolService{Name: "s", Port: 80, ReadinessPath: "/r", MetricsPath: "/m", MaxConnections: 9, BootTimeout: "4s", DrainTimeout: "5s",
			Metrics: &PoolMetrics{Requests: "q", CPUSeconds: "c", InFlight: "f", Errors: "e"}},
		Policy: PoolPolicy{
			Min: 1, Max: 2, TargetUtilisation: 0.5, ScaleInAfter: "6s", ZeroAfter: "1m0s", SLO: "p95 <= 100ms", Priority: 3, Algorithm: "viot", Shadow: "hpa",
			Signals:  []PoolSignal{{Name: "lag", Source: "page", Metric: "m", URL: "http://b", Rate: true, Target: 5, Activation: 1}, {Name: "q", Source: "prometheus", URL: "http://p", Query: "up", Target: 1}},
			ScaleOut: &PoolRate{Disabled: true, MostAtOnce: 1, PerMinute: 2}, ScaleIn: &PoolRate{Disabled: true, MostAtOnce: 3, PerMinute: 4},
			Spare: &PoolSpare{Instances: 1, Host: true}, Standby: &PoolStandby{Count: 1, Paused: true},
			Schedules: []PoolSchedule{{Days: []string{"mon"}, From: "07:00", To: "08:00", Zone: "Europe/Paris", Min: 1, Max: 2}},
			Forecast:  &PoolForecast{Ahead: "2s", NoTrend: true, NoSeasonal: true, SeasonSteps: 24},
			Update:    &PoolUpdate{MaxSurge: 1, MaxUnavailable: 2, Canary: 3, CanaryFor: "9s", MaxErrorRatio: 0.5, NoRollback: true},
		},
		Balancers: []string{"http://b:1"}, Slices: []string{"x", "y"},
	}
	if err := in.document().Validate(); err != nil {
		t.Fatal(err)
	}
	back := PoolArgs{ConsulAddress: in.ConsulAddress, WaitTimeout: in.WaitTimeout}.declaredBy(in.document())
	if !reflect.DeepEqual(back, in) {
		t.Errorf("got  %+v\nwant %+v", back, in)
	}
	// Every field of the document is declarable: none is zero when every input is given.
	policy := in.document().Policy
	for _, part := range []any{
		in.document().Template, in.document().Service, policy, policy.Out, policy.In, policy.Spare, policy.Standby,
		policy.Schedules[0], policy.Forecast, policy.Update,
	} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s cannot be declared", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
}

func TestProbeHTTP(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	var port int
	if _, err := fmt.Sscanf(server.URL, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "", "0.0.0.0"} {
		c := docker.Container{State: docker.Running, Ports: []docker.Port{{HostAddress: host, HostPort: port, ContainerPort: 80}}}
		for code, healthy := range map[int]bool{200: true, 302: true, 404: false, 503: false} {
			status = code
			err := probe(context.Background(), &HealthCheck{HTTP: &HTTPCheck{Port: 80, Path: "/"}}, c)
			if (err == nil) != healthy {
				t.Errorf("%q answered %d: got %v, want healthy to be %t", host, code, err, healthy)
			}
		}
	}
}
