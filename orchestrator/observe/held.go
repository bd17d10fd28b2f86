package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	heldWait    = 5 * time.Second // that a balancer may take to answer that no request is held
	heldBackoff = 8 * time.Second // the longest pause after an error
)

// door is a pool at one of its balancers, which holds requests while no instance of the pool is in service.
type door struct{ pool, service, balancer string }

// url is what a balancer is asked of the service, with query.
func (d door) url(query string) string {
	return strings.TrimSuffix(d.balancer, "/") + "/v1/services/" + url.PathEscape(d.service) + query
}

// closed are the doors of the pools that are known to have no instance in service.
func (o *Observer) closed() map[door]bool {
	doors := map[door]bool{}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.declared {
		h := o.health[d.Pool.Service.Name]
		if d.Deleting || d.Template == "" || h == nil || inService(h.of(d.Name)) {
			continue
		}
		for _, b := range d.Pool.Balancers {
			doors[door{d.Name, d.Pool.Service.Name, b}] = true
		}
	}
	return doors
}

// inService says whether any of the instances passes its check.
func inService(registrations map[string]fleet.Registration) bool {
	for _, r := range registrations {
		if r.Passing {
			return true
		}
	}
	return false
}

// closedMayChange has followHeld look again.
func (o *Observer) closedMayChange() {
	select {
	case o.heldDue <- struct{}{}:
	default:
	}
}

// followHeld keeps one question open at each closed door, which is answered as soon as a request is held there: a pool
// without an instance is woken by its first request, not by the next reading of the counters. Pools with an instance in
// service cost nothing.
func (o *Observer) followHeld(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	askers := map[door]context.CancelFunc{}
	defer func() {
		for _, cancel := range askers {
			cancel()
		}
	}()
	for {
		doors := o.closed()
		for d, cancel := range askers {
			if !doors[d] {
				cancel()
				delete(askers, d)
			}
		}
		for d := range doors {
			if askers[d] == nil {
				following, cancel := context.WithCancel(ctx)
				askers[d] = cancel
				asking.Go(func() { o.askHeld(following, d) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-o.heldDue:
		}
	}
}

// askHeld asks at one door until ctx ends. Each question says how many requests are known to be held, so that those do
// not answer it, and while there are some the next readings of the counters are soon enough.
func (o *Observer) askHeld(ctx context.Context, d door) {
	held, failing := 0, time.Duration(0)
	for ctx.Err() == nil {
		wait := heldWait
		if held > 0 {
			wait = o.Poll // they may become fewer meanwhile, which does not answer
		}
		var n count
		asked := time.Now()
		err := o.read(ctx, d.url(fmt.Sprintf("?wait=%s&held=%d", wait, held)), wait+readTimeout, func(body io.Reader) error {
			if err := json.NewDecoder(io.LimitReader(body, mostCountBytes)).Decode(&n); err != nil {
				return err
			}
			return n.check()
		})
		took := time.Since(asked)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failing = min(max(2*failing, retryAfter), heldBackoff); failing == retryAfter {
				o.Log.Debug("balancer does not tell of held requests, its counters still do", "balancer", d.balancer, "pool", d.pool, "error", err)
			}
			pause(ctx, failing)
			continue
		case n.Held > held:
			o.takeHeld(d, n)
			o.wake()
			pause(ctx, o.Poll)
		case took < wait/2: // it did not wait, as an older companion does not
			pause(ctx, wait-took)
		}
		held, failing = n.Held, 0
	}
}

// takeHeld takes in how many requests wait. What else was counted is left to the reading of all counters: over so short
// a time it would look like a burst.
func (o *Observer) takeHeld(d door, n count) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.measurements[d.pool]
	if m == nil {
		return // its document went meanwhile
	}
	if c := m.balancers[d.balancer]; c != nil {
		c.queued, c.held, c.heldAt = n.Queued, n.Held, time.Now()
	}
}
