package client

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Notification tells about an event, TS-0004 table 6.5.1-1 (m2m:sgn).
type Notification struct {
	Event                 *NotificationEvent // nil if there is none, as when the subscription has ended
	VerificationRequest   bool               // the CSE asks whether notifications are welcome
	SubscriptionDeletion  bool               // the subscription has ended
	SubscriptionReference string             // address of the subscription
	Creator               string             // who made the subscription; of a verification request
	ForwardingURI         string             // notificationForwardingURI of a group's subscription
	From                  string             // the CSE, or who notified through it
	RequestID             string             // of the request that carried it
}

// NotificationEvent is what happened.
type NotificationEvent struct {
	Type           Event           `json:"net"` // zero if the CSE does not say
	Representation json.RawMessage `json:"rep"` // what the subscription's notificationContentType asks for; nil if there is none
	Operation      *struct {
		Operation  Operation `json:"op"`
		Originator string    `json:"or"`
	} `json:"om"` // what caused the event; nil if the subscription does not ask for it
}

// Decode fills r with the resource that the notification is about. With ModifiedAttributes r has only those that changed.
func (e *NotificationEvent) Decode(r Resource) error { return decode(e.Representation, r) }

// ResourceID is the address of the resource that the notification is about, if the subscription asks for nothing more.
func (e *NotificationEvent) ResourceID() string {
	var content struct {
		URI string `json:"m2m:uri"`
	}
	_ = json.Unmarshal(e.Representation, &content) // anything else has no address
	return content.URI
}

// wireNotification is m2m:sgn.
type wireNotification struct {
	Event    *NotificationEvent `json:"nev"`
	Verify   bool               `json:"vrq"`
	Deletion bool               `json:"sud"`
	Sub      string             `json:"sur"`
	Creator  string             `json:"cr"`
	Forward  string             `json:"nfu"`
}

var errNoNotification = errors.New("the content is neither m2m:sgn nor m2m:agn")

// notifications are those in content: one (m2m:sgn) or a batch (m2m:agn).
func notifications(content json.RawMessage, from, requestID string) ([]Notification, error) {
	type single struct {
		Notification oneOrMore[wireNotification] `json:"m2m:sgn"`
	}
	var outer struct {
		single
		Batch oneOrMore[single] `json:"m2m:agn"`
	}
	if err := json.Unmarshal(content, &outer); err != nil {
		return nil, err
	}
	all := outer.Notification
	for _, s := range outer.Batch {
		all = append(all, s.Notification...)
	}
	if len(all) == 0 {
		return nil, errNoNotification
	}
	list := make([]Notification, len(all))
	for i, w := range all {
		list[i] = Notification{
			Event: w.Event, VerificationRequest: w.Verify, SubscriptionDeletion: w.Deletion, SubscriptionReference: w.Sub,
			Creator: w.Creator, ForwardingURI: w.Forward, From: from, RequestID: requestID,
		}
	}
	return list, nil
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && (b[0] == '[' || b[0] == 'n') { // a list or null
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = oneOrMore[T]{one}
	return nil
}
