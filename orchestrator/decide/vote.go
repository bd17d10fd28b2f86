package decide

import (
	"slices"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// vote is a fleet.Vote before anybody asks why.
type vote struct {
	voter    string
	need     int
	value    float64
	abstains string                          // why; empty when it does not
	why      func(r *sizing, v *vote) string // of one that does not abstain
}

// ballot is the votes of a round, and what was last told of them.
type ballot struct {
	votes  []vote // of this round, written over by the next
	told   []fleet.Vote
	toldAt time.Time
}

// retell is how long the figures of votes that did not change may stay as they were told.
const retell = time.Second

// cast adds a vote.
func (b *ballot) cast(v vote) { b.votes = append(b.votes, v) }

// largest is the vote that wins, the first of equal ones; nil when all abstain.
func (b *ballot) largest() (winner *vote) {
	for i := range b.votes {
		if v := &b.votes[i]; v.abstains == "" && (winner == nil || v.need > winner.need) {
			winner = v
		}
	}
	return winner
}

// without is the largest need when one vote is left out, and whose it is; empty when there is no other.
func (b *ballot) without(winner *vote) (voter string, need int) {
	for i := range b.votes {
		if v := &b.votes[i]; v != winner && v.abstains == "" && (voter == "" || v.need > need) {
			voter, need = v.voter, v.need
		}
	}
	return voter, need
}

// tell puts the votes in words. What was told before is told again while nobody changed a vote: nothing is built then.
func (b *ballot) tell(r *sizing, anew bool) []fleet.Vote {
	same := len(b.told) == len(b.votes) && !anew
	moved := false
	for i := 0; same && i < len(b.votes); i++ {
		v, told := &b.votes[i], &b.told[i]
		same = v.voter == told.Voter && v.need == told.Need && (v.abstains != "") == told.Abstains
		moved = moved || v.value != told.Value
	}
	if same && (!moved || r.now.Sub(b.toldAt) < retell) {
		return b.told
	}
	b.told, b.toldAt = make([]fleet.Vote, len(b.votes)), r.now // others hold the former
	for i := range b.votes {
		v := &b.votes[i]
		told := fleet.Vote{Voter: v.voter, Need: v.need, Value: v.value, Why: v.abstains, Abstains: v.abstains != ""}
		if !told.Abstains {
			told.Why = v.why(r, v)
		}
		b.told[i] = told
	}
	return b.told
}

// sameClamps says whether two lists of clamps are equal.
func sameClamps(a, b []fleet.Clamp) bool { return slices.Equal(a, b) }
