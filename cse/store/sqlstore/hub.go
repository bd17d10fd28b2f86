package sqlstore

import "sync"

// hub wakes those who wait in this process. Its methods never block.
type hub struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool // by box; guarded by mu
}

// Wake is the hub's: what other processes do comes to it through Listen.
func (s *Store) Wake(box string) (wake <-chan struct{}, stop func()) {
	h := &s.hub
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[string]map[chan struct{}]bool{}
	}
	if h.waiting[box] == nil {
		h.waiting[box] = map[chan struct{}]bool{}
	}
	h.waiting[box][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting[box], c)
		if len(h.waiting[box]) == 0 {
			delete(h.waiting, box)
		}
	}
}

// wake wakes those who wait at box, once for as often as they are late to notice.
func (h *hub) wake(box string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.waiting[box] {
		signal(c)
	}
}

// wakeAll wakes everybody.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, box := range h.waiting {
		for c := range box {
			signal(c)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not noticed the last one yet
	}
}
