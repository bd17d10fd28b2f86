// Package sqlstore keeps the resource tree in PostgreSQL or SQLite. All statements are shared; what the two say differently is
// in dialect.go.
//
// Locks. Every resource that can have children has a row in tally, which also holds its counters. Whoever changes a resource or
// its children locks that row first, several of them in the order of identifiers, so writers never wait for each other in a circle.
// Rows of instances are only touched under the lock of their parent's. A wait for a lock ends with the row as it is then, or without
// it, even if the same identifier has a new row by then; so what was found before the wait is looked up again after it.
//
// Expiration. Nearly everything has not expired, but a planner that knows nothing of the tables yet may take that for a rare thing and
// keep a plan that reads the index of expirations. Hence et + 0 wherever a resource only must not have expired.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// Options are what a Store needs besides its address.
type Options struct {
	Connections int    // most connections to the database; 0 means 8
	Password    string // overrides the one in the address if not empty
	// Notice is told once what the database lacks that is not needed, and why; it may be nil.
	Notice func(what string, why error)
}

// Store is a store.Store in an SQL database. Make one with Open.
type Store struct {
	address, password string // as Open was given them; for Listen

	db      database
	dialect *dialect
	notice  func(what string, why error)
	queue   queue
	hub     hub
	looks   sync.Map // *lookPlan by lookKind
	// writer lets one goroutine write at a time where the database can do no better (SQLite), which is faster than to let it refuse.
	writer sync.Mutex
}

var _ store.Store = (*Store)(nil)

// Open returns the store at address: sqlite:PATH or postgres://… . It fails on an address that cannot be right, but does not
// connect yet: that is for Prepare, which may be repeated until the database is there.
func Open(address string, o Options) (*Store, error) {
	if o.Connections <= 0 {
		o.Connections = 8
	}
	for _, d := range dialects {
		if !d.speaks(address) {
			continue
		}
		db, err := d.open(address, o)
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		return &Store{address: address, password: o.Password, db: db, dialect: d, notice: o.Notice}, nil
	}
	return nil, errors.New("open store: the address must be sqlite:PATH or postgres://USER@HOST/DATABASE")
}

// Close closes all connections.
func (s *Store) Close() error { return s.db.close() }

// Ping reports whether the database answers a query now.
func (s *Store) Ping(ctx context.Context) error {
	_, err := read(ctx, s, `SELECT 1`, nil, scanInt)
	if err != nil {
		return s.fail("ping", err)
	}
	return nil
}

// Clock implements store.Timekeeper.
func (s *Store) Clock() func(context.Context) (time.Time, error) {
	if s.dialect.clock == "" {
		return nil
	}
	return func(ctx context.Context) (time.Time, error) {
		found, err := read(ctx, s, s.dialect.clock, nil, scanInt)
		if err != nil {
			return time.Time{}, s.fail("ask what time it is", err)
		}
		return time.UnixMicro(int64(found[0])), nil
	}
}

// fail wraps an error of the database in the store's words.
func (s *Store) fail(what string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTurnLost), errors.Is(err, context.Canceled):
		return err
	case s.dialect.unavailable(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Redact is address without its password, fit for a log.
func Redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}
