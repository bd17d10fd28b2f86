package balancer

import (
	"context"
	"errors"
	"maps"
	"net"
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
	// reachTimeout is how long a server may take to accept a connection, which its kernel does for it: more than HAProxy
	// gives it.
	reachTimeout = 200 * time.Millisecond

	shortestPause = 50 * time.Millisecond // after the first failed query
	longestPause  = time.Second           // after many
)

// route keeps one backend as one service is. Its fields but view and newest belong to the goroutine of run.
type route struct {
	Route
	config   Config
	registry registry
	proxy    proxy
	reach    func(context.Context, netip.AddrPort) error
	synced   prometheus.Observer
	log      hclog.Logger

	memory   memory
	started  bool                      // memory has what HAProxy served when the companion came
	quiet    bool                      // the newest query of Consul failed
	away     bool                      // the newest round failed
	problems []string                  // with the instances of the newest answer
	tries    uint64                    // HAProxy's count of retries, as of the newest round
	retries  uint64                    // and when inquire last looked at it
	dead     map[string]netip.AddrPort // servers that took no connection when last asked, by name, and at which address
	ask      func(map[string]target)   // asks them in the background
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
	found := make(chan map[string]netip.AddrPort)
	r.ask = func(suspects map[string]target) {
		group.Go(func() error {
			select {
			case found <- r.deadOf(ctx, suspects):
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
			r.inquire()
		case r.dead = <-found:
			r.asking = false
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
		r.tries = backend.Retries
		err = r.apply(ctx, compare(backend.Servers, r.alive()))
	}
	r.finish(ctx, err)
}

// alive is what is to be served less what takes no connection. A dead server is out until it takes connections, so that
// no request is lost to it: when it is the only one they are held, for as long as it takes to replace it.
func (r *route) alive() map[string]target {
	alive := maps.Clone(r.memory.serve)
	maps.DeleteFunc(alive, func(name string, t target) bool { return r.dead[name] == t.address })
	return alive
}

// inquire has the servers asked that may be dead, unless some are being asked: whoever is served when HAProxy had to try
// a request again since it was last called, else who was found dead before, which may live again.
func (r *route) inquire() {
	if r.asking {
		return
	}
	suspects := maps.Clone(r.memory.serve)
	if r.tries == r.retries {
		maps.DeleteFunc(suspects, func(name string, _ target) bool { _, dead := r.dead[name]; return !dead })
	}
	r.retries = r.tries
	if len(suspects) > 0 {
		r.asking = true
		r.ask(suspects)
	}
}

// deadOf asks servers for a connection and returns those that give none, with their addresses.
func (r *route) deadOf(ctx context.Context, suspects map[string]target) map[string]netip.AddrPort {
	var mu sync.Mutex
	dead := map[string]netip.AddrPort{}
	var asked sync.WaitGroup
	for name, t := range suspects {
		asked.Go(func() {
			if err := r.reach(ctx, t.address); err != nil {
				mu.Lock()
				defer mu.Unlock()
				dead[name] = t.address
			}
		})
	}
	asked.Wait()
	return dead
}

// reach opens and closes a connection.
func reach(ctx context.Context, address netip.AddrPort) error {
	conn, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(ctx, "tcp", address.String())
	if err != nil {
		return err
	}
	return conn.Close()
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
	if _, dead := r.dead[c.server]; dead {
		return "it takes no connection"
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
