package consul

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// KV is one key of the store and what it holds.
type KV struct {
	Key         string
	Value       []byte
	ModifyIndex uint64 // for PutIf and DeleteIf; grows with every write
	Session     string // the session that holds the key as a lock; empty when none does
}

func kvOf(p *api.KVPair) KV {
	return KV{Key: p.Key, Value: p.Value, ModifyIndex: p.ModifyIndex, Session: p.Session}
}

func kvsOf(pairs api.KVPairs) []KV {
	kvs := make([]KV, len(pairs))
	for i, p := range pairs {
		kvs[i] = kvOf(p)
	}
	return kvs
}

// Get returns a key, or ErrNotFound.
func (c *Client) Get(ctx context.Context, key string) (KV, error) {
	kv, _, err := c.WatchKey(ctx, key, 0, 0)
	return kv, err
}

// List returns every key that starts with prefix, in the order of their names. No key is an empty list.
func (c *Client) List(ctx context.Context, prefix string) ([]KV, error) {
	kvs, _, err := c.WatchPrefix(ctx, prefix, 0, 0)
	return kvs, err
}

// WatchKey is one blocking query: it returns when the key has changed since index, or after wait, with the index
// for the next call. Index 0 returns at once. A key that is not there is ErrNotFound with a valid index. After any
// other error start again from index 0: Consul may have come back with another history.
func (c *Client) WatchKey(ctx context.Context, key string, index uint64, wait time.Duration) (KV, uint64, error) {
	ctx, cancel, q := c.blocking(ctx, index, wait)
	defer cancel()
	pair, meta, err := c.api.KV().Get(key, q)
	if err != nil {
		return KV{}, 0, failure(ctx, "read key "+key, err)
	}
	next := nextIndex(index, meta.LastIndex)
	if pair == nil {
		return KV{}, next, fmt.Errorf("read key %s: %w", key, ErrNotFound)
	}
	return kvOf(pair), next, nil
}

// WatchPrefix is WatchKey for all keys that start with prefix; none is an empty list.
func (c *Client) WatchPrefix(ctx context.Context, prefix string, index uint64, wait time.Duration) ([]KV, uint64, error) {
	ctx, cancel, q := c.blocking(ctx, index, wait)
	defer cancel()
	pairs, meta, err := c.api.KV().List(prefix, q)
	if err != nil {
		return nil, 0, failure(ctx, "list keys "+prefix, err)
	}
	return kvsOf(pairs), nextIndex(index, meta.LastIndex), nil
}

// Put writes a key whatever it held.
func (c *Client) Put(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	_, err := c.api.KV().Put(&api.KVPair{Key: key, Value: value}, c.write(ctx))
	return failure(ctx, "write key "+key, err)
}

// PutIf writes a key when its ModifyIndex still is index, 0 meaning that it must not exist; ErrConflict otherwise.
func (c *Client) PutIf(ctx context.Context, key string, value []byte, index uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	done, _, err := c.api.KV().CAS(&api.KVPair{Key: key, Value: value, ModifyIndex: index}, c.write(ctx))
	return conditional(ctx, "write key "+key, done, err)
}

// Delete removes a key; one that is not there is removed.
func (c *Client) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	_, err := c.api.KV().Delete(key, c.write(ctx))
	return failure(ctx, "delete key "+key, err)
}

// DeleteIf removes a key when its ModifyIndex still is index, or when it is not there; ErrConflict otherwise.
func (c *Client) DeleteIf(ctx context.Context, key string, index uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	done, _, err := c.api.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, c.write(ctx))
	return conditional(ctx, "delete key "+key, done, err)
}

// DeleteTree removes every key that starts with prefix.
func (c *Client) DeleteTree(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	_, err := c.api.KV().DeleteTree(prefix, c.write(ctx))
	return failure(ctx, "delete keys "+prefix, err)
}

func conditional(ctx context.Context, what string, done bool, err error) error {
	if err == nil && !done {
		return fmt.Errorf("%s: %w", what, ErrConflict)
	}
	return failure(ctx, what, err)
}
