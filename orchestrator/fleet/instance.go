// Package fleet is the orchestrator's vocabulary: what was observed about a pool, what was decided and why.
// It is pure values, shared by the packages that observe, decide and act, which do not know each other.
package fleet

import (
	"slices"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// State is where an instance is in its life.
type State string

// The states of an instance. Every instance is in exactly one.
const (
	Booting  State = "booting"  // an operation is bringing it up: capacity that is already ordered
	Ready    State = "ready"    // registered and passing its check
	Unready  State = "unready"  // registered, but its check is failing
	Stray    State = "stray"    // running, yet not leaving and not registered where it runs: whoever started it is gone
	Draining State = "draining" // journalled for removal: out of service, finishing what it has
	Standby  State = "standby"  // warm: it was ready once and is kept, paused or running, out of service
	Dead     State = "dead"     // its process ended or was paused by somebody, or only its registration is left
)

// Instance is one member of a pool.
type Instance struct {
	Name     string `json:"name"`            // spec.InstanceName
	Number   int    `json:"number"`          // the number in Name
	State    State  `json:"state"`           //
	Template string `json:"template"`        // spec.Template.Hash it was started from; empty when unknown
	Address  string `json:"address"`         // IP address on the pool's network; empty when unknown
	Host     string `json:"host,omitempty"`  // of the engine it runs on
	Slice    string `json:"slice,omitempty"` // network slice it is in; empty when it is in none, or unknown
	Paused   bool   `json:"paused,omitempty"`
	// Registered says that Consul knows it, so that balancers send it requests as soon as it takes any.
	Registered bool      `json:"registered,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	Since      time.Time `json:"since,omitzero"`   // since when its check has passed (Ready) or failed (Unready), as seen here
	Detail     string    `json:"detail,omitempty"` // why it is Dead, or what its operation is waiting for
	Op         OpKind    `json:"op,omitempty"`     // operation in progress; empty when none
	Phase      Phase     `json:"phase,omitempty"`  // its entry in the drain journal; empty when it has none

	SampledAt time.Time `json:"sampledAt,omitzero"` // when the three figures below were read; zero if never
	RPS       float64   `json:"rps"`                // requests finished per second
	CPU       float64   `json:"cpu"`                // cores in use
	InFlight  float64   `json:"inFlight"`           // requests being served
	Errors    float64   `json:"errors"`             // requests answered with a server error, per second
	Suspect   string    `json:"suspect,omitempty"`  // why its figures are not believed; empty when they are
}

// Live says whether i is, or is about to be, capacity of its pool.
func (i *Instance) Live() bool {
	return i.State == Booting || i.State == Ready || i.State == Unready || i.State == Stray
}

// Container is what Docker says about an instance.
type Container struct {
	Name      string
	Template  string
	Address   string
	Running   bool
	Paused    bool   // also Running
	Host      string // name of the engine
	Slice     string // network slice it is in; empty when it is in none
	Detail    string // when not running: how it ended, such as "exited with code 137"
	StartedAt time.Time
	SeenAt    time.Time // it was known to be so then; zero is when the list was asked for
}

// Registration is what Consul says about an instance.
type Registration struct {
	Name    string
	Address string
	Passing bool
	Since   time.Time // when Passing became what it is, as seen here
}

// Sample is what an instance's metrics page says, as rates over the time between its two newest readings.
type Sample struct {
	At       time.Time
	RPS      float64
	CPU      float64
	InFlight float64
	Errors   float64
	Suspect  string // why the figures are not believed
}

// Parts is all that is known about one pool's instances, by where it was learnt, keyed by instance name.
type Parts struct {
	Containers    map[string]Container
	Registrations map[string]Registration
	Drains        map[string]Phase // of those in the drain journal
	Samples       map[string]Sample
	Ops           map[string]OpState
	ListedAt      time.Time // Containers is no older than this
}

// Assemble joins what is known about the instances of a pool, ordered by number. Names that are not instance
// names of that pool are left out: they are not ours.
func Assemble(stack, pool string, p Parts) []Instance {
	names := make(map[string]int, len(p.Containers))
	add := func(name string) {
		if n, ok := spec.InstanceNumber(stack, pool, name); ok {
			names[name] = n
		}
	}
	for name := range p.Containers {
		add(name)
	}
	for name := range p.Registrations {
		add(name)
	}
	for name := range p.Drains {
		add(name)
	}
	for name := range p.Ops {
		add(name)
	}
	instances := make([]Instance, 0, len(names))
	for name, number := range names {
		if i, ok := p.assemble(name); ok {
			i.Number = number
			instances = append(instances, i)
		}
	}
	slices.SortFunc(instances, func(a, b Instance) int { return a.Number - b.Number })
	return instances
}

// assemble joins what is known about one instance; ok is false when nothing of it is left.
func (p Parts) assemble(name string) (i Instance, ok bool) {
	c, hasContainer := p.Containers[name]
	r, registered := p.Registrations[name]
	phase, journalled := p.Drains[name]
	op, busy := p.Ops[name]
	if busy && !op.EndedAt.IsZero() {
		// The operation is over, but what is known may be older than its effect: until the effect shows, the
		// operation still explains the instance.
		stale := !p.ListedAt.After(op.EndedAt) && !c.SeenAt.After(op.EndedAt)
		switch {
		case op.Kind == Drain || op.Kind == Remove:
			busy = hasContainer && stale || registered || journalled
		case op.Kind == Recall && op.Failed:
			busy = false // it goes on being drained
		case op.Failed:
			busy = hasContainer && stale
		case op.Kind == Warm:
			busy = !journalled || stale && (!c.Running || !c.Paused)
		case op.Kind == Enlist || op.Kind == Recall:
			busy = !registered || journalled || moved(c, r) || stale && (!c.Running || c.Paused)
		case op.Kind == Revive:
			busy = hasContainer && stale && !c.Running
		default:
			busy = !registered || moved(c, r) || !c.Running && stale
		}
	}
	if !busy && !hasContainer && !registered && !journalled {
		return Instance{}, false
	}
	s := p.Samples[name]
	i = Instance{
		Name: name, Template: c.Template, Address: c.Address, StartedAt: c.StartedAt,
		SampledAt: s.At, RPS: s.RPS, CPU: s.CPU, InFlight: s.InFlight, Errors: s.Errors, Suspect: s.Suspect,
		Host: c.Host, Slice: c.Slice, Paused: c.Paused, Phase: phase, Registered: registered,
	}
	if i.Address == "" {
		i.Address = r.Address
	}
	if busy {
		i.Op, i.Detail = op.Kind, op.Note
	}
	if busy && i.Slice == "" {
		i.Slice = op.Slice
	}
	if busy && i.Template == "" && (op.Kind == Start || op.Kind == Adopt || op.Kind == Warm) {
		i.Template = op.Template
	}
	switch {
	case busy && (op.Kind == Start || op.Kind == Adopt || op.Kind == Enlist || op.Kind == Recall || op.Kind == Revive):
		i.State = Booting
	case busy && op.Kind == Warm:
		i.State = Standby
	case busy && op.Kind == Remove:
		i.State = Dead
	case !busy && phase == Kept && c.Running:
		i.State = Standby
	case !busy && phase == Kept:
		i.State, i.Detail = Dead, c.Detail
		if !hasContainer {
			i.Detail = "its container is gone"
		}
	case busy || journalled:
		i.State = Draining
	case !hasContainer:
		i.State, i.Detail = Dead, "its container is gone"
	case !c.Running:
		i.State, i.Detail = Dead, c.Detail
	case c.Paused:
		i.State, i.Detail = Dead, "somebody paused it"
	case !registered:
		i.State = Stray
	case moved(c, r):
		i.State, i.Detail = Stray, "it runs at "+c.Address+" and is registered at "+r.Address
	case r.Passing:
		i.State, i.Since = Ready, r.Since
	default:
		i.State, i.Since = Unready, r.Since
	}
	return i, true
}

// moved says whether an instance runs at another address than it is registered at: it was started again in place and the
// engine gave its former address away.
func moved(c Container, r Registration) bool {
	return c.Running && c.Address != "" && r.Address != "" && c.Address != r.Address
}

// Count is how many instances of a pool are in which state.
type Count struct {
	Live     int // capacity that is there or ordered
	Ready    int
	Updated  int // ready and of the current template
	Booting  int
	Unready  int
	Draining int
	Standby  int
}

// CountOf counts instances; template is the current one.
func CountOf(instances []Instance, template string) Count {
	var c Count
	for k := range instances {
		i := &instances[k]
		if i.Live() {
			c.Live++
		}
		switch i.State {
		case Ready:
			c.Ready++
			if i.Template == template {
				c.Updated++
			}
		case Booting, Stray:
			c.Booting++
		case Unready:
			c.Unready++
		case Draining:
			c.Draining++
		case Standby:
			c.Standby++
		}
	}
	return c
}
