package httpbinding

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/serialisation"
)

// answer is how the response to one request is to be written.
type answer struct {
	method           string
	format           serialisation.Format
	media            string // of content in format; empty stands for that of format
	resultExpiration string // X-M2M-RST as it came
	challenge        string // WWW-Authenticate; empty if the originator need not say who it is
}

// encode writes the response p to the request r, TS-0009 clauses 6.3 and 6.4, with names as the standard writes them.
func encode(w http.ResponseWriter, r primitive.Request, a answer, p primitive.Response) {
	header := w.Header()
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value}
		}
	}
	if r.ResponseType == primitive.NoResponse && p.Status.OK() {
		set("X-M2M-RI", p.RequestID)
		w.WriteHeader(http.StatusNoContent) // HTTP must say something; no status of oneM2M is as near to nothing as can be
		return
	}
	content, err := serialisation.Encode(a.format, p.Content)
	if err != nil { // the request has been carried out: better its result in another serialisation than none
		content, a.format, a.media = p.Content, serialisation.JSON, ""
	}
	if a.media == "" {
		a.media = a.format.MediaType()
	}
	set("X-M2M-RSC", strconv.Itoa(int(p.Status)))
	set("X-M2M-Origin", p.From)
	set("X-M2M-RI", p.RequestID)
	set("X-M2M-RVI", p.ReleaseVersion)
	set("X-M2M-VSI", p.VendorInformation)
	setResponseTimes(set, r, a, p)
	if p.EventCategory != 0 {
		set("X-M2M-EC", strconv.Itoa(p.EventCategory))
	}
	set("X-M2M-ATI", encodeAssigned(p.AssignedTokenIDs))
	set("Content-Location", location(r, p))
	if p.Partial {
		set("X-M2M-CTS", "1")
		set("X-M2M-CTO", strconv.Itoa(p.Offset))
	}
	if p.RetryAfter > 0 {
		set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Status == primitive.OperationNotAllowed && !served(a.method) {
		set("Allow", allowedMethods)
	}
	set("WWW-Authenticate", a.challenge)
	set("Content-Type", a.media) // even of nothing: clients look at it before they look for content
	set("Content-Length", strconv.Itoa(len(content)))
	status := httpStatus(p)
	if a.challenge != "" {
		status = http.StatusUnauthorized // what RFC 9110 has for it; the table of TS-0009 knows no challenge and says 403
	}
	w.WriteHeader(status)
	if len(content) > 0 && a.method != http.MethodHead {
		w.Write(content) // the originator having gone away is no concern of ours
	}
}

// setResponseTimes stamps the response if the request was stamped, and repeats how long its result is of use.
func setResponseTimes(set func(name, value string), r primitive.Request, a answer, p primitive.Response) {
	stamp := p.OriginatingTimestamp
	if stamp == "" && r.OriginatingTimestamp != "" {
		stamp = primitive.FormatTimestamp(clock.Now())
	}
	set("X-M2M-OT", stamp)
	expiration := p.ResultExpiration
	if expiration == "" && p.Status.OK() {
		expiration = a.resultExpiration
	}
	set("X-M2M-RST", expiration)
}

// location is where the resource is that p says was created: the URI in its content if there is one (TS-0009 clause 6.4.4), and the path of
// its identifier otherwise.
func location(r primitive.Request, p primitive.Response) string {
	if p.Location == "" {
		return ""
	}
	if r.ResultContent == primitive.HierarchicalAddress || r.ResultContent == primitive.AddressAndAttributes {
		var content struct {
			URI       string `json:"m2m:uri"`
			Reference struct {
				URI string `json:"uri"`
			} `json:"m2m:rce"`
		}
		if json.Unmarshal(p.Content, &content) == nil && content.URI+content.Reference.URI != "" {
			return content.URI + content.Reference.URI
		}
	}
	return path(p.Location)
}

// encodeAssigned writes X-M2M-ATI; it is the inverse of decodeAssigned.
func encodeAssigned(list []primitive.AssignedToken) string {
	var b strings.Builder
	for i, t := range list {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(t.LocalTokenID + ":" + t.TokenID)
	}
	return b.String()
}

func debug(text string) json.RawMessage {
	b, err := json.Marshal(map[string]string{"m2m:dbg": text})
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}
