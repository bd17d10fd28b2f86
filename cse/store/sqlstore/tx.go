package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// tx is one transaction. Its methods take statements as PostgreSQL writes them.
type tx struct {
	sql     *sql.Tx
	dialect *dialect
	tasks   bool // some were stored, of which this process is told after the commit
}

const (
	// maxAttempts bounds how often something is tried that lost against another transaction, or met a connection that had died.
	maxAttempts = 10
	// outage is how long to keep trying when connections fail: enough to get past those that died when the database was
	// restarted, too short to queue up requests while it is away.
	outage = 250 * time.Millisecond
)

// write runs fn in a transaction and commits it, again if it lost a race with another or its connection failed before the commit.
// fn must be repeatable.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	if s.dialect.oneWriter {
		s.writer.Lock()
		defer s.writer.Unlock()
	}
	start := time.Now()
	for attempt := 1; ; attempt++ {
		committing, err := s.attempt(ctx, fn)
		if err == nil || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
		failed := !committing && s.dialect.unavailable(err) && time.Since(start) < outage
		if !failed && !s.dialect.retryable(err) {
			return err
		}
	}
}

// attempt runs fn in one transaction and reports whether it came to the commit, after which an error leaves open what happened.
func (s *Store) attempt(ctx context.Context, fn func(*tx) error) (committing bool, err error) {
	t, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	w := &tx{sql: t, dialect: s.dialect}
	if err := fn(w); err != nil {
		if e := t.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) {
			return false, errors.Join(err, e)
		}
		return false, err
	}
	if err := t.Commit(); err != nil {
		return true, err
	}
	if w.tasks {
		s.hub.wake(store.Tasks)
	}
	return true, nil
}

// read runs a query outside a transaction, again on another connection if the one it got had died, as all have when the database
// was restarted.
func read[T any](ctx context.Context, s *Store, query string, args params, scan func(*sql.Rows) (T, error)) ([]T, error) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		rows, err := s.db.QueryContext(ctx, s.dialect.bind(query), args...)
		list, err := collect(rows, err, scan)
		if err == nil || attempt == maxAttempts || ctx.Err() != nil || !s.dialect.unavailable(err) || time.Since(start) > outage {
			return list, err
		}
	}
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.sql.ExecContext(ctx, t.dialect.bind(query), args...)
	return err
}

// affect is exec for a statement whose number of rows matters.
func (t *tx) affect(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := t.sql.ExecContext(ctx, t.dialect.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *tx) row(ctx context.Context, query string, args ...any) *sql.Row {
	return t.sql.QueryRowContext(ctx, t.dialect.bind(query), args...)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.sql.QueryContext(ctx, t.dialect.bind(query), args...)
}

// params collects the parameters of a statement that is put together.
type params []any

// add returns the placeholder for v.
func (p *params) add(v any) string {
	*p = append(*p, v)
	return "$" + strconv.Itoa(len(*p))
}

// addAll returns a list of placeholders for vs, which must not be empty. The list is padded to a power of two, so that few
// different statements have to be prepared.
func addAll[T any](p *params, vs []T) string {
	list := p.add(vs[0])
	size := 1
	for size < len(vs) {
		size *= 2
	}
	for i := 1; i < size; i++ {
		list += ", " + p.add(vs[min(i, len(vs)-1)])
	}
	return list
}
