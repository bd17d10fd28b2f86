package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Operation is what a request asks for, TS-0004 clause 6.3.4.2.5.
type Operation int

// The operations of TS-0001 clause 8.1.2.
const (
	OperationCreate Operation = iota + 1
	OperationRetrieve
	OperationUpdate
	OperationDelete
	OperationNotify
)

// String is the name of o, such as create.
func (o Operation) String() string {
	switch o {
	case OperationCreate:
		return "create"
	case OperationRetrieve:
		return "retrieve"
	case OperationUpdate:
		return "update"
	case OperationDelete:
		return "delete"
	case OperationNotify:
		return "notify"
	}
	return "operation " + strconv.Itoa(int(o))
}

// method is the HTTP method that stands for o, TS-0009 clause 6.2.1; empty if there is none.
func (o Operation) method() string {
	switch o {
	case OperationCreate, OperationNotify:
		return http.MethodPost
	case OperationRetrieve:
		return http.MethodGet
	case OperationUpdate:
		return http.MethodPut
	case OperationDelete:
		return http.MethodDelete
	}
	return ""
}

// ResultContent says what of the result is wanted back, TS-0001 table 8.1.2-1.
type ResultContent int

// The result contents of Release 2. The zero ResultContent is the default of the operation.
const (
	ResultDefault ResultContent = iota
	ResultAttributes
	ResultHierarchicalAddress
	ResultAddressAndAttributes
	ResultAttributesAndChildren
	ResultAttributesAndReferences
	ResultReferences
	ResultOriginal
	ResultChildren
	ResultNothing ResultContent = -1 // 0 on the wire
)

// Request is one request for Do, TS-0004 table 6.4.1-1. What is not said has its zero value.
type Request struct {
	Operation         Operation
	To                string
	RequestID         string          // the same for all tries; a new one is made if empty
	ResourceType      ResourceType    // of a create
	Content           json.RawMessage // of a create, update or notify
	ResultContent     ResultContent
	AttributeList     []string      // short names of the only attributes wanted; empty is all
	Filter            Filter        // what a retrieve or discovery selects
	Discovery         bool          // a retrieve asks for the addresses of what Filter selects
	RequestExpiration time.Duration // after which the CSE need not answer any more; zero is none
	Header            http.Header   // further headers; may be nil
}

// Response is an answer that says the request succeeded, TS-0004 table 6.4.2-1.
type Response struct {
	Status    Status
	RequestID string
	Content   json.RawMessage // nil if there is none
	Location  string          // of a create: the address of the new resource
	Partial   bool            // there is more of the result, from Offset on
	Offset    int             // where the rest starts, 1-based; zero if the CSE does not say
}

// Do sends q and, if need be, repeats it as c.Retry has it. An answer that says the request failed is an *Error.
func (c *Client) Do(ctx context.Context, q Request) (Response, error) {
	if q.RequestID == "" {
		q.RequestID = rand.Text()
	}
	address, err := c.address(q)
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: %w", q.Operation, q.To, err)
	}
	return c.repeat(ctx, q, func(ctx context.Context) (Response, error) { return c.try(ctx, q, address) })
}

// address is the URL of q, TS-0009 clause 6.2.2.
func (c *Client) address(q Request) (string, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return "", err
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return "", fmt.Errorf("base URL %q is not like http://host:port", c.BaseURL)
	}
	if q.Operation.method() == "" {
		return "", errors.New("no such operation")
	}
	if strings.Trim(q.To, "/") == "" {
		return "", errors.New("the request has no target")
	}
	base.Path, base.RawPath = strings.TrimSuffix(base.Path, "/")+path(q.To), ""
	base.RawQuery = q.query()
	return base.String(), nil
}

// path is where to is on a CSE, TS-0009 clause 6.2.2.1.
func path(to string) string {
	if absolute, ok := strings.CutPrefix(to, "//"); ok {
		return "/_/" + absolute
	}
	if relative, ok := strings.CutPrefix(to, "/"); ok {
		return "/~/" + relative
	}
	return "/" + to
}

// query is the query string of q, TS-0009 clause 6.2.2.2.
func (q Request) query() string {
	var b query
	if q.ResultContent == ResultNothing {
		b.add("rcn", "0")
	} else if q.ResultContent != ResultDefault {
		b.add("rcn", strconv.Itoa(int(q.ResultContent)))
	}
	b.add("atrl", q.AttributeList...)
	if q.Discovery {
		b.add("fu", "1")
	}
	q.Filter.addTo(&b)
	return b.String()
}

// maxAnswer bounds the bytes of an answer.
const maxAnswer = 64 << 20

// try sends q once.
func (c *Client) try(ctx context.Context, q Request, address string) (Response, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	timeout = max(timeout, q.RequestExpiration+timeout/2)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, q.Operation.method(), address, bytes.NewReader(q.Content))
	if err != nil {
		return Response{}, err
	}
	c.setHeader(request.Header, q)
	httpClient := c.HTTPClient
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	answer, err := httpClient.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return Response{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return Response{}, &Error{Operation: q.Operation, To: q.To, HTTPStatus: answer.StatusCode, Debug: "the answer is too long"}
	}
	return read(q, answer, body)
}

// setHeader sets the headers of q, TS-0009 clause 6.4, with names as the standard writes them.
func (c *Client) setHeader(h http.Header, q Request) {
	for _, more := range []http.Header{c.Header, q.Header} {
		for name, values := range more {
			h[name] = values
		}
	}
	h["Accept"] = []string{"application/json"}
	h["X-M2M-RI"] = []string{q.RequestID}
	h["X-M2M-RVI"] = []string{c.release()}
	if c.Originator != "" {
		h["X-M2M-Origin"] = []string{c.Originator}
	}
	if q.RequestExpiration > 0 {
		h["X-M2M-RET"] = []string{strconv.FormatInt(q.RequestExpiration.Milliseconds(), 10)}
	}
	if q.Operation == OperationCreate {
		h["Content-Type"] = []string{"application/json;ty=" + strconv.Itoa(int(q.ResourceType))}
	} else if len(q.Content) > 0 {
		h["Content-Type"] = []string{"application/json"}
	}
}

// read makes a Response or an *Error of an answer, TS-0009 clause 6.3.
func read(q Request, answer *http.Response, body []byte) (Response, error) {
	number, _ := strconv.Atoi(answer.Header.Get("X-M2M-RSC")) // zero is no status
	status := Status(number)
	if !status.OK() {
		return Response{}, &Error{
			Operation: q.Operation, To: q.To, Status: status, HTTPStatus: answer.StatusCode,
			Debug: debug(body), RetryAfter: retryAfter(answer.Header.Get("Retry-After"), time.Now()),
		}
	}
	r := Response{
		Status: status, RequestID: answer.Header.Get("X-M2M-RI"), Location: location(answer.Header.Get("Content-Location")),
		Partial: answer.Header.Get("X-M2M-CTS") == "1",
	}
	if len(body) > 0 {
		r.Content = body
	}
	r.Offset, _ = strconv.Atoi(answer.Header.Get("X-M2M-CTO")) // absent is zero
	return r, nil
}

// location is the address that a Content-Location stands for: the reverse of path, for paths with or without their prefix.
func location(path string) string {
	if u, err := url.Parse(path); err == nil && u.Host != "" {
		path = u.Path
	}
	if rest, ok := strings.CutPrefix(path, "/~/"); ok {
		return "/" + rest
	}
	if rest, ok := strings.CutPrefix(path, "/_/"); ok {
		return "//" + rest
	}
	return strings.TrimPrefix(path, "/")
}
