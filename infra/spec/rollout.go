package spec

import "time"

// Rollout is what an orchestrator must know about a pool's update that its predecessor began: written under
// RolloutKey. The zero Rollout knows of none.
type Rollout struct {
	From     Template     `json:"from,omitzero"`      // the last template that was rolled out; zero when none is known
	FromHash string       `json:"fromHash,omitempty"` // its Hash; empty when none is known
	Target   Template     `json:"target,omitzero"`    // the template declared
	To       string       `json:"to,omitempty"`       // its Hash
	Phase    RolloutPhase `json:"phase,omitempty"`
	Since    time.Time    `json:"since,omitzero"` // of the phase
	Why      string       `json:"why,omitempty"`  // it failed; empty when it did not
}

// RolloutPhase is how far an update is.
type RolloutPhase string

// The phases of an update.
const (
	RolloutCanary   RolloutPhase = "canary"     // the first new instances are being started
	RolloutWatched  RolloutPhase = "watched"    // they are ready and watched
	RolloutGoing    RolloutPhase = "going"      // the others are being replaced
	RolloutDone     RolloutPhase = "done"       // every instance is of the template declared
	RolloutHalted   RolloutPhase = "halted"     // it failed and stays where it is
	RolloutReversed RolloutPhase = "rolledBack" // it failed: From is what the pool runs
)

// What Status.Rollout begins with once an update has failed for good.
const (
	RolledBack = "rolled back"
	Halted     = "halted"
)

// Same says whether r and s are the same state.
func (r Rollout) Same(s Rollout) bool {
	return r.FromHash == s.FromHash && r.To == s.To && r.Phase == s.Phase && r.Since.Equal(s.Since) && r.Why == s.Why
}

// Reversible says whether there is an earlier template to go back to.
func (r Rollout) Reversible() bool { return r.FromHash != "" && r.FromHash != r.To }

// Under returns the template that the pool's instances are started from, with its Hash.
func (r Rollout) Under() (Template, string) {
	if r.Phase == RolloutReversed {
		return r.From, r.FromHash
	}
	return r.Target, r.To
}
