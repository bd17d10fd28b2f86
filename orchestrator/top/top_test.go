package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// stack is an orchestrator of a few pools.
type stack struct {
	mu      sync.Mutex // of what follows, where a test has a second goroutine
	pools   map[string]*api.Pool
	decided map[string][]fleet.Decision
	wanted  map[string]spec.Override
	events  chan api.Event // closed, the connection ends
	away    error
	asked   []string // Last-Event-ID of each connection
}

func newStack(names ...string) *stack {
	s := &stack{pools: map[string]*api.Pool{}, decided: map[string][]fleet.Decision{}, wanted: map[string]spec.Override{}, events: make(chan api.Event)}
	for _, name := range names {
		s.pools[name] = &api.Pool{
			Policy: spec.Policy{Min: 1, Max: 9, TargetUtilisation: 0.7}, Status: spec.Status{Pool: name, Desired: 3, Ready: 2, Booting: 1, Cause: "needs 3", Leader: "one"},
			Inputs: &fleet.Inputs{ArrivalsPerSecond: 120, ServiceTimeSeconds: 0.01, Demand: 1.2, Need: 3, Winner: "demand",
				Votes: []fleet.Vote{{Voter: "trend", Abstains: true}, {Voter: "demand", Need: 3, Why: "1.2 cores"}}},
		}
		for n := range 3 {
			s.pools[name].Instances = append(s.pools[name].Instances, fleet.Instance{Name: fmt.Sprintf("viot-t-%s-%d", name, n+1), State: fleet.Ready, Template: "0123456789ab"})
		}
		s.decided[name] = []fleet.Decision{{Number: 7, Kind: fleet.ScaleOut, Cause: "needs 3", Inputs: fleet.Inputs{Before: 2, After: 3}}}
	}
	return s
}

// do changes s.
func (s *stack) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *stack) Status(context.Context) (api.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return api.Status{}, s.away
	}
	answer := api.Status{Stack: "t", Leader: "one", Acting: true}
	for _, p := range s.pools {
		answer.Pools = append(answer.Pools, p.Status)
	}
	return answer, nil
}

func (s *stack) Pool(_ context.Context, pool string) (api.Pool, error) { return *s.pools[pool], s.away }

func (s *stack) Decisions(_ context.Context, pool string, _, _ int) ([]fleet.Decision, error) {
	return s.decided[pool], s.away
}

func (s *stack) Override(_ context.Context, pool string) (spec.Override, string, error) {
	return s.wanted[pool], "", s.away
}

func (s *stack) PatchOverride(_ context.Context, pool string, patch map[string]any, _ time.Duration) (spec.Override, error) {
	o := s.wanted[pool]
	o.Paused, _ = patch["paused"].(bool)
	o.By, _ = patch["by"].(string)
	s.wanted[pool] = o
	return o, s.away
}

func (s *stack) Events(ctx context.Context, lastID string, each func(api.Event) error) error {
	s.mu.Lock()
	s.asked = append(s.asked, lastID)
	events := s.events
	s.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-events:
			if !ok {
				return errors.New("connection reset")
			}
			if err := each(e); err != nil {
				return err
			}
		}
	}
}

func event(id, kind string, data any) api.Event {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return api.Event{ID: id, Kind: kind, Data: text}
}

// view is a screen with its reader.
type view struct {
	*screen
	t     *testing.T
	clock time.Time
}

func look(t *testing.T, s *stack, width, height int) *view {
	v := &view{t: t, clock: time.Date(2026, 1, 2, 15, 4, 5, 0, time.Local)}
	v.screen = &screen{ctx: t.Context(), source: s, by: "ann", now: func() time.Time { return v.clock }}
	v.send(tea.WindowSizeMsg{Width: width, Height: height})
	status, _ := s.Status(t.Context())
	v.send(began{v.clock, status})
	return v
}

// send gives the screen a message, and what comes of it but the next tick and the end.
func (v *view) send(msg tea.Msg) (quit bool) {
	_, cmd := v.Update(msg)
	if _, ok := msg.(tick); ok || cmd == nil {
		return false
	}
	switch answer := cmd().(type) {
	case tea.QuitMsg:
		return true
	case tea.BatchMsg:
		for _, each := range answer {
			quit = v.send(each()) || quit
		}
		return quit
	default:
		return v.send(answer)
	}
}

// after lets time pass, a tick at its end and the answer to what was asked then.
func (v *view) after(d time.Duration) *view {
	v.clock = v.clock.Add(d)
	v.send(tick(v.clock)) // its command is the next tick, and what is asked
	if v.asking {
		v.asking, v.askedAt = false, time.Time{}
		v.send(v.askDetail()())
	}
	v.redraw()
	return v
}

func (v *view) press(keys string) *view {
	switch keys {
	case "enter":
		v.send(tea.KeyMsg{Type: tea.KeyEnter})
	case "down":
		v.send(tea.KeyMsg{Type: tea.KeyDown})
	default:
		v.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(keys)})
	}
	return v.after(0)
}

// has wants each text in what is seen, and it within the terminal.
func (v *view) has(texts ...string) *view {
	v.t.Helper()
	seen := v.View()
	for _, text := range texts {
		if text, not := strings.CutPrefix(text, "not "); strings.Contains(ansi.Strip(seen), text) == not {
			v.t.Errorf("want %q: not is %v in\n%s", text, not, seen)
		}
	}
	lines := strings.Split(seen, "\n")
	if len(lines) != v.height {
		v.t.Errorf("%d lines on a terminal of %d:\n%s", len(lines), v.height, seen)
	}
	for _, line := range lines {
		if w := ansi.StringWidth(line); w > v.width {
			v.t.Errorf("a line is %d wide on a terminal of %d: %s", w, v.width, line)
		}
	}
	return v
}

func TestPoolsAndOneOfThem(t *testing.T) {
	t.Parallel()
	s := newStack("cse", "queue")
	s.pools["queue"].Status.Problem = "no such image\x1b[2J"
	s.pools["cse"].Inputs.ScaleInAt = time.Date(2026, 1, 2, 15, 4, 35, 0, time.Local)
	v := look(t, s, 80, 24).after(0)
	v.has("viot t  led by one  live", "cse      3     2    1     -", "demand", "problem: no such image [2J", "target   70 % of an instance; 1 to 9 instances",
		"120.0 requests/s x 10.00 ms = 1.20 cores busy", "vote     demand wants 3: 1.2 cores", "from 15:04:35 on, in 30s", "not INSTANCE", "not \x1b")
	v.press("enter").has("INSTANCE", "viot-t-cse-3", "7", "2 → 3", "enter back")
	v.press("j").has("viot-t-queue-1", "not viot-t-cse-1")
	v.press("k").has("viot-t-cse-1").press("enter").has("not INSTANCE").press("down").has("queue")
	v.send(told{v.clock, event("1-1", api.EventStatus, spec.Status{Pool: "queue", Desired: 5, Rollout: "template x: 2 to be replaced", Override: "paused, by ann", Leader: "two"})})
	v.send(told{v.clock, event("1-2", api.EventDecision, api.PoolDecision{Pool: "queue", Decision: fleet.Decision{Number: 8, Kind: fleet.Roll, Cause: "of old"}})})
	v.after(drawEvery).has("led by two", "asked    paused, by ann", "update   template x: 2 to be replaced")
	v.send(told{v.clock, event("1-3", api.EventGone, api.Gone{Pool: "queue"})})
	v.after(drawEvery).has("not queue", "cse")
	if !v.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")}) {
		t.Error("q does not end it")
	}
}

// What comes in is drawn with the next tick, a key at once.
func TestDrawsTenTimesASecond(t *testing.T) {
	t.Parallel()
	v := look(t, newStack("cse", "queue"), 80, 24).after(0)
	before := v.View()
	for n := range 50 {
		v.send(told{v.clock, event("", api.EventLoad, api.Load{Pool: "cse", Inputs: fleet.Inputs{ArrivalsPerSecond: float64(1000 + n), Demand: 9}})})
		if v.View() != before {
			t.Fatal("an event is drawn before the tick")
		}
	}
	v.send(tick(v.clock))
	v.has("1049.0")
	v.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("j")})
	if v.chosen != "queue" {
		t.Errorf("chosen is %s after j", v.chosen)
	}
}

func TestSizesOfTerminals(t *testing.T) {
	t.Parallel()
	var names []string
	for n := range 200 {
		names = append(names, fmt.Sprintf("a-pool-with-a-rather-long-name-%03d", n))
	}
	s := newStack(names...)
	s.pools[names[0]].Status.Problem = strings.Repeat("a long story ", 40)
	v := look(t, s, 80, 24).after(0)
	for _, size := range [][2]int{{80, 24}, {200, 60}, {40, 8}, {10, 3}, {1, 1}, {100, 5}, {80, 24}} {
		v.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, keys := range []string{"g", "enter", "enter", "G", "enter", "enter"} {
			v.press(keys).has()
		}
	}
	v.has("name-199").press("ggjj").has("a-pool-w…-name-002", "not name-199")
	if v.chosen != names[2] {
		t.Errorf("keys that come together chose %s", v.chosen)
	}
	look(t, newStack(), 80, 24).after(time.Second).has("no pools")
}

func TestPauseIsAskedForFirst(t *testing.T) {
	t.Parallel()
	s := newStack("cse")
	v := look(t, s, 80, 24).after(0)
	v.press("p").has("pause cse", "y/n").press("n").has("not y/n")
	if s.wanted["cse"].Paused {
		t.Error("paused though the answer was n")
	}
	v.press("p").press("y").has("cse: paused, by ann")
	if !s.wanted["cse"].Paused {
		t.Error("not paused though the answer was y")
	}
	v.press("p").has("end the pause of cse?").press("y").has("cse: as decided")
	s.away = errors.New("this orchestrator takes no writes")
	v.press("p").has("takes no writes")
}

func TestKeepsThePictureOfAnOrchestratorThatIsGone(t *testing.T) {
	t.Parallel()
	s := newStack("cse", "queue")
	v := look(t, s, 80, 24).after(0)
	v.after(5*time.Second).has("nothing heard for 5s", "cse")
	s.away = errors.New("connection refused")
	v.send(lost{s.away})
	v.after(7*time.Second).has("no answer, picture is 12s old, trying again", "connection refused", "cse", "queue", "needs 3")
	s.away = nil
	delete(s.pools, "queue")
	status, _ := s.Status(t.Context())
	v.send(began{v.clock, status})
	v.after(time.Second).has("live", "not refused", "cse", "not queue")
}

func TestFollowsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStack("cse")
		var got []string
		ended := make(chan struct{})
		begun := time.Now()
		go func() {
			defer close(ended)
			follow(ctx, s, func(what any) { got = append(got, fmt.Sprintf("%s %T", time.Since(begun), what)) })
		}()
		synctest.Wait()
		s.events <- event("e-1", api.EventStatus, spec.Status{Pool: "cse"})
		synctest.Wait()
		s.do(func() {
			s.away = errors.New("away")
			close(s.events)
		})
		time.Sleep(4 * time.Second)
		s.do(func() { s.away, s.events = nil, make(chan api.Event) })
		time.Sleep(4 * time.Second)
		s.events <- event("", api.EventLoad, api.Load{Pool: "cse"})
		cancel()
		<-ended
		want := []string{"0s top.began", "0s top.told", "0s top.lost", "1s top.lost", "3s top.lost", "7s top.began", "8s top.told"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		if want := []string{"", "e-1"}; !slices.Equal(s.asked, want) {
			t.Errorf("resumed after %q, want %q", s.asked, want)
		}
	})
}

func TestLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStack("cse")
		var out strings.Builder
		ended := make(chan error)
		go func() { ended <- Lines(ctx, s, &out) }()
		synctest.Wait()
		status := spec.Status{Pool: "cse", Ready: 1}
		s.events <- event("1", api.EventStatus, status)
		status.UpdatedAt = time.Now()
		s.events <- event("1", api.EventStatus, status)
		s.events <- event("", api.EventLoad, api.Load{Pool: "cse"})
		s.events <- event("2", api.EventDecision, api.PoolDecision{Pool: "cse"})
		close(s.events)
		synctest.Wait()
		s.do(func() { s.events = make(chan api.Event) })
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for text := range strings.Lines(out.String()) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil || l.At.IsZero() {
				t.Fatalf("%s: %v", text, err)
			}
			kinds = append(kinds, l.Event+l.Error)
		}
		if want := []string{"status", "decision", "lostconnection reset", "found"}; !slices.Equal(kinds, want) {
			t.Errorf("lines %q, want %q", kinds, want)
		}
	})
}
