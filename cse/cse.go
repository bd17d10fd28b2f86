// Package cse is a oneM2M Common Services Entity that any number of instances can be at once: they keep nothing that matters in
// their process, all of it is in the store they share. This file and config.go put the parts together; the parts are in
// httpbinding (TS-0009), dispatch (the operations), resource and access (what is valid, who may) and store.
//
// One port serves everything. /healthz, /readyz and /metrics are the instance's own; they cannot be mistaken for resources, because
// CSE-relative addresses start with the name of the CSEBase or with an identifier, and none of those is so called.
package cse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/account"
	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/dispatch"
	"github.com/viot-project/viot/cse/httpbinding"
	"github.com/viot-project/viot/cse/locate"
	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/reach"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// Server is one instance of the CSE. Make one with New.
type Server struct {
	config       Config
	store        store.Store
	dispatcher   *dispatch.Dispatcher
	books        *account.Books
	worker       *worker.Worker
	client       *httpbinding.Client
	handler      http.Handler
	registration *reach.Registration // nil without a registrar
	end          context.CancelFunc  // answers long polls, because this instance ends
	log          hclog.Logger
	prepared     atomic.Bool  // the store has schema and CSEBase
	draining     atomic.Bool  // the end has been asked for
	away         atomic.Bool  // the last probe found that the store does not answer
	requests     atomic.Int64 // Mca requests that have come
}

// parallelLanes is how many lanes of tasks one instance has under way. Most of them wait for somebody outside, who may be slow.
const parallelLanes = 64

// New puts an instance together. It starts nothing and does not touch the store, which stays the caller's to close.
func New(c Config, s store.Store, log hclog.Logger) *Server {
	v := &Server{
		config: c, store: s, log: log,
		dispatcher: &dispatch.Dispatcher{
			Store:    s,
			Identity: primitive.Identity{SPID: c.SPID, CSEID: c.CSEID, Name: c.CSEName},
			CSEType:  cseTypes[c.Federation.Type], Points: c.Federation.Points,
			Admin: c.Admin, Releases: c.Releases, MaxResults: c.MaxResults, Log: log,
		},
	}
	name := v.dispatcher.Identity.BaseID() + "." + c.SPID
	v.client = httpbinding.NewClient(httpbinding.ClientOptions{
		Name: name, Timeout: c.RequestTimeout, MaxBody: c.MaxBody, TLS: c.Security.clientTLS(log),
	})
	router := &reach.Router{
		Store: s, Identity: v.dispatcher.Identity, Client: v.client, Local: v.dispatcher,
		Registrar: c.Federation.Registrar.CSEID, Timeout: c.RequestTimeout, Log: log.Named("reach"),
	}
	v.dispatcher.Entities, v.dispatcher.Channels = router, router
	if f := c.Federation; f.Registrar.URL != "" {
		v.registration = &reach.Registration{
			Router: router, Registrar: f.Registrar, CSEType: cseTypes[f.Type], Points: f.Points, Releases: c.Releases,
			Interval: f.Interval, Log: log.Named("registration"),
		}
	}
	v.dispatcher.Ending, v.end = context.WithCancel(context.Background())
	v.books = account.NewBooks(s, c.Quotas, c.Admin, log.Named("account"))
	v.dispatcher.Accounts = v.books
	m := newMetrics()
	m.registry.MustRegister(v.books)
	notices := &notify.Handler{
		Store: s, Entities: v.dispatcher.Entities, CSEID: c.CSEID, Releases: c.Releases, Expire: v.dispatcher.ExpireSubscription,
		GiveUp: c.NotificationGiveUp, Timeout: c.RequestTimeout, Count: m.notified, Charge: v.books.Notified, Log: log.Named("notify"),
	}
	if v.dispatcher.Location = c.Location; c.LocationServer != "" {
		v.dispatcher.Locator, v.dispatcher.LocationServer = &locate.Server{URL: c.LocationServer}, c.LocationServer
	}
	v.dispatcher.MaxPending = c.MaxPendingNotifications
	v.dispatcher.Dropped = func(n int) { m.notified(notify.Dropped, n) }
	v.worker = &worker.Worker{Store: s, Parallel: parallelLanes, Log: log.Named("worker"), Handlers: map[string]worker.Handler{
		dispatch.KindTimeSeries:    v.dispatcher.WatchTimeSeries,
		dispatch.KindCommand:       v.dispatcher.Command,
		dispatch.KindLocation:      v.dispatcher.FollowLocation,
		dispatch.KindCrossResource: v.dispatcher.FollowCrossResources,
		dispatch.KindAction:        v.dispatcher.FollowActions,
		dispatch.KindBeacon:        v.dispatcher.SendBeacons,
		dispatch.TaskAnnounce:      v.dispatcher.Announce,
		dispatch.TaskGroupNotice:   v.dispatcher.PassOnNotices,
		dispatch.TaskGroupCheck:    v.dispatcher.CheckGroup,
		dispatch.TaskRequest:       v.dispatcher.CarryOut, dispatch.TaskResult: v.dispatcher.SendResult,
		reach.TaskRegistration: v.registration.Look,
		notify.Kind:            notices.Do,
	}}
	binding := &httpbinding.Handler{
		Dispatcher: account.Handler{Books: v.books, Identity: v.dispatcher.Identity, Next: v.dispatcher},
		Name:       name, MaxBody: c.MaxBody, Timeout: c.RequestTimeout, LongTimeout: c.LongTimeout,
		AllowedOrigins: c.Security.AllowedOrigins, TrustedProxies: c.Security.TrustedProxies,
	}
	if checker := c.Security.checker(v.dispatcher.Identity, log); checker != nil {
		binding.Authenticator = checker
	}
	mca := m.count(binding)
	own := map[string]http.Handler{
		"/healthz": http.HandlerFunc(healthz),
		"/readyz":  http.HandlerFunc(v.readyz),
		"/metrics": m.handler(),
	}
	v.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.draining.Load() {
			w.Header().Set("Connection", "close") // so that keep-alive clients go elsewhere
		}
		if h := own[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		v.requests.Add(1)
		mca.ServeHTTP(w, r)
	})
	return v
}

// Handler serves requests, probes and metrics.
func (v *Server) Handler() http.Handler { return v.handler }

// maxHeader bounds the header of a request, bytes.
const maxHeader = 64 << 10

// Serve answers on l until ctx ends, then drains within the drain timeout: /readyz fails and answers close their connections from
// that moment, requests that still come are served until none does, those in flight finish. It returns nil after a drain, even
// if some requests took too long and were cut off.
func (v *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: v.handler,
		// Clients that are slow or gone do not keep their connections.
		ReadHeaderTimeout: v.config.HeaderTimeout,
		ReadTimeout:       v.config.HeaderTimeout + v.config.RequestTimeout,
		WriteTimeout:      v.config.HeaderTimeout + 2*v.config.RequestTimeout,
		IdleTimeout:       v.config.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         v.config.Security.serverTLS(v.log),
		Protocols:         protocols(),
		ErrorLog:          v.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	parts.Go(func() {
		if !v.prepare(background) {
			return
		}
		parts.Go(func() { v.worker.Run(background) })
		parts.Go(func() { v.books.Run(background) })
		if ask := v.databaseClock(); ask != nil {
			parts.Go(func() { clock.Follow(background, ask, v.log.Named("clock")) })
		}
		v.dispatcher.Sweep(background)
	})
	parts.Go(func() { v.store.Listen(background) }) // its error is that of background
	defer v.client.CloseIdle()
	failed := make(chan error, 1)
	parts.Go(func() { failed <- serve(server, l) })
	defer parts.Wait()
	defer stop()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	v.draining.Store(true)
	v.end()
	v.log.Info("draining", "cause", context.Cause(ctx).Error(), "timeout", v.config.DrainTimeout)
	limit, cancel := context.WithTimeout(background, v.config.DrainTimeout)
	defer cancel()
	v.linger(limit)
	if err := server.Shutdown(limit); err != nil {
		v.log.Warn("drain timeout passed, cutting off what is left", "error", err)
		server.Close()
	}
	return nil
}

// serve serves on l, over TLS if server has a certificate.
func serve(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// protocols are HTTP/1.1 and HTTP/2, the latter over TLS and, with prior knowledge, without (h2c).
func protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

// quiet is how long no request must have come before a draining instance stops listening: time for a load balancer to notice.
const quiet = 200 * time.Millisecond

// linger returns when requests have stopped coming, or after a quarter of the drain timeout.
func (v *Server) linger(ctx context.Context) {
	end := time.Now().Add(v.config.DrainTimeout / 4)
	for before := int64(-1); time.Now().Before(end); {
		now := v.requests.Load()
		if now == before {
			return
		}
		before = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(quiet, time.Until(end))):
		}
	}
}

// prepare makes the store ready, as often as it takes, and reports whether it is. Until then /readyz fails.
func (v *Server) prepare(ctx context.Context) bool {
	const first, longest = 100 * time.Millisecond, 2 * time.Second
	start := time.Now()
	for wait := first; ; wait = min(2*wait, longest) {
		err := v.Prepare(ctx)
		if err == nil {
			v.log.Info("ready", "cse_id", v.config.CSEID, "after", time.Since(start).Round(time.Millisecond))
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		v.log.Warn("the store is not ready, next try follows", "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// prepareTimeout bounds one try to make the store ready, which takes long if a new version has to change a large one.
const prepareTimeout = 15 * time.Minute

// Prepare makes the store ready once. Serve does it by itself; a caller that only uses Handler does it first.
func (v *Server) Prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	if ask := v.databaseClock(); ask != nil {
		if _, err := clock.Ask(ctx, ask); err != nil {
			return err
		}
	}
	if err := v.store.Prepare(ctx, v.dispatcher.Base(clock.Now())); err != nil {
		return err
	}
	if err := v.dispatcher.MakeDefaults(ctx, clock.Now()); err != nil {
		return err
	}
	if v.registration != nil {
		if err := v.registration.Begin(ctx); err != nil {
			return err
		}
	}
	v.prepared.Store(true)
	return nil
}

// databaseClock asks the store what time it is; nil if it has no clock of its own.
func (v *Server) databaseClock() func(context.Context) (time.Time, error) {
	if s, ok := v.store.(store.Timekeeper); ok {
		return s.Clock()
	}
	return nil
}

// healthz says that the process answers.
func healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") }

// readyTimeout is how long the store may take to answer before the instance is not ready.
const readyTimeout = 800 * time.Millisecond

// readyz says whether this instance can serve requests now, and if not, why.
func (v *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := v.ready(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (v *Server) ready(ctx context.Context) error {
	switch {
	case v.draining.Load():
		return errors.New("draining")
	case !v.prepared.Load():
		return errors.New("the store is not ready yet")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := v.store.Ping(ctx); err != nil {
		if !v.away.Swap(true) {
			v.log.Warn("not ready", "cause", "the store does not answer", "error", err)
		}
		return errors.New("the store does not answer")
	}
	if v.away.Swap(false) {
		v.log.Info("ready", "cause", "the store answers again")
	}
	return nil
}
