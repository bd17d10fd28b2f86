package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// The values of m2m:evalMode of Release 4.
const (
	evaluateNever      = 0
	evaluateOnce       = 1 // until the criterion was fulfilled once
	evaluatePeriodic   = 2 // the criterion counts once in every period of evalControlParam milliseconds
	evaluateContinuous = 3 // the criterion is evaluated evalControlParam times
)

const (
	defaultActionPeriod = 10 * time.Second
	defaultActionCount  = 1000
	// actionNote is the note of an action that keeps its actionState, subjectNote that with the identifier of the subject that knows it.
	actionNote  = "state"
	subjectNote = "subject"
)

// actionState is how far an action has come. The zero actionState is one that is not evaluated.
type actionState struct {
	Left   int64         `json:"left,omitempty"`   // how often it may still make its request; negative for any number
	Each   bool          `json:"each,omitempty"`   // Left counts evaluations, whatever comes of them
	Period time.Duration `json:"period,omitempty"` // of a periodic one
	Next   time.Time     `json:"next,omitzero"`    // not before this
	Since  time.Time     `json:"since,omitzero"`   // when its periods began
}

// actionStateOf is that of an action with the attributes a that is set anew at now.
func actionStateOf(a resource.Attributes, now time.Time) actionState {
	mode, parameter := a.Int("evm"), a.Int("ecp")
	if mode == nil {
		return actionState{}
	}
	switch *mode {
	case evaluateOnce:
		return actionState{Left: 1}
	case evaluatePeriodic:
		s := actionState{Left: -1, Period: defaultActionPeriod, Since: now}
		if parameter != nil {
			s.Period = milliseconds(*parameter)
		}
		return s
	case evaluateContinuous:
		s := actionState{Left: defaultActionCount, Each: true}
		if parameter != nil {
			s.Left = *parameter
		}
		return s
	}
	return actionState{}
}

// ready reports whether the action may make its request at now.
func (s actionState) ready(now time.Time) bool { return s.Left != 0 && !now.Before(s.Next) }

// ran is s after the request was made, or an evaluation that counts, at now.
func (s actionState) ran(now time.Time) actionState {
	if s.Left > 0 {
		s.Left--
	}
	if s.Period > 0 {
		s.Next = s.boundary(now)
	}
	return s
}

// boundary is when the next period begins after now; zero if there are none.
func (s actionState) boundary(now time.Time) time.Time {
	if s.Period <= 0 {
		return time.Time{}
	}
	return s.Since.Add((now.Sub(s.Since)/s.Period + 1) * s.Period)
}

func stateOf(a resource.Attributes) actionState {
	var s actionState
	a.Note(actionNote, &s)
	return s
}

// subjectOf is the identifier of the resource that knows that it is the subject of the action with the attributes a; empty for none.
func subjectOf(a resource.Attributes) string {
	var id string
	a.Note(subjectNote, &id)
	return id
}

// periodTimer sets or stops the timer of the action with the attributes a, whose state is new.
func periodTimer(id string, a resource.Attributes) []store.Task {
	t := store.Task{Lane: actionPeriods + id, Kind: KindAction, Replace: true}
	if s := stateOf(a); s.Period > 0 {
		t.Due, t.Body = s.boundary(s.Since), json.RawMessage(`{}`)
	}
	return []store.Task{t}
}

// periodPassed evaluates a periodic action at the beginning of a period, and sets the timer for the next. A subject that fulfils the
// criterion and does not change is so counted in every period.
func (d *Dispatcher) periodPassed(ctx context.Context, id string, now time.Time) error {
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	s := stateOf(a)
	if s.Period <= 0 {
		return nil
	}
	if err := d.evaluateAction(ctx, id, nil, now); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return d.Store.Add(ctx, store.Task{
		Lane: actionPeriods + id, Kind: KindAction, Due: s.boundary(now), Replace: true, Body: json.RawMessage(`{}`),
	})
}

// attend has the subject of an action know it before the request that made or changed the action is answered. Should that fail, a task does
// it later.
func (q *request) attend(ctx context.Context, id string) {
	if err := q.d.attendAction(ctx, id, q.now); err != nil {
		q.d.Log.Debug("the subject of an action is told later", "action", id, "error", err)
	}
}

// attendAction has the subject of the action with the identifier id know it, and no other one.
func (d *Dispatcher) attendAction(ctx context.Context, id string, now time.Time) error {
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil || n.Resource.Type != resource.TypeAction {
		return err
	}
	subject := n.Resource.ParentID
	if sri := a.String("sri"); sri != "" {
		s, err := d.getResource(ctx, sri, now)
		if err != nil {
			return unlessGone(err)
		}
		subject = s.Resource.ID
	}
	if err := d.setActionOf(ctx, subject, id, a.Criterion().Attribute, now); err != nil {
		return unlessGone(err)
	}
	before := subjectOf(a)
	if before == subject {
		return nil
	}
	_, err = d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		a.SetNote(subjectNote, subject)
		c.Resource.Attributes = a.Encode()
		return c, nil
	})
	if errors.Is(err, store.ErrNotFound) { // it went meanwhile
		return unlessGone(d.setActionOf(ctx, subject, id, "", now))
	}
	if err != nil || before == "" {
		return err
	}
	return unlessGone(d.setActionOf(ctx, before, id, "", now))
}

// setActionOf notes at the resource with the identifier subject that the action with the identifier id looks at its attribute name; an
// empty name removes the action.
func (d *Dispatcher) setActionOf(ctx context.Context, subject, id, name string, now time.Time) error {
	at := primitive.Address{ID: subject}
	n, err := d.Store.Get(ctx, at, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	var actions map[string]string
	if a.Note(actionsNote, &actions); actions[id] == name {
		return nil
	}
	_, err = d.Store.Update(ctx, at, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		actions := map[string]string{}
		a.Note(actionsNote, &actions)
		actions[id] = name
		if name == "" {
			delete(actions, id)
		}
		a.SetNote(actionsNote, actions)
		if len(actions) == 0 {
			a.SetNote(actionsNote, nil)
		}
		c.Resource.Attributes = a.Encode()
		return c, nil
	})
	return err
}

// evaluateAction evaluates the action with the identifier id, and has its request made if the criterion and the dependencies are
// fulfilled. value is that of the attribute in the criterion; nil is the one it has now.
func (d *Dispatcher) evaluateAction(ctx context.Context, id string, value json.RawMessage, now time.Time) error {
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil || !stateOf(a).ready(now) {
		return err
	}
	if value == nil {
		subject, err := d.Store.Get(ctx, primitive.Address{ID: subjectOf(a)}, now)
		if err != nil {
			return err
		}
		value, _ = members(subject.Resource)[a.Criterion().Attribute].(json.RawMessage)
	}
	met := a.Criterion().Holds(value)
	if met {
		if met, err = d.dependenciesMet(ctx, a.Strings("dep"), now); err != nil {
			return err
		}
	}
	if !met && !stateOf(a).Each {
		return nil
	}
	_, err = d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		s := stateOf(a)
		if !s.ready(now) {
			return c, nil // it was another instance's turn
		}
		a.SetNote(actionNote, s.ran(now))
		c.Resource.Attributes = a.Encode()
		if !met {
			return c, nil
		}
		c.After = func(resource.Resource) (store.Effects, error) {
			body, err := json.Marshal(actionRun{ID: newID(now)})
			return store.Effects{Tasks: []store.Task{{Lane: actionRuns + id, Kind: KindAction, Body: body}}}, err
		}
		return c, nil
	})
	return err
}

// dependenciesMet evaluates the dependencies with the identifiers in ids in their order: one that is sufficient and fulfilled decides,
// as does one that is necessary and not. Those that are gone do not count; if none is left, they are not met.
func (d *Dispatcher) dependenciesMet(ctx context.Context, ids []string, now time.Time) (bool, error) {
	met := len(ids) == 0
	for _, id := range ids {
		n, err := d.getResource(ctx, id, now)
		if unlessGone(err) != nil {
			return false, err
		}
		if err != nil {
			continue
		}
		a, err := n.Resource.Decode()
		if err != nil {
			return false, err
		}
		subject, err := d.getResource(ctx, a.String("rri"), now)
		if unlessGone(err) != nil {
			return false, err
		}
		if err != nil {
			continue
		}
		c := a.Criterion()
		value, _ := members(subject.Resource)[c.Attribute].(json.RawMessage)
		switch holds, sufficient := c.Holds(value), a.Bool("sfc"); {
		case holds && sufficient:
			return true, nil
		case holds:
			met = true
		case !sufficient:
			return false, nil
		}
	}
	return met, nil
}

// actionRun is the body of a task in the lane actionRuns.
type actionRun struct {
	ID string `json:"id"` // unique, so that a request that is made again is known by its identifier
}

// runAction makes the request of the action with the identifier id, and keeps what came of it.
func (d *Dispatcher) runAction(ctx context.Context, id string, body json.RawMessage, now time.Time) error {
	var run actionRun
	if err := json.Unmarshal(body, &run); err != nil {
		return err
	}
	n, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	r, err := actionRequest(a)
	if err != nil {
		return nil // it has been changed by a program that knows more than this one; there is nothing to be done
	}
	asked := r.RequestID
	r.RequestID += "-" + run.ID
	response := d.Handle(ctx, r)
	if response.RetryAfter > 0 {
		return primitive.Errorf(response.Status, "the request of the action could not be made: %s", debug(response))
	}
	response.RequestID = asked
	_, err = d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		a.Set("air", response.Object(""))
		c.Resource.ModifiedAt, c.Resource.Attributes = now, a.Encode()
		c.After = func(r resource.Resource) (store.Effects, error) {
			return d.notices(n.Subscriptions, event{
				kind: eventUpdate, at: now, subject: r, affected: r, given: resource.Attributes{"air": a["air"]},
			})
		}
		return c, nil
	})
	return err
}
