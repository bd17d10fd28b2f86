package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/store"
)

// sweptStore gives the turn at every other time and has a backlog to sweep.
type sweptStore struct {
	store.Store
	asked, swept int
	backlog      int
}

func (s *sweptStore) TakeTurn(_ context.Context, job string, _ time.Time, interval time.Duration) (bool, error) {
	if job != "sweep" || interval != sweepInterval {
		return false, errors.New("asked for another job")
	}
	s.asked++
	return s.asked%2 == 0, nil
}

func (s *sweptStore) Sweep(_ context.Context, _ time.Time, limit int, _ func(store.Removal) (store.Effects, error)) (int, error) {
	s.swept++
	n := min(limit, s.backlog)
	s.backlog -= n
	return n, nil
}

func TestSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sweptStore{backlog: 2*sweepBatch + 1}
		ctx, cancel := context.WithTimeout(t.Context(), 4*sweepInterval+sweepInterval/2)
		defer cancel()
		(&Dispatcher{Store: s, Log: hclog.NewNullLogger()}).Sweep(ctx)
		// Four times asked, two turns: the first sweeps three batches, the second finds nothing.
		if s.asked != 4 || s.swept != 4 || s.backlog != 0 {
			t.Errorf("got %d asked, %d sweeps, %d left, want 4, 4 and 0", s.asked, s.swept, s.backlog)
		}
	})
}
