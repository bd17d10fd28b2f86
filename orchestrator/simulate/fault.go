package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong in a run.
type Fault struct {
	Kind FaultKind
	At   time.Duration // from the beginning
	For  time.Duration // of those that last
}

// FaultKind is what goes wrong.
type FaultKind string

// The faults. How long each lasts where nothing else is said is in usualFor.
const (
	Dark     FaultKind = "dark"     // no figures of load balancer and instances
	Stale    FaultKind = "stale"    // none of every other instance
	SlowBoot FaultKind = "slowboot" // boots take five times as long
	BadBoot  FaultKind = "badboot"  // three boots in ten fail
	HostLoss FaultKind = "host"     // the host of every other instance is gone, and comes back empty
	Leader   FaultKind = "leader"   // the orchestrator that acts dies; another takes over
	NoConsul FaultKind = "consul"   // Consul does not answer: nothing is decided, nothing is registered
)

var usualFor = map[FaultKind]time.Duration{
	Dark: 60 * time.Second, Stale: 60 * time.Second, SlowBoot: 10 * time.Minute, BadBoot: 10 * time.Minute,
	HostLoss: 0, Leader: 12 * time.Second, NoConsul: 30 * time.Second,
}

// ParseFaults reads faults such as "dark@10m,host@1h,slowboot@90m+5m": what, when, and for how long.
func ParseFaults(text string) ([]Fault, error) {
	if text == "" {
		return nil, nil
	}
	var faults []Fault
	for _, word := range strings.Split(text, ",") {
		kind, rest, _ := strings.Cut(word, "@")
		lasts, known := usualFor[FaultKind(kind)]
		at, length, long := strings.Cut(rest, "+")
		begin, err := time.ParseDuration(at)
		if err == nil && long {
			lasts, err = time.ParseDuration(length)
		}
		if !known || err != nil || begin < 0 || lasts < 0 {
			return nil, fmt.Errorf("fault %q: want such as dark@10m or slowboot@1h+5m: dark, stale, slowboot, badboot, host, leader or consul", word)
		}
		faults = append(faults, Fault{FaultKind(kind), begin, lasts})
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return int(a.At - b.At) })
	return faults, nil
}

// String is the form ParseFaults reads.
func (f Fault) String() string { return fmt.Sprintf("%s@%s+%s", f.Kind, f.At, f.For) }

// holds says whether the fault is there at a time in seconds.
func (f Fault) holds(now float64) bool {
	return now >= f.At.Seconds() && now < (f.At+f.For).Seconds()
}
