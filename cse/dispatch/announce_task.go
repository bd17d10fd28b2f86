package dispatch

import (
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

const (
	// announceBackoff is the longest pause between two tries to announce.
	announceBackoff = time.Minute
	// announceTries is how often is tried to withdraw an announcement of a resource that is gone: for about a week.
	announceTries = 10000
)

// Announce does tasks of the kind TaskAnnounce. What it does can be done twice: an announcement that is there is found again.
func (d *Dispatcher) Announce(ctx context.Context, turn store.Turn) store.Outcome {
	for i, task := range turn.Tasks {
		attempts := turn.Attempts
		if i > 0 {
			attempts = 0
		}
		var t announceTask
		if err := json.Unmarshal(task.Body, &t); err != nil {
			d.Log.Error("a task cannot be read, it is dropped", "kind", turn.Kind, "lane", turn.Lane, "error", err)
			continue
		}
		err := d.announce(ctx, t, attempts > 0)
		if t.Box != "" && attempts == 0 {
			if e := d.Store.Post(ctx, store.Message{Box: t.Box, Until: clock.Now().Add(2 * announceWait), Body: json.RawMessage("{}")}); e != nil {
				d.Log.Debug("nobody can be told of an announcement", "lane", turn.Lane, "error", e)
			}
		}
		if err != nil && attempts < announceTries {
			d.Log.Debug("an announcement failed, next try follows", "lane", turn.Lane, "attempts", attempts, "error", err)
			return store.Outcome{Done: i, Again: worker.Backoff(clock.Now(), attempts, announceBackoff), Failed: true}
		}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

// announce makes the announcements of one resource what they are to be. An error says to try again.
func (d *Dispatcher) announce(ctx context.Context, t announceTask, again bool) error {
	var problem error
	for _, address := range t.Withdraw {
		problem = errors.Join(problem, d.withdraw(ctx, address))
	}
	n, err := d.Store.Get(ctx, primitive.Address{ID: t.Original}, clock.Now())
	if errors.Is(err, store.ErrNotFound) {
		return problem
	}
	if err != nil {
		return err
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	content := d.announcementOf(n.Resource, a)
	var pending []string
	a.Note(pendingNote, &pending)
	for _, target := range pending {
		address, err := d.announceAt(ctx, n.Resource, target, content, again)
		switch {
		case err != nil && lasting(err):
			d.Log.Info("a resource cannot be announced", "resource", t.Original, "target", target, "error", err)
			err = d.settleAnnouncement(ctx, t.Original, target, "", nil)
		case err == nil:
			err = d.settleAnnouncement(ctx, t.Original, target, address, content)
		}
		problem = errors.Join(problem, err)
	}
	held := map[string]announcedContent{}
	a.Note(announcedNote, &held)
	for _, address := range a.Strings("at") {
		problem = errors.Join(problem, d.refresh(ctx, n.Resource, address, held[address], content))
	}
	return problem
}

// lasting reports whether a refusal will be the same the next time. That of a CSE which gets too many requests will not.
func lasting(err error) bool {
	var e *primitive.Error
	return errors.As(err, &e) && e.Status >= 4000 && e.Status < 5000 && e.Status != primitive.RequestTimeout && e.Err == nil && e.RetryAfter == 0
}

// settleAnnouncement keeps that the announcement for target is at address, or, if address is empty, that there is to be none. If nobody
// wants it any more, it is withdrawn.
func (d *Dispatcher) settleAnnouncement(ctx context.Context, id, target, address string, content announcedContent) error {
	wanted := false
	err := d.keepAnnouncements(ctx, id, func(a resource.Attributes, held map[string]announcedContent) {
		var pending []string
		a.Note(pendingNote, &pending)
		wanted = slices.Contains(pending, target)
		pending = slices.DeleteFunc(pending, func(p string) bool { return p == target })
		addresses := a.Strings("at")
		if wanted && address != "" {
			addresses = unique(append(addresses, address))
			held[address] = content
		}
		setAddresses(a, addresses, pending)
	})
	if err == nil && !wanted && address != "" || errors.Is(err, store.ErrNotFound) && address != "" {
		return d.withdraw(ctx, address)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// keepAnnouncements changes what the resource id knows of its announcements, without touching it otherwise.
func (d *Dispatcher) keepAnnouncements(ctx context.Context, id string,
	change func(a resource.Attributes, held map[string]announcedContent)) error {
	_, err := d.Store.Update(ctx, primitive.Address{ID: id}, clock.Now(), func(n store.Node) (store.Change, error) {
		a, err := n.Resource.Decode()
		if err != nil {
			return store.Change{}, err
		}
		held := map[string]announcedContent{}
		a.Note(announcedNote, &held)
		change(a, held)
		for address := range held {
			if !slices.Contains(a.Strings("at"), address) {
				delete(held, address)
			}
		}
		a.SetNote(announcedNote, nil)
		if len(held) > 0 {
			a.SetNote(announcedNote, held)
		}
		var pending []string
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		c.Resource.Announced = a.Note(pendingNote, &pending) || a["at"] != nil
		c.Resource.Attributes = a.Encode()
		return c, nil
	})
	return err
}

// withdraw deletes the announcement at address. One that is gone already, or that may not be deleted, is none any more.
func (d *Dispatcher) withdraw(ctx context.Context, address string) error {
	_, err := d.tellAnnouncement(ctx, address, primitive.Request{Operation: primitive.Delete})
	if lasting(err) {
		return nil
	}
	return err
}

// refresh updates the announcement of r at address from what it holds to content. If it is gone, so is its address.
func (d *Dispatcher) refresh(ctx context.Context, r resource.Resource, address string, held, content announcedContent) error {
	change := announcedContent{}
	for name, v := range content {
		if string(held[name]) != string(v) {
			change[name] = v
		}
	}
	for name := range held {
		if content[name] == nil {
			change[name] = json.RawMessage("null")
		}
	}
	delete(change, "mgd") // what it is does not change
	delete(change, "cnd")
	if len(change) == 0 {
		return nil
	}
	_, err := d.tellAnnouncement(ctx, address, primitive.Request{Operation: primitive.Update, ResultContent: primitive.Nothing,
		Content: wrap(r.AnnouncedElement(), change)})
	switch {
	case err == nil:
		err = d.keepAnnouncements(ctx, r.ID, func(_ resource.Attributes, all map[string]announcedContent) { all[address] = content })
	case primitive.AsError(err).Status == primitive.NotFound && lasting(err):
		err = d.keepAnnouncements(ctx, r.ID, func(a resource.Attributes, _ map[string]announcedContent) {
			var pending []string
			a.Note(pendingNote, &pending)
			setAddresses(a, slices.DeleteFunc(a.Strings("at"), func(x string) bool { return x == address }), pending)
		})
	case lasting(err):
		d.Log.Warn("an announcement cannot be updated", "resource", r.ID, "address", address, "error", err)
		return nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// tellAnnouncement sends r, on behalf of this CSE, to the address to. A refusal is an error with its status.
func (d *Dispatcher) tellAnnouncement(ctx context.Context, to string, r primitive.Request) (primitive.Response, error) {
	now := clock.Now()
	r.To, r.From, r.RequestID = to, d.Identity.CSEID, newID(now)
	if len(d.Releases) > 0 {
		r.ReleaseVersion = d.Releases[0]
	}
	response, err := d.send(ctx, to, r)
	if err != nil {
		if e := primitive.AsError(err); e.Status == primitive.NotFound { // no way there is known yet
			err = primitive.Errorf(primitive.TargetNotReachable, "%s", e.Detail)
		}
		return response, err
	}
	if !response.Status.OK() {
		return response, &primitive.Error{
			Status: response.Status, RetryAfter: response.RetryAfter,
			Detail: fmt.Sprintf("%s %s: %s", r.Operation, to, strings.TrimSpace(string(response.Content))),
		}
	}
	return response, nil
}
