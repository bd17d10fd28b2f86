package balancer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/observe"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/testkit"
)

// bare is an engine without containers.
type bare struct{}

func (bare) ListContainers(context.Context, map[string]string) ([]docker.Container, error) {
	return nil, nil
}
func (bare) InspectContainer(context.Context, string) (docker.Container, error) {
	return docker.Container{}, docker.ErrNotFound
}
func (bare) InspectImage(context.Context, string) (docker.Image, error) { return docker.Image{}, nil }
func (bare) Info(context.Context) (docker.Info, error) {
	return docker.Info{Name: "host", CPUs: 2}, nil
}
func (bare) Events(ctx context.Context, _ map[string]string, handle func(docker.Event)) error {
	handle(docker.Event{Action: docker.ActionSubscribed})
	<-ctx.Done()
	return ctx.Err()
}

// frozen passes questions on, but once it is frozen it answers each reading of the counters with what the last one said:
// then only what is pushed is new.
type frozen struct {
	http.RoundTripper
	frozen atomic.Bool
	last   atomic.Pointer[[]byte]
}

func (f *frozen) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.frozen.Load() && r.URL.RawQuery == "" {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(*f.last.Load())), Request: r}, nil
	}
	response, err := f.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.RawQuery != "" {
		return response, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	f.last.Store(&text)
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, err
}

// observer is an orchestrator's observer of the world, running.
type observer struct {
	*observe.Observer
	w        *world
	counters *frozen
	wakes    chan time.Time
}

func (w *world) observe() *observer {
	w.t.Helper()
	p := spec.Pool{
		Stack: stack, Name: pool, Template: spec.Template{Image: "cse:1", Network: "net"}, Service: spec.Service{Port: 80},
		Policy: spec.Policy{Max: 10, TargetUtilisation: 0.5}, Balancers: []string{w.api.URL},
	}
	text, err := json.Marshal(p)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.consul.Put(w.t.Context(), spec.PoolKey(stack, pool), text); err != nil {
		w.t.Fatal(err)
	}
	o := &observer{w: w, counters: &frozen{RoundTripper: &http.Transport{}}, wakes: make(chan time.Time, 1)}
	o.Observer = &observe.Observer{
		Stack: stack, Engine: bare{}, Consul: w.consul, HTTP: &http.Client{Transport: o.counters}, Log: hclog.NewNullLogger(),
		Poll: 250 * time.Millisecond, Scrape: time.Second,
		Wake: func() {
			select {
			case o.wakes <- time.Now():
			default:
			}
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(running.Wait)
	w.t.Cleanup(cancel)
	return o
}

// held is how many requests are held, as far as is known.
func (o *observer) held() (int, error) {
	s, err := o.Snapshot(pool, nil, time.Now())
	if err == nil && !s.Arrivals.Complete {
		err = errors.New("arrivals are not counted")
	}
	return s.Arrivals.Held, err
}

// rests waits until it is known that nothing is held.
func (o *observer) rests() {
	o.w.t.Helper()
	eventually(o.w.t, "the pool is known to be at rest", func() error {
		n, err := o.held()
		if err == nil && n > 0 {
			err = fmt.Errorf("%d are held", n)
		}
		return err
	})
}

// woken waits until the loop is woken with requests held, and says when that was.
func (o *observer) woken() time.Time {
	o.w.t.Helper()
	limit := time.After(deadline)
	for {
		select {
		case <-limit:
			o.w.t.Fatal("a request that is held does not wake the loop")
		case at := <-o.wakes:
			if n, err := o.held(); err == nil && n > 0 {
				return at
			}
		}
	}
}

// TestFirstRequestWakes has a request held at a pool without an instance while the counters tell nothing new.
func TestFirstRequestWakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.observe()
	o.rests()
	o.counters.frozen.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	asked.Go(func() { w.abandoned(ctx) })
	o.woken()
}

// abandoned sends one request through HAProxy and waits for its answer until ctx ends.
func (w *world) abandoned(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.haproxy.Address+"/", nil)
	if err != nil {
		w.t.Error(err)
		return
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if response, err := client.Do(r); err == nil {
		response.Body.Close()
	}
}

// BenchmarkWake measures, at a pool that has no instance: from the first request to the loop's being woken by it. The
// requests come at all times between two readings of the counters. -benchtime 50x makes 50 of them.
func BenchmarkWake(b *testing.B) {
	w := newWorld(b, "SERVICE 30 2000", "cse 1 2000") // who went away is held for a second more
	o := w.observe()
	var took []time.Duration
	for b.Loop() {
		o.rests()
		time.Sleep(o.Poll + o.Poll*time.Duration(len(took)*7%25)/25) // when in between is what is varied, not waited for
		ctx, cancel := context.WithCancel(b.Context())
		var asked sync.WaitGroup
		began := time.Now()
		asked.Go(func() { w.abandoned(ctx) })
		took = append(took, o.woken().Sub(began))
		cancel()
		asked.Wait()
	}
	root, err := testkit.Root()
	if err != nil {
		b.Fatal(err)
	}
	if err := figure.Print(root, "lb-wake", figure.Spread(took)...); err != nil {
		b.Fatal(err)
	}
}
