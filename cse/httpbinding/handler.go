// Package httpbinding carries primitives over HTTP as TS-0009 has it: decode a request, have it handled, encode the response.
package httpbinding

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

// dispatcher carries out requests.
type dispatcher interface {
	Handle(ctx context.Context, r primitive.Request) primitive.Response
}

// Handler serves the Mca reference point. Its fields are set before its first use and not changed.
type Handler struct {
	Dispatcher dispatcher
	MaxBody    int64         // bytes of a request body; more is refused
	Timeout    time.Duration // for one request; the originator's own expiration may be shorter
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	request, err := h.decode(w, r)
	var response primitive.Response
	if err != nil {
		response = refuse(request, err)
	} else {
		response = h.Dispatcher.Handle(ctx, request)
	}
	encode(w, r, response)
}

// refuse answers a request that could not be decoded.
func refuse(r primitive.Request, err error) primitive.Response {
	e := primitive.AsError(err)
	return primitive.Response{Status: e.Status, RequestID: r.RequestID, ReleaseVersion: r.ReleaseVersion, Content: debug(e.Detail)}
}

// encode writes a response primitive, TS-0009 clause 6.3 and 6.4.
func encode(w http.ResponseWriter, r *http.Request, p primitive.Response) {
	header := w.Header()
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value} // names as the standard writes them
		}
	}
	set("X-M2M-RSC", strconv.Itoa(int(p.Status)))
	set("X-M2M-RI", p.RequestID)
	set("X-M2M-RVI", p.ReleaseVersion)
	set("X-M2M-VSI", p.VendorInformation)
	if r.Header.Get("X-M2M-OT") != "" {
		set("X-M2M-OT", primitive.FormatTimestamp(time.Now()))
	}
	if p.Location != "" {
		set("Content-Location", "/"+p.Location)
	}
	if p.Partial {
		set("X-M2M-CTS", "1")
		set("X-M2M-CTO", strconv.Itoa(p.Offset))
	}
	if p.RetryAfter > 0 {
		set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if len(p.Content) > 0 {
		set("Content-Type", "application/json")
	}
	set("Content-Length", strconv.Itoa(len(p.Content)))
	w.WriteHeader(httpStatus(p))
	if len(p.Content) > 0 {
		w.Write(p.Content) // the originator having gone away is no concern of ours
	}
}
