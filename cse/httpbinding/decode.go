package httpbinding

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/serialisation"
)

// decode makes a request primitive of r, TS-0009 clause 6.2, and says how to write its response. On error, the request it returns
// has what the response must echo.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request) (primitive.Request, answer, error) {
	p := primitive.Request{To: target(r.URL.Path), ResultContent: primitive.DefaultResult, Structured: true}
	a := answer{method: r.Method}
	p.RemoteIP = h.remoteIP(r)
	p.Via = strings.Join(r.Header["Via"], ",")
	headersErr := decodeHeaders(r.Header, &p, &a)
	if !utf8.ValidString(p.To) {
		return p, a, primitive.Errorf(primitive.BadRequest, "the address is not UTF-8")
	}
	media, err := decodeMedia(r.Header, &p)
	var acceptable bool
	a.media, a.format, acceptable = negotiate(r.Header["Accept"], media.format)
	switch {
	case !acceptable:
		return p, a, primitive.Errorf(primitive.NotAcceptable, "answers are JSON, CBOR or XML, none of which the request accepts")
	case headersErr != nil:
		return p, a, headersErr
	case err != nil:
		return p, a, err
	}
	if err := decodeQuery(r.URL.RawQuery, &p); err != nil {
		return p, a, err
	}
	if p.Content, err = h.readContent(w, r, media); err != nil {
		return p, a, err
	}
	return p, a, operation(r.Method, &p)
}

// operation is the one the method stands for, TS-0009 clause 6.2.1. A POST without resource type is a notification.
func operation(method string, p *primitive.Request) error {
	switch method {
	case http.MethodPost:
		p.Operation = primitive.Create
		if p.ResourceType == 0 {
			p.Operation = primitive.Notify
		}
	case http.MethodGet, http.MethodHead:
		p.Operation = primitive.Retrieve
	case http.MethodPut:
		p.Operation = primitive.Update
	case http.MethodDelete:
		p.Operation = primitive.Delete
	default:
		return primitive.Errorf(primitive.OperationNotAllowed, "method %s has no meaning here", method)
	}
	return nil
}

// target is the To parameter that path stands for, TS-0009 clause 6.2.2.1: /~/cse/x is SP-relative, /_/sp/cse/x absolute. What does
// not belong there, such as a slash at the end, stays, to be refused as an address.
func target(path string) string {
	if rest, ok := strings.CutPrefix(path, "/~/"); ok {
		return "/" + rest
	}
	if rest, ok := strings.CutPrefix(path, "/_/"); ok {
		return "//" + rest
	}
	return strings.TrimPrefix(path, "/")
}

// maxIdentifier bounds the originator and the request identifier: both are kept with results, where an index must hold them.
const maxIdentifier = 512 // bytes

// maxTargets bounds to how many targets the result of one request goes: each gets its own copy.
const maxTargets = 32

// decodeHeaders reads the parameters that are headers, TS-0009 clause 6.4. It reads all that it can even if one is wrong.
func decodeHeaders(h http.Header, p *primitive.Request, a *answer) error {
	var problem error
	wrong := func(err error) {
		if problem == nil {
			problem = err
		}
	}
	for name, values := range h {
		if !strings.HasPrefix(name, "X-M2m-") && name != "Authorization" {
			continue
		}
		v := values[0]
		if !utf8.ValidString(v) {
			wrong(primitive.Errorf(primitive.BadRequest, "%s is not UTF-8", strings.ToUpper(name)))
			continue
		}
		if err := setHeader(p, a, name, v); err != nil {
			wrong(primitive.Errorf(primitive.BadRequest, "%s %v", strings.ToUpper(name), err))
		}
	}
	return problem
}

// setHeader sets the parameter of p that the header name, in the form of net/http, stands for.
func setHeader(p *primitive.Request, a *answer, name, v string) (err error) {
	switch name {
	case "X-M2m-Origin":
		p.From, err = identifier(v)
	case "X-M2m-Ri":
		p.RequestID, err = identifier(v)
	case "X-M2m-Rvi":
		p.ReleaseVersion = v
	case "X-M2m-Ot":
		p.OriginatingTimestamp = v
	case "X-M2m-Vsi":
		p.VendorInformation = v
	case "X-M2m-Gid":
		p.GroupRequestID, err = identifier(v)
	case "X-M2m-Ret":
		p.RequestExpiration, err = primitive.ParseInstant(v, clock.Now())
	case "X-M2m-Rst":
		p.ResultExpiration, err = primitive.ParseInstant(v, clock.Now())
		a.resultExpiration = v
	case "X-M2m-Oet":
		p.OperationExecution, err = primitive.ParseInstant(v, clock.Now())
	case "X-M2m-Ec":
		p.EventCategory, err = number(v, 1, 999)
	case "X-M2m-Rtu":
		p.NotificationTargets = []string{}
		if v != "" {
			p.NotificationTargets = strings.Split(v, "&")
		}
		if len(p.NotificationTargets) > maxTargets {
			p.NotificationTargets, err = nil, fmt.Errorf("names more than %d targets", maxTargets)
		}
	case "Authorization":
		if v != "" && !strings.Contains(v, " ") { // a scheme and a space make it a credential
			p.Tokens = strings.Split(v, "+")
		}
	}
	return err
}

func identifier(v string) (string, error) {
	if len(v) > maxIdentifier {
		return v[:maxIdentifier], errors.New("has more than 512 bytes")
	}
	return v, nil
}

// content is what Content-Type says of it.
type content struct {
	format serialisation.Format
	given  string // the header; empty if there is none
	known  bool   // the media type is that of format
}

// decodeMedia reads Content-Type with its resource type, TS-0009 clause 6.4.3.
func decodeMedia(h http.Header, p *primitive.Request) (content, error) {
	c := content{given: h.Get("Content-Type")}
	if c.given == "" {
		return c, nil
	}
	media, ty, ok := splitMedia(c.given)
	if !ok {
		return c, primitive.Errorf(primitive.BadRequest, "Content-Type %q is malformed", c.given)
	}
	c.format, c.known = serialisation.FormatOf(media)
	c.known = c.known && strings.Contains(media, "/")
	if ty == "" {
		return c, nil
	}
	var err error
	if p.ResourceType, err = strconv.Atoi(ty); err != nil || p.ResourceType <= 0 {
		p.ResourceType = 0
		return c, primitive.Errorf(primitive.BadRequest, "Content-Type: ty=%s is no resource type", ty)
	}
	return c, nil
}

// splitMedia takes a Content-Type apart: media type and parameter ty.
func splitMedia(s string) (media, ty string, ok bool) {
	media, rest, found := strings.Cut(s, ";")
	if !found && media == serialisation.JSON.MediaType() {
		return media, "", true
	}
	if ty, only := strings.CutPrefix(strings.TrimLeft(rest, " "), "ty="); only && ty != "" && strings.Trim(ty, "0123456789") == "" {
		return strings.TrimSpace(media), ty, true // what clients send
	}
	media, params, err := mime.ParseMediaType(s)
	ty, given := params["ty"]
	if given && ty == "" {
		ty = "?"
	}
	return media, ty, err == nil
}

// readContent reads the body and returns it as JSON.
func (h *Handler) readContent(w http.ResponseWriter, r *http.Request, c content) ([]byte, error) {
	body, err := h.readBody(w, r)
	switch {
	case err != nil || len(body) == 0:
		return nil, err
	case c.given == "":
		return nil, primitive.Errorf(primitive.UnsupportedMediaType, "the content has no Content-Type, such as application/json")
	case !c.known:
		return nil, primitive.Errorf(primitive.UnsupportedMediaType, "Content-Type %q is not that of JSON, CBOR or XML", c.given)
	}
	content, err := serialisation.Decode(c.format, body)
	if err != nil {
		return nil, primitive.Errorf(primitive.BadRequest, "the content is not %s: %v", strings.ToUpper(c.format.String()), err)
	}
	return content, nil
}

// readBody reads the body of r within the bound.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := func() error {
		return primitive.Errorf(primitive.BadRequest, "the content has more than %d bytes", h.MaxBody)
	}
	var body []byte
	var err error
	switch length := r.ContentLength; {
	case r.Body == http.NoBody:
		return nil, nil
	case length > h.MaxBody:
		w.Header().Set("Connection", "close") // instead of reading on to its end
		return nil, tooLarge()
	case length >= 0:
		body = make([]byte, length)
		_, err = io.ReadFull(r.Body, body)
	default:
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	}
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, tooLarge()
	case err != nil:
		return nil, primitive.Errorf(primitive.BadRequest, "the content ended early")
	}
	return body, nil
}
