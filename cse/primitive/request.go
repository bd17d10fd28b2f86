package primitive

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Operation is what a request asks for, TS-0004 clause 6.3.4.2.5.
type Operation int

// The operations of TS-0001 clause 8.1.2. Discovery is a Retrieve with FilterUsage Discovery.
const (
	Create Operation = iota + 1
	Retrieve
	Update
	Delete
	Notify
)

func (o Operation) String() string {
	switch o {
	case Create:
		return "create"
	case Retrieve:
		return "retrieve"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Notify:
		return "notify"
	}
	return "unknown"
}

// ResultContent says what of the result the originator wants back, TS-0001 table 8.1.2-1.
type ResultContent int

// The result contents of Release 2, and ModifiedAttributes and DiscoveryReferences of Release 3. DefaultResult stands for what the
// operation answers when the originator does not say; it is not the zero value, which is Nothing.
const (
	DefaultResult         ResultContent = -1
	Nothing               ResultContent = 0
	Attributes            ResultContent = 1
	HierarchicalAddress   ResultContent = 2
	AddressAndAttributes  ResultContent = 3
	AttributesAndChildren ResultContent = 4
	AttributesAndRefs     ResultContent = 5
	ChildRefs             ResultContent = 6
	Original              ResultContent = 7
	Children              ResultContent = 8
	ModifiedAttributes    ResultContent = 9
	DiscoveryReferences   ResultContent = 11
)

// ResponseType says how the originator wants to be answered, TS-0004 clause 6.3.4.2.6.
type ResponseType int

// Blocking is the only response type served so far; zero means it as well.
const Blocking ResponseType = 3

// Request is a request primitive, TS-0004 table 6.4.1-1.
type Request struct {
	Operation            Operation
	To                   string // as sent: CSE-relative, SP-relative (/cse/…) or absolute (//sp/cse/…)
	From                 string // empty if the originator has no identity yet
	RequestID            string
	ResourceType         int    // of a Create; 0 if not given
	ReleaseVersion       string // empty if not given
	Content              json.RawMessage
	ResultContent        ResultContent
	ResponseType         ResponseType
	Filter               Filter
	Structured           bool     // how results are addressed: names, or identifiers when false
	AttributeList        []string // partial retrieve; empty is everything
	OriginatingTimestamp string
	RequestExpiration    time.Time // zero if none
	VendorInformation    string
	RemoteIP             netip.Addr // where the request came from, for accessControlContexts
}

// Response is a response primitive, TS-0004 table 6.4.2-1.
type Response struct {
	Status            Status
	RequestID         string
	ReleaseVersion    string
	VendorInformation string
	Content           json.RawMessage // nil if there is none
	Location          string          // of a Create: where the new resource is, CSE-relative and unstructured
	Partial           bool            // the result was cut off at Offset, TS-0004 clause 7.3.3.17.14
	Offset            int             // where the next page starts, 1-based; only when Partial
	RetryAfter        time.Duration   // when the same request may succeed; zero if never said
}
