// Package consul is a thin Consul client in viot's words: key-value with compare-and-set, blocking queries,
// service health, sessions, and writes that only the holder of a lock can make.
//
// Every error says what was tried and can be told apart with errors.Is: ErrNotFound, ErrConflict, ErrNotLeader,
// ErrDenied and ErrUnavailable. ErrUnavailable means that nothing is known, not that nothing is there: who gets it
// keeps what it has.
package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

var (
	// ErrNotFound means that Consul answered and does not have it.
	ErrNotFound = errors.New("not found in Consul")
	// ErrConflict means that a value was changed by another since it was read; nothing was written.
	ErrConflict = errors.New("changed by another in the meantime")
	// ErrNotLeader means that the session does not hold the leader key; nothing was written.
	ErrNotLeader = errors.New("not the leader")
	// ErrDenied means that the token lacks the right to do this.
	ErrDenied = errors.New("denied by Consul's ACL")
	// ErrUnavailable means that Consul did not answer, or has no leader and can neither be written nor trusted.
	ErrUnavailable = errors.New("consul does not answer")
)

const (
	dialTimeout = 2 * time.Second
	callTimeout = 5 * time.Second // of a call that does not block, and what a blocking one may take beyond its wait
)

// Client talks to one Consul agent. It is safe for concurrent use.
type Client struct {
	api   *api.Client
	stale bool
}

// New returns a client of the agent at address, "host:port" or an http or https URL. An empty token means the one
// in CONSUL_HTTP_TOKEN, or none. New does not connect.
func New(address, token string) (*Client, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	c, err := api.NewClient(&api.Config{
		Address: address,
		Token:   token,
		Transport: &http.Transport{ // no proxy: the agent is a neighbour
			DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout: callTimeout,
			MaxIdleConnsPerHost: 32,
			IdleConnTimeout:     90 * time.Second,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("consul client for %s: %w", address, err)
	}
	return &Client{api: c}, nil
}

func checkAddress(address string) error {
	u := address
	if !strings.Contains(u, "://") {
		u = "http://" + u
	}
	parsed, err := url.Parse(u)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("consul address %q: want host:port or an http or https URL", address)
	}
	return nil
}

// AllowStale returns a client whose reads any Consul server may answer, with or without a leader. What it reads may
// be older than what was read before.
func (c *Client) AllowStale() *Client { return &Client{api: c.api, stale: true} }

// Ready returns nil when Consul has a leader and takes writes. It changes nothing: it deletes a key that is never
// there, which needs the right to write keys under viot/.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	leader, err := c.api.Status().LeaderWithQueryOptions(c.query(ctx))
	if err != nil {
		return failure(ctx, "ask consul for its leader", err)
	}
	if leader == "" {
		return fmt.Errorf("ask consul for its leader: it has none: %w", ErrUnavailable)
	}
	if _, err := c.api.KV().Delete("viot/.ready", c.write(ctx)); err != nil {
		return failure(ctx, "write to consul", err)
	}
	return nil
}

func (c *Client) query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{AllowStale: c.stale}).WithContext(ctx)
}

func (c *Client) write(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{}).WithContext(ctx)
}

// blocking returns the options of a blocking query from index on and a context that bounds it. An index of 0 does
// not block; a wait of 0 is Consul's default, 5 minutes.
func (c *Client) blocking(ctx context.Context, index uint64, wait time.Duration) (context.Context, context.CancelFunc, *api.QueryOptions) {
	const consulDefault = 5 * time.Minute
	limit := callTimeout
	if index > 0 {
		if wait == 0 {
			wait = consulDefault
		}
		limit += wait + wait/16 // Consul spreads its answers over a sixteenth
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errCallTimeout)
	q := c.query(ctx)
	q.WaitIndex, q.WaitTime = index, wait
	return ctx, cancel, q
}

// nextIndex is the index to block on after a query from previous on answered got: an index that went backwards
// belongs to another history, so the next query must not block.
func nextIndex(previous, got uint64) uint64 {
	if got < previous {
		return 0
	}
	return max(got, 1)
}

// errCallTimeout tells our own limit on a call from the caller's.
var errCallTimeout = errors.New("no answer in time")

// failure classifies err, which came from trying what. It is the one place that reads Consul's answers.
func failure(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && context.Cause(ctx) != errCallTimeout {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	kind := ErrUnavailable
	var status api.StatusError
	if errors.As(err, &status) {
		switch {
		case status.Code == http.StatusNotFound:
			kind = ErrNotFound
		case status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized:
			kind = ErrDenied
		// Consul reports a session that is gone as an internal error and gives nothing but text to know it by.
		case status.Code == http.StatusInternalServerError && strings.Contains(status.Body, "invalid session"):
			kind = ErrNotFound
		case status.Code < http.StatusInternalServerError && status.Code != http.StatusTooManyRequests:
			return fmt.Errorf("%s: %w", what, err) // the request itself is wrong
		}
	}
	return fmt.Errorf("%s: %w: %w", what, kind, err)
}
