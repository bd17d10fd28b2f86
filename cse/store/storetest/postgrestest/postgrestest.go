// Package postgrestest gives tests an empty PostgreSQL database each: on the server that VIOT_TEST_POSTGRES names (a DSN whose user
// may create databases), or else on a private one that it starts from the PostgreSQL programs of this machine and stops at the
// end of the test program.
package postgrestest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable is the environment variable that names a server to use instead of a private one.
const Variable = "VIOT_TEST_POSTGRES"

// patience bounds waiting for a server; it decides nothing unless one hangs.
const patience = time.Minute

var server = sync.OnceValues(start)

var stop = func() {}

// Main runs the tests of a package and then stops the private server if one was started. TestMain passes its result to os.Exit.
func Main(m *testing.M) int {
	defer func() { stop() }()
	return m.Run()
}

// DSN is the address of an empty database, which is dropped when the test ends. Without a server the test fails and says what to do.
func DSN(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("no PostgreSQL to test with: %v\nset %s to the DSN of a server on which databases may be created, or install PostgreSQL (Debian: postgresql-15)", err, Variable)
	}
	name := "viot_test_" + strings.ToLower(rand.Text())
	admin(t, base, `CREATE DATABASE `+name+` ENCODING 'UTF8' TEMPLATE template0`)
	t.Cleanup(func() { admin(t, base, `DROP DATABASE `+name+` WITH (FORCE)`) })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	u.Path = "/" + name
	q := u.Query()
	if !q.Has("connect_timeout") {
		q.Set("connect_timeout", "20") // other tests make and drop databases meanwhile, which connections wait for
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func admin(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// start returns the DSN of the server to use.
func start() (string, error) {
	if dsn := os.Getenv(Variable); dsn != "" {
		return dsn, nil
	}
	// No fsync: the tests look at behaviour, and no power failure is among them.
	dsn, end, err := serve(os.TempDir(), "fsync=off", "max_connections=200")
	if end != nil {
		stop = end
	}
	return dsn, err
}

// Serve runs a server with settings of its own, such as fsync=on, until the test ends, with its data in a new folder of dir, and returns
// its DSN. What is not set is as the PostgreSQL programs have it. It is for measurements; tests of behaviour share one, see DSN.
func Serve(t testing.TB, dir string, settings ...string) string {
	t.Helper()
	dsn, end, err := serve(dir, settings...)
	if end != nil {
		t.Cleanup(end)
	}
	if err != nil {
		t.Fatalf("start a PostgreSQL server: %v", err)
	}
	return dsn
}

// serve starts a server and returns its DSN, and what ends it if there is anything to end.
func serve(parent string, settings ...string) (dsn string, end func(), err error) {
	initdb, err := Program("initdb")
	if err != nil {
		return "", nil, err
	}
	postgres, err := Program("postgres")
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp(parent, "viotpg") // short: it also holds the socket
	if err != nil {
		return "", nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	create := exec.Command(initdb, "-D", data, "-A", "trust", "-U", "viot", "-E", "UTF8", "--locale=C", "--no-sync")
	create.Dir, create.SysProcAttr = dir, as
	if out, err := create.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	args := []string{"-D", data, "-k", dir, "-c", "listen_addresses="}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	run := exec.Command(postgres, args...)
	run.Dir, run.SysProcAttr = dir, as
	run.SysProcAttr.Pdeathsig = syscall.SIGQUIT // should the test program be killed
	exited, err := launch(run)
	end = func() {
		if run.Process != nil {
			run.Process.Signal(syscall.SIGQUIT)
			<-exited
		}
		os.RemoveAll(dir)
	}
	return "postgres://viot@/postgres?host=" + url.QueryEscape(dir), end, err
}

// launch starts the server, returns when it accepts connections, and closes the channel when it has exited.
func launch(run *exec.Cmd) (<-chan struct{}, error) {
	exited := make(chan struct{})
	log, err := run.StderrPipe()
	if err != nil {
		close(exited)
		return exited, err
	}
	ready := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the process ends, so it stays.
		runtime.LockOSThread()
		defer close(exited)
		if err := run.Start(); err != nil {
			ready <- err
			return
		}
		var said strings.Builder
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "ready to accept connections") {
				ready <- nil
				io.Copy(io.Discard, log)
			}
		}
		err := run.Wait()
		select {
		case ready <- fmt.Errorf("postgres ended (%v): %s", err, said.String()):
		default:
		}
	}()
	select {
	case err := <-ready:
		return exited, err
	case <-time.After(patience):
		return exited, errors.New("postgres does not get ready")
	}
}

// Program finds a PostgreSQL program on PATH or where Debian puts it.
func Program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is neither on PATH nor in /usr/lib/postgresql", name)
	}
	return found[len(found)-1], nil
}

// unprivileged makes dir usable by the user the server runs as, which PostgreSQL does not let be root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, int(uid), int(gid))
}
