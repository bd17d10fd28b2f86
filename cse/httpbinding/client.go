package httpbinding

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/serialisation"
)

// ErrUnreachable is in the chain of an error when the peer gave no answer: no connection, a time limit that passed, an answer that
// broke off. The peer may have carried out the request even so. When the caller's own context ended, that error is in the chain too.
var ErrUnreachable = errors.New("peer is unreachable")

// Client sends request primitives to other oneM2M entities: notifications to their receivers, requests to other CSEs. Make one with
// NewClient; any number of goroutines may use it. Connections are kept for the next request.
type Client struct {
	http    http.Client
	name    string
	timeout time.Duration
	maxBody int64
}

// ClientOptions are the bounds of a Client. Zero values stand for the defaults.
type ClientOptions struct {
	Name    string        // of the CSE in Via; empty to leave that as it is
	Timeout time.Duration // from dialling to the end of the answer; 10 s
	MaxBody int64         // bytes of an answer's content; 1 MiB
	TLS     *tls.Config   // for https: own certificate, and the authorities to trust; nil trusts those of the system
}

// Bounds of the connections of a Client.
const (
	clientTimeout  = 10 * time.Second
	clientMaxBody  = 1 << 20
	dialTimeout    = 3 * time.Second
	clientIdle     = 30 * time.Second // shorter than servers tend to keep connections, so that few requests meet a closing one
	maxIdle        = 256
	maxIdlePerPeer = 16
	maxPerPeer     = 64
)

// NewClient makes a Client. Close what it keeps open with CloseIdle.
func NewClient(o ClientOptions) *Client {
	if o.Timeout <= 0 {
		o.Timeout = clientTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = clientMaxBody
	}
	return &Client{
		name: o.Name, timeout: o.Timeout, maxBody: o.MaxBody,
		http: http.Client{
			Transport: &http.Transport{
				DialContext:            (&net.Dialer{Timeout: min(dialTimeout, o.Timeout)}).DialContext,
				TLSClientConfig:        o.TLS,
				TLSHandshakeTimeout:    min(dialTimeout, o.Timeout),
				ForceAttemptHTTP2:      true,
				MaxIdleConns:           maxIdle,
				MaxIdleConnsPerHost:    maxIdlePerPeer,
				MaxConnsPerHost:        maxPerPeer,
				IdleConnTimeout:        clientIdle,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true, // contents are small, and the bound is on what is read
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the peer is who was named
		},
	}
}

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Notify sends r to the URL of a notification receiver as it is: r.To and what r says about results are not sent. A parameter ct or
// csz in the query of the URL (json, cbor, xml) chooses the serialisation and is taken off; JSON is the default,
// and what stands in for XML where that cannot say something.
//
// An answer is no error, whatever its status; a peer that says nothing about the status gets the one that its HTTP status stands for.
func (c *Client) Notify(ctx context.Context, receiver string, r primitive.Request) (primitive.Response, error) {
	u, format, err := parsePeer(receiver)
	if err != nil {
		return primitive.Response{}, err
	}
	return c.send(ctx, u, format, r)
}

// Forward sends r to the CSE at poa, one of its points of access: the path of r.To is appended to that of poa and the parameters of r
// become headers and query. See Notify for the serialisation and for answers.
func (c *Client) Forward(ctx context.Context, poa string, r primitive.Request) (primitive.Response, error) {
	u, format, err := parsePeer(poa)
	if err != nil {
		return primitive.Response{}, err
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+path(r.To), ""
	u.RawQuery = encodeQuery(r)
	return c.send(ctx, u, format, r)
}

// parsePeer reads the URL of a peer and takes the choice of the serialisation off its query.
func parsePeer(peer string) (*url.URL, serialisation.Format, error) {
	format := serialisation.JSON
	u, err := url.Parse(peer)
	if err != nil {
		return nil, format, fmt.Errorf("parse the address of a peer: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, format, fmt.Errorf("%q is no address for HTTP", peer)
	}
	u.Fragment = ""
	var rest []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "ct" || name == "csz" {
			if value, err := url.PathUnescape(value); err == nil {
				if f, ok := serialisation.FormatOf(value); ok {
					format = f
					continue
				}
			}
		}
		rest = append(rest, pair)
	}
	u.RawQuery = strings.Join(rest, "&")
	return u, format, nil
}

func (c *Client) send(ctx context.Context, u *url.URL, format serialisation.Format, r primitive.Request) (primitive.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.encode(ctx, u, format, r)
	if err != nil {
		return primitive.Response{}, fmt.Errorf("encode the request for %s: %w", u.Redacted(), err)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return primitive.Response{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxBody+1))
	switch {
	case err != nil:
		return primitive.Response{}, fmt.Errorf("%w: read the answer of %s: %w", ErrUnreachable, u.Redacted(), err)
	case int64(len(body)) > c.maxBody:
		return primitive.Response{}, fmt.Errorf("the answer of %s has more than %d bytes", u.Redacted(), c.maxBody)
	}
	response, err := decodeResponse(answer, body)
	if err != nil {
		return primitive.Response{}, fmt.Errorf("decode the answer of %s: %w", u.Redacted(), err)
	}
	return response, nil
}

// encode is the HTTP request for r, TS-0009 clause 6.2.
func (c *Client) encode(ctx context.Context, u *url.URL, format serialisation.Format, r primitive.Request) (*http.Request, error) {
	method, ok := methods[r.Operation]
	if !ok {
		return nil, errors.New("it has no operation")
	}
	var body []byte
	if len(r.Content) > 0 {
		var err error
		if body, err = serialisation.Encode(format, r.Content); err != nil { // better another serialisation than never
			body, format = r.Content, serialisation.JSON
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	media := format.MediaType()
	request.Header.Set("Accept", media)
	if r.Operation == primitive.Create {
		media += ";ty=" + strconv.Itoa(r.ResourceType)
	}
	if len(body) > 0 || r.Operation == primitive.Create {
		request.Header.Set("Content-Type", media)
	}
	setRequestHeaders(request.Header, r)
	if via := passed(r.Via, c.name); via != "" {
		request.Header.Set("Via", via)
	}
	return request, nil
}

// decodeResponse is the response primitive that an HTTP answer stands for, TS-0009 clause 6.3. Content in a media type that oneM2M
// does not know is dropped: it comes from somebody in between.
func decodeResponse(a *http.Response, body []byte) (primitive.Response, error) {
	h := a.Header
	p := primitive.Response{
		Status:               responseStatus(a),
		RequestID:            h.Get("X-M2M-RI"),
		From:                 h.Get("X-M2M-Origin"),
		ReleaseVersion:       h.Get("X-M2M-RVI"),
		VendorInformation:    h.Get("X-M2M-VSI"),
		OriginatingTimestamp: h.Get("X-M2M-OT"),
		ResultExpiration:     h.Get("X-M2M-RST"),
		AssignedTokenIDs:     decodeAssigned(h.Get("X-M2M-ATI")),
	}
	p.EventCategory, _ = strconv.Atoi(h.Get("X-M2M-EC")) // informative
	if location := h.Get("Content-Location"); location != "" {
		if u, err := url.Parse(location); err == nil {
			p.Location = target(u.Path)
		}
	}
	if offset, err := strconv.Atoi(h.Get("X-M2M-CTO")); err == nil && h.Get("X-M2M-CTS") == "1" && offset > 0 {
		p.Partial, p.Offset = true, offset
	}
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && 0 < seconds && seconds < 1e6 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	if p.RetryAfter == 0 && a.StatusCode == http.StatusTooManyRequests {
		p.RetryAfter = time.Second // RFC 6585 leaves it to the server to say when
	}
	if len(body) == 0 {
		return p, nil
	}
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	format, known := serialisation.FormatOf(media)
	if err != nil || !known {
		return p, nil
	}
	p.Content, err = serialisation.Decode(format, body)
	if err != nil {
		return p, fmt.Errorf("the content is not %s: %w", format, err)
	}
	return p, nil
}

// responseStatus is the status that the answer names, or else the one that its HTTP status stands for.
func responseStatus(a *http.Response) primitive.Status {
	if n, err := strconv.Atoi(a.Header.Get("X-M2M-RSC")); err == nil && n > 0 {
		return primitive.Status(n)
	}
	switch code := a.StatusCode; {
	case code == http.StatusCreated:
		return primitive.Created
	case code == http.StatusAccepted:
		return primitive.Accepted
	case code >= 200 && code < 300:
		return primitive.OK
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		return primitive.OriginatorHasNoPrivilege
	case code == http.StatusNotFound, code == http.StatusGone:
		return primitive.NotFound
	case code == http.StatusMethodNotAllowed:
		return primitive.OperationNotAllowed
	case code == http.StatusNotAcceptable:
		return primitive.NotAcceptable
	case code == http.StatusConflict:
		return primitive.Conflict
	case code == http.StatusUnsupportedMediaType:
		return primitive.UnsupportedMediaType
	case code == http.StatusNotImplemented:
		return primitive.NotImplemented
	case code == http.StatusRequestTimeout, code == http.StatusGatewayTimeout:
		return primitive.RequestTimeout
	case code >= 300 && code < 500:
		return primitive.BadRequest
	}
	return primitive.InternalServerError
}

// decodeAssigned reads X-M2M-ATI: pairs of local token and token identifier.
func decodeAssigned(s string) []primitive.AssignedToken {
	var list []primitive.AssignedToken
	for pair := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '+' || r == ' ' }) {
		if local, token, ok := strings.Cut(pair, ":"); ok {
			list = append(list, primitive.AssignedToken{LocalTokenID: local, TokenID: token})
		}
	}
	return list
}
