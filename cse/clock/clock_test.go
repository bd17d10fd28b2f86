package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// away runs a test in a bubble in which no database has been heard of, and forgets it afterwards.
func away(t *testing.T, run func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { last.Store(nil) })
		last.Store(nil)
		run(t)
	})
}

// database is one whose clock is ahead of the host's, and that takes a while to answer.
type database struct {
	mu           sync.Mutex // for those that are asked in the background
	ahead, takes time.Duration
	err          error
	asked        int
}

func (d *database) now(context.Context) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	time.Sleep(d.takes / 2)
	said := time.Now().Round(0).Add(d.ahead)
	time.Sleep(d.takes / 2)
	return said, d.err
}

func TestTimeIsTheHostsUntilADatabaseIsHeard(t *testing.T) {
	away(t, func(t *testing.T) {
		if !Now().Equal(time.Now()) {
			t.Errorf("got %s, want the host's %s", Now(), time.Now())
		}
		if heard, err := Ask(t.Context(), (&database{err: errors.New("away")}).now); heard || err == nil || !Now().Equal(time.Now()) {
			t.Errorf("got %t, %v and %s, want the error and the host's time", heard, err, Now())
		}
	})
}

func TestTimeIsTheDatabases(t *testing.T) {
	away(t, func(t *testing.T) {
		d := &database{ahead: -time.Hour, takes: 40 * time.Millisecond}
		if heard, err := Ask(t.Context(), d.now); !heard || err != nil {
			t.Fatalf("got %t, %v, want it heard", heard, err)
		}
		off := func(want time.Duration) {
			t.Helper()
			if got := Now().Sub(time.Now()); got != want {
				t.Errorf("the time is ahead of the host's by %s, want %s", got, want)
			}
		}
		off(-time.Hour)
		time.Sleep(time.Minute)
		off(-time.Hour)
		in := Now().Add(5 * time.Second)
		if Until(in) != 5*time.Second || Since(in) != -5*time.Second {
			t.Errorf("5 s ahead is in %s and was %s ago", Until(in), Since(in))
		}
		ctx, cancel := WithDeadline(t.Context(), in)
		defer cancel()
		if end, ok := Deadline(ctx); !ok || !end.Equal(in) {
			t.Errorf("the deadline is %s (%t), want %s", end, ok, in)
		}
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Error("the context ended before its deadline")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if ctx.Err() == nil {
			t.Error("the context did not end at its deadline")
		}
		if _, ok := Deadline(t.Context()); ok {
			t.Error("a context without a deadline has one")
		}

		d.ahead += 30 * time.Millisecond // less than two answers may be off together
		Ask(t.Context(), d.now)
		off(-time.Hour)
		d.takes = 2 * time.Millisecond // surer
		Ask(t.Context(), d.now)
		off(-time.Hour + 30*time.Millisecond)
		d.ahead += 30 * time.Millisecond
		Ask(t.Context(), d.now)
		off(-time.Hour + 60*time.Millisecond)
		d.ahead, d.takes = 0, time.Second // too slow to be of use
		if heard, err := Ask(t.Context(), d.now); heard || err != nil {
			t.Errorf("got %t, %v of an answer after a second, want it to be of no use", heard, err)
		}
		off(-time.Hour + 60*time.Millisecond)
	})
}

func TestFollow(t *testing.T) {
	away(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := &database{ahead: time.Minute}
		done := make(chan struct{})
		go func() { Follow(ctx, d.now, hclog.NewNullLogger()); close(done) }()
		synctest.Wait()
		after := func(wait time.Duration, asked int) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			if got := Now().Sub(time.Now()); got != 2*time.Minute || d.asked != asked {
				t.Errorf("asked %d times, ahead by %s, want %d times and 2m", d.asked, got, asked)
			}
		}
		d.mu.Lock()
		d.ahead = 2 * time.Minute
		d.mu.Unlock()
		after(every, 2)
		d.mu.Lock()
		d.err = errors.New("away")
		d.mu.Unlock()
		after(every+3*retry, 6)
		cancel()
		<-done
	})
}
