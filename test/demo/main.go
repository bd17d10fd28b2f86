// Command demo drives a load ramp through the load balancer of a running stack and shows, live, how the pool
// follows: load, instances, and the cause of each decision. Some devices and an application live beside the load as real ones do. It ends
// with a summary and a plot.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	mca, orchestrator, pool, plot string
	peak                          float64       // requests per second at the top of the ramp
	length                        time.Duration // of the ramp up, the plateau and the ramp down together
	settle                        time.Duration // quiet time afterwards, for the pool to shrink
	connections                   int
	devices                       int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.StringVar(&s.mca, "mca", "http://127.0.0.1:8080", "base URL of the Mca")
	flags.StringVar(&s.orchestrator, "orchestrator", "http://127.0.0.1:8090", "base URL of the orchestrator")
	flags.StringVar(&s.pool, "pool", "cse", "pool to watch")
	flags.StringVar(&s.plot, "plot", "build/demo.svg", "file for the plot")
	flags.Float64Var(&s.peak, "peak", 1200, "requests per second at the top of the ramp")
	flags.DurationVar(&s.length, "length", 75*time.Second, "length of the ramp: a third up, a third at the top, a third down")
	flags.DurationVar(&s.settle, "settle", 45*time.Second, "longest quiet time afterwards, for the pool to shrink")
	flags.IntVar(&s.connections, "connections", 48, "keep-alive connections")
	flags.IntVar(&s.devices, "devices", 4, "devices that publish beside the load, and whose contents an application is told of")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !(s.peak > 0) || s.length <= 0 || s.settle < 0 || s.connections < 1 || s.devices < 0 {
		return errors.New("-peak, -length and -connections want more than 0, -settle and -devices 0 or more")
	}
	name := fmt.Sprintf("demo-%d", time.Now().Unix())
	tree, err := load.Prepare(ctx, s.mca, "cse-in", name)
	if err != nil {
		return fmt.Errorf("prepare: %w; is the stack up (make up)?", err)
	}
	home, err := settle(ctx, s.mca, "cse-in", name, s.devices)
	defer func() {
		cleanup, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(tree.Remove(cleanup), home.leave(cleanup)); err != nil {
			fmt.Fprintln(out, "clean up:", err)
		}
	}()

	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}

	w := &watch{settings: s, out: out, start: time.Now(), terminal: isTerminal(out)}
	loading, stopLoading := context.WithTimeout(ctx, s.length)
	defer stopLoading()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return load.Run(loading, load.Config{
			Address: strings.TrimPrefix(s.mca, "http://"), Connections: s.connections, Next: tree.Mix, Rate: s.rate,
			Record: w.record, RequestID: fmt.Sprintf("demo-%d", w.start.UnixNano()), Timeout: 30 * time.Second,
		})
	})
	group.Go(func() error { return home.live(loading) })
	group.Go(func() error { return w.run(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	err = w.finish()
	home.report(out)
	return err
}

// rate is the ramp: up, level, down, a third of the length each.
func (s settings) rate(since time.Duration) float64 {
	x := 3 * since.Seconds() / s.length.Seconds()
	return s.peak * math.Max(0.02, math.Min(1, math.Min(x, 3-x)))
}

// report is what the orchestrator answers about one pool.
type report struct {
	Status spec.Status `json:"status"`
}

// decision is the part of a decision record that is shown.
type decision struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Cause  string    `json:"cause"`
}

func getJSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("VIOT_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
