package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	oldHash = "0123456789ab"
	newHash = "ba9876543210"
)

// updating is an acting orchestrator whose one pool goes from an old template to a new one.
func updating(t testing.TB, state spec.Rollout) (*Admin, store) {
	s := store{spec.PoolKey("t", "cse"): document(t)}
	a := standby(t, s, Access{OpenWrites: true})
	a.Acting = func() (fleet.Report, bool) {
		return fleet.Report{RoundAt: time.Now(), Pools: []fleet.PoolReport{{
			Policy: spec.Policy{Min: 1, Max: 9, Update: spec.Update{Canary: 1, CanaryFor: spec.Duration(time.Minute)}},
			Status: spec.Status{Pool: "cse", Desired: 3}, Rollout: state,
			Instances: []fleet.Instance{
				{Name: "viot-t-cse-1", State: fleet.Ready, Template: oldHash}, {Name: "viot-t-cse-2", State: fleet.Draining, Template: oldHash},
				{Name: "viot-t-cse-3", State: fleet.Ready, Template: newHash}, {Name: "viot-t-cse-4", State: fleet.Booting, Template: newHash},
			},
		}}}, true
	}
	return a, s
}

func going() spec.Rollout {
	secret := map[string]string{"PASSWORD": "secret"}
	return spec.Rollout{
		From: spec.Template{Image: "cse:1", Env: secret}, FromHash: oldHash, Target: spec.Template{Image: "cse:2", Env: secret}, To: newHash,
		Phase: spec.RolloutWatched, Since: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
	}
}

func rolloutOf(t *testing.T, a *Admin) (r api.Rollout) {
	t.Helper()
	w := ask(a, "GET", "/v1/pools/cse/rollout", "")
	if w.Code != 200 || strings.Contains(w.Body.String(), "secret") {
		t.Fatalf("answer: %d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRolloutIsTold(t *testing.T) {
	t.Parallel()
	declared, err := spec.ParsePool([]byte(document(t)))
	if err != nil {
		t.Fatal(err)
	}
	state := going()
	want := api.Rollout{
		Pool: "cse", Phase: spec.RolloutWatched, To: newHash, ToImage: "cse:2", From: oldHash, FromImage: "cse:1", Since: state.Since,
		Declared: declared.Template.Hash(), Desired: 3, New: 2, NewReady: 1, Old: 1, Canary: 1, TrialUntil: state.Since.Add(time.Minute),
	}
	a, s := updating(t, state)
	if got := rolloutOf(t, a); got != want {
		t.Errorf("acting: got %+v\nwant %+v", got, want)
	}
	s[spec.OverrideKey("t", "cse")] = `{"rolloutPaused": true, "rollback": "` + newHash + `"}`
	want.Paused, want.Undo = true, true
	if got := rolloutOf(t, a); got != want {
		t.Errorf("paused and taken back: got %+v\nwant %+v", got, want)
	}
	s[spec.StatusKey("t", "cse")], s[spec.RolloutKey("t", "cse")] = `{"pool": "cse", "desired": 3}`, marshal(t, state)
	by := standby(t, s, Access{})
	want.New, want.NewReady, want.Old, want.Canary, want.TrialUntil = 0, 0, 1, 0, state.Since.Add(30*time.Second)
	if got := rolloutOf(t, by); got != want {
		t.Errorf("standing by: got %+v\nwant %+v", got, want)
	}
	if w := ask(by, "GET", "/v1/pools/nope/rollout", ""); w.Code != 404 {
		t.Errorf("a pool that is not there: %d %s", w.Code, w.Body)
	}
}

func TestRollbackIsJudged(t *testing.T) {
	t.Parallel()
	with := func(change func(*spec.Rollout)) spec.Rollout {
		state := going()
		change(&state)
		return state
	}
	order := `{"rollback": "` + newHash + `", "rolloutPaused": null}`
	for _, tt := range []struct {
		name   string
		state  spec.Rollout
		was    string // override before; empty is none
		patch  string
		status int
		want   string
	}{
		{"under way", going(), "", order, 200, `"rollback": "` + newHash},
		{"done", with(func(r *spec.Rollout) { r.Phase = spec.RolloutDone }), "", order, 200, `"rollback": "` + newHash},
		{"paused before", going(), `{"rolloutPaused": true}`, order, 200, `"rollback": "` + newHash},
		{"another template", going(), "", `{"rollback": "` + oldHash + `"}`, 422, "the pool's template is " + newHash},
		{"nothing earlier", with(func(r *spec.Rollout) { r.FromHash = "" }), "", order, 422, "no earlier template is known"},
		{"the earlier is the same", with(func(r *spec.Rollout) { r.FromHash = newHash }), "", order, 422, "no earlier template is known"},
		{"already", with(func(r *spec.Rollout) { r.Phase = spec.RolloutReversed }), "", order, 422, "rolled back to " + oldHash + " already"},
		{"nothing taken up", spec.Rollout{}, "", order, 422, "no template of the pool was taken up"},
		{"asked for before, still so", with(func(r *spec.Rollout) { r.Phase = spec.RolloutReversed }), order, `{"size": 2}`, 200, `"rollback": "` + newHash},
	} {
		a, s := updating(t, tt.state)
		if tt.was != "" {
			s[spec.OverrideKey("t", "cse")] = tt.was
		}
		w := ask(a, "PATCH", "/v1/pools/cse/override", tt.patch)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || tt.status == 200 && strings.Contains(w.Body.String(), "rolloutPaused") {
			t.Errorf("%s: %d %s, want %d and %s", tt.name, w.Code, w.Body, tt.status, tt.want)
		}
	}
	a, s := updating(t, going())
	s[spec.OverrideKey("t", "cse")] = `{"rollback": "` + oldHash + `"}`
	if w := ask(a, "PATCH", "/v1/pools/cse/override", `{"size": 2}`); w.Code != 200 || strings.Contains(w.Body.String(), "rollback") {
		t.Errorf("an order about a template that is not declared any more: %d %s, want it gone", w.Code, w.Body)
	}
}

func TestRolloutEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r      api.Rollout
		ended  bool
		failed string
	}{
		{api.Rollout{}, false, ""},
		{api.Rollout{Phase: spec.RolloutGoing, To: "a", Declared: "a"}, false, ""},
		{api.Rollout{Phase: spec.RolloutDone, To: "a", Declared: "a"}, true, ""},
		{api.Rollout{Phase: spec.RolloutDone, To: "a"}, true, ""},
		{api.Rollout{Phase: spec.RolloutDone, To: "a", Declared: "b"}, false, ""},
		{api.Rollout{Phase: spec.RolloutDone, To: "a", Undo: true}, false, ""},
		{api.Rollout{Phase: spec.RolloutHalted, To: "a", Why: "no such image"}, true, "halted: no such image"},
		{api.Rollout{Phase: spec.RolloutReversed, To: "a", New: 1, Undo: true}, false, ""},
		{api.Rollout{Phase: spec.RolloutReversed, To: "a", Undo: true, Why: "asked for"}, true, "rolled back: asked for"},
	} {
		if ended, failed := tt.r.Ended(); ended != tt.ended || failed != tt.failed {
			t.Errorf("%+v: %v %q, want %v %q", tt.r, ended, failed, tt.ended, tt.failed)
		}
	}
}
