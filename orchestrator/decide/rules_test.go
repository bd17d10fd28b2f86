package decide

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// fixed is a rule that wants one size whatever the load.
type fixed int

func (f fixed) Size(_ *fleet.Snapshot, desired int, _ time.Time) Sizing {
	if int(f) == desired {
		return Sizing{Size: desired}
	}
	return Sizing{Size: int(f), Cause: "it is fixed", Inputs: fleet.Inputs{Winner: "fixed", Need: int(f)}}
}

func named(algorithm string) (Sizer, error) {
	switch algorithm {
	case "three":
		return fixed(3), nil
	case "many":
		return fixed(99), nil
	}
	return nil, errors.New("no such algorithm")
}

func TestDecideByAnotherRule(t *testing.T) {
	t.Parallel()
	c := newScene("1:ready")
	c.m = c.m.With(named)
	if got := text(c.round()); got != "" {
		t.Fatalf("plan by viot's rule = %q, want none", got)
	}
	c.s.Pool.Policy.Algorithm = "three"
	p := c.round()
	if got, want := text(p), "start 2, start 3"; got != want {
		t.Fatalf("plan = %q, want %q", got, want)
	}
	if d := p.Decisions[0]; d.Cause != "it is fixed" || d.Inputs.Winner != "fixed" || d.Inputs.Before != 1 || d.Inputs.After != 3 {
		t.Errorf("decision = %+v, want one from 1 to 3 by the rule named", d)
	}
	c.s.Instances = snapshot("1:ready 2:ready 3:ready").Instances
	c.s.Pool.Policy.Algorithm = "unknown"
	for range 10 {
		if p = c.round(); text(p) != "" || !strings.Contains(p.Problem, "no such algorithm") {
			t.Fatalf("plan = %q, problem %q, want the rule before to stay in force and the problem told", text(p), p.Problem)
		}
	}
	c.s.Pool.Policy.Algorithm = "many"
	if p = c.round(); p.Desired != 10 || p.Inputs.Clamps[0].Name != "max" {
		t.Errorf("size = %d by clamps %+v, want max to bound any rule", p.Desired, p.Inputs.Clamps)
	}
}
