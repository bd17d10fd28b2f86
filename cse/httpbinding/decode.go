package httpbinding

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/viot-project/viot/cse/primitive"
)

// decode makes a request primitive of r, TS-0009 clause 6.2. On error, the request it returns has what the response must echo.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request) (primitive.Request, error) {
	p := primitive.Request{
		To:                   target(r.URL.Path),
		From:                 r.Header.Get("X-M2M-Origin"),
		RequestID:            r.Header.Get("X-M2M-RI"),
		ReleaseVersion:       r.Header.Get("X-M2M-RVI"),
		OriginatingTimestamp: r.Header.Get("X-M2M-OT"),
		VendorInformation:    r.Header.Get("X-M2M-VSI"),
		ResultContent:        primitive.DefaultResult,
		Structured:           true,
	}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.RemoteIP = a.Addr()
	}
	if !acceptable(r.Header.Values("Accept")) {
		return p, primitive.Errorf(primitive.NotAcceptable, "answers are JSON, which the request does not accept")
	}
	if v := r.Header.Get("X-M2M-RET"); v != "" {
		var err error
		if p.RequestExpiration, err = primitive.ParseInstant(v, time.Now()); err != nil {
			return p, primitive.Errorf(primitive.BadRequest, "X-M2M-RET: %v", err)
		}
	}
	if err := decodeQuery(r.URL.RawQuery, &p); err != nil {
		return p, err
	}
	if err := h.decodeContent(w, r, &p); err != nil {
		return p, err
	}
	return p, operation(r.Method, &p)
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

// target is the To parameter that path stands for, TS-0009 clause 6.2.2.1: /~/cse/x is SP-relative, /_/sp/cse/x absolute.
func target(path string) string {
	if rest, ok := strings.CutPrefix(path, "/~/"); ok {
		return "/" + strings.Trim(rest, "/")
	}
	if rest, ok := strings.CutPrefix(path, "/_/"); ok {
		return "//" + strings.Trim(rest, "/")
	}
	return strings.Trim(path, "/")
}

// decodeContent reads the body and the media type that goes with it.
func (h *Handler) decodeContent(w http.ResponseWriter, r *http.Request, p *primitive.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return primitive.Errorf(primitive.BadRequest, "the content has more than %d bytes", tooLarge.Limit)
	case err != nil:
		return primitive.Errorf(primitive.BadRequest, "the content ended early")
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		if len(body) > 0 {
			return primitive.Errorf(primitive.UnsupportedMediaType, "the content has no Content-Type, wanted application/json")
		}
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return primitive.Errorf(primitive.BadRequest, "Content-Type %q is malformed", contentType)
	}
	if ty, ok := params["ty"]; ok {
		if p.ResourceType, err = strconv.Atoi(ty); err != nil || p.ResourceType <= 0 {
			return primitive.Errorf(primitive.BadRequest, "Content-Type: ty=%s is no resource type", ty)
		}
	}
	if len(body) == 0 {
		return nil
	}
	switch {
	case !isJSON(media):
		return primitive.Errorf(primitive.UnsupportedMediaType, "Content-Type %q is not supported, only application/json", media)
	case !utf8.Valid(body):
		return primitive.Errorf(primitive.BadRequest, "the content is not UTF-8")
	case !json.Valid(body):
		return primitive.Errorf(primitive.BadRequest, "the content is not JSON")
	}
	p.Content = body
	return nil
}

// isJSON reports whether media is one of the media types for JSON, TS-0009 clause 6.4.3.
func isJSON(media string) bool {
	switch media {
	case "application/json", "application/vnd.onem2m-res+json", "application/vnd.onem2m-ntfy+json",
		"application/vnd.onem2m-preq+json", "application/vnd.onem2m-prsp+json":
		return true
	}
	return false
}

// acceptable reports whether an Accept header admits JSON; none admits everything.
func acceptable(accept []string) bool {
	if len(accept) == 0 {
		return true
	}
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
				continue
			}
			if media == "*/*" || media == "application/*" || isJSON(media) {
				return true
			}
		}
	}
	return false
}

func debug(text string) json.RawMessage {
	b, err := json.Marshal(map[string]string{"m2m:dbg": text})
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}
