// Package store is the contract between the CSE and the database that holds the resource tree. It has one implementation,
// sqlstore, and one test suite, storetest, which any further implementation must pass.
//
// Any number of processes use one database at once, so nothing they must agree on is kept in a process: counters, eviction, state
// tags and the uniqueness of names are decided by the database inside one transaction. A resource past its expiration does not
// exist for any method here, whether it has been swept yet or not.
package store

import (
	"context"
	"encoding/json"
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
	// ErrTurnLost says that a turn has passed to another instance, which does the same tasks again.
	ErrTurnLost = errors.New("turn was lost to another instance")
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
	// Subscriptions are the subscriptions to Resource, in the order of identifiers. They are only set in nodes that are about to
	// be changed: the ones given to the functions in Creation, Change and Removal.
	Subscriptions []resource.Resource
}

// Effects are what a change brings with it beyond the resource itself. They are stored in its transaction or not at all.
type Effects struct {
	// Instances are children that the change itself makes in the created or changed resource, such as flexContainerInstances.
	// Create and Update take them. They count, age and push out others like instances that are created by request.
	Instances []resource.Resource
	// Tasks are to be done after the commit.
	Tasks []Task
	// Evicted says what it brings with it that an instance is deleted so that the changed resource, or the parent of the created one,
	// keeps its limits, or because the change drops it. It is as for Sweep. With nil, which is nothing, nobody looks what goes.
	Evicted func(Removal) (Effects, error)
}

// Join adds more to e, unless err is not nil, and returns err.
func (e *Effects) Join(more Effects, err error) error {
	if err != nil {
		return err
	}
	e.Instances = append(e.Instances, more.Instances...)
	e.Tasks = append(e.Tasks, more.Tasks...)
	if more.Evicted != nil {
		e.Evicted = more.Evicted
	}
	return nil
}

// Task is work for later, done by whichever instance takes it first, at least once: a notification to send, a timer to fire.
type Task struct {
	// Lane orders tasks: those of one lane are done one at a time, in the order in which they were stored, and a failed one is
	// repeated before the next is begun.
	Lane string
	// Kind says who knows how to do it. All tasks of a lane have the same.
	Kind string
	// Due is when it may be done; the zero Due is at once. A task that is not due yet holds up those behind it.
	Due time.Time
	// Replace drops the tasks that are in the lane already: a timer that is set anew. A turn that somebody has at them is lost.
	// With an empty Body it only does that: a timer that is stopped.
	Replace bool
	Body    json.RawMessage
}

// Turn is the exclusive right to do the tasks of one lane for a while.
type Turn struct {
	Lane, Kind string
	Tasks      []Task // the first of the lane, in order, that were due; at least one
	Attempts   int    // how often the first of them has been tried before and failed
	Until      time.Time
	// Token proves that the turn is still the holder's; the store's own.
	Token string
}

// Outcome is how a turn ended.
type Outcome struct {
	Done int // how many of its tasks are done, from the first; they are forgotten
	Read int // how many tasks Rest has returned, which are as good as those of the turn
	// Again is when the lane may be tried next if there are tasks left in it; the zero Again is when the first of them is due.
	Again time.Time
	// Failed says that the first of the tasks that are left was tried and failed, which its next turn is told in Attempts.
	Failed bool
	// Await says that what is left waits for more: the lane may also be tried, before Again, when the next task that is stored in it
	// is due. It is not for lanes that failed.
	Await bool
}

// Message is something one instance has for whoever waits at a box, maybe at another instance.
type Message struct {
	Box   string
	Until time.Time // forgotten after it
	Body  json.RawMessage
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
	// After says what the creation of child brings with it; nil is nothing. child is as it will be stored. It runs where Build
	// does and under the same rules, but not for a creation that is only repeated.
	After func(parent Node, child resource.Resource) (Effects, error)
	// Displaced says what it brings with it that a resource is deleted which has expired, was not swept yet and holds the name or the
	// identifier; nil is nothing. It is as for Sweep.
	Displaced func(Removal) (Effects, error)
}

// Change is the new state of a resource.
type Change struct {
	Resource resource.Resource
	// MaxAge bounds how long the instances in the resource live, existing ones included; nil is no bound.
	MaxAge *time.Duration
	// DropInstances deletes all instances in the resource.
	DropInstances bool
	// KeepStateTag and KeepModified leave stateTag and lastModifiedTime as they are: the CSE keeps a note in the resource that
	// no originator asked for.
	KeepStateTag, KeepModified bool
	// After says what the change brings with it; nil is nothing. r is as it will be stored.
	After func(r resource.Resource) (Effects, error)
}

// Removal is a resource that is being deleted with everything below it.
type Removal struct {
	Parent   Node              // with its subscriptions
	Resource resource.Resource // as it last was
	// Below are the resources at or below Resource that others must hear about: the subscriptions and what they subscribe to, the
	// announced ones (resource.Resource.Announced) and those whose type resource.Type.Farewell reports. Resource is among them if it
	// is one.
	Below []resource.Resource
	// Expired says that nobody asked for it: its time had come, or it had to make room.
	Expired bool
}

// View is what a retrieve looks at.
type View struct {
	Address primitive.Address
	// Below are names, joined by slashes, that lead from the resource Address.ID down to the one that is meant; mostly empty.
	Below   string
	Now     time.Time
	Visitor string // identifier of the resource whose type is wanted; empty for none
	// Note is the name of the note that resources have whose subscriptions are wanted.
	Note     string
	Identity primitive.Identity // of the CSE, to understand links in resources
}

// Sight is what a View shows.
type Sight struct {
	// Node has the subscriptions of a resource that has the note, or those of the governor if that is a container without instance.
	Node
	Visitor resource.Type // 0 if there is no such resource
	// Linked says that what the nodeLink of an AE names is there; false without one.
	Linked bool
	// Hosted are the AEs whose nodeLink is the identifier of the node, at most MaxHosted.
	Hosted []string
	// Missing are the members of the group that are not here, each without what follows the identifier.
	Missing []string
}

// MaxHosted bounds how many AEs a node shows.
const MaxHosted = 1000

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

// Usage is what one originator did and has, as far as all instances have told the store.
type Usage struct {
	Originator    string
	Requests      int64 // that were let in
	Refused       int64 // that were not, because there were too many
	RequestBytes  int64 // content of requests
	ResponseBytes int64 // content of responses
	Notifications int64 // that were sent for subscriptions of the originator
	Resources     int64 // that it created and that still exist, and the instances in them, whoever created those
	StoredBytes   int64 // attributes of those resources, and contentSizes of those instances
}

// TurnReach is how many tasks of its lane a turn is about at most.
const TurnReach = 1000

// IdleAccount is how long an account is kept that nobody uses, at least.
const IdleAccount = 24 * time.Hour

// Tasks is the box of Wake that stands for new tasks.
const Tasks = "tasks"

// Timekeeper is a Store whose database may have a clock, which all that use it go by.
type Timekeeper interface {
	// Clock returns what asks the database what time it is, in one round trip, or nil if it has only the host's clock.
	Clock() func(context.Context) (time.Time, error)
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

	// GetAll returns those of the resources at list that are there, in the order of their paths, in one round trip. The addresses have no
	// edge.
	GetAll(ctx context.Context, list []primitive.Address, now time.Time) ([]resource.Resource, error)

	// Look returns the resource that v addresses, as Get does, and all else that v asks for, at once: it is one round trip to a
	// database that is elsewhere.
	Look(ctx context.Context, v View) (Sight, error)

	// Find returns a page of the resources that q selects. The root itself is not one of them.
	Find(ctx context.Context, q Query) (Page, error)

	// Create stores a new resource, updates the counters of its parent and evicts the oldest instances that exceed the
	// parent's limits, all or nothing.
	Create(ctx context.Context, c Creation) (resource.Resource, error)

	// Update replaces the resource at a by what change makes of it. Like Creation.Build, change runs inside the transaction.
	// The state tag grows by one, lifetimes below are cut to the resource's own, and instances above new limits are evicted.
	Update(ctx context.Context, a primitive.Address, now time.Time, change func(Node) (Change, error)) (resource.Resource, error)

	// Delete deletes the resource at a and everything below it, if permit does not object, and returns it as it last was. after
	// says what that brings with it; nil is nothing. Both run inside the transaction, like Creation.Build.
	Delete(ctx context.Context, a primitive.Address, now time.Time, permit func(Node) error, after func(Removal) (Effects, error)) (resource.Resource, error)

	// Sweep deletes what expired before now, at most limit resources and what is below them, and as many receipts and messages,
	// and returns how many were deleted. after is as for Delete; for instances it is only called if their parent has subscriptions
	// or announces instances.
	// It also forgets turns that are over, and accounts that have not been used for IdleAccount and of whose originators nothing is
	// stored.
	Sweep(ctx context.Context, now time.Time, limit int, after func(Removal) (Effects, error)) (int, error)

	// Add stores tasks that no change brings with it.
	Add(ctx context.Context, tasks ...Task) error

	// Take gives the caller turns at lanes that have tasks due at now and that nobody has a turn at: at most lanes of them, with
	// at most tasks tasks each, and at most failing of them at lanes whose first task has failed before. Those come first. Turns end at
	// now+lease, or when they are passed to Settle. It returns none if there is nothing to do.
	Take(ctx context.Context, now time.Time, lease time.Duration, lanes, failing, tasks int) ([]Turn, error)

	// Rest returns tasks that follow those of turn in its lane and are due at now, at most most, and not many more than it takes to have
	// so many bytes of bodies. They are the turn's as well; a turn has no more than TurnReach in all. It returns none if the turn has
	// passed to another instance.
	Rest(ctx context.Context, turn Turn, now time.Time, most, bytes int) ([]Task, error)

	// Backlog returns how many tasks the lanes of a kind have, by lane, if there are more than most tasks in all; otherwise it is cheap
	// and returns nothing.
	Backlog(ctx context.Context, kind string, most int) (map[string]int, error)

	// Shed forgets the n tasks of lanes that were stored first, and returns how many it forgot: the first TurnReach tasks of a lane that
	// somebody has a turn at are left alone.
	Shed(ctx context.Context, now time.Time, lanes []string, n int) (int, error)

	// Renew makes those of turns that are still the caller's end at now+lease instead, and returns them so. One that is over is still
	// the caller's as long as nobody else has taken it.
	Renew(ctx context.Context, now time.Time, lease time.Duration, turns ...Turn) ([]Turn, error)

	// Settle ends a turn. The error is ErrTurnLost if it had passed to another instance, or its tasks were replaced; then
	// nothing is changed.
	Settle(ctx context.Context, turn Turn, o Outcome) error

	// Post puts messages into their boxes and wakes who waits there, on any instance.
	Post(ctx context.Context, messages ...Message) error

	// Receive takes the oldest message out of box; it fails with ErrNotFound if there is none at now.
	Receive(ctx context.Context, box string, now time.Time) (Message, error)

	// Wake returns a channel that receives a value after messages may have come to box, or for the box Tasks, after tasks have
	// been stored by this process. It may wake too often, and after the connection to the database was lost, not at all; so
	// waiters also look from time to time. stop ends it.
	Wake(box string) (wake <-chan struct{}, stop func())

	// Listen keeps Wake informed of other instances until ctx ends; it reconnects by itself. Without it Wake only knows of this
	// process.
	Listen(ctx context.Context) error

	// TakeTurn reports whether the caller is the one instance to do the named job at now. If so, nobody gets the next turn
	// before now+interval.
	TakeTurn(ctx context.Context, job string, now time.Time, interval time.Duration) (bool, error)

	// AddUsage adds the counters of usage to the accounts of their originators, which were used at now. What is stored is not counted
	// by it.
	AddUsage(ctx context.Context, now time.Time, usage ...Usage) error

	// Usage returns the account of an originator, and what it has stored at now; both are zero if it is not known.
	Usage(ctx context.Context, originator string, now time.Time) (Usage, error)

	// Close ends all use of the database.
	Close() error
}
