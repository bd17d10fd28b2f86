package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"pgregory.net/rapid"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// lock is a Consul with one key and its sessions. Contenders reach it through lines, which can be cut.
type lock struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each change
	index    uint64
	kv       consul.KV
	sessions map[string]time.Time // when each was renewed
	made     int
}

func newLock() *lock {
	return &lock{changed: make(chan struct{}), index: 1, sessions: map[string]time.Time{}}
}

// run ends sessions that are not renewed, as late as a real Consul does.
func (l *lock) run(ctx context.Context) {
	for pause(ctx, 100*time.Millisecond) {
		l.mu.Lock()
		for id, renewed := range l.sessions {
			if time.Since(renewed) >= 2*sessionTTL {
				l.end(id)
			}
		}
		l.mu.Unlock()
	}
}

// set and end need l.mu.
func (l *lock) set(value []byte, session string) {
	l.index++
	l.kv = consul.KV{Key: key, Value: value, ModifyIndex: l.index, Session: session}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lock) end(id string) {
	delete(l.sessions, id)
	if l.kv.Session == id {
		l.set(l.kv.Value, "")
	}
}

// line is one contender's way to the lock.
type line struct {
	lock *lock
	mu   sync.Mutex
	mode string // "" works, "refused" fails at once, "hangs" fails when the caller gives up, "deaf" carries out and fails
}

const callLimit = 3 * time.Second // as a client sets it to each of its calls

func (n *line) cut(mode string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mode = mode
}

func (n *line) call(ctx context.Context, do func() error) error {
	n.mu.Lock()
	mode := n.mode
	n.mu.Unlock()
	switch mode {
	case "refused":
		return consul.ErrUnavailable
	case "hangs":
		pause(ctx, callLimit)
		return errors.Join(consul.ErrUnavailable, ctx.Err())
	}
	n.lock.mu.Lock()
	err := do()
	n.lock.mu.Unlock()
	if mode == "deaf" {
		pause(ctx, callLimit)
		return errors.Join(consul.ErrUnavailable, ctx.Err())
	}
	return err
}

func (n *line) CreateSession(ctx context.Context, name string, _ time.Duration) (id string, err error) {
	err = n.call(ctx, func() error {
		n.lock.made++
		id = fmt.Sprintf("%s %d", name, n.lock.made)
		n.lock.sessions[id] = time.Now()
		return nil
	})
	return id, err
}

func (n *line) RenewSession(ctx context.Context, id string) error {
	return n.call(ctx, func() error {
		if _, ok := n.lock.sessions[id]; !ok {
			return consul.ErrNotFound
		}
		n.lock.sessions[id] = time.Now()
		return nil
	})
}

func (n *line) DestroySession(ctx context.Context, id string) error {
	return n.call(ctx, func() error { n.lock.end(id); return nil })
}

func (n *line) Acquire(ctx context.Context, _ string, value []byte, session string) (held bool, err error) {
	err = n.call(ctx, func() error {
		if _, ok := n.lock.sessions[session]; !ok {
			return consul.ErrNotFound
		}
		if held = n.lock.kv.Session == "" || n.lock.kv.Session == session; held {
			n.lock.set(value, session)
		}
		return nil
	})
	return held, err
}

func (n *line) WatchKey(ctx context.Context, _ string, index uint64, wait time.Duration) (kv consul.KV, next uint64, err error) {
	for deadline := time.Now().Add(wait); ; {
		var changed chan struct{}
		err = n.call(ctx, func() error {
			changed, kv, next = n.lock.changed, n.lock.kv, n.lock.index
			return nil
		})
		left := time.Until(deadline)
		if err != nil || index == 0 || next > index || left <= 0 {
			return kv, next, err
		}
		select {
		case <-ctx.Done():
			return kv, 0, ctx.Err()
		case <-changed:
		case <-time.After(min(left, time.Second)): // a line that is cut meanwhile is noticed
		}
	}
}

func (n *line) WriteFenced(ctx context.Context, _, session string, _ []fleet.Write) error {
	return n.call(ctx, func() error {
		if n.lock.kv.Session != session {
			return consul.ErrNotLeader
		}
		return nil
	})
}

// acting notes who may act, moment by moment, and for how long nobody did.
type acting struct {
	mu    sync.Mutex
	terms map[string]*Term
}

func (a *acting) set(identity string, term *Term) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.terms[identity] = term
}

func (a *acting) now() (names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, term := range a.terms {
		if term != nil && term.Check() == nil {
			names = append(names, name)
		}
	}
	return names
}

func (a *acting) join(ctx context.Context, t *testing.T, l *lock, identity string) (*line, *Lease, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	n := &line{lock: l}
	o := &Lease{Consul: n, Key: key, Identity: identity, Log: hclog.NewNullLogger()}
	go func() {
		if err := o.Run(ctx, func(ctx context.Context, term *Term) error {
			a.set(identity, term)
			<-ctx.Done()
			return nil
		}); err != nil {
			t.Errorf("%s: %v", identity, err)
		}
	}()
	return n, o, cancel
}

// Whatever cuts the leader off, it stops acting before another begins, and another acts within 12 s.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"refused", "hangs", "deaf"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l, a := newLock(), &acting{terms: map[string]*Term{}}
				go l.run(ctx)
				first, _, _ := a.join(ctx, t, l, "a")
				time.Sleep(time.Second)
				for _, standby := range []string{"b", "c"} {
					a.join(ctx, t, l, standby)
				}
				time.Sleep(time.Minute)
				if got := a.now(); len(got) != 1 || got[0] != "a" {
					t.Fatalf("acting: %v, want a alone", got)
				}
				first.cut(mode)
				cut := time.Now()
				for len(a.now()) == 1 && a.now()[0] == "a" {
					time.Sleep(10 * time.Millisecond)
				}
				stopped := time.Since(cut)
				for len(a.now()) == 0 && time.Since(cut) < time.Minute {
					time.Sleep(10 * time.Millisecond)
				}
				taken := time.Since(cut)
				if got := a.now(); len(got) != 1 || got[0] == "a" {
					t.Fatalf("acting: %v, want one of the others", got)
				}
				if stopped > TTL || mode != "deaf" && taken-stopped < time.Second || taken > 12*time.Second {
					t.Errorf("stopped after %v, taken over after %v; want at most %v, at least a second between and at most 12s", stopped, taken, TTL)
				}
				t.Logf("stopped after %v, taken over after %v", stopped, taken)
				first.cut("")
				time.Sleep(callLimit + 2*time.Second)
				if got := a.now(); len(got) != 1 || got[0] == "a" {
					t.Errorf("acting after the line was mended: %v, want the new leader left alone", got)
				}
			})
		})
	}
}

// A leader whose beats come late, but come, is left alone.
func TestSlowLeaderStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l, a := newLock(), &acting{terms: map[string]*Term{}}
		first, _, _ := a.join(ctx, t, l, "a")
		time.Sleep(time.Second)
		a.join(ctx, t, l, "b")
		for range 20 {
			first.cut("refused")
			time.Sleep(3 * time.Second)
			first.cut("")
			time.Sleep(1600 * time.Millisecond)
			if got := a.now(); len(got) != 1 || got[0] != "a" {
				t.Fatalf("acting: %v, want a", got)
			}
		}
	})
}

// Whatever happens to lines and sessions, no two act at once, and one does soon after it has ended. That a session is
// destroyed by a stranger is left out: then the leader notices only when Consul tells.
func TestNoTwoAct(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		type fault struct {
			who   int
			mode  string
			after time.Duration
		}
		faults := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) fault {
			return fault{
				rapid.IntRange(0, 2).Draw(r, "who"), rapid.SampledFrom([]string{"", "", "refused", "hangs", "deaf", "killed"}).Draw(r, "mode"),
				time.Duration(rapid.IntRange(0, 15_000).Draw(r, "after")) * time.Millisecond,
			}
		}), 1, 15).Draw(r, "faults")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l, a := newLock(), &acting{terms: map[string]*Term{}}
			go l.run(ctx)
			names := []string{"a", "b", "c"}
			lines, stops := make([]*line, len(names)), make([]context.CancelFunc, len(names))
			for i, name := range names {
				lines[i], _, stops[i] = a.join(ctx, t, l, name)
			}
			watch := func(d time.Duration) {
				for began := time.Now(); time.Since(began) < d; time.Sleep(20 * time.Millisecond) {
					if got := a.now(); len(got) > 1 && problem == "" {
						problem = fmt.Sprintf("%v act at once", got)
					}
				}
			}
			for _, f := range faults {
				if f.mode == "killed" { // and started again: it keeps nothing
					lines[f.who].cut("refused")
					stops[f.who]()
					synctest.Wait()
					a.set(names[f.who], nil)
					lines[f.who], _, stops[f.who] = a.join(ctx, t, l, names[f.who])
				} else {
					lines[f.who].cut(f.mode)
				}
				watch(f.after)
			}
			for _, n := range lines {
				n.cut("")
			}
			watch(12 * time.Second)
			if got := a.now(); len(got) != 1 && problem == "" {
				problem = fmt.Sprintf("acting 12s after all is well: %v, want one", got)
			}
			cancel()
			synctest.Wait()
		})
		if problem != "" {
			r.Fatal(problem)
		}
	})
}
