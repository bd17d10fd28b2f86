package balancer

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/consul"
)

const (
	// contactEvery is how long a blocking query may wait, and so how old the last contact gets while nothing changes.
	contactEvery = 5 * time.Second
	// leavingTimeout bounds what a round spends on asking who is leaving.
	leavingTimeout = 500 * time.Millisecond

	shortestPause = 50 * time.Millisecond // after the first failed query
	longestPause  = time.Second           // after many
)

// route keeps one backend as one service is. Its fields but view and newest belong to the goroutine of run.
type route struct {
	Route
	config   Config
	registry registry
	proxy    proxy
	lookup   func(context.Context, string) (netip.Addr, error)
	synced   prometheus.Observer
	log      hclog.Logger

	memory   memory
	started  bool                      // memory has what HAProxy served when the companion came
	quiet    bool                      // the newest query of Consul failed
	away     bool                      // the newest round failed
	problems []string                  // with the instances of the newest answer
	moves    map[string]move           // servers that run elsewhere than they are registered, by name
	gone     map[string]netip.AddrPort // servers whose name nobody has, and the addresses they had
	searched time.Time                 // when servers were last looked for by name
	ask      func(func() findings)     // looks for servers in the background
	asking   bool                      // and has not heard yet

	view atomic.Pointer[view] // for the HTTP API; nil before the first round

	mu     sync.Mutex
	newest Backend // what load returned last
}

// load reads the backend's counters, which never fall while HAProxy lives.
func (r *route) load(ctx context.Context) (Backend, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := r.proxy.Backend(ctx, r.Backend)
	if err != nil {
		return Backend{}, err
	}
	r.newest = b.steady(r.newest)
	return r.newest, nil
}

// view is what a round left behind.
type view struct {
	memory memory
	err    error // why HAProxy is not as it should be; nil when it is
}

// answer is the outcome of one blocking query.
type answer struct {
	instances []consul.Instance
	index     uint64
	err       error
	at        time.Time
}

// run looks after the route, one round after each answer of Consul and at least one every resync, until ctx ends.
func (r *route) run(ctx context.Context) error {
	answers := make(chan answer)
	var group errgroup.Group
	group.Go(func() error { return r.watch(ctx, answers) })
	ticker := time.NewTicker(r.config.Resync)
	defer ticker.Stop()
	found := make(chan findings)
	r.ask = func(question func() findings) {
		group.Go(func() error {
			select {
			case found <- question():
			case <-ctx.Done():
			}
			return nil
		})
	}
	r.round(ctx)
	for {
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-ticker.C:
			r.round(ctx)
			r.inquire(ctx)
		case f := <-found:
			r.asking, r.gone, r.moves = false, f.gone, f.moves
			r.round(ctx)
		case a := <-answers:
			r.hear(a)
			r.round(ctx)
			r.synced.Observe(time.Since(a.at).Seconds())
		}
	}
}

// watch sends the outcome of one blocking query after another until ctx ends.
func (r *route) watch(ctx context.Context, answers chan<- answer) error {
	var index uint64
	pause := shortestPause
	for ctx.Err() == nil {
		instances, next, err := r.registry.Instances(ctx, r.Service, index, contactEvery)
		select {
		case <-ctx.Done():
			return nil
		case answers <- answer{instances: instances, index: next, err: err, at: time.Now()}:
		}
		index = next
		if err == nil {
			pause = shortestPause
			continue
		}
		index = 0 // Consul may come back with another history
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

func (r *route) hear(a answer) {
	if a.err != nil {
		if !r.quiet {
			r.log.Warn("keeping the servers as they are", "reason", "consul does not answer", "error", a.err)
		}
		r.quiet = true
		r.memory = r.memory.missed()
		return
	}
	if r.quiet {
		r.log.Info("consul answers again")
	}
	r.quiet = false
	_, problems := targets(a.instances)
	if len(problems) > 0 && !slices.Equal(problems, r.problems) {
		r.log.Error("not serving what cannot be served", "problems", problems)
	}
	r.problems = problems
	r.memory = r.memory.heard(a.instances, a.index, r.config.AllowEmpty, a.at)
}

// round makes HAProxy serve what Consul says, once.
func (r *route) round(ctx context.Context) {
	backend, err := r.proxy.Backend(ctx, r.Backend)
	if err == nil && !r.started {
		r.memory.serve, r.started = serving(backend.Servers), true
	}
	if !r.started {
		r.finish(ctx, err)
		return
	}
	before := r.memory.held
	r.memory = r.memory.follow(r.leaving(ctx), r.config.AllowEmpty, time.Now())
	r.logHeld(before)
	if err == nil {
		err = errors.Join(r.apply(ctx, compare(backend.Servers, r.placed())), r.giveUp(ctx, backend.Servers))
	}
	r.finish(ctx, err)
}

// leaving asks who of those that Consul does not list is meant to go; nobody while that cannot be found out.
func (r *route) leaving(ctx context.Context) map[string]bool {
	names := r.memory.unlisted()
	if len(names) == 0 || r.memory.lost || r.memory.sure(r.config.AllowEmpty, time.Now()) {
		return nil // it would make no difference
	}
	ctx, cancel := context.WithTimeout(ctx, leavingTimeout)
	defer cancel()
	out, err := leaving(ctx, r.registry, r.config.Stack, names)
	if err != nil {
		r.log.Debug("cannot find out who is leaving", "error", err)
		return nil
	}
	return out
}

// giveUp ends the requests of servers that are out because they fail their check, as the drain journal has it: those would
// not be answered. HAProxy repeats them elsewhere where that is safe.
func (r *route) giveUp(ctx context.Context, servers []Server) error {
	var names []string
	for _, s := range servers {
		if s.State == Maintenance && s.Current > 0 {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 || r.memory.lost {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, leavingTimeout)
	defer cancel()
	failing, err := failing(asking, r.registry, r.config.Stack, names)
	if err != nil {
		r.log.Debug("cannot find out who fails", "error", err)
		return nil
	}
	for _, name := range failing {
		if err := r.proxy.Shutdown(ctx, r.Backend, name); err != nil {
			return err
		}
		r.log.Info("ended requests", "server", name, "cause", "it fails its check and is being replaced")
	}
	return nil
}

// apply makes changes. It goes on after a refusal, for the rest may be possible, and stops when HAProxy is away.
func (r *route) apply(ctx context.Context, changes []change) error {
	var refused error
	for _, c := range changes {
		err := r.change(ctx, c)
		switch {
		case err == nil && c.kind == deleteServer:
			r.log.Debug("forgot server", "server", c.server)
		case err == nil:
			r.log.Info("changed server", "change", c.String(), "cause", r.cause(c))
		case c.kind == deleteServer && errors.Is(err, ErrRefused):
			// Connections are left. It gets no requests; the next round tries again.
		case errors.Is(err, ErrRefused):
			refused = errors.Join(refused, err)
		default:
			return err
		}
	}
	return refused
}

func (r *route) change(ctx context.Context, c change) error {
	switch c.kind {
	case addServer:
		return r.proxy.Add(ctx, r.Backend, Server{Name: c.server, Address: c.to.address, MaxConnections: c.to.maxConnections})
	case moveServer:
		return r.proxy.SetAddress(ctx, r.Backend, c.server, c.to.address)
	case limitServer:
		return r.proxy.SetMaxConnections(ctx, r.Backend, c.server, c.to.maxConnections)
	case readyServer:
		return r.proxy.SetState(ctx, r.Backend, c.server, Ready)
	case stopServer:
		return r.proxy.SetState(ctx, r.Backend, c.server, Maintenance)
	}
	return r.proxy.Delete(ctx, r.Backend, c.server)
}

// cause says why a change is made.
func (r *route) cause(c change) string {
	if m, ok := r.moves[c.server]; ok && c.to.address == m.to {
		return "consul is silent, and it was found there by its name"
	}
	if _, ok := r.gone[c.server]; ok {
		return "nobody has its name"
	}
	if why, ok := r.memory.held[c.server]; ok {
		return "haproxy lost it; held: " + why
	}
	if status, ok := r.memory.listed[c.server]; ok {
		return "consul lists it as " + status
	}
	return "consul does not list it"
}

// logHeld logs what is newly held, unless all are because Consul is away: that has been said.
func (r *route) logHeld(before map[string]string) {
	if r.memory.lost {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.memory.held)) {
		if why := r.memory.held[name]; before[name] != why {
			r.log.Warn("holding a server that does not pass", "server", name, "reason", why)
		}
	}
}

// finish publishes the outcome of a round and logs when HAProxy went away or came back.
func (r *route) finish(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	away := err != nil
	switch {
	case away && !r.away:
		r.log.Warn("haproxy is not as it should be, trying again", "error", err)
	case !away && r.away:
		r.log.Info("haproxy is as it should be again")
	}
	r.away = away
	r.view.Store(&view{memory: r.memory, err: err})
}
