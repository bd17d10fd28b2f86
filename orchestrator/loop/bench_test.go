package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
	"github.com/viot-project/viot/orchestrator/observe"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/testkit"
)

const (
	poolSize   = 50  // instances of a pool
	benchRPS   = 10  // requests per second of an instance: far from what it can do
	benchSpan  = 10  // seconds that are measured
	benchHeap  = 300 // MB, the most that may be in use
	benchRound = 250 * time.Millisecond
)

// town is many pools at rest, each with its load: an engine, a Consul and pages, all in this process's memory. It is
// fixed but for time, of which the counters are a function.
type town struct {
	began      time.Time
	names      []string
	containers []docker.Container
	byID       map[string]docker.Container
	documents  []consul.KV
	registered map[string][]consul.Instance // by service
}

// newTown makes n instances in pools of at most poolSize.
func newTown(b *testing.B, n int) *town {
	now := time.Now()
	t := &town{began: now, byID: map[string]docker.Container{}, registered: map[string][]consul.Instance{}}
	for made := 0; made < n; {
		size := min(poolSize, n-made)
		name := fmt.Sprintf("p%03d", len(t.names))
		p := spec.Pool{
			Stack: stack, Name: name, Template: spec.Template{Image: "cse:1", Network: "net", CPUs: 1, MemoryBytes: 64 << 20},
			Service: spec.Service{Port: port}, Balancers: []string{"http://lb"},
			Policy: spec.Policy{Min: size, Max: 2 * size, TargetUtilisation: 0.5},
		}
		text, err := json.Marshal(p)
		if err != nil {
			b.Fatal(err)
		}
		t.documents = append(t.documents, consul.KV{Key: spec.PoolKey(stack, name), Value: text, ModifyIndex: 1})
		parsed, err := spec.ParsePool(text)
		if err != nil {
			b.Fatal(err)
		}
		for number := 1; number <= size; number++ {
			made++
			instance, address := spec.InstanceName(stack, name, number), fmt.Sprintf("10.%d.%d.%d", made>>16, made>>8&255, made&255)
			c := docker.Container{
				ID: "id-" + instance, Name: instance, State: docker.Running, StartedAt: now, IPs: map[string]string{"net": address},
				Labels: map[string]string{spec.LabelStack: stack, spec.LabelRole: spec.RoleInstance, spec.LabelPool: name, spec.LabelTemplate: parsed.Template.Hash()},
			}
			t.containers, t.byID[c.ID] = append(t.containers, c), c
			t.registered[name] = append(t.registered[name], consul.Instance{
				ID: instance, Service: name, Address: address, Passing: true, AgentAlive: true,
				Meta: map[string]string{spec.MetaStack: stack, spec.MetaPool: name},
			})
		}
		t.names = append(t.names, name)
	}
	return t
}

// requests is what an instance has counted by now.
func (t *town) requests() float64 { return benchRPS * time.Since(t.began).Seconds() }

func (t *town) ListContainers(context.Context, map[string]string) ([]docker.Container, error) {
	list := make([]docker.Container, len(t.containers))
	for i, c := range t.containers {
		c.StartedAt = time.Time{} // a list does not tell
		list[i] = c
	}
	return list, nil
}

func (t *town) InspectContainer(_ context.Context, id string) (docker.Container, error) {
	c, ok := t.byID[id]
	if !ok {
		return c, docker.ErrNotFound
	}
	return c, nil
}

func (t *town) InspectImage(context.Context, string) (docker.Image, error) {
	return docker.Image{}, nil
}

func (t *town) Info(context.Context) (docker.Info, error) {
	return docker.Info{Name: "host", CPUs: 4096, MemoryBytes: 4 << 40}, nil
}

func (t *town) Events(ctx context.Context, _ map[string]string, handle func(docker.Event)) error {
	handle(docker.Event{Action: docker.ActionSubscribed})
	<-ctx.Done()
	return ctx.Err()
}

// wait returns at once when index is 0; nothing changes later.
func (t *town) wait(ctx context.Context, index uint64, most time.Duration) {
	if index == 0 {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (t *town) WatchPrefix(ctx context.Context, prefix string, index uint64, most time.Duration) ([]consul.KV, uint64, error) {
	t.wait(ctx, index, most)
	if prefix == spec.PoolsKey(stack) {
		return t.documents, 1, nil
	}
	return nil, 1, nil
}

func (t *town) Instances(ctx context.Context, name string, index uint64, most time.Duration) ([]consul.Instance, uint64, error) {
	t.wait(ctx, index, most)
	return t.registered[name], 1, nil
}

// RoundTrip answers for the balancer and for instances.
func (t *town) RoundTrip(r *http.Request) (*http.Response, error) {
	n := t.requests()
	var text strings.Builder
	if name, ok := strings.CutPrefix(r.URL.Path, "/v1/services/"); ok {
		number := strconv.FormatFloat(n, 'f', 0, 64)
		text.WriteString(`{"arrivals":` + strconv.FormatFloat(n*float64(len(t.registered[name])), 'f', 0, 64) + `,"servers":{`)
		for i, at := range t.registered[name] {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(`"` + at.ID + `":{"requests":` + number + `}`)
		}
		text.WriteString("}}")
	} else {
		text.WriteString("# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} " + strconv.FormatFloat(n, 'f', 0, 64) +
			"\nhttp_requests_in_flight 1\nprocess_cpu_seconds_total " + strconv.FormatFloat(n*work, 'f', 3, 64) + "\n")
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(text.String())), Request: r}, nil
}

// Get is a Store in which nobody left anything.
func (t *town) Get(context.Context, string) (consul.KV, error) {
	return consul.KV{}, consul.ErrNotFound
}

// Write is a Term that keeps nothing.
func (t *town) Write(ctx context.Context, _ ...fleet.Write) error { return ctx.Err() }

// still is an Actor that has nothing to do, and notes when it is given something.
type still struct {
	mu    sync.Mutex
	given []fleet.Op
}

func (s *still) Do(_ spec.Pool, _ string, ops []fleet.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, ops...)
}
func (s *still) Ops(string) map[string]fleet.OpState { return nil }
func (s *still) Ended(string) []fleet.Ended          { return nil }
func (s *still) Abandon(string) bool                 { return true }

// BenchmarkRound measures rounds of a running orchestrator with 10 to 10,000 instances, on one core: an observer that reads
// every instance's page once a second and the balancer's counts four times, and a loop that decides for all pools and
// writes what is due. Engine, Consul and pages answer at once, from memory. What a round takes is measured as it passes, and so
// includes what the observer does meanwhile.
func BenchmarkRound(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	root, err := testkit.Root()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, n := range []int{10, 100, 1000, 10_000} {
			took, heap := rounds(b, n)
			values := append(figure.Spread(took), figure.Seconds("first", took[0]), figure.Text("heap", strconv.FormatFloat(heap, 'f', 0, 64)+"MB"))
			if err := figure.Print(root, "round-"+strconv.Itoa(n), values...); err != nil {
				b.Fatal(err)
			}
			if heap > benchHeap {
				b.Errorf("%d instances: %.0f MB of heap are in use at most, want %d or fewer", n, heap, benchHeap)
			}
		}
	}
}

// rounds runs an orchestrator's observer and loop until benchSpan has passed since all is known, and returns what each round
// took and the largest heap after any, garbage included, in MB.
func rounds(b *testing.B, n int) (took []time.Duration, heap float64) {
	runtime.GC()
	t, actor, wake := newTown(b, n), &still{}, NewWakeable()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	observer := &observe.Observer{
		Stack: stack, Engine: t, Consul: t, HTTP: &http.Client{Transport: t}, Poll: benchRound, Scrape: time.Second,
		Wake: wake.Wake, Log: hclog.NewNullLogger(),
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() {
		if err := observer.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; {
		<-wake
		err := t.known(observer)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
	span, done := context.WithTimeout(ctx, benchSpan*time.Second)
	defer done()
	l := &Loop{
		Stack: stack, Identity: "a", Observer: observer, Actor: actor, Store: t, Term: t, Every: benchRound, Log: hclog.NewNullLogger(),
		Took: func(d time.Duration) {
			took = append(took, d)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap = max(heap, float64(m.HeapAlloc)/1e6)
		},
	}
	if err := l.Run(span, wake); err != nil {
		b.Error(err)
	}
	if err := t.known(observer); err != nil {
		b.Errorf("in the end: %v", err)
	}
	ready := 0
	for _, p := range l.Report().Pools {
		ready += p.Status.Ready
		if p.Inputs.ArrivalsPerSecond == 0 || p.Inputs.Demand == 0 || p.Status.Problem != "" {
			b.Errorf("pool %s was not decided on by its load: %+v, problem %q", p.Status.Pool, p.Inputs, p.Status.Problem)
		}
	}
	if ready != n || len(actor.given) > 0 {
		b.Errorf("%d ready and operations %v, want %d ready and nothing to do", ready, actor.given, n)
	}
	return took, heap
}

// known says what an observer does not know yet of all there is.
func (t *town) known(o *observe.Observer) error {
	pools, ok := o.Pools()
	if !ok || len(pools) != len(t.names) {
		return errors.New("pools are not known")
	}
	for _, p := range pools {
		s, err := o.Snapshot(p.Name, nil, time.Now())
		if err != nil {
			return err
		}
		if ready := fleet.CountOf(s.Instances, s.Template).Ready; ready != len(t.registered[p.Name]) || s.Work.Fresh != ready || !s.Arrivals.Complete {
			return fmt.Errorf("pool %s: %d are ready and %d tell, want %d; arrivals %+v", p.Name, ready, s.Work.Fresh, len(t.registered[p.Name]), s.Arrivals)
		}
	}
	return nil
}
