// Package worker does the tasks that changes of the resource tree leave in the store: it takes turns at their lanes, has them done
// by whoever knows their kind, and settles. Any number of instances work on one store; a task is never done by two at once, and
// one that was begun by an instance that died is done again by another.
package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/store"
)

// Handler does tasks of one kind: those of the turn, in order, as far as it gets before ctx ends, which it does before the turn
// does. The turn is renewed meanwhile, so that its Until says nothing. It must bear tasks that have been done before.
type Handler func(ctx context.Context, turn store.Turn) store.Outcome

// lanes is what a Worker needs of the store.
type lanes interface {
	Take(ctx context.Context, now time.Time, lease time.Duration, lanes, failing, tasks int) ([]store.Turn, error)
	Renew(ctx context.Context, now time.Time, lease time.Duration, turns ...store.Turn) ([]store.Turn, error)
	Settle(ctx context.Context, turn store.Turn, o store.Outcome) error
	Wake(box string) (wake <-chan struct{}, stop func())
}

// Worker does tasks. Its fields are set before Run and not changed.
type Worker struct {
	Store    lanes
	Handlers map[string]Handler // by kind
	Parallel int                // lanes at once; 0 is 16
	Log      hclog.Logger
}

const (
	// lookInterval is how often to look for tasks that nobody woke us for: timers that are due, and what others left behind.
	lookInterval = 250 * time.Millisecond
	// turnLength is how long a turn lasts unless it is renewed, and so how long the tasks of an instance that died lie idle. The clocks
	// of instances must not be further apart.
	turnLength = 5 * time.Second
	// renewInterval is how often turns are renewed whose tasks take longer.
	renewInterval = time.Second
	// margin is what a handler has less than its turn, so that it ends, and is settled, before anybody else begins.
	margin = time.Second
	// longest is how long a handler may take for one turn.
	longest = 28 * time.Second
	// settleTimeout bounds how long ending a turn may take. That it has ended until then does no harm.
	settleTimeout = 2 * time.Second
	// turnTasks is how many tasks one turn brings.
	turnTasks = 64
	// failingShare is which part of the lanes under way may have failed before: one in so many.
	failingShare = 4
	// unknownPause is how long a task rests whose kind this program does not know, because a newer one stored it.
	unknownPause = time.Minute
)

// Run works until ctx ends, and returns when all that it began is settled.
func (w *Worker) Run(ctx context.Context) {
	parallel := w.Parallel
	if parallel <= 0 {
		parallel = 16
	}
	wake, stop := w.Store.Wake(store.Tasks)
	defer stop()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	free := make(chan struct{}, parallel) // a value for each lane under way
	ended := make(chan struct{}, 1)       // one of them has ended
	var keeper, under sync.WaitGroup
	var holds held
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	keeper.Go(func() { w.renew(keep, &holds) })
	defer keeper.Wait()
	defer stopKeeping()
	defer under.Wait()
	// Tries at what has failed before mostly wait in vain, for somebody who does not answer. They get a part of the lanes, however many
	// there are, so that those that succeed do not wait behind them.
	share := max(parallel/failingShare, 1)
	var failing atomic.Int64 // lanes under way that have failed before
	away := false
	for {
		turns, err := w.Store.Take(ctx, clock.Now(), turnLength, parallel-len(free), share-int(failing.Load()), turnTasks)
		switch {
		case ctx.Err() != nil:
			for _, turn := range turns {
				w.settle(ctx, turn, store.Outcome{}) // others need not wait for its end
			}
			return
		case err != nil && !away:
			w.Log.Warn("looking for tasks failed, next try follows", "error", err)
		}
		away = err != nil
		for _, turn := range turns {
			free <- struct{}{}
			failed := int64(min(turn.Attempts, 1))
			failing.Add(failed)
			under.Go(func() {
				w.do(ctx, turn, &holds)
				failing.Add(-failed)
				<-free
				select {
				case ended <- struct{}{}:
				default:
				}
			})
		}
		if len(turns) > 0 && len(free) < parallel {
			continue // there may be more
		}
		// With all lanes under way there is nothing to look for before one ends.
		due, woken := tick.C, wake
		if len(free) == parallel {
			due, woken = nil, nil
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		case <-woken:
		case <-ended:
		}
	}
}

// do has the tasks of turn done and settles it, even if ctx ends meanwhile.
func (w *Worker) do(ctx context.Context, turn store.Turn, holds *held) {
	limit, release := holds.hold(ctx, turn, clock.Now())
	defer release()
	outcome := store.Outcome{Again: clock.Now().Add(unknownPause)}
	if handle := w.Handlers[turn.Kind]; handle != nil {
		outcome = w.handle(limit, turn, handle)
	} else {
		w.Log.Warn("a task has a kind that is not known here, it rests", "kind", turn.Kind, "lane", turn.Lane)
	}
	w.settle(ctx, turn, outcome)
}

// handle has handler do the tasks of turn. One that panics is not to end all instances one after the other: its tasks rest.
func (w *Worker) handle(ctx context.Context, turn store.Turn, handler Handler) (o store.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("a task panicked, it rests", "kind", turn.Kind, "lane", turn.Lane, "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			o = store.Outcome{Again: clock.Now().Add(unknownPause), Failed: true}
		}
	}()
	return handler(ctx, turn)
}

// settle ends turn, even if ctx has ended.
func (w *Worker) settle(ctx context.Context, turn store.Turn, o store.Outcome) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := w.Store.Settle(limit, turn, o); err != nil && !errors.Is(err, store.ErrTurnLost) {
		w.Log.Warn("a turn could not be settled, its tasks will be done again", "kind", turn.Kind, "lane", turn.Lane, "error", err)
	}
}

// Backoff is when to try a task again that has failed, attempts being how often it had failed before: after half a second, then twice as
// long each time, but never longer than most.
func Backoff(now time.Time, attempts int, most time.Duration) time.Time {
	const first = 500 * time.Millisecond
	return now.Add(min(first<<min(attempts, 16), most))
}
