package consul

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"
)

// Session is what a lock is held by. It lives as long as it is renewed.
type Session struct {
	ID   string
	Name string
	Node string
	TTL  time.Duration
}

// lockDelay is how long a lock stays closed after its session was lost. Writes are fenced, so it need not protect
// against a former holder that does not know yet.
const lockDelay = time.Millisecond

// CreateSession makes a session that ends when it has not been renewed for ttl (Consul takes 10 s to 24 h, and may
// need up to twice as long to notice) and then releases its locks. Only renewal keeps it alive: it survives a
// restart of the agent.
func (c *Client) CreateSession(ctx context.Context, name string, ttl time.Duration) (id string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	id, _, err = c.api.Session().CreateNoChecks(&api.SessionEntry{
		Name: name, TTL: ttl.String(), Behavior: api.SessionBehaviorRelease, LockDelay: lockDelay,
	}, c.write(ctx))
	return id, failure(ctx, "create session "+name, err)
}

// RenewSession gives a session another TTL; ErrNotFound when it has ended.
func (c *Client) RenewSession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	// Not Session().Renew, which hides the status of a refusal.
	_, err := c.api.Raw().Write("/v1/session/renew/"+url.PathEscape(id), nil, nil, c.write(ctx))
	return failure(ctx, "renew session "+id, err)
}

// DestroySession ends a session and so releases its locks at once; one that is gone is destroyed.
func (c *Client) DestroySession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	_, err := c.api.Session().Destroy(id, c.write(ctx))
	return failure(ctx, "destroy session "+id, err)
}

// SessionInfo returns a living session, or ErrNotFound.
func (c *Client) SessionInfo(ctx context.Context, id string) (Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	entry, _, err := c.api.Session().Info(id, c.query(ctx))
	if err != nil {
		return Session{}, failure(ctx, "read session "+id, err)
	}
	if entry == nil {
		return Session{}, fmt.Errorf("read session %s: %w", id, ErrNotFound)
	}
	ttl, err := time.ParseDuration(entry.TTL)
	if err != nil {
		return Session{}, fmt.Errorf("read session %s: %w", id, err)
	}
	return Session{ID: entry.ID, Name: entry.Name, Node: entry.Node, TTL: ttl}, nil
}

// Acquire locks key for session and writes value; false when another session holds it. ErrNotFound when the session
// has ended. Acquiring what one holds already writes the value and is true.
func (c *Client) Acquire(ctx context.Context, key string, value []byte, session string) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	held, _, err := c.api.KV().Acquire(&api.KVPair{Key: key, Value: value, Session: session}, c.write(ctx))
	return held, failure(ctx, "lock key "+key, err)
}

// Release unlocks key and keeps its value; one that session does not hold is released.
func (c *Client) Release(ctx context.Context, key, session string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	kv, _, err := c.api.KV().Get(key, c.query(ctx))
	if err != nil {
		return failure(ctx, "unlock key "+key, err)
	}
	if kv == nil || kv.Session != session {
		return nil
	}
	_, _, err = c.api.KV().Release(kv, c.write(ctx))
	return failure(ctx, "unlock key "+key, err)
}
