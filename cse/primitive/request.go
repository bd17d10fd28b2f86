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

// The result contents of Release 2, and those from ModifiedAttributes on of Release 3. DefaultResult stands for what the
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
	SemanticContent       ResultContent = 10
	DiscoveryReferences   ResultContent = 11
	Permissions           ResultContent = 12
)

// ResponseType says how the originator wants to be answered, TS-0004 clause 6.3.4.2.6.
type ResponseType int

// The response types. Zero means Blocking as well.
const (
	NonBlockingSynch  ResponseType = 1 // accept, and let the originator retrieve the result from a <request>
	NonBlockingAsynch ResponseType = 2 // accept, and notify the result
	Blocking          ResponseType = 3
	FlexBlocking      ResponseType = 4 // whichever of the others the receiver prefers
	NoResponse        ResponseType = 5 // Release 3: carry out and say nothing
)

// Request is a request primitive, TS-0004 table 6.4.1-1. Instants that came relative are absolute here, counted from when the request
// was received. Zero values are parameters that were not given.
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
	NotificationTargets  []string // rtu of a NonBlockingAsynch: where the result goes; nil if not given, empty to send it nowhere
	Filter               Filter
	Structured           bool     // how results are addressed: names, or identifiers when false
	AttributeList        []string // partial retrieve; empty is everything
	OriginatingTimestamp string
	RequestExpiration    time.Time // rqet: too late to be carried out
	ResultExpiration     time.Time // rset: too late for the result to be of use
	OperationExecution   time.Time // oet: not to be carried out before
	ResultPersistence    time.Time // rp: how long the result of a non-blocking request is kept
	EventCategory        int       // ec, m2m:eventCat: 2 immediate, 3 best effort, 4 latest, from 100 on the provider's own
	DeliveryAggregation  *bool     // da: may be forwarded in a <delivery>
	GroupRequestID       string    // gid: set by the group that fans out, to find loops
	VendorInformation    string

	Tokens                []string // tkns: JWS or JWE that grant dynamic authorization, not the originator's credential
	RoleIDs               []string // rids
	TokenIDs              []string // tids
	LocalTokenIDs         []string // ltids
	TokenRequestIndicator bool     // tqi: the originator wants tokens requested for it
	SemanticQuery         *bool    // sqi, Release 3: a semantic query if true, a semantic resource discovery if false

	// Authenticated says that From was proved to the binding by a credential, and not only believed.
	Authenticated bool
	RemoteIP      netip.Addr // where the request came from, for accessControlContexts
	Via           string     // the CSEs and proxies it came through, as HTTP names them (RFC 9110 clause 7.6.3), so that loops are found
}

// Response is a response primitive, TS-0004 table 6.4.2-1. Zero values are parameters that are not sent.
type Response struct {
	Status               Status
	RequestID            string
	From                 string // fr of who answers, if it says so
	ReleaseVersion       string
	VendorInformation    string
	OriginatingTimestamp string          // ot as sent; a response of this CSE is stamped by the binding if the request was
	ResultExpiration     string          // rset as sent: m2m:absRelTimestamp
	EventCategory        int             // ec
	AssignedTokenIDs     []AssignedToken // ati
	Content              json.RawMessage // nil if there is none
	Location             string          // of a Create: where the new resource is, CSE-relative and unstructured
	Partial              bool            // the result was cut off at Offset, TS-0004 clause 7.3.3.17.14
	Offset               int             // where the next page starts, 1-based; only when Partial
	RetryAfter           time.Duration   // when the same request may succeed; zero if never said
}

// AssignedToken is a token that was assigned in the course of a request, by the identifier the originator may use for it.
type AssignedToken struct {
	LocalTokenID, TokenID string
}
