package scaleout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// pool are the instances of one CSE.
type pool struct {
	t         *testing.T
	database  string
	transport *http.Transport
	mu        sync.Mutex
	all       []*instance
}

// instance is one process after the other at the same address.
type instance struct {
	address string
	process *exec.Cmd
	log     *output
	live    bool // guarded by pool.mu
}

// output collects what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// problems are the lines that no instance should ever log.
func (o *output) problems() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for line := range strings.Lines(o.text.String()) {
		for _, sign := range []string{"[ERROR]", "panic", "goroutine ", "deadlock"} {
			if strings.Contains(line, sign) {
				list = append(list, strings.TrimSpace(line))
				break
			}
		}
	}
	return list
}

// start starts a pool that ends with the test.
func start(t *testing.T, database string) *pool {
	t.Helper()
	p := &pool{t: t, database: database, transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	t.Cleanup(p.transport.CloseIdleConnections)
	for range instances {
		i := &instance{address: freeAddress(t), log: &output{}}
		p.all = append(p.all, i)
		p.begin(i)
		t.Cleanup(func() {
			p.end(i, syscall.SIGKILL)
			for _, line := range i.log.problems() {
				t.Errorf("%s logged: %s", i.address, line)
			}
			if t.Failed() {
				t.Logf("log of %s:\n%s", i.address, i.log.text.String())
			}
		})
	}
	return p
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// begin starts a process and waits until it is ready.
func (p *pool) begin(i *instance) {
	i.process = exec.Command(program, "-listen", i.address, "-store", p.database, "-request-timeout", "5s", "-drain-timeout", "2s",
		"-log-level", "warn")
	i.process.Stderr = i.log
	if err := i.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, i.address+" gets ready", func() (string, bool) {
		a, err := (&http.Client{Transport: p.transport, Timeout: time.Second}).Get("http://" + i.address + "/readyz")
		if err != nil {
			return err.Error(), false
		}
		defer a.Body.Close()
		io.Copy(io.Discard, a.Body)
		return a.Status, a.StatusCode == http.StatusOK
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	i.live = true
}

// end ends the process of i. Clients may still try it for a moment.
func (p *pool) end(i *instance, signal syscall.Signal) {
	_ = i.process.Process.Signal(signal) // one that has ended already has been waited for
	_ = i.process.Wait()                 // that it was killed is no news
	p.mu.Lock()
	defer p.mu.Unlock()
	i.live = false
}

// restart ends instance n and starts it again.
func (p *pool) restart(n int, signal syscall.Signal) {
	i := p.all[n]
	p.end(i, signal)
	p.begin(i)
}

// RoundTrip sends each try to any of the instances that are thought to live.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	var live []string
	for _, i := range p.all {
		if i.live {
			live = append(live, i.address)
		}
	}
	p.mu.Unlock()
	if len(live) == 0 {
		return nil, fmt.Errorf("no instance lives")
	}
	r = r.Clone(r.Context())
	r.URL.Host = live[rand.IntN(len(live))]
	return p.transport.RoundTrip(r)
}

// client speaks for originator. Its requests are repeated until they are answered.
func (p *pool) client(originator string) *client.Client {
	c := client.New("http://pool", originator)
	c.HTTPClient = &http.Client{Transport: p}
	c.Timeout = 10 * time.Second
	c.Retry = client.Retry{Tries: 60, First: 20 * time.Millisecond, Longest: time.Second}
	return c
}

// nonBlocking asks for the result of every request later.
type nonBlocking struct{ http.RoundTripper }

func (n nonBlocking) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.RawQuery = "rt=1"
	return n.RoundTripper.RoundTrip(r)
}

// must fails the test with err unless it is nil, and reports whether it is.
func must(t *testing.T, what string, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return err == nil
}

// create makes r a child of parent before the turmoil.
func create(t *testing.T, c *client.Client, parent string, r client.Resource) {
	t.Helper()
	if err := c.Create(t.Context(), parent, r); err != nil {
		t.Fatalf("create in %s: %v", parent, err)
	}
}

// detached is a context for a request that has been begun when ctx ends, so that its outcome is known.
func detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
