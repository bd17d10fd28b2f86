package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is everything in which the databases differ. Shared statements are written for PostgreSQL.
type dialect struct {
	speaks func(address string) bool
	open   func(address string, o Options) (database, error)
	types  *strings.Replacer // column types in the schema
	// policies is an expression for the existing policies of the row g, as a JSON array of {"ri","attrs"}, or NULL. %s is the
	// parameter that holds the present.
	policies string
	// subscriptions is an expression for the subscriptions of the resource with the identifier %[2]s, as a JSON array of subscription,
	// or NULL. %[1]s is the parameter that holds the present.
	subscriptions string
	lock          string // ends a query that locks its rows of tally
	skip          string // ends a query that locks its rows, and passes over those that others have locked
	planAnew      params // goes before the arguments of a query whose best plan depends on them
	notify        string // tells other instances about the box $1; empty if there are none
	// listener returns what connects for Listen; nil if there is nobody to listen to.
	listener  func(address, password string) (func(context.Context) (*pgx.Conn, error), error)
	clock     string // asks the database for its time, in microseconds; empty if it has none of its own
	setupLock string // taken by the transaction that sets up the schema
	tend      string // keeps the planner's statistics current; empty if the database does so itself
	oneWriter bool   // writers would refuse each other rather than wait
	arrays    bool   // parameters may be arrays
	routine   bool   // belongings is worked out by belongingsRoutine
	attribute func(name string) string
	list      string                         // aggregate that makes a JSON array
	elements  func(name string) string       // the texts in an attribute of the row r, a list, as rows of m with the column value
	head      func(expression string) string // what is before the first slash
	optional  string                         // an expression for how many of the optional indexes there are
	// ends is the condition that expression, of which there is an index from the end to the beginning, matches a pattern of which only the
	// end is known.
	ends func(p *params, expression, pattern string) string
	// like is the operator of a pattern match and pattern makes its operand from a value in which * is the wildcard.
	like    string
	pattern func(value string) string
	// unavailable tells an error that says nothing about the statement, and retryable one that a repetition may not meet.
	unavailable, retryable func(error) bool
}

var dialects = []*dialect{&postgres, &sqliteDialect}

var postgres = dialect{
	speaks: func(a string) bool {
		return strings.HasPrefix(a, "postgres://") || strings.HasPrefix(a, "postgresql://")
	},
	open: func(address string, o Options) (database, error) {
		c, err := postgresConfig(address, o.Password)
		if err != nil {
			return nil, err
		}
		c.MaxConns = int32(o.Connections)
		c.AfterConnect = byIndex
		pool, err := pgxpool.NewWithConfig(context.Background(), c) // which connects when it is first used
		return postgresPool{pool}, err
	},
	// The C collation sorts and compares bytes, which is what ranges of paths rely on and what SQLite does.
	types: strings.NewReplacer("TEXT", `text COLLATE "C"`, "INTEGER", "bigint", "JSON", "json", "BYTES", "bytea",
		"SERIAL", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		"ROOMY", "WITH (fillfactor = 50)"),
	policies: `CASE WHEN g.policies IS NULL THEN NULL ELSE
		(SELECT json_agg(json_build_object('ri', p.ri, 'attrs', p.attrs)) FROM json_array_elements_text(g.policies) AS id(ri)
		JOIN resource p ON p.ri = id.ri WHERE p.ty = 1 AND p.et + 0 > %s) END`,
	subscriptions: `(SELECT json_agg(json_build_object('ri', s.ri, 'path', s.path, 'ct', s.ct, 'lt', s.lt, 'et', s.et, 'creator', s.creator,
		'host', s.host, 'gov', s.gov, 'policies', s.policies, 'attrs', s.attrs) ORDER BY s.ri)
		FROM resource s WHERE s.pi = %[2]s AND s.ty = 23 AND s.et + 0 > %[1]s)`,
	lock: ` FOR UPDATE OF t`,
	skip: ` FOR UPDATE SKIP LOCKED`,
	// A prepared statement soon gets one plan for all arguments, which is made for periods that cover a third of everything.
	planAnew:  params{pgx.QueryExecModeCacheDescribe},
	clock:     `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`,
	setupLock: `SELECT pg_advisory_xact_lock(7305526820340593774)`, // any number, the same in every instance
	notify:    `SELECT pg_notify('viot_message', $1)`,
	listener: func(address, password string) (func(context.Context) (*pgx.Conn, error), error) {
		c, err := postgresConfig(address, password)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, c.ConnConfig) }, nil
	},
	arrays:    true,
	optional:  countOptional(),
	routine:   true,
	attribute: func(name string) string { return `(r.attrs->>'` + name + `')` },
	list:      "json_agg",
	elements:  func(name string) string { return `json_array_elements_text(r.attrs->'` + name + `') AS m(value)` },
	head:      func(e string) string { return `split_part(` + e + `, '/', 1)` },
	like:      "LIKE",
	ends: func(p *params, e, v string) string {
		return `reverse(` + e + `) LIKE ` + p.add(postgresPattern(backwards(v)))
	},
	pattern: postgresPattern,
	unavailable: func(err error) bool {
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			switch pg.Code[:2] {
			case "08", "28", "3D", "53", "57", "58", "25": // connection, authorisation, resources, shutdown, system, read-only
				return true
			}
			return false
		}
		var network net.Error
		var connect *pgconn.ConnectError
		return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
			errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
			errors.Is(err, context.DeadlineExceeded)
	},
	retryable: func(err error) bool {
		var pg *pgconn.PgError
		return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001" || pg.Code == "23505") // deadlock, serialisation, a race lost
	},
}

func postgresPattern(v string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(v)
}

// byIndex has the planner prefer indexes. Plans are kept, and those made while the tables were still small, and unknown to the
// planner, would read all of them for ever after. What then seems dear because it has to read a table is not worth compiling, nor worth the
// start of further processes. Engines that are only similar to PostgreSQL need not know the settings.
func byIndex(ctx context.Context, c *pgx.Conn) error {
	for _, setting := range []string{`SET enable_seqscan = off`, `SET jit = off`, `SET max_parallel_workers_per_gather = 0`} {
		_, err := c.Exec(ctx, setting, pgx.QueryExecModeSimpleProtocol)
		var said *pgconn.PgError
		if err != nil && !errors.As(err, &said) {
			return err
		}
	}
	return nil
}

func postgresConfig(address, password string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err // its text hides the password
	}
	if password != "" {
		c.ConnConfig.Password = password
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 2 * time.Second
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "viot-cse"
	}
	return c, nil
}

var sqliteDialect = dialect{
	speaks: func(a string) bool { return strings.HasPrefix(a, "sqlite:") },
	open: func(address string, o Options) (database, error) {
		path := strings.TrimPrefix(address, "sqlite:")
		if path == "" || strings.ContainsAny(path, "?#") {
			return nil, fmt.Errorf("%q names no file: want sqlite:PATH", address)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("make the folder of the SQLite file: %w", err)
		}
		// Write-ahead log so that readers never wait; synchronous=FULL so that what was answered is on disk.
		options := url.Values{"_txlock": {"immediate"}, "_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8000)", "temp_store(MEMORY)"}}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options.Encode())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(o.Connections)
		db.SetMaxIdleConns(o.Connections)
		return sqlitePool{db, &sync.Map{}}, nil
	},
	types: strings.NewReplacer("JSON", "TEXT", "BYTES", "BLOB", "SERIAL", "INTEGER PRIMARY KEY AUTOINCREMENT", "ROOMY", ""),
	policies: `CASE WHEN g.policies IS NULL THEN NULL ELSE
		(SELECT json_group_array(json_object('ri', p.ri, 'attrs', json(p.attrs))) FROM json_each(g.policies) AS id
		JOIN resource p ON p.ri = id.value WHERE p.ty = 1 AND p.et + 0 > %s) END`,
	subscriptions: `(SELECT json_group_array(json_object('ri', s.ri, 'path', s.path, 'ct', s.ct, 'lt', s.lt, 'et', s.et, 'creator', s.creator,
		'host', s.host, 'gov', s.gov, 'policies', json(s.policies), 'attrs', json(s.attrs)) ORDER BY s.ri)
		FROM resource s WHERE s.pi = %[2]s AND s.ty = 23 AND s.et + 0 > %[1]s)`,
	setupLock: `SELECT 1`,                  // the transaction itself is the lock
	tend:      `PRAGMA optimize = 0x10002`, // analyse what has grown tenfold, whichever connection used it; bounded
	oneWriter: true,
	attribute: func(name string) string {
		v := `r.attrs->'` + name + `'`
		return `CASE WHEN ` + v + ` IN ('true', 'false') THEN ` + v + ` ELSE CAST(r.attrs->>'` + name + `' AS TEXT) END`
	},
	list:     "json_group_array",
	elements: func(name string) string { return `json_each(r.attrs->'` + name + `') AS m` },
	head:     func(e string) string { return `substr(` + e + `, 1, instr(` + e + ` || '/', '/') - 1)` },
	like:     "GLOB",
	ends: func(p *params, e, v string) string {
		v = backwards(v)
		begin, _, _ := strings.Cut(v, "*")
		there := e + ` IS NOT NULL` // which the index of it may want to hear
		e = `reverse(` + e + `)`
		return `(` + there + ` AND ` + e + ` >= ` + p.add(begin) + ` AND ` + e + ` < ` + p.add(begin+last) + ` AND ` + e + ` GLOB ` + p.add(sqlitePattern(v)) + `)`
	},
	pattern:  sqlitePattern,
	optional: strconv.Itoa(len(optional)), // it needs none
	unavailable: func(err error) bool {
		switch sqliteCode(err) {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_PERM:
			return true
		}
		return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrConnDone)
	},
	retryable: func(err error) bool {
		return sqliteCode(err) == sqlite3.SQLITE_BUSY || sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT
	},
}

func sqlitePattern(v string) string { return strings.NewReplacer(`[`, `[[]`, `?`, `[?]`).Replace(v) }

// SQLite has no reverse of its own. What has an index of it can only be changed by a program that has one.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("reverse", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if text, ok := args[0].(string); ok {
			return backwards(text), nil
		}
		return args[0], nil
	})
}

// sqliteCode is the primary result code of err, 0 if it has none.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// among is the condition that column is one of values, which must not be empty.
func (d *dialect) among(p *params, column string, values []string) string {
	return amongAny(d, p, column, values)
}

func amongBytes(d *dialect, p *params, column string, values [][]byte) string {
	return amongAny(d, p, column, values)
}

func amongAny[T any](d *dialect, p *params, column string, values []T) string {
	if d.arrays {
		return column + ` = ANY(` + p.add(values) + `)`
	}
	return column + ` IN (` + addAll(p, values) + `)`
}
