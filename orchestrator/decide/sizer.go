package decide

import (
	"time"

	"github.com/viot-project/viot/orchestrator/fleet"
)

// Sizer is a rule for how many instances a pool should have: viot's own or a reference policy. It is asked once in each
// round and may remember what it saw; one Sizer serves one pool.
type Sizer interface {
	// Size says how many instances the pool should have at now; desired is what was last decided. A rule that has a
	// slower loop of its own takes s in and returns desired until its turn comes.
	Size(s *fleet.Snapshot, desired int, now time.Time) Sizing
}

// Sizing is what a Sizer decided. The policy's Min and Max, an operator's override and the room on hosts bound it
// afterwards.
type Sizing struct {
	Size    int
	Cause   string       // why it is not desired any more; empty when it is
	Inputs  fleet.Inputs // what it was decided from; counts of instances, Before and After are filled in by the caller
	Holds   []string     // why the size is not what the load asks for
	Problem string       // what keeps the rule from working as declared, such as missing figures; empty when nothing does
}
