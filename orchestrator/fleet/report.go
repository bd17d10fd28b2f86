package fleet

import (
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// Report is what an acting orchestrator can tell about itself, for people and monitoring.
type Report struct {
	RoundAt time.Time    // when the last round ended; zero before the first
	Pools   []PoolReport // ordered by name
}

// PoolReport is one pool in a Report.
type PoolReport struct {
	Policy    spec.Policy
	Status    spec.Status
	Rollout   spec.Rollout
	Instances []Instance
	Inputs    Inputs       // of the last round
	Decisions []Decision   // newest last, bounded
	Counts    map[Kind]int // decisions by kind since this orchestrator acts
}

// Write is one write to Consul's key-value store. A nil Value deletes the key.
type Write struct {
	Key   string
	Value []byte
	If    bool   // only when the key's ModifyIndex still is Index, 0 meaning that it must not exist
	Index uint64 //
}
