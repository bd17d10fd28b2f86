// Package balancer is the load balancer's companion: it follows the health of services in Consul and keeps the
// servers of HAProxy's backends as Consul has them, through HAProxy's runtime API.
//
// An instance gets requests as soon as it is registered and none as soon as it is deregistered or critical. When
// Consul is away, or says something that cannot be, HAProxy keeps serving what it served (memory.follow has the
// rules). HAProxy's own state is compared with what is wanted several times a second, so a restarted HAProxy gets
// its servers back, and a restarted companion takes over what HAProxy serves. The companion is not in the path of
// any request: without it HAProxy goes on with the servers it has.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// Route sends what HAProxy has for a backend to the instances of a Consul service.
type Route struct {
	Service string
	Backend string // has to be in HAProxy's configuration; every server of it belongs to the companion
}

// Config is what a Balancer does. Every field but AllowEmpty is needed.
type Config struct {
	Stack      string        // whose drain journals tell an instance that is leaving from one that Consul lost
	Routes     []Route       // no service and no backend twice
	AllowEmpty bool          // believe a Consul that lists nobody as passing: for pools that scale to zero
	Resync     time.Duration // how often HAProxy's servers are compared with what is wanted
}

// DefaultResync finds a restarted HAProxy soon and costs less than a millisecond of CPU time a second.
const DefaultResync = 250 * time.Millisecond

var backendName = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// Validate reports every problem at once, each with the flag that sets it; nil when there is none.
func (c Config) Validate() error {
	var problems []error
	if err := spec.CheckName("-stack", c.Stack); err != nil {
		problems = append(problems, err)
	}
	if len(c.Routes) == 0 {
		problems = append(problems, errors.New("-route: want at least one service=backend"))
	}
	services, backends := map[string]bool{}, map[string]bool{}
	for _, r := range c.Routes {
		if err := spec.CheckName("-route: service", r.Service); err != nil {
			problems = append(problems, err)
		}
		if !backendName.MatchString(r.Backend) {
			problems = append(problems, fmt.Errorf("-route: backend %q: want letters, digits and any of _ . : -", r.Backend))
		}
		if services[r.Service] {
			problems = append(problems, fmt.Errorf("-route: service %s is there twice", r.Service))
		}
		if backends[r.Backend] {
			problems = append(problems, fmt.Errorf("-route: backend %s is there twice", r.Backend))
		}
		services[r.Service], backends[r.Backend] = true, true
	}
	if c.Resync < 10*time.Millisecond || c.Resync > time.Minute {
		problems = append(problems, fmt.Errorf("-resync %s: want 10ms to 1m", c.Resync))
	}
	return errors.Join(problems...)
}

// registry is what the companion needs of Consul; *consul.Client is one.
type registry interface {
	keys
	Instances(ctx context.Context, service string, index uint64, wait time.Duration) ([]consul.Instance, uint64, error)
}

// keys is what leaving needs of Consul.
type keys interface {
	Get(ctx context.Context, key string) (consul.KV, error)
	List(ctx context.Context, prefix string) ([]consul.KV, error)
}

// proxy is what the companion needs of HAProxy; *HAProxy is one.
type proxy interface {
	Backend(ctx context.Context, name string) (Backend, error)
	Add(ctx context.Context, backend string, s Server) error
	SetState(ctx context.Context, backend, server string, state State) error
	SetAddress(ctx context.Context, backend, server string, address netip.AddrPort) error
	SetMaxConnections(ctx context.Context, backend, server string, n int) error
	Shutdown(ctx context.Context, backend, server string) error
	Delete(ctx context.Context, backend, server string) error
}

// Balancer is the companion of one HAProxy.
type Balancer struct {
	registry registry
	proxy    proxy
	routes   []*route
	metrics  *metrics
}

// New returns a companion that does nothing until Run. The configuration has to be valid.
func New(c Config, registry registry, proxy proxy, log hclog.Logger) *Balancer {
	b := &Balancer{registry: registry, proxy: proxy}
	b.metrics = newMetrics(b)
	for _, r := range c.Routes {
		b.routes = append(b.routes, &route{
			Route: r, config: c, registry: registry, proxy: proxy, memory: memory{lost: true},
			lookup: lookup,
			synced: b.metrics.syncSeconds.WithLabelValues(r.Service),
			log:    log.With("service", r.Service, "backend", r.Backend),
		})
	}
	return b
}

// Run follows Consul and drives HAProxy until ctx ends. It waits for either as long as it takes.
func (b *Balancer) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, r := range b.routes {
		group.Go(func() error { return r.run(ctx) })
	}
	return group.Wait()
}
