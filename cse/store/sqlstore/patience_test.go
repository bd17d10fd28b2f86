package sqlstore

import (
	"testing"
	"testing/synctest"
	"time"
)

// stores feeds p with groups of n that take so long, after each of which so many wait.
func (p *patience) stores(times, n, waiting int, took time.Duration) {
	for range times {
		p.stored(n, waiting, took)
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	const took = 4 * time.Millisecond
	for _, test := range []struct {
		what  string
		p     func(*patience)
		there int
		until int
		limit time.Duration
	}{
		{"the first group", func(*patience) {}, 1, 0, 0},
		{"one client", func(p *patience) { p.stores(9, 1, 0, took) }, 1, 0, 0},
		{"half of those who were under way are there", func(p *patience) { p.stores(9, 8, 8, took) }, 8, 16, took / 2},
		{"all of them are there", func(p *patience) { p.stores(9, 8, 8, took) }, 16, 0, 0},
		{"more than a group holds", func(p *patience) { p.stores(9, maxGroup, 300, took) }, 100, maxGroup, took / 2},
		{"a slow database", func(p *patience) { p.stores(9, 8, 8, time.Second) }, 8, 16, mostPatience},
		{"nobody came, once", func(p *patience) { p.stores(9, 8, 0, took); p.waited(1, 1, took/2) }, 1, 8, took / 2},
		{"nobody came, twice", func(p *patience) { p.stores(9, 8, 0, took); p.waited(1, 1, took/2); p.waited(1, 1, took/2) }, 1, 0, 0},
		{"one of eight came in half the time of a group", func(p *patience) { p.stores(9, 8, 8, took); p.waited(8, 9, took/2); p.waited(8, 9, took/2) }, 8, 0, 0},
		{"all came in that time", func(p *patience) { p.stores(9, 8, 8, took); p.waited(8, 16, took/2); p.waited(8, 16, took/2) }, 8, 16, took / 2},
	} {
		var p patience
		test.p(&p)
		if until, limit := p.wait(test.there); until != test.until || limit != test.limit {
			t.Errorf("%s: waits for %d creations and %s, want %d and %s", test.what, until, limit, test.until, test.limit)
		}
	}
}

// TestPatienceIsTriedAgain has waiting not be worth it until it is.
func TestPatienceIsTriedAgain(t *testing.T) {
	t.Parallel()
	var p patience
	p.stores(9, 8, 8, time.Millisecond)
	for range mostDoubt {
		p.waited(8, 8, time.Millisecond)
	}
	tries := 0
	for range 10 * retryPatience {
		if until, _ := p.wait(8); until > 0 {
			tries++
			p.waited(8, 8, time.Millisecond)
		}
	}
	if tries != 10 {
		t.Errorf("waited %d times for %d groups, want once for each %d", tries, 10*retryPatience, retryPatience)
	}
	for until := 0; until == 0; until, _ = p.wait(8) {
	}
	p.waited(8, 16, time.Microsecond)
	if until, _ := p.wait(8); until != 16 {
		t.Errorf("waits for %d creations after it was worth it, want 16", until)
	}
}

// TestGather has the creations that a group waits for come, and not come.
func TestGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{busy: true}
		q.patience.stores(9, 2, 2, 4*time.Millisecond)
		ticket := func() *ticket { return &ticket{lead: make(chan struct{}), done: make(chan struct{})} }
		join := func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.join(ticket())
		}
		join()
		gathered := make(chan time.Duration)
		gather := func() {
			began := time.Now()
			q.gather()
			gathered <- time.Since(began)
		}
		go gather()
		time.Sleep(time.Millisecond)
		for range 3 {
			join()
		}
		if took := <-gathered; took != time.Millisecond {
			t.Errorf("with all there after 1 ms it waited %s", took)
		}
		q.waiting = q.waiting[:1]
		go gather()
		if took := <-gathered; took != 2*time.Millisecond {
			t.Errorf("with nobody coming it waited %s, want half the time of a group, 2 ms", took)
		}
		if q.enough != 0 {
			t.Error("somebody who comes later would tell one who does not wait")
		}
	})
}
