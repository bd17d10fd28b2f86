// Package account keeps the books of originators: what they did, what they have stored, and whether that is still within their quotas.
//
// Every instance counts what it serves and adds that to the accounts in the store from time to time, so that any instance can tell an
// account; an instance that is killed loses what it counted since. Quotas of what is stored are those of the whole CSE, but looked up
// from time to time as well: several instances at once may let an originator exceed them by what it creates within RefreshInterval.
package account

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

const (
	// RefreshInterval is how often what was counted goes to the store and what originators have comes back.
	RefreshInterval = time.Second
	// maxOriginators bounds how many originators are told apart between two refreshes; what the others do is counted for Others.
	maxOriginators = 4096
	// idleRefreshes is after how many refreshes without a create it is forgotten what an originator has.
	idleRefreshes = 60
)

// Others is the account of all originators there is no room for, and of those that have no identity yet.
const Others = ""

// Limits are the quotas of every single originator. The zero Limits limit nothing.
type Limits struct {
	Resources int64 // resources and instances stored
	Bytes     int64 // bytes stored
	Requests  int64 // requests per second at each instance
}

// ledger is what Books needs of the store.
type ledger interface {
	AddUsage(ctx context.Context, now time.Time, usage ...store.Usage) error
	Usage(ctx context.Context, originator string, now time.Time) (store.Usage, error)
}

// Books are the books of one instance. Make them with NewBooks; their methods are safe for concurrent use, and on nil Books count and
// limit nothing.
type Books struct {
	ledger ledger
	limits Limits
	exempt string
	log    hclog.Logger
	metric *metrics

	mu       sync.Mutex
	counted  map[string]store.Usage // since the last refresh, by originator
	holdings map[string]*holding    // by originator; only those who create
	buckets  map[string]*bucket     // by originator; only those who sent a request lately
}

// holding is what one originator has stored.
type holding struct {
	resources, bytes int64 // as the store said, and what was created here since
	idle             int   // refreshes without a create
}

// NewBooks opens the books. The originator exempt, such as the administrator, has no quota; it may be empty.
func NewBooks(s ledger, limits Limits, exempt string, log hclog.Logger) *Books {
	return &Books{
		ledger: s, limits: limits, exempt: exempt, log: log, metric: newMetrics(),
		counted: map[string]store.Usage{}, holdings: map[string]*holding{}, buckets: map[string]*bucket{},
	}
}

// Admit counts a request of an originator with so many bytes of content. It fails if the originator sends too many: the status is
// OriginatorHasNoPrivilege, since the standard has none of its own for it and what the provider grants is what is used up, and it says when
// to try again, which makes it 429 in HTTP.
func (b *Books) Admit(originator string, bytes int, now time.Time) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := b.take(originator, now)
	if wait > 0 {
		b.count(originator, store.Usage{Refused: 1})
		return &primitive.Error{
			Status: primitive.OriginatorHasNoPrivilege, RetryAfter: wait,
			Detail: "the originator sends more requests than its quota allows; try again later",
		}
	}
	b.count(originator, store.Usage{Requests: 1, RequestBytes: int64(bytes)})
	return nil
}

// Answered counts the bytes of content that an originator got.
func (b *Books) Answered(originator string, bytes int) {
	if b == nil || bytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(originator, store.Usage{ResponseBytes: int64(bytes)})
}

// Notified counts n notifications for subscriptions of an originator.
func (b *Books) Notified(originator string, n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(originator, store.Usage{Notifications: int64(n)})
}

// count adds u to what originator did. The caller holds mu.
func (b *Books) count(originator string, u store.Usage) {
	if _, known := b.counted[originator]; !known && len(b.counted) >= maxOriginators {
		originator = Others
	}
	was := b.counted[originator]
	was.Requests += u.Requests
	was.Refused += u.Refused
	was.RequestBytes += u.RequestBytes
	was.ResponseBytes += u.ResponseBytes
	was.Notifications += u.Notifications
	b.counted[originator] = was
	b.metric.count(originator, u)
}

// Room fails if an originator that already has as much as its quota allows wants to store one more resource of so many bytes. The
// status is OriginatorHasNoPrivilege: what the provider grants is used up, and trying again does not help.
func (b *Books) Room(originator string, bytes int64) error {
	if b == nil || b.limits.Resources == 0 && b.limits.Bytes == 0 || originator == b.exempt && originator != "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holding(originator)
	switch {
	case b.limits.Resources > 0 && h.resources+1 > b.limits.Resources:
		return primitive.Errorf(primitive.OriginatorHasNoPrivilege, "%q has as many resources as its quota allows, %d", originator, b.limits.Resources)
	case b.limits.Bytes > 0 && h.bytes+bytes > b.limits.Bytes:
		return primitive.Errorf(primitive.OriginatorHasNoPrivilege, "%q has stored as many bytes as its quota allows, %d", originator, b.limits.Bytes)
	}
	return nil
}

// Stored counts a resource of so many bytes that an originator has stored.
func (b *Books) Stored(originator string, bytes int64) {
	if b == nil || b.limits.Resources == 0 && b.limits.Bytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holding(originator)
	h.resources++
	h.bytes += bytes
}

// holding is what originator has, as far as it is known; who is new here has nothing until the next refresh. The caller holds mu.
func (b *Books) holding(originator string) *holding {
	h := b.holdings[originator]
	if h == nil {
		h = &holding{}
		if len(b.holdings) < maxOriginators {
			b.holdings[originator] = h
		}
	}
	h.idle = 0
	return h
}

// Usage is the account of an originator, with what this instance has not told the store yet.
func (b *Books) Usage(ctx context.Context, originator string, now time.Time) (store.Usage, error) {
	u, err := b.ledger.Usage(ctx, originator, now)
	if err != nil {
		return u, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	more := b.counted[originator]
	u.Requests += more.Requests
	u.Refused += more.Refused
	u.RequestBytes += more.RequestBytes
	u.ResponseBytes += more.ResponseBytes
	u.Notifications += more.Notifications
	return u, nil
}

// Run refreshes the books until ctx ends, and then once more.
func (b *Books) Run(ctx context.Context) {
	tick := time.NewTicker(RefreshInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), RefreshInterval)
			defer cancel()
			if err := b.Refresh(last, clock.Now()); err != nil {
				b.log.Warn("what was counted last is lost", "error", err)
			}
			return
		case <-tick.C:
			err := b.Refresh(ctx, clock.Now())
			if err != nil && !failing && ctx.Err() == nil {
				b.log.Warn("the accounts could not be brought up to date, next try follows", "error", err)
			}
			failing = err != nil
		}
	}
}

// Refresh adds what was counted to the accounts, and looks up what originators have. What could not be added is added the next time.
func (b *Books) Refresh(ctx context.Context, now time.Time) error {
	if err := b.flush(ctx, now); err != nil {
		return err
	}
	for _, originator := range b.holders(now) {
		u, err := b.ledger.Usage(ctx, originator, now)
		if err != nil {
			return err
		}
		b.mu.Lock()
		if h := b.holdings[originator]; h != nil {
			h.resources, h.bytes = u.Resources, u.StoredBytes
		}
		b.mu.Unlock()
	}
	return nil
}

// flush adds what was counted to the accounts.
func (b *Books) flush(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	counted := b.counted
	b.counted = map[string]store.Usage{}
	b.mu.Unlock()
	if len(counted) == 0 {
		return nil
	}
	list := make([]store.Usage, 0, len(counted))
	for originator, u := range counted {
		u.Originator = originator
		list = append(list, u)
	}
	err := b.ledger.AddUsage(ctx, now, list...)
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, u := range list {
			b.restore(u)
		}
	}
	return err
}

// restore puts u back, as far as there is room. The metrics have it already. The caller holds mu.
func (b *Books) restore(u store.Usage) {
	if _, known := b.counted[u.Originator]; !known && len(b.counted) >= maxOriginators {
		u.Originator = Others
	}
	was := b.counted[u.Originator]
	was.Requests += u.Requests
	was.Refused += u.Refused
	was.RequestBytes += u.RequestBytes
	was.ResponseBytes += u.ResponseBytes
	was.Notifications += u.Notifications
	b.counted[u.Originator] = was
}

// holders are the originators whose holdings are to be looked up. It forgets those that have not created anything for long, and the
// buckets that are full again.
func (b *Books) holders(now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for originator, h := range b.holdings {
		if h.idle++; h.idle > idleRefreshes {
			delete(b.holdings, originator)
			continue
		}
		list = append(list, originator)
	}
	for originator, k := range b.buckets {
		if now.Sub(k.at) > 2*bucketTime {
			delete(b.buckets, originator)
		}
	}
	return list
}
