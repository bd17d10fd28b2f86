package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// tx is one transaction. Statements are queued and go to the database together: when an answer is needed, and at the commit.
type tx struct {
	session session
	dialect *dialect
	queued  []statement
	attempt int  // how often the transaction has been tried before
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
		t := &tx{dialect: s.dialect, attempt: attempt - 1}
		committing, err := s.try(ctx, t, fn)
		if err == nil && t.tasks {
			s.hub.wake(store.Tasks)
		}
		if err == nil || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
		failed := !committing && s.dialect.unavailable(err) && time.Since(start) < outage
		if !failed && !s.dialect.retryable(err) {
			return err
		}
	}
}

// try runs fn in one transaction and reports whether it came to the commit, after which an error leaves open what happened.
func (s *Store) try(ctx context.Context, t *tx, fn func(*tx) error) (committing bool, err error) {
	if t.session, err = s.db.begin(ctx); err != nil {
		return false, err
	}
	if err = t.queue(fn); err == nil {
		if committing, err = t.session.run(ctx, t.queued, true); err == nil {
			return true, nil
		}
	}
	// The error may be that ctx has ended.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), outage)
	defer cancel()
	if e := t.session.rollback(end); e != nil && !s.dialect.unavailable(e) {
		err = errors.Join(err, e)
	}
	return committing, err
}

// queue runs fn. A panic is its error, so that the transaction ends, and with it its locks.
func (t *tx) queue(fn func(*tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(t)
}

// read runs a query outside a transaction, again on another connection if the one it got had died, as all have when the database
// was restarted.
func read[T any](ctx context.Context, s *Store, query string, args params, scan func(answer) (T, error)) ([]T, error) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		var list []T
		err := s.db.ask(ctx, statement{query: query, args: args, read: into(&list, scan)})
		if err == nil || attempt == maxAttempts || ctx.Err() != nil || !s.dialect.unavailable(err) || time.Since(start) > outage {
			return list, err
		}
	}
}

// into reads all rows with scan and appends them to list.
func into[T any](list *[]T, scan func(answer) (T, error)) func(answer) error {
	return func(rows answer) error {
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				return err
			}
			*list = append(*list, v)
		}
		return rows.Err()
	}
}

// exec queues a statement that has no answer. If it fails, so does what flushes the queue.
func (t *tx) exec(query string, args ...any) {
	t.queued = append(t.queued, statement{query: query, args: args})
}

// want queues a query; read gets its answer when the queue is flushed. The commit does that too, but then an error of read's comes
// too late.
func (t *tx) want(read func(answer) error, query string, args ...any) {
	t.queued = append(t.queued, statement{query: query, args: args, read: read})
}

// flush runs what is queued.
func (t *tx) flush(ctx context.Context) error {
	queued := t.queued
	t.queued = nil
	_, err := t.session.run(ctx, queued, false)
	return err
}

// affect runs a statement now and returns how many rows it changed.
func (t *tx) affect(ctx context.Context, query string, args ...any) (n int64, err error) {
	t.queued = append(t.queued, statement{query: query, args: args, affected: &n})
	return n, t.flush(ctx)
}

// ask runs a query now and scans all its rows.
func ask[T any](ctx context.Context, t *tx, scan func(answer) (T, error), query string, args ...any) ([]T, error) {
	var list []T
	t.want(into(&list, scan), query, args...)
	return list, t.flush(ctx)
}

func scanInt(rows answer) (n int64, err error) { return n, rows.Scan(&n) }

func scanText(rows answer) (s string, err error) { return s, rows.Scan(&s) }

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
