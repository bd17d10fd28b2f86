package loop

import (
	"fmt"
	"math"
	"time"

	"github.com/viot-project/viot/orchestrator/decide"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// view is what a round sees of a pool.
type view struct {
	snapshot fleet.Snapshot
	err      error // what is not known
}

// look takes the snapshots of a round, by pool: what all hold must be known before any may grow.
func (l *Loop) look(declared []fleet.Declaration, now time.Time) map[string]view {
	views := make(map[string]view, len(declared))
	for _, d := range declared {
		if !d.Deleting && d.Template != "" {
			s, err := l.Observer.Snapshot(d.Name, l.Actor.Ops(d.Name), now)
			views[d.Name] = view{s, err}
		}
	}
	return views
}

// room is what the host has left in a round. The zero room bounds nothing: the host is not known.
type room struct {
	host   fleet.Host
	cpus   float64                 // promised to nobody yet
	memory int64                   //
	claims map[string]decide.Claim // by pool
	parts  map[string]fleet.Room   // by pool; nil while there is enough for all
}

// share says what the host has left for whom. Only when pools together want more than it has, it is divided.
func (l *Loop) share(declared []fleet.Declaration, views map[string]view) *room {
	h := l.Observer.Host()
	if h.CPUs == 0 && h.MemoryBytes == 0 {
		return &room{}
	}
	r := &room{host: h, cpus: h.CPUs * decide.CPUShare, memory: h.MemoryBytes, claims: make(map[string]decide.Claim, len(declared))}
	var all []decide.Claim
	cpus, memory := r.cpus, r.memory // if all had what they want
	for _, d := range declared {
		v, ok := views[d.Name]
		if !ok {
			continue
		}
		c := l.claim(d, v)
		r.take(c, c.Held+c.Standby+c.Leaving)
		cpus -= float64(max(c.Wanted, c.Held)+c.Standby) * c.CPUs
		memory -= int64(max(c.Wanted, c.Held)+c.Standby) * c.MemoryBytes
		if v.err == nil {
			all = append(all, c)
			r.claims[d.Name] = c
		}
	}
	if h.CPUs > 0 && cpus < 0 || h.MemoryBytes > 0 && memory < 0 {
		r.parts = decide.Share(h, all)
	}
	return r
}

// claim is what a pool has and wants. Of one that cannot be seen it is what the pool was known to want, which others leave it.
func (l *Loop) claim(d fleet.Declaration, v view) decide.Claim {
	p, policy, template := l.pools[d.Name], d.Pool.Policy, d.Pool.Template
	c := decide.Claim{Pool: d.Name, Priority: policy.Priority, Min: d.Pool.Least(), CPUs: template.CPUs, MemoryBytes: template.MemoryBytes}
	if v.err == nil {
		count := fleet.CountOf(v.snapshot.Instances, d.Template)
		c.Held, c.Standby, c.Leaving = count.Live, count.Standby, count.Draining
	}
	c.Wanted = c.Held
	if p != nil {
		c.Wanted = p.wanted
	}
	c.Wanted = max(c.Wanted, c.Min)
	if v.err != nil {
		c.Held = c.Wanted
	}
	return c
}

// take notes that n more instances of c are there.
func (r *room) take(c decide.Claim, n int) {
	r.cpus -= float64(n) * c.CPUs
	r.memory -= int64(n) * c.MemoryBytes
}

// of is the room of a pool: its part of a host that is too small, and no more in any case than what is left beside all
// that is held and was ordered before it in this round.
func (r *room) of(pool string) fleet.Room {
	c, ok := r.claims[pool]
	if !ok {
		return fleet.Room{}
	}
	more := math.Inf(1)
	if r.host.CPUs > 0 && c.CPUs > 0 {
		more = math.Floor(max(0, r.cpus)/c.CPUs + 1e-9)
	}
	if r.host.MemoryBytes > 0 && c.MemoryBytes > 0 {
		more = min(more, float64(max(0, r.memory)/c.MemoryBytes))
	}
	if math.IsInf(more, 1) {
		return fleet.Room{} // it claims nothing that is known of the host
	}
	most := c.Held + int(min(more, 1e6))
	if part, ok := r.parts[pool]; ok && part.Most <= most {
		return part
	}
	return fleet.Room{Limited: true, Most: most, Cause: fmt.Sprintf("host %s has room for %d", r.host.Name, most)}
}

// ordered takes in what was decided about a pool.
func (r *room) ordered(pool string, ops []fleet.Op) {
	for _, op := range ops {
		if op.Kind == fleet.Start || op.Kind == fleet.Warm {
			r.take(r.claims[pool], 1)
		}
	}
}

// wanted is the size that a plan would have but for the room.
func wanted(p fleet.Plan) int {
	for _, c := range p.Inputs.Clamps {
		if c.Name == "room" {
			return c.From
		}
	}
	return p.Desired
}
