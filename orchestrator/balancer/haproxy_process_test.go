package balancer_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/balancer"
)

// haproxyVariable names the HAProxy binary to test with; without it the one on PATH is taken.
const haproxyVariable = "VIOT_TEST_HAPROXY"

// haproxyConfig is the configuration that ships, haproxyScript the script that it loads.
const haproxyConfig, haproxyScript = "../../infra/haproxy.cfg", "../../infra/hold.lua"

// deadline is a safety net: what is waited for comes within milliseconds or seconds, and how fast is no verdict.
const deadline = 60 * time.Second

// haproxyProcess is a real HAProxy on the configuration in testdata. Its methods are not safe for concurrent use.
type haproxyProcess struct {
	Address  string // of the frontend for clients
	Internal string // of the frontend for operators
	client   *balancer.HAProxy

	t       testing.TB
	binary  string
	config  string
	process *exec.Cmd
	log     *strings.Builder
	exited  chan struct{}
}

// startHAProxy runs HAProxy on loopback until the test ends; edit changes the configuration.
func startHAProxy(t testing.TB, edit ...string) *haproxyProcess {
	t.Helper()
	binary := os.Getenv(haproxyVariable)
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("haproxy"); err != nil {
			t.Fatalf("this test needs a haproxy binary, 2.6 or newer: put one on PATH, or its path in %s (make test does)", haproxyVariable)
		}
	}
	dir, err := os.MkdirTemp("", "viot") // not t.TempDir: a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text, err := os.ReadFile(haproxyConfig)
	if err != nil {
		t.Fatal(err)
	}
	h := &haproxyProcess{t: t, binary: binary, config: filepath.Join(dir, "haproxy.cfg")}
	h.Address, h.Internal = freeAddress(t), freeAddress(t)
	socket := filepath.Join(dir, "admin.sock")
	script, err := filepath.Abs(haproxyScript)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer(append(edit,
		"SERVICE", "cse", "/var/lib/haproxy/", dir+"/", "/usr/local/etc/haproxy/hold.lua", script, "bind :8080", "bind "+h.Address, "bind :8404", "bind "+h.Internal)...).Replace(string(text))
	if err := os.WriteFile(h.config, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.client, err = balancer.NewHAProxy("unix:" + socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	h.Start()
	return h
}

// Start starts it and waits until it answers.
func (h *haproxyProcess) Start() {
	h.t.Helper()
	h.log = new(strings.Builder)
	h.process = exec.Command(h.binary, "-db", "-f", h.config)
	h.process.Stdout, h.process.Stderr = h.log, h.log
	h.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.process.Start(); err != nil {
		h.t.Fatalf("start haproxy: %v", err)
	}
	process, exited := h.process, make(chan struct{})
	h.exited = exited
	go func() {
		process.Wait()
		close(exited)
	}()
	eventually(h.t, "haproxy answers", func() error {
		select {
		case <-exited:
			h.t.Fatalf("haproxy exited: %s\n%s", process.ProcessState, h.log)
		default:
		}
		_, err := h.client.Backend(context.Background(), "cse")
		return err
	})
}

// Kill ends it without warning.
func (h *haproxyProcess) Kill() {
	if h.process == nil {
		return
	}
	h.process.Process.Kill()
	<-h.exited
	h.process = nil
}

// eventually waits until check returns nil.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	for give := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(give) {
			t.Fatalf("%s: not within %s: %v", what, deadline, err)
		}
	}
}

// freeAddress returns a loopback address that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
