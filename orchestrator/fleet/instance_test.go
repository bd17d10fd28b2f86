package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAssemble(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const name = "viot-t-cse-1"
	runs := map[string]Container{name: {Name: name, Template: "a", Running: true}}
	exited := map[string]Container{name: {Name: name, Template: "a", Detail: "exited with code 1"}}
	passing := map[string]Registration{name: {Name: name, Passing: true, Since: now}}
	critical := map[string]Registration{name: {Name: name, Since: now}}
	journalled := map[string]Phase{name: Journalled}
	kept, paused := map[string]Phase{name: Kept}, map[string]Container{name: {Name: name, Template: "a", Running: true, Paused: true}}
	op := func(kind OpKind, endedAt time.Time, failed bool) map[string]OpState {
		return map[string]OpState{name: {Op: Op{Kind: kind, Instance: name}, Template: "a", EndedAt: endedAt, Failed: failed}}
	}
	var inProgress time.Time
	before, after := now.Add(-time.Second), now.Add(time.Second) // ended before and after the containers were listed
	tests := []struct {
		name  string
		parts Parts
		want  string
	}{
		{"nothing", Parts{}, ""},
		{"in service", Parts{Containers: runs, Registrations: passing}, "ready"},
		{"failing its check", Parts{Containers: runs, Registrations: critical}, "unready"},
		{"paused by somebody", Parts{Containers: paused, Registrations: passing}, "dead"},
		{"paused by somebody while it is drained", Parts{Containers: paused, Drains: journalled}, "draining"},
		{"registered elsewhere", Parts{
			Containers:    map[string]Container{name: {Name: name, Running: true, Address: "10.0.0.9"}},
			Registrations: map[string]Registration{name: {Name: name, Address: "10.0.0.1"}},
		}, "stray"},
		{"registered anew, not seen yet", Parts{
			Containers:    map[string]Container{name: {Name: name, Running: true, Address: "10.0.0.9"}},
			Registrations: map[string]Registration{name: {Name: name, Address: "10.0.0.1"}},
			Ops:           op(Adopt, before, false),
		}, "booting adopt"},
		{"died, was registered elsewhere", Parts{
			Containers:    map[string]Container{name: {Name: name, Address: "10.0.0.9", Detail: "exited with code 1"}},
			Registrations: map[string]Registration{name: {Name: name, Address: "10.0.0.1"}},
		}, "dead"},
		{"being revived", Parts{Containers: exited, Registrations: passing, Ops: op(Revive, inProgress, false)}, "booting revive"},
		{"revived, list is older", Parts{Containers: exited, Registrations: passing, Ops: op(Revive, after, false)}, "booting revive"},
		{"revived", Parts{Containers: runs, Registrations: passing, Ops: op(Revive, after, false)}, "ready"},
		{"revived in vain", Parts{Containers: exited, Registrations: passing, Ops: op(Revive, before, true)}, "dead"},
		{"nobody registered it", Parts{Containers: runs}, "stray"},
		{"exited", Parts{Containers: exited, Registrations: passing}, "dead"},
		{"only registered", Parts{Registrations: passing}, "dead"},
		{"journalled", Parts{Containers: runs, Registrations: passing, Drains: journalled}, "draining"},
		{"only journalled", Parts{Drains: journalled}, "draining"},
		{"journalled and exited", Parts{Containers: exited, Drains: journalled}, "draining"},
		{"not created yet", Parts{Ops: op(Start, inProgress, false)}, "booting start"},
		{"starting", Parts{Containers: runs, Ops: op(Start, inProgress, false)}, "booting start"},
		{"created, not started yet", Parts{Containers: exited, Ops: op(Start, inProgress, false)}, "booting start"},
		{"being adopted", Parts{Containers: runs, Ops: op(Adopt, inProgress, false)}, "booting adopt"},
		{"drain begun, not journalled yet", Parts{Containers: runs, Registrations: passing, Ops: op(Drain, inProgress, false)}, "draining drain"},
		{"being removed", Parts{Containers: exited, Ops: op(Remove, inProgress, false)}, "dead remove"},
		{"started, registration not seen yet", Parts{Containers: runs, Ops: op(Start, before, false)}, "booting start"},
		{"started, seen", Parts{Containers: runs, Registrations: passing, Ops: op(Start, before, false)}, "ready"},
		{"started, list is older", Parts{Containers: exited, Registrations: passing, Ops: op(Start, after, false)}, "booting start"},
		{"started and died", Parts{Containers: exited, Registrations: passing, Ops: op(Start, before, false)}, "dead"},
		{"did not start, list is older", Parts{Containers: runs, Ops: op(Start, after, true)}, "booting start"},
		{"did not start", Parts{Ops: op(Start, before, true)}, ""},
		{"drained, list is older", Parts{Containers: runs, Ops: op(Drain, after, false)}, "draining drain"},
		{"drained, journal not seen yet", Parts{Drains: journalled, Ops: op(Drain, before, false)}, "draining drain"},
		{"drained", Parts{Ops: op(Drain, before, false)}, ""},
		{"a standby", Parts{Containers: paused, Drains: kept}, "standby"},
		{"a standby that runs", Parts{Containers: runs, Drains: kept}, "standby"},
		{"a standby that died", Parts{Containers: exited, Drains: kept}, "dead"},
		{"being warmed, not created yet", Parts{Drains: kept, Ops: op(Warm, inProgress, false)}, "standby warm"},
		{"warmed, list is older", Parts{Containers: runs, Drains: kept, Ops: op(Warm, after, false)}, "standby warm"},
		{"warmed, journal not seen yet", Parts{Containers: paused, Ops: op(Warm, before, false)}, "standby warm"},
		{"warmed", Parts{Containers: paused, Drains: kept, Ops: op(Warm, before, false)}, "standby"},
		{"being enlisted", Parts{Containers: paused, Drains: kept, Ops: op(Enlist, inProgress, false)}, "booting enlist"},
		{"enlisted, journal is older", Parts{Containers: runs, Registrations: passing, Drains: kept, Ops: op(Enlist, before, false)}, "booting enlist"},
		{"enlisted", Parts{Containers: runs, Registrations: passing, Ops: op(Enlist, before, false)}, "ready"},
		{"being recalled", Parts{Containers: runs, Drains: journalled, Ops: op(Recall, inProgress, false)}, "booting recall"},
		{"recalled too late", Parts{Containers: runs, Drains: journalled, Ops: op(Recall, after, true)}, "draining"},
		{"removed, registration still seen", Parts{Registrations: critical, Ops: op(Remove, before, false)}, "dead remove"},
		{"removed", Parts{Ops: op(Remove, before, false)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.parts.ListedAt = now
			got := ""
			for _, i := range Assemble("t", "cse", tt.parts) {
				got += strings.TrimSpace(fmt.Sprintf("%s %s", i.State, i.Op))
			}
			if got != tt.want {
				t.Errorf("instance is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAssembleLeavesOutWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	parts := Parts{Containers: map[string]Container{}, Registrations: map[string]Registration{}}
	for _, name := range []string{"viot-t-cse-2", "viot-t-cse-10", "viot-t-cse-1", "viot-t-cse-01", "viot-t-cse-x", "viot-t-other-1", "viot-u-cse-1", "postgres"} {
		parts.Containers[name] = Container{Name: name, Running: true}
		parts.Registrations[name] = Registration{Name: name, Passing: true}
	}
	var got []string
	for _, i := range Assemble("t", "cse", parts) {
		got = append(got, i.Name)
	}
	if got, want := strings.Join(got, " "), "viot-t-cse-1 viot-t-cse-2 viot-t-cse-10"; got != want {
		t.Errorf("instances = %q, want %q", got, want)
	}
}

func TestCountOf(t *testing.T) {
	t.Parallel()
	var instances []Instance
	for _, s := range []State{Booting, Ready, Ready, Ready, Unready, Stray, Draining, Draining, Dead} {
		instances = append(instances, Instance{State: s, Template: "new"})
	}
	instances[1].Template = "old"
	got := CountOf(instances, "new")
	if want := (Count{Live: 6, Ready: 3, Updated: 2, Booting: 2, Unready: 1, Draining: 2}); got != want {
		t.Errorf("count = %+v, want %+v", got, want)
	}
}
