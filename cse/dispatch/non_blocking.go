package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// The kinds of tasks that non-blocking requests leave.
const (
	TaskRequest = "request"        // carry out a request, see CarryOut
	TaskResult  = "request-result" // notify the result of one, see SendResult
)

// accepted is the body of a TaskRequest.
type accepted struct {
	Resource string            `json:"resource"` // identifier of the <request>; empty if nobody wants the result
	Request  primitive.Request `json:"request"`
	Accepted time.Time         `json:"accepted"`
	// Result is what is known to have come of the request, which is then not carried out again; nil if nothing is.
	Result *primitive.Response `json:"result,omitempty"`
}

// doneKey is the key of the task in a context, see doneOf.
type doneKey struct{}

// doneOf is the task that replaces the one that is being done as soon as what it deletes is deleted: it knows the result, so that it
// stays the result if this instance dies before it could write it. It is nil if no task is being done. A create has its receipt for
// that, and an update can be repeated.
func doneOf(ctx context.Context) *store.Task {
	t, _ := ctx.Value(doneKey{}).(*store.Task)
	return t
}

// taskKey is the key of a context in which a task is being done, see isTask.
type taskKey struct{}

// isTask reports whether ctx is that of a non-blocking request that is being carried out. It has one of the few lanes of an instance, so
// it must not wait for what may never come.
func isTask(ctx context.Context) bool { return ctx.Value(taskKey{}) != nil }

// result is the body of a TaskResult.
type result struct {
	Target  string          `json:"target"`
	Request string          `json:"request"` // identifier of the notification
	Content json.RawMessage `json:"content"`
	Until   time.Time       `json:"until"` // of no use after it
}

// checkTimes checks the instants of r among each other, TS-0004 clause 7.3.1.1.
func checkTimes(r primitive.Request, now time.Time) error {
	passed := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	before := func(a, b time.Time) bool { return !a.IsZero() && !b.IsZero() && a.Before(b) }
	switch {
	case passed(r.RequestExpiration):
		return primitive.Errorf(primitive.RequestTimeout, "the request had expired when it arrived")
	case passed(r.ResultExpiration):
		return primitive.Errorf(primitive.RequestTimeout, "the result would have expired when the request arrived")
	case before(r.ResultExpiration, r.RequestExpiration):
		return primitive.Errorf(primitive.BadRequest, "the result expires (rset) before the request (rqet)")
	case before(r.RequestExpiration, r.OperationExecution), before(r.ResultExpiration, r.OperationExecution):
		return primitive.Errorf(primitive.BadRequest, "the request or its result expires (rqet, rset) before it is to be carried out (oet)")
	}
	return nil
}

// blocking reports whether the originator of r waits for its result until ctx ends. With flexible blocking it does if the result is as
// near as the acceptance.
func blocking(ctx context.Context, r primitive.Request) bool {
	if r.ResponseType == primitive.FlexBlocking {
		end, ok := clock.Deadline(ctx)
		return !ok || !end.Before(r.OperationExecution)
	}
	return r.ResponseType == 0 || r.ResponseType == primitive.Blocking
}

// untilExecution waits until q is to be carried out. One whose originator would not be there any more then is not begun.
func (q *request) untilExecution(ctx context.Context) error {
	at := q.OperationExecution
	if !at.After(q.now) {
		return nil
	}
	if end, ok := clock.Deadline(ctx); ok && end.Before(at) {
		return primitive.Errorf(primitive.RequestTimeout, "the request is to be carried out later than its answer could be waited for; make it non-blocking")
	}
	timer := time.NewTimer(clock.Until(at))
	defer timer.Stop()
	var ending <-chan struct{}
	if q.d.Ending != nil {
		ending = q.d.Ending.Done()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-ending:
		return &primitive.Error{Status: primitive.InternalServerError, RetryAfter: time.Second,
			Detail: "this instance ends before the request is to be carried out; send it again"}
	case <-timer.C:
		q.now = clock.Now()
		return nil
	}
}

// accept keeps a non-blocking request to be carried out by whichever instance takes it, TS-0004 clause 7.2.2.2. The answer is the
// address of the <request> that will have the result. The same request that comes again is the same <request>.
func (q *request) accept(ctx context.Context) (primitive.Response, error) {
	if q.ResponseType == primitive.NoResponse {
		return q.acceptSilently(ctx)
	}
	var holder string // is charged for it
	var bytes int64
	created, err := q.d.Store.Create(ctx, store.Creation{
		Parent: primitive.Address{ID: q.d.Identity.BaseID()}, Now: q.now, Receipt: q.acceptance(), ReceiptUntil: q.now.Add(receiptLifetime),
		Build: func(base store.Node) (resource.Resource, error) {
			r := q.d.newRequestResource(q.Request, q.originator, q.now)
			if q.d.Accounts == nil {
				return r, nil
			}
			holder, bytes = charge(base.Resource, r)
			return r, q.d.Accounts.Room(holder, bytes)
		},
		After: func(_ store.Node, r resource.Resource) (store.Effects, error) {
			task, err := q.task(r.ID)
			return store.Effects{Tasks: []store.Task{task}}, err
		},
	})
	if err != nil {
		return primitive.Response{}, err
	}
	if q.d.Accounts != nil {
		q.d.Accounts.Stored(holder, bytes)
	}
	response := primitive.Response{Status: primitive.AcceptedNonBlockingSynch, Content: wrap("m2m:uri", created.ID)}
	if q.ResponseType == primitive.NonBlockingAsynch {
		response.Status = primitive.AcceptedNonBlockingAsynch
	}
	if slices.Contains([]string{"", "1", "2"}, q.ReleaseVersion) {
		response.Status = primitive.Accepted // 1001 and 1002 came with Release 2A
	}
	return response, nil
}

// longestSilence is how far ahead a request without response may be that is to be carried out later: there is no resource that says that
// it is kept, and for whom.
const longestSilence = 24 * time.Hour

// acceptSilently keeps a request whose result nobody wants to know.
func (q *request) acceptSilently(ctx context.Context) (primitive.Response, error) {
	if q.OperationExecution.Sub(q.now) > longestSilence {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "a request without response is carried out within %s", longestSilence)
	}
	task, err := q.task("")
	if err == nil && q.d.Accounts != nil {
		err = q.d.Accounts.Room(q.originator, int64(len(q.Content)))
	}
	if err != nil {
		return primitive.Response{}, err
	}
	return primitive.Response{Status: primitive.Accepted}, q.d.Store.Add(ctx, task)
}

// acceptance recognises the same non-blocking request when it comes again. It differs from the receipt of the request itself, which is
// carried out in its turn.
func (q *request) acceptance() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "accepted %d %d %q %q %q ", q.ResponseType, q.Operation, q.From, q.RequestID, q.To)
	h.Write(q.Content)
	return h.Sum(nil)[:16]
}

// task is q to be carried out, with the result written to the <request> with the identifier id.
func (q *request) task(id string) (store.Task, error) {
	lane := id
	if lane == "" {
		lane = newID(q.now)
	}
	body, err := json.Marshal(accepted{Resource: id, Request: q.Request, Accepted: q.now})
	return store.Task{Lane: "request/" + lane, Kind: TaskRequest, Due: q.OperationExecution, Body: body}, err
}

// CarryOut does tasks of the kind TaskRequest. A task that is done again answers what it answered before: a request that has its result
// is not carried out again, and a create is recognised by its receipt.
func (d *Dispatcher) CarryOut(ctx context.Context, turn store.Turn) store.Outcome {
	for done, t := range turn.Tasks {
		if err := d.carryOut(ctx, t); err != nil {
			return d.failed(turn, done, "carry out a non-blocking request", err)
		}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// mostBackoff is the longest pause between two tries of what non-blocking requests leave.
const mostBackoff = 30 * time.Second

func (d *Dispatcher) failed(turn store.Turn, done int, what string, err error) store.Outcome {
	attempts := turn.Attempts
	if done > 0 {
		attempts = 0
	}
	d.Log.Debug("task failed, next try follows", "task", what, "lane", turn.Lane, "attempts", attempts, "error", err)
	return store.Outcome{Done: done, Again: worker.Backoff(clock.Now(), attempts, mostBackoff), Failed: true}
}

const (
	// resultTime is what a turn leaves to write the result.
	resultTime = 2 * time.Second
	// retriesFor is how long a request is tried again whose answer is that it may be tried again.
	retriesFor = time.Hour
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// carryOut carries out the request of one task. Its error is that of the store, which a later try may not have.
func (d *Dispatcher) carryOut(ctx context.Context, t store.Task) error {
	var a accepted
	if err := json.Unmarshal(t.Body, &a); err != nil {
		d.Log.Error("a task cannot be read, it is dropped", "lane", t.Lane, "error", err)
		return nil
	}
	if a.Resource != "" {
		n, err := d.Store.Get(ctx, primitive.Address{ID: a.Resource}, clock.Now())
		if errors.Is(err, store.ErrNotFound) {
			return nil // nobody wants the result any more
		}
		if err != nil {
			return err
		}
		if attributes, err := n.Resource.Decode(); err != nil || statusOf(attributes) != requestPending {
			return err
		}
	}
	if a.Result != nil {
		return d.keepResult(ctx, a, d.signed(*a.Result))
	}
	r := a.Request
	if r.Operation == primitive.Delete && a.Resource != "" {
		known := a
		known.Result = &primitive.Response{Status: primitive.Deleted, RequestID: r.RequestID, ReleaseVersion: r.ReleaseVersion}
		body, err := json.Marshal(known)
		if err != nil {
			return err
		}
		ctx = context.WithValue(ctx, doneKey{}, &store.Task{Lane: t.Lane, Kind: TaskRequest, Replace: true, Body: body})
	}
	r.ResponseType, r.OperationExecution, r.NotificationTargets = primitive.Blocking, time.Time{}, nil
	limited, cancel := context.WithValue(ctx, taskKey{}, true), context.CancelFunc(func() {})
	if end, ok := clock.Deadline(ctx); ok { // then it takes too long for any request, and that is its result
		limited, cancel = clock.WithDeadline(limited, end.Add(-resultTime))
	}
	defer cancel()
	p := d.Handle(limited, r)
	if p.RetryAfter > 0 && clock.Since(later(a.Accepted, a.Request.OperationExecution)) < retriesFor {
		return errors.New("the store, or whoever was asked, is away")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.Resource == "" {
		return nil
	}
	return d.keepResult(ctx, a, d.signed(p))
}

// signed is p with who answers, and when.
func (d *Dispatcher) signed(p primitive.Response) primitive.Response {
	p.From = d.Identity.CSEID
	p.OriginatingTimestamp = primitive.FormatTimestamp(clock.Now())
	return p
}

// errKept says that a request has its result already.
var errKept = errors.New("the request has its result")

// keepResult writes p into the <request> of a and, in the same transaction, has it notified.
func (d *Dispatcher) keepResult(ctx context.Context, a accepted, p primitive.Response) error {
	now := clock.Now()
	_, err := d.Store.Update(ctx, primitive.Address{ID: a.Resource}, now, func(n store.Node) (store.Change, error) {
		attributes, err := n.Resource.Decode()
		if err != nil {
			return store.Change{}, err
		}
		if statusOf(attributes) != requestPending {
			return store.Change{}, errKept
		}
		finish(attributes, p, a.Request.From)
		c := store.Change{Resource: n.Resource}
		c.Resource.Attributes = attributes.Encode()
		c.Resource.ModifiedAt = now
		c.After = func(r resource.Resource) (store.Effects, error) { return announceResult(a, p, r) }
		return c, nil
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errKept) {
		return nil
	}
	return err
}

// announceResult is what notifies the result p of a, whose <request> is r.
func announceResult(a accepted, p primitive.Response, r resource.Resource) (store.Effects, error) {
	var e store.Effects
	if a.Request.ResponseType != primitive.NonBlockingAsynch {
		return e, nil
	}
	targets := a.Request.NotificationTargets
	if targets == nil {
		targets = []string{a.Request.From}
	}
	content := primitive.Wrap("m2m:rsp", p.Object(a.Request.From))
	for i, target := range targets {
		lane := fmt.Sprintf("result/%s/%d", r.ID, i)
		body, err := json.Marshal(result{Target: target, Request: lane, Content: content, Until: r.ExpiresAt})
		if err != nil {
			return e, err
		}
		e.Tasks = append(e.Tasks, store.Task{Lane: lane, Kind: TaskResult, Body: body})
	}
	return e, nil
}

// SendResult does tasks of the kind TaskResult: it notifies the result of a non-blocking request until it is taken or of no use any more.
func (d *Dispatcher) SendResult(ctx context.Context, turn store.Turn) store.Outcome {
	for done, t := range turn.Tasks {
		var n result
		if err := json.Unmarshal(t.Body, &n); err != nil {
			d.Log.Error("a task cannot be read, it is dropped", "lane", t.Lane, "error", err)
			continue
		}
		now := clock.Now()
		if !n.Until.IsZero() && !n.Until.After(now) {
			d.Log.Debug("result of a non-blocking request expired before it was taken", "target", n.Target)
			continue
		}
		p, err := d.send(ctx, n.Target, primitive.Request{
			Operation: primitive.Notify, To: n.Target, From: d.Identity.CSEID, RequestID: n.Request, ReleaseVersion: d.release(),
			ResultContent: primitive.DefaultResult, Content: n.Content,
		})
		if err == nil && !p.Status.OK() {
			d.Log.Debug("result of a non-blocking request was refused", "target", n.Target, "status", p.Status)
		}
		if err != nil {
			return d.failed(turn, done, "notify the result of a non-blocking request", err)
		}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// release is the release version that this CSE's own requests have.
func (d *Dispatcher) release() string {
	if len(d.Releases) > 0 {
		return d.Releases[0]
	}
	return ""
}
