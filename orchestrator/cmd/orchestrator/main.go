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
	"github.com/viot-project/viot/orchestrator/admin"
	"github.com/viot-project/viot/orchestrator/decide/reference"
	"github.com/viot-project/viot/orchestrator/lease"
	"github.com/viot-project/viot/orchestrator/loop"
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
	orchestrator := &loop.Orchestrator{
		Stack: c.stack, Identity: c.identity, Engine: engine, Consul: lease.Client{Client: registry}, HTTP: newHTTPClient(),
		Round: c.round, Scrape: c.scrape, Rules: reference.Lookup, Log: log,
	}
	metrics := admin.NewMetrics(orchestrator.Report)
	questions := admin.New(admin.Admin{
		Stack: c.stack, Identity: c.identity, Leader: orchestrator.Leader, Acting: orchestrator.Report,
		Ready: once(registry.Ready, engine.Check), Store: registry, Registry: metrics.Registry, Access: c.access(), Log: log.Named("admin"),
	})
	orchestrator.Took = func(took time.Duration) {
		metrics.Rounds.Observe(took.Seconds())
		questions.Changed()
	}
	decisions := newDecisionLog(c.decisions, log.Named("decisions"))
	if c.decisions != "" {
		metrics.Registry.MustRegister(decisions.errors)
		orchestrator.Decided = decisions.Decided
	}
	log.Info("orchestrator starts", "stack", c.stack, "identity", c.identity, "consul", c.consul, "docker", engine.Host(),
		"listen", listener.Addr().String())
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return orchestrator.Run(ctx) })
	parts.Go(func() error { return questions.Run(ctx) })
	parts.Go(func() error { return decisions.Run(ctx) })
	parts.Go(func() error { return serve(ctx, listener, questions.Handler(), log.Named("admin")) })
	err = parts.Wait()
	log.Info("orchestrator ends")
	return err
}

// newHTTPClient returns the client for instances and load balancers: neighbours, so no proxy.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     10 * time.Second,
	}}
}

// once returns a check that passes for good when all checks have passed once.
func once(checks ...func(context.Context) error) func(context.Context) error {
	var passed atomic.Bool
	return func(ctx context.Context) error {
		if passed.Load() {
			return nil
		}
		var problems []error
		for _, check := range checks {
			problems = append(problems, check(ctx))
		}
		err := errors.Join(problems...)
		passed.Store(err == nil)
		return err
	}
}

// serve answers HTTP requests until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log hclog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
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
