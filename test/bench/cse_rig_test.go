package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
)

// emptyVariable makes this program an HTTP server that answers everything with nothing, at the address it holds.
const emptyVariable = "VIOT_BENCH_EMPTY_HANDLER"

func TestMain(m *testing.M) {
	if address := os.Getenv(emptyVariable); address != "" {
		err := http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(postgrestest.Main(m))
}

// postgres is the DSN of an empty database whose commits are durable: on the server that VIOT_TEST_POSTGRES names, or on one that runs
// for the measurement.
func postgres(b *testing.B) string {
	b.Helper()
	if os.Getenv(postgrestest.Variable) != "" {
		return postgrestest.DSN(b)
	}
	// Beside the build, not in a temporary folder, which may be memory.
	dir := filepath.Join(root(b), "build", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if passable(dir) {
		return postgrestest.Serve(b, dir, "fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "max_wal_size=4GB", "max_connections=200")
	}
	return postgrestest.Serve(b, os.TempDir(), "fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "max_wal_size=4GB", "max_connections=200")
}

// passable reports whether every user may look into dir, as a PostgreSQL server that is started by root does as another user, and
// whether a socket in it has a name that is short enough.
func passable(dir string) bool {
	if len(dir) > 60 {
		return false
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if d == filepath.Dir(d) {
			return true
		}
	}
}

// process is a program under load.
type process struct {
	b       *testing.B
	address string // host:port
	command *exec.Cmd
}

// start runs a program that listens on a free port until the benchmark ends.
func start(b *testing.B, path string, args func(address string) []string, environment func(address string) []string) *process {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p := &process{b: b, address: l.Addr().String()}
	l.Close()
	p.command = exec.Command(path, args(p.address)...)
	p.command.Env = append(os.Environ(), environment(p.address)...)
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.end)
	for deadline := time.Now().Add(30 * time.Second); ; {
		r, err := http.Get("http://" + p.address + "/readyz")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s is not ready: %v", path, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// end ends the program, once.
func (p *process) end() {
	if p.command.ProcessState != nil {
		return
	}
	p.command.Process.Signal(syscall.SIGTERM)
	p.command.Wait()
}

// cseBinary builds the CSE as it is shipped.
var cseBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "viotbench")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cse")
	out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "github.com/viot-project/viot/cse/cmd/cse").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the CSE: %w: %s", err, out)
	}
	return path, nil
})

// startCSE runs an instance on the store at dsn.
func startCSE(b *testing.B, dsn string, environment ...string) *process {
	b.Helper()
	path, err := cseBinary()
	if err != nil {
		b.Fatal(err)
	}
	return start(b, path,
		func(address string) []string {
			return []string{"-listen", address, "-store", dsn, "-log-level", "warn"}
		},
		func(string) []string { return environment })
}

// startEmpty runs the handler that does nothing.
func startEmpty(b *testing.B) *process {
	b.Helper()
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return start(b, path, func(string) []string { return nil }, func(address string) []string { return []string{emptyVariable + "=" + address} })
}

// client speaks to p as its administrator.
func (p *process) client() *client.Client { return client.New("http://"+p.address, "CAdmin") }

// container makes a container in the CSEBase that keeps the newest most contents, or all if that is 0.
func (p *process) container(name string, most int64) {
	p.b.Helper()
	c := &client.Container{Common: client.Named(name)}
	if most > 0 {
		c.MaxNrOfInstances = &most
	}
	if err := p.client().Create(p.b.Context(), "cse-in", c); err != nil {
		p.b.Fatal(err)
	}
}

// CPU is the processor time that p has used; 0 of a program that was started elsewhere.
func (p *process) CPU() time.Duration {
	if p.command == nil {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		p.b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	var ticks int64
	for _, i := range []int{11, 12} { // in user and in kernel mode, hundredths of a second
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			p.b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// memory is how much of p is in memory, now and at most, bytes.
func (p *process) memory() (now, most int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		p.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			now = kib << 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			most = kib << 10
		}
	}
	return now, most
}

// run is what one run of a load gave.
type run struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	cpu      time.Duration // of the programs under load, for each request
	summary  load.Summary
}

// drive sends what next says over connections spread over the processes for a while, or until it has had as many answers as most, if
// that is not 0. A request that fails fails the benchmark.
func drive(b *testing.B, processes []*process, connections int, lasts time.Duration, most int, next func(connection, sequence int) load.Request) run {
	b.Helper()
	r := measure(b, processes, connections, lasts, most, next)
	if r.summary.Failed > 0 || r.summary.Requests == 0 {
		b.Fatal(r.summary)
	}
	return r
}

// measure drives a load of which requests may fail.
func measure(b *testing.B, processes []*process, connections int, lasts time.Duration, most int, next func(connection, sequence int) load.Request) run {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), lasts)
	defer cancel()
	var tally load.Tally
	var mu sync.Mutex
	left := most
	record := func(r load.Result) {
		tally.Record(r)
		if most == 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			cancel()
		}
	}
	var before, after time.Duration
	for _, p := range processes {
		before += p.CPU()
	}
	began := time.Now()
	var parts sync.WaitGroup
	errs := make([]error, len(processes))
	for i, p := range processes {
		parts.Go(func() {
			errs[i] = load.Run(ctx, load.Config{
				Address: p.address, Connections: connections / len(processes), Timeout: 30 * time.Second, Record: record,
				RequestID: fmt.Sprint(began.UnixNano(), "-", i),
				Next:      func(c, s int) load.Request { return next(c*len(processes)+i, s) },
			})
		})
	}
	parts.Wait()
	took := time.Since(began)
	for _, p := range processes {
		after += p.CPU()
	}
	s := tally.Summary()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	return run{float64(s.Requests-s.Failed) / took.Seconds(), s.P50, s.P99, (after - before) / time.Duration(max(s.Requests, 1)), s}
}

// rounds is how often what is measured by a rate is repeated; the figures are medians.
const rounds = 5

// repeated drives the load once to warm up and then rounds times.
func repeated(b *testing.B, processes []*process, connections int, lasts time.Duration, next func(connection, sequence int) load.Request) []run {
	b.Helper()
	drive(b, processes, connections, time.Second, 0, next)
	var runs []run
	for range rounds {
		runs = append(runs, drive(b, processes, connections, lasts, 0, next))
	}
	return runs
}

// values are the medians of runs, and how far the rates are apart.
func values(runs []run) []figure.Value {
	rates := series(runs, func(r run) float64 { return r.rate })
	return []figure.Value{
		rate("rate", load.Quantile(rates, 0.5)),
		figure.Seconds("p50", load.Quantile(series(runs, func(r run) time.Duration { return r.p50 }), 0.5)),
		figure.Seconds("p99", load.Quantile(series(runs, func(r run) time.Duration { return r.p99 }), 0.5)),
		rate("min", rates[0]), rate("max", rates[len(rates)-1]), figure.Count("n", len(runs)),
		figure.Text("cse_cpu", fmt.Sprint(load.Quantile(series(runs, func(r run) time.Duration { return r.cpu }), 0.5).Microseconds(), "us")),
	}
}

func series[T ~int64 | ~float64](runs []run, of func(run) T) []T {
	var list []T
	for _, r := range runs {
		list = append(list, of(r))
	}
	slices.Sort(list)
	return list
}

func rate(key string, perSecond float64) figure.Value {
	return figure.Text(key, strconv.FormatFloat(perSecond, 'f', 0, 64)+"/s")
}
