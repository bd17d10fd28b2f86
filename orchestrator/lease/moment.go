package lease

import (
	"time"

	"golang.org/x/sys/unix"
)

// moment is an instant of this machine that no step of its clock moves.
type moment struct {
	at time.Time     // its monotonic reading counts, which stands still while the machine is suspended
	up time.Duration // since the machine started, suspensions included; 0 where that is not known
}

func now() moment {
	m := moment{at: time.Now()}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err == nil {
		m.up = time.Duration(up.Nano())
	}
	return m
}

// since is the time that has passed from an earlier moment to m.
func (m moment) since(earlier moment) time.Duration {
	passed := m.at.Sub(earlier.at)
	if m.up > 0 && earlier.up > 0 {
		passed = max(passed, m.up-earlier.up)
	}
	return passed
}
