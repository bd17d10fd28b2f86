// Package lease lets one orchestrator of a stack act at a time: the one whose Consul session holds the leader key.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Consul is what a lease needs of Consul.
type Consul interface {
	CreateSession(ctx context.Context, name string, ttl time.Duration) (string, error)
	RenewSession(ctx context.Context, id string) error
	DestroySession(ctx context.Context, id string) error
	Acquire(ctx context.Context, key string, value []byte, session string) (bool, error)
	WatchKey(ctx context.Context, key string, index uint64, wait time.Duration) (consul.KV, uint64, error)
	// WriteFenced makes all the writes or none, and only while session holds key; consul.ErrNotLeader when it does not.
	WriteFenced(ctx context.Context, key, session string, writes []fleet.Write) error
}

// ErrLost means that this orchestrator does not act any more: it could not renew its session in time, or another
// holds the key. What it was about to do, another does.
var ErrLost = errors.New("no longer the acting orchestrator")

const (
	// TTL is how long leading lasts without renewal. Consul takes another's bid no sooner.
	TTL        = 10 * time.Second
	renewEvery = 3 * time.Second
	retryAfter = 500 * time.Millisecond
	watchWait  = time.Minute
)

// Lease competes for leading a stack. Set all fields; then Run.
type Lease struct {
	Consul   Consul
	Key      string // spec.LeaderKey
	Identity string // names this orchestrator, the same after a restart and never the same as another's
	Log      hclog.Logger

	mu     sync.Mutex
	holder string // identity of who leads, as last seen; empty when unknown
}

// holder is what the leader key holds.
type holder struct {
	Identity string    `json:"identity"`
	Since    time.Time `json:"since"`
}

// Holder is the identity of the orchestrator that leads, as last seen; empty when none was.
func (l *Lease) Holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder
}

func (l *Lease) setHolder(identity string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = identity
}

// Run competes until ctx ends. Each time it leads it calls lead, whose context ends when it leads no more; lead must
// then return, for until it does nobody else's work is certain not to meet its own. Run returns lead's error, or nil
// when ctx ends. The lease is given up on return.
func (l *Lease) Run(ctx context.Context, lead func(context.Context, *Term) error) error {
	former := "" // session that was ours and may still hold the key; empty also before the first time
	for {
		term, err := l.acquire(ctx, former)
		if err != nil {
			return nil // only when ctx ends
		}
		l.Log.Info("leading", "identity", l.Identity, "session", term.session)
		err = l.hold(ctx, term, lead)
		l.setHolder("")
		former = term.session
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// acquire waits until this orchestrator leads. Its error is ctx's.
func (l *Lease) acquire(ctx context.Context, former string) (*Term, error) {
	var index uint64
	silent := false // Consul's silence has been logged
	for {
		kv, next, err := l.Consul.WatchKey(ctx, l.Key, index, watchWait)
		index = next
		if err == nil && kv.Session != "" {
			var h holder
			_ = json.Unmarshal(kv.Value, &h) // what is not ours names nobody
			// A session of this identity that is not in use is left over from before a crash or an outage: waiting
			// for it to expire would only leave the stack without a leader.
			if h.Identity == l.Identity && (former == "" || kv.Session == former) {
				l.Log.Info("ending the session left over from an earlier run", "session", kv.Session)
				err = l.Consul.DestroySession(ctx, kv.Session)
				index = 0
			} else if h.Identity != l.Holder() {
				l.setHolder(h.Identity)
				l.Log.Info("standing by", "leader", h.Identity)
			}
		} else if err == nil || errors.Is(err, consul.ErrNotFound) {
			var term *Term
			if term, err = l.bid(ctx); term != nil {
				return term, nil
			}
			index = 0
			if err == nil && !pause(ctx, retryAfter/10) { // outbid: look again, but not in a spin
				return nil, ctx.Err()
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			if !silent {
				l.Log.Warn("cannot compete for leading, trying on", "error", err)
			}
			silent, index = true, 0
			if !pause(ctx, retryAfter) {
				return nil, ctx.Err()
			}
		default:
			silent = false
		}
	}
}

// bid tries to lock the key with a new session; nil without an error when another was faster.
func (l *Lease) bid(ctx context.Context) (*Term, error) {
	began := time.Now()
	session, err := l.Consul.CreateSession(ctx, "viot orchestrator "+l.Identity, TTL)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(holder{Identity: l.Identity, Since: began})
	if err != nil {
		return nil, fmt.Errorf("write leader key: %w", err)
	}
	held, err := l.Consul.Acquire(ctx, l.Key, value, session)
	if err != nil || !held {
		return nil, errors.Join(err, l.destroy(ctx, session))
	}
	l.setHolder(l.Identity)
	return &Term{lease: l, session: session, renewedAt: began}, nil
}

// destroy ends a session even when ctx has ended.
func (l *Lease) destroy(ctx context.Context, session string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return l.Consul.DestroySession(ctx, session)
}

// hold leads until lead returns, ctx ends or the lease is lost.
func (l *Lease) hold(ctx context.Context, term *Term, lead func(context.Context, *Term) error) error {
	leading, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	var keepers sync.WaitGroup
	keepers.Go(func() { lose(l.renew(leading, term)) })
	keepers.Go(func() { lose(l.guard(leading, term)) })
	err := lead(leading, term)
	lost := context.Cause(leading)
	lose(nil)
	keepers.Wait()
	term.end()
	if destroyErr := l.destroy(ctx, term.session); destroyErr != nil {
		l.Log.Warn("the session is left to expire", "error", destroyErr)
	}
	if lost != nil && ctx.Err() == nil {
		l.Log.Warn("lost the lease", "error", lost)
		return nil // whatever lead says of a context that ended under it
	}
	l.Log.Info("gave up the lease")
	return err
}

// renew keeps the session alive and returns when it cannot.
func (l *Lease) renew(ctx context.Context, term *Term) error {
	for wait := renewEvery; pause(ctx, wait); {
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, renewEvery)
		err := l.Consul.RenewSession(call, term.session)
		cancel()
		switch {
		case err == nil:
			term.renewed(began)
			wait = renewEvery
			continue
		case errors.Is(err, consul.ErrNotFound):
			return fmt.Errorf("%w: %w", ErrLost, err)
		case term.Check() != nil:
			return fmt.Errorf("%w: not renewed for %s: %w", ErrLost, TTL, err)
		}
		l.Log.Debug("renewal failed, trying on", "error", err)
		wait = retryAfter
	}
	return ctx.Err()
}

// guard returns when the key is held by another, or by none.
func (l *Lease) guard(ctx context.Context, term *Term) error {
	var index uint64
	for {
		kv, next, err := l.Consul.WatchKey(ctx, l.Key, index, watchWait)
		index = next
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, consul.ErrNotFound) || err == nil && kv.Session != term.session:
			return fmt.Errorf("%w: the leader key was taken away", ErrLost)
		case err != nil: // renewal judges how long that may last
			if index = 0; !pause(ctx, retryAfter) {
				return ctx.Err()
			}
		}
	}
}

// pause waits for d; false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
