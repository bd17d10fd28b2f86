package resource

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

// EventCriteria is an eventNotificationCriteria, TS-0001 table 9.6.8-3. The zero value selects updates of the resource.
type EventCriteria struct {
	Events     []int64            `json:"net"`  // notificationEventTypes; empty is update of the resource, or the monitored operations
	ChildTypes []Type             `json:"chty"` // of children created or deleted; empty is all
	Attributes []string           `json:"atr"`  // of which one must be in an update; empty is any
	Monitored  []OperationMonitor `json:"om"`
	Missing    *MissingData       `json:"md"` // nil unless missing data is reported

	CreatedBefore   string   `json:"crb"` // m2m:timestamp, as the other instants; empty if not given
	CreatedAfter    string   `json:"cra"`
	ModifiedSince   string   `json:"ms"`
	UnmodifiedSince string   `json:"us"`
	StateTagSmaller *int64   `json:"sts"`
	StateTagBigger  *int64   `json:"stb"`
	ExpireBefore    string   `json:"exb"`
	ExpireAfter     string   `json:"exa"`
	SizeAbove       *int64   `json:"sza"`
	SizeBelow       *int64   `json:"szb"`
	Labels          []string `json:"lbl"` // of which the resource must have one; empty is any
	Relation        int      `json:"fo"`  // m2m:filterOperation of the conditions: 1 all, 2 one, 3 exactly one; 0 is all
}

// OperationMonitor is m2m:operationMonitor.
type OperationMonitor struct {
	Operation  primitive.Operation `json:"ops,omitempty"` // zero is any
	Originator string              `json:"org,omitempty"` // empty is any
}

// UnmarshalJSON also reads the form of Release 2, which is the operation alone, and the originator by its other name.
func (m *OperationMonitor) UnmarshalJSON(b []byte) error {
	*m = OperationMonitor{}
	if json.Unmarshal(b, &m.Operation) == nil {
		return nil
	}
	var o struct {
		Operation primitive.Operation `json:"ops"`
		Org       string              `json:"org"`
		Or        string              `json:"or"`
	}
	err := json.Unmarshal(b, &o)
	if m.Operation, m.Originator = o.Operation, o.Org; m.Originator == "" {
		m.Originator = o.Or
	}
	return err
}

// Covers reports whether m is about an operation of originator, which is in CSE-relative form.
func (m OperationMonitor) Covers(operation primitive.Operation, originator string) bool {
	return (m.Operation == 0 || m.Operation == operation) && (m.Originator == "" || m.Originator == originator)
}

// MissingData is m2m:missingData.
type MissingData struct {
	Number   int64  `json:"num"`
	Duration string `json:"dur"` // see ParseDuration
}

// Criteria reads the eventNotificationCriteria of a subscription; none is the zero value.
func (a Attributes) Criteria() EventCriteria {
	var c EventCriteria
	_ = json.Unmarshal(a["enc"], &c) // validated when it was accepted
	return c
}

// Selects reports whether the conditions of c hold for subject, the resource that was subscribed to; size is that of the content which
// the event is about. Bounds are as in a filter, TS-0004 clause 7.3.3.17: lower ones inclusive, upper ones exclusive.
func (c EventCriteria) Selects(subject Resource, size int64) bool {
	var held, failed int
	condition := func(given, holds bool) {
		switch {
		case given && holds:
			held++
		case given:
			failed++
		}
	}
	before := func(bound string, t time.Time) {
		at, err := primitive.ParseTimestamp(bound)
		condition(bound != "", err == nil && t.Before(at))
	}
	since := func(bound string, t time.Time) {
		at, err := primitive.ParseTimestamp(bound)
		condition(bound != "", err == nil && !t.Before(at))
	}
	before(c.CreatedBefore, subject.CreatedAt)
	since(c.CreatedAfter, subject.CreatedAt)
	since(c.ModifiedSince, subject.ModifiedAt)
	before(c.UnmodifiedSince, subject.ModifiedAt)
	expiresAt := subject.ExpiresAt
	if expiresAt.IsZero() {
		expiresAt = never
	}
	before(c.ExpireBefore, expiresAt)
	since(c.ExpireAfter, expiresAt)
	condition(c.StateTagSmaller != nil, c.StateTagSmaller != nil && subject.StateTag < *c.StateTagSmaller)
	condition(c.StateTagBigger != nil, c.StateTagBigger != nil && subject.StateTag >= *c.StateTagBigger)
	condition(c.SizeAbove != nil, c.SizeAbove != nil && size >= *c.SizeAbove)
	condition(c.SizeBelow != nil, c.SizeBelow != nil && size < *c.SizeBelow)
	condition(len(c.Labels) > 0, len(c.Labels) > 0 && hasLabel(subject, c.Labels))
	switch c.Relation {
	case 2:
		return held > 0 || failed == 0
	case 3:
		return held == 1 || held+failed == 0
	}
	return failed == 0
}

// never is later than any timestamp.
var never = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

func hasLabel(r Resource, wanted []string) bool {
	a, err := r.Decode()
	return err == nil && slices.ContainsFunc(a.Strings("lbl"), func(l string) bool { return slices.Contains(wanted, l) })
}
