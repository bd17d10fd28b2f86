// Package clock tells what time it is for a CSE that several instances are: that of the database they share. The clocks of their hosts
// need not agree, and a step of one does nothing: expirations, timers and turns are the same for all.
//
// The time is the process's, as the instances of one process share a database as well. Until Follow has heard from a database, and
// without one that has a clock of its own, it is that of the host. How long something takes is none of this package's business.
package clock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// reading is what a database said at an instant of the host.
type reading struct {
	said time.Time
	at   time.Time     // with the host's monotonic clock, which no step moves
	sure time.Duration // how far off it may be
}

func (r *reading) now() time.Time { return r.said.Add(time.Since(r.at)) }

var last atomic.Pointer[reading]

// Now is the present, in UTC or the host's zone. It has no monotonic part when it is a database's.
func Now() time.Time {
	if r := last.Load(); r != nil {
		return r.now()
	}
	return time.Now()
}

// Until is how long it is until t, an instant that was stored, received or made from Now.
func Until(t time.Time) time.Duration { return t.Sub(Now()) }

// Since is how long ago t was, an instant that was stored, received or made from Now.
func Since(t time.Time) time.Duration { return Now().Sub(t) }

// WithDeadline is context.WithDeadline for an instant that was stored, received or made from Now. The deadline that the context tells is
// the host's.
func WithDeadline(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, Until(t))
}

// Deadline is when ctx ends, to compare with instants that were stored, received or made from Now.
func Deadline(ctx context.Context) (time.Time, bool) {
	end, ok := ctx.Deadline()
	return Now().Add(time.Until(end)), ok
}

const (
	every = 10 * time.Second // between two questions
	retry = time.Second      // after one that was not answered, or too slowly
	// patience is how long an answer may take to be of use.
	patience = 500 * time.Millisecond
	// remarkable is how far a host may be off without a word.
	remarkable = time.Second
)

// Ask asks a database once what time it is and goes by that from then on. It returns whether the answer was of use; its error is that of
// the database. An answer that differs from what is known by no more than it may be off itself changes nothing, so that time does not
// jitter, unless it is much surer.
func Ask(ctx context.Context, database func(context.Context) (time.Time, error)) (bool, error) {
	asked := time.Now()
	said, err := database(ctx)
	if err != nil {
		return false, err
	}
	at := time.Now()
	took := at.Sub(asked)
	if took > patience {
		return false, nil
	}
	r := &reading{said: said.Add(took / 2), at: at, sure: took/2 + time.Millisecond}
	if known := last.Load(); known != nil && r.sure >= known.sure/2 && r.now().Sub(known.now()).Abs() <= r.sure+known.sure {
		return true, nil
	}
	last.Store(r)
	return true, nil
}

// Follow asks a database what time it is until ctx ends, and says when the host's clock is off or the database's was stepped. While it
// does not answer time goes on by the host's monotonic clock.
func Follow(ctx context.Context, database func(context.Context) (time.Time, error), log hclog.Logger) {
	told := time.Duration(0)
	for {
		known := last.Load()
		heard, err := Ask(ctx, database)
		if now := last.Load(); now != nil {
			if known != nil && now != known {
				if moved := now.now().Sub(known.now()); moved.Abs() > remarkable {
					log.Warn("the database's clock was stepped, or this host slept", "by", moved.Round(time.Millisecond))
				}
			}
			off := time.Now().Sub(now.now())
			if (off - told).Abs() > remarkable {
				log.Warn("this host's clock differs from the database's, which is gone by", "ahead", off.Round(time.Millisecond))
				told = off
			}
		}
		wait := every
		if !heard || err != nil {
			wait = retry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
