package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// index is one of the indexes that are not made by a migration, since to make it takes long when there is much. Which there are decides
// how quickly something is found, never whether.
type index struct {
	name string
	on   string // what it is on: table, columns, condition
}

// indexes are all of them. When there is a new one, so is a version (complete) that says that it is there; optional ones may be missing. Those of instances cost each
// create; they are on what is seldom there, or on what grows, so that neighbours in time are neighbours in the index.
var indexes = []index{
	{"resource_subscriptions", "resource (pi) WHERE ty = 23"},
	{"resource_farewell", "resource (path) WHERE farewell <> 0"},
	{"resource_creator", "resource (creator) WHERE seq IS NULL"},
	{"resource_size", "resource (cs) WHERE cs IS NOT NULL"},
	{"resource_state_tag", "resource (seq) WHERE seq IS NOT NULL"},
	{"resource_name", "resource (name) WHERE name IS NOT NULL"},
	{"resource_name_end", "resource (reverse(name)) WHERE name IS NOT NULL"},
	{"resource_id_end", "resource (reverse(ri)) WHERE seq IS NULL"},
	{"resource_content_info", "resource (cnf) WHERE cnf IS NOT NULL"},
	{"resource_content_info_end", "resource (reverse(cnf)) WHERE cnf IS NOT NULL"},
	{"resource_instance_creator", "resource (cr) WHERE cr IS NOT NULL"},
	{"resource_instance_creator_end", "resource (reverse(cr)) WHERE cr IS NOT NULL"},
	{"resource_ontology", "resource (onto) WHERE onto IS NOT NULL"},
	{"resource_ontology_end", "resource (reverse(onto)) WHERE onto IS NOT NULL"},
	{"resource_content_reference", "resource (conr) WHERE conr IS NOT NULL"},
	{"resource_content_reference_end", "resource (reverse(conr)) WHERE conr IS NOT NULL"},
	{"resource_data_time", "resource (dgt) WHERE dgt IS NOT NULL"},
	{"resource_sequence_number", "resource (snr) WHERE snr IS NOT NULL"},
	{"resource_deletion_count", "resource (dcnt) WHERE dcnt IS NOT NULL"},
	{"label_end", "label (reverse(lbl))"},
	{"attribute_end", "attribute (reverse(value))"},
	{"attribute_shortened", "attribute (name) WHERE " + cutShort},
}

// buildIndexes makes the indexes that are missing, beside instances that serve: of all that come to do so, one at a time does, and who
// stores something meanwhile does not wait for it.
func (s *Store) buildIndexes(ctx context.Context) error {
	pool, shared := s.db.(postgresPool)
	if !shared { // nobody else serves
		return s.write(ctx, func(t *tx) error {
			for _, i := range indexes {
				t.exec(`CREATE INDEX IF NOT EXISTS ` + i.name + ` ON ` + i.on)
			}
			return nil
		})
	}
	for {
		done, err := pool.buildIndexes(ctx, indexes)
		if done || err != nil {
			return err
		}
		select { // another instance is at it; not in a query, for which the index would have to wait
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(indexPause):
		}
	}
}

// indexPause is how long to wait before looking again whether another instance has made the indexes.
const indexPause = 200 * time.Millisecond

// buildIndexes makes those of list that are missing, or reports that somebody else is at it.
func (p postgresPool) buildIndexes(ctx context.Context, list []index) (done bool, err error) {
	return p.alone(ctx, func(c *pgxpool.Conn) error {
		for _, i := range list {
			if err := makeIndex(ctx, c, i); err != nil {
				return fmt.Errorf("make index %s: %w", i.name, err)
			}
		}
		return nil
	})
}

// alone calls do while nobody else makes indexes, or reports that somebody else does.
func (p postgresPool) alone(ctx context.Context, do func(*pgxpool.Conn) error) (done bool, err error) {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer c.Release()
	const lock = 7305526820340593775 // any number, the same in every instance
	if err := c.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lock)).Scan(&done); err != nil || !done {
		return false, err
	}
	defer func() {
		if _, e := c.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lock)); e != nil && err == nil {
			done, err = false, e
		}
	}()
	if err := do(c); err != nil {
		return false, err
	}
	return true, nil
}

// makeIndex makes i unless it is there. What an instance that died has left of it goes before.
func makeIndex(ctx context.Context, c *pgxpool.Conn, i index) error {
	var there, valid bool
	if err := c.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_and(x.indisvalid), false) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
		WHERE c.relname = $1 AND pg_table_is_visible(c.oid)`, i.name).Scan(&there, &valid); err != nil || valid {
		return err
	}
	if there {
		if _, err := c.Exec(ctx, `DROP INDEX CONCURRENTLY `+i.name); err != nil {
			return err
		}
	}
	_, err := c.Exec(ctx, `CREATE INDEX CONCURRENTLY `+i.name+` ON `+i.on)
	return err
}
