package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// ErrUnreachable means that no orchestrator answers at the address.
var ErrUnreachable = errors.New("no orchestrator answers")

const (
	callTimeout = 10 * time.Second
	mostBytes   = 64 << 20         // of an answer
	silence     = 35 * time.Second // of an orchestrator, which sends a heartbeat every 10 s, until it counts as gone
)

// Client asks one orchestrator. It is safe for concurrent use.
type Client struct {
	Address string // base URL, such as http://127.0.0.1:8090
	Token   string // empty is none
	HTTP    *http.Client
}

// New returns a client of the orchestrator at address, "host:port" or an http or https URL.
func New(address, token string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("address of the orchestrator %q: want host:port or an http or https URL", address)
	}
	return &Client{Address: strings.TrimSuffix(address, "/"), Token: token, HTTP: &http.Client{}}, nil
}

// Status asks how the stack is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/status", nil, "", &s)
	return s, err
}

// Pool asks for all about one pool.
func (c *Client) Pool(ctx context.Context, pool string) (p Pool, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/pools/"+url.PathEscape(pool), nil, "", &p)
	return p, err
}

// Rollout asks how far the update of a pool is.
func (c *Client) Rollout(ctx context.Context, pool string) (r Rollout, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/pools/"+url.PathEscape(pool)+"/rollout", nil, "", &r)
	return r, err
}

// Decisions asks for the newest decisions of a pool, newest first; before, when it is not 0, for those made before that one.
func (c *Client) Decisions(ctx context.Context, pool string, limit, before int) (d []fleet.Decision, err error) {
	query := "?limit=" + strconv.Itoa(limit)
	if before > 0 {
		query += "&before=" + strconv.Itoa(before)
	}
	_, err = c.call(ctx, http.MethodGet, "/v1/pools/"+url.PathEscape(pool)+"/decisions"+query, nil, "", &d)
	return d, err
}

// Decision asks for one decision of a pool by its number.
func (c *Client) Decision(ctx context.Context, pool string, number int) (d fleet.Decision, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/pools/"+url.PathEscape(pool)+"/decisions/"+strconv.Itoa(number), nil, "", &d)
	return d, err
}

// Instances asks for the instances of all pools.
func (c *Client) Instances(ctx context.Context) (i Instances, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/instances", nil, "", &i)
	return i, err
}

// Override asks what an operator wants of a pool; tag is for Put.
func (c *Client) Override(ctx context.Context, pool string) (o spec.Override, tag string, err error) {
	tag, err = c.call(ctx, http.MethodGet, overridePath(pool), nil, "", &o)
	return o, tag, err
}

// PutOverride writes what an operator wants of a pool. A tag makes it fail when it was changed since it was read.
func (c *Client) PutOverride(ctx context.Context, pool string, o spec.Override, tag string) (spec.Override, error) {
	var written spec.Override
	_, err := c.call(ctx, http.MethodPut, overridePath(pool), o, tag, &written)
	return written, err
}

// PatchOverride changes the fields that are in the patch, a JSON merge patch of RFC 7396. What ends then ends after
// lasting; 0 leaves that as it is.
func (c *Client) PatchOverride(ctx context.Context, pool string, patch map[string]any, lasting time.Duration) (o spec.Override, err error) {
	path := overridePath(pool)
	if lasting > 0 {
		path += "?for=" + lasting.String()
	}
	_, err = c.call(ctx, http.MethodPatch, path, patch, "", &o)
	return o, err
}

// DeleteOverride makes an operator want nothing of a pool.
func (c *Client) DeleteOverride(ctx context.Context, pool string) error {
	_, err := c.call(ctx, http.MethodDelete, overridePath(pool), nil, "", nil)
	return err
}

// Check has a policy or a pool document checked.
func (c *Client) Check(ctx context.Context, document []byte) (answer Checked, err error) {
	_, err = c.call(ctx, http.MethodPost, "/v1/policies/check", json.RawMessage(document), "", &answer)
	return answer, err
}

func overridePath(pool string) string { return "/v1/pools/" + url.PathEscape(pool) + "/override" }

// call makes one request and decodes its answer. What is not a success is a *Problem, silence is ErrUnreachable.
func (c *Client) call(ctx context.Context, method, path string, body any, tag string, into any) (newTag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return "", err
	}
	if tag != "" {
		request.Header.Set("If-Match", tag)
	}
	response, err := c.do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if into == nil || response.StatusCode == http.StatusNoContent {
		return "", nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostBytes)).Decode(into); err != nil {
		return "", fmt.Errorf("read the answer of %s to %s %s: %w", c.Address, method, path, err)
	}
	return response.Header.Get("ETag"), nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if raw, ok := body.(json.RawMessage); ok {
		content = bytes.NewReader(raw) // as it is, for it may be no JSON
	} else if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Address+path, content)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
		if method == http.MethodPatch {
			request.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return request, nil
}

func (c *Client) do(request *http.Request) (*http.Response, error) {
	response, err := c.HTTP.Do(request)
	if err != nil {
		if cause := context.Cause(request.Context()); errors.Is(cause, context.Canceled) {
			return nil, cause
		}
		if asked := new(url.Error); errors.As(err, &asked) {
			err = asked.Err // what was asked is of no interest
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.Address, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	problem := &Problem{Title: response.Status, Status: response.StatusCode}
	if err != nil || json.Unmarshal(text, problem) != nil || problem.Detail == "" {
		problem.Detail = fmt.Sprintf("%s %s: %s; is this an orchestrator?", request.Method, request.URL, response.Status)
	}
	return nil, problem
}

// Events calls each for every event from now on, or after the one whose ID is lastID, until asked ends, each fails or the
// orchestrator ends it.
func (c *Client) Events(asked context.Context, lastID string, each func(Event) error) error {
	ctx, hangUp := context.WithCancel(asked)
	defer hangUp()
	request, err := c.request(ctx, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := c.do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 4<<20)
	var e Event
	silent := time.AfterFunc(silence, hangUp)
	defer silent.Stop()
	for lines.Scan() {
		silent.Reset(silence)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Kind = value
		case "data":
			e.Data = append(e.Data, value...)
		case "":
			if lines.Text() != "" {
				continue // a heartbeat
			}
			if len(e.Data) > 0 {
				if err := each(e); err != nil {
					return err
				}
			}
			e = Event{}
		}
	}
	if asked.Err() != nil {
		return asked.Err()
	}
	return fmt.Errorf("%w at %s any more: %w", ErrUnreachable, c.Address, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}
