package fleet

import (
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// OpKind is what an operation does to an instance.
type OpKind string

// The operations. Each is idempotent: begun again after any interruption it ends in the same place.
const (
	Start  OpKind = "start"  // create it, wait until it is ready, register it
	Adopt  OpKind = "adopt"  // it runs unregistered: wait until it is ready, register it
	Drain  OpKind = "drain"  // deregister it, wait until no request is left, stop it, remove it
	Remove OpKind = "remove" // it is dead: deregister it and remove what is left
	Warm   OpKind = "warm"   // create it, wait until it is ready, keep it out of service, paused if the policy says so
	Enlist OpKind = "enlist" // it is a standby: let it run, wait until it is ready, register it
	Recall OpKind = "recall" // it is draining and not stopped yet: register it again, strike it from the journal
	Pull   OpKind = "pull"   // fetch an image from its registry, before an instance needs it
	Revive OpKind = "revive" // it is dead and still registered: start its container again, wait until it is ready
)

// Op is one operation on one instance.
type Op struct {
	Kind     OpKind `json:"kind"`
	Instance string `json:"instance"`          // of a Pull it is the image
	Failing  bool   `json:"failing,omitempty"` // of Drain and Remove: what it is serving will not be answered
	// Template is the Hash of what a Start uses, when that is Plan.Earlier; empty for Plan.Template.
	Template string `json:"template,omitempty"`
	// Slice is the network slice that a Start or Warm puts a new instance in; empty for none.
	Slice string `json:"slice,omitempty"`
}

// OpState is an operation that was begun.
type OpState struct {
	Op
	Template string    // Hash of the template a Start uses
	Note     string    // what it is waiting for, in words; empty when it is not held up
	EndedAt  time.Time // zero while it is in progress
	Failed   bool      // only when it ended
}

// Ended is how an operation ended. An operation that was interrupted is not reported: it is begun again.
type Ended struct {
	Op
	Template string // Hash of the template a Start or Adopt used
	Err      error  // nil when it did what it should
}

// Kind is what a decision is about.
type Kind string

// The kinds of decision.
const (
	ScaleOut Kind = "scale-out" // more are needed
	ScaleIn  Kind = "scale-in"  // fewer have been enough for long enough
	Heal     Kind = "heal"      // fewer are there than were decided on
	Replace  Kind = "replace"   // an instance died or froze
	Roll     Kind = "roll"      // an instance is of an old template
	Fetch    Kind = "fetch"     // an image is not on the engine
	Resume   Kind = "resume"    // something begun by an orchestrator that is gone is brought to its end
	Hold     Kind = "hold"      // something keeps the pool from being changed; no operations
)

// Decision is one thing that was decided about a pool, with its one cause and all that was known.
type Decision struct {
	Number int       `json:"number"` // counts the decisions of a pool, from 1
	At     time.Time `json:"at"`
	Kind   Kind      `json:"kind"`
	Cause  string    `json:"cause"` // in words an operator can act on
	Ops    []Op      `json:"ops,omitempty"`
	Inputs Inputs    `json:"inputs"`
}

// Inputs is what the size of a pool was decided from.
type Inputs struct {
	ArrivalsPerSecond  float64 `json:"arrivalsPerSecond"`
	ServiceTimeSeconds float64 `json:"serviceTimeSeconds"` // CPU time per request; 0 when not known yet
	Demand             float64 `json:"demandErlang"`       // their product: cores kept busy
	Queued             int     `json:"queued"`
	Ready              int     `json:"ready"`
	Booting            int     `json:"booting"`
	Unready            int     `json:"unready"`
	Draining           int     `json:"draining"`
	Standby            int     `json:"standby"`
	BootSeconds        float64 `json:"bootSeconds"` // learned time from start to service; 0 when not known yet

	Need   int     `json:"need"`   // instances asked for now by the largest vote, before clamps
	Peak   int     `json:"peak"`   // largest need within the scale-in window
	Before int     `json:"before"` // size before
	After  int     `json:"after"`  // size decided on
	Winner string  `json:"winner"` // voter whose vote is Need
	Votes  []Vote  `json:"votes,omitempty"`
	Clamps []Clamp `json:"clamps,omitempty"` // in the order they were applied
	// Otherwise is what would have been decided without the winner, or without what holds the size: the counterfactual.
	Otherwise string `json:"otherwise,omitempty"`
	// ScaleInAt is when the size may shrink at the earliest, if no need grows; zero when nothing waits for it.
	ScaleInAt time.Time `json:"scaleInAt,omitzero"`
	Shadow    *Shadow   `json:"shadow,omitempty"` // nil without a shadow policy
}

// Vote is what one measure of load asks for.
type Vote struct {
	Voter string  `json:"voter"` // such as demand, slo, trend, season, schedule, spare, queue, or a signal's name
	Need  int     `json:"need"`  // instances
	Value float64 `json:"value"` // what was measured or reckoned, in the unit of Why
	Why   string  `json:"why"`
	// Abstains says that it could not vote, and Why says why: missing is not zero.
	Abstains bool `json:"abstains,omitempty"`
}

// Clamp is one limit that changed the size.
type Clamp struct {
	Name string `json:"name"` // such as max, min, step, rate, hold, pause, manual, room, saturation, damping
	From int    `json:"from"`
	To   int    `json:"to"`
	Why  string `json:"why"`
}

// Shadow is what a policy that is only watched would have decided.
type Shadow struct {
	Algorithm string `json:"algorithm"`
	Size      int    `json:"size"`
	Cause     string `json:"cause"`
}

// Plan is what one round decided about a pool. The zero Plan does nothing.
type Plan struct {
	Desired   int        // size decided on
	Decisions []Decision // in the order their operations are to be begun; Number is not set
	Cause     string     // why the size is what it is
	Problem   string     // what keeps the pool from being as declared; empty when nothing does
	Rollout   string     // state of an update in words; empty when none is under way
	Next      int        // number of the next instance to start
	Inputs    Inputs
	// Template is what instances are started from, with its Hash: the one declared, or the one an update was rolled back to.
	Template spec.Template
	Hash     string
	// Earlier, with its hash, is what instances are started from that must not wait for an update which is on trial, or
	// whose image is not there; zero when there is no such update.
	Earlier     spec.Template
	EarlierHash string
}

// Ops returns the operations of all decisions, in order.
func (p Plan) Ops() []Op {
	var ops []Op
	for _, d := range p.Decisions {
		ops = append(ops, d.Ops...)
	}
	return ops
}

// String is the plan's operations as text, one on a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, op := range p.Ops() {
		b.WriteString(string(op.Kind) + " " + op.Instance + "\n")
	}
	return b.String()
}
