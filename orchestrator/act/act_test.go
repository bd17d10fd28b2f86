package act

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const instance = "viot-t-cse-1"

// bench is one instance's engine, Consul, term and balancers. It notes what is done, in order; what all of them do
// together is tried in package loop.
type bench struct {
	mu         sync.Mutex
	done       []string
	container  *docker.Container // nil while there is none
	registered *consul.Registration
	journal    consul.KV // the instance's entry; without a key there is none
	writes     uint64
	agentKnows bool          // the agent has the registration, not only the catalog
	boots      time.Duration // from start to ready
	startedAt  time.Time
	exits      bool
	stops      time.Duration                               // how long it takes to
	lost       bool                                        // the term
	deny       error                                       // of Register
	balancer   func(host string) (drained bool, err error) // asked for each question
}

func (b *bench) note(format string, args ...any) {
	b.done = append(b.done, fmt.Sprintf(format, args...))
}

func (b *bench) CreateContainer(_ context.Context, s docker.ContainerSpec) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.container != nil {
		return "", docker.ErrNameTaken
	}
	b.note("create cpus=%v memory=%d restart=%s template=%s", s.CPUs, s.MemoryBytes, s.Restart, s.Labels[spec.LabelTemplate])
	b.container = &docker.Container{ID: "id", Name: s.Name, Labels: s.Labels, State: docker.Created}
	return "id", nil
}

func (b *bench) StartContainer(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("start")
	b.startedAt, b.container.State, b.container.IPs = time.Now(), docker.Running, map[string]string{"net": "10.0.0.1"}
	if b.exits {
		b.container.State, b.container.ExitCode = docker.Exited, 3
	}
	return nil
}

func (b *bench) InspectContainer(context.Context, string) (docker.Container, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.container == nil {
		return docker.Container{}, docker.ErrNotFound
	}
	return *b.container, nil
}

func (b *bench) UpdateContainer(_ context.Context, _ string, cpus float64, memory int64, _ docker.RestartPolicy) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("update cpus=%v memory=%d", cpus, memory)
	return nil
}

func (b *bench) PauseContainer(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("pause")
	b.container.State = docker.Paused
	return nil
}

func (b *bench) UnpauseContainer(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("unpause")
	b.container.State = docker.Running
	return nil
}

func (b *bench) Get(context.Context, string) (consul.KV, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.journal.Key == "" {
		return consul.KV{}, consul.ErrNotFound
	}
	return b.journal, nil
}

func (b *bench) StopContainer(_ context.Context, _ string, grace time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("stop grace=%v", grace)
	b.mu.Unlock()
	time.Sleep(b.stops)
	b.mu.Lock()
	b.container.State = docker.Exited
	return nil
}

func (b *bench) RemoveContainer(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("remove")
	b.container = nil
	return nil
}

func (b *bench) Logs(context.Context, string, int) ([]string, error) {
	return []string{"first line", "no configuration"}, nil
}

func (b *bench) PullImage(_ context.Context, reference string, _ func(string)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("pull %s", reference)
	if b.deny != nil {
		return b.deny
	}
	return nil
}

func (b *bench) Register(_ context.Context, r consul.Registration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deny != nil {
		return b.deny
	}
	b.note("register %s:%d check=%s meta=%s", r.Address, r.Port, r.ReadinessURL, r.Meta[spec.MetaMaxConnections])
	b.registered, b.agentKnows = &r, true
	return nil
}

func (b *bench) Deregister(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("deregister")
	if b.agentKnows {
		b.registered = nil
	}
	return nil
}

func (b *bench) DeregisterFromCatalog(_ context.Context, node, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("deregister from catalog of %s", node)
	b.registered = nil
	return nil
}

func (b *bench) Instances(context.Context, string, uint64, time.Duration) ([]consul.Instance, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.registered == nil {
		return nil, 1, nil
	}
	return []consul.Instance{{ID: b.registered.ID, Node: "gone"}}, 1, nil
}

func (b *bench) Check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost {
		return errors.New("lost")
	}
	return nil
}

func (b *bench) Write(_ context.Context, writes ...fleet.Write) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range writes {
		if w.Key != key {
			return errors.New("not the instance's key: " + w.Key)
		}
		if w.If && w.Index != b.journal.ModifyIndex {
			return consul.ErrConflict
		}
		b.writes++
		if w.Value == nil {
			b.journal = consul.KV{}
			b.note("strike")
			continue
		}
		b.journal = consul.KV{Key: w.Key, Value: w.Value, ModifyIndex: b.writes}
		b.note("%s", fleet.ReadEntry(w.Value).Phase)
	}
	return nil
}

func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body))}, nil
	}
	if b.balancer != nil && strings.HasPrefix(r.URL.Host, "lb") {
		drained, err := b.balancer(r.URL.Host)
		if err != nil {
			return nil, err
		}
		if !drained {
			wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
			if err != nil {
				return nil, err
			}
			time.Sleep(wait)
		}
		return answer(http.StatusOK, fmt.Sprintf(`{"drained": %t}`, drained))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.container == nil || b.container.State != docker.Running || time.Since(b.startedAt) < b.boots {
		return answer(http.StatusServiceUnavailable, "store not reached yet\n")
	}
	return answer(http.StatusOK, "")
}

// running makes the container and the registration of an instance in service.
func (b *bench) running() {
	b.container = &docker.Container{ID: "id", Name: instance, State: docker.Running, IPs: map[string]string{"net": "10.0.0.1"},
		Labels: map[string]string{spec.LabelTemplate: "old"}}
	b.registered, b.agentKnows = &consul.Registration{ID: instance}, true
}

// try carries out one operation on a fake clock and returns how it ended and how long it took.
func (b *bench) try(t *testing.T, kind fleet.OpKind, balancers ...string) (ended []fleet.Ended, took time.Duration) {
	t.Helper()
	pool := spec.Pool{
		Stack: "t", Name: "cse", Balancers: balancers,
		Template: spec.Template{Image: "cse:1", Network: "net", CPUs: 0.25, MemoryBytes: 1 << 26, StopGrace: spec.Duration(7 * time.Second)},
		Service: spec.Service{
			Name: "cse", Port: 8080, ReadinessPath: "/readyz", MaxConnections: 8,
			BootTimeout: spec.Duration(5 * time.Second), DrainTimeout: spec.Duration(12 * time.Second),
		},
		Policy: spec.Policy{Standby: spec.Standby{Count: 1, Paused: true}},
	}
	a := &Actor{Engine: b, Consul: b, HTTP: &http.Client{Transport: b}, Term: b, Log: hclog.NewNullLogger()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	began := time.Now()
	a.Wake = func() { took = time.Since(began); cancel() }
	a.Do(pool, "new", []fleet.Op{{Kind: kind, Instance: instance}})
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return a.Ended("cse"), took
}

const key = "viot/t/drains/cse/" + instance

func TestOperations(t *testing.T) {
	t.Parallel()
	drained := func(string) (bool, error) { return true, nil }
	start := []string{
		"create cpus=0 memory=67108864 restart=no template=new", "start", "update cpus=0.25 memory=67108864",
		"register 10.0.0.1:8080 check=http://10.0.0.1:8080/readyz meta=8",
	}
	drain := []string{"journalled", "deregister", "deregistered", "settled", "stopping", "stop grace=7s", "remove", "strike"}
	warm := []string{"kept", start[0], "start", start[2]}
	entry := func(p fleet.Phase) consul.KV {
		return consul.KV{Key: key, Value: []byte(`{"phase": "` + string(p) + `"}`), ModifyIndex: 7}
	}
	tests := []struct {
		name    string
		bench   func(*bench)
		op      fleet.OpKind
		lbs     []string
		want    []string
		wantErr string        // of the operation
		took    time.Duration // at least; and at most a second more
	}{
		{name: "start", bench: func(b *bench) { b.boots = 2 * time.Second }, op: fleet.Start, want: start, took: 2 * time.Second},
		{name: "start exits", bench: func(b *bench) { b.exits = true }, op: fleet.Start, want: []string{start[0], "start", "remove"},
			wantErr: "exited with code 3 while booting; its last words: first line | no configuration"},
		{name: "start never ready", bench: func(b *bench) { b.boots = time.Hour }, op: fleet.Start, want: []string{start[0], "start", "remove"},
			wantErr: "not ready within 5s: readiness answers Service Unavailable store not reached yet", took: 5 * time.Second},
		{name: "start name taken", bench: func(b *bench) { b.running() }, op: fleet.Start, wantErr: "name taken"},
		{name: "adopt", bench: func(b *bench) { b.running() }, op: fleet.Adopt, want: start[2:]},
		{name: "adopt what is gone", op: fleet.Adopt, wantErr: "not found"},
		{name: "drain", bench: func(b *bench) { b.running(); b.balancer = drained }, op: fleet.Drain, lbs: []string{"http://lb1", "http://lb2/"}, want: drain},
		{name: "drain without balancers", bench: func(b *bench) { b.running() }, op: fleet.Drain, want: drain, took: settleTime},
		{name: "drain with one balancer that does not answer at first", bench: func(b *bench) {
			b.running()
			began := time.Now()
			b.balancer = func(host string) (bool, error) {
				if host == "lb2" && time.Since(began) < 3*time.Minute {
					return false, errors.New("no route")
				}
				return true, nil
			}
		}, op: fleet.Drain, lbs: []string{"http://lb1", "http://lb2"}, want: drain, took: 3 * time.Minute},
		{name: "drain that takes too long", bench: func(b *bench) {
			b.running()
			b.balancer = func(string) (bool, error) { return false, nil }
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: drain, took: 12 * time.Second},
		{name: "drain of what is registered with an agent that is gone", bench: func(b *bench) {
			b.running()
			b.agentKnows, b.balancer = false, drained
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: slices.Insert(slices.Clone(drain), 2, "deregister from catalog of gone")},
		{name: "drain of what is gone", op: fleet.Drain, want: []string{"journalled", "deregister", "deregistered", "settled", "stopping", "strike"}},
		{name: "drain of what has exited", bench: func(b *bench) {
			b.running()
			b.container.State = docker.Exited
			b.balancer = func(string) (bool, error) { return false, nil }
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: []string{"journalled", "deregister", "deregistered", "settled", "stopping", "remove", "strike"}},
		{name: "drain of what somebody paused", bench: func(b *bench) {
			b.running()
			b.container.State = docker.Paused
			b.balancer = func(string) (bool, error) { return false, nil }
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: slices.Insert(slices.Clone(drain), 5, "unpause")},
		{name: "remove", bench: func(b *bench) { b.running(); b.container.State = docker.Exited }, op: fleet.Remove, want: []string{"stopping", "deregister", "remove", "strike"}},
		{name: "remove what is gone", op: fleet.Remove, want: []string{"stopping", "deregister", "strike"}},
		{name: "drain resumed before it settled", bench: func(b *bench) {
			b.running()
			b.journal, b.balancer, b.registered = entry(fleet.Deregistered), drained, nil
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: drain[3:]},
		{name: "drain of what fails its check, resumed", bench: func(b *bench) {
			b.running()
			b.journal = consul.KV{Key: key, Value: []byte(`{"phase": "settled", "failing": true}`), ModifyIndex: 7}
		}, op: fleet.Drain, want: []string{"stopping", "stop grace=1s", "remove", "strike"}},
		{name: "drain resumed while it stopped", bench: func(b *bench) {
			b.running()
			b.journal, b.registered = entry(fleet.Stopping), nil
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: drain[5:]},
		{name: "drain of what a recall was begun on", bench: func(b *bench) {
			b.running()
			b.journal, b.balancer = entry(fleet.Recalled), drained
		}, op: fleet.Drain, lbs: []string{"http://lb1"}, want: drain},
		{name: "drain of a paused standby", bench: func(b *bench) {
			b.running()
			b.journal, b.registered, b.container.State = entry(fleet.Kept), nil, docker.Paused
		}, op: fleet.Drain, want: []string{"settled", "stopping", "unpause", "stop grace=7s", "remove", "strike"}},
		{name: "warm", bench: func(b *bench) { b.boots = 2 * time.Second }, op: fleet.Warm, want: append(slices.Clone(warm), "pause"), took: 2 * time.Second},
		{name: "warm goes on with what is there", bench: func(b *bench) {
			b.running()
			b.journal, b.registered = entry(fleet.Kept), nil
		}, op: fleet.Warm, want: []string{start[2], "pause"}},
		{name: "warm exits", bench: func(b *bench) { b.exits = true }, op: fleet.Warm, want: []string{"kept", start[0], "start", "remove", "strike"},
			wantErr: "exited with code 3 while booting"},
		{name: "enlist", bench: func(b *bench) {
			b.running()
			b.journal, b.registered, b.container.State = entry(fleet.Kept), nil, docker.Paused
		}, op: fleet.Enlist, want: []string{"unpause", "strike", start[3]}},
		{name: "enlist what does not answer", bench: func(b *bench) {
			b.running()
			b.journal, b.registered, b.container.State, b.boots = entry(fleet.Kept), nil, docker.Paused, time.Hour
			b.startedAt = time.Now()
		}, op: fleet.Enlist, want: []string{"unpause", "strike", "remove", "strike"}, wantErr: "not ready within 5s", took: 5 * time.Second},
		{name: "recall", bench: func(b *bench) { b.running(); b.journal, b.registered = entry(fleet.Settled), nil }, op: fleet.Recall,
			want: []string{"recalled", "strike", start[3]}},
		{name: "recall too late", bench: func(b *bench) { b.running(); b.journal, b.registered = entry(fleet.Stopping), nil }, op: fleet.Recall,
			wantErr: "being stopped already"},
		{name: "pull", op: fleet.Pull, want: []string{"pull " + instance}},
		{name: "pull what no registry has", bench: func(b *bench) { b.deny = docker.ErrNotFound }, op: fleet.Pull,
			want: []string{"pull " + instance}, wantErr: "not found"},
		{name: "revive", bench: func(b *bench) { b.running(); b.container.State, b.lost, b.boots = docker.Exited, true, 2*time.Second }, op: fleet.Revive,
			want: []string{"start"}, took: 2 * time.Second},
		{name: "revive what runs", bench: func(b *bench) { b.running(); b.lost = true }, op: fleet.Revive},
		{name: "revive what is gone", bench: func(b *bench) { b.lost = true }, op: fleet.Revive, wantErr: "not found"},
		{name: "revive what exits", bench: func(b *bench) { b.running(); b.container.State, b.exits, b.lost = docker.Exited, true, true }, op: fleet.Revive,
			want: []string{"start"}, wantErr: "started again: exited with code 3 while booting"},
		{name: "revive what is never ready", bench: func(b *bench) { b.running(); b.container.State, b.boots, b.lost = docker.Exited, time.Hour, true }, op: fleet.Revive,
			want: []string{"start"}, wantErr: "not ready within 5s", took: 5 * time.Second},
		{name: "recall of what does not answer", bench: func(b *bench) {
			b.running()
			b.journal, b.boots, b.startedAt = entry(fleet.Journalled), time.Hour, time.Now()
		}, op: fleet.Recall, want: []string{"recalled"}, wantErr: "not ready within 2s", took: 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &bench{}
				if tt.bench != nil {
					tt.bench(b)
				}
				ended, took := b.try(t, tt.op, tt.lbs...)
				if !slices.Equal(b.done, tt.want) {
					t.Errorf("done:\n%s\nwant:\n%s", strings.Join(b.done, "\n"), strings.Join(tt.want, "\n"))
				}
				if len(ended) != 1 {
					t.Fatalf("ended = %+v, want one operation", ended)
				}
				if err := ended[0].Err; tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
					t.Errorf("error = %v, want %q", err, tt.wantErr)
				}
				if took < tt.took || took > tt.took+time.Second {
					t.Errorf("took %v, want %v and less than a second more", took, tt.took)
				}
			})
		})
	}
}

// The journal says of an instance that it goes because it fails its check, in every phase and whoever goes on with it.
func TestJournalSaysWhatFails(t *testing.T) {
	t.Parallel()
	for _, failing := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := &bench{}
			b.running()
			b.balancer = func(string) (bool, error) { return false, errors.New("no route") }
			pool := spec.Pool{Stack: "t", Name: "cse", Balancers: []string{"http://lb"}, Service: spec.Service{Name: "cse", Port: 8080, DrainTimeout: spec.Duration(time.Minute)}}
			for n, op := range []fleet.Op{{Kind: fleet.Drain, Instance: instance, Failing: failing}, {Kind: fleet.Drain, Instance: instance}} {
				if n == 1 {
					b.balancer = func(string) (bool, error) { return true, nil }
					b.stops = time.Minute
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				a := &Actor{Engine: b, Consul: b, HTTP: &http.Client{Transport: b}, Term: b, Log: hclog.NewNullLogger()}
				a.Do(pool, "new", []fleet.Op{op})
				time.AfterFunc(5*time.Second, func() {
					b.mu.Lock()
					defer b.mu.Unlock()
					if e := fleet.ReadEntry(b.journal.Value); e.Failing != failing || e.Phase != []fleet.Phase{fleet.Deregistered, fleet.Stopping}[n] {
						t.Errorf("entry = %+v, want failing %t", e, failing)
					}
				})
				a.Run(ctx)
				cancel()
			}
		})
	}
}

// Without the right to act nothing is done, and it is nobody's failure.
func TestLostTermEndsOperations(t *testing.T) {
	t.Parallel()
	for _, kind := range []fleet.OpKind{fleet.Start, fleet.Adopt, fleet.Drain, fleet.Remove, fleet.Warm, fleet.Enlist, fleet.Recall, fleet.Pull} {
		synctest.Test(t, func(t *testing.T) {
			b := &bench{lost: true}
			b.running()
			if kind == fleet.Start {
				b.container = nil
			}
			if ended, _ := b.try(t, kind); len(ended) > 0 || len(b.done) > 0 {
				t.Errorf("%s did %v and ended %+v, want nothing", kind, b.done, ended)
			}
		})
	}
}

// Consul's silence is not an instance's fault: it is registered when Consul answers.
func TestRegistrationIsInsistedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{deny: consul.ErrUnavailable}
		time.AfterFunc(time.Minute, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.deny = nil
		})
		ended, took := b.try(t, fleet.Start)
		if len(ended) != 1 || ended[0].Err != nil || took < time.Minute || b.registered == nil {
			t.Errorf("ended %+v after %v, want it registered after a minute", ended, took)
		}
	})
}

// A drain that waits is called off; one that has begun to stop is not, and goes on.
func TestRecallDuringADrain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after time.Duration // of the recall
		want  string
	}{
		{"in time", 2 * time.Second, "journalled deregister deregistered recalled strike register"},
		{"too late", 4 * time.Second, "journalled deregister deregistered settled stopping stop remove strike"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &bench{stops: time.Minute}
				b.running()
				began := time.Now()
				b.balancer = func(string) (bool, error) {
					if time.Since(began) < 3*time.Second {
						return false, errors.New("no route")
					}
					return true, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				a := &Actor{Engine: b, Consul: b, HTTP: &http.Client{Transport: b}, Term: b, Log: hclog.NewNullLogger()}
				pool := spec.Pool{Stack: "t", Name: "cse", Balancers: []string{"http://lb"}, Template: spec.Template{Network: "net"},
					Service: spec.Service{Name: "cse", Port: 8080, DrainTimeout: spec.Duration(time.Minute), BootTimeout: spec.Duration(time.Minute)}}
				go a.Run(ctx)
				a.Do(pool, "new", []fleet.Op{{Kind: fleet.Drain, Instance: instance}})
				time.Sleep(tt.after)
				a.Do(pool, "new", []fleet.Op{{Kind: fleet.Recall, Instance: instance}})
				if op := a.Ops("cse")[instance]; op.Kind != fleet.Recall {
					t.Errorf("operation = %+v, want the recall", op)
				}
				time.Sleep(5 * time.Minute)
				b.mu.Lock()
				defer b.mu.Unlock()
				var words []string
				for _, line := range b.done {
					words = append(words, strings.Fields(line)[0])
				}
				if got := strings.Join(words, " "); got != tt.want {
					t.Errorf("done %q, want %q", got, tt.want)
				}
				if n := len(a.Ended("cse")); tt.name == "too late" && n != 2 || tt.name == "in time" && n != 1 {
					t.Errorf("%d operations ended, want the recall, and the drain if it was not called off", n)
				}
			})
		})
	}
}
