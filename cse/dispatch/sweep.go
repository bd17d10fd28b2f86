package dispatch

import (
	"context"
	"time"

	"github.com/viot-project/viot/cse/clock"
)

const (
	sweepInterval = time.Second
	sweepBatch    = 1000
)

// Sweep deletes what has expired, and notifications of which there are too many, until ctx ends. Any number of instances may run it on one store: they take turns.
func (d *Dispatcher) Sweep(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.sweepOnce(ctx, clock.Now()); err != nil && ctx.Err() == nil {
				d.Log.Warn("sweep of expired resources failed, next try follows", "error", err)
			}
		}
	}
}

func (d *Dispatcher) sweepOnce(ctx context.Context, now time.Time) error {
	mine, err := d.Store.TakeTurn(ctx, "sweep", now, sweepInterval)
	if err != nil || !mine {
		return err
	}
	for {
		n, err := d.Store.Sweep(ctx, now, sweepBatch, d.removed)
		if err != nil {
			return err
		}
		if n > 0 {
			d.Log.Debug("swept expired resources", "count", n)
		}
		if n < sweepBatch {
			return d.shed(ctx, now)
		}
	}
}
