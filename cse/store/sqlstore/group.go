package sqlstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Bounds of one transaction that stores a group of creations.
const (
	maxGroup     = 128
	groupTimeout = 10 * time.Second
)

// queue groups creations that come while another group is being stored. There is no goroutine behind it: the first to come
// stores its own, and when it is done the next in line stores all that have queued up meanwhile.
type queue struct {
	mu      sync.Mutex
	busy    bool      // somebody is storing a group
	waiting []*ticket // guarded by mu
	// patience, enough and more are of whoever leads: how long it waits, for how many, and what tells it that they are there.
	patience patience
	enough   int
	more     chan struct{}
}

// ticket is one creation in the queue, owned by the goroutine that called Create.
type ticket struct {
	creation
	lead chan struct{} // closed when it is its owner's turn to store the next group
	done chan struct{} // closed when the creation has its result
	err  error         // of the transaction; set before done is closed
}

// Create stores c together with other creations that are under way.
func (s *Store) Create(ctx context.Context, c store.Creation) (resource.Resource, error) {
	for {
		k := &ticket{creation: creation{Creation: c}, lead: make(chan struct{}), done: make(chan struct{})}
		s.enqueue(k)
		select {
		case <-k.done:
		case <-k.lead:
			s.storeGroup(ctx)
			<-k.done
		case <-ctx.Done():
			if s.withdraw(k) {
				return resource.Resource{}, ctx.Err()
			}
			// It is being stored, or its owner has been told to: see it through, so that the answer is the truth.
			select {
			case <-k.done:
			case <-k.lead:
				s.storeGroup(ctx)
				<-k.done
			}
		}
		switch {
		case errors.Is(k.creation.err, errSameGroup):
			continue
		case k.err != nil:
			return resource.Resource{}, s.fail("create in "+c.Parent.String(), k.err)
		}
		return k.result, k.creation.err
	}
}

func (s *Store) enqueue(k *ticket) {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.join(k)
}

// join takes k in, with q.mu held.
func (q *queue) join(k *ticket) {
	q.waiting = append(q.waiting, k)
	if !q.busy {
		q.busy = true
		close(k.lead)
	}
	if q.enough > 0 && len(q.waiting) >= q.enough {
		q.enough = 0
		close(q.more)
	}
}

// gather waits for creations to join the group that is to be stored, as far as that is worth it.
func (q *queue) gather() {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	until, limit := q.patience.wait(before)
	if until == 0 {
		return
	}
	q.enough, q.more = until, make(chan struct{})
	more := q.more
	q.mu.Unlock()
	began := time.Now()
	timer := time.NewTimer(limit)
	select {
	case <-more:
	case <-timer.C:
	}
	timer.Stop()
	took := time.Since(began)
	q.mu.Lock()
	q.enough = 0
	q.patience.waited(before, len(q.waiting), took)
}

// withdraw takes k out of the queue and reports whether that was still possible.
func (s *Store) withdraw(k *ticket) bool {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w != k {
			continue
		}
		if i == 0 {
			select {
			case <-k.lead:
				return false
			default:
			}
		}
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		return true
	}
	return false
}

// storeGroup stores what has queued up, the caller's own ticket first, and passes the lead on.
func (s *Store) storeGroup(ctx context.Context) {
	q := &s.queue
	q.gather()
	q.mu.Lock()
	n := min(len(q.waiting), maxGroup)
	group := append([]*ticket(nil), q.waiting[:n]...)
	q.waiting = append(q.waiting[:0], q.waiting[n:]...)
	q.mu.Unlock()

	// The others must not fail because the leader's originator went away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	began := time.Now()
	s.storeTogether(ctx, group)

	q.mu.Lock()
	defer q.mu.Unlock()
	q.patience.stored(n, len(q.waiting), time.Since(began))
	if len(q.waiting) > 0 {
		close(q.waiting[0].lead)
	} else {
		q.busy = false
	}
}

func (s *Store) storeTogether(ctx context.Context, group []*ticket) {
	creations := make([]*creation, len(group))
	for i, k := range group {
		creations[i] = &k.creation
	}
	err := s.create(ctx, creations)
	if err != nil && len(group) > 1 && !s.dialect.unavailable(err) {
		// One of them cannot be stored. Find out which, so that the others can.
		for _, k := range group {
			s.storeTogether(ctx, []*ticket{k})
		}
		return
	}
	for _, k := range group {
		k.err = err
		close(k.done)
	}
}
