// Package store is the contract between the CSE and the database that holds the resource tree. It has one implementation,
// sqlstore, and one test suite, storetest, which any further implementation must pass.
//
// Any number of processes use one database at once, so nothing they must agree on is kept in a process: counters, eviction, state
// tags and the uniqueness of names are decided by the database inside one transaction. A resource past its expiration does not
// exist for any method here, whether it has been swept yet or not.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// The errors of a store. Anything else that is not a context's error is a defect.
var (
	// ErrNotFound says that the addressed resource, or the parent of a new one, does not exist.
	ErrNotFound = errors.New("resource not found")
	// ErrNameTaken says that the parent has a child of that name already.
	ErrNameTaken = errors.New("resource name is taken")
	// ErrIDTaken says that a resource with that identifier exists already.
	ErrIDTaken = errors.New("resource identifier is taken")
	// ErrUnavailable says that the database did not answer: nothing was stored, or nothing can be said about it. A create may be
	// repeated with the same receipt.
	ErrUnavailable = errors.New("store is unavailable")
)

// Node is a resource together with what decides access to it.
type Node struct {
	Resource resource.Resource
	// Governor is the resource that Resource.Governor names: the resource itself, or the parent of one whose type has no policies.
	Governor resource.Resource
	// Policies are those policies of the governor that exist.
	Policies []resource.Resource
}

// Creation is one child to be created.
type Creation struct {
	Parent primitive.Address
	Now    time.Time
	// Receipt recognises a repeated creation: if it is not empty and a creation with the same receipt succeeded before
	// ReceiptUntil, on any instance, Create returns what that one created and creates nothing.
	Receipt      []byte
	ReceiptUntil time.Time
	// Build makes the child of parent, whose counters are current and cannot change until the child is stored. It must be quick
	// and without side effects: it runs inside the transaction and again if that is retried. Its error is returned unchanged
	// and nothing is stored. StateTag and the counters of the result are the store's to set.
	Build func(parent Node) (resource.Resource, error)
}

// Change is the new state of a resource.
type Change struct {
	Resource resource.Resource
	// MaxAge bounds how long the instances in the resource live, existing ones included; nil is no bound.
	MaxAge *time.Duration
	// DropInstances deletes all instances in the resource.
	DropInstances bool
}

// Query selects resources below Root.
type Query struct {
	Root   string // path
	Filter primitive.Filter
	Now    time.Time
	After  string // only resources whose path sorts after this one
	Limit  int    // at most so many; at least 1
}

// Page is one page of the result of a Query, in the order of paths.
type Page struct {
	Resources []resource.Resource
	Governors map[string]Node // by identifier: the governors of Resources
	More      bool            // there are more after the last one
}

// Store holds one resource tree. Its methods are safe for concurrent use by any number of goroutines and processes.
type Store interface {
	// Prepare makes the database ready for use: the schema, which the first of several instances to come creates, and the
	// CSEBase, whose attributes become those of base. It is cheap if there is nothing to do.
	Prepare(ctx context.Context, base resource.Resource) error

	// Ping reports whether the store can answer now.
	Ping(ctx context.Context) error

	// Get returns the resource at a. If a has an edge and the container is there but empty, the node's Resource is zero and its
	// governor is the container.
	Get(ctx context.Context, a primitive.Address, now time.Time) (Node, error)

	// Find returns a page of the resources that q selects. The root itself is not one of them.
	Find(ctx context.Context, q Query) (Page, error)

	// Create stores a new resource, updates the counters of its parent and evicts the oldest instances that exceed the
	// parent's limits, all or nothing.
	Create(ctx context.Context, c Creation) (resource.Resource, error)

	// Update replaces the resource at a by what change makes of it. Like Creation.Build, change runs inside the transaction.
	// The state tag grows by one, lifetimes below are cut to the resource's own, and instances above new limits are evicted.
	Update(ctx context.Context, a primitive.Address, now time.Time, change func(Node) (Change, error)) (resource.Resource, error)

	// Delete deletes the resource at a and everything below it, if permit does not object, and returns it as it last was.
	Delete(ctx context.Context, a primitive.Address, now time.Time, permit func(Node) error) (resource.Resource, error)

	// Sweep deletes what expired before now, at most limit resources and what is below them, and as many receipts, and returns
	// how many were deleted.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)

	// TakeTurn reports whether the caller is the one instance to do the named job at now. If so, nobody gets the next turn
	// before now+interval.
	TakeTurn(ctx context.Context, job string, now time.Time, interval time.Duration) (bool, error)

	// Close ends all use of the database.
	Close() error
}
