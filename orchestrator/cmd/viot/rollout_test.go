package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

func TestRolloutCommands(t *testing.T) {
	t.Parallel()
	r := api.Rollout{
		Pool: "cse", Phase: spec.RolloutWatched, To: "ba9876543210", ToImage: "cse:2", From: "0123456789ab", FromImage: "cse:1", Declared: "ba9876543210",
		Since: time.Date(2026, 1, 2, 15, 4, 0, 0, time.Local), TrialUntil: time.Date(2026, 1, 2, 15, 4, 30, 0, time.Local), Desired: 3, New: 1, NewReady: 1, Old: 3, Canary: 1, Paused: true,
	}
	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.Method + " " + req.URL.Path {
		case "GET /v1/pools/cse/rollout":
			json.NewEncoder(w).Encode(r)
		case "GET /v1/pools/new/rollout":
			json.NewEncoder(w).Encode(api.Rollout{Pool: "new"})
		case "PATCH /v1/pools/cse/override":
			var body map[string]any
			json.NewDecoder(req.Body).Decode(&body)
			delete(body, "by")
			text, _ := json.Marshal(body)
			sent = string(text)
			json.NewEncoder(w).Encode(spec.Override{RolloutPaused: true, By: "ann"})
		default:
			http.NotFound(w, req)
		}
	}))
	defer server.Close()
	rollout := func(args string) (string, error) {
		return call(t, append([]string{"rollout", "-orchestrator", server.URL}, strings.Fields(args)...)...)
	}
	out, err := rollout("status cse")
	for _, want := range []string{"cse: template ba9876543210: 1 on trial until 15:04:30, 3 old; paused by an operator", "watched since 2026-01-02 15:04:00, size 3",
		"new  ba9876543210  1  1  cse:2", "old  0123456789ab  3   cse:1"} {
		if words := strings.Join(strings.Fields(out), " "); err != nil || !strings.Contains(words, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("status: %v, lacks %q:\n%s", err, want, out)
		}
	}
	var got api.Rollout
	if out, err = rollout("status cse -o json"); err != nil || json.Unmarshal([]byte(out), &got) != nil || got.NewReady != 1 {
		t.Errorf("status -o json: %v\n%s", err, out)
	}
	for args, want := range map[string]string{
		"pause cse -reason x": `{"reason":"x","rolloutPaused":true}`,
		"resume cse":          `{"rolloutPaused":null}`,
		"undo cse":            `{"rollback":"ba9876543210","rolloutPaused":null}`,
	} {
		if out, err := rollout(args); err != nil || sent != want || out != "cse: update paused, by ann\n" {
			t.Errorf("rollout %s sent %s and said %q (%v), want %s", args, sent, out, err, want)
		}
	}
	for _, args := range []string{"undo new", "status none", "status", "undo", "stop cse", ""} {
		if _, err := rollout(args); err == nil {
			t.Errorf("rollout %s: want an error", args)
		}
	}
}

// TestRolloutIsWatched plays what an orchestrator answers, one answer a second.
func TestRolloutIsWatched(t *testing.T) {
	t.Parallel()
	is := func(phase spec.RolloutPhase, count int, why string) any {
		return api.Rollout{Pool: "cse", Phase: phase, To: "new", From: "old", Declared: "new", Desired: 3, Canary: 1, New: count, NewReady: count, Old: 3 - count, Why: why}
	}
	unreachable, gone := fmt.Errorf("%w: refused", api.ErrUnreachable), &api.Problem{Status: 404, Detail: "no pool"}
	asked := is(spec.RolloutDone, 3, "").(api.Rollout)
	asked.Undo = true
	for _, tt := range []struct {
		name    string
		answers []any
		want    string // printed
		err     string // empty is success
	}{
		{"done", []any{is(spec.RolloutDone, 3, "")}, "cse: template new is rolled out, 3 of 3 instances are ready\n", ""},
		{"goes on", []any{is(spec.RolloutCanary, 0, ""), is(spec.RolloutGoing, 1, ""), is(spec.RolloutGoing, 1, ""), is(spec.RolloutDone, 3, "")},
			"cse: template new: 0 of 1 to be tried first are ready, 3 old\ncse: template new: 1 of 3 instances are ready, 2 old to be replaced\ncse: template new is rolled out, 3 of 3 instances are ready\n", ""},
		{"rolled back", []any{is(spec.RolloutReversed, 1, "it died"), is(spec.RolloutReversed, 0, "it died")},
			"cse: template new is being rolled back, 1 to be replaced by old: it died\ncse: template new was rolled back to old: it died\n", "template new of pool cse: rolled back: it died"},
		{"halted", []any{is(spec.RolloutHalted, 1, "no such image")}, "cse: template new halted, 2 old left in service: no such image\n", "halted: no such image"},
		{"an undo that was not seen yet", []any{asked, is(spec.RolloutReversed, 0, "asked for")},
			"cse: template new is to be rolled back\ncse: template new was rolled back to old: asked for\n", "rolled back: asked for"},
		{"away for a while", []any{is(spec.RolloutGoing, 2, ""), unreachable, unreachable, is(spec.RolloutDone, 3, "")},
			"cse: template new: 2 of 3 instances are ready, 1 old to be replaced\nno orchestrator answers: refused; trying again\ncse: template new is rolled out, 3 of 3 instances are ready\n", ""},
		{"away from the start", []any{unreachable}, "", "make status"},
		{"deleted meanwhile", []any{is(spec.RolloutGoing, 3, ""), gone}, "cse: template new: 3 of 3 instances are ready, 0 old to be replaced\n", "no pool"},
		{"too long", []any{is(spec.RolloutGoing, 2, "")}, "cse: template new: 2 of 3 instances are ready, 1 old to be replaced\n", "not ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("not ended"))
				defer cancel()
				n := -1
				ask := func(context.Context) (r api.Rollout, err error) {
					n = min(n+1, len(tt.answers)-1)
					switch answer := tt.answers[n].(type) {
					case error:
						return r, answer
					case api.Rollout:
						return answer, nil
					}
					panic("no answer")
				}
				var out strings.Builder
				err := watchRollout(ctx, ask, &out, &out, "table")
				if out.String() != tt.want {
					t.Errorf("printed\n%swant\n%s", &out, tt.want)
				}
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			})
		})
	}
}
