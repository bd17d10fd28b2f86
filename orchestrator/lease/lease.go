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
	// WriteFenced makes all the writes or none, and only while session holds key; consul.ErrNotLeader when it does not,
	// consul.ErrConflict when one of them was conditional and came too late.
	WriteFenced(ctx context.Context, key, session string, writes []fleet.Write) error
}

// ErrLost means that this orchestrator does not act any more: it could not renew its session in time, or another
// holds the key. What it was about to do, another does.
var ErrLost = errors.New("no longer the acting orchestrator")

// A leader's beat renews its session and rewrites the leader key. It acts for TTL from the beginning of its last beat
// that succeeded. Who stands by ends the session of a leader whose key has stayed the same for deadAfter, as it has
// read it itself, and so takes over much sooner than Consul would: the difference is for what the leader had begun with
// Docker, and for clocks that do not run at the same speed. Consul ends a session that is not renewed by itself, after
// sessionTTL to twice that.
const (
	// TTL is how long leading lasts without a beat.
	TTL        = 5 * time.Second
	deadAfter  = 7 * time.Second
	sessionTTL = 10 * time.Second // the shortest that every Consul takes
	beatEvery  = time.Second
	beatLimit  = 2 * time.Second // of one call
	retryAfter = 500 * time.Millisecond
	watchWait  = time.Minute
)

// Lease competes for leading a stack. Set the exported fields; then Run.
type Lease struct {
	Consul   Consul
	Key      string // spec.LeaderKey
	Identity string // names this orchestrator, the same after a restart and never the same as another's
	Log      hclog.Logger
	// Silent, if not nil, is called when the lease was lost because Consul does not answer, with the term that has ended:
	// nobody else leads either, or they lead without this orchestrator's knowing. Its context ends when Consul answers
	// again; it must then return, for until it does this orchestrator does not compete. Run returns its error.
	Silent func(context.Context, *Term) error

	mu     sync.Mutex
	holder string // identity of who leads, as last seen; empty when unknown
}

// holder is what the leader key holds.
type holder struct {
	Identity string    `json:"identity"`
	Since    time.Time `json:"since"`
	Beat     int       `json:"beat"` // counts the renewals, so that each changes the key
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
		lost, err := l.hold(ctx, term, lead)
		l.setHolder("")
		former = term.session
		if err != nil || ctx.Err() != nil {
			return err
		}
		if errors.Is(lost, errSilence) && l.Silent != nil {
			if err := l.silence(ctx, term); err != nil {
				return err
			}
		}
	}
}

// acquire waits until this orchestrator leads. Its error is ctx's.
func (l *Lease) acquire(ctx context.Context, former string) (*Term, error) {
	var index uint64
	var seen sighting
	silent := false // Consul's silence has been logged
	for {
		wait := watchWait
		if seen.session != "" {
			// The last look is one that did not block, so that it is as young as it seems.
			if wait = deadAfter - time.Since(seen.at); wait <= 0 {
				index = 0
			}
		}
		kv, next, err := l.Consul.WatchKey(ctx, l.Key, index, max(wait, 0))
		index = next
		if err == nil && kv.Session != "" {
			var h holder
			_ = json.Unmarshal(kv.Value, &h) // what is not ours names nobody
			if h.Identity != l.Holder() {
				l.setHolder(h.Identity)
				l.Log.Info("standing by", "leader", h.Identity)
			}
			silentFor := seen.look(kv, time.Now())
			switch {
			// A session of this identity that is not in use is left over from before a crash or an outage: waiting
			// for it to expire would only leave the stack without a leader.
			case h.Identity == l.Identity && (former == "" || kv.Session == former):
				l.Log.Info("ending the session left over from an earlier run", "session", kv.Session)
				err, index = l.Consul.DestroySession(ctx, kv.Session), 0
			case wait <= 0 && silentFor >= deadAfter:
				l.Log.Warn("the leader gives no sign of life, ending its session", "leader", h.Identity, "session", kv.Session, "silent_for", silentFor)
				err, index = l.Consul.DestroySession(ctx, kv.Session), 0
			}
		} else if err == nil || errors.Is(err, consul.ErrNotFound) {
			seen = sighting{}
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

// sighting is a leader's key as one who stands by has seen it.
type sighting struct {
	session string // empty when nobody was seen leading
	index   uint64
	at      time.Time // when it was first seen so
}

// look takes in what was read at now and says for how long it has been the same.
func (s *sighting) look(kv consul.KV, now time.Time) time.Duration {
	if kv.Session != s.session || kv.ModifyIndex != s.index {
		*s = sighting{kv.Session, kv.ModifyIndex, now}
	}
	return now.Sub(s.at)
}

// bid tries to lock the key with a new session; nil without an error when another was faster.
func (l *Lease) bid(ctx context.Context) (*Term, error) {
	began := now()
	session, err := l.Consul.CreateSession(ctx, "viot orchestrator "+l.Identity, sessionTTL)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(holder{Identity: l.Identity, Since: began.at})
	if err != nil {
		return nil, fmt.Errorf("write leader key: %w", err)
	}
	held, err := l.Consul.Acquire(ctx, l.Key, value, session)
	if err != nil || !held {
		return nil, errors.Join(err, l.destroy(ctx, session))
	}
	l.setHolder(l.Identity)
	return &Term{lease: l, session: session, since: began.at, renewedAt: began}, nil
}

// destroy ends a session even when ctx has ended.
func (l *Lease) destroy(ctx context.Context, session string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return l.Consul.DestroySession(ctx, session)
}

// silence has Silent run until Consul answers.
func (l *Lease) silence(ctx context.Context, term *Term) error {
	silent, end := context.WithCancel(ctx)
	defer end()
	returned := make(chan error, 1)
	go func() { returned <- l.Silent(silent, term) }()
	for pause(ctx, retryAfter) {
		asking, answered := context.WithTimeout(ctx, beatLimit)
		_, _, err := l.Consul.WatchKey(asking, l.Key, 0, 0)
		answered()
		if err == nil || errors.Is(err, consul.ErrNotFound) {
			break
		}
	}
	end()
	return <-returned
}

// hold leads until lead returns, ctx ends or the lease is lost, and returns why it was lost.
func (l *Lease) hold(ctx context.Context, term *Term, lead func(context.Context, *Term) error) (lost, err error) {
	leading, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	var keepers sync.WaitGroup
	keepers.Go(func() { lose(l.renew(leading, term)) })
	keepers.Go(func() { lose(l.guard(leading, term)) })
	err = lead(leading, term)
	lost = context.Cause(leading)
	lose(nil)
	keepers.Wait()
	term.end()
	if destroyErr := l.destroy(ctx, term.session); destroyErr != nil {
		l.Log.Warn("the session is left to expire", "error", destroyErr)
	}
	if lost != nil && ctx.Err() == nil {
		l.Log.Warn("lost the lease", "error", lost)
		return lost, nil // whatever lead says of a context that ended under it
	}
	l.Log.Info("gave up the lease")
	return nil, err
}

// errSilence is why a lease is lost when Consul has not answered for TTL.
var errSilence = errors.New("consul does not answer")

// renew beats and returns when the term has ended.
func (l *Lease) renew(ctx context.Context, term *Term) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	beats := make(chan error, 1)
	go func() { beats <- l.beat(ctx, term) }()
	for {
		// The term ends when its time has come, not when a call that hangs returns.
		timer := time.NewTimer(term.left())
		select {
		case err := <-beats:
			timer.Stop()
			return err
		case <-timer.C:
			if term.Check() != nil {
				stop()
				<-beats
				return fmt.Errorf("%w: not renewed for %s: %w", ErrLost, TTL, errSilence)
			}
		}
	}
}

// beat renews the session and rewrites the leader key until ctx ends or either is lost.
func (l *Lease) beat(ctx context.Context, term *Term) error {
	h := holder{Identity: l.Identity, Since: term.since}
	for wait := beatEvery; pause(ctx, wait); {
		began := now()
		wait = beatEvery
		h.Beat++
		held, err := l.beatOnce(ctx, term.session, h)
		switch {
		case errors.Is(err, consul.ErrNotFound):
			return fmt.Errorf("%w: %w", ErrLost, err)
		case err != nil:
			l.Log.Debug("beat failed, trying on", "error", err)
			wait = retryAfter
		case !held:
			return fmt.Errorf("%w: the leader key was taken away", ErrLost)
		default:
			term.renewed(began)
		}
	}
	return ctx.Err()
}

func (l *Lease) beatOnce(ctx context.Context, session string, h holder) (held bool, err error) {
	value, err := json.Marshal(h)
	if err != nil {
		return false, fmt.Errorf("write leader key: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	if err := l.Consul.RenewSession(ctx, session); err != nil {
		return false, err
	}
	return l.Consul.Acquire(ctx, l.Key, value, session)
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
