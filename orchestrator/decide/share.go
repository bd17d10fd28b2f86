package decide

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// Claim is what one pool asks of a host.
type Claim struct {
	Pool        string
	Priority    int // the larger goes first
	Min         int
	Wanted      int // instances, before room bounds them
	Held        int // instances that are there, those that leave apart
	Standby     int // instances that are kept beside those
	Leaving     int // instances that are draining: they hold what they have, but not for long
	CPUs        float64
	MemoryBytes int64 // of one instance; 0 is no limit, and claims nothing
}

// CPUShare is how many times a host's cores may be promised: instances are seldom busy all at once. Memory is promised
// once.
const CPUShare = 8

// Share divides a host among pools and says what room each has. Each pool's Min comes first, then what the pools of the
// largest priority want, and so on; among equals those that have least of what they want go first, and none gives way.
// A pool that holds more than its part is to shrink to it; what it still holds is given to no other.
func Share(h fleet.Host, claims []Claim) map[string]fleet.Room {
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Pool, b.Pool))
	})
	cpus, memory := h.CPUs*CPUShare, h.MemoryBytes
	for _, c := range claims {
		cpus -= float64(c.Standby) * c.CPUs
		memory -= int64(c.Standby) * c.MemoryBytes
	}
	part := divide(h, cpus, memory, claims, make([]int, len(claims)))
	// What may be there at once: what is held counts as given, and what leaves is there still.
	held := make([]int, len(claims))
	for i, c := range claims {
		cpus -= float64(c.Held+c.Leaving) * c.CPUs
		memory -= int64(c.Held+c.Leaving) * c.MemoryBytes
		held[i] = c.Held
		claims[i].Min, claims[i].Wanted = min(c.Min, part[i]), part[i]
	}
	now := divide(h, cpus, memory, claims, held)
	rooms := make(map[string]fleet.Room, len(claims))
	for i, c := range claims {
		rooms[c.Pool] = fleet.Room{Limited: true, Most: min(part[i], now[i]),
			Cause: fmt.Sprintf("host %s has room for %d instances of priority %d", h.Name, min(part[i], now[i]), c.Priority)}
	}
	return rooms
}

// divide gives instances out one by one, beyond what given already has, and returns given: first up to Min, then up to
// Wanted, the largest priority first and among equals first whoever has least of what it wants. Claims are ordered by
// priority. What a host does not tell of itself bounds nothing.
func divide(h fleet.Host, cpus float64, memory int64, claims []Claim, given []int) []int {
	fits := func(c Claim) bool {
		return (c.MemoryBytes == 0 || h.MemoryBytes == 0 || c.MemoryBytes <= memory) && (c.CPUs == 0 || h.CPUs == 0 || c.CPUs <= cpus+1e-9)
	}
	fill := func(from, to int, limit func(Claim) int) {
		for {
			next := -1
			for i := from; i < to; i++ {
				c := claims[i]
				if given[i] >= limit(c) || !fits(c) {
					continue
				}
				if next < 0 || given[i]*max(claims[next].Wanted, 1) < given[next]*max(c.Wanted, 1) {
					next = i
				}
			}
			if next < 0 {
				return
			}
			given[next]++
			cpus -= claims[next].CPUs
			memory -= claims[next].MemoryBytes
		}
	}
	floor := func(c Claim) int { return c.Min }
	kept := func(c Claim) int { return min(c.Held, max(c.Wanted, c.Min)) }
	wanted := func(c Claim) int { return max(c.Wanted, c.Min) }
	for _, limits := range [][]func(Claim) int{{floor}, {kept, wanted}} {
		for from := 0; from < len(claims); {
			to := from + 1
			for to < len(claims) && claims[to].Priority == claims[from].Priority {
				to++
			}
			for _, limit := range limits {
				fill(from, to, limit)
			}
			from = to
		}
	}
	return given
}
