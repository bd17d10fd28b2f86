// Package loop goes round after round: it has the pools observed, decides, records the decisions and has them
// carried out. A round follows every change that is pushed and every reading that is polled.
package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Observer is what a loop knows the pools by.
type Observer interface {
	// Pools returns what is declared, ordered by name; known is false until that was learnt.
	Pools() (pools []fleet.Declaration, known bool)
	// Snapshot joins what is known about a pool with the operations on it; an error says what is not known.
	Snapshot(pool string, ops map[string]fleet.OpState, now time.Time) (fleet.Snapshot, error)
	// Host is the machine that instances run on; zero while it is not known.
	Host() fleet.Host
}

// Actor carries out what was decided.
type Actor interface {
	Do(pool spec.Pool, template string, ops []fleet.Op)
	Ops(pool string) map[string]fleet.OpState
	Ended(pool string) []fleet.Ended
	Abandon(pool string) (idle bool)
}

// Store is where a loop finds what its predecessor left, consul.ErrNotFound when nothing.
type Store interface {
	Get(ctx context.Context, key string) (consul.KV, error)
}

// Term writes what is left for others and for a successor.
type Term interface {
	Write(ctx context.Context, writes ...fleet.Write) error
}

const (
	statusEvery   = 10 * time.Second // a status is written that often even when nothing changes
	keptDecisions = 200              // of a pool, in memory
	leftDecisions = 50               // of a pool, in Consul
	storeTimeout  = 2 * time.Second  // of one call, for it holds up the round
	learnedEvery  = time.Minute      // what was learnt is left that often, if it changed
	mostLearned   = 350 << 10        // bytes of it: Consul takes 512 KiB, and in a transaction it grows by a third
)

// Loop decides for all pools of a stack. Set the exported fields; then Run, and from any goroutine Wake and Report.
type Loop struct {
	Stack    string
	Identity string // of this orchestrator
	Observer Observer
	Actor    Actor
	Store    Store
	Term     Term
	Every    time.Duration       // between rounds when nothing wakes the loop
	Took     func(time.Duration) // told how long each round took; may be nil
	Rules    decide.Rules        // algorithms that policies may name beside viot's own; may be nil
	// Decided is told each decision once it is recorded, in order; it must not block; may be nil.
	Decided func(pool string, d fleet.Decision)
	Log     hclog.Logger

	// only the goroutine in Run uses these, both by pool
	pools      map[string]*pool
	complaints map[string]string // what was last logged

	mu     sync.Mutex
	report fleet.Report
}

// pool is what a loop remembers about one pool.
type pool struct {
	memory    decide.Memory
	decisions []fleet.Decision
	number    int // of the newest decision
	counts    map[fleet.Kind]int

	learned   []byte    // newest that was left or found
	learnedAt time.Time // when it was last looked at

	written   spec.Status  // newest status that was written
	rollout   spec.Rollout // newest that was written
	status    spec.Status  // newest status
	policy    spec.Policy
	instances []fleet.Instance
	inputs    fleet.Inputs
	wanted    int // size decided on but for the host's room
}

// Wakeable is a signal that is never lost and never blocks who gives it.
type Wakeable chan struct{}

// NewWakeable returns a signal that was not given yet.
func NewWakeable() Wakeable { return make(Wakeable, 1) }

// Wake gives the signal.
func (w Wakeable) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Run decides until ctx ends: in a round at once, one after each wake, and one after Every without.
func (l *Loop) Run(ctx context.Context, wake Wakeable) error {
	l.pools, l.complaints = map[string]*pool{}, map[string]string{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-wake:
		}
		began := time.Now()
		l.round(ctx, began)
		if l.Took != nil {
			l.Took(time.Since(began))
		}
		timer.Reset(l.Every)
	}
}

// Report returns what is known after the last round. Its parts are not written to again.
func (l *Loop) Report() fleet.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report
}

func (l *Loop) round(ctx context.Context, now time.Time) {
	declared, known := l.Observer.Pools()
	if known {
		views := l.look(declared, now)
		room := l.share(declared, views)
		for _, d := range declared {
			l.complain(ctx, d.Name, l.decide(ctx, d, views[d.Name], room, now))
		}
		for name := range l.pools {
			if !slices.ContainsFunc(declared, func(d fleet.Declaration) bool { return d.Name == name }) && l.Actor.Abandon(name) {
				l.Log.Info("pool forgotten, its document is gone", "pool", name)
				delete(l.pools, name)
				delete(l.complaints, name)
			}
		}
	}
	report := fleet.Report{RoundAt: time.Now()}
	for _, name := range slices.Sorted(maps.Keys(l.pools)) {
		p := l.pools[name]
		report.Pools = append(report.Pools, fleet.PoolReport{
			Policy: p.policy, Status: p.status, Rollout: p.rollout, Instances: p.instances, Inputs: p.inputs,
			Decisions: p.decisions, Counts: maps.Clone(p.counts),
		})
	}
	l.mu.Lock()
	l.report = report
	l.mu.Unlock()
}

// complain logs why a round was not completed, once as long as the reason stays the same.
func (l *Loop) complain(ctx context.Context, pool string, err error) {
	if ctx.Err() != nil {
		return
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if reason != "" && reason != l.complaints[pool] {
		l.Log.Warn("round not completed, trying again", "pool", pool, "error", err)
	}
	l.complaints[pool] = reason
}

// decide is one round for one pool.
func (l *Loop) decide(ctx context.Context, d fleet.Declaration, v view, room *room, now time.Time) error {
	p, err := l.pool(ctx, d.Name)
	if err != nil {
		return err
	}
	p.policy = d.Pool.Policy
	status := p.status
	status.Pool, status.Leader, status.Problem = d.Name, l.Identity, ""
	switch {
	case d.Deleting:
		// Told once, when nothing of it is touched any more: whoever deletes the pool then also deletes what is told.
		if !l.Actor.Abandon(d.Name) || p.written.ObservedIndex == d.Index {
			return nil
		}
		status.ObservedIndex, status.Cause = d.Index, "the pool is being deleted"
		if err := l.write(ctx, p, status, nil, now); err != nil {
			return err
		}
		// Declared again it is another pool.
		*p = pool{written: p.written, status: p.status, counts: p.counts, memory: decide.Memory{}.With(l.Rules)}
		return nil
	case d.Template == "":
		status.Problem = d.Refused
		return l.write(ctx, p, status, nil, now)
	}
	if v.err != nil {
		status.Problem = v.err.Error()
		return l.write(ctx, p, status, nil, now)
	}
	s := v.snapshot
	s.Room = room.of(d.Name)
	s.Ended = l.Actor.Ended(d.Name)
	var plan fleet.Plan
	plan, p.memory = decide.Decide(s, p.memory, now)
	count := fleet.CountOf(s.Instances, s.Template)
	asked := s.Override.InForce(now)
	if asked.Rollback != s.Template {
		asked.Rollback = "" // another template is declared since
	}
	p.instances, p.inputs, p.wanted = s.Instances, plan.Inputs, wanted(plan)
	room.ordered(d.Name, plan.Ops())
	status = spec.Status{
		Pool: d.Name, ObservedIndex: s.Index, Template: s.Template, Desired: plan.Desired,
		Ready: count.Ready, Updated: count.Updated, Booting: count.Booting, Draining: count.Draining, Standby: count.Standby, Rollout: plan.Rollout,
		Next: plan.Next, Cause: plan.Cause, Problem: plan.Problem, Leader: l.Identity,
		Override: asked.Words(),
	}
	// What was decided is written before it is done: the write fails when another leads, and a successor knows it.
	if err := l.write(ctx, p, status, plan.Decisions, now); err != nil {
		return err
	}
	ops := plan.Ops()
	if plan.EarlierHash != "" {
		var earlier []fleet.Op
		ops, earlier = split(plan)
		s.Pool.Template = plan.Earlier
		l.Actor.Do(s.Pool, plan.EarlierHash, earlier)
	}
	s.Pool.Template = plan.Template
	l.Actor.Do(s.Pool, plan.Hash, ops)
	return l.leaveLearned(ctx, p, d.Name, now)
}

// split returns the operations of a plan by whether they use its template or the earlier one.
func split(p fleet.Plan) (current, earlier []fleet.Op) {
	for _, op := range p.Ops() {
		if op.Template == p.EarlierHash {
			earlier = append(earlier, op)
		} else {
			current = append(current, op)
		}
	}
	return current, earlier
}

// leaveLearned writes what was learnt about a pool's load for a successor, when it is due and changed.
func (l *Loop) leaveLearned(ctx context.Context, p *pool, name string, now time.Time) error {
	if now.Sub(p.learnedAt) < learnedEvery {
		return nil
	}
	p.learnedAt = now
	learned := p.memory.Learned()
	if !learned.Known() {
		return nil
	}
	text, err := json.Marshal(learned)
	if err != nil {
		return fmt.Errorf("write what was learnt about %s: %w", name, err)
	}
	if bytes.Equal(text, p.learned) {
		return nil
	}
	if len(text) > mostLearned {
		return fmt.Errorf("write what was learnt about %s: %d bytes are more than %d", name, len(text), mostLearned)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := l.Term.Write(ctx, fleet.Write{Key: spec.LearnedKey(l.Stack, name), Value: text}); err != nil {
		return fmt.Errorf("write what was learnt about %s: %w", name, err)
	}
	p.learned = text
	return nil
}

// pool returns what is remembered about a pool; the first time, what a predecessor left.
func (l *Loop) pool(ctx context.Context, name string) (*pool, error) {
	if p := l.pools[name]; p != nil {
		return p, nil
	}
	p := &pool{counts: map[fleet.Kind]int{}}
	if _, err := load(ctx, l, spec.StatusKey(l.Stack, name), &p.status); err != nil {
		return nil, err
	}
	if _, err := load(ctx, l, spec.DecisionsKey(l.Stack, name), &p.decisions); err != nil {
		return nil, err
	}
	var learned decide.Learned
	text, err := load(ctx, l, spec.LearnedKey(l.Stack, name), &learned)
	if err != nil {
		return nil, err
	}
	p.learned = text
	if _, err := load(ctx, l, spec.RolloutKey(l.Stack, name), &p.rollout); err != nil {
		return nil, err
	}
	if n := len(p.decisions); n > 0 {
		p.number = p.decisions[n-1].Number
	}
	p.written, p.wanted = p.status, p.status.Desired
	p.memory = decide.Recall(p.status, p.decisions, learned).With(l.Rules).Resuming(p.rollout)
	l.pools[name] = p
	return p, nil
}

// load reads a key into v, which stays as it is when the key is not there or is not one, and returns its text.
func load[T any](ctx context.Context, l *Loop, key string, v *T) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	kv, err := l.Store.Get(ctx, key)
	switch {
	case errors.Is(err, consul.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var read T
	if err := json.Unmarshal(kv.Value, &read); err != nil {
		l.Log.Warn("ignoring what an earlier orchestrator left", "key", key, "error", err)
		return kv.Value, nil
	}
	*v = read
	return kv.Value, nil
}

// write records new decisions, a new state of the update and, when it changed or is due, the status. Nothing is recorded
// when it fails.
func (l *Loop) write(ctx context.Context, p *pool, status spec.Status, decisions []fleet.Decision, now time.Time) error {
	unchanged := status
	unchanged.UpdatedAt = p.written.UpdatedAt
	p.status = status
	rollout := p.memory.Rollout()
	age := now.Sub(p.written.UpdatedAt) // below 0 when a predecessor's clock was ahead
	if unchanged == p.written && rollout.Same(p.rollout) && len(decisions) == 0 && age >= 0 && age < statusEvery {
		p.status = p.written
		return nil
	}
	status.UpdatedAt = now
	text, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("write status of %s: %w", status.Pool, err)
	}
	writes := []fleet.Write{{Key: spec.StatusKey(l.Stack, status.Pool), Value: text}}
	if !rollout.Same(p.rollout) {
		text, err := json.Marshal(rollout)
		if err != nil {
			return fmt.Errorf("write rollout of %s: %w", status.Pool, err)
		}
		writes = append(writes, fleet.Write{Key: spec.RolloutKey(l.Stack, status.Pool), Value: text})
	}
	all := p.decisions
	if len(decisions) > 0 {
		for i := range decisions {
			decisions[i].Number = p.number + 1 + i
		}
		all = append(all, decisions...)
		all = all[max(0, len(all)-keptDecisions):]
		text, err := json.Marshal(all[max(0, len(all)-leftDecisions):])
		if err != nil {
			return fmt.Errorf("write decisions of %s: %w", status.Pool, err)
		}
		writes = append(writes, fleet.Write{Key: spec.DecisionsKey(l.Stack, status.Pool), Value: text})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := l.Term.Write(ctx, writes...); err != nil {
		return err
	}
	p.rollout = rollout
	p.written, p.status, p.decisions, p.number = status, status, all, p.number+len(decisions)
	for _, d := range decisions {
		p.counts[d.Kind]++
		l.Log.Info("decided", "pool", status.Pool, "number", d.Number, "kind", d.Kind, "cause", d.Cause, "ops", opsText(d.Ops),
			"size", d.Inputs.After, "arrivals_per_second", d.Inputs.ArrivalsPerSecond, "demand", d.Inputs.Demand, "queued", d.Inputs.Queued)
		if l.Decided != nil {
			l.Decided(status.Pool, d)
		}
	}
	return nil
}

// opsText is operations on one line.
func opsText(ops []fleet.Op) string {
	text := ""
	for i, op := range ops {
		if i > 0 {
			text += ", "
		}
		text += string(op.Kind) + " " + op.Instance
	}
	return text
}
