package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
)

// tx is one transaction. Its methods take statements as PostgreSQL writes them.
type tx struct {
	sql     *sql.Tx
	dialect *dialect
}

// maxAttempts bounds how often a transaction that lost against another is repeated.
const maxAttempts = 5

// write runs fn in a transaction and commits it, again if it lost a race with another. fn must be repeatable.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	if s.dialect.oneWriter {
		s.writer.Lock()
		defer s.writer.Unlock()
	}
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, fn)
		if err == nil || attempt == maxAttempts || ctx.Err() != nil || !s.dialect.retryable(err) {
			return err
		}
	}
}

func (s *Store) attempt(ctx context.Context, fn func(*tx) error) error {
	t, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(&tx{t, s.dialect}); err != nil {
		if e := t.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) {
			return errors.Join(err, e)
		}
		return err
	}
	return t.Commit()
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.sql.ExecContext(ctx, t.dialect.bind(query), args...)
	return err
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
