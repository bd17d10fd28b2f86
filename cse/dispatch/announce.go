package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// TaskAnnounce is the kind of the tasks that keep announcements as their originals are; the lane is the original's.
	TaskAnnounce = "announce"
	// announceWait is how long a request waits for what it has announced, so that its answer tells the addresses.
	announceWait = 3 * time.Second
	// followWait is how long other requests wait for announcements to follow them. It is short, because a CSE that is away must not slow
	// down every change of what was announced to it.
	followWait = 300 * time.Millisecond
	// maxAnnouncements bounds the announcements of one resource, which are made one after the other.
	maxAnnouncements = 256
	// pendingNote is the note in a resource of where it is still to be announced: CSE-IDs, or addresses to be announced under.
	pendingNote = "pending"
	// announcedNote is the note of what the announcements of a resource hold, as an announcedContent by their address.
	announcedNote = "announced"
)

// announcedContent is what an announcement holds, so that it is only updated when that changes.
type announcedContent map[string]json.RawMessage

// announceTask is the body of a task of the kind TaskAnnounce.
type announceTask struct {
	Original string   `json:"ri"`           // to be announced as it is when the task is done
	Withdraw []string `json:"gone"`         // addresses of announcements to be deleted before
	Box      string   `json:"box"`          // told when the task has been tried; empty if nobody waits
	Type     int      `json:"ty,omitempty"` // of the original
}

func announceLane(id string) string { return TaskAnnounce + " " + id }

// toAnnounce completes the attributes of r, which an originator just gave, by what follows from announceTo and announcedAttribute.
// before are the attributes r had, nil for a new one, and asked says whether announceTo was among what was given. The attribute
// announceTo keeps the addresses of announcements that there are; what is still to be done is noted. TS-0001 clauses 9.6.1.3.2 and 9.6.26.
func (q *request) toAnnounce(r *resource.Resource, attributes, before resource.Attributes, asked bool) error {
	if attributes["at"] == nil && before["at"] == nil && attributes["aa"] == nil && !r.Announced {
		return nil
	}
	if r.Type.Announced() != 0 {
		if err := announceable(*r, attributes); err != nil {
			return err
		}
	}
	done := before.Strings("at")
	var pending, kept []string
	before.Note(pendingNote, &pending)
	if asked {
		wanted := unique(attributes.Strings("at"))
		if len(wanted) > maxAnnouncements {
			return primitive.Errorf(primitive.BadRequest, "a resource is announced to at most %d others (announceTo)", maxAnnouncements)
		}
		pending = slices.DeleteFunc(pending, func(target string) bool { return !slices.Contains(wanted, target) })
		for _, target := range wanted {
			i := slices.IndexFunc(done, func(address string) bool { return address == target || cseOf(address) == target })
			switch {
			case i >= 0:
				kept = append(kept, done[i])
			case !slices.Contains(pending, target):
				pending = append(pending, target)
			}
		}
		setAddresses(attributes, kept, pending)
	} else {
		kept = done
	}
	r.Announced = len(kept)+len(pending) > 0
	return nil
}

// setAddresses sets the addresses of announcements and where others are still to be.
func setAddresses(attributes resource.Attributes, addresses, pending []string) {
	delete(attributes, "at")
	if len(addresses) > 0 {
		attributes.Set("at", addresses)
	}
	attributes.SetNote(pendingNote, nil)
	if len(pending) > 0 {
		attributes.SetNote(pendingNote, pending)
	}
}

// announceable checks announcedAttribute, and takes those out that resources like r do not announce, or not for being named.
func announceable(r resource.Resource, attributes resource.Attributes) error {
	names := attributes.Strings("aa")
	if len(names) == 0 {
		return nil
	}
	kept := []string{}
	for _, name := range names {
		if !r.Has(name) {
			return primitive.Errorf(primitive.BadRequest, "%s has no attribute %q to be announced (announcedAttribute)", r.Type, name)
		}
		if r.Announcement(name) != resource.NA && name != "acpi" {
			kept = append(kept, name)
		}
	}
	if len(kept) == 0 {
		delete(attributes, "aa")
		return nil
	}
	attributes.Set("aa", kept)
	return nil
}

// announcing is what the creation or the change of r brings with it; before is zero for a creation.
func (q *request) announcing(before, r resource.Resource) (store.Effects, error) {
	if !before.Announced && !r.Announced {
		return store.Effects{}, nil
	}
	var then resource.Attributes
	var err error
	if before.Announced {
		if then, err = before.Decode(); err != nil {
			return store.Effects{}, err
		}
	}
	now, err := r.Decode()
	if err != nil {
		return store.Effects{}, err
	}
	withdraw := slices.DeleteFunc(then.Strings("at"), func(address string) bool { return slices.Contains(now.Strings("at"), address) })
	var pending, pendingThen []string
	now.Note(pendingNote, &pending)
	then.Note(pendingNote, &pendingThen)
	q.awaitsAddresses = len(withdraw) > 0 || !slices.Equal(pending, pendingThen)
	if q.announcement == "" {
		q.announcement = TaskAnnounce + " " + newID(q.now)
	}
	return announceEffects(announceTask{Original: r.ID, Withdraw: withdraw, Box: q.announcement}), nil
}

// withdrawing is what the removal of r brings with it, if it was announced. box is told when it is done.
func withdrawing(r resource.Resource, box string) (store.Effects, error) {
	if !r.Announced {
		return store.Effects{}, nil
	}
	a, err := r.Decode()
	if err != nil {
		return store.Effects{}, err
	}
	return announceEffects(announceTask{Original: r.ID, Withdraw: a.Strings("at"), Box: box}), nil
}

func announceEffects(t announceTask) store.Effects {
	body, err := json.Marshal(t)
	if err != nil {
		panic(err) // only strings
	}
	return store.Effects{Tasks: []store.Task{{Lane: announceLane(t.Original), Kind: TaskAnnounce, Body: body}}}
}

// announced waits until the announcements that q brought about have been tried, and returns r as it is then. It does not wait for long:
// the tasks will be done, whether somebody waits or not.
func (q *request) announced(ctx context.Context, r resource.Resource) resource.Resource {
	if q.announcement == "" {
		return r
	}
	q.awaitAnnouncement(ctx)
	n, err := q.d.Store.Get(ctx, primitive.Address{ID: r.ID}, q.now)
	if err != nil {
		return r
	}
	return n.Resource
}

func (q *request) awaitAnnouncement(ctx context.Context) {
	if q.announcement == "" {
		return
	}
	wait := followWait
	if q.awaitsAddresses || q.Operation == primitive.Delete {
		wait = announceWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	wake, stop := q.d.Store.Wake(q.announcement)
	defer stop()
	look := time.NewTicker(wait / 10)
	defer look.Stop()
	for {
		if _, err := q.d.Store.Receive(ctx, q.announcement, clock.Now()); !errors.Is(err, store.ErrNotFound) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-look.C:
		}
	}
}

// spRelative is the identifier id of a resource or an entity of this CSE as other CSEs know it.
func (d *Dispatcher) spRelative(id string) string {
	if strings.HasPrefix(id, "/") {
		return id
	}
	return d.Identity.CSEID + "/" + id
}
