package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/resource"
)

// migrations are the steps from an empty database to the present schema; the version of a schema is how many of them it has
// had. Steps are only ever added. They must leave a schema on which the version before this one can go on to serve, that is, columns it
// does not know have defaults; it does not start on it any more. INTEGER, TEXT, JSON, BYTES, SERIAL (a primary key that grows) and ROOMY
// are the dialect's to spell; PRESENT is when the step is taken.
//
// Columns are named after the attributes they hold (TS-0001 short names). Times are microseconds since 1970.
var migrations = [][]string{{
	`CREATE TABLE resource (
		ri TEXT PRIMARY KEY,
		pi TEXT NOT NULL,
		ty INTEGER NOT NULL,
		path TEXT NOT NULL UNIQUE,
		ct INTEGER NOT NULL,
		lt INTEGER NOT NULL,
		et INTEGER NOT NULL,
		creator TEXT NOT NULL,
		host TEXT NOT NULL,
		gov TEXT NOT NULL,
		policies JSON,
		labelled INTEGER NOT NULL,
		cs INTEGER,
		seq INTEGER,
		attrs JSON NOT NULL)`,
	// Children of a resource, instances in their order: latest, oldest, eviction, level 1.
	`CREATE INDEX resource_children ON resource (pi, seq)`,
	`CREATE INDEX resource_expiry ON resource (et)`,
	`CREATE INDEX resource_created ON resource (ct)`,
	// Everything but instances by type, and what was modified.
	`CREATE INDEX resource_type ON resource (ty, path) WHERE seq IS NULL`,
	`CREATE INDEX resource_modified ON resource (lt) WHERE seq IS NULL`,
	// What changes with every instance is kept apart, in rows with room to be updated in place.
	`CREATE TABLE tally (
		ri TEXT PRIMARY KEY,
		st INTEGER NOT NULL,
		cni INTEGER NOT NULL,
		cbs INTEGER NOT NULL,
		mni INTEGER,
		mbs INTEGER) ROOMY`,
	`CREATE TABLE label (
		lbl TEXT NOT NULL,
		ri TEXT NOT NULL,
		PRIMARY KEY (lbl, ri))`,
	`CREATE INDEX label_resource ON label (ri)`,
	`CREATE TABLE receipt (
		id BYTES PRIMARY KEY,
		et INTEGER NOT NULL,
		result JSON NOT NULL)`,
	`CREATE INDEX receipt_expiry ON receipt (et)`,
	`CREATE TABLE turn (
		job TEXT PRIMARY KEY,
		due INTEGER NOT NULL)`,
}, {
	// The name of the object, where a type has several; and a sum of the reasons why others must hear when the resource goes, see
	// farewell.
	`ALTER TABLE resource ADD COLUMN spec TEXT NOT NULL DEFAULT ''`,
	// The seq up to which all instances are gone, so that nobody looks for the oldest among the dead.
	`ALTER TABLE tally ADD COLUMN gone INTEGER NOT NULL DEFAULT -1`,
	`ALTER TABLE resource ADD COLUMN farewell INTEGER NOT NULL DEFAULT 0`,
	// A lane is due when its first task is, or may be tried again, or when the turn ends that somebody has at it. There is none without
	// a task.
	`CREATE TABLE lane (
		lane TEXT PRIMARY KEY,
		kind TEXT NOT NULL,
		due INTEGER NOT NULL,
		token TEXT NOT NULL,
		attempts INTEGER NOT NULL)`,
	`CREATE INDEX lane_due ON lane (due)`,
	`CREATE TABLE task (
		seq SERIAL,
		lane TEXT NOT NULL,
		due INTEGER NOT NULL,
		body TEXT NOT NULL)`,
	`CREATE INDEX task_lane ON task (lane, seq)`,
	`CREATE TABLE message (
		seq SERIAL,
		box TEXT NOT NULL,
		et INTEGER NOT NULL,
		body TEXT NOT NULL)`,
	`CREATE INDEX message_box ON message (box, seq)`,
	`CREATE INDEX message_expiry ON message (et)`,
}, {
	// What discovery looks for: names, apart from generated ones, which are identifiers; attributes of instances as far as many
	// have them in common, and all those of others that are one value.
	`ALTER TABLE resource ADD COLUMN name TEXT`,
	`ALTER TABLE resource ADD COLUMN cnf TEXT`,
	`ALTER TABLE resource ADD COLUMN cr TEXT`,
	`CREATE TABLE attribute (
		name TEXT NOT NULL,
		value TEXT NOT NULL,
		ri TEXT NOT NULL,
		PRIMARY KEY (name, value, ri))`,
	`CREATE INDEX attribute_resource ON attribute (ri)`,
}, {
	// What originators did; what they have is counted where it is. Instances are charged to the creator of what they are in, so they
	// need no index.
	`CREATE TABLE account (
		originator TEXT PRIMARY KEY,
		requests INTEGER NOT NULL,
		refused INTEGER NOT NULL,
		received INTEGER NOT NULL,
		sent INTEGER NOT NULL,
		notifications INTEGER NOT NULL)`,
}, {
	// Once meant that what had been stored before has been described.
}, {
	// When an account was last used, so that it need not be kept for ever. Those that are there are used now.
	`ALTER TABLE account ADD COLUMN used INTEGER NOT NULL DEFAULT PRESENT`,
	`CREATE INDEX account_used ON account (used)`,
	// Lanes that have failed are looked for by themselves.
	`CREATE INDEX lane_ready ON lane (due) WHERE attempts <= 0`,
	`CREATE INDEX lane_failing ON lane (due) WHERE attempts > 0`,
	`DROP INDEX lane_due`,
}, {
	// What else instances are looked for by.
	`ALTER TABLE resource ADD COLUMN onto TEXT`,
	`ALTER TABLE resource ADD COLUMN conr TEXT`,
	`ALTER TABLE resource ADD COLUMN dgt TEXT`,
	`ALTER TABLE resource ADD COLUMN snr TEXT`,
	`ALTER TABLE resource ADD COLUMN dcnt TEXT`,
}, {
	// No step of the schema: all that was stored before has been described, see Store.describe.
}, {
	// No step either: there are all indexes and routines.
}}

// The versions that say so.
const (
	described = 8
	complete  = 9
)

// Prepare makes the schema current and the CSEBase present. When both are, it is one query.
func (s *Store) Prepare(ctx context.Context, base resource.Resource) error {
	type found struct {
		version, optional int
		id, path          string
		attribute         []byte
	}
	bases, err := read(ctx, s, `SELECT (SELECT max(version) FROM schema_version), `+s.dialect.optional+`, ri, path, attrs FROM resource WHERE pi = ''`, nil,
		func(rows answer) (f found, err error) {
			return f, rows.Scan(&f.version, &f.optional, &f.id, &f.path, &f.attribute)
		})
	if err != nil && s.dialect.unavailable(err) {
		return s.fail("prepare store", err)
	}
	version := 0
	for _, f := range bases {
		version = f.version
		kept, err := resource.WithNotes(base.Attributes, f.attribute)
		if err != nil {
			return fmt.Errorf("prepare store: read the CSEBase: %w", err)
		}
		switch {
		case f.id != base.ID || f.path != base.Path:
			return fmt.Errorf("prepare store: it holds the CSE /%s named %q, not /%s named %q; use another database or the same identity",
				f.id, f.path, base.ID, base.Path)
		case f.version != len(migrations) || string(f.attribute) != string(kept):
		case f.optional < len(optional):
			return s.prepared(s.buildOptional(ctx))
		default:
			return nil
		}
	}
	done := false
	err = s.write(ctx, func(t *tx) (err error) {
		if done, err = t.migrate(ctx, false); err != nil {
			return err
		}
		return t.putBase(ctx, base)
	})
	if err == nil && !done {
		if version < described {
			err = s.describe(ctx)
		}
		if err == nil {
			err = s.buildIndexes(ctx)
		}
		if err == nil {
			err = s.write(ctx, func(t *tx) error { _, err := t.migrate(ctx, true); return err })
		}
	}
	if err == nil {
		err = s.buildOptional(ctx)
	}
	return s.prepared(err)
}

func (s *Store) prepared(err error) error {
	if err != nil {
		return s.fail("prepare store", err)
	}
	return nil
}

// migrate runs the steps that the schema lacks; only one transaction at a time does. Each statement goes by itself, as it cannot be
// understood before those in front of it have been carried out. It goes no further than to what cannot be done within a transaction, unless
// that has been done, or the database is empty; and reports whether the schema is complete.
func (t *tx) migrate(ctx context.Context, done bool) (whole bool, err error) {
	step := func(query string, args ...any) error {
		t.exec(query, args...)
		return t.flush(ctx)
	}
	if err := step(t.dialect.setupLock); err != nil {
		return false, err
	}
	if err := step(`CREATE TABLE IF NOT EXISTS schema_version (version bigint PRIMARY KEY)`); err != nil {
		return false, err
	}
	versions, err := ask(ctx, t, scanInt, `SELECT coalesce(max(version), 0) FROM schema_version`)
	if err != nil {
		return false, err
	}
	version := int(versions[0])
	if version > len(migrations) {
		return false, fmt.Errorf("the schema has version %d, this program knows %d: use a newer one", version, len(migrations))
	}
	for v, steps := range migrations[version:] {
		if next := version + v + 1; version > 0 && (next == described || next == complete) && !done {
			return false, nil
		}
		if version == 0 && version+v+1 == complete {
			for _, create := range statements(indexes) {
				if err := step(create); err != nil {
					return false, fmt.Errorf("%s: %w", create, err)
				}
			}
			if t.dialect.arrays {
				t.tryOptional()
			}
		}
		if version+v+1 == complete && t.dialect.routine {
			if err := step(t.dialect.createBelongings()); err != nil {
				return false, fmt.Errorf("create function %s: %w", belongingsRoutine, err)
			}
		}
		for _, s := range steps {
			s = strings.ReplaceAll(t.dialect.types.Replace(s), "PRESENT", strconv.FormatInt(time.Now().UnixMicro(), 10))
			if err := step(s); err != nil {
				return false, fmt.Errorf("migrate schema to version %d: %w", version+v+1, err)
			}
		}
		if err := step(`INSERT INTO schema_version (version) VALUES ($1)`, version+v+1); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (t *tx) putBase(ctx context.Context, base resource.Resource) error {
	before, err := ask(ctx, t, scanText, `SELECT attrs FROM resource WHERE ri = $1`, base.ID)
	if err != nil {
		return err
	}
	if len(before) == 0 {
		return t.insert([]resource.Resource{base})
	}
	if base.Attributes, err = resource.WithNotes(base.Attributes, []byte(before[0])); err != nil {
		return err
	}
	t.exec(`DELETE FROM attribute WHERE ri = $1`, base.ID)
	if err := t.replaceTerms(resource.Resource{}, base); err != nil {
		return err
	}
	t.exec(`UPDATE resource SET attrs = $2, lt = $3 WHERE ri = $1`, base.ID, string(base.Attributes), micros(base.ModifiedAt))
	return nil
}
