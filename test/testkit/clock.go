package testkit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A container has its machine's clock, and to step that would disturb all that runs there. So the programs whose clocks are to be
// stepped are compiled with another time.Now: it adds what StepClock says. That is told by a limit of the process which means nothing
// to programs without real-time threads, as it can be set from outside at any moment and read by one system call.
const (
	stepLimit = unix.RLIMIT_RTTIME
	stepZero  = 1 << 40 // seconds: the limit of a clock that is not stepped; less is back
	nowBefore = "sec, nsec, mono := runtimeNow()\n"
	nowAfter  = nowBefore + "\tsec += stepped()\n"
)

// stepped is what is added to package time.
var stepped = fmt.Sprintf(`package time

import (
	"syscall"
	"unsafe"
)

func stepped() int64 {
	var limit struct{ soft, hard uint64 }
	_, _, failed := syscall.RawSyscall(syscall.SYS_GETRLIMIT, %d, uintptr(unsafe.Pointer(&limit)), 0)
	if failed != 0 || limit.soft == 1<<64-1 {
		return 0
	}
	return int64(limit.soft) - %d
}
`, stepLimit, int64(stepZero))

// SteppableClocks has the programs of the stack that are compiled from now on follow StepClock.
func (s *Stack) SteppableClocks(t testing.TB) {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command(goTool, "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("find the standard library: %v", err)
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src/time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), nowBefore); n != 1 {
		t.Fatalf("time.Now of this Go reads the clock in %d places by %q, want 1: see how it does and adapt the test kit", n, nowBefore)
	}
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(library, "time.go"):    write("time.go", strings.Replace(string(source), nowBefore, nowAfter, 1), 0o644),
		filepath.Join(library, "stepped.go"): write("stepped.go", stepped, 0o644),
	}})
	if err != nil {
		t.Fatal(err)
	}
	// Only what becomes an image is compiled this way, not what Pulumi itself runs.
	write("go", fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\nbuild*-trimpath*) shift; exec %q build -overlay %q \"$@\" ;;\n*) exec %q \"$@\" ;;\nesac\n",
		goTool, write("overlay.json", string(overlay), 0o644), goTool), 0o755)
	s.pulumi.Workspace().SetEnvVar("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// StepClock sets the clock of a container's main process off the machine's by a whole number of seconds, at once: 0 sets it right. Its
// image must have been made with SteppableClocks.
func StepClock(t testing.TB, name string, by time.Duration) {
	t.Helper()
	process, running := mainProcess(t, name)
	if !running {
		return
	}
	// As the user that the process is of, who may; others need a capability that not every root has.
	var owner unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d", process), &owner); err != nil {
		return // it is gone
	}
	command := exec.Command("prlimit", "--pid", fmt.Sprint(process), fmt.Sprintf("--rttime=%d:unlimited", stepZero+int64(by/time.Second)))
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	if out, err := command.CombinedOutput(); err != nil && unix.Kill(process, 0) == nil {
		t.Fatalf("step the clock of process %d of %s: %v: %s (run the tests as root, with prlimit of util-linux)", process, name, err, out)
	}
}
