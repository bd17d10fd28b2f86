package decide

import (
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// Vigil is what is remembered of a pool while Consul is silent, one for each time of silence. The zero Vigil remembers
// nothing. Revive takes a Vigil over and returns another: the one passed in must not be used again.
type Vigil struct {
	boots   boots                // what was revived and died again, or did not get ready
	fallen  map[string]time.Time // instances that are dead, since when as seen here
	revived map[string]time.Time // when they were last revived
}

// reviveAfter is how long an instance must be dead before it is revived. Whoever leads without our knowing takes it away
// sooner than that.
const reviveAfter = time.Second

// Revive says which instances of a pool are to be started again in place while Consul is silent: those that have crashed
// in service. Nobody can prove then that it leads, so nothing is done that two could not do at once: none is made, none is
// stopped and the size stays what it is. Left alone are those that are on their way out, by the journal as it was last
// known, standbys, those that somebody paused, and those that an operator wants gone. Ones that die again are tried ever more rarely, one at a time.
func Revive(s fleet.Snapshot, v Vigil, now time.Time) ([]fleet.Decision, Vigil) {
	if v.fallen == nil {
		v.fallen, v.revived = map[string]time.Time{}, map[string]time.Time{}
	}
	for _, e := range s.Ended {
		if e.Kind == fleet.Revive && e.Err != nil {
			v.boots.fail(e.Template, e.Err.Error(), now)
		}
	}
	var dead []fleet.Instance
	under := 0 // being revived
	for _, i := range s.Instances {
		if i.Op == fleet.Revive {
			under++
		}
		if i.State != fleet.Dead || i.Paused || !i.Registered || i.StartedAt.IsZero() || i.Phase != "" || i.Op != "" || slices.Contains(s.Override.Drain, i.Name) {
			if at, ok := v.revived[i.Name]; ok && i.State == fleet.Ready && now.Sub(at) >= bootSteady && at.After(v.boots.at) && i.Template == v.boots.template {
				v.boots = boots{}
			}
			delete(v.fallen, i.Name)
			continue
		}
		if _, seen := v.fallen[i.Name]; !seen {
			v.fallen[i.Name] = now
			if at, ok := v.revived[i.Name]; ok && now.Sub(at) < bootSteady && !v.boots.at.After(at) {
				v.boots.fail(i.Template, i.Name+" died again: "+i.Detail, now)
			}
		}
		dead = append(dead, i)
	}
	maps.DeleteFunc(v.fallen, func(name string, _ time.Time) bool {
		return !slices.ContainsFunc(dead, func(i fleet.Instance) bool { return i.Name == name })
	})
	var decisions []fleet.Decision
	for _, i := range dead {
		b := v.boots
		switch {
		case now.Sub(v.fallen[i.Name]) < reviveAfter, now.Before(b.retryAt(i.Template)):
			continue
		case b.template == i.Template && b.failed >= 2 && under > 0:
			continue // one at a time until one works
		}
		under++
		v.revived[i.Name] = now
		decisions = append(decisions, fleet.Decision{
			At: now, Kind: fleet.Replace, Cause: i.Name + " died: " + i.Detail + ", started again in place while consul is silent",
			Ops: []fleet.Op{{Kind: fleet.Revive, Instance: i.Name}},
		})
	}
	return decisions, v
}
