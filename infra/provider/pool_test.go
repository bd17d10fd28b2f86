package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/spec"
)

// orchestrator is a small one: it keeps the least number of instances of the current template and reports.
type orchestrator struct {
	t       *testing.T
	engine  *docker.Client
	consul  *consul.Client
	stack   string
	problem string   // reported instead of starting anything that stays
	command []string // of the instances
}

// start lets o lead until stop is called or the test ends.
func (o *orchestrator) start() (stop func()) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	session, err := o.consul.CreateSession(ctx, "test", 10*time.Second)
	if err != nil {
		o.t.Fatal(err)
	}
	if ok, err := o.consul.Acquire(ctx, spec.LeaderKey(o.stack), nil, session); err != nil || !ok {
		o.t.Fatalf("got %t (%v), want to lead", ok, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for index := uint64(0); ctx.Err() == nil; {
			kv, next, err := o.consul.WatchKey(ctx, spec.PoolKey(o.stack, "svc"), index, time.Second)
			if index = next; err != nil {
				continue // there is no pool, or the test is over
			}
			if err := o.round(ctx, kv); err != nil && ctx.Err() == nil {
				o.t.Errorf("orchestrator: %v", err)
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		if err := o.consul.DestroySession(context.WithoutCancel(ctx), session); err != nil && !errors.Is(err, consul.ErrUnavailable) {
			o.t.Errorf("orchestrator: %v", err)
		}
	})
	o.t.Cleanup(stop)
	return stop
}

func (o *orchestrator) round(ctx context.Context, kv consul.KV) error {
	pool, err := spec.ParsePool(kv.Value)
	if err != nil {
		return err
	}
	hash := pool.Template.Hash()
	status := spec.Status{Pool: pool.Name, ObservedIndex: kv.ModifyIndex, Template: hash, Desired: pool.Policy.Min, Problem: o.problem, Cause: "below min", UpdatedAt: time.Now()}
	if !pool.Deleting {
		have, err := o.engine.ListContainers(ctx, map[string]string{spec.LabelStack: o.stack, spec.LabelPool: pool.Name})
		if err != nil {
			return err
		}
		number := 1
		for _, c := range have {
			n, _ := spec.InstanceNumber(o.stack, pool.Name, c.Name)
			number = max(number, n+1)
			if c.Labels[spec.LabelTemplate] == hash {
				status.Ready++
				continue
			}
			if err := errors.Join(o.consul.Deregister(ctx, c.Name), o.engine.RemoveContainer(ctx, c.ID)); err != nil {
				return err
			}
		}
		for ; status.Ready < pool.Policy.Min; status.Ready++ {
			if err := o.launch(ctx, pool, number+status.Ready); err != nil {
				return err
			}
		}
		if o.problem != "" {
			status.Ready = 0
		}
		status.Updated = status.Ready
	}
	text, err := json.Marshal(status)
	if err != nil {
		return err
	}
	return o.consul.Put(ctx, spec.StatusKey(o.stack, pool.Name), text)
}

func (o *orchestrator) launch(ctx context.Context, pool spec.Pool, number int) error {
	name := spec.InstanceName(o.stack, pool.Name, number)
	id, err := o.engine.CreateContainer(ctx, docker.ContainerSpec{
		Name: name, Image: pool.Template.Image, Command: o.command, Network: pool.Template.Network,
		Labels: map[string]string{spec.LabelStack: o.stack, spec.LabelPool: pool.Name, spec.LabelRole: spec.RoleInstance, spec.LabelTemplate: pool.Template.Hash()},
	})
	if err != nil {
		return err
	}
	if err := o.engine.StartContainer(ctx, id); err != nil {
		return err
	}
	return register(ctx, o.consul, o.stack, name)
}

// register registers an instance of pool svc.
func register(ctx context.Context, client *consul.Client, stack, name string) error {
	return client.Register(ctx, consul.Registration{
		ID: name, Service: "svc", Address: "127.0.0.1", Port: 8080, ReadinessURL: "http://127.0.0.1:1/", Interval: time.Minute,
		Meta: map[string]string{spec.MetaStack: stack, spec.MetaPool: "svc"},
	})
}

// poolWorld is what a pool needs around it.
type poolWorld struct {
	*orchestrator
	registry *resourceTest // the Consul container
	pool     *resourceTest
	in       inputs
}

func newPoolWorld(t *testing.T) *poolWorld {
	t.Helper()
	server, engine, stack := open(t)
	network := newResource(t, server, "Network")
	network.must("create", inputs{"stack": stack, "name": "viot-" + stack})
	registry, client, address := startConsul(t, server, engine, stack)
	return &poolWorld{
		orchestrator: &orchestrator{t: t, engine: engine, consul: client, stack: stack},
		registry:     registry,
		pool:         newResource(t, server, "Pool"),
		in: inputs{
			"stack": stack, "name": "svc", "consulAddress": address, "waitTimeout": "60s",
			"template": inputs{"image": dockertest.Probe(t, engine, stack), "network": "viot-" + stack, "stopGrace": "1s"},
			"service":  inputs{"port": 8080, "drainTimeout": "20s"},
			"policy":   inputs{"min": 2, "max": 4, "targetUtilisation": 0.7},
		},
	}
}

// instances are the names of the pool's containers.
func (w *poolWorld) instances() []string {
	w.t.Helper()
	list, err := w.engine.ListContainers(w.t.Context(), map[string]string{spec.LabelStack: w.stack, spec.LabelPool: "svc"})
	if err != nil {
		w.t.Fatal(err)
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names
}

// document is the pool's document; ok is false when there is none.
func (w *poolWorld) document() (d spec.Pool, ok bool) {
	w.t.Helper()
	kv, err := w.consul.Get(w.t.Context(), spec.PoolKey(w.stack, "svc"))
	if errors.Is(err, consul.ErrNotFound) {
		return spec.Pool{}, false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if d, err = spec.ParsePool(kv.Value); err != nil {
		w.t.Fatal(err)
	}
	return d, true
}

// nothingLeft wants no instance, key or registration of the pool.
func (w *poolWorld) nothingLeft() {
	w.t.Helper()
	if names := w.instances(); len(names) > 0 {
		w.t.Errorf("instances left: %q", names)
	}
	keys, err := w.consul.List(w.t.Context(), spec.RootKey(w.stack))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, kv := range keys {
		if kv.Key != spec.LeaderKey(w.stack) {
			w.t.Errorf("key left: %s", kv.Key)
		}
	}
	registered, _, err := w.consul.Instances(w.t.Context(), "svc", 0, 0)
	if err != nil || len(registered) > 0 {
		w.t.Errorf("registrations left: %+v (%v)", registered, err)
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	ctx := t.Context()
	checked, err := w.pool.check(w.pool.props(w.in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.server.Create(createPreview(w.pool, checked)); err != nil {
		t.Fatal(err)
	}
	if _, there := w.document(); there {
		t.Error("a preview wrote the document")
	}

	stop := w.start()
	w.pool.must("create", w.in)
	if d, _ := w.document(); d.Policy.Max != 4 || d.Service.ReadinessPath != "/readyz" || len(w.instances()) != 2 {
		t.Errorf("got %+v and %q, want the pool as declared with 2 instances", d, w.instances())
	}
	w.pool.must("same", w.in)
	if w.pool.refresh() {
		t.Fatal("a pool that is there was refreshed away")
	}
	w.pool.must("same", w.in)

	w.in["policy"] = inputs{"min": 1, "max": 6, "targetUtilisation": 0.7}
	w.pool.must("update policy", w.in)
	before := w.instances()
	w.in["template"] = with(w.in["template"].(inputs), inputs{"env": inputs{"COLOUR": "blue"}})
	w.pool.must("update template", w.in)
	for _, name := range w.instances() {
		for _, old := range before {
			if name == old {
				t.Errorf("%s is of the old template, and the update is over", name)
			}
		}
	}

	d, _ := w.document()
	d.Policy.Max = 99
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.consul.Put(ctx, spec.PoolKey(w.stack, "svc"), text); err != nil {
		t.Fatal(err)
	}
	w.pool.refresh()
	w.pool.must("update policy", w.in)
	if d, _ := w.document(); d.Policy.Max != 6 {
		t.Errorf("got max %d after the repair, want 6", d.Policy.Max)
	}
	if err := w.consul.Delete(ctx, spec.PoolKey(w.stack, "svc")); err != nil {
		t.Fatal(err)
	}
	if !w.pool.refresh() {
		t.Error("a pool whose document is gone was not refreshed away")
	}
	w.pool.must("create", w.in)

	imported := newResource(t, w.pool.server, "Pool")
	if err := imported.adopt(w.stack + "/svc"); err != nil {
		t.Fatal(err)
	}
	imported.must("update waitTimeout", w.in) // which only Pulumi knows
	stop()
	w.pool.must("same", w.in)
	for range 2 {
		again := *w.pool
		if err := again.delete(); err != nil {
			t.Fatal(err)
		}
	}
	w.nothingLeft()
	if !w.pool.refresh() {
		t.Error("a deleted pool was not refreshed away")
	}
}

// TestPoolDeletionLosesNoRequest deletes a pool under a living orchestrator and a balancer that is slow to drain: no
// instance is stopped before the balancer says so, and none is asked about before it is out of Consul.
func TestPoolDeletionLosesNoRequest(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	var mu sync.Mutex
	asked := map[string]int{}
	companion := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/v1/servers/")
		c, err := w.engine.InspectContainer(r.Context(), name)
		if err != nil || c.State != docker.Running {
			t.Errorf("%s is %s (%v) while it is being drained", name, c.State, err)
		}
		registered, _, err := w.consul.Instances(r.Context(), "svc", 0, 0)
		if err != nil || len(registered) > 0 {
			t.Errorf("%+v (%v) are registered while %s is being drained", registered, err, name)
		}
		mu.Lock()
		defer mu.Unlock()
		asked[name]++
		fmt.Fprintf(rw, `{"name":%q,"drained":%t}`, name, asked[name] >= 3)
	}))
	t.Cleanup(companion.Close)
	alias := newResource(t, w.pool.server, "Container")
	alias.must("create", with(probeInputs(t, w.engine, w.stack), inputs{"network": "viot-" + w.stack, "aliases": []any{"companion"}}))
	w.in["balancers"] = []any{companion.URL, "http://companion:8080"}
	w.start()
	w.pool.must("create", w.in)
	stray := spec.InstanceName(w.stack, "svc", 77) // registered, and its container is gone
	if err := register(t.Context(), w.consul, w.stack, stray); err != nil {
		t.Fatal(err)
	}
	names := w.instances()
	if err := w.pool.delete(); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
	log, err := w.engine.Logs(t.Context(), alias.id, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if asked[name] < 3 {
			t.Errorf("%s was stopped after %d answers, want it to wait for the third", name, asked[name])
		}
		if !strings.Contains(strings.Join(log, "\n"), name) {
			t.Errorf("the companion behind an alias was not asked about %s: %q", name, log)
		}
	}
}

func TestPoolDeletionWithoutConsul(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	stop := w.start()
	w.pool.must("create", w.in)
	stop()
	if err := w.registry.delete(); err != nil {
		t.Fatal(err)
	}
	if err := w.pool.delete(); err != nil {
		t.Fatal(err)
	}
	if names := w.instances(); len(names) > 0 {
		t.Errorf("instances left: %q", names)
	}
}

// TestPoolDeletionCancelled cancels while an instance is being drained: the pool is still recorded, so it is given back
// to the orchestrator.
func TestPoolDeletionCancelled(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	companion := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `{"drained":false}`)
		go w.pool.server.Cancel()
	}))
	t.Cleanup(companion.Close)
	w.in["balancers"] = []any{companion.URL}
	w.start()
	w.pool.must("create", w.in)
	if err := w.pool.delete(); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want a cancellation", err)
	}
	if d, there := w.document(); !there || d.Deleting {
		t.Errorf("got %+v, want the pool's document as declared", d)
	}
	w.in["balancers"] = nil
	w.pool.server = serve(t, t.Context())
	w.pool.must("update balancers", w.in)
	if err := w.pool.delete(); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
}

func TestPoolThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	w.in["waitTimeout"] = "300ms"
	w.pool.fails(w.in, "the orchestrator has not reported for 300ms: is it running?", "has no orchestrator container")
	if w.pool.id == "" || w.pool.text("status") != "pending" {
		t.Errorf("got %v, want the pool recorded as pending", w.pool.state)
	}

	w.problem, w.command = "svc-1 ended before it was ready", []string{"-say", "out of luck", "-exit", "1"}
	stop := w.start()
	w.in["waitTimeout"] = "15s"
	w.pool.fails(w.in, "pool svc is not as declared after 15s: 0 of 2 instances ready: svc-1 ended before it was ready", "last decision: below min", "out of luck")
	stop()

	w.problem, w.command = "", nil
	for _, name := range w.instances() {
		if err := w.engine.RemoveContainer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	w.pool.must("update status", w.in)
	if got := w.pool.text("status"); got != "ready" {
		t.Errorf("got status %q, want ready", got)
	}
	if err := w.pool.delete(); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
}

// TestPoolCancelled cancels while the orchestrator has yet to bring the pool up.
func TestPoolCancelled(t *testing.T) {
	t.Parallel()
	w := newPoolWorld(t)
	checked, err := w.pool.check(w.pool.props(w.in))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- w.pool.create(checked) }()
	for {
		if _, there := w.document(); there {
			break
		}
	}
	if err := w.pool.server.Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "the next update goes on waiting") {
		t.Errorf("got %v, want it to say how to go on", err)
	}
	if w.pool.id == "" {
		t.Fatal("the pool is not recorded")
	}
	w.pool.server = serve(t, t.Context())
	w.start()
	w.pool.must("update status", w.in)
	if err := w.pool.delete(); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
}
