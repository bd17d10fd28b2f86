// Package observe looks at the pools of a stack: at their documents, health and drain journals in Consul, their
// containers in Docker, the counters of their load balancers and the metrics pages of their instances. It only reads.
// What can be pushed is pushed; the rest is polled.
package observe

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Engine is what an observer needs of Docker.
type Engine interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]docker.Container, error)
	InspectContainer(ctx context.Context, nameOrID string) (docker.Container, error)
	InspectImage(ctx context.Context, reference string) (docker.Image, error)
	Info(ctx context.Context) (docker.Info, error)
	Events(ctx context.Context, labels map[string]string, handle func(docker.Event)) error
}

// Consul is what an observer needs of Consul.
type Consul interface {
	WatchPrefix(ctx context.Context, prefix string, index uint64, wait time.Duration) ([]consul.KV, uint64, error)
	Instances(ctx context.Context, service string, index uint64, wait time.Duration) ([]consul.Instance, uint64, error)
}

const (
	watchWait  = time.Minute
	retryAfter = 500 * time.Millisecond
)

// Observer knows what is known. Set the exported fields; then Run, and from any goroutine Pools and Snapshot.
type Observer struct {
	Stack  string
	Engine Engine
	Consul Consul
	HTTP   *http.Client  // for balancers and instances; a request is bounded by this package
	Poll   time.Duration // between two readings of the balancers' counters; half of it while there are few, see pollEvery
	Scrape time.Duration // between two readings of the instances' pages
	Wake   func()        // called when something is known anew; must not block; may be nil
	Log    hclog.Logger

	mu             sync.Mutex
	declared       map[string]fleet.Declaration // by pool
	poolsKnown     bool
	drains         map[string]map[string]fleet.Phase // pool → instance
	drainsKnown    bool
	overrides      map[string]override // by pool
	overridesKnown bool
	crews          map[string]*crew  // by pool
	died           map[string]string // container ID → how it ended, by events that the list may not know of
	gone           map[string]bool   // IDs of containers that were removed, by events that the list may not know of
	toInspect      map[string]bool   // IDs of containers that something has happened to
	listDue        bool
	listedAt       time.Time               // when the list of containers was asked for
	engineErr      error                   // why containers are not known; nil when they are
	host           fleet.Host              // zero while it is not known
	images         map[string]image        // that pools declare, by reference
	imagesDue      chan struct{}           // another may be declared; made by Run
	health         map[string]*health      // by service
	measurements   map[string]*measurement // by pool
	lanes          map[string]bool         // balancers that are being read, by base URL
	silent         map[string]time.Time    // what Consul does not answer about, and since when
	readers        sync.WaitGroup          // readings under way

	heldDue     chan struct{} // pools may have lost or got their instances; made by Run
	pages       *http.Client  // HTTP, confined; made by Run
	signalSlots chan struct{} // made by Run
}

var errNotYet = errors.New("not asked yet")

// Run observes until ctx ends.
func (o *Observer) Run(ctx context.Context) error {
	o.mu.Lock()
	o.declared, o.poolsKnown = map[string]fleet.Declaration{}, false
	o.drains, o.drainsKnown = map[string]map[string]fleet.Phase{}, false
	o.overrides, o.overridesKnown = map[string]override{}, false
	o.died, o.gone, o.toInspect = map[string]string{}, map[string]bool{}, map[string]bool{}
	o.crews, o.engineErr, o.host = map[string]*crew{}, errNotYet, fleet.Host{}
	o.images, o.imagesDue = map[string]image{}, make(chan struct{}, 1)
	o.health, o.measurements = map[string]*health{}, map[string]*measurement{}
	o.lanes, o.silent, o.heldDue = map[string]bool{}, map[string]time.Time{}, make(chan struct{}, 1)
	o.pages, o.signalSlots = client(o.HTTP), make(chan struct{}, signalReaders)
	o.mu.Unlock()
	defer o.readers.Wait()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { o.followEngine(ctx) })
	parts.Go(func() { o.followDrains(ctx) })
	parts.Go(func() { o.followOverrides(ctx) })
	parts.Go(func() { o.followImages(ctx) })
	parts.Go(func() { o.followHeld(ctx) })
	parts.Go(func() { o.everySo(ctx, o.pollEvery, o.pollBalancers) })
	parts.Go(func() { o.every(ctx, o.Scrape, o.scrape) })
	parts.Go(func() { o.every(ctx, o.Scrape, o.readSignals) })
	o.followPools(ctx)
	return nil
}

// RunAlone goes on observing the engine, after Run has returned and until ctx ends. What Consul said last stays in force,
// and load is not measured.
func (o *Observer) RunAlone(ctx context.Context) error {
	o.followEngine(ctx)
	return nil
}

func (o *Observer) wake() {
	if o.Wake != nil {
		o.Wake()
	}
}

// every calls do at once and then every d until ctx ends.
func (o *Observer) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	o.everySo(ctx, func() time.Duration { return d }, do)
}

// everySo is every where the time between two calls is asked for after each.
func (o *Observer) everySo(ctx context.Context, d func() time.Duration, do func(context.Context)) {
	for due := time.Now(); ctx.Err() == nil; pause(ctx, time.Until(due)) {
		do(ctx)
		if due = due.Add(d()); due.Before(time.Now()) {
			due = time.Now() // what it has missed is not made up for
		}
	}
}

// Pools returns what is declared, ordered by name; known is false until Consul has told.
func (o *Observer) Pools() (pools []fleet.Declaration, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(o.declared)) {
		pools = append(pools, o.declared[name])
	}
	return pools, o.poolsKnown
}

// Snapshot joins all that is known about a pool with its operations in progress. An error says what is not known.
func (o *Observer) Snapshot(pool string, ops map[string]fleet.OpState, now time.Time) (fleet.Snapshot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.declared[pool]
	switch h := o.health[d.Pool.Service.Name]; {
	case o.engineErr != nil:
		return fleet.Snapshot{}, errors.New("containers are not known: " + o.engineErr.Error())
	case h == nil:
		return fleet.Snapshot{}, errors.New("health is not known: consul has not answered yet")
	case !o.drainsKnown:
		return fleet.Snapshot{}, errors.New("the drain journal is not known: consul has not answered yet")
	case !o.overridesKnown:
		return fleet.Snapshot{}, errors.New("overrides are not known: consul has not answered yet")
	}
	known, ok := o.images[d.Pool.Template.Image]
	if !ok {
		return fleet.Snapshot{}, errors.New("it is not known whether image " + d.Pool.Template.Image + " is there: not asked yet")
	}
	asked := o.overrides[pool]
	s := fleet.Snapshot{NoImage: known.missing, Pool: d.Pool, Index: d.Index, Template: d.Template, Refused: d.Refused, Override: asked.wanted.InForce(now)}
	if asked.refused != "" {
		s.Refused = strings.TrimPrefix(s.Refused+"; "+asked.refused, "; ")
	}
	m := o.measurements[pool]
	parts := fleet.Parts{
		Containers:    o.crews[pool].fleet(d.Pool.Template.Network, o.host.Name),
		Registrations: o.health[d.Pool.Service.Name].of(pool),
		Drains:        o.drains[pool],
		Ops:           ops,
		ListedAt:      o.listedAt,
	}
	for what, since := range o.silent {
		if s.Stale == "" || what < s.Stale { // the same one each time
			s.Stale = what
		}
		if since.Before(s.StaleSince) || s.StaleSince.IsZero() {
			s.StaleSince = since
		}
	}
	if m != nil {
		parts.Samples = m.samples()
		s.Arrivals = m.arrivals(d.Pool.Balancers)
	}
	s.Instances = fleet.Assemble(d.Pool.Stack, pool, parts)
	if m != nil {
		s.Work = m.work(s.Instances, now)
		s.Signals = m.signalsOf(d.Pool.Policy.Signals, s.Instances, now)
	}
	return s, nil
}

// Host is the machine that instances run on; zero while it is not known.
func (o *Observer) Host() fleet.Host {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.host
}

// followDrains keeps the drain journals current.
func (o *Observer) followDrains(ctx context.Context) {
	prefix := spec.AllDrainsKey(o.Stack)
	o.follow(ctx, "drain journals", func(index uint64) (uint64, error) {
		kvs, next, err := o.Consul.WatchPrefix(ctx, prefix, index, watchWait)
		if err != nil {
			return 0, err
		}
		drains := map[string]map[string]fleet.Phase{}
		for _, kv := range kvs {
			pool, instance, ok := strings.Cut(strings.TrimPrefix(kv.Key, prefix), "/")
			if !ok || instance == "" {
				continue
			}
			if drains[pool] == nil {
				drains[pool] = map[string]fleet.Phase{}
			}
			drains[pool][instance] = fleet.ReadEntry(kv.Value).Phase
		}
		o.mu.Lock()
		o.drains, o.drainsKnown = drains, true
		o.mu.Unlock()
		return next, nil
	})
}

// follow repeats a blocking query until ctx ends, with a pause after each failure, and wakes the loop after each
// answer. What is known stays known while Consul is silent.
func (o *Observer) follow(ctx context.Context, what string, query func(index uint64) (uint64, error)) {
	var index uint64
	silent := false
	for ctx.Err() == nil {
		next, err := query(index)
		index = next
		switch {
		case ctx.Err() != nil:
		case err == nil:
			if silent {
				o.Log.Info("consul answers again", "about", what)
			}
			silent = false
			o.answers(what, time.Time{})
			o.wake()
		default:
			if !silent {
				o.Log.Warn("consul does not answer, what was known stays in force", "about", what, "error", err)
			}
			if !silent {
				o.answers(what, time.Now())
			}
			silent, index = true, 0
			pause(ctx, retryAfter)
		}
	}
}

// answers notes that Consul does not answer about something since then; zero says that it does.
func (o *Observer) answers(what string, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if since.IsZero() {
		delete(o.silent, what)
	} else {
		o.silent[what] = since
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
