package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// Term is one time of leading. It is safe for concurrent use.
type Term struct {
	lease   *Lease
	session string

	mu        sync.Mutex
	renewedAt time.Time // when the newest renewal that succeeded was asked for; carries the monotonic clock
	ended     bool
}

// Check returns nil while this orchestrator certainly leads, ErrLost otherwise. It asks nobody: also after a long
// pause of the process it is right. Call it right before what Consul cannot fence.
func (t *Term) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || time.Since(t.renewedAt) >= TTL {
		return ErrLost
	}
	return nil
}

// Write makes all the writes or none, and only while this orchestrator leads.
func (t *Term) Write(ctx context.Context, writes ...fleet.Write) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("write %s: %w", writes[0].Key, err)
	}
	return t.lease.Consul.WriteFenced(ctx, t.lease.Key, t.session, writes)
}

func (t *Term) renewed(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewedAt = at
}

func (t *Term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}
