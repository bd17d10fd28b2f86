// Package chaos kills, freezes, hangs and starves the parts of a stack of its own under load, fills their disks and steps their clocks, on
// real Docker, and counts what that costs: reads, which are sent once, and creates, which a client repeats under the same request identifier.
package chaos

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

const (
	pool = "cse"
	size = 2
	// slack is what recovery may take beyond a boot.
	slack = 5 * time.Second
	// hangs is for how long an instance must fail its check before it is replaced, which recovery from one that hangs may take
	// beyond that. Until then it may only be slow.
	hangs = 5 * time.Second
	// giveUp is a safety net for whatever is waited for.
	giveUp = time.Minute
)

// disturbance is one way to do harm; it returns what undoes it, or nil.
type disturbance struct {
	name string
	kill bool // ends a process without warning
	do   func(*scene) (undo func())
	rule time.Duration // for which the orchestrator waits before it acts
}

// disturbances begins with those that kill nothing, so that whoever asks for few kills sees them too.
var disturbances = []disturbance{
	{"freeze an instance", false, func(s *scene) func() {
		s.must(s.engine.PauseContainer(s.ctx, s.victim()))
		return nil // it is replaced
	}, 0},
	{"hang an instance", false, func(s *scene) func() {
		name := s.victim()
		testkit.HangContainer(s.t, name)
		s.noticed(name)
		return nil // it is replaced
	}, hangs},
	{"starve an instance", false, func(s *scene) func() {
		name := s.victim()
		s.must(s.engine.UpdateContainer(s.ctx, name, 0.01, 0, ""))
		return func() { s.engine.UpdateContainer(context.WithoutCancel(s.ctx), name, 0.25, 0, "") } // may be gone
	}, 0},
	{"set the clock of the orchestrators ahead", false, func(s *scene) func() { return s.step(spec.RoleOrchestrator, time.Hour) }, 0},
	{"set the clock of the orchestrators back", false, func(s *scene) func() { return s.step(spec.RoleOrchestrator, -time.Hour) }, 0},
	{"set the clock of the instances ahead", false, func(s *scene) func() { return s.step(spec.RoleInstance, time.Hour) }, 0},
	{"set the clock of the instances back", false, func(s *scene) func() { return s.step(spec.RoleInstance, -time.Hour) }, 0},
	{"kill an instance", true, func(s *scene) func() { testkit.CrashContainer(s.t, s.victim()); return nil }, 0},
	{"kill the orchestrators", true, func(s *scene) func() { testkit.Crash(s.t, spec.RoleOrchestrator, s.stack.Name); return nil }, 0},
	{"kill an instance and the orchestrators", true, func(s *scene) func() {
		testkit.Crash(s.t, spec.RoleOrchestrator, s.stack.Name)
		testkit.CrashContainer(s.t, s.victim())
		return nil
	}, 0},
	{"kill the companion", true, func(s *scene) func() { testkit.Crash(s.t, spec.RoleBalancer, s.stack.Name); return nil }, 0},
	{"kill the leader of Consul", true, func(s *scene) func() {
		testkit.CrashContainer(s.t, s.consulLeader())
		s.elected()
		return nil
	}, 0},
	{"kill every instance", true, func(s *scene) func() {
		for _, name := range testkit.Instances(s.t, s.stack.Name, pool) {
			testkit.CrashContainer(s.t, name)
		}
		return nil
	}, 0},
}

// kills is how many of the rounds kill: VIOT_CHAOS_KILLS, or one of each kind.
func kills(t *testing.T) int {
	text := os.Getenv("VIOT_CHAOS_KILLS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("VIOT_CHAOS_KILLS=%s: want a whole number of at least 1", text)
	}
	return n
}

// scene is a stack under load.
type scene struct {
	t      *testing.T
	ctx    context.Context
	stack  *testkit.Stack
	engine *docker.Client
	consul *consul.Client

	from      time.Time       // from which the recovery of a disturbance counts
	elections []time.Duration // how long Consul was without a leader
}

// newScene stands a stack up with a pool of size instances, for which the engine is prepared first, and prepares a tree to read
// and write.
func newScene(ctx context.Context, t *testing.T, settings map[string]string, prepare ...func(*testkit.Stack)) (*scene, load.Tree) {
	t.Helper()
	settings["min"], settings["max"] = strconv.Itoa(size), strconv.Itoa(size)
	s := &scene{t: t, ctx: ctx, stack: testkit.NewStack(t, settings)}
	for _, do := range prepare {
		do(s.stack)
	}
	_, err := s.stack.Up(ctx)
	s.must(err)
	s.engine, err = docker.Open(ctx, "")
	s.must(err)
	s.consul, err = consul.New(s.stack.Consul, "")
	s.must(err)
	tree, err := load.Prepare(ctx, s.stack.MCA, "cse-in", "chaos")
	s.must(err)
	return s, tree
}

// read reads a path 60 times a second until ctx ends, each time once, and counts what became of it.
func (s *scene) read(ctx context.Context, tree load.Tree, path string, tally *load.Tally) {
	err := load.Run(ctx, load.Config{
		Address: s.stack.Address(), Connections: 8, RequestID: fmt.Sprint(time.Now().UnixNano()), Timeout: time.Minute, Record: tally.Record,
		Rate: func(time.Duration) float64 { return 60 },
		Next: func(int, int) load.Request {
			return load.Request{Method: http.MethodGet, Path: path, Header: map[string]string{"X-M2M-Origin": tree.Originator, "X-M2M-RVI": "3"}}
		},
	})
	if err != nil {
		s.t.Error(err)
	}
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// victim is an instance that serves.
func (s *scene) victim() string {
	names := testkit.Instances(s.t, s.stack.Name, pool)
	if len(names) == 0 {
		s.t.Fatal("there is no instance to disturb")
	}
	return names[0]
}

// noticed waits until an instance does not pass its check.
func (s *scene) noticed(name string) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		registered, _, err := s.consul.Instances(s.ctx, pool, 0, 0)
		if err == nil && !slices.ContainsFunc(registered, func(i consul.Instance) bool { return i.ID == name && i.Passing }) {
			return
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("%s still passes its check after %s (%v)", name, giveUp, err)
		}
	}
}

// step sets the clocks of all containers of a role off, and checks that nothing is done for that, nor for setting them right again.
func (s *scene) step(role string, by time.Duration) (undo func()) {
	s.t.Helper()
	all, err := s.engine.ListContainers(s.ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: role})
	s.must(err)
	before := testkit.Instances(s.t, s.stack.Name, pool)
	set := func(by time.Duration) {
		for _, c := range all {
			testkit.StepClock(s.t, c.Name, by)
		}
		if off := s.clock(role); (off - by).Abs() > time.Minute {
			s.t.Errorf("clocks set off by %s show %s", by, off)
		}
		time.Sleep(2 * time.Second) // several rounds
		if now := testkit.Instances(s.t, s.stack.Name, pool); !slices.Equal(now, before) {
			s.t.Errorf("after clocks were set off by %s the instances are %v, they were %v", by, now, before)
		}
	}
	set(by)
	return func() {
		set(0)
		s.from = time.Now()
	}
}

// clock is how far off the clock of a role is by what its HTTP answers say.
func (s *scene) clock(role string) time.Duration {
	s.t.Helper()
	address := s.stack.MCA
	if role == spec.RoleOrchestrator {
		address = s.stack.Orchestrator
	}
	response, err := http.Get(address)
	s.must(err)
	response.Body.Close()
	shown, err := http.ParseTime(response.Header.Get("Date"))
	s.must(err)
	return time.Until(shown)
}

// consulLeader is the container of the server that leads.
func (s *scene) consulLeader() string {
	s.t.Helper()
	var leader string
	s.must(s.stack.AskConsul(s.ctx, "/v1/status/leader", &leader))
	address, err := netip.ParseAddrPort(leader)
	s.must(err)
	all, err := s.engine.ListContainers(s.ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: spec.RoleConsul})
	s.must(err)
	for _, c := range all {
		for _, ip := range c.IPs {
			if ip == address.Addr().String() {
				return c.Name
			}
		}
	}
	s.t.Fatalf("no container has the address of Consul's leader, %s", leader)
	return ""
}

// elected waits until Consul has a leader again, from which on the recovery counts: how long its servers take to agree is theirs. The
// instances are to stay as they are meanwhile.
func (s *scene) elected() {
	s.t.Helper()
	before := testkit.Instances(s.t, s.stack.Name, pool)
	for {
		var entries []struct{ Key string }
		err := s.stack.AskConsul(s.ctx, "/v1/kv/"+spec.StatusKey(s.stack.Name, pool)+"?consistent", &entries)
		if now := testkit.Instances(s.t, s.stack.Name, pool); !slices.Equal(now, before) {
			s.t.Errorf("while Consul had no leader the instances became %v, they were %v", now, before)
		}
		if err == nil {
			break
		}
		if time.Since(s.from) > giveUp {
			s.t.Fatalf("Consul has no leader %s after one was killed: %v", giveUp, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.elections = append(s.elections, time.Since(s.from))
	s.from = time.Now()
}

// status is what the acting orchestrator has written.
func (s *scene) status() (spec.Status, error) {
	return s.stack.Status(s.ctx, pool)
}

// recovered waits until the pool is as it should be, on the engine, in Consul and by its own account, and returns how long
// that is after began.
func (s *scene) recovered(after string, began time.Time) time.Duration {
	s.t.Helper()
	for {
		problem := s.problem()
		if problem == nil {
			return time.Since(began)
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("%s: not as it should be after %s: %v", after, giveUp, problem)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *scene) problem() error {
	status, err := s.status()
	if err != nil {
		return err
	}
	if _, err := s.leader(); err != nil { // the next disturbance is to meet one that acts
		return err
	}
	names := testkit.Instances(s.t, s.stack.Name, pool)
	all, err := s.engine.ListContainers(s.ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: spec.RoleInstance})
	if err != nil {
		return err
	}
	registered, _, err := s.consul.Instances(s.ctx, pool, 0, 0)
	if err != nil {
		return err
	}
	var passing []string
	for _, i := range registered {
		if i.Passing {
			passing = append(passing, i.ID)
		}
	}
	slices.Sort(passing)
	if status.Ready != size || status.Draining > 0 || len(all) != size || len(registered) != size || !slices.Equal(passing, names) {
		return fmt.Errorf("%d containers, running %v, %d registered, passing %v, status %+v", len(all), names, len(registered), passing, status)
	}
	return nil
}

func TestChaos(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	defer cancel()
	s, tree := newScene(ctx, t, map[string]string{"consulServers": "3", "orchestrators": "2"}, func(s *testkit.Stack) { s.SteppableClocks(t) })
	defer s.engine.Close()
	w := newWriters(ctx, t, tree)
	var reads load.Tally
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var done sync.WaitGroup
	done.Go(func() { s.read(loading, tree, tree.Container+"/la", &reads) })
	for n := range 4 {
		done.Go(func() { w.run(loading, n) })
	}

	s.recovered("start", time.Now())
	var boots boots
	done.Go(func() { boots.watch(loading, s) })
	killed, took, limits := 0, map[string][]time.Duration{}, map[string]time.Duration{}
	for round, wanted := 0, kills(t); killed < wanted; round++ {
		d := disturbances[round%len(disturbances)]
		before := reads.Summary().Failed
		s.from = time.Now()
		undo := d.do(s)
		time.Sleep(time.Second) // what was disturbed may look well for that long
		if undo != nil {
			undo()
		}
		recovery := s.recovered(d.name, s.from)
		took[d.name], limits[d.name] = append(took[d.name], recovery), slack+d.rule
		if d.kill {
			killed++
		}
		t.Logf("round %d: %s: as it should be after %s; %d reads failed, %d creates failed so far", round, d.name,
			recovery.Round(10*time.Millisecond), reads.Summary().Failed-before, w.failed.Load())
	}
	var takeovers []time.Duration
	for range 3 {
		takeovers = append(takeovers, s.takeover())
	}
	stop()
	done.Wait()

	total := reads.Summary()
	lost := w.lost(ctx)
	root, err := testkit.Root()
	s.must(err)
	type line struct {
		name   string
		values []figure.Value
	}
	lines := []line{
		{"chaos-failed-get", []figure.Value{figure.Count("failed", total.Failed), figure.Count("requests", total.Requests), figure.Count("kills", killed)}},
		{"chaos-failed-post", []figure.Value{figure.Count("failed", int(w.failed.Load())), figure.Count("requests", int(w.sent.Load())), figure.Count("kills", killed)}},
		{"chaos-lost-writes", []figure.Value{figure.Count("lost", len(lost)), figure.Count("acknowledged", w.acknowledged()), figure.Count("kills", killed)}},
		{"chaos-boot", figure.Spread(boots.took)},
		{"takeover", figure.Spread(takeovers)},
		{"chaos-consul-election", figure.Spread(s.elections)},
	}
	for _, kind := range slices.Sorted(maps.Keys(took)) {
		lines = append(lines, line{"chaos-recovery-" + strings.ReplaceAll(kind, " ", "-"), figure.Spread(took[kind])})
	}
	for _, f := range lines {
		s.must(figure.Print(root, f.name, f.values...))
	}
	if total.Failed > 0 || total.Requests == 0 {
		t.Errorf("reads: %s; want some and no failure", total)
	}
	if w.failed.Load() > 0 || w.acknowledged() == 0 {
		t.Errorf("creates: %d of %d failed for good; want some and no failure", w.failed.Load(), w.sent.Load())
	}
	if len(lost) > 0 {
		t.Errorf("%d acknowledged creates are not there: %v", len(lost), lost[:min(10, len(lost))])
	}
	if longest := slices.Max(takeovers); longest > takeoverLimit {
		t.Errorf("another orchestrator acted %s after the acting one had been killed, want %s at most", longest, takeoverLimit)
	}
	boot := boots.median()
	if boot == 0 {
		t.Error("no instance was seen to boot")
	}
	for kind, all := range took {
		if longest := slices.Max(all); longest > boot+limits[kind] {
			t.Errorf("%s: as it should be after %s at the longest, want a boot (%s) and %s at most", kind, longest, boot, limits[kind])
		}
	}
	if t.Failed() {
		return // the stack's own clean-up shows its logs before it removes it
	}
	s.must(s.stack.Destroy(context.WithoutCancel(ctx)))
}

// writers create content instances, each with a name of its own, and remember which were acknowledged.
type writers struct {
	t            *testing.T
	client       *client.Client
	container    string
	sent, failed atomic.Int64

	mu   sync.Mutex
	done map[string]bool
}

func newWriters(ctx context.Context, t *testing.T, tree load.Tree) *writers {
	t.Helper()
	w := &writers{t: t, client: tree.Client(), done: map[string]bool{}}
	parent := path.Dir(tree.Container[1:])
	w.container = parent + "/kept"
	if err := w.client.Create(ctx, parent, &client.Container{Common: client.Named("kept"), MaxNrOfInstances: new(int64(1_000_000))}); err != nil {
		t.Fatal(err)
	}
	return w
}

// run creates until ctx ends, ten a second at most. A create that is under way then is not counted.
func (w *writers) run(ctx context.Context, number int) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		name := fmt.Sprintf("w%d-%d", number, n)
		err := w.client.Create(ctx, w.container, &client.ContentInstance{Common: client.Named(name), Content: name})
		if ctx.Err() != nil {
			return
		}
		w.sent.Add(1)
		if err != nil {
			w.failed.Add(1)
			w.t.Logf("create %s: %v", name, err)
			continue
		}
		w.mu.Lock()
		w.done[name] = true
		w.mu.Unlock()
	}
}

func (w *writers) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.done)
}

// lost reads back what was acknowledged and returns what is not there.
func (w *writers) lost(ctx context.Context) (lost []string) {
	w.t.Helper()
	there := map[string]bool{}
	for at, err := range w.client.Discover(ctx, w.container, client.Filter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		there[path.Base(at)] = true
	}
	for name := range w.done {
		if !there[name] {
			lost = append(lost, name)
		}
	}
	slices.Sort(lost)
	return lost
}
