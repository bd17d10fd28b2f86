package decide

import (
	"fmt"
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// otherwise is the counterfactual, kept while what it is about does not change.
type otherwise struct {
	wanted, size, before, need, second int
	winner, voter                      string
	waits                              bool
	text                               string
}

// of says what would have been decided without what holds the size, or without the winning vote; wanted is the size
// before the clamps.
func (o *otherwise) of(wanted, size int, in *fleet.Inputs, sizer Sizer) string {
	now := otherwise{wanted: wanted, size: size, before: in.Before, need: in.Need, winner: in.Winner, waits: !in.ScaleInAt.IsZero()}
	if v, ok := sizer.(*Viot); ok {
		now.voter, now.second = v.ballot.without(v.ballot.largest())
	}
	now.text = o.text
	if now == *o {
		return o.text
	}
	switch {
	case wanted != size:
		now.text = fmt.Sprintf("without the limits the size would be %d", wanted)
	case now.waits:
		now.text = fmt.Sprintf("without the wait before a scale-in the size would be %d", in.Need)
	case now.voter != "" && in.Winner != "" && now.second < in.Need:
		now.text = fmt.Sprintf("without %s, %s would ask for %d", in.Winner, now.voter, now.second)
	case in.Winner != "" && now.voter != "":
		now.text = fmt.Sprintf("without %s, %s would ask for as many", in.Winner, now.voter)
	default:
		now.text = ""
	}
	*o = now
	return o.text
}

// shadow is a rule that is only watched.
type shadow struct {
	rule
	told *fleet.Shadow
}

// watch asks the policy's shadow rule what it would do in the present situation; nil when there is none.
func (m *Memory) watch(s *fleet.Snapshot, now time.Time) *fleet.Shadow {
	policy := &s.Pool.Policy
	if policy.Shadow == "" {
		m.shadow = shadow{}
		return nil
	}
	w := &m.shadow
	problem := w.follow(policy.Shadow, m.rules)
	if problem != "" {
		if w.told == nil || w.told.Cause != problem {
			w.told = &fleet.Shadow{Algorithm: policy.Shadow, Size: m.desired, Cause: problem}
		}
		return w.told
	}
	sizing := w.sizer.Size(s, m.desired, now)
	size := min(max(sizing.Size, policy.Min), policy.Max)
	if w.told == nil || w.told.Algorithm != policy.Shadow || w.told.Size != size {
		cause := sizing.Cause
		if cause == "" {
			cause = "it would keep the size"
		}
		w.told = &fleet.Shadow{Algorithm: policy.Shadow, Size: size, Cause: cause}
	}
	return w.told
}
