package decide

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// crashed is a snapshot in which all instances are registered.
func crashed(instances string) fleet.Snapshot {
	s := snapshot(instances)
	for n := range s.Instances {
		s.Instances[n].Registered = true
	}
	return s
}

// revived are the instances that decisions revive.
func revived(decisions []fleet.Decision) string {
	var names []string
	for _, d := range decisions {
		for _, op := range d.Ops {
			names = append(names, string(op.Kind)+strings.TrimPrefix(op.Instance, "viot-t-cse-"))
		}
	}
	return strings.Join(names, " ")
}

func TestReviveWhat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		instances string
		change    func(*fleet.Snapshot)
		want      string
	}{
		{"crashed in service", "1:ready 2:dead 3:dead:old", nil, "revive2 revive3"},
		{"not in service yet", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Instances[1].Registered = false }, ""},
		{"only its registration is left", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Instances[1].StartedAt = time.Time{} }, ""},
		{"a standby", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Instances[1].Phase = fleet.Kept }, ""},
		{"on its way out", "1:ready 2:draining", func(s *fleet.Snapshot) { s.Instances[1].Phase = fleet.Stopping }, ""},
		{"an operator wants it gone", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Override.Drain = []string{s.Instances[1].Name} }, ""},
		{"frozen: it cannot be started", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Instances[1].Paused = true }, ""},
		{"being revived", "1:ready 2:dead", func(s *fleet.Snapshot) { s.Instances[1].Op = fleet.Revive }, ""},
		{"failing its check", "1:unready 2:unready", nil, ""},
		{"runs elsewhere", "1:stray", nil, ""},
		{"paused by an operator: what runs is kept running", "1:dead", func(s *fleet.Snapshot) { s.Override.Paused = true }, "revive1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := crashed(tt.instances)
			if tt.change != nil {
				tt.change(&s)
			}
			decisions, v := Revive(s, Vigil{}, start)
			if len(decisions) > 0 {
				t.Errorf("decided %+v at once, want the time that a leader takes to be waited for", decisions)
			}
			decisions, _ = Revive(s, v, start.Add(reviveAfter))
			if got := revived(decisions); got != tt.want {
				t.Errorf("revived %q, want %q", got, tt.want)
			}
			for _, d := range decisions {
				if d.Kind != fleet.Replace || !strings.Contains(d.Cause, "exited with code 137, started again in place while consul is silent") {
					t.Errorf("decision %+v, want it to say why", d)
				}
			}
		})
	}
}

// What does not stay up is tried ever more rarely and one at a time, until one has stayed up.
func TestReviveBacksOff(t *testing.T) {
	t.Parallel()
	down, steady := crashed("1:dead 2:dead"), crashed("1:ready 2:ready")
	var v Vigil
	now, tries, largest := start, []time.Duration{}, 0
	for now.Sub(start) < 10*time.Minute {
		decisions, next := Revive(down, v, now)
		v = next
		now = now.Add(every)
		if len(decisions) == 0 {
			continue
		}
		tries, largest = append(tries, now.Sub(start)), max(largest, len(decisions)*boolInt(len(tries) > 2))
		down.Ended = nil
		for _, d := range decisions {
			down.Ended = append(down.Ended, fleet.Ended{Op: d.Ops[0], Template: current, Err: errors.New("exited with code 3 while booting")})
		}
		_, v = Revive(down, v, now)
		down.Ended = nil
	}
	if n := len(tries); n < 10 || n > 20 || largest > 1 {
		t.Errorf("tried at %v, up to %d at once later; want ever more rarely, and one at a time", tries, largest)
	}
	if gap := tries[len(tries)-1] - tries[len(tries)-2]; gap < bootLongest || gap > bootLongest+5*time.Second {
		t.Errorf("last tries %v apart, want %v", gap, bootLongest)
	}
	for tried := false; !tried; now = now.Add(every) {
		decisions, next := Revive(down, v, now)
		tried, v = len(decisions) > 0, next
	}
	for range 60 { // this time they stay up
		now = now.Add(time.Second)
		_, v = Revive(steady, v, now)
	}
	_, v = Revive(down, v, now)
	if decisions, _ := Revive(down, v, now.Add(reviveAfter)); revived(decisions) != "revive1 revive2" {
		t.Errorf("revived %q once they had stayed up, want both", revived(decisions))
	}
}
