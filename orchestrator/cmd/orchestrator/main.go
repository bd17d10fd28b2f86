// Command orchestrator keeps the pools of a stack the right size. Any number may run; one acts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/act"
	"github.com/viot-project/viot/orchestrator/admin"
	"github.com/viot-project/viot/orchestrator/fleet"
	"github.com/viot-project/viot/orchestrator/lease"
	"github.com/viot-project/viot/orchestrator/loop"
	"github.com/viot-project/viot/orchestrator/observe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "orchestrator:", err)
		os.Exit(1)
	}
}

// run wires the daemon and blocks until ctx ends or a part fails. Every long-lived goroutine is started here or in the
// Run of a part.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	c, err := parseConfig(args, getenv, stderr)
	if err != nil {
		return err
	}
	log := hclog.New(&hclog.LoggerOptions{
		Name: "orchestrator", Level: hclog.LevelFromString(c.logLevel), Output: stderr, JSONFormat: c.logFormat == "json",
	})
	engine, err := docker.New(c.docker)
	if err != nil {
		return err
	}
	defer engine.Close()
	registry, err := consul.New(c.consul, c.consulToken)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	d := &daemon{config: c, log: log, engine: engine, consul: registry, http: newHTTPClient()}
	d.metrics = admin.NewMetrics(d.report)
	d.lease = &lease.Lease{
		Consul: lease.Client{Client: registry}, Key: spec.LeaderKey(c.stack), Identity: c.identity, Log: log.Named("lease"),
	}
	log.Info("orchestrator starts", "stack", c.stack, "identity", c.identity, "consul", c.consul, "docker", engine.Host(),
		"listen", listener.Addr().String())
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return d.lease.Run(ctx, d.lead) })
	parts.Go(func() error { return d.serve(ctx, listener) })
	err = parts.Wait()
	log.Info("orchestrator ends")
	return err
}

// daemon is the parts that live as long as the process.
type daemon struct {
	config  config
	log     hclog.Logger
	engine  *docker.Client
	consul  *consul.Client
	http    *http.Client
	metrics *admin.Metrics
	lease   *lease.Lease

	loop    atomic.Pointer[loop.Loop] // while acting
	reached atomic.Bool               // Consul and Docker have answered
}

// newHTTPClient returns the client for instances and balancers: neighbours, so no proxy. Requests are bounded by their
// contexts.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     10 * time.Second,
	}}
}

// lead acts until ctx, which is the term's, ends.
func (d *daemon) lead(ctx context.Context, term *lease.Term) error {
	wake := loop.NewWakeable()
	observer := &observe.Observer{
		Stack: d.config.stack, Engine: d.engine, Consul: d.consul, HTTP: d.http,
		Poll: d.config.round, Scrape: d.config.scrape, Wake: wake.Wake, Log: d.log.Named("observe"),
	}
	actor := &act.Actor{Engine: d.engine, Consul: d.consul, HTTP: d.http, Term: term, Wake: wake.Wake, Log: d.log.Named("act")}
	rounds := &loop.Loop{
		Stack: d.config.stack, Identity: d.config.identity, Observer: observer, Actor: actor, Store: d.consul, Term: term,
		Every: d.config.round, Took: func(took time.Duration) { d.metrics.Rounds.Observe(took.Seconds()) }, Log: d.log.Named("loop"),
	}
	d.loop.Store(rounds)
	defer d.loop.Store(nil)
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return observer.Run(ctx) })
	parts.Go(func() error { return actor.Run(ctx) })
	parts.Go(func() error { return rounds.Run(ctx, wake) })
	return parts.Wait()
}

// report is the acting loop's; false while standing by.
func (d *daemon) report() (fleet.Report, bool) {
	if l := d.loop.Load(); l != nil {
		return l.Report(), true
	}
	return fleet.Report{}, false
}

// ready returns nil once Consul and Docker have both answered.
func (d *daemon) ready(ctx context.Context) error {
	if d.reached.Load() {
		return nil
	}
	if err := errors.Join(d.consul.Ready(ctx), d.engine.Check(ctx)); err != nil {
		return err
	}
	d.reached.Store(true)
	return nil
}

// serve answers questions until ctx ends.
func (d *daemon) serve(ctx context.Context, listener net.Listener) error {
	a := &admin.Admin{
		Stack: d.config.stack, Identity: d.config.identity, Leader: d.lease.Holder, Acting: d.report, Ready: d.ready,
		Store: d.consul, Registry: d.metrics.Registry, Log: d.log.Named("admin"),
	}
	server := &http.Server{
		Handler: a.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: d.log.Named("admin").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(grace) // whoever still asks then is cut off by the exit
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return nil
}
