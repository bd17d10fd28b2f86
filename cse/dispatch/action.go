package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindAction are the tasks that FollowActions does.
const KindAction = "action"

// The lanes of an action are those of what happens to its subject, of its period, and of the requests it makes.
const (
	actionLooks   = "action/look/"
	actionPeriods = "action/due/"
	actionRuns    = "action/do/"
)

// action is the behaviour of action of Release 4, TS-0001 clause 9.6.61: it makes a request when its subject fulfils a criterion. The
// subject has a note of its actions, so that what has none pays nothing.
var action = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error { return q.checkAction(ctx, b.given, q.to) },
	build: func(q *request, b *birth, _ *resource.Resource, _ store.Node) error {
		b.attributes.SetNote(actionNote, actionStateOf(b.attributes, q.now))
		return nil
	},
	born: func(_ *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		return store.Effects{Tasks: append(periodTimer(r.ID, a), lookTask(r.ID, look{Attend: true}))}, err
	},
	established: func(ctx context.Context, q *request, r resource.Resource) (resource.Resource, error) {
		q.attend(ctx, r.ID)
		return r, nil
	},
	revise: reviseAction,
	change: func(q *request, n store.Node, attributes resource.Attributes, _ *store.Change) error {
		_, given, err := resource.Parse(resource.TypeAction, q.Content)
		if err != nil {
			return err
		}
		if given["evm"] != nil || given["ecp"] != nil {
			attributes.SetNote(actionNote, actionStateOf(attributes, q.now))
		}
		return nil
	},
	changed: func(_ *request, before store.Node, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		tasks := []store.Task{lookTask(r.ID, look{Attend: true})}
		if old, failed := before.Resource.Decode(); failed != nil || string(old["_"+actionNote]) != string(a["_"+actionNote]) {
			tasks = append(tasks, periodTimer(r.ID, a)...)
		}
		return store.Effects{Tasks: tasks}, err
	},
	updated: func(ctx context.Context, q *request, _, r resource.Resource) { q.attend(ctx, r.ID) },
	gone: func(_ *Dispatcher, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		tasks := []store.Task{{Lane: actionPeriods + r.ID, Kind: KindAction, Replace: true}}
		if s := subjectOf(a); s != "" {
			tasks = append(tasks, lookTask(r.ID, look{Forget: s}))
		}
		return store.Effects{Tasks: tasks}, err
	},
}

// reviseAction checks an update of the action n as its creation was checked. Only who its requests are from may change it.
func reviseAction(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
	before, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	after := resource.Attributes{}
	for _, list := range []resource.Attributes{before, given} {
		for name, v := range list {
			if after[name] = v; string(v) == "null" {
				delete(after, name)
			}
		}
	}
	if err := resource.CheckState(resource.TypeAction, "", after); err != nil {
		return err
	}
	for _, id := range given.Strings("dep") {
		d, err := q.d.getResource(ctx, id, q.now)
		if err != nil || d.Resource.Type != resource.TypeDependency || d.Resource.ParentID != n.Resource.ID {
			return primitive.Errorf(primitive.BadRequest, "%q is no dependency of the action (dep)", id)
		}
	}
	return q.checkAction(ctx, after, primitive.Address{ID: n.Resource.ParentID})
}

// checkAction checks the action with the attributes a whose parent is at parent, TS-0004 clause 7.4.65.2.1: the originator must be who its
// request is from, and be allowed to retrieve its subject and to do the request.
func (q *request) checkAction(ctx context.Context, a resource.Attributes, parent primitive.Address) error {
	if _, given := a["ipu"]; given {
		return primitive.Errorf(primitive.NotImplemented, "the input (ipu) of actions is not implemented")
	}
	r, err := actionRequest(a)
	if err != nil {
		return err
	}
	if q.d.Identity.LocalID(r.From) != q.originator {
		return primitive.Errorf(primitive.BadRequest, "the request of an action must be from its originator (fr in apv)")
	}
	if err := q.checkObject(ctx, r); err != nil {
		return err
	}
	subject, err := q.d.Store.Get(ctx, parent, q.now)
	if sri := a.String("sri"); sri != "" {
		subject, err = q.d.getResource(ctx, sri, q.now)
	}
	if err != nil {
		return ofReference("sri", err)
	}
	return q.checkCriterion(ctx, "sri", a, subject)
}

// checkCriterion checks that the originator may know about subject, which the attribute name refers to, and that the criterion in a is one
// about it.
func (q *request) checkCriterion(ctx context.Context, name string, a resource.Attributes, subject store.Node) error {
	if err := q.agree(ctx, q.who(resource.MayRetrieve, 0), subject); err != nil {
		return ofReference(name, err)
	}
	if err := subject.Resource.CheckCriterion(a.Criterion()); err != nil {
		return primitive.Errorf(primitive.BadRequest, "the evalCriteria (evc) %v", err)
	}
	return nil
}

// checkObject checks that the originator may do r. What another CSE hosts it finds out when it does it.
func (q *request) checkObject(ctx context.Context, r primitive.Request) error {
	if !q.d.Identity.Local(r.To) {
		return nil
	}
	object, err := q.d.getResource(ctx, r.To, q.now)
	if err != nil {
		return ofReference("orc", err)
	}
	permission := map[primitive.Operation]resource.Permission{
		primitive.Create: resource.MayCreate, primitive.Retrieve: resource.MayRetrieve, primitive.Update: resource.MayUpdate,
		primitive.Delete: resource.MayDelete, primitive.Notify: resource.MayNotify,
	}[r.Operation]
	who := q.who(permission, resource.Type(r.ResourceType))
	if err := q.agree(ctx, who, object); err != nil {
		return ofReference("orc", err)
	}
	return nil
}

// ofReference is what a request is told whose attribute name refers to a resource that cannot be used because of err.
func ofReference(name string, err error) error {
	if e := asError(err); e.Status < primitive.InternalServerError {
		return primitive.Errorf(primitive.BadRequest, "what the attribute %q refers to cannot be used: %s", name, e.Detail)
	}
	return err
}

// getResource is the resource of this CSE at the address to.
func (d *Dispatcher) getResource(ctx context.Context, to string, now time.Time) (store.Node, error) {
	a, err := d.resolve(ctx, to, now)
	if err != nil {
		return store.Node{}, err
	}
	n, err := d.Store.Get(ctx, a.Owner(), now)
	return n, err
}

// carried are the parameters of a request that an action can make.
var carried = []string{"op", "to", "fr", "rqi", "ty", "pc", "rvi", "rcn", "atrl", "vsi", "ec"}

// actionRequest is the request that the action with the attributes a makes: its actionPrimitive to its objectResourceID. Parameters that
// would be lost are refused.
func actionRequest(a resource.Attributes) (primitive.Request, error) {
	var given map[string]json.RawMessage
	var p struct {
		Operation     primitive.Operation `json:"op"`
		From          string              `json:"fr"`
		RequestID     string              `json:"rqi"`
		Type          int                 `json:"ty"`
		Content       json.RawMessage     `json:"pc"`
		Release       string              `json:"rvi"`
		ResultContent *int                `json:"rcn"`
		Attributes    []string            `json:"atrl"`
		Vendor        string              `json:"vsi"`
		Category      int                 `json:"ec"`
	}
	if err := errors.Join(json.Unmarshal(a["apv"], &given), json.Unmarshal(a["apv"], &p)); err != nil {
		return primitive.Request{}, primitive.Errorf(primitive.BadRequest, "the actionPrimitive (apv) is no request: %v", err)
	}
	for name := range given {
		if !slices.Contains(carried, name) {
			return primitive.Request{}, primitive.Errorf(primitive.NotImplemented,
				"the parameter %q of an actionPrimitive (apv) is not implemented", name)
		}
	}
	if p.Operation < primitive.Create || p.Operation > primitive.Notify || p.RequestID == "" {
		return primitive.Request{}, primitive.Errorf(primitive.BadRequest,
			"the actionPrimitive (apv) needs an operation (op) and a request identifier (rqi)")
	}
	r := primitive.Request{
		Operation: p.Operation, To: a.String("orc"), From: p.From, RequestID: p.RequestID, ResourceType: p.Type, Content: p.Content,
		ReleaseVersion: p.Release, ResultContent: primitive.DefaultResult, AttributeList: p.Attributes, VendorInformation: p.Vendor,
		EventCategory: p.Category,
	}
	if p.ResultContent != nil {
		r.ResultContent = primitive.ResultContent(*p.ResultContent)
	}
	return r, nil
}

// look is the body of a task in the lane actionLooks. The zero look evaluates the action for its subject as it is.
type look struct {
	Value  json.RawMessage `json:"value,omitempty"`  // of the attribute in its criterion, as it was after a change
	Attend bool            `json:"attend,omitempty"` // see that the subject knows the action
	Forget string          `json:"forget,omitempty"` // have this subject know it no more: the action is gone
}

func lookTask(id string, l look) store.Task {
	body, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings, and JSON that has been read before
	}
	return store.Task{Lane: actionLooks + id, Kind: KindAction, Body: body}
}

// actionsNote is the note of a subject that has actions: the attribute each looks at, by the identifier of the action.
const actionsNote = "actions"

// actionsOn has the actions evaluated of which r is the subject, because it has changed. With settled, r is as it is after the change.
func actionsOn(r resource.Resource, settled bool) (store.Effects, error) {
	if !bytes.Contains(r.Attributes, []byte(`"_`+actionsNote+`":`)) {
		return store.Effects{}, nil
	}
	a, err := r.Decode()
	if err != nil {
		return store.Effects{}, err
	}
	var actions map[string]string
	a.Note(actionsNote, &actions)
	var effects store.Effects
	for id, name := range actions {
		var l look
		if settled {
			l.Value, _ = members(r)[name].(json.RawMessage)
		}
		effects.Tasks = append(effects.Tasks, lookTask(id, l))
	}
	return effects, nil
}

// FollowActions evaluates actions, and makes their requests. All of it may be done again.
func (d *Dispatcher) FollowActions(ctx context.Context, turn store.Turn) store.Outcome {
	done, err := 0, error(nil)
	for _, t := range turn.Tasks {
		now := clock.Now()
		if id, ok := strings.CutPrefix(turn.Lane, actionRuns); ok {
			err = d.runAction(ctx, id, t.Body, now)
		} else if id, ok := strings.CutPrefix(turn.Lane, actionPeriods); ok {
			err = d.periodPassed(ctx, id, now)
		} else {
			err = d.lookAtAction(ctx, strings.TrimPrefix(turn.Lane, actionLooks), t.Body, now)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			d.Log.Warn("an action could not be followed, next try follows", "lane", turn.Lane, "error", err)
			return store.Outcome{Done: done, Again: worker.Backoff(now, turn.Attempts, time.Minute), Failed: true}
		}
		done++
	}
	return store.Outcome{Done: done}
}

func (d *Dispatcher) lookAtAction(ctx context.Context, id string, body json.RawMessage, now time.Time) error {
	var l look
	if err := json.Unmarshal(body, &l); err != nil {
		return fmt.Errorf("read what to look at: %w", err)
	}
	switch {
	case l.Forget != "":
		return d.setActionOf(ctx, l.Forget, id, "", now)
	case l.Attend:
		return d.attendAction(ctx, id, now)
	}
	return d.evaluateAction(ctx, id, l.Value, now)
}
