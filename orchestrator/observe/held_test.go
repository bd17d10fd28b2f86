package observe

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// porch is where a balancer's companion tells of the requests that it holds for the pool cse.
type porch struct {
	mu      sync.Mutex
	held    int
	away    bool // refuses, and breaks off the questions that wait
	old     bool // knows nothing of waiting
	changed chan struct{}
	asked   int // questions that may wait
	waiting int // of these, not answered yet
}

const porchURL = "http://lb/v1/services/cse"

func (w *world) porch() *porch {
	p := &porch{changed: make(chan struct{})}
	w.do(func() {
		w.pages[porchURL] = func(*http.Request) (string, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.answer()
		}
		w.pages[porchURL+"?"] = p.wait
	})
	return p
}

// answer needs p.mu.
func (p *porch) answer() (string, error) {
	if p.away {
		return "", errors.New("connection refused")
	}
	return fmt.Sprintf(`{"sampledAt": %q, "arrivals": %d, "queued": %d, "held": %d}`, time.Now().Format(time.RFC3339Nano), p.held, p.held, p.held), nil
}

func (p *porch) wait(r *http.Request) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	known, err := strconv.Atoi(r.URL.Query().Get("held"))
	if err != nil {
		return "", err
	}
	wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil {
		return "", err
	}
	p.waiting++
	defer func() { p.waiting-- }()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for expired := p.old; !expired && !p.away && p.held <= known; {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-timeout.C:
			expired = true
		case <-changed:
		}
		p.mu.Lock()
		if err := r.Context().Err(); err != nil {
			return "", err
		}
	}
	return p.answer()
}

func (p *porch) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *porch) hold(n int) { p.set(func() { p.held = n }) }

// open says how many questions wait, and asked how many came.
func (p *porch) open() (open, asked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting, p.asked
}

// TestHeldRequestIsPushed has a request held in the middle between all ticks, at a pool that has no instance.
func TestHeldRequestIsPushed(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		p := w.porch()
		w.declare(func(p *spec.Pool) { p.Policy.Min = 0 })
		time.Sleep(10*time.Second + 111*time.Millisecond)
		synctest.Wait()
		if open, asked := p.open(); open != 1 || asked > 4 {
			t.Fatalf("%d questions are open of %d in 10s, want 1 of no more than 4", open, asked)
		}
		for _, held := range []int{1, 7} {
			w.do(func() { w.wakes = nil })
			at := time.Now()
			p.hold(held)
			s := w.snapshot(o, "cse")
			w.do(func() {
				if len(w.wakes) != 1 || !time.Now().Equal(at) {
					t.Errorf("%d held: the loop was woken at %v, want once, at %v", held, w.wakes, at.Sub(w.began))
				}
			})
			if a := s.Arrivals; a.Held != held || a.Queued != held || !a.Complete {
				t.Errorf("%d held: arrivals are %+v", held, a)
			}
			time.Sleep(2*o.Poll + 111*time.Millisecond)
		}
	})
}

// TestHeldRequestsDoNotKeepAsking has requests stay held, grow in number all the time and go.
func TestHeldRequestsDoNotKeepAsking(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		p := w.porch()
		w.declare(nil)
		time.Sleep(time.Second)
		asked := func(during func()) int {
			_, before := p.open()
			during()
			_, after := p.open()
			return after - before
		}
		p.hold(1)
		if n := asked(func() { time.Sleep(10 * time.Second) }); n > 42 {
			t.Errorf("%d questions in 10s of one request held, want no more than the counters are read, 40", n)
		}
		if n := asked(func() {
			for held := range 1000 {
				p.hold(held + 2)
				time.Sleep(10 * time.Millisecond)
			}
		}); n > 42 {
			t.Errorf("%d questions in 10s of ever more held, want no more than the counters are read, 40", n)
		}
		p.hold(0)
		time.Sleep(time.Second + 111*time.Millisecond)
		synctest.Wait()
		w.do(func() { w.wakes = nil })
		p.hold(1)
		synctest.Wait()
		w.do(func() {
			if len(w.wakes) != 1 {
				t.Errorf("the first request after others were served woke the loop %d times, want once", len(w.wakes))
			}
		})
		p.set(func() { p.held, p.old = 0, true })
		time.Sleep(10 * time.Second)
		if n := asked(func() { time.Sleep(60 * time.Second) }); n > 13 {
			t.Errorf("%d questions in a minute to a companion that answers at once, want one in %v", n, heldWait)
		}
	})
}

// TestHeldIsAskedOfEmptyPoolsOnly has a pool get its instance and lose it, and its document go.
func TestHeldIsAskedOfEmptyPoolsOnly(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		p := w.porch()
		want := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			if open, _ := p.open(); open != want {
				t.Errorf("%s: %d questions are open, want %d", what, open, want)
			}
		}
		want("no pool", 0)
		w.declare(nil)
		want("no instance", 1)
		one := w.boot("cse", 1)
		want("an instance", 0)
		_, before := p.open()
		time.Sleep(time.Minute)
		if _, after := p.open(); after != before {
			t.Errorf("%d questions about a pool with an instance, want none", after-before)
		}
		w.pass(one, false)
		want("an instance that fails its check", 1)
		w.pass(one, true)
		want("it passes", 0)
		w.do(func() {
			delete(w.registered, one)
			w.touch("service/cse")
		})
		w.happen(docker.ActionDestroy, one, nil)
		want("it is gone", 1)
		w.declare(func(p *spec.Pool) { p.Deleting = true })
		want("the pool is being deleted", 0)
		w.declare(func(p *spec.Pool) { p.Balancers = nil })
		want("no balancer", 0)
		w.declare(nil)
		want("a balancer", 1)
		w.put(spec.PoolKey("t", "cse"), "")
		want("no document", 0)
	})
}

// TestHeldOutlivesTheCompanion takes the companion away for a minute; the first request after it is back is pushed.
func TestHeldOutlivesTheCompanion(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		p := w.porch()
		w.declare(nil)
		time.Sleep(time.Second)
		p.set(func() { p.away = true })
		_, before := p.open()
		time.Sleep(time.Minute)
		if _, after := p.open(); after-before > 15 {
			t.Errorf("%d questions in a minute without an answer, want no more than 15", after-before)
		}
		p.set(func() { p.away = false })
		time.Sleep(heldBackoff + 111*time.Millisecond)
		synctest.Wait()
		w.do(func() { w.wakes = nil })
		p.hold(1)
		if s := w.snapshot(o, "cse"); s.Arrivals.Held != 1 {
			t.Errorf("%d are held, want 1", s.Arrivals.Held)
		}
		w.do(func() {
			if len(w.wakes) != 1 {
				t.Errorf("the loop was woken %d times, want once", len(w.wakes))
			}
		})
		p.set(func() { p.held, p.away = 0, true }) // restarts within a moment
		time.Sleep(100 * time.Millisecond)
		p.set(func() { p.away = false })
		time.Sleep(retryAfter + o.Poll)
		synctest.Wait()
		if open, _ := p.open(); open != 1 {
			t.Errorf("%d questions are open after a restart, want 1", open)
		}
	})
}

// TestPushedCountIsNotUndone has a reading of the counters arrive after what was pushed while it was under way.
func TestPushedCountIsNotUndone(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		p := w.porch()
		w.declare(nil)
		time.Sleep(time.Second + 111*time.Millisecond)
		slow := make(chan struct{})
		w.do(func() {
			w.pages[porchURL] = func(r *http.Request) (string, error) {
				<-slow
				return `{"held": 0}`, nil
			}
		})
		time.Sleep(o.Poll)
		p.hold(3)
		synctest.Wait()
		close(slow)
		if s := w.snapshot(o, "cse"); s.Arrivals.Held != 3 {
			t.Errorf("%d are held by a reading from before, want the 3 that were pushed", s.Arrivals.Held)
		}
	})
}
