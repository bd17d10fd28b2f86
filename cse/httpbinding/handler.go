// Package httpbinding carries primitives over HTTP as TS-0009 has it: decode a request, have it handled, encode the response. Client
// does the same the other way round.
package httpbinding

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
)

// dispatcher carries out requests.
type dispatcher interface {
	Handle(ctx context.Context, r primitive.Request) primitive.Response
}

// authenticator tells who sent a request.
type authenticator interface {
	// Originator is the originator of r, which claims to be claimed; that may be empty. proved says that it was not only believed. An
	// error has the status to answer with.
	Originator(r *http.Request, claimed string) (originator string, proved bool, err error)
	// Challenge is the WWW-Authenticate that goes with the error err of Originator; empty if a credential would not help.
	Challenge(err error) string
}

// Handler serves the Mca reference point. Its fields are set before its first use and not changed.
type Handler struct {
	Dispatcher     dispatcher
	Name           string         // of the CSE in Via; empty to let requests pass as often as they like
	Authenticator  authenticator  // nil believes what requests claim
	MaxBody        int64          // bytes of a request body; more is refused
	Timeout        time.Duration  // for one request; the originator's own expiration may be shorter
	LongTimeout    time.Duration  // for one that says itself that it will take longer; no more than Timeout if zero
	TrustedProxies []netip.Prefix // from where X-Forwarded-For is believed
	AllowedOrigins []string       // web origins whose pages may use the CSE, such as https://app.example; * allows all
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.share(w, r)
	if r.Method == http.MethodOptions {
		options(w)
		return
	}
	request, answer, err := h.decode(w, r)
	if err == nil {
		err = checkPasses(h.Name, request)
	}
	if err == nil && h.Authenticator != nil {
		if request.From, request.Authenticated, err = h.Authenticator.Originator(r, request.From); err != nil {
			answer.challenge = h.Authenticator.Challenge(err)
		}
	}
	var response primitive.Response
	if err != nil {
		response = refuse(request, err)
	} else {
		ctx, cancel := context.WithTimeout(r.Context(), h.patience(w, request))
		defer cancel()
		response = h.Dispatcher.Handle(ctx, request)
	}
	encode(w, request, answer, response)
}

// patience is how long r may take. One that is to be carried out later, or that may wait for its result, says so by its times; then
// the connection is given that time as well.
func (h *Handler) patience(w http.ResponseWriter, r primitive.Request) time.Duration {
	var wanted time.Time
	if r.OperationExecution.After(r.RequestExpiration) {
		wanted = r.OperationExecution.Add(h.Timeout)
	} else {
		wanted = r.RequestExpiration
	}
	if wanted.IsZero() || h.LongTimeout <= h.Timeout {
		return h.Timeout
	}
	now := clock.Now()
	patience := min(max(wanted.Sub(now), h.Timeout), h.LongTimeout)
	if patience > h.Timeout {
		c := http.NewResponseController(w)
		end := now.Add(patience + h.Timeout) // and then the answer is written
		_ = c.SetReadDeadline(end)           // a connection that has no deadlines does not cut off the answer either
		_ = c.SetWriteDeadline(end)
	}
	return patience
}

// refuse answers a request that was not carried out.
func refuse(r primitive.Request, err error) primitive.Response {
	e := primitive.AsError(err)
	return primitive.Response{
		Status: e.Status, RequestID: r.RequestID, ReleaseVersion: r.ReleaseVersion, VendorInformation: r.VendorInformation,
		Content: debug(e.Detail), RetryAfter: e.RetryAfter,
	}
}
