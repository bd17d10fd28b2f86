// Command stream is the work beside the CSE in the end-to-end test: a queue, and consumers that take items from it one
// at a time. The consumers are a pool that nobody sends requests to; how much waits in the queue says how many are needed.
//
// With -queue it is a consumer of the queue at that URL; without, it is the queue.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address of the HTTP interface")
	source := flags.String("queue", os.Getenv("STREAM_QUEUE"), "URL of the queue to take items from [$STREAM_QUEUE]")
	takes := flags.Duration("takes", 50*time.Millisecond, "how long an item takes a consumer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	work := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if *source == "" {
		newQueue(registry).handle(mux)
	} else {
		work = newConsumer(registry, *source, *takes).run
	}
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			cancel(err)
		}
	}()
	err := work(ctx)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, server.Close())
}
