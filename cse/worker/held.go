package worker

import (
	"context"
	"sync"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/store"
)

// held are the turns that a Worker has under way. The zero held has none. Its methods are safe for concurrent use.
type held struct {
	mu    sync.Mutex
	turns map[*holding]bool
}

// holding is one turn while its tasks are done.
type holding struct {
	turn store.Turn  // guarded by held.mu; its Until is the last that is known
	last time.Time   // it is not kept beyond
	end  *time.Timer // ends the handler
}

// hold keeps turn until release. ctx ends a margin before the turn does, however often that is renewed, and at most longest after now.
func (h *held) hold(ctx context.Context, turn store.Turn, now time.Time) (limit context.Context, release func()) {
	last := now.Add(longest)
	limit, cancel := clock.WithDeadline(ctx, last)
	k := &holding{turn: turn, last: last, end: time.AfterFunc(turn.Until.Add(-margin).Sub(now), cancel)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turns == nil {
		h.turns = map[*holding]bool{}
	}
	h.turns[k] = true
	return limit, func() {
		h.mu.Lock()
		delete(h.turns, k)
		h.mu.Unlock()
		k.end.Stop()
		cancel()
	}
}

// aged are the turns that end at the given instant or before and are to be kept at now.
func (h *held) aged(at, now time.Time) []store.Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	var turns []store.Turn
	for k := range h.turns {
		if !k.turn.Until.After(at) && now.Before(k.last) {
			turns = append(turns, k.turn)
		}
	}
	return turns
}

// extend takes in that turns have been renewed.
func (h *held) extend(turns []store.Turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.turns {
		for _, turn := range turns {
			if turn.Token == k.turn.Token && turn.Lane == k.turn.Lane && k.end.Stop() { // else the handler has been told to end
				k.turn.Until = turn.Until
				k.end.Reset(clock.Until(turn.Until.Add(-margin)))
			}
		}
	}
}

// renew keeps the turns under way until ctx ends. Those that are done soon cost nothing. When the store does not answer, or says that
// somebody else has a turn by now, that one just ends.
func (w *Worker) renew(ctx context.Context, h *held) {
	tick := time.NewTicker(renewInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := clock.Now()
		turns := h.aged(now.Add(turnLength-renewInterval), now)
		if len(turns) == 0 {
			continue
		}
		limit, cancel := context.WithTimeout(ctx, turnLength-margin)
		renewed, err := w.Store.Renew(limit, now, turnLength, turns...)
		cancel()
		if err != nil && !failing && ctx.Err() == nil {
			w.Log.Warn("turns could not be renewed, next try follows", "turns", len(turns), "error", err)
		}
		failing = err != nil
		h.extend(renewed)
	}
}
