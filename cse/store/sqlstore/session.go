package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// answer are the rows that a statement answers with; the rows of both drivers are.
type answer interface {
	Next() bool
	Scan(targets ...any) error
	Err() error
}

// statement is one statement for the database.
type statement struct {
	query    string
	args     params
	read     func(answer) error // reads the answer; nil if there is none, or nobody wants it
	affected *int64             // receives how many rows were changed; nil if nobody wants to know
}

// database is a pool of connections.
type database interface {
	// ask runs one statement outside a transaction.
	ask(ctx context.Context, s statement) error
	begin(ctx context.Context) (session, error)
	close() error
}

// session is one transaction. It is used by one goroutine, and always ended: by a commit that succeeds, or by rollback.
type session interface {
	// run runs statements in order, and then the commit if that is asked for, all in one round trip if the database is not in this
	// process. sent reports whether the commit was sent; an error that is not the database's own then leaves open what happened.
	run(ctx context.Context, statements []statement, commit bool) (sent bool, err error)
	rollback(ctx context.Context) error
}

// postgresPool is a database that is PostgreSQL.
type postgresPool struct{ pool *pgxpool.Pool }

func (p postgresPool) close() error { p.pool.Close(); return nil }

func (p postgresPool) ask(ctx context.Context, s statement) error {
	rows, err := p.pool.Query(ctx, s.query, s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if s.read != nil {
		if err := s.read(rows); err != nil {
			return err
		}
	}
	rows.Close()
	if s.affected != nil {
		*s.affected = rows.CommandTag().RowsAffected()
	}
	return rows.Err()
}

func (p postgresPool) begin(ctx context.Context) (session, error) {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &postgresSession{conn: c}, nil
}

// planOnce has PostgreSQL plan the statements of a transaction once for each connection and not each time. It would rather look at the
// parameters of some, which takes longer than to carry them out, as there are many indexes; and what it then plans is worse when a
// container holds most of all instances.
const planOnce = "SET LOCAL plan_cache_mode = force_generic_plan"

type postgresSession struct {
	conn  *pgxpool.Conn
	begun bool
}

func (s *postgresSession) run(ctx context.Context, statements []statement, commit bool) (sent bool, err error) {
	b := &pgx.Batch{}
	if !s.begun {
		b.Queue("BEGIN")
		b.Queue(planOnce)
	}
	for _, st := range statements {
		q := b.Queue(st.query, st.args...)
		if st.read != nil {
			q.Query(func(rows pgx.Rows) error { return st.read(rows) })
		}
		if st.affected != nil {
			q.Exec(func(tag pgconn.CommandTag) error { *st.affected = tag.RowsAffected(); return nil })
		}
	}
	if commit {
		b.Queue("COMMIT")
	}
	s.begun = true
	if err := s.conn.SendBatch(ctx, b).Close(); err != nil {
		// What the database says comes instead of the commit, which it then passes over, and so does not happen.
		var said *pgconn.PgError
		return commit && !errors.As(err, &said) && !pgconn.SafeToRetry(err), err
	}
	if commit {
		s.conn.Release()
	}
	return commit, nil
}

func (s *postgresSession) rollback(ctx context.Context) error {
	defer s.conn.Release() // which closes it if it is no longer fit for use
	if !s.begun || s.conn.Conn().IsClosed() {
		return nil
	}
	_, err := s.conn.Exec(ctx, "ROLLBACK")
	return err
}

// sqlitePool is a database that is SQLite, in this process.
type sqlitePool struct {
	db    *sql.DB
	bound *sync.Map // statements as PostgreSQL writes them to how SQLite does
}

func (p sqlitePool) close() error { return p.db.Close() }

// bind spells the parameters of query as SQLite does.
func (p sqlitePool) bind(query string) string {
	if b, ok := p.bound.Load(query); ok {
		return b.(string)
	}
	b := strings.ReplaceAll(query, "$", "?")
	p.bound.Store(query, b)
	return b
}

func (p sqlitePool) ask(ctx context.Context, s statement) error { return p.do(ctx, p.db, s) }

// do runs s on a pool or in a transaction.
func (p sqlitePool) do(ctx context.Context, on interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, s statement) error {
	if s.read != nil {
		rows, err := on.QueryContext(ctx, p.bind(s.query), s.args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		return s.read(rows)
	}
	result, err := on.ExecContext(ctx, p.bind(s.query), s.args...)
	if err != nil || s.affected == nil {
		return err
	}
	*s.affected, err = result.RowsAffected()
	return err
}

func (p sqlitePool) begin(ctx context.Context) (session, error) {
	t, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &sqliteSession{pool: p, tx: t}, nil
}

type sqliteSession struct {
	pool sqlitePool
	tx   *sql.Tx
}

func (s *sqliteSession) run(ctx context.Context, statements []statement, commit bool) (sent bool, err error) {
	for _, st := range statements {
		if err := s.pool.do(ctx, s.tx, st); err != nil {
			return false, err
		}
	}
	if !commit {
		return false, nil
	}
	return true, s.tx.Commit()
}

func (s *sqliteSession) rollback(context.Context) error {
	if err := s.tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}
