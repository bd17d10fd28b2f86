// Command balancer is the load balancer's companion: it keeps HAProxy's servers as Consul has them. Package balancer
// says how, its Handler lists the HTTP API, and -help lists the flags.
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
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/orchestrator/balancer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "balancer:", err)
		os.Exit(1)
	}
}

// stopGrace is how long questions in flight may take to finish at the end.
const stopGrace = 2 * time.Second

// run wires the companion and blocks until ctx ends or a part fails. Every long-lived goroutine is started here.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	config, err := parse(args, getenv, stderr)
	if err != nil {
		return err
	}
	log := hclog.New(&config.log)
	listener, err := net.Listen("tcp", config.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	companion := balancer.New(config.balancer, config.consul, config.haproxy, log)
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler:           companion.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // long polls end with the companion
	}
	group.Go(func() error { return companion.Run(ctx) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the HTTP API: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return server.Shutdown(grace)
	})
	log.Info("following consul", "routes", config.balancer.Routes, "listen", listener.Addr().String())
	return group.Wait()
}
