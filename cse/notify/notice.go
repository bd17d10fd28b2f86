// Package notify sends what subscriptions ask for to their targets. A change of the resource tree leaves notices in the store, in its
// own transaction; any instance takes turns at them. Of each subscription the notices to one target are sent one after the other, in
// the order of the changes, and each at least once: one that is sent again has the same request identifier.
package notify

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// Kind is that of the tasks that are notices.
const Kind = "notify"

// Notice is one notification for one target. It is the body of a task.
type Notice struct {
	ID           string    `json:"id"` // unique; the request identifier is made of it
	Subscription string    `json:"sub"`
	Target       string    `json:"to"` // as the subscription names it
	At           time.Time `json:"at"` // when the event was
	// Content is the value of m2m:sgn. A notice without only has its lane looked at.
	Content json.RawMessage `json:"sgn,omitempty"`
	// Urgent notices do not wait for schedule, batch or rate, which are only for events.
	Urgent bool `json:"urgent,omitempty"`
	// Counts says that this one of the notices of an event is what the expirationCounter counts.
	Counts bool `json:"counts,omitempty"`
	// Batched, Latest and Category are what the subscription said at the event. They hold for notices that are left when it is gone.
	Batched  bool `json:"batched,omitempty"`
	Latest   bool `json:"latest,omitempty"`
	Category int  `json:"ec,omitempty"` // event category, as in primitive.Request
	// Box is where a message is posted when the notice has been tried for the first time; empty for nowhere.
	Box string `json:"box,omitempty"`
}

// Task is n to be sent.
func (n Notice) Task() store.Task {
	body, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings, and JSON that was just written
	}
	return store.Task{Lane: lane(n.Subscription, n.Target), Kind: Kind, Body: body}
}

// Forget drops the notices of a subscription to a target that have not been sent.
func Forget(subscription, target string) store.Task {
	return store.Task{Lane: lane(subscription, target), Kind: Kind, Replace: true}
}

// lanePrefix begins all lanes of notices.
const lanePrefix = "sub/"

// lane is that of the notices of one subscription to one target.
func lane(subscription, target string) string {
	hash := sha256.Sum256([]byte(target))
	return lanePrefix + subscription + "/" + strings.ToLower(base32.HexEncoding.EncodeToString(hash[:10]))
}

// parse reads the notice in a task.
func parse(t store.Task) (Notice, error) {
	var n Notice
	err := json.Unmarshal(t.Body, &n)
	return n, err
}

// content is what is sent of notices: the first alone, or all of them as m2m:aggregatedNotification, TS-0004 clause 6.3.5.11.
func content(notices []Notice, aggregate bool) json.RawMessage {
	if !aggregate {
		return primitive.Wrap("m2m:sgn", notices[0].Content)
	}
	list := make([]json.RawMessage, len(notices))
	for i, n := range notices {
		list[i] = n.Content
	}
	return primitive.Wrap("m2m:agn", map[string]any{"m2m:sgn": list})
}

// requestID is the same whenever the same notices are sent again.
func requestID(notices []Notice) string {
	first, last := notices[0].ID, notices[len(notices)-1].ID
	if first == last {
		return first
	}
	return first + "-" + last
}
