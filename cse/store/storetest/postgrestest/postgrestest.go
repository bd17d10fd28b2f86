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
	initdb, err := program("initdb")
	if err != nil {
		return "", err
	}
	postgres, err := program("postgres")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "viotpg") // short: it also holds the socket
	if err != nil {
		return "", err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	create := exec.Command(initdb, "-D", data, "-A", "trust", "-U", "viot", "-E", "UTF8", "--locale=C", "--no-sync")
	create.Dir, create.SysProcAttr = dir, as
	if out, err := create.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	// No fsync: the tests look at behaviour, and no power failure is among them.
	run := exec.Command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	run.Dir, run.SysProcAttr = dir, as
	run.SysProcAttr.Pdeathsig = syscall.SIGQUIT // should the test program be killed
	exited, err := launch(run)
	stop = func() {
		if run.Process != nil {
			run.Process.Signal(syscall.SIGQUIT)
			<-exited
		}
		os.RemoveAll(dir)
	}
	if err != nil {
		return "", err
	}
	return "postgres://viot@/postgres?host=" + url.QueryEscape(dir), nil
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

// program finds a PostgreSQL program on PATH or where Debian puts it.
func program(name string) (string, error) {
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
