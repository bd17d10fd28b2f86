package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/store"
)

// world is a store of tasks in memory, and who does them.
type world struct {
	mu    sync.Mutex
	lanes map[string]*lane
	wake  chan struct{}
	begin time.Time
	log   []string // what was done, each with the time since begin
	away  bool     // the store does not answer
	// tokens is how many turns there were.
	tokens int
	asked  int    // how often to renew turns
	taken  func() // is called when turns have been taken; may be nil
}

type lane struct {
	tasks    []store.Task
	due      time.Time
	held     time.Time // until then somebody has a turn
	token    string    // of that turn
	attempts int
}

func newWorld(tasks ...store.Task) *world {
	w := &world{lanes: map[string]*lane{}, wake: make(chan struct{}, 1), begin: time.Now()}
	w.add(tasks...)
	return w
}

func (w *world) add(tasks ...store.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range tasks {
		l := w.lanes[k.Lane]
		if l == nil {
			l = &lane{due: k.Due}
			w.lanes[k.Lane] = l
		}
		l.tasks = append(l.tasks, k)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *world) Take(_ context.Context, now time.Time, lease time.Duration, lanes, failing, tasks int) ([]store.Turn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, store.ErrUnavailable
	}
	var turns []store.Turn
	for name, l := range w.lanes {
		if len(turns) == lanes || l.due.After(now) || l.held.After(now) || l.attempts > 0 && failing == 0 {
			continue
		}
		if l.attempts > 0 {
			failing--
		}
		l.held = now.Add(lease)
		w.tokens++
		l.token = fmt.Sprint(w.tokens)
		turns = append(turns, store.Turn{Lane: name, Kind: l.tasks[0].Kind, Tasks: l.tasks[:min(tasks, len(l.tasks))], Attempts: l.attempts,
			Until: l.held, Token: l.token})
	}
	if w.taken != nil {
		w.taken()
	}
	return turns, nil
}

func (w *world) Renew(_ context.Context, now time.Time, lease time.Duration, turns ...store.Turn) ([]store.Turn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.away {
		return nil, store.ErrUnavailable
	}
	var renewed []store.Turn
	for _, turn := range turns {
		if l := w.lanes[turn.Lane]; l != nil && l.token == turn.Token {
			l.held = now.Add(lease)
			turn.Until = l.held
			renewed = append(renewed, turn)
		}
	}
	return renewed, nil
}

func (w *world) Settle(ctx context.Context, turn store.Turn, o store.Outcome) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	l := w.lanes[turn.Lane]
	if l == nil || l.token != turn.Token {
		return store.ErrTurnLost
	}
	l.held, l.token = time.Time{}, ""
	l.tasks, l.due = l.tasks[o.Done:], o.Again
	if l.attempts++; !o.Failed {
		l.attempts = 0
	}
	if len(l.tasks) == 0 {
		delete(w.lanes, turn.Lane)
	}
	return nil
}

func (w *world) Wake(string) (<-chan struct{}, func()) { return w.wake, func() {} }

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("%v ", time.Since(w.begin))+fmt.Sprintf(format, args...))
}

// work runs a worker in w for d.
func (w *world) work(t *testing.T, d time.Duration, parallel int, h Handler) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	(&Worker{Store: w, Handlers: map[string]Handler{"note": h}, Parallel: parallel, Log: hclog.NewNullLogger()}).Run(ctx)
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(store.Task{Lane: "timer", Kind: "note", Due: now.Add(10 * time.Second)},
			store.Task{Lane: "other", Kind: "unknown"})
		go func() {
			time.Sleep(100 * time.Millisecond)
			w.add(store.Task{Lane: "a", Kind: "note"}, store.Task{Lane: "a", Kind: "note"})
		}()
		w.work(t, time.Minute/2, 0, func(_ context.Context, turn store.Turn) store.Outcome {
			w.note("%s: %d tasks, %d attempts", turn.Lane, len(turn.Tasks), turn.Attempts)
			if turn.Lane == "a" && turn.Attempts < 2 {
				return store.Outcome{Failed: true, Again: Backoff(time.Now(), turn.Attempts, time.Minute)}
			}
			return store.Outcome{Done: len(turn.Tasks)}
		})
		// Woken at once for what is new; else tasks are found when one looks, every 250 ms.
		want := []string{"100ms a: 2 tasks, 0 attempts", "750ms a: 2 tasks, 1 attempts", "1.75s a: 2 tasks, 2 attempts", "10s timer: 1 tasks, 0 attempts"}
		if !slices.Equal(w.log, want) {
			t.Errorf("got  %q\nwant %q", w.log, want)
		}
		if len(w.lanes) != 1 || len(w.lanes["other"].tasks) != 1 {
			t.Errorf("got %d lanes left, want that of the unknown kind with its task", len(w.lanes))
		}
	})
}

// TestRunBounds checks that no more lanes are under way than allowed, that no handler outlives its turn, and that all that was begun
// is settled when the end comes.
func TestRunBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 5 {
			w.add(store.Task{Lane: fmt.Sprint(i), Kind: "note"})
		}
		running, most := 0, 0
		w.work(t, time.Hour, 2, func(ctx context.Context, turn store.Turn) store.Outcome {
			w.mu.Lock()
			running++
			most = max(most, running)
			w.mu.Unlock()
			<-ctx.Done() // a target that never answers
			w.note("ended")
			w.mu.Lock()
			running--
			w.mu.Unlock()
			return store.Outcome{Done: 1}
		})
		if want := []string{"28s ended", "28s ended", "56s ended", "56s ended", "1m24s ended"}; !slices.Equal(w.log, want) {
			t.Errorf("got  %q\nwant %q", w.log, want)
		}
		if most != 2 || len(w.lanes) != 0 {
			t.Errorf("got %d lanes at once and %d left, want 2 and 0", most, len(w.lanes))
		}
	})
}

// TestRunRenews checks that what takes long is left alone by others, that nothing is renewed for what does not, and that a handler
// ends before its turn does when that cannot be renewed.
func TestRunRenews(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after func(w *world) // what happens after 1.5 s
		want  []string
		asked int // how often for a renewal; 0 does not matter
	}{
		{"kept", func(*world) {}, []string{"500ms short", "9.5s long"}, 9},
		// The last renewal was after 1 s, and the next look after the store is back is one of those every 250 ms.
		{"store away", func(w *world) {
			w.away = true
			time.AfterFunc(5*time.Second+time.Millisecond, func() { w.mu.Lock(); w.away = false; w.mu.Unlock() })
		},
			[]string{"500ms short", "5s cut off", "16.25s long"}, 0},
		{"lost", func(w *world) { w.lanes["long"].token = "other's"; w.lanes["long"].held = w.begin.Add(8 * time.Second) },
			[]string{"500ms short", "5s cut off", "17.5s long"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(store.Task{Lane: "long", Kind: "note"}, store.Task{Lane: "short", Kind: "note"})
				time.AfterFunc(1500*time.Millisecond, func() { w.mu.Lock(); c.after(w); w.mu.Unlock() })
				pool := sync.WaitGroup{}
				for range 3 {
					pool.Go(func() {
						w.work(t, 20*time.Second, 0, func(ctx context.Context, turn store.Turn) store.Outcome {
							length := time.Second / 2
							if turn.Lane == "long" {
								length = 9500 * time.Millisecond
							}
							select {
							case <-ctx.Done():
								w.note("cut off")
								return store.Outcome{}
							case <-time.After(length):
								w.note("%s", turn.Lane)
								return store.Outcome{Done: 1}
							}
						})
					})
				}
				pool.Wait()
				if !slices.Equal(w.log, c.want) || c.asked > 0 && w.asked != c.asked {
					t.Errorf("got %q and %d renewals, want %q and %d", w.log, w.asked, c.want, c.asked)
				}
				if len(w.lanes) != 0 {
					t.Error("got a task left")
				}
			})
		})
	}
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(store.Task{Lane: "a", Kind: "note"})
		w.work(t, time.Second, 1, func(ctx context.Context, _ store.Turn) store.Outcome {
			<-ctx.Done()
			return store.Outcome{Done: 1}
		})
		if len(w.lanes) != 0 {
			t.Error("got a task left, want it settled although the worker ended meanwhile")
		}
	})
}

// TestRunGivesBack checks that turns which are taken when the end comes are left to others at once.
func TestRunGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(store.Task{Lane: "a", Kind: "note"})
		ctx, cancel := context.WithCancel(t.Context())
		w.taken = cancel
		begun := func(context.Context, store.Turn) store.Outcome { t.Error("a task was begun"); return store.Outcome{} }
		(&Worker{Store: w, Handlers: map[string]Handler{"note": begun}, Log: hclog.NewNullLogger()}).Run(ctx)
		if l := w.lanes["a"]; l == nil || len(l.tasks) != 1 || !l.held.IsZero() || l.attempts != 0 {
			t.Errorf("got %+v, want the task there and nobody's turn", l)
		}
	})
}

// TestRunAway checks that a store that does not answer is asked again.
func TestRunAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(store.Task{Lane: "a", Kind: "note"})
		w.away = true
		time.AfterFunc(10*time.Second+time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.away = false
		})
		w.work(t, time.Minute, 1, func(context.Context, store.Turn) store.Outcome {
			w.note("done")
			return store.Outcome{Done: 1}
		})
		if want := []string{"10.25s done"}; !slices.Equal(w.log, want) {
			t.Errorf("got %q, want %q", w.log, want)
		}
	})
}

// TestRunShares checks that lanes whose targets do not answer leave the others room, however many they are: what is for somebody who
// answers is done at once, and those who do not are tried again and again.
func TestRunShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const dead, parallel = 450, 64
		w := newWorld()
		for i := range dead {
			w.add(store.Task{Lane: fmt.Sprintf("dead-%d", i), Kind: "note"})
		}
		begin := time.Now()
		go func() {
			time.Sleep(2 * time.Minute) // by then all have been found dead
			for i := range 600 {
				w.add(store.Task{Lane: "alive", Kind: "note", Due: time.Now(), Body: fmt.Append(nil, i)})
				time.Sleep(time.Second)
			}
		}()
		tries, late, done, under, most := 0, 0, 0, 0, 0
		w.work(t, 13*time.Minute, parallel, func(ctx context.Context, turn store.Turn) store.Outcome {
			if turn.Lane == "alive" {
				w.mu.Lock()
				defer w.mu.Unlock()
				if done += len(turn.Tasks); time.Since(turn.Tasks[0].Due) > lookInterval {
					late++
				}
				return store.Outcome{Done: len(turn.Tasks)}
			}
			w.mu.Lock()
			tries++
			if under++; turn.Attempts > 0 && time.Since(begin) > 2*time.Minute {
				most = max(most, under)
			}
			w.mu.Unlock()
			select { // nobody answers
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			w.mu.Lock()
			under--
			w.mu.Unlock()
			return store.Outcome{Failed: true, Again: Backoff(time.Now(), turn.Attempts, time.Minute)}
		})
		if done != 600 || late > 0 {
			t.Errorf("%d of 600 tasks for who answers were done, %d of them late", done, late)
		}
		if most > parallel/failingShare || tries < 2*dead {
			t.Errorf("got %d lanes at once that had failed and %d tries, want at most %d, and at least %d", most, tries, parallel/failingShare, 2*dead)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for attempts, want := range map[int]time.Duration{0: 500 * time.Millisecond, 1: time.Second, 3: 4 * time.Second, 9: time.Minute, 1000: time.Minute} {
		if got := Backoff(now, attempts, time.Minute).Sub(now); got != want {
			t.Errorf("%d attempts: got %v, want %v", attempts, got, want)
		}
	}
}

var _ lanes = store.Store(nil)

// TestRunPanic has a task panic: it rests, and the others are done.
func TestRunPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(store.Task{Lane: "bad", Kind: "note"}, store.Task{Lane: "good", Kind: "note"})
		w.work(t, 90*time.Second, 0, func(_ context.Context, turn store.Turn) store.Outcome {
			if turn.Lane == "bad" && turn.Attempts == 0 {
				panic("so what")
			}
			w.note("%s", turn.Lane)
			return store.Outcome{Done: 1}
		})
		if want := []string{"0s good", "1m0s bad"}; !slices.Equal(w.log, want) {
			t.Errorf("got  %q\nwant %q", w.log, want)
		}
	})
}
