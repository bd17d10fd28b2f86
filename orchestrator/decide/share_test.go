package decide

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/viot-project/viot/orchestrator/fleet"
)

func drawClaims(t *rapid.T) (fleet.Host, []Claim) {
	h := fleet.Host{Name: "h", CPUs: float64(rapid.IntRange(1, 8).Draw(t, "cpus")), MemoryBytes: int64(rapid.IntRange(1, 40).Draw(t, "memory"))}
	claims := make([]Claim, rapid.IntRange(1, 5).Draw(t, "pools"))
	for i := range claims {
		claims[i] = Claim{
			Pool: fmt.Sprint("p", i), Priority: rapid.IntRange(0, 2).Draw(t, "priority"), Min: rapid.IntRange(0, 3).Draw(t, "min"),
			Wanted: rapid.IntRange(0, 10).Draw(t, "wanted"), Held: rapid.IntRange(0, 8).Draw(t, "held"), Leaving: rapid.IntRange(0, 2).Draw(t, "leaving"),
			Standby: rapid.IntRange(0, 2).Draw(t, "standby"),
			CPUs:    float64(rapid.IntRange(0, 2).Draw(t, "cpus")), MemoryBytes: int64(rapid.IntRange(0, 4).Draw(t, "memory")),
		}
		claims[i].Wanted = max(claims[i].Wanted, claims[i].Min)
	}
	return h, claims
}

// Whoever grows to its room, beside what is held and leaves, finds its memory there.
func TestShareNeverOversubscribes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		rooms := Share(h, claims)
		memory, grows := int64(0), false
		for _, c := range claims {
			there := max(rooms[c.Pool].Most, c.Held)
			grows = grows || there > c.Held && c.MemoryBytes > 0
			memory += int64(there+c.Leaving+c.Standby) * c.MemoryBytes
		}
		if grows && memory > h.MemoryBytes {
			t.Errorf("%d of %d bytes are given: %v of %+v", memory, h.MemoryBytes, rooms, claims)
		}
	})
}

// No pool has room beyond its min while another that has priority, or is below its min, could have it.
func TestShareKeepsMin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		for i := range claims { // alike, so that what one gives up fits another
			claims[i].MemoryBytes, claims[i].CPUs, claims[i].Held, claims[i].Leaving, claims[i].Standby = 1, 0, 0, 0, 0
		}
		rooms := Share(h, claims)
		for _, a := range claims {
			for _, b := range claims {
				if rooms[a.Pool].Most < a.Min && rooms[b.Pool].Most > b.Min {
					t.Errorf("%s is below its min and %s beyond its own: %v of %+v", a.Pool, b.Pool, rooms, claims)
				}
				if a.Priority > b.Priority && rooms[a.Pool].Most < a.Wanted && rooms[b.Pool].Most > b.Min {
					t.Errorf("%s is short and %s, of less priority, beyond its min: %v of %+v", a.Pool, b.Pool, rooms, claims)
				}
			}
		}
	})
}

// A pool whose priority grows has no less room for it.
func TestShareIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		for i := range claims {
			claims[i].MemoryBytes, claims[i].CPUs = 1, 0
		}
		before := Share(h, claims)
		claims[0].Priority++
		if after := Share(h, claims); after["p0"].Most < before["p0"].Most {
			t.Errorf("room of p0 fell from %d to %d: %+v", before["p0"].Most, after["p0"].Most, claims)
		}
	})
}

// Pools that claim alike have alike, to one instance.
func TestShareIsFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		for i := range claims {
			claims[i] = claims[0]
			claims[i].Pool = fmt.Sprint("p", i)
		}
		rooms := Share(h, claims)
		for _, c := range claims {
			if apart := rooms[c.Pool].Most - rooms["p0"].Most; apart < -1 || apart > 1 {
				t.Errorf("alike, yet %v of %+v", rooms, claims)
			}
		}
	})
}

// Beside what is held already, no growth takes more CPU than the stated multiple of the host's.
func TestShareKeepsCPU(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		rooms := Share(h, claims)
		cpus, grows := 0.0, false
		for _, c := range claims {
			there := max(rooms[c.Pool].Most, c.Held)
			grows = grows || there > c.Held && c.CPUs > 0
			cpus += float64(there+c.Leaving+c.Standby) * c.CPUs
		}
		if grows && cpus > h.CPUs*CPUShare {
			t.Errorf("%g of %g cores are promised: %v of %+v", cpus, h.CPUs*CPUShare, rooms, claims)
		}
	})
}

// A pool that gives way does not shrink further because what it gave is still leaving.
func TestShareOfALeavingPoolStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, claims := drawClaims(t)
		before := Share(h, claims)
		for i, c := range claims {
			if room := before[c.Pool].Most; room < c.Held {
				claims[i].Held, claims[i].Leaving = room, c.Leaving+c.Held-room
			}
		}
		for pool, room := range Share(h, claims) {
			if room.Most < before[pool].Most {
				t.Errorf("room of %s fell from %d to %d: %+v", pool, before[pool].Most, room.Most, claims)
			}
		}
	})
}
