package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// lease is how long turns last in the tests.
const lease = time.Minute

func task(lane string, body any) store.Task {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return store.Task{Lane: lane, Kind: "test", Body: b}
}

func due(k store.Task, at time.Time) store.Task {
	k.Due = at
	return k
}

func replacing(k store.Task) store.Task {
	k.Replace = true
	return k
}

func add(t *testing.T, s store.Store, tasks ...store.Task) {
	t.Helper()
	if err := s.Add(t.Context(), tasks...); err != nil {
		t.Fatalf("add: %v", err)
	}
}

// take takes all turns there are at the time at, with at most tasks tasks each.
func take(t *testing.T, s store.Store, at time.Time, tasks int) []store.Turn {
	t.Helper()
	turns, err := s.Take(t.Context(), at, lease, 1000, 1000, tasks)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	slices.SortFunc(turns, func(a, b store.Turn) int { return strings.Compare(a.Lane, b.Lane) })
	return turns
}

func settle(t *testing.T, s store.Store, turn store.Turn, o store.Outcome, want error) {
	t.Helper()
	if err := s.Settle(t.Context(), turn, o); !errors.Is(err, want) {
		t.Errorf("settle %s: got %v, want %v", turn.Lane, err, want)
	}
}

// show is what a turn brings.
func show(turn store.Turn) string {
	s := turn.Lane + ":"
	for _, k := range turn.Tasks {
		s += " " + string(k.Body)
	}
	return s
}

// wantTurns takes all turns at the time at and does all their tasks.
func wantTurns(t *testing.T, s store.Store, at time.Time, want ...string) {
	t.Helper()
	got := []string{}
	for _, turn := range take(t, s, at, 100) {
		got = append(got, show(turn))
		settle(t, s, turn, store.Outcome{Done: len(turn.Tasks)}, nil)
	}
	if want == nil {
		want = []string{}
	}
	if !slices.Equal(got, want) {
		t.Errorf("turns: got %q, want %q", got, want)
	}
}

func testTasks(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	s := stores[0]
	wantTurns(t, s, now)
	soon := now.Add(time.Hour)
	add(t, s, task("a", 1), task("b", "x"), task("a", 2))
	add(t, s, task("a", 3), due(task("c", 1), soon), task("c", 2))
	if turns, err := s.Take(t.Context(), now, lease, 0, 0, 10); len(turns) != 0 || err != nil {
		t.Errorf("no lanes: got %v, %v, want none", turns, err)
	}
	turns := take(t, s, now, 2)
	if len(turns) != 2 || show(turns[0]) != "a: 1 2" || show(turns[1]) != `b: "x"` {
		t.Fatalf("got %v", turns)
	}
	a, b := turns[0], turns[1]
	if a.Kind != "test" || a.Attempts != 0 || !a.Until.Equal(now.Add(lease)) || !a.Tasks[0].Due.IsZero() || a.Tasks[0].Lane != "a" {
		t.Errorf("got %+v", a)
	}
	wantTurns(t, stores[1], now) // others have no turn meanwhile
	add(t, stores[1], task("a", 4))
	settle(t, stores[0], a, store.Outcome{Done: 1}, nil)
	settle(t, s, b, store.Outcome{Done: 1}, nil)
	settle(t, s, a, store.Outcome{Done: 1}, store.ErrTurnLost)
	wantTurns(t, stores[1], now, "a: 2 3 4")
	wantTurns(t, s, soon.Add(-time.Microsecond))
	add(t, s, task("b", "again"))
	wantTurns(t, s, soon, `b: "again"`, "c: 1 2")
	wantTurns(t, s, soon.Add(time.Hour))
}

// testTasksRepeated has tasks fail: they are repeated, not before their time, and hold up those behind them.
func testTasksRepeated(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	add(t, s, task("a", 1), task("a", 2))
	attempt := func(at time.Time, attempts int, o store.Outcome) {
		t.Helper()
		turns := take(t, s, at, 10)
		if len(turns) != 1 || turns[0].Attempts != attempts {
			t.Fatalf("got %+v, want one with %d attempts", turns, attempts)
		}
		settle(t, s, turns[0], o, nil)
	}
	later := now.Add(time.Minute)
	attempt(now, 0, store.Outcome{Failed: true, Again: later})
	wantNothing := func() {
		t.Helper()
		if turns := take(t, s, later.Add(-time.Microsecond), 10); len(turns) != 0 {
			t.Errorf("too early: got %+v", turns)
		}
	}
	wantNothing()
	add(t, s, task("a", 3))
	wantNothing()
	attempt(later, 1, store.Outcome{Failed: true})
	attempt(later, 2, store.Outcome{Again: now})
	attempt(later, 2, store.Outcome{Done: 1, Failed: true})
	attempt(later, 1, store.Outcome{Done: 1})
	attempt(later, 0, store.Outcome{})
	add(t, s, due(task("a", 4), later.Add(time.Hour)))
	turns := take(t, s, later, 10)
	if len(turns) != 1 || show(turns[0]) != "a: 3" {
		t.Fatalf("got %+v, want what is due", turns)
	}
	settle(t, s, turns[0], store.Outcome{Done: 1, Again: later}, nil)
	wantTurns(t, s, later.Add(time.Minute))
	wantTurns(t, s, later.Add(time.Hour), "a: 4")
}

// testTasksAwaited has lanes rest until there is more in them.
func testTasksAwaited(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	later := now.Add(time.Minute)
	await := store.Outcome{Await: true, Again: later}
	rest := func(tasks ...store.Task) {
		t.Helper()
		turns := take(t, s, now, 10)
		if len(turns) != 1 || turns[0].Attempts != 0 {
			t.Fatalf("got %+v, want one turn without attempts", turns)
		}
		add(t, s, tasks...)
		wantTurns(t, s, now) // nobody else has a turn meanwhile
		settle(t, s, turns[0], await, nil)
	}
	add(t, s, task("a", 1))
	rest()
	wantTurns(t, s, now)
	add(t, s, task("a", 2))
	rest(task("a", 3)) // which came during the turn
	rest()
	wantTurns(t, s, later.Add(-time.Microsecond))
	turns := take(t, s, later, 10)
	if len(turns) != 1 || show(turns[0]) != "a: 1 2 3" {
		t.Fatalf("got %+v, want a turn when the rest ends", turns)
	}
	settle(t, s, turns[0], store.Outcome{Failed: true, Await: true, Again: later.Add(time.Minute)}, nil)
	add(t, s, task("a", 4))
	wantTurns(t, s, later)
	wantTurns(t, s, later.Add(time.Minute), "a: 1 2 3 4")
}

// testTasksReplaced sets timers anew and stops them.
func testTasksReplaced(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	soon, late := now.Add(time.Minute), now.Add(time.Hour)
	add(t, s, replacing(due(task("timer", 1), soon)))
	add(t, s, replacing(due(task("timer", 2), late)), due(task("timer", 3), late))
	wantTurns(t, s, soon)
	wantTurns(t, s, late, "timer: 2 3")
	add(t, s, replacing(due(task("timer", 4), late)))
	add(t, s, replacing(due(task("timer", 5), soon)))
	turns := take(t, s, soon, 10)
	if len(turns) != 1 || show(turns[0]) != "timer: 5" {
		t.Fatalf("set to an earlier time: got %v", turns)
	}
	add(t, s, task("timer", 0), replacing(due(task("timer", 6), soon))) // under the turn
	settle(t, s, turns[0], store.Outcome{Done: 1}, store.ErrTurnLost)
	turns = take(t, s, soon, 10)
	if len(turns) != 1 || show(turns[0]) != "timer: 6" || turns[0].Attempts != 0 {
		t.Fatalf("set during a turn: got %v", turns)
	}
	stop := store.Task{Lane: "timer", Kind: "test", Replace: true}
	add(t, s, stop)
	settle(t, s, turns[0], store.Outcome{Failed: true}, store.ErrTurnLost)
	add(t, s, stop, store.Task{Lane: "never there", Replace: true})
	wantTurns(t, s, late.Add(time.Hour))
	add(t, s, stop, due(task("timer", 7), soon))
	wantTurns(t, s, soon, "timer: 7")
}

// testTurnsPassOn has the holder of a turn die: when it ends, somebody else does the tasks again, and the first can no longer settle.
func testTurnsPassOn(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	add(t, stores[0], task("a", 1), task("a", 2))
	first := take(t, stores[0], now, 1)
	if len(first) != 1 {
		t.Fatalf("got %v", first)
	}
	if early := take(t, stores[1], now.Add(lease-time.Microsecond), 1); len(early) != 0 {
		t.Errorf("before the turn ended: got %v", early)
	}
	second := take(t, stores[1], now.Add(lease), 10)
	if len(second) != 1 || show(second[0]) != "a: 1 2" {
		t.Fatalf("after the turn ended: got %v", second)
	}
	settle(t, stores[0], first[0], store.Outcome{Done: 1}, store.ErrTurnLost)
	settle(t, stores[1], second[0], store.Outcome{Done: 1}, nil)
	last := take(t, stores[0], now.Add(lease), 10)
	if len(last) != 1 || show(last[0]) != "a: 2" {
		t.Fatalf("got %v", last)
	}
	settle(t, stores[0], last[0], store.Outcome{Done: 1}, nil) // late, but nobody took it
}

// testTurnsRenewed has the holders of turns keep them for longer, as far as they still have them.
func testTurnsRenewed(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	s := stores[0]
	add(t, s, task("a", 1), task("b", 1), replacing(task("c", 1)), task("d", 1), task("e", 1))
	turns := take(t, s, now, 10)
	if len(turns) != 5 {
		t.Fatalf("got %v", turns)
	}
	later := now.Add(lease / 2)
	renew := func(turns ...store.Turn) string {
		t.Helper()
		renewed, err := s.Renew(t.Context(), later, lease, turns...)
		if err != nil {
			t.Fatalf("renew: %v", err)
		}
		lanes := ""
		for _, turn := range renewed {
			if !turn.Until.Equal(later.Add(lease)) || turn.Kind != "test" || len(turn.Tasks) != 1 {
				t.Errorf("got %+v", turn)
			}
			lanes += turn.Lane
		}
		return lanes
	}
	if got := renew(); got != "" {
		t.Errorf("renew nothing: got %q", got)
	}
	settle(t, s, turns[1], store.Outcome{}, nil)                           // b: over
	add(t, stores[1], replacing(task("c", 2)), task("a", 2))               // c: lost
	if got := renew(turns[0], turns[1], turns[2], turns[4]); got != "ae" { // d: forgotten
		t.Errorf("renew: got %q, want ae", got)
	}
	wantTurns(t, stores[1], now.Add(lease), "b: 1", "c: 2", "d: 1")
	if got := renew(turns...); got != "ae" {
		t.Errorf("renew again: got %q, want ae", got)
	}
	wantTurns(t, stores[1], later.Add(lease-time.Microsecond))
	settle(t, s, turns[0], store.Outcome{Done: 1}, nil)
	wantTurns(t, stores[1], later.Add(lease), "a: 2", "e: 1")
	settle(t, s, turns[4], store.Outcome{Done: 1}, store.ErrTurnLost)
	add(t, s, task("a", 3))
	late := take(t, s, later, 10)
	later = later.Add(2 * lease) // which is over, but nobody took it
	if got := renew(late...); got != "a" {
		t.Errorf("renew late: got %q, want a", got)
	}
	wantTurns(t, stores[1], later)
	settle(t, s, late[0], store.Outcome{Done: 1}, nil)
}

// testTasksConcurrently has instances add tasks and take turns at once. Each task is done once, and those of a lane in their order.
func testTasksConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 3)
	const lanes, writers, rounds = 5, 4, 12
	var mu sync.Mutex
	doing := map[string]bool{}
	done := map[string][]int{} // by lane and writer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	left := writers * rounds * lanes
	var workers sync.WaitGroup
	work := func(s store.Store) {
		for ctx.Err() == nil {
			turns, err := s.Take(ctx, now, lease, 2, 2, 3)
			if err != nil && ctx.Err() == nil {
				t.Errorf("take: %v", err)
				stop()
			}
			for _, turn := range turns {
				mu.Lock()
				if doing[turn.Lane] {
					t.Errorf("two have a turn at %s", turn.Lane)
				}
				doing[turn.Lane] = true
				for _, k := range turn.Tasks {
					var b [2]int
					if err := json.Unmarshal(k.Body, &b); err != nil {
						t.Error(err)
					}
					key := fmt.Sprint(turn.Lane, " ", b[0])
					done[key] = append(done[key], b[1])
				}
				left -= len(turn.Tasks)
				doing[turn.Lane] = false
				mu.Unlock()
				if renewed, err := s.Renew(t.Context(), now, lease, turn); err != nil || len(renewed) != 1 {
					t.Errorf("renew: got %d, %v, want the turn", len(renewed), err)
				}
				if err := s.Settle(t.Context(), turn, store.Outcome{Done: len(turn.Tasks)}); err != nil {
					t.Errorf("settle: %v", err)
				}
				mu.Lock()
				if left <= 0 {
					stop()
				}
				mu.Unlock()
			}
		}
	}
	for _, s := range stores {
		for range 2 {
			workers.Go(func() { work(s) })
		}
	}
	each(writers, func(w int) {
		for i := range rounds {
			var tasks []store.Task
			for lane := range lanes {
				tasks = append(tasks, task(fmt.Sprint("lane", (lane+w)%lanes), [2]int{w, i}))
			}
			if err := stores[w%3].Add(t.Context(), tasks...); err != nil {
				t.Errorf("add: %v", err)
			}
		}
	})
	workers.Wait()
	for lane := range lanes {
		for w := range writers {
			got := done[fmt.Sprint("lane", lane, " ", w)]
			if !slices.IsSorted(got) || len(got) != rounds {
				t.Errorf("lane %d, writer %d: done in the order %v, want 0 to %d each once", lane, w, got, rounds-1)
			}
		}
	}
	wantTurns(t, stores[0], now.Add(time.Hour))
}

// testWakeForTasks has those who wait for tasks be woken in the process that stores some.
func testWakeForTasks(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	wake, stop := s.Wake(store.Tasks)
	other, stopOther := s.Wake("other")
	defer stopOther()
	add(t, s, task("a", 1))
	add(t, s, task("a", 2)) // nobody is held up by one who is late to notice
	<-wake
	select {
	case <-other:
		t.Error("woken for another box")
	default:
	}
	stop()
	add(t, s, task("a", 3))
	select {
	case <-wake:
		t.Error("woken after the stop")
	default:
	}
}

// bodies are the bodies of tasks.
func bodies(tasks []store.Task) string {
	list := []string{}
	for _, k := range tasks {
		list = append(list, string(k.Body))
	}
	return strings.Join(list, " ")
}

// testTasksReadOn has a turn be about more tasks than it brought.
func testTasksReadOn(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	for i := range 9 {
		add(t, s, task("lane", i))
	}
	add(t, s, due(task("lane", 9), now.Add(time.Second)))
	turn := take(t, s, now, 2)[0]
	for _, c := range []struct {
		most, bytes int
		want        string
	}{
		{3, 100, "2 3 4"}, {100, 100, "2 3 4 5 6 7 8"}, {100, 3, "2 3 4"}, {0, 100, ""}, {3, 0, ""},
	} {
		rest, err := s.Rest(t.Context(), turn, now, c.most, c.bytes)
		if got := bodies(rest); err != nil || got != c.want {
			t.Errorf("at most %d with %d bytes: got %s, %v, want %s", c.most, c.bytes, got, err, c.want)
		}
	}
	settle(t, s, turn, store.Outcome{Done: 4, Read: 3}, nil)
	wantTurns(t, s, now, "lane: 4 5 6 7 8")
	if rest, err := s.Rest(t.Context(), turn, now, 3, 100); err != nil || len(rest) != 0 {
		t.Errorf("after the turn: got %s, %v, want nothing", bodies(rest), err)
	}
	// What Rest has returned is known, so that only what came after it is awaited.
	add(t, s, task("other", 0), task("other", 1))
	turn = take(t, s, now, 1)[0]
	settle(t, s, turn, store.Outcome{Read: 1, Await: true, Again: now.Add(time.Hour)}, nil)
	wantTurns(t, s, now)
	add(t, s, task("other", 2))
	wantTurns(t, s, now, "other: 0 1 2")
}

// testTasksShed has a backlog be counted and cut.
func testTasksShed(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	other := task("elsewhere", 0)
	other.Kind = "other"
	for _, k := range []store.Task{task("a", 1), task("b", 2), task("a", 3), other, task("b", 4), task("a", 5)} {
		add(t, s, k)
	}
	for most, want := range map[int]string{6: "map[]", 5: "map[a:3 b:2]"} {
		if got, err := s.Backlog(t.Context(), "test", most); err != nil || fmt.Sprint(got) != want {
			t.Errorf("backlog of more than %d: got %v, %v, want %s", most, got, err, want)
		}
	}
	shed := func(n, want int, lanes ...string) {
		t.Helper()
		if got, err := s.Shed(t.Context(), now, lanes, n); err != nil || got != want {
			t.Errorf("shed %d of %v: got %d, %v, want %d", n, lanes, got, err, want)
		}
	}
	shed(3, 3, "a", "b")
	shed(1, 0)
	shed(0, 0, "b")
	turns := take(t, s, now, 10)
	if len(turns) != 3 || bodies(turns[0].Tasks) != "5" || bodies(turns[1].Tasks) != "4" {
		t.Fatalf("got %v, want the latest of each lane", turns)
	}
	// What a turn may be about stays.
	shed(5, 0, "a", "b")
	for _, turn := range turns[1:] {
		settle(t, s, turn, store.Outcome{}, nil)
	}
	shed(5, 1, "a", "b")
	settle(t, s, turns[0], store.Outcome{Done: 1}, nil)
	wantTurns(t, s, now, "elsewhere: 0")
}

// testTasksFailing takes no more turns at lanes that have failed than are asked for, and those first.
func testTasksFailing(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	s := stores[0]
	for i := range 6 {
		add(t, s, task(fmt.Sprintf("bad%d", i), i))
	}
	for _, turn := range take(t, s, now, 10) {
		settle(t, s, turn, store.Outcome{Failed: true, Again: now.Add(time.Second)}, nil)
	}
	later := now.Add(2 * time.Second)
	for i := range 6 {
		add(t, s, due(task(fmt.Sprintf("good%d", i), i), now))
	}
	taken := map[string]bool{}
	for _, c := range []struct{ lanes, failing, bad, good int }{
		{10, 0, 0, 6}, {1, 1, 1, 0}, {10, 2, 2, 0}, {2, 10, 2, 0}, {10, -1, 0, 0}, {10, 10, 1, 0}, {10, 10, 0, 0},
	} {
		turns, err := stores[1].Take(t.Context(), later, lease, c.lanes, c.failing, 10)
		if err != nil {
			t.Fatal(err)
		}
		bad, good := 0, 0
		for _, turn := range turns {
			if taken[turn.Lane] {
				t.Errorf("a second turn at %s", turn.Lane)
			}
			taken[turn.Lane] = true
			if strings.HasPrefix(turn.Lane, "bad") {
				bad++
			} else {
				good++
			}
			if failed := turn.Attempts > 0; failed != strings.HasPrefix(turn.Lane, "bad") {
				t.Errorf("%s: got %d attempts", turn.Lane, turn.Attempts)
			}
		}
		if bad != c.bad || good != c.good {
			t.Errorf("%d lanes, %d failing: got %d failing and %d others, want %d and %d", c.lanes, c.failing, bad, good, c.bad, c.good)
		}
	}
	// What has succeeded again is like the others.
	add(t, s, task("mended", 1))
	mended := take(t, s, later, 10)
	settle(t, s, mended[0], store.Outcome{Failed: true, Again: later}, nil)
	mended = take(t, s, later, 10)
	add(t, s, task("mended", 2))
	settle(t, s, mended[0], store.Outcome{Done: 1}, nil)
	if turns, err := s.Take(t.Context(), later, lease, 10, 0, 10); err != nil || len(turns) != 1 || turns[0].Lane != "mended" {
		t.Errorf("after a success: got %v, %v", turns, err)
	}
}
