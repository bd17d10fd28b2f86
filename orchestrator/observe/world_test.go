package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
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

// world is what an observer looks at: an engine, a Consul and pages, each of which can be away.
type world struct {
	t *testing.T

	mu         sync.Mutex
	index      uint64
	topics     map[string]uint64 // newest index of each prefix and service
	changed    chan struct{}     // closed and replaced when anything in Consul changes
	kv         map[string]consul.KV
	registered map[string]consul.Instance
	boxes      map[string]docker.Container // by name
	listeners  map[chan docker.Event]bool
	pages      map[string]func(*http.Request) (string, error) // by URL, or by URL up to and with the ? of its query
	asked      map[string]int                                 // requests, by URL
	lists      int                                            // of containers
	listing    func()                                         // called when a list is made and not delivered yet; may be nil
	absent     map[string]bool                                // images that the engine does not have
	looks      int                                            // at images
	inspected  int
	consulAway bool
	engineAway bool
	wakes      []time.Duration // when the loop was woken
	began      time.Time
}

// observed runs a scene beside an observer of the world, on a fake clock.
func observed(t *testing.T, scene func(w *world, o *Observer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{
			t: t, topics: map[string]uint64{}, changed: make(chan struct{}), index: 1, kv: map[string]consul.KV{},
			registered: map[string]consul.Instance{}, boxes: map[string]docker.Container{}, listeners: map[chan docker.Event]bool{},
			pages: map[string]func(*http.Request) (string, error){}, asked: map[string]int{}, absent: map[string]bool{}, began: time.Now(),
		}
		o := &Observer{
			Stack: "t", Engine: w, Consul: w, HTTP: &http.Client{Transport: w}, Poll: 250 * time.Millisecond, Scrape: time.Second,
			Wake: func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.wakes = append(w.wakes, time.Since(w.began))
			}, Log: hclog.NewNullLogger(),
		}
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		scene(w, o)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) touch(topic string) {
	w.index++
	w.topics[topic] = w.index
	close(w.changed)
	w.changed = make(chan struct{})
}

func topicOf(key string) string {
	for _, prefix := range []string{spec.PoolsKey("t"), spec.AllDrainsKey("t"), spec.OverridesKey("t")} {
		if strings.HasPrefix(key, prefix) {
			return prefix
		}
	}
	return key
}

// put writes a key; no text deletes it.
func (w *world) put(key, text string) {
	w.do(func() {
		w.touch(topicOf(key))
		if text == "" {
			delete(w.kv, key)
			return
		}
		w.kv[key] = consul.KV{Key: key, Value: []byte(text), ModifyIndex: w.index}
	})
}

// declare writes a pool's document: the pool cse unless change names another.
func (w *world) declare(change func(*spec.Pool)) {
	p := spec.Pool{
		Stack: "t", Name: "cse", Template: spec.Template{Image: "cse:1", Network: "net", CPUs: 1}, Service: spec.Service{Port: 80},
		Policy: spec.Policy{Min: 1, Max: 10, TargetUtilisation: 0.5}, Balancers: []string{"http://lb"},
	}
	if change != nil {
		change(&p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(spec.PoolKey("t", p.Name), string(text))
}

// boot makes an instance that runs, is registered and passes its check.
func (w *world) boot(pool string, number int) (name string) {
	name = spec.InstanceName("t", pool, number)
	w.do(func() {
		c := docker.Container{
			ID: "id-" + name, Name: name, State: docker.Running, StartedAt: time.Now(), IPs: map[string]string{"net": addressOf(number)},
			Labels: map[string]string{spec.LabelStack: "t", spec.LabelRole: spec.RoleInstance, spec.LabelPool: pool, spec.LabelTemplate: "a"},
		}
		w.boxes[name] = c
		w.emit(docker.ActionStart, c)
		w.registered[name] = consul.Instance{
			ID: name, Service: pool, Address: addressOf(number), Passing: true, AgentAlive: true,
			Meta: map[string]string{spec.MetaStack: "t", spec.MetaPool: pool},
		}
		w.touch("service/" + pool)
	})
	return name
}

func addressOf(number int) string { return "10.0.0." + strconv.Itoa(number) }

func pageOf(number int) string { return "http://" + addressOf(number) + ":80/metrics" }

// pass says whether an instance passes its check.
func (w *world) pass(name string, passing bool) {
	w.do(func() {
		r := w.registered[name]
		r.Passing = passing
		w.registered[name] = r
		w.touch("service/" + r.Service)
	})
}

// happen changes a container and tells of it; a destroyed one is gone.
func (w *world) happen(action docker.Action, name string, change func(*docker.Container)) {
	w.do(func() {
		c := w.boxes[name]
		if change != nil {
			change(&c)
		}
		if w.boxes[name] = c; action == docker.ActionDestroy {
			delete(w.boxes, name)
		}
		w.emit(action, c)
	})
}

func (w *world) emit(action docker.Action, c docker.Container) {
	for l := range w.listeners {
		l <- docker.Event{Action: action, ContainerID: c.ID, Name: c.Name, Labels: c.Labels, ExitCode: c.ExitCode}
	}
}

// serve answers a URL with a text.
func (w *world) serve(url string, text func() string) {
	w.do(func() { w.pages[url] = func(*http.Request) (string, error) { return text(), nil } })
}

// snapshot is the pool's snapshot now, which must be known.
func (w *world) snapshot(o *Observer, pool string) fleet.Snapshot {
	w.t.Helper()
	synctest.Wait()
	s, err := o.Snapshot(pool, nil, time.Now())
	if err != nil {
		w.t.Fatalf("snapshot: %v", err)
	}
	return s
}

// states are the instances as text: "cse-1 ready cse-2 dead".
func states(s fleet.Snapshot) string {
	var words []string
	for _, i := range s.Instances {
		words = append(words, strings.TrimPrefix(i.Name, "viot-t-"), string(i.State))
	}
	return strings.Join(words, " ")
}

func (w *world) engine(ctx context.Context, call func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.engineAway:
		return fmt.Errorf("call the engine: %w", docker.ErrUnavailable)
	}
	call()
	return nil
}

func (w *world) ListContainers(ctx context.Context, labels map[string]string) (list []docker.Container, err error) {
	err = w.engine(ctx, func() {
		w.lists++
		for _, c := range w.boxes {
			if c.Labels[spec.LabelStack] == labels[spec.LabelStack] {
				c.StartedAt, c.ExitCode = time.Time{}, 0
				list = append(list, c)
			}
		}
	})
	w.mu.Lock()
	listing := w.listing
	w.mu.Unlock()
	if listing != nil {
		listing()
	}
	return list, err
}

func (w *world) InspectContainer(ctx context.Context, id string) (c docker.Container, err error) {
	found := false
	err = w.engine(ctx, func() {
		w.inspected++
		for _, b := range w.boxes {
			if b.ID == id {
				c, found = b, true
			}
		}
	})
	if err == nil && !found {
		err = docker.ErrNotFound
	}
	return c, err
}

func (w *world) InspectImage(ctx context.Context, reference string) (i docker.Image, err error) {
	missing := false
	err = w.engine(ctx, func() {
		w.looks++
		missing = w.absent[reference]
	})
	if err == nil && missing {
		err = docker.ErrNotFound
	}
	return i, err
}

func (w *world) Info(ctx context.Context) (i docker.Info, err error) {
	err = w.engine(ctx, func() { i = docker.Info{Name: "host", CPUs: 8, MemoryBytes: 16 << 30} })
	return i, err
}

func (w *world) Events(ctx context.Context, _ map[string]string, handle func(docker.Event)) error {
	events := make(chan docker.Event, 20_000)
	if err := w.engine(ctx, func() { w.listeners[events] = true }); err != nil {
		return err
	}
	defer w.do(func() { delete(w.listeners, events) })
	handle(docker.Event{Action: docker.ActionSubscribed})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			if e.Action == "" {
				return docker.ErrUnavailable
			}
			handle(e)
		}
	}
}

// block returns when topic has changed since index, at the latest after wait.
func (w *world) block(ctx context.Context, topic string, index uint64, wait time.Duration, read func()) (uint64, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for expired := false; ; {
		w.mu.Lock()
		changed, away, newest := w.changed, w.consulAway, max(w.topics[topic], 1)
		if answers := !away && (index == 0 || newest > index || expired); answers {
			read()
			changed = nil
		}
		w.mu.Unlock()
		switch {
		case away:
			return 0, fmt.Errorf("call consul: %w", consul.ErrUnavailable)
		case changed == nil:
			return newest, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timeout.C:
			expired = true
		case <-changed:
		}
	}
}

// consul takes Consul away or brings it back; queries that wait notice at once.
func (w *world) consul(away bool) {
	w.do(func() {
		w.consulAway = away
		w.touch("")
	})
}

func (w *world) WatchPrefix(ctx context.Context, prefix string, index uint64, wait time.Duration) (kvs []consul.KV, next uint64, err error) {
	next, err = w.block(ctx, prefix, index, wait, func() {
		for key, kv := range w.kv {
			if strings.HasPrefix(key, prefix) {
				kvs = append(kvs, kv)
			}
		}
	})
	slices.SortFunc(kvs, func(a, b consul.KV) int { return strings.Compare(a.Key, b.Key) })
	return kvs, next, err
}

func (w *world) Instances(ctx context.Context, service string, index uint64, wait time.Duration) (list []consul.Instance, next uint64, err error) {
	next, err = w.block(ctx, "service/"+service, index, wait, func() {
		for _, i := range w.registered {
			if i.Service == service {
				list = append(list, i)
			}
		}
	})
	slices.SortFunc(list, func(a, b consul.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list, next, err
}

// RoundTrip answers for instances, balancers and signals.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked[r.URL.String()]++
	page := w.pages[r.URL.String()]
	if before, _, query := strings.Cut(r.URL.String(), "?"); query && page == nil {
		page = w.pages[before+"?"]
	}
	w.mu.Unlock()
	if page == nil {
		return nil, errors.New("connection refused")
	}
	text, err := page(r)
	if err != nil {
		return nil, err
	}
	response := &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}, Request: r}
	if to, ok := strings.CutPrefix(text, "redirect "); ok {
		response.StatusCode, response.Status = http.StatusFound, "302 Found"
		response.Header.Set("Location", to)
	}
	return response, nil
}

// hangs is a page that never answers.
func hangs(r *http.Request) (string, error) {
	<-r.Context().Done()
	return "", r.Context().Err()
}
