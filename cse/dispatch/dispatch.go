// Package dispatch carries out request primitives on the resource tree: one file per operation. It knows neither how a request
// came nor how the tree is stored.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/serialisation"
	"github.com/viot-project/viot/cse/store"
)

// Dispatcher is one CSE. Its fields are set before its first use and not changed.
type Dispatcher struct {
	Store      store.Store
	Identity   primitive.Identity
	Admin      string   // originator that may do everything; empty for none
	CSEType    int      // cseType, TS-0004 clause 6.3.4.2.2: 1 IN-CSE, 2 MN-CSE, 3 ASN-CSE; 0 is IN-CSE
	Points     []string // points of access of this CSE that others are told
	Releases   []string // accepted release version indicators, such as 2a
	MaxResults int      // most resources in one result, and what a request without limit gets
	Entities   Entities // how to reach AEs and other CSEs; nil reaches none
	Channels   Channels // the boxes behind polling channels; nil if there are none
	Accounts   Accounts // the books of originators; nil if none are kept
	// MaxPending is how many notifications may be pending of all subscriptions of one subscriber; 0 is any number. Dropped is told how many
	// were dropped because there were more; nil for nobody.
	MaxPending int
	// Locator asks the location server with the URL LocationServer; nil if there is none. Location is where this CSE is, a GeoJSON point; nil
	// if that is not known.
	Locator        Locator
	LocationServer string
	Location       json.RawMessage
	Dropped        func(n int)
	// Ending ends when this instance is to end: long polls are answered then. nil is never.
	Ending context.Context
	Log    hclog.Logger
}

// Entities sends requests to AEs and to CSEs other than this one.
type Entities interface {
	// Send has r carried out by target: the URL of a point of access, or the identifier of an AE or a CSE, whose own points of
	// access or polling channel are then tried. It fails with a *primitive.Error of status TargetNotReachable if none of them
	// answers before ctx ends; an answer of any status is no failure.
	Send(ctx context.Context, target string, r primitive.Request) (primitive.Response, error)
}

// retryAfter is what an originator is told when the store is away: about what a database restart takes.
const retryAfter = 2 * time.Second

// Base is the CSEBase as it is to be at now.
func (d *Dispatcher) Base(now time.Time) resource.Resource {
	a := resource.Attributes{}
	a.Set("cst", max(d.CSEType, 1))
	a.Set("csi", d.Identity.CSEID)
	a.Set("srt", resource.Types())
	a.Set("srv", d.Releases)
	a.Set("csz", serialisation.MediaTypes())
	a.Set("poa", append([]string{}, d.Points...))
	var at geometry
	if json.Unmarshal(d.Location, &at) == nil {
		a.Set("loc", map[string]any{"typ": primitive.GeoPoint, "crd": string(at.Coordinates)})
	}
	return resource.Resource{
		ID: d.Identity.BaseID(), Type: resource.TypeCSEBase, Path: d.Identity.Name, CreatedAt: now, ModifiedAt: now,
		Creator: d.Admin, Governor: d.Identity.BaseID(), Attributes: a.Encode(),
	}
}

// Handle carries out r and answers it. It never fails: what goes wrong is in the response, and logged if it is the CSE's fault.
func (d *Dispatcher) Handle(ctx context.Context, r primitive.Request) primitive.Response {
	response, err := d.safely(ctx, r)
	if err != nil {
		if errors.Is(err, store.ErrUnavailable) && !r.RequestExpiration.IsZero() && !clock.Now().Before(r.RequestExpiration) {
			err = context.DeadlineExceeded // the originator's time was up while the store was asked: that says nothing about the store
		}
		e := asError(err)
		if e.Err != nil && !errors.Is(e.Err, context.Canceled) {
			level := hclog.Error
			if e.RetryAfter > 0 {
				level = hclog.Debug // the store is away, which concerns every request and is logged once by the readiness probe
			}
			d.Log.Log(level, "request failed", "operation", r.Operation, "to", r.To, "originator", r.From, "request_id", r.RequestID, "error", e.Err)
		}
		response = primitive.Response{Status: e.Status, Content: wrap("m2m:dbg", e.Detail), RetryAfter: e.RetryAfter}
	}
	response.RequestID = r.RequestID
	response.VendorInformation = r.VendorInformation
	response.ReleaseVersion = r.ReleaseVersion
	if !slices.Contains(d.Releases, r.ReleaseVersion) && len(d.Releases) > 0 {
		response.ReleaseVersion = d.Releases[0]
	}
	return response
}

func (d *Dispatcher) handle(ctx context.Context, r primitive.Request) (primitive.Response, error) {
	now := clock.Now()
	if r.SemanticQuery != nil && !*r.SemanticQuery && r.Operation == primitive.Retrieve {
		r.Filter.Usage = primitive.Discovery
	}
	if err := d.check(r, now); err != nil {
		return primitive.Response{}, err
	}
	if !r.RequestExpiration.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = clock.WithDeadline(ctx, r.RequestExpiration)
		defer cancel()
	}
	q := &request{Request: r, d: d, now: now, originator: d.Identity.LocalID(r.From), done: doneOf(ctx)}
	if r.OriginatingTimestamp != "" {
		q.checkClock(ctx)
	}
	if !blocking(ctx, r) {
		return q.accept(ctx)
	}
	if err := q.untilExecution(ctx); err != nil {
		return primitive.Response{}, err
	}
	if !d.Identity.Local(r.To) {
		return q.forward(ctx)
	}
	if r.Operation == primitive.Retrieve && q.hybrid() {
		return q.retrieve(ctx)
	}
	var err error
	if q.to, err = d.resolve(ctx, r.To, now); err != nil {
		return primitive.Response{}, err
	}
	if bare := strings.TrimPrefix(r.To, "//"+d.Identity.SPID); strings.TrimSuffix(bare, "/") == d.Identity.CSEID && r.Operation != primitive.Notify {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "%q is a CSE-ID, the CSEBase is %s/%s", r.To, d.Identity.CSEID, d.Identity.Name)
	}
	if q.to.Point != "" {
		if point := points[q.to.Point]; point != nil {
			return point(ctx, q)
		}
		return primitive.Response{}, primitive.Errorf(primitive.NotFound, "the resource does not exist")
	}
	switch r.Operation {
	case primitive.Create:
		return q.create(ctx)
	case primitive.Retrieve:
		return q.retrieve(ctx)
	case primitive.Update:
		return q.update(ctx)
	case primitive.Delete:
		return q.delete(ctx)
	case primitive.Notify:
		return q.notify(ctx)
	}
	return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the request has no operation")
}

// check checks what does not depend on the target, TS-0004 clause 7.3.1.1.
func (d *Dispatcher) check(r primitive.Request, now time.Time) error {
	registers := r.Operation == primitive.Create && resource.Type(r.ResourceType) == resource.TypeAE
	switch {
	case r.RequestID == "":
		return primitive.Errorf(primitive.BadRequest, "the request has no request identifier (X-M2M-RI)")
	case r.ReleaseVersion != "" && !slices.Contains(d.Releases, r.ReleaseVersion):
		return primitive.Errorf(primitive.ReleaseVersionNotSupported, "release version %q is not supported, only %v", r.ReleaseVersion, d.Releases)
	case r.From == "" && !registers:
		return primitive.Errorf(primitive.BadRequest, "the request has no originator (X-M2M-Origin)")
	}
	if err := checkTimes(r, now); err != nil {
		return err
	}
	if err := checkSemantic(r); err != nil {
		return err
	}
	allowed := results[r.Operation]
	switch {
	case r.Filter.Usage == primitive.Discovery && r.Operation == primitive.Retrieve:
		allowed = discoveryResults
	case queries(r):
		allowed = queryResults
	}
	if !slices.Contains(allowed, r.ResultContent) {
		return primitive.Errorf(primitive.BadRequest, "result content %d is not allowed for this %s", r.ResultContent, r.Operation)
	}
	if len(r.AttributeList) > 0 && (r.Operation != primitive.Retrieve || r.Filter.Usage == primitive.Discovery ||
		r.ResultContent != primitive.DefaultResult && r.ResultContent != primitive.Attributes) {
		return primitive.Errorf(primitive.BadRequest, "an attribute list (atrl) is only allowed to retrieve attributes")
	}
	return nil
}

// results are the result contents each operation may ask for, TS-0001 table 8.1.2-1. The original resource (7) needs announced
// resources, which this CSE does not host.
var results = map[primitive.Operation][]primitive.ResultContent{
	primitive.Create: {primitive.DefaultResult, primitive.Nothing, primitive.Attributes, primitive.HierarchicalAddress,
		primitive.AddressAndAttributes, primitive.ModifiedAttributes},
	primitive.Retrieve: {primitive.DefaultResult, primitive.Attributes, primitive.AttributesAndChildren,
		primitive.AttributesAndRefs, primitive.ChildRefs, primitive.Original, primitive.Children},
	primitive.Update: {primitive.DefaultResult, primitive.Nothing, primitive.Attributes, primitive.ModifiedAttributes},
	primitive.Delete: {primitive.DefaultResult, primitive.Nothing, primitive.Attributes, primitive.AttributesAndChildren,
		primitive.AttributesAndRefs, primitive.ChildRefs, primitive.Children},
	primitive.Notify: {primitive.DefaultResult, primitive.Nothing, primitive.Attributes},
}

var queryResults = []primitive.ResultContent{primitive.DefaultResult, primitive.SemanticContent}

var discoveryResults = []primitive.ResultContent{primitive.DefaultResult, primitive.ChildRefs, primitive.DiscoveryReferences}

// request is one request while it is carried out.
type request struct {
	primitive.Request
	d          *Dispatcher
	to         primitive.Address
	below      string      // names that lead down from to, which then is an identifier, until the store has been asked; mostly empty
	sight      store.Sight // what a retrieve found
	now        time.Time
	originator string      // From in CSE-relative form
	done       *store.Task // stored with what the request deletes, see doneOf; nil if there is none
	consent    consent
	// announcement is the box that is told when announcements that q brought about have been tried; empty if there are none.
	announcement    string
	awaitsAddresses bool                // announcements are made or withdrawn, not only changed
	visible         []string            // the only attributes of the result that the originator may see; nil is all
	stirred         []store.Task        // have the lanes looked at again that what q changes may have let rest
	prior           []resource.Resource // instances that a new subscription is to tell of
	considered      []bool              // see consider
}

// asError gives the store's errors their status. The store being away is never NotFound.
func asError(err error) *primitive.Error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return primitive.Errorf(primitive.NotFound, "the resource does not exist")
	case errors.Is(err, store.ErrNameTaken):
		return primitive.Errorf(primitive.Conflict, "the parent has a child of that name already")
	case errors.Is(err, store.ErrIDTaken):
		return primitive.Errorf(primitive.OriginatorHasAlreadyRegistered, "the originator has registered already")
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUnavailable):
		return primitive.Errorf(primitive.RequestTimeout, "the request expired before it was carried out")
	case errors.Is(err, store.ErrUnavailable):
		return &primitive.Error{Status: primitive.InternalServerError, Detail: "the store is unavailable; try again", Err: err, RetryAfter: retryAfter}
	}
	return primitive.AsError(err)
}

// wrap is a JSON object with the one member name.
func wrap(name string, v any) json.RawMessage {
	b, err := json.Marshal(map[string]any{name: v})
	if err != nil {
		panic(err) // only strings, and JSON that has been read before, get here
	}
	return b
}
