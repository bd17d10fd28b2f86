// Package api is what an orchestrator's HTTP interface speaks, and a client for it.
package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Status is the answer to GET /v1/status.
type Status struct {
	Stack    string        `json:"stack"`
	Identity string        `json:"identity"`         // of the orchestrator that answers
	Leader   string        `json:"leader"`           // identity of the one that acts; empty when none is known
	Acting   bool          `json:"acting"`           // the one that answers is the one that acts
	RoundAt  time.Time     `json:"roundAt,omitzero"` // when its last round ended
	Pools    []spec.Status `json:"pools"`
}

// Pool is the answer to GET /v1/pools/{pool}. An orchestrator that stands by leaves Inputs out.
type Pool struct {
	Policy    spec.Policy      `json:"policy"`
	Status    spec.Status      `json:"status"`
	Instances []fleet.Instance `json:"instances,omitempty"`
	Inputs    *fleet.Inputs    `json:"inputs,omitempty"` // of the last round
}

// Rollout is the answer to GET /v1/pools/{pool}/rollout: how far the change to the template declared last is.
type Rollout struct {
	Pool       string            `json:"pool"`
	Phase      spec.RolloutPhase `json:"phase,omitempty"`     // empty while no template was taken up
	To         string            `json:"to,omitempty"`        // hash of the template that is rolled out
	ToImage    string            `json:"toImage,omitempty"`   //
	From       string            `json:"from,omitempty"`      // hash of the earlier one, to go back to; empty when none is known
	FromImage  string            `json:"fromImage,omitempty"` //
	Since      time.Time         `json:"since,omitzero"`      // of the phase
	Why        string            `json:"why,omitempty"`       // it failed or was taken back; empty when neither
	Declared   string            `json:"declared,omitempty"`  // hash in the pool's document; another than To until that is taken up
	Desired    int               `json:"desired"`             // size decided on
	New        int               `json:"new"`                 // instances of To that serve or boot
	NewReady   int               `json:"newReady"`            // of New, those that pass their check
	Old        int               `json:"old"`                 // instances of any other template that serve or boot
	Canary     int               `json:"canary,omitempty"`    // instances of To that are tried first; 0 is no trial
	TrialUntil time.Time         `json:"trialUntil,omitzero"` // when the trial ends, if nothing speaks against To; zero while none is under way
	Paused     bool              `json:"paused,omitempty"`    // an operator has it go no further and not back
	Undo       bool              `json:"undo,omitempty"`      // an operator wants From back
}

// Ended says whether nothing of an update is left to do: then it is done, or, when failed is not empty, it is not and that
// is why.
func (r Rollout) Ended() (ended bool, failed string) {
	switch {
	case r.Declared != "" && r.Declared != r.To, r.Undo && r.Phase != spec.RolloutReversed:
		return false, ""
	case r.Phase == spec.RolloutDone:
		return true, ""
	case r.Phase == spec.RolloutHalted:
		return true, spec.Halted + ": " + r.Why
	case r.Phase == spec.RolloutReversed && r.New == 0:
		return true, spec.RolledBack + ": " + r.Why
	}
	return false, ""
}

// Instances is the answer to GET /v1/instances.
type Instances struct {
	// Complete is false where an orchestrator stands by: it tells what Consul has, which is neither what boots nor load.
	Complete  bool       `json:"complete"`
	Instances []Instance `json:"instances"`
}

// Instance is one instance with the pool it belongs to.
type Instance struct {
	Pool string `json:"pool"`
	fleet.Instance
}

// Load is the data of an event of kind EventLoad: what a pool's size was last decided from.
type Load struct {
	Pool   string       `json:"pool"`
	At     time.Time    `json:"at"`
	Inputs fleet.Inputs `json:"inputs"`
}

// PoolDecision is the data of an event of kind EventDecision.
type PoolDecision struct {
	Pool string `json:"pool"`
	fleet.Decision
}

// Gone is the data of an event of kind EventGone.
type Gone struct {
	Pool string `json:"pool"`
}

// The kinds of events of GET /v1/events.
const (
	EventStatus   = "status"   // a spec.Status that changed, at the beginning that of every pool
	EventDecision = "decision" // a PoolDecision, as it was made
	EventGone     = "gone"     // a pool that is not declared any more
	EventLoad     = "load"     // a Load, once a second; without an ID, and not repeated to who resumes
)

// Event is one event of GET /v1/events.
type Event struct {
	ID   string // to resume after; empty for EventLoad
	Kind string // one of the Event constants
	Data json.RawMessage
}

// Checked is the answer to POST /v1/policies/check.
type Checked struct {
	Kind     string         `json:"kind"` // pool or policy
	Valid    bool           `json:"valid"`
	Problems []spec.Problem `json:"problems"`
}

// Problem is an answer that says what is wrong, application/problem+json of RFC 9457.
type Problem struct {
	Type     string         `json:"type"` // about:blank: Status says what kind of problem it is
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Problems []spec.Problem `json:"problems,omitempty"` // all that is wrong with what was sent
}

// Error is every problem on a line of its own.
func (p *Problem) Error() string {
	if len(p.Problems) == 0 {
		return p.Detail
	}
	lines := []string{p.Detail}
	for _, each := range p.Problems {
		lines = append(lines, "  "+each.Detail)
	}
	return strings.Join(lines, "\n")
}

// Tag is the entity tag of an override whose key in Consul has that ModifyIndex; 0 is of one that is not there.
func Tag(index uint64) string { return fmt.Sprintf(`"%d"`, index) }
