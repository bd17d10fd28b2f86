package dispatch

import (
	"encoding/json"
	"time"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// requestStatus is m2m:requestStatus, TS-0004 clause 6.3.4.2.15.
type requestStatus int

const (
	requestCompleted requestStatus = 1
	requestFailed    requestStatus = 2
	requestPending   requestStatus = 3
)

// requestResource is the behaviour of request. One that has not been carried out yet cannot be recalled: it may be under way.
var requestResource = behaviour{
	permit: func(q *request, who access.Request, n store.Node) error {
		if err := q.permitByRules(who, n); err != nil || who.Operation != resource.MayDelete {
			return err
		}
		a, err := n.Resource.Decode()
		if err == nil && statusOf(a) == requestPending {
			return primitive.Errorf(primitive.UnableToRecallRequest, "the request has not been carried out yet, and cannot be recalled")
		}
		return err
	},
}

func statusOf(a resource.Attributes) requestStatus {
	var s requestStatus
	if err := json.Unmarshal(a["rs"], &s); err != nil {
		return 0
	}
	return s
}

// defaultPersistence is how long the result of a non-blocking request can be retrieved whose originator does not say.
const defaultPersistence = 5 * time.Minute

// newRequestResource is the <request> for r, which came at now, TS-0004 clause 7.4.15.
func (d *Dispatcher) newRequestResource(r primitive.Request, originator string, now time.Time) resource.Resource {
	a := resource.Attributes{}
	a.Set("lbl", []string{r.From})
	a.Set("op", int(r.Operation))
	a.Set("tg", r.To)
	a.Set("org", r.From)
	a.Set("rid", r.RequestID)
	a.Set("mi", r.MetaInformation())
	if len(r.Content) > 0 {
		a.Set("pc", r.Content)
	}
	a.Set("rs", requestPending)
	a.Set("ors", primitive.Response{Status: primitive.Accepted, RequestID: r.RequestID}.Object(""))
	id := resource.TypeRequest.Prefix() + newID(now)
	return resource.Resource{
		ID: id, Type: resource.TypeRequest, ParentID: d.Identity.BaseID(), Path: d.Identity.Name + "/" + id, Governor: id,
		CreatedAt: now, ModifiedAt: now, ExpiresAt: requestExpiration(r, now), Creator: originator, Attributes: a.Encode(),
	}
}

// requestExpiration is when the <request> for r is forgotten: after the time its result is to persist, or else when nobody wants it any
// more. What is not to be carried out yet is kept that much longer.
func requestExpiration(r primitive.Request, now time.Time) time.Time {
	end := now.Add(defaultPersistence)
	for _, t := range []time.Time{r.ResultPersistence, r.ResultExpiration, r.RequestExpiration} {
		if !t.IsZero() {
			end = t
			break
		}
	}
	if r.OperationExecution.After(now) && !r.ResultPersistence.IsZero() || end.Before(r.OperationExecution) {
		end = end.Add(r.OperationExecution.Sub(now))
	}
	return end.Truncate(time.Microsecond)
}

// finish writes the result of the request into its resource.
func finish(a resource.Attributes, p primitive.Response, to string) {
	status := requestCompleted
	if !p.Status.OK() {
		status = requestFailed
	}
	a.Set("rs", status)
	a.Set("ors", p.Object(to))
}
