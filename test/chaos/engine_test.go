package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/lease"
	"github.com/viot-project/viot/orchestrator/loop"
)

// steady is how long instances must have run for their death not to count as a failed boot.
const steady = 11 * time.Second

// apart says that this process is the one in a network of its own.
const apart = "VIOT_CHAOS_APART"

// ownNetwork runs the test again in a network of its own, where a second engine disturbs nothing of the first, and says
// whether this is that run.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("bring the loopback up: %v: %s", err, out)
		}
		return true
	}
	again := exec.Command("unshare", "--net", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	again.Env = append(os.Environ(), apart+"=1")
	out, err := again.CombinedOutput()
	t.Logf("in a network of its own:\n%s", out)
	if err != nil {
		t.Errorf("in a network of its own: %v (needs root, unshare, ip and dockerd)", err)
	}
	return false
}

// ownEngine is an engine that may be restarted: nobody else uses it.
type ownEngine struct {
	t           *testing.T
	dir         string
	liveRestore bool
	process     *exec.Cmd
	client      *docker.Client
}

// newOwnEngine starts an engine with its data, its state and its addresses apart from the machine's own. It ends with the
// test.
func newOwnEngine(t *testing.T, liveRestore bool) *ownEngine {
	t.Helper()
	dir, err := os.MkdirTemp("", "viot-engine-") // not the test's: paths of sockets are to be short
	if err != nil {
		t.Fatal(err)
	}
	e := &ownEngine{t: t, dir: dir, liveRestore: liveRestore}
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.client, err = docker.New("unix://" + filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		all, err := e.client.ListContainers(ctx, nil)
		for _, c := range all {
			if err := e.client.RemoveContainer(ctx, c.ID); err != nil {
				t.Error(err)
			}
		}
		e.stop()
		e.client.Close()
		if err == nil { // the engine leaves its data mounted on themselves
			err = errors.Join(ignoreInvalid(syscall.Unmount(filepath.Join(dir, "data"), syscall.MNT_DETACH)), os.RemoveAll(dir))
		}
		if err != nil {
			t.Errorf("clean the engine in %s up: %v", dir, err)
		}
	})
	e.start()
	return e
}

// ignoreInvalid leaves out that nothing was mounted.
func ignoreInvalid(err error) error {
	if errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

func (e *ownEngine) start() {
	e.t.Helper()
	e.process = exec.Command("dockerd", "--config-file", filepath.Join(e.dir, "daemon.json"), "--data-root", filepath.Join(e.dir, "data"),
		"--exec-root", filepath.Join(e.dir, "run"), "--pidfile", filepath.Join(e.dir, "pid"), "--host", "unix://"+filepath.Join(e.dir, "sock"),
		"--containerd-namespace", "viot-chaos", "--containerd-plugins-namespace", "viot-chaos-plugins",
		fmt.Sprintf("--live-restore=%t", e.liveRestore), "--bip", "10.211.0.1/24", "--default-address-pool", "base=10.212.0.0/16,size=24")
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	e.process.Stdout, e.process.Stderr = log, log
	if err := e.process.Start(); err != nil {
		e.t.Fatalf("start an engine: %v", err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if err := e.client.Check(context.Background()); err == nil {
			return
		} else if time.Since(began) > giveUp {
			text, _ := os.ReadFile(log.Name())
			e.t.Fatalf("the engine does not answer after %s: %v:\n%s", giveUp, err, text)
		}
	}
}

func (e *ownEngine) stop() {
	e.process.Process.Signal(syscall.SIGTERM)
	e.process.Wait() // its status says nothing
}

// engineScene is an engine of its own, a real Consul and an orchestrator with a pool of two.
type engineScene struct {
	t      *testing.T
	engine *ownEngine
	consul *consul.Client
}

func newEngineScene(t *testing.T, liveRestore bool) *engineScene {
	t.Helper()
	s := &engineScene{t: t, engine: newOwnEngine(t, liveRestore), consul: consultest.Start(t).Client()}
	ctx := t.Context()
	client, stack := s.engine.client, "own"
	image := dockertest.Probe(t, client, stack)
	if _, err := client.CreateNetwork(ctx, docker.NetworkSpec{Name: "viot-own", Labels: map[string]string{spec.LabelStack: stack}}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(spec.Pool{
		Stack: stack, Name: pool, Template: spec.Template{Image: image, Network: "viot-own"},
		Service: spec.Service{Port: 8080, ReadinessPath: "/readyz"}, Policy: spec.Policy{Min: size, Max: size, TargetUtilisation: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.consul.Put(ctx, spec.PoolKey(stack, pool), text); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	o := &loop.Orchestrator{
		Stack: stack, Identity: "a", Engine: client, Consul: lease.Client{Client: s.consul}, HTTP: http.DefaultClient,
		Round: 250 * time.Millisecond, Scrape: time.Second, Log: hclog.New(&hclog.LoggerOptions{Output: os.Stdout, Level: hclog.Info}),
	}
	go func() { ended <- o.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.settled("start")
	return s
}

// settled waits until the pool is as declared, and returns its instances with their addresses and how long that took.
func (s *engineScene) settled(after string) (addresses map[string]string, took time.Duration) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		addresses, problem := s.look()
		if problem == nil {
			return addresses, time.Since(began)
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("%s: not as declared after %s: %v", after, giveUp, problem)
		}
	}
}

func (s *engineScene) look() (addresses map[string]string, problem error) {
	all, err := s.engine.client.ListContainers(s.t.Context(), map[string]string{spec.LabelRole: spec.RoleInstance})
	if err != nil {
		return nil, err
	}
	registered, _, err := s.consul.Instances(s.t.Context(), pool, 0, 0)
	if err != nil {
		return nil, err
	}
	addresses = map[string]string{}
	for _, c := range all {
		for _, ip := range c.IPs {
			addresses[c.Name] = ip
		}
	}
	for _, r := range registered {
		if !r.Passing || addresses[r.ID] != r.Address {
			return nil, fmt.Errorf("%s is registered at %s, passing %t; containers %v", r.ID, r.Address, r.Passing, addresses)
		}
	}
	if len(all) != size || len(registered) != size {
		return nil, fmt.Errorf("%d containers and %d registrations: %v", len(all), len(registered), addresses)
	}
	return addresses, nil
}

// The engine is restarted. With live-restore the instances serve on: no read is lost and none is replaced. Without, they end
// with it, which nobody can serve through, and the pool is there again soon after the engine is.
func TestEngineRestart(t *testing.T) {
	if !ownNetwork(t) {
		return
	}
	for _, liveRestore := range []bool{true, false} {
		t.Run(fmt.Sprintf("live-restore %t", liveRestore), func(t *testing.T) {
			s := newEngineScene(t, liveRestore)
			before, _ := s.settled("start")
			reading, stop := context.WithCancel(t.Context())
			var sent, failed atomic.Int64
			done := make(chan bool)
			go func() {
				defer close(done)
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
				for reading.Err() == nil {
					for _, ip := range before {
						sent.Add(1)
						if response, err := client.Get("http://" + ip + ":8080/readyz"); err != nil {
							failed.Add(1)
						} else {
							response.Body.Close()
						}
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
			for round := range 3 {
				time.Sleep(steady)
				began := time.Now()
				s.engine.stop()
				down := time.Since(began)
				time.Sleep(2 * time.Second)
				s.engine.start()
				after, took := s.settled("the engine's return")
				t.Logf("round %d: the engine was stopped within %s; the pool is as declared %s after it answers, %v", round,
					down.Round(time.Millisecond), took.Round(time.Millisecond), after)
				if same := fmt.Sprint(after) == fmt.Sprint(before); liveRestore && !same {
					t.Errorf("instances are %v after a restart, want those there were, %v", after, before)
				}
			}
			stop()
			<-done
			t.Logf("%d reads of the first instances, %d failed", sent.Load(), failed.Load())
			if liveRestore && (failed.Load() > 0 || sent.Load() == 0) {
				t.Errorf("%d of %d reads failed; want some and no failure", failed.Load(), sent.Load())
			}
			if !liveRestore && failed.Load() == 0 {
				t.Error("no read failed: the instances did not end with the engine, and nothing was tried")
			}
			if _, problem := s.look(); problem != nil {
				t.Error(problem)
			}
		})
	}
}
