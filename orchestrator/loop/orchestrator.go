package loop

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/act"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
	"github.com/viot-project/viot/orchestrator/lease"
	"github.com/viot-project/viot/orchestrator/observe"
)

// Engine is what an orchestrator needs of Docker.
type Engine interface {
	observe.Engine
	act.Engine
}

// Consul is what an orchestrator needs of Consul.
type Consul interface {
	observe.Consul
	act.Consul
	lease.Consul
	Store
}

// Orchestrator is one orchestrator, wired: it competes for leading a stack and, while it leads, observes, decides and
// acts. Set the exported fields; then Run, and from any goroutine Report and Leader.
type Orchestrator struct {
	Stack    string
	Identity string // see lease.Lease
	Engine   Engine
	Consul   Consul
	HTTP     *http.Client                        // for instances and load balancers; without a timeout of its own
	Round    time.Duration                       // between two readings of the load balancers, and between two rounds
	Scrape   time.Duration                       // between two readings of an instance's metrics page
	Took     func(time.Duration)                 // told how long each round took; may be nil
	Rules    decide.Rules                        // see Loop
	Decided  func(pool string, d fleet.Decision) // see Loop
	Log      hclog.Logger

	lease atomic.Pointer[lease.Lease] // once Run was called
	loop  atomic.Pointer[Loop]        // while acting

	// only the goroutine in Run uses these
	last *observe.Observer // of the newest term
	wake Wakeable          // its
}

// Run competes and acts until ctx ends. Then it interrupts what it is doing, gives up the lease and returns.
func (o *Orchestrator) Run(ctx context.Context) error {
	l := &lease.Lease{Consul: o.Consul, Key: spec.LeaderKey(o.Stack), Identity: o.Identity, Log: o.Log.Named("lease"), Silent: o.watch}
	o.lease.Store(l)
	return l.Run(ctx, o.lead)
}

// lead acts until ctx, which is the term's, ends.
func (o *Orchestrator) lead(ctx context.Context, term *lease.Term) error {
	wake := NewWakeable()
	observer := &observe.Observer{
		Stack: o.Stack, Engine: o.Engine, Consul: o.Consul, HTTP: o.HTTP,
		Poll: o.Round, Scrape: o.Scrape, Wake: wake.Wake, Log: o.Log.Named("observe"),
	}
	actor := &act.Actor{
		Engine: o.Engine, Consul: o.Consul, HTTP: o.HTTP, Term: term, Wake: wake.Wake, Log: o.Log.Named("act"),
	}
	rounds := &Loop{
		Stack: o.Stack, Identity: o.Identity, Observer: observer, Actor: actor, Store: o.Consul, Term: term,
		Every: o.Round, Took: o.Took, Rules: o.Rules, Decided: o.Decided, Log: o.Log.Named("loop"),
	}
	o.loop.Store(rounds)
	defer o.loop.Store(nil)
	o.last, o.wake = observer, wake
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return observer.Run(ctx) })
	parts.Go(func() error { return actor.Run(ctx) })
	parts.Go(func() error { return rounds.Run(ctx, wake) })
	return parts.Wait()
}

// watch keeps the vigil after a term that Consul's silence has ended, until ctx ends: whatever still needs the term is
// refused.
func (o *Orchestrator) watch(ctx context.Context, term *lease.Term) error {
	log := o.Log.Named("vigil")
	log.Warn("consul is silent: sizes are held, instances that crash are started again in place")
	actor := &act.Actor{Engine: o.Engine, Consul: o.Consul, HTTP: o.HTTP, Term: term, Wake: o.wake.Wake, Log: o.Log.Named("act")}
	vigil := &Vigil{Observer: o.last, Actor: actor, Every: o.Round, Decided: o.Decided, Log: log}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return o.last.RunAlone(ctx) })
	parts.Go(func() error { return actor.Run(ctx) })
	parts.Go(func() error { return vigil.Run(ctx, o.wake) })
	return parts.Wait()
}

// Report is what is known after the last round; acting is false while this orchestrator stands by.
func (o *Orchestrator) Report() (report fleet.Report, acting bool) {
	if l := o.loop.Load(); l != nil {
		return l.Report(), true
	}
	return fleet.Report{}, false
}

// Leader is the identity of the orchestrator that acts, as last seen; empty when none was.
func (o *Orchestrator) Leader() string {
	if l := o.lease.Load(); l != nil {
		return l.Holder()
	}
	return ""
}
