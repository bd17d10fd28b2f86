package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"
	dockerclient "github.com/docker/docker/client"

	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// disk is a small file system in memory: one that can be full without any harm to the machine's.
type disk struct {
	t   *testing.T
	dir string
}

// newDisk mounts one; it goes with the test. It must be made before the stack that uses it, so that it goes after.
func newDisk(t *testing.T, size string) disk {
	t.Helper()
	d := disk{t, t.TempDir()}
	if err := syscall.Mount("viot-test", d.dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount a file system of %s: %v (run the tests as root)", size, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", d.dir, err)
		}
	})
	return d
}

// becomes makes the disk the volume of a part of a stack, which finds it and takes it for its own.
func (d disk) becomes(stack *testkit.Stack, part, role string) {
	d.t.Helper()
	api, err := dockerclient.NewClientWithOpts(dockerclient.FromEnv, dockerclient.WithAPIVersionNegotiation())
	if err != nil {
		d.t.Fatal(err)
	}
	defer api.Close()
	_, err = api.VolumeCreate(context.Background(), volume.CreateOptions{
		Name: "viot-" + stack.Name + "-" + part, Driver: "local", DriverOpts: map[string]string{"type": "none", "o": "bind", "device": d.dir},
		Labels: map[string]string{spec.LabelStack: stack.Name, spec.LabelRole: role},
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes what is left, to the last block.
func (d disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// free gives back what fill took.
func (d disk) free() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

// refusal is what a create was answered that was not carried out.
type refusal struct {
	status     int
	retryAfter string
}

// create sends one create, once.
func (s *scene) create(tree load.Tree, name string) (refused *refusal) {
	s.t.Helper()
	body := fmt.Sprintf(`{"m2m:cin":{"rn":%q,"con":%q}}`, name, strings.Repeat("x", 4000))
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.stack.MCA+tree.Container, strings.NewReader(body))
	s.must(err)
	for key, value := range map[string]string{
		"X-M2M-Origin": tree.Originator, "X-M2M-RVI": "3", "X-M2M-RI": name, "Content-Type": "application/json;ty=4",
	} {
		request.Header.Set(key, value)
	}
	response, err := (&http.Client{Timeout: giveUp}).Do(request)
	s.must(err)
	defer response.Body.Close()
	if response.StatusCode == http.StatusCreated {
		return nil
	}
	return &refusal{response.StatusCode, response.Header.Get("Retry-After")}
}

// refused creates until a create is refused, and checks that the refusal says when to try again.
func (s *scene) refused(tree load.Tree, during string) {
	s.t.Helper()
	for n, began := 0, time.Now(); ; n++ {
		if r := s.create(tree, fmt.Sprintf("%s-%d", during, n)); r != nil {
			s.t.Logf("%s: after %d creates one is answered %d, Retry-After %q", during, n, r.status, r.retryAfter)
			if r.status/100 != 5 || r.retryAfter == "" {
				s.t.Errorf("%s: a create is answered %d, Retry-After %q: want 5xx with Retry-After", during, r.status, r.retryAfter)
			}
			return
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("%s: %d creates were carried out: the disk is not full", during, n)
		}
	}
}

// accepted waits until a create is carried out.
func (s *scene) accepted(tree load.Tree, after string) time.Duration {
	s.t.Helper()
	began := time.Now()
	for n := 0; ; n++ {
		r := s.create(tree, fmt.Sprintf("%s-%d", after, n))
		if r == nil {
			return time.Since(began)
		}
		if time.Since(began) > 2*giveUp { // the engine waits for up to a minute before it starts what crashed again and again
			s.t.Fatalf("%s: creates are still answered %d", after, r.status)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestDisksAreFull fills the disks of PostgreSQL, of Consul and of the orchestrator's log of decisions, one at a time.
func TestDisksAreFull(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	data, registry, log := newDisk(t, "300m"), newDisk(t, "64m"), newDisk(t, "64k")
	s, tree := newScene(ctx, t, map[string]string{"decisionsLog": "true"}, func(stack *testkit.Stack) {
		data.becomes(stack, "postgres", spec.RoleDatabase)
		registry.becomes(stack, "consul", spec.RoleConsul)
		log.becomes(stack, "orchestrator", spec.RoleOrchestrator)
	})
	defer s.engine.Close()
	w := newWriters(ctx, t, tree)
	// A client that insists: whatever it was told, what it was told to be done must be there in the end.
	w.client.Retry = client.Retry{Tries: 1000}
	loading, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	defer done.Wait()
	defer stop()
	var reads load.Tally // while PostgreSQL is up
	reading, stopReading := context.WithCancel(loading)
	done.Go(func() { s.read(reading, tree, tree.Container+"/la", &reads) })
	for n := range 4 {
		done.Go(func() { w.run(loading, n) })
	}
	s.recovered("start", time.Now())

	s.fullLog(log)
	s.fullConsul(registry, tree)

	data.fill()
	s.refused(tree, "full-data")
	time.Sleep(3 * time.Second) // of a full disk
	s.refused(tree, "still-full-data")
	data.free()
	t.Logf("creates are carried out again %s after there is room", s.accepted(tree, "room-for-data").Round(10*time.Millisecond))
	s.recovered("a full disk of PostgreSQL", time.Now())
	if total := reads.Summary(); total.Failed > 0 || total.Requests == 0 {
		t.Errorf("reads: %s; want some and no failure", total)
	}
	stopReading()

	s.fullWAL(data, tree)
	stop()
	done.Wait()
	if w.failed.Load() > 0 || w.acknowledged() == 0 {
		t.Errorf("creates: %d of %d failed for good; want some and no failure", w.failed.Load(), w.sent.Load())
	}
	if lost := w.lost(ctx); len(lost) > 0 {
		t.Errorf("%d acknowledged creates are not there: %v", len(lost), lost[:min(10, len(lost))])
	}
	t.Logf("reads: %s; %d creates acknowledged", reads.Summary(), w.acknowledged())
	if t.Failed() {
		return // the stack's own clean-up shows its logs before it removes it
	}
	s.must(s.stack.Destroy(context.WithoutCancel(ctx)))
}

// fullLog fills the disk of the log of decisions. Decisions are made all the same, and those that are not logged are counted.
func (s *scene) fullLog(d disk) {
	s.t.Helper()
	if n := s.unlogged(); n != "0" {
		s.t.Errorf("%s decisions could not be logged before the disk is full", n)
	}
	d.fill()
	for began := time.Now(); s.unlogged() == "0"; {
		if time.Since(began) > giveUp {
			s.t.Fatal("with a full disk all decisions are logged")
		}
		testkit.CrashContainer(s.t, s.victim())
		time.Sleep(time.Second) // as in TestChaos
		s.recovered("a full disk of the log", time.Now())
	}
	s.t.Logf("%s decisions could not be logged", s.unlogged())
	d.free()
	size := s.logged(d)
	for began := time.Now(); s.logged(d) == size; {
		if time.Since(began) > giveUp {
			s.t.Fatal("there is room for the log again, and no decision is logged")
		}
		testkit.CrashContainer(s.t, s.victim())
		time.Sleep(time.Second)
		s.recovered("room for the log", time.Now())
	}
}

// unlogged is how many decisions the orchestrator says that it could not log.
func (s *scene) unlogged() string {
	s.t.Helper()
	response, err := http.Get(s.stack.Orchestrator + "/metrics")
	s.must(err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	s.must(err)
	for line := range strings.Lines(string(page)) {
		if value, ok := strings.CutPrefix(line, "viot_decision_log_errors_total "); ok {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatal("the orchestrator does not count what it could not log")
	return ""
}

// logged is how many decisions are in the log. Each is a whole line.
func (s *scene) logged(d disk) (n int) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "decisions.log"))
	s.must(err)
	for line := range bytes.Lines(text) {
		if !json.Valid(line) || !bytes.HasSuffix(line, []byte("\n")) {
			s.t.Errorf("line %d of the log is not a whole one: %s", n+1, line)
		}
		n++
	}
	return n
}

// fullConsul fills the disk of Consul, which then takes no writes, and may end. That is Consul's absence: requests go on.
func (s *scene) fullConsul(d disk, tree load.Tree) {
	s.t.Helper()
	d.fill()
	for began, n := time.Now(), 0; ; n++ {
		key := fmt.Sprintf("%s/v1/kv/test/full-%d", s.stack.Consul, n)
		request, err := http.NewRequestWithContext(s.ctx, http.MethodPut, key, strings.NewReader(strings.Repeat("x", 10_000)))
		s.must(err)
		response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
		if err != nil {
			s.t.Logf("Consul takes no writes after %d: %v", n, err)
			break
		}
		answer, _ := io.ReadAll(response.Body) // for the log
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			s.t.Logf("Consul takes no writes after %d: %s: %s", n, response.Status, bytes.TrimSpace(answer))
			break
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("%d keys were written: the disk is not full", n)
		}
	}
	time.Sleep(3 * time.Second) // of a full disk
	if r := s.create(tree, "full-consul"); r != nil {
		s.t.Errorf("while Consul's disk is full a create is answered %d", r.status)
	}
	d.free()
	began := time.Now()
	for { // the engine waits for up to a minute before it starts what crashed again and again
		if _, err := s.leader(); err == nil {
			break
		}
		if time.Since(began) > 2*giveUp {
			s.t.Fatal("Consul does not come back when there is room")
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.recovered("a full disk of Consul", time.Now())
	if lines, err := s.engine.Logs(s.ctx, "viot-"+s.stack.Name+"-consul", 20); err == nil {
		s.t.Logf("Consul says:\n%s", strings.Join(lines, "\n"))
	}
	s.t.Logf("as it should be %s after there is room for Consul", time.Since(began).Round(10*time.Millisecond))
}

// fullWAL fills the disk when PostgreSQL needs it for its log, without which it cannot go on: it ends, and cannot start before
// there is room. Until then all requests are refused; then nothing that was acknowledged is lost.
func (s *scene) fullWAL(d disk, tree load.Tree) {
	s.t.Helper()
	all, err := s.engine.ListContainers(s.ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: spec.RoleDatabase})
	s.must(err)
	d.fill()
	for began := time.Now(); ; {
		code, out, err := s.engine.Exec(s.ctx, all[0].ID, []string{"psql", "--username=cse", "--dbname=cse", "--command=SELECT pg_switch_wal()"})
		if err != nil || code != 0 {
			s.t.Logf("PostgreSQL has no room for its log: %s (%v)", strings.TrimSpace(out), err)
			break
		}
		if time.Since(began) > giveUp {
			s.t.Fatal("PostgreSQL has begun a new file of its log again and again: the disk is not full")
		}
	}
	s.refused(tree, "full-log")
	time.Sleep(5 * time.Second) // of a full disk
	c, err := s.engine.InspectContainer(s.ctx, all[0].ID)
	s.must(err)
	s.t.Logf("PostgreSQL is %s, started again %d times", c.State, c.Restarts)
	s.refused(tree, "still-full-log")
	d.free()
	s.t.Logf("creates are carried out again %s after there is room for the log", s.accepted(tree, "room-for-log").Round(10*time.Millisecond))
	s.recovered("a full disk of PostgreSQL's log", time.Now())
	if c, err = s.engine.InspectContainer(s.ctx, all[0].ID); err != nil || c.State != docker.Running {
		s.t.Errorf("PostgreSQL is %s (%v)", c.State, err)
	}
}
