// Package act carries out operations on instances: it starts, warms, enlists, drains and removes them through Docker
// and Consul. It decides nothing. Every operation can be interrupted at any point and begun again by another actor.
package act

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Engine is what an actor needs of Docker.
type Engine interface {
	CreateContainer(ctx context.Context, spec docker.ContainerSpec) (id string, err error)
	StartContainer(ctx context.Context, id string) error
	InspectContainer(ctx context.Context, nameOrID string) (docker.Container, error)
	UpdateContainer(ctx context.Context, id string, cpus float64, memoryBytes int64, restart docker.RestartPolicy) error
	PauseContainer(ctx context.Context, id string) error
	UnpauseContainer(ctx context.Context, id string) error
	StopContainer(ctx context.Context, id string, grace time.Duration) error
	RemoveContainer(ctx context.Context, id string) error
	Logs(ctx context.Context, id string, lines int) ([]string, error)
	PullImage(ctx context.Context, reference string, progress func(line string)) error
}

// Consul is what an actor needs of Consul beyond its term.
type Consul interface {
	Register(ctx context.Context, r consul.Registration) error
	Deregister(ctx context.Context, id string) error
	Instances(ctx context.Context, service string, index uint64, wait time.Duration) ([]consul.Instance, uint64, error)
	DeregisterFromCatalog(ctx context.Context, node, id string) error
	Get(ctx context.Context, key string) (consul.KV, error)
}

// Term is the right to act, which can end at any time. Check is asked before each change that is not fenced.
type Term interface {
	Check() error
	Write(ctx context.Context, writes ...fleet.Write) error
}

const (
	startsAtOnce = 4 // Docker takes starts in turns: more at once only wait longer
	// settled is how long an ended operation is still reported, for what is observed may be older than its effect.
	settled    = 3 * time.Second
	retryAfter = 500 * time.Millisecond
)

// Actor carries out operations, each in its own goroutine, at most one at a time on an instance. Set the exported
// fields; then Run, and from any goroutine Do, Ops, Ended and Abandon.
type Actor struct {
	Engine Engine
	Consul Consul
	HTTP   *http.Client // for instances and balancers; requests are bounded by this package
	Term   Term
	Wake   func() // called when an operation ends; must not block; may be nil
	Log    hclog.Logger

	mu     sync.Mutex
	jobs   map[string]map[string]*job // pool → instance
	queued []*job
	ended  map[string][]fleet.Ended // by pool
	signal chan struct{}            // there is something in queued; made by Run
}

// job is one operation that was asked for.
type job struct {
	op       fleet.Op
	pool     spec.Pool
	template string // hash of pool.Template, or of the template of what is adopted or revived
	slice    string // network slice that the instance is in; only the job's goroutine uses it

	ctx     context.Context // ends when the pool is abandoned
	abandon context.CancelFunc
	done    chan struct{} // closed when it is over
	drain   *job          // that a recall is to call off; nil when there is none
	limited bool          // its container has the template's limits already
	log     hclog.Logger

	// guarded by Actor.mu
	note    string
	failed  bool
	endedAt time.Time // zero while in progress
}

// Run carries out what Do asks for until ctx ends, and returns when every operation has ended. An operation that ctx
// interrupts leaves its instance such that it can be begun again.
func (a *Actor) Run(ctx context.Context) error {
	a.mu.Lock()
	a.signal = make(chan struct{}, 1)
	a.signal <- struct{}{} // for what was asked before
	a.mu.Unlock()
	starts := make(chan struct{}, startsAtOnce)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.signal:
		}
		a.mu.Lock()
		jobs := a.queued
		a.queued = nil
		a.mu.Unlock()
		for _, j := range jobs {
			running.Go(func() {
				stop := context.AfterFunc(ctx, j.abandon)
				defer stop()
				a.finish(j, a.carryOut(j, starts))
			})
		}
	}
}

// Do begins operations on instances of a pool, in that order, but none on an instance that another is in progress on,
// other than a recall of one that is being drained. It does not wait for them.
func (a *Actor) Do(pool spec.Pool, template string, ops []fleet.Op) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, op := range ops {
		before := a.jobs[pool.Name][op.Instance]
		if before != nil && !before.endedAt.IsZero() {
			before = nil
		}
		if before != nil && (op.Kind != fleet.Recall || before.op.Kind != fleet.Drain) {
			continue
		}
		j := &job{
			op: op, pool: pool, template: template, drain: before, done: make(chan struct{}),
			log: a.Log.With("pool", pool.Name, "instance", op.Instance),
		}
		j.ctx, j.abandon = context.WithCancel(context.Background())
		if a.jobs == nil {
			a.jobs = map[string]map[string]*job{}
		}
		if a.jobs[pool.Name] == nil {
			a.jobs[pool.Name] = map[string]*job{}
		}
		a.jobs[pool.Name][op.Instance] = j
		a.queued = append(a.queued, j)
	}
	if len(a.queued) > 0 && a.signal != nil {
		select {
		case a.signal <- struct{}{}:
		default:
		}
	}
}

// Ops returns the operations on a pool's instances that are in progress or ended a moment ago, by instance.
func (a *Actor) Ops(pool string) map[string]fleet.OpState {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.jobs[pool], func(_ string, j *job) bool {
		return !j.endedAt.IsZero() && time.Since(j.endedAt) >= settled
	})
	ops := make(map[string]fleet.OpState, len(a.jobs[pool]))
	for name, j := range a.jobs[pool] {
		ops[name] = fleet.OpState{Op: j.op, Template: j.template, Note: j.note, EndedAt: j.endedAt, Failed: j.failed}
	}
	return ops
}

// Ended returns the operations of a pool that have ended since it was last called.
func (a *Actor) Ended(pool string) []fleet.Ended {
	a.mu.Lock()
	defer a.mu.Unlock()
	ended := a.ended[pool]
	delete(a.ended, pool)
	return ended
}

// Abandon interrupts every operation on a pool and says whether none is in progress any more. Call it until it does.
func (a *Actor) Abandon(pool string) (idle bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	idle = true
	for _, j := range a.jobs[pool] {
		if j.endedAt.IsZero() {
			j.abandon()
			idle = false
		}
		if j.drain != nil {
			j.drain.abandon()
		}
	}
	if idle {
		delete(a.jobs, pool)
		delete(a.ended, pool)
	}
	return idle
}

// carryOut does a job; its error is why a start or an adoption failed. An interrupted job returns errInterrupted.
func (a *Actor) carryOut(j *job, starts chan struct{}) error {
	switch j.op.Kind {
	case fleet.Start, fleet.Adopt, fleet.Warm:
		select {
		case starts <- struct{}{}:
			defer func() { <-starts }()
		case <-j.ctx.Done():
			return errInterrupted
		}
		switch j.op.Kind {
		case fleet.Start:
			return a.start(j)
		case fleet.Warm:
			return a.warm(j)
		}
		return a.adopt(j)
	case fleet.Enlist:
		return a.enlist(j)
	case fleet.Recall:
		return a.recall(j)
	case fleet.Revive:
		return a.revive(j)
	case fleet.Pull:
		return a.pull(j)
	case fleet.Drain:
		return a.drain(j)
	case fleet.Remove:
		return a.remove(j)
	}
	return errors.New("unknown operation " + string(j.op.Kind))
}

// errInterrupted ends a job that is to be begun again, by whoever may act then.
var errInterrupted = errors.New("interrupted")

// finish records the end of a job and tells. A drain that a recall came too late for is what the instance is at again.
func (a *Actor) finish(j *job, err error) {
	j.abandon()
	a.mu.Lock()
	switch current := a.jobs[j.pool.Name][j.op.Instance]; {
	case current != j: // a recall has taken its place
		j.endedAt = time.Now()
	case j.drain != nil && err != nil && j.drain.endedAt.IsZero():
		a.jobs[j.pool.Name][j.op.Instance] = j.drain
		a.over(j, err)
	case errors.Is(err, errInterrupted), errors.Is(err, errElsewhere):
		delete(a.jobs[j.pool.Name], j.op.Instance)
	default:
		j.endedAt, j.failed, j.note = time.Now(), err != nil, ""
		a.over(j, err)
	}
	j.drain = nil
	a.mu.Unlock()
	close(j.done)
	if a.Wake != nil {
		a.Wake()
	}
}

// over adds to the operations that have ended. It needs a.mu.
func (a *Actor) over(j *job, err error) {
	if a.ended == nil {
		a.ended = map[string][]fleet.Ended{}
	}
	a.ended[j.pool.Name] = append(a.ended[j.pool.Name], fleet.Ended{Op: j.op, Template: j.template, Err: err})
}

// is takes over what a job's instance is by the labels of its container.
func (a *Actor) is(j *job, c docker.Container) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j.template, j.slice = c.Labels[spec.LabelTemplate], c.Labels[spec.LabelSlice]
}

// note says in words what a job waits for; empty when it is not held up.
func (a *Actor) note(j *job, text string) {
	a.mu.Lock()
	changed := j.note != text
	j.note = text
	a.mu.Unlock()
	if changed && text != "" {
		j.log.Warn("operation is held up", "op", j.op.Kind, "reason", text)
	}
}

// insist tries one idempotent step until it succeeds, checking the term before each try. Its error is errInterrupted,
// or errElsewhere or errTooLate when the step says so.
func (a *Actor) insist(j *job, step func(context.Context) error) error {
	for {
		if j.ctx.Err() != nil || a.Term.Check() != nil {
			return errInterrupted
		}
		err := step(j.ctx)
		switch {
		case err == nil:
			a.note(j, "")
			return nil
		case j.ctx.Err() != nil || errors.Is(err, consul.ErrNotLeader):
			return errInterrupted
		case errors.Is(err, errElsewhere), errors.Is(err, errTooLate):
			return err
		}
		a.note(j, err.Error())
		pause(j.ctx, retryAfter)
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
