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
	since   time.Time

	mu        sync.Mutex
	renewedAt moment // when the newest beat that succeeded began
	ended     bool
}

// Check returns nil while this orchestrator certainly leads, ErrLost otherwise. It asks nobody: also after a long
// pause of the process or of the machine it is right. Call it right before what Consul cannot fence.
func (t *Term) Check() error {
	if t.left() <= 0 {
		return ErrLost
	}
	return nil
}

// left is for how long the term lasts without another beat.
func (t *Term) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return 0
	}
	return TTL - now().since(t.renewedAt)
}

// Write makes all the writes or none, and only while this orchestrator leads.
func (t *Term) Write(ctx context.Context, writes ...fleet.Write) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("write %s: %w", writes[0].Key, err)
	}
	return t.lease.Consul.WriteFenced(ctx, t.lease.Key, t.session, writes)
}

func (t *Term) renewed(at moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewedAt = at
}

func (t *Term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}
