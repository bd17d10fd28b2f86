package fleet

import (
	"encoding/json"
	"time"
)

// Phase is how far an instance is on its way out of service, or that it is kept out of it.
type Phase string

// The phases of an entry in the drain journal. Each but Kept and Recalled is followed by the next, and then by no entry.
const (
	Journalled   Phase = "journalled"   // it is to go
	Deregistered Phase = "deregistered" // nothing new reaches it
	Settled      Phase = "settled"      // it has no request left
	Stopping     Phase = "stopping"     // it is being stopped and removed: no way back
	Recalled     Phase = "recalled"     // the drain was called off: it is to be registered again
	Kept         Phase = "kept"         // it is a standby
)

// Entry is what the drain journal holds about an instance.
type Entry struct {
	Phase Phase     `json:"phase"`
	Since time.Time `json:"since"` // when its drain began

	// Failing says that it goes because it fails its check: load balancers are to end what it is serving, and repeat that
	// elsewhere where it is safe.
	Failing bool `json:"failing,omitempty"`
}

// ReadEntry reads an entry. Whatever it cannot read says at least that the instance is to go.
func ReadEntry(text []byte) Entry {
	var e Entry
	if json.Unmarshal(text, &e) != nil {
		e = Entry{}
	}
	switch e.Phase {
	case Deregistered, Settled, Stopping, Recalled, Kept:
	default:
		e.Phase = Journalled
	}
	return e
}
