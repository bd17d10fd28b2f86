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
	Refused   string     // why a newer document is not in force; empty when there is none
	Instances []Instance // ordered by number
	Arrivals  Arrivals
	Work      Work
	Ended     []Ended // operations that ended since the previous snapshot
}

// Arrivals is what came in for a pool, counted in front of it: served, waiting and rejected alike.
type Arrivals struct {
	At       time.Time // when it was counted; zero if never
	Total    float64   // requests since the orchestrator began to count; never falls
	Queued   int       // requests waiting for an instance
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
