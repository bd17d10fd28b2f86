package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide/reference"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	stack   = "t"
	service = "cse"
	other   = "other" // a second pool, without load
	port    = 8080
	work    = 0.010 // CPU seconds a request takes
	idle    = 0.002 // cores an instance uses without requests

	// listLag is how long the engine still lists a container as running after it told that it died.
	listLag = 100 * time.Millisecond
)

// world is a small working world: an engine whose containers boot and serve, a Consul that checks them, a load
// balancer that sends them what arrives and a clock to play it all on. Orchestrators reach it through clients, which
// can be cut off at any call. What must never happen it notes in wrongs.
type world struct {
	t     *testing.T
	began time.Time

	mu         sync.Mutex
	index      uint64
	topics     map[string]uint64 // newest index of each prefix and service
	changed    chan struct{}     // closed and replaced when anything in Consul changes
	kv         map[string]consul.KV
	sessions   map[string]*session
	registered map[string]*registration
	boxes      map[string]*box // by name
	listeners  map[chan docker.Event]bool
	timeline   []string // what orchestrators did, "12.3s start cse-2"
	wrongs     []string

	bootTime     time.Duration
	drainTime    time.Duration   // how long requests in flight keep an instance in use once it is taken out
	broken       map[string]bool // images whose containers exit at once
	unready      map[string]bool // images whose containers never get ready
	failing      map[string]bool // images that answer every other request with an error
	absent       map[string]bool // images that the engine does not have
	registry     map[string]bool // images that can be pulled
	shared       bool            // what all instances depend on is gone: none is ready
	consulAway   bool
	engineAway   bool
	balancerAway bool
	metricsAway  bool

	memory int64         // of the host
	skew   time.Duration // of the engine's clock

	rps      float64
	arrived  float64
	queue    float64
	servedAt time.Time
	ids      int
}

type session struct {
	name    string
	ttl     time.Duration
	renewed time.Time
}

type registration struct {
	consul.Registration
	passing bool
}

type box struct {
	id         string
	spec       docker.ContainerSpec
	state      docker.State
	startedAt  time.Time
	exitCode   int
	exitedAt   time.Time
	frozen     bool
	moved      bool // it was given another address than at first
	cpus       float64
	outAt      time.Time // when it was last taken out of service; zero while in service or never
	wasIn      bool      // it has been in service
	requests   float64
	cpuSeconds float64
}

func newWorld(t *testing.T) *world {
	now := time.Now()
	return &world{
		t: t, began: now, servedAt: now, topics: map[string]uint64{}, changed: make(chan struct{}), index: 1,
		kv: map[string]consul.KV{}, sessions: map[string]*session{}, registered: map[string]*registration{},
		boxes: map[string]*box{}, listeners: map[chan docker.Event]bool{}, broken: map[string]bool{}, unready: map[string]bool{}, failing: map[string]bool{}, absent: map[string]bool{}, registry: map[string]bool{},
		memory: 64 << 30, bootTime: 300 * time.Millisecond, drainTime: 200 * time.Millisecond,
	}
}

// run checks health once a second and ends sessions that are not renewed, until ctx ends.
func (w *world) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for id, r := range w.registered {
			if b := w.boxes[id]; r.passing != (w.ready(b) && r.reached(b)) {
				r.passing = !r.passing
				w.touch("service/" + r.Service)
			}
		}
		for id, s := range w.sessions {
			if time.Since(s.renewed) >= 2*s.ttl { // as long as a real Consul may take
				w.endSession(id)
			}
		}
		w.mu.Unlock()
	}
}

// The methods below need w.mu.

func (w *world) touch(topics ...string) uint64 {
	w.index++
	for _, topic := range topics {
		w.topics[topic] = w.index
	}
	close(w.changed)
	w.changed = make(chan struct{})
	return w.index
}

func (w *world) set(key string, value []byte, holder string) {
	index := w.touch(key, topicOf(key))
	w.kv[key] = consul.KV{Key: key, Value: value, ModifyIndex: index, Session: holder}
}

// topicOf is the prefix a key is watched by.
func topicOf(key string) string {
	for _, prefix := range []string{spec.PoolsKey(stack), spec.AllDrainsKey(stack), spec.OverridesKey(stack)} {
		if strings.HasPrefix(key, prefix) {
			return prefix
		}
	}
	return key
}

func (w *world) endSession(id string) {
	delete(w.sessions, id)
	for key, kv := range w.kv {
		if kv.Session == id {
			w.set(key, kv.Value, "")
		}
	}
}

// ready says whether a box would answer its readiness check.
func (w *world) ready(b *box) bool {
	return b != nil && b.state == docker.Running && !b.frozen && !w.shared && !w.unready[b.spec.Image] &&
		time.Since(b.startedAt) >= w.bootTime
}

// serve lets time up to now pass: what has arrived is shared out among the instances in service.
func (w *world) serve() {
	now := time.Now()
	seconds := now.Sub(w.servedAt).Seconds()
	w.servedAt = now
	w.arrived += w.rps * seconds
	w.queue += w.rps * seconds
	var serving []*box
	for id, r := range w.registered {
		b := w.boxes[id]
		if b != nil && b.state == docker.Running {
			b.cpuSeconds += idle * seconds
		}
		if r.passing && w.ready(b) && r.reached(b) {
			serving = append(serving, b)
		}
	}
	for _, b := range serving {
		done := min(w.queue/float64(len(serving)), b.cpus/work*seconds)
		b.requests += done
		b.cpuSeconds += done * work
	}
	for _, b := range serving {
		w.queue -= min(w.queue, min(w.queue, b.cpus/work*seconds))
	}
}

func (w *world) emit(action docker.Action, b *box) {
	e := docker.Event{Action: action, ContainerID: b.id, Name: b.spec.Name, Labels: b.spec.Labels, ExitCode: b.exitCode, At: time.Now()}
	for l := range w.listeners {
		l <- e
	}
}

func (w *world) wrong(format string, args ...any) {
	w.wrongs = append(w.wrongs, time.Since(w.began).String()+" "+fmt.Sprintf(format, args...))
}

func (w *world) note(what string) {
	w.timeline = append(w.timeline, time.Since(w.began).Round(10*time.Millisecond).String()+" "+strings.ReplaceAll(what, "viot-t-", ""))
}

// byID finds a container by ID or name.
func (w *world) byID(id string) *box {
	if b := w.boxes[id]; b != nil {
		return b
	}
	for _, b := range w.boxes {
		if b.id == id {
			return b
		}
	}
	return nil
}

func (w *world) exit(b *box, code int) {
	w.serve()
	b.state, b.exitCode, b.exitedAt = docker.Exited, code, time.Now()
	w.emit(docker.ActionDie, b)
}

// What tests do to the world.

func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serve()
	f()
}

// declare writes the pool's document.
func (w *world) declare(change func(*spec.Pool)) {
	p := spec.Pool{
		Stack: stack, Name: service,
		Template:  spec.Template{Image: "cse:1", Network: "net", CPUs: 1, StopGrace: spec.Duration(5 * time.Second)},
		Service:   spec.Service{Port: port, MaxConnections: 8, BootTimeout: spec.Duration(10 * time.Second)},
		Policy:    spec.Policy{Min: 1, Max: 10, TargetUtilisation: 0.5, ScaleInAfter: spec.Duration(30 * time.Second)},
		Balancers: []string{"http://lb"},
	}
	if change != nil {
		change(&p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(func() { w.set(spec.PoolKey(stack, p.Name), text, "") })
}

func (w *world) kill(name string) {
	w.do(func() { w.exit(w.boxes[name], 137) })
}

func (w *world) freeze(name string, frozen bool) {
	w.do(func() { w.boxes[name].frozen = frozen })
}

// pause freezes a box as an operator would.
func (w *world) pause(name string) {
	w.do(func() {
		w.boxes[name].state = docker.Paused
		w.emit(docker.ActionPause, w.boxes[name])
	})
}

// status is the status document; zero when there is none.
func (w *world) status() (s spec.Status) {
	w.do(func() {
		if kv, ok := w.kv[spec.StatusKey(stack, service)]; ok {
			if err := json.Unmarshal(kv.Value, &s); err != nil {
				w.t.Error(err)
			}
		}
	})
	return s
}

// decisions are those that were left in Consul.
func (w *world) decisions() (d []fleet.Decision) {
	w.do(func() {
		if kv, ok := w.kv[spec.DecisionsKey(stack, service)]; ok {
			if err := json.Unmarshal(kv.Value, &d); err != nil {
				w.t.Error(err)
			}
		}
	})
	return d
}

// instances are the containers and registrations as text: "cse-1 cse-2", each with what is wrong with it if anything.
func (w *world) instances() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := map[string]bool{}
	for name := range w.boxes {
		names[name] = true
	}
	for name := range w.registered {
		names[name] = true
	}
	var words []string
	for _, name := range slices.SortedFunc(maps.Keys(names), byNumber) {
		word := strings.TrimPrefix(name, "viot-t-")
		b, r := w.boxes[name], w.registered[name]
		switch {
		case b == nil:
			word += "(no container)"
		case b.state != docker.Running:
			word += "(" + string(b.state) + ")"
		case r == nil:
			word += "(unregistered)"
		case !r.passing:
			word += "(critical)"
		case b.cpus != 1:
			word += "(unlimited)"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func byNumber(a, b string) int {
	m, _ := spec.InstanceNumber(stack, service, a)
	n, _ := spec.InstanceNumber(stack, service, b)
	return m - n
}

// client is one orchestrator's way to the world.
type client struct {
	w        *world
	identity string

	mu      sync.Mutex
	effects int  // changes it made
	killAt  int  // it is cut off right after that many; 0 is never
	apart   bool // Consul does not answer it; guarded by w.mu
	dead    bool
	cut     context.CancelFunc // ends its orchestrator
}

var errDead = errors.New("this orchestrator was killed")

// effect makes a change, and may cut the orchestrator off right after it. It needs w.mu.
func (c *client) effect(what string, change func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return errDead
	}
	if err := change(); err != nil {
		return err
	}
	if what != "" {
		c.w.note(what)
	}
	c.effects++
	if c.effects == c.killAt {
		c.dead = true
		c.cut()
		return errDead
	}
	return nil
}

func (c *client) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// leads notes it when a change is made by one that does not hold the leader key. It needs w.mu.
func (c *client) leads(what string) {
	s := c.w.sessions[c.w.kv[spec.LeaderKey(stack)].Session]
	if s == nil || !strings.HasSuffix(s.name, c.identity) {
		c.w.wrong("%s by %s, which does not lead", what, c.identity)
	}
}

// engine locks the world for a call to the engine.
func (c *client) engine(ctx context.Context, call func() error) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.serve()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.isDead():
		return errDead
	case c.w.engineAway:
		return fmt.Errorf("call the engine: %w", docker.ErrUnavailable)
	}
	return call()
}

func (c *client) CreateContainer(ctx context.Context, s docker.ContainerSpec) (id string, err error) {
	err = c.engine(ctx, func() error {
		if c.w.boxes[s.Name] != nil {
			return fmt.Errorf("create container %s: %w", s.Name, docker.ErrNameTaken)
		}
		if c.w.absent[s.Image] {
			c.w.wrong("create %s from %s, which is not there", s.Name, s.Image)
		}
		c.leads("create " + s.Name)
		return c.effect("create "+s.Name, func() error {
			c.w.ids++
			id = "id" + strconv.Itoa(c.w.ids)
			c.w.boxes[s.Name] = &box{id: id, spec: s, state: docker.Created, cpus: 8}
			return nil
		})
	})
	return id, err
}

func (c *client) StartContainer(ctx context.Context, id string) error {
	return c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return docker.ErrNotFound
		}
		what := ""
		switch b.state {
		case docker.Running:
			return nil
		case docker.Exited: // as it is, which two may do
			if what = "start " + b.spec.Name; c.w.registered[b.spec.Name] == nil || c.w.kv[spec.DrainKey(stack, service, b.spec.Name)].Key != "" {
				c.w.wrong("%s, which is not in service", what)
			}
		default:
			c.leads("start " + b.spec.Name)
		}
		return c.effect(what, func() error {
			promised := b.spec.MemoryBytes
			for _, beside := range c.w.boxes {
				if beside != b && beside.state == docker.Running {
					promised += beside.spec.MemoryBytes
				}
			}
			if promised > c.w.memory {
				c.w.wrong("start %s promises %d bytes of memory of %d", b.spec.Name, promised, c.w.memory)
			}
			b.state, b.startedAt = docker.Running, time.Now()
			c.w.emit(docker.ActionStart, b)
			if c.w.broken[b.spec.Image] {
				c.w.exit(b, 3)
			}
			return nil
		})
	})
}

func (c *client) InspectContainer(ctx context.Context, id string) (container docker.Container, err error) {
	err = c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return docker.ErrNotFound
		}
		container = b.container()
		container.StartedAt, container.ExitCode = b.startedAt.Round(0).Add(c.w.skew), b.exitCode
		return nil
	})
	return container, err
}

func (b *box) container() docker.Container {
	net := "10.0.0."
	number, ok := spec.InstanceNumber(stack, service, b.spec.Name)
	if !ok {
		net = "10.0.1."
		number, _ = spec.InstanceNumber(stack, other, b.spec.Name)
	}
	c := docker.Container{ID: b.id, Name: b.spec.Name, Image: b.spec.Image, State: b.state, Labels: b.spec.Labels}
	if b.moved {
		number += movedBy
	}
	if b.state != docker.Exited {
		c.IPs = map[string]string{"net": net + strconv.Itoa(number)}
	}
	return c
}

// movedBy is how far the address of a box that has moved is from the one it had.
const movedBy = 100

// reached says whether who asks for the registered address gets the box.
func (r *registration) reached(b *box) bool {
	return b != nil && b.container().IPs["net"] == r.Address
}

func (c *client) ListContainers(ctx context.Context, labels map[string]string) (list []docker.Container, err error) {
	err = c.engine(ctx, func() error {
		for _, b := range c.w.boxes {
			if b.spec.Labels[spec.LabelStack] == labels[spec.LabelStack] && b.spec.Labels[spec.LabelRole] == labels[spec.LabelRole] {
				l := b.container()
				if b.state == docker.Exited && time.Since(b.exitedAt) < listLag {
					l.State = docker.Running
				}
				list = append(list, l)
			}
		}
		return nil
	})
	return list, err
}

func (c *client) InspectImage(ctx context.Context, reference string) (image docker.Image, err error) {
	err = c.engine(ctx, func() error {
		if c.w.absent[reference] {
			return fmt.Errorf("inspect image %s: %w", reference, docker.ErrNotFound)
		}
		image.ID = reference
		return nil
	})
	return image, err
}

func (c *client) PullImage(ctx context.Context, reference string, _ func(string)) error {
	time.Sleep(pullTime)
	return c.engine(ctx, func() error {
		c.leads("pull " + reference)
		if !c.w.registry[reference] {
			return fmt.Errorf("pull image %s: %w", reference, docker.ErrNotFound)
		}
		return c.effect("pull "+reference, func() error { delete(c.w.absent, reference); return nil })
	})
}

// pullTime is how long an image takes to come, or a registry to say that it has none.
const pullTime = 5 * time.Second

func (c *client) Info(ctx context.Context) (info docker.Info, err error) {
	err = c.engine(ctx, func() error {
		info = docker.Info{Name: "host", CPUs: 16, MemoryBytes: c.w.memory}
		return nil
	})
	return info, err
}

func (c *client) UpdateContainer(ctx context.Context, id string, cpus float64, _ int64, _ docker.RestartPolicy) error {
	return c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return docker.ErrNotFound
		}
		c.leads("update " + b.spec.Name)
		return c.effect("", func() error { b.cpus = cpus; return nil })
	})
}

func (c *client) PauseContainer(ctx context.Context, id string) error {
	return c.setPaused(ctx, id, "pause", docker.Running, docker.Paused)
}

func (c *client) UnpauseContainer(ctx context.Context, id string) error {
	return c.setPaused(ctx, id, "unpause", docker.Paused, docker.Running)
}

func (c *client) setPaused(ctx context.Context, id, verb string, from, to docker.State) error {
	return c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return docker.ErrNotFound
		}
		c.leads(verb + " " + b.spec.Name)
		if c.w.registered[b.spec.Name] != nil {
			c.w.wrong("%s %s while it is registered", verb, b.spec.Name)
		}
		return c.effect(verb+" "+b.spec.Name, func() error {
			if b.state != from && b.state != to {
				return errors.New("container does not run")
			}
			if b.state != to {
				b.state = to
				action := docker.Action("pause")
				if to == docker.Running {
					action = "unpause"
				}
				c.w.emit(action, b)
			}
			return nil
		})
	})
}

func (c *client) StopContainer(ctx context.Context, id string, _ time.Duration) error {
	return c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return docker.ErrNotFound
		}
		c.checkUnused("stop", b)
		return c.effect("stop "+b.spec.Name, func() error {
			if b.state == docker.Running {
				c.w.exit(b, 0)
			}
			return nil
		})
	})
}

func (c *client) RemoveContainer(ctx context.Context, id string) error {
	return c.engine(ctx, func() error {
		b := c.w.byID(id)
		if b == nil {
			return nil
		}
		c.checkUnused("remove", b)
		return c.effect("remove "+b.spec.Name, func() error {
			delete(c.w.boxes, b.spec.Name)
			c.w.emit(docker.ActionDestroy, b)
			return nil
		})
	})
}

// checkUnused notes it when a running container is taken away that may have requests.
func (c *client) checkUnused(what string, b *box) {
	c.leads(what + " " + b.spec.Name)
	switch {
	case b.state != docker.Running || !b.wasIn:
	case c.w.registered[b.spec.Name] != nil:
		c.w.wrong("%s %s while it is registered", what, b.spec.Name)
	case time.Since(b.outAt) < c.w.drainTime:
		c.w.wrong("%s %s %v after it was taken out, requests in flight", what, b.spec.Name, time.Since(b.outAt))
	}
}

func (c *client) Logs(ctx context.Context, id string, _ int) (lines []string, err error) {
	err = c.engine(ctx, func() error {
		if b := c.w.byID(id); b != nil && c.w.broken[b.spec.Image] {
			lines = []string{"cannot start: no configuration"}
		}
		return nil
	})
	return lines, err
}

func (c *client) Events(ctx context.Context, _ map[string]string, handle func(docker.Event)) error {
	events := make(chan docker.Event, 1000)
	if err := c.engine(ctx, func() error { c.w.listeners[events] = true; return nil }); err != nil {
		return err
	}
	defer c.w.do(func() { delete(c.w.listeners, events) })
	handle(docker.Event{Action: docker.ActionSubscribed})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			handle(e)
		}
	}
}

// consul locks the world for a call to Consul.
func (c *client) consul(ctx context.Context, call func() error) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.serve()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.isDead():
		return errDead
	case c.w.consulAway, c.apart:
		return fmt.Errorf("call consul: %w", consul.ErrUnavailable)
	}
	return call()
}

// block returns when topic has changed since index, at the latest after wait, with the next index.
func (c *client) block(ctx context.Context, topic string, index uint64, wait time.Duration, read func()) (next uint64, err error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for expired := false; ; {
		var changed chan struct{}
		err := c.consul(ctx, func() error {
			changed = c.w.changed
			if index == 0 || c.w.topics[topic] > index || expired {
				read()
				next = max(c.w.topics[topic], 1)
				changed = nil
			}
			return nil
		})
		if err != nil || changed == nil {
			return next, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timeout.C:
			expired = true
		case <-changed:
		case <-time.After(time.Second): // notices that Consul went away
		}
	}
}

func (c *client) WatchPrefix(ctx context.Context, prefix string, index uint64, wait time.Duration) (kvs []consul.KV, next uint64, err error) {
	next, err = c.block(ctx, prefix, index, wait, func() {
		for _, key := range slices.Sorted(maps.Keys(c.w.kv)) {
			if strings.HasPrefix(key, prefix) {
				kvs = append(kvs, c.w.kv[key])
			}
		}
	})
	return kvs, next, err
}

func (c *client) WatchKey(ctx context.Context, key string, index uint64, wait time.Duration) (kv consul.KV, next uint64, err error) {
	found := false
	next, err = c.block(ctx, key, index, wait, func() { kv, found = c.w.kv[key] })
	if err == nil && !found {
		err = consul.ErrNotFound
	}
	return kv, next, err
}

func (c *client) Get(ctx context.Context, key string) (consul.KV, error) {
	kv, _, err := c.WatchKey(ctx, key, 0, 0)
	return kv, err
}

func (c *client) Instances(ctx context.Context, name string, index uint64, wait time.Duration) (list []consul.Instance, next uint64, err error) {
	next, err = c.block(ctx, "service/"+name, index, wait, func() {
		for _, id := range slices.Sorted(maps.Keys(c.w.registered)) {
			if r := c.w.registered[id]; r.Service == name {
				list = append(list, consul.Instance{
					ID: id, Service: name, Node: "node", Address: r.Address, Port: r.Port, Meta: r.Meta, Passing: r.passing, AgentAlive: true,
				})
			}
		}
	})
	return list, next, err
}

func (c *client) Register(ctx context.Context, r consul.Registration) error {
	return c.consul(ctx, func() error {
		c.leads("register " + r.ID)
		return c.effect("register "+r.ID, func() error {
			c.w.registered[r.ID] = &registration{r, true}
			if b := c.w.boxes[r.ID]; b != nil {
				if !b.outAt.IsZero() && c.w.kv[spec.DrainKey(stack, service, r.ID)].Key != "" {
					c.w.wrong("register %s, which was taken out to be drained", r.ID)
				}
				b.wasIn, b.outAt = true, time.Time{}
			}
			c.w.touch("service/" + r.Service)
			return nil
		})
	})
}

func (c *client) Deregister(ctx context.Context, id string) error {
	return c.consul(ctx, func() error {
		c.leads("deregister " + id)
		return c.effect("deregister "+id, func() error {
			if r := c.w.registered[id]; r != nil {
				delete(c.w.registered, id)
				if b := c.w.boxes[id]; b != nil {
					b.outAt = time.Now()
				}
				c.w.touch("service/" + r.Service)
			}
			return nil
		})
	})
}

func (c *client) DeregisterFromCatalog(ctx context.Context, _, id string) error {
	return c.Deregister(ctx, id)
}

func (c *client) CreateSession(ctx context.Context, name string, ttl time.Duration) (id string, err error) {
	err = c.consul(ctx, func() error {
		return c.effect("", func() error {
			c.w.ids++
			id = "session" + strconv.Itoa(c.w.ids)
			c.w.sessions[id] = &session{name, ttl, time.Now()}
			return nil
		})
	})
	return id, err
}

func (c *client) RenewSession(ctx context.Context, id string) error {
	return c.consul(ctx, func() error {
		s := c.w.sessions[id]
		if s == nil {
			return consul.ErrNotFound
		}
		s.renewed = time.Now()
		return nil
	})
}

func (c *client) DestroySession(ctx context.Context, id string) error {
	return c.consul(ctx, func() error {
		return c.effect("", func() error { c.w.endSession(id); return nil })
	})
}

func (c *client) Acquire(ctx context.Context, key string, value []byte, holder string) (held bool, err error) {
	err = c.consul(ctx, func() error {
		if kv := c.w.kv[key]; kv.Session != "" && kv.Session != holder {
			return nil
		}
		return c.effect("", func() error {
			c.w.set(key, value, holder)
			held = true
			return nil
		})
	})
	return held, err
}

func (c *client) WriteFenced(ctx context.Context, key, holder string, writes []fleet.Write) error {
	return c.consul(ctx, func() error {
		if c.w.kv[key].Session != holder {
			return consul.ErrNotLeader
		}
		return c.effect("", func() error {
			for _, write := range writes {
				if write.If && c.w.kv[write.Key].ModifyIndex != write.Index {
					return consul.ErrConflict
				}
			}
			for _, write := range writes {
				if write.Value == nil {
					delete(c.w.kv, write.Key)
					c.w.touch(write.Key, topicOf(write.Key))
				} else {
					c.w.set(write.Key, write.Value, "")
				}
			}
			return nil
		})
	})
}

// RoundTrip answers for the instances and the load balancer.
func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	w := c.w
	if r.URL.Host == "lb" {
		return c.balancer(r)
	}
	pool := service
	if strings.HasPrefix(r.URL.Host, "10.0.1.") {
		pool = other
	}
	number := strings.TrimSuffix(r.URL.Host[len("10.0.0."):], ":"+strconv.Itoa(port))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serve()
	n, _ := strconv.Atoi(number)
	b := w.boxes["viot-t-"+pool+"-"+strconv.Itoa(n%movedBy)]
	if b != nil && b.moved != (n >= movedBy) {
		b = nil // nobody is at that address
	}
	switch {
	case b == nil || b.state != docker.Running || c.isDead():
		return nil, errors.New("connection refused")
	case b.frozen:
		w.mu.Unlock()
		<-r.Context().Done()
		w.mu.Lock()
		return nil, r.Context().Err()
	case r.URL.Path == "/readyz" && w.ready(b):
		return answer(http.StatusOK, "ready")
	case r.URL.Path == "/metrics" && !w.metricsAway:
		good, bad := b.requests, 0.0
		if w.failing[b.spec.Image] {
			good, bad = good/2, good/2
		}
		return answer(http.StatusOK, fmt.Sprintf("http_requests_total{code=\"200\"} %f\nhttp_requests_total{code=\"500\"} %f\nprocess_cpu_seconds_total %f\n",
			good, bad, b.cpuSeconds))
	}
	return answer(http.StatusServiceUnavailable, "not now")
}

func (c *client) balancer(r *http.Request) (*http.Response, error) {
	w := c.w
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	for began := time.Now(); ; {
		w.mu.Lock()
		w.serve()
		away, name := w.balancerAway || c.isDead(), strings.TrimPrefix(r.URL.Path, "/v1/servers/")
		arrived, queued := w.arrived, int(w.queue)
		drained := w.registered[name] == nil && (w.boxes[name] == nil || time.Since(w.boxes[name].outAt) >= w.drainTime)
		w.mu.Unlock()
		switch {
		case away:
			return nil, errors.New("connection refused")
		case r.URL.Path == "/v1/services/"+service:
			return answer(http.StatusOK, fmt.Sprintf(`{"arrivals": %f, "queued": %d}`, arrived, queued))
		case name == r.URL.Path:
			return answer(http.StatusNotFound, "")
		case drained || time.Since(began) >= wait:
			return answer(http.StatusOK, fmt.Sprintf(`{"name": %q, "drained": %t}`, name, drained))
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Status: strconv.Itoa(status), Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

// orchestrator is one running orchestrator of a test.
type orchestrator struct {
	*Orchestrator
	client *client
	stop   context.CancelFunc // SIGTERM
	ended  chan struct{}      // closed when Run has returned
}

// orchestrate starts an orchestrator; killAt as in client. It ends when the test's context does.
func (w *world) orchestrate(ctx context.Context, identity string, killAt int) *orchestrator {
	ctx, cancel := context.WithCancel(ctx)
	c := &client{w: w, identity: identity, killAt: killAt, cut: cancel}
	o := &orchestrator{client: c, stop: cancel, ended: make(chan struct{}), Orchestrator: &Orchestrator{
		Stack: stack, Identity: identity, Engine: c, Consul: c, HTTP: &http.Client{Transport: c},
		Round: 250 * time.Millisecond, Scrape: time.Second, Rules: reference.Lookup, Log: hclog.NewNullLogger(),
	}}
	go func() {
		defer close(o.ended)
		if err := o.Run(ctx); err != nil {
			w.t.Errorf("orchestrator %s: %v", identity, err)
		}
	}()
	return o
}

// kill ends an orchestrator as kill -9 does: nothing it does from here on reaches the world.
func (o *orchestrator) kill() {
	o.client.mu.Lock()
	o.client.dead = true
	o.client.mu.Unlock()
	o.stop()
	<-o.ended
}
