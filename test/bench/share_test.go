package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// share is a control group whose processes get a part of one processor, as the instances of a pool do.
type share struct{ dir string }

// sharePeriod is over which microseconds the part is counted: short, so that an instance is never held up for long.
const sharePeriod = 10_000

// newShare makes a share of that part of a processor. It must be made before the processes that go into it are started, because it is
// removed, as cleaning up goes backwards, after they have ended.
func newShare(b *testing.B, name string, part float64) share {
	b.Helper()
	quota := strconv.Itoa(int(part * sharePeriod))
	group := fmt.Sprintf("viot-bench-%d-%s", os.Getpid(), name)
	s, limits := share{filepath.Join("/sys/fs/cgroup", group)}, [][2]string{{"cpu.max", fmt.Sprintf("%s %d", quota, sharePeriod)}}
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cpu.shares"); err == nil { // version 1
		s.dir = filepath.Join("/sys/fs/cgroup/cpu", group)
		limits = [][2]string{{"cpu.cfs_period_us", strconv.Itoa(sharePeriod)}, {"cpu.cfs_quota_us", quota}}
	}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		b.Fatalf("make a control group: %v; run as root where /sys/fs/cgroup can be written", err)
	}
	b.Cleanup(func() {
		if err := os.Remove(s.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			b.Errorf("remove the control group: %v", err)
		}
	})
	for _, l := range limits {
		s.write(b, l[0], l[1])
	}
	return s
}

// take puts p into the share.
func (s share) take(b *testing.B, p *process) {
	b.Helper()
	s.write(b, "cgroup.procs", strconv.Itoa(p.command.Process.Pid))
}

func (s share) write(b *testing.B, file, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o644); err != nil {
		b.Fatalf("set a control group: %v", err)
	}
}
