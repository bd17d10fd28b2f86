package client

// Subscription asks for notifications about its parent, TS-0001 clause 9.6.8.
type Subscription struct {
	Common
	AccessControlPolicyIDs  []string       `json:"acpi,omitempty"`
	Creator                 string         `json:"cr,omitzero" m2m:"cse"`
	EventCriteria           *EventCriteria `json:"enc,omitzero"` // nil is every update of the parent
	ExpirationCounter       *int64         `json:"exc,omitzero"` // notifications until it ends
	NotificationURI         []string       `json:"nu,omitempty"` // AEs, or URLs; at least one
	GroupID                 string         `json:"gpi,omitzero"`
	ForwardingURI           string         `json:"nfu,omitzero"`
	BatchNotify             *BatchNotify   `json:"bn,omitzero"`
	RateLimit               *RateLimit     `json:"rl,omitzero"`
	PreSubscriptionNotify   *int64         `json:"psn,omitzero" m2m:"create"` // events before the subscription
	PendingNotification     int            `json:"pn,omitzero"`               // 1 the latest, 2 all, after the target was away
	StoragePriority         *int64         `json:"nsp,omitzero"`
	LatestNotify            *bool          `json:"ln,omitzero"`  // only the latest of what waits
	NotificationContentType ContentType    `json:"nct,omitzero"` // zero is the CSE's default
	EventCategory           any            `json:"nec,omitempty"`
	SubscriberURI           string         `json:"su,omitzero" m2m:"create"` // told when the subscription ends
}

// Kind implements Resource.
func (*Subscription) Kind() (ResourceType, string) { return TypeSubscription, "m2m:sub" }

// ContentType is what notifications carry, TS-0004 clause 6.3.4.2.19.
type ContentType int

// The notification contents.
const (
	AllAttributes      ContentType = 1
	ModifiedAttributes ContentType = 2
	ResourceID         ContentType = 3
)

// Event is what a subscription can notify about, TS-0004 clause 6.3.4.2.19.
type Event int

// The notification events.
const (
	EventUpdate         Event = 1 // of the parent; the default
	EventDelete         Event = 2 // of the parent
	EventCreateChild    Event = 3
	EventDeleteChild    Event = 4
	EventRetrieveAbsent Event = 5 // a retrieve of an instance of an empty container
	EventReportMissing  Event = 8 // of a timeSeries' data points; Release 3
)

// EventCriteria say which events notify, TS-0001 table 9.6.8-3.
type EventCriteria struct {
	Events          []Event        `json:"net,omitempty"`
	CreatedAfter    Timestamp      `json:"cra,omitzero"`
	CreatedBefore   Timestamp      `json:"crb,omitzero"`
	ModifiedSince   Timestamp      `json:"ms,omitzero"`
	UnmodifiedSince Timestamp      `json:"us,omitzero"`
	StateTagSmaller *int64         `json:"sts,omitzero"`
	StateTagBigger  *int64         `json:"stb,omitzero"`
	ExpireBefore    Timestamp      `json:"exb,omitzero"`
	ExpireAfter     Timestamp      `json:"exa,omitzero"`
	SizeAbove       *int64         `json:"sza,omitzero"`
	SizeBelow       *int64         `json:"szb,omitzero"`
	Operations      []int          `json:"om,omitempty"`
	Attributes      []string       `json:"atr,omitempty"`  // short names: only updates of these
	ChildTypes      []ResourceType `json:"chty,omitempty"` // only children of these types
	MissingData     *MissingData   `json:"md,omitzero"`
}

// MissingData notifies when so many data points of a timeSeries are missing within the duration.
type MissingData struct {
	Number   int64  `json:"num"`
	Duration string `json:"dur"` // xs:duration, such as PT10S
}

// BatchNotify collects notifications, TS-0001 clause 9.6.8.
type BatchNotify struct {
	Number   int64  `json:"num,omitzero"` // so many at once
	Duration string `json:"dur,omitzero"` // xs:duration after which fewer are sent, such as PT10S
}

// RateLimit bounds notifications, TS-0001 clause 9.6.8.
type RateLimit struct {
	MaxNrOfNotify int64 `json:"mnn"` // in one window
	TimeWindow    int64 `json:"tww"` // milliseconds
}
