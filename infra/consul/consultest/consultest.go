// Package consultest runs a real Consul for tests, as net/http/httptest does a server.
package consultest

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

	"github.com/viot-project/viot/infra/consul"
)

// Variable names the Consul binary to test with; without it the one on PATH is taken.
const Variable = "VIOT_TEST_CONSUL"

// Token is the management token of a server started with ACL.
const Token = "6f3c8a52-2f65-4e5b-9d39-0c1f6b1c5a11"

// startTimeout is a safety net: a server is usually ready within 3 s, on a busy machine later.
const startTimeout = 60 * time.Second

// Server is one Consul server that is its own agent. Its methods are not safe for concurrent use.
type Server struct {
	Address string // host:port of its HTTP API, the same after a restart

	tb      testing.TB
	binary  string
	dir     string
	acl     bool
	ports   []int
	process *exec.Cmd
	exited  chan struct{} // closed when process has been waited for
}

// Start runs a Consul server on loopback until the test ends. It fails the test when there is no binary.
func Start(tb testing.TB) *Server { return start(tb, false) }

// StartACL is Start with access control: what comes without Token is refused.
func StartACL(tb testing.TB) *Server { return start(tb, true) }

func start(tb testing.TB, acl bool) *Server {
	tb.Helper()
	s := &Server{tb: tb, binary: binary(tb), dir: tb.TempDir(), acl: acl}
	tb.Cleanup(s.Kill)
	for attempt := 1; ; attempt++ {
		s.ports = freePorts(tb, 3)
		s.Address = fmt.Sprintf("127.0.0.1:%d", s.ports[0])
		err := s.run()
		if err == nil {
			return s
		}
		if attempt == 3 { // another process may have taken a port in between
			tb.Fatal(err)
		}
	}
}

// Client returns a client of the server.
func (s *Server) Client() *consul.Client {
	s.tb.Helper()
	token := ""
	if s.acl {
		token = Token
	}
	c, err := consul.New(s.Address, token)
	if err != nil {
		s.tb.Fatal(err)
	}
	return c
}

// Kill ends the server without warning. Its data stays.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.process.Process.Kill()
	<-s.exited
	s.process = nil
}

// Restart starts a killed server again on its data and waits until it is ready.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.run(); err != nil {
		s.tb.Fatal(err)
	}
}

// Wipe removes the data of a killed server, so that Restart brings it back empty.
func (s *Server) Wipe() {
	s.tb.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) run() error {
	s.tb.Helper()
	config := fmt.Sprintf(`{
  "server": true, "bootstrap_expect": 1, "data_dir": %q, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
  "ports": {"http": %d, "server": %d, "serf_lan": %d, "serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1},
  "performance": {"raft_multiplier": 1}, "connect": {"enabled": false}, "disable_update_check": true,
  "acl": {"enabled": %t, "default_policy": "deny", "tokens": {"initial_management": %q, "agent": %q}},
  "log_level": "warn"
}`, filepath.Join(s.dir, "data"), s.ports[0], s.ports[1], s.ports[2], s.acl, Token, Token)
	file := filepath.Join(s.dir, "consul.json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	var log strings.Builder
	process := exec.Command(s.binary, "agent", "-config-file", file)
	process.Stdout, process.Stderr = &log, &log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		s.tb.Fatalf("start consul: %v", err)
	}
	s.process, s.exited = process, make(chan struct{})
	go func() {
		process.Wait()
		close(s.exited)
	}()
	if err := s.ready(); err != nil {
		s.Kill()
		return fmt.Errorf("consul is not ready: %w\n%s", err, log.String())
	}
	return nil
}

// ready polls until the server takes writes and sessions; an error when it exits before.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := s.Client()
	try := func() error {
		if err := client.Ready(ctx); err != nil {
			return err
		}
		id, err := client.CreateSession(ctx, "test", 10*time.Second) // works a moment later than writes do
		if err != nil {
			return err
		}
		return client.DestroySession(ctx, id)
	}
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-s.exited:
			return fmt.Errorf("it exited: %s", s.process.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func binary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv(Variable); path != "" {
		return path
	}
	path, err := exec.LookPath("consul")
	if err != nil {
		tb.Fatalf("this test needs a consul binary: put one on PATH, or its path in %s (make test does)", Variable)
	}
	return path
}

// freePorts returns n ports that nothing listens on. They are held until all are found, so that they differ.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("find a free port: %v", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
