package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// DefaultReleaseVersion is the X-M2M-RVI of a Client that does not say another.
const DefaultReleaseVersion = "3"

// defaultTimeout is how long one try may take if the Client does not say.
const defaultTimeout = 30 * time.Second

// Client sends requests to one CSE for one originator. Its fields are set before its first use and not changed; then any number of
// goroutines may use it. BaseURL is all it must have.
type Client struct {
	BaseURL        string        // where the CSE listens, such as http://localhost:8080; a path in front of the addresses is kept
	Originator     string        // AE-ID; "C", "S" or empty to have one assigned by Register
	ReleaseVersion string        // X-M2M-RVI, such as 2a; empty is DefaultReleaseVersion
	HTTPClient     *http.Client  // for TLS, proxies and connection limits; nil is http.DefaultClient
	Header         http.Header   // sent with every request, such as Authorization; may be nil
	Timeout        time.Duration // for one try; zero is 30 seconds
	Retry          Retry         // the zero Retry is a good default
}

// New is a client of the CSE at baseURL that speaks for originator, with defaults for everything else. A baseURL that is none is
// reported by the first request.
func New(baseURL, originator string) *Client {
	return &Client{BaseURL: baseURL, Originator: originator}
}

// As is a copy of c that speaks for another originator.
func (c *Client) As(originator string) *Client {
	other := *c
	other.Originator = originator
	return &other
}

// release is the X-M2M-RVI of requests.
func (c *Client) release() string {
	if c.ReleaseVersion == "" {
		return DefaultReleaseVersion
	}
	return c.ReleaseVersion
}

// Create makes r a child of parent, sending what is set in r and is the originator's to say. Then r has the attributes that the CSE
// gave the new resource, its identifier among them. Fails with ErrConflict if parent has a child of that name.
func (c *Client) Create(ctx context.Context, parent string, r Resource) error {
	content, err := encode(r, OperationCreate)
	if err != nil {
		return err
	}
	ty, _ := r.Kind()
	response, err := c.Do(ctx, Request{Operation: OperationCreate, To: parent, ResourceType: ty, Content: content})
	if err != nil || len(response.Content) == 0 {
		return err
	}
	return decode(response.Content, r)
}

// Retrieve fills r with the resource at to, which must be of its type. Fails with ErrNotFound if there is none.
func (c *Client) Retrieve(ctx context.Context, to string, r Resource) error {
	response, err := c.Do(ctx, Request{Operation: OperationRetrieve, To: to})
	if err != nil {
		return err
	}
	return decode(response.Content, r)
}

// Get is the resource at to, such as Get[Container](ctx, c, "cse-in/ae/data").
func Get[T any, P interface {
	*T
	Resource
}](ctx context.Context, c *Client, to string) (*T, error) {
	r := new(T)
	if err := c.Retrieve(ctx, to, P(r)); err != nil {
		return nil, err
	}
	return r, nil
}

// Update changes at to the attributes that are set in r and may be updated, and leaves the others. It is best given a fresh value
// with nothing but the change; accessControlPolicyIDs must be changed alone. Then r has what the CSE answered. To delete an
// attribute, update with a Raw in which it is nil.
func (c *Client) Update(ctx context.Context, to string, r Resource) error {
	content, err := encode(r, OperationUpdate)
	if err != nil {
		return err
	}
	response, err := c.Do(ctx, Request{Operation: OperationUpdate, To: to, Content: content})
	if err != nil || len(response.Content) == 0 {
		return err
	}
	return decode(response.Content, r)
}

// Delete removes the resource at to and everything below it. Fails with ErrNotFound if there is none, unless an earlier try of the
// same request can have removed it.
func (c *Client) Delete(ctx context.Context, to string) error {
	_, err := c.Do(ctx, Request{Operation: OperationDelete, To: to})
	return err
}

// Notify sends content, which is marshalled as JSON, to the AE or CSE at to. It is repeated only while it cannot have arrived.
func (c *Client) Notify(ctx context.Context, to string, content any) error {
	b, err := json.Marshal(content)
	if err != nil {
		return &encodeError{to, err}
	}
	_, err = c.Do(ctx, Request{Operation: OperationNotify, To: to, Content: b})
	return err
}

// Publish makes content the latest of container: a string, or whatever JSON can carry.
func (c *Client) Publish(ctx context.Context, container string, content any, labels ...string) (*ContentInstance, error) {
	i := &ContentInstance{Common: Common{Labels: labels}, Content: content}
	if err := c.Create(ctx, container, i); err != nil {
		return nil, err
	}
	return i, nil
}

// Latest is the newest instance of container. Fails with ErrNotFound if it has none.
func (c *Client) Latest(ctx context.Context, container string) (*ContentInstance, error) {
	return Get[ContentInstance](ctx, c, container+"/la")
}

// Oldest is the oldest instance of container. Fails with ErrNotFound if it has none.
func (c *Client) Oldest(ctx context.Context, container string) (*ContentInstance, error) {
	return Get[ContentInstance](ctx, c, container+"/ol")
}
