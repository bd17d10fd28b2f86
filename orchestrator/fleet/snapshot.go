package fleet

import (
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// Snapshot is one pool at one instant, as Docker, Consul, the load balancer and the instances reported it.
type Snapshot struct {
	Pool      spec.Pool  // the document in force, defaults filled in
	Index     uint64     // Consul ModifyIndex of that document
	Template  string     // Hash of Pool.Template
	NoImage   bool       // the engine is known not to have the image of Pool.Template
	Refused   string     // why a newer document or override is not in force; empty when there is none
	Instances []Instance // ordered by number
	// Stale is what Consul does not answer about, such as drain journals, and StaleSince since when: what it last said is
	// in the snapshot. Empty and zero when it answers.
	Stale      string
	StaleSince time.Time
	Arrivals   Arrivals
	Work       Work
	Ended      []Ended // operations that ended since the previous snapshot

	Signals  []Reading     // one for each signal of the policy that is not built in, in its order
	Override spec.Override // what an operator wants, as it is in force
	Room     Room          // what hosts and other pools leave for this one
}

// Reading is the newest value of a signal, for the whole pool.
type Reading struct {
	Name    string    // of the signal
	At      time.Time // when it was read; zero if never
	Value   float64   // in the unit of the metric; of a counter its growth per second
	Problem string    // why there is no newer value; empty when it is fresh
}

// Room is how many instances of a pool may be there at once. The zero Room does not bound it.
type Room struct {
	Limited bool
	Most    int    // instances, those that are there included
	Cause   string // what bounds it, in words: which host, which pool
}

// Arrivals is what came in for a pool, counted in front of it: served, waiting and rejected alike.
type Arrivals struct {
	At       time.Time // when it was counted; zero if never
	Total    float64   // requests since the orchestrator began to count; never falls
	Queued   int       // requests waiting for an instance
	Rejected float64   // of Total, those that were refused for want of capacity; never falls
	Errors   float64   // of Total, those that were answered with a server error; never falls
	Held     int       // of Queued, those that are held while there is no instance at all
	Complete bool      // every load balancer was counted: otherwise Total and Queued are lower bounds
	Problem  string    // why it is not complete; empty when it is
}

// Work is what the instances of a pool say they did, summed. The totals never fall: an instance that starts anew
// or leaves does not take back what it did.
type Work struct {
	At              time.Time // when the newest page was read; zero if never
	Requests        float64   // finished requests
	CPUSeconds      float64   // CPU time used while the requests above were counted
	InstanceSeconds float64   // time that was watched, summed over instances
	Fresh           int       // ready instances whose page was read lately
	Problem         string    // why a ready instance's page is missing; empty when none is
}

// Declaration is a pool as its document declares it.
type Declaration struct {
	Name     string
	Pool     spec.Pool // the last good document, defaults filled in; zero when there was none
	Index    uint64    // Consul ModifyIndex of that document, or of the one that says Deleting; 0 when there was none
	Template string    // Hash of Pool.Template
	Deleting bool      // the pool is to be left alone
	Refused  string    // why a newer document is not in force; empty when there is none
}
