package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// trigrams makes the extension of PostgreSQL for patterns that begin and end with *. Who may create something in a database may do so.
const trigrams = `CREATE EXTENSION IF NOT EXISTS pg_trgm`

// optional are the indexes that not every server that speaks like PostgreSQL can make: of trigrams, and of content. Without them the same is
// found, by looking at more. The one of content has a Bloom filter for every 32 pages of the table: to look for a content among a million
// reads 2 MB rather than all. A B-tree would cost each create a tenth; the filter of pages is made by autovacuum once they are full, and what
// it costs a create is to find the content in its JSON. Patterns cannot use it.
var optional = []index{
	{"label_trigrams", "label USING gin (lbl gin_trgm_ops)"},
	{"attribute_trigrams", "attribute USING gin (value gin_trgm_ops)"},
	{"resource_name_trigrams", "resource USING gin (name gin_trgm_ops) WHERE name IS NOT NULL"},
	{"resource_id_trigrams", "resource USING gin (ri gin_trgm_ops) WHERE name IS NULL AND seq IS NULL"},
	{"resource_ontology_trigrams", "resource USING gin (onto gin_trgm_ops) WHERE onto IS NOT NULL"},
	{"resource_content", "resource USING brin ((attrs->>'con') text_bloom_ops (false_positive_rate = 0.001)) WITH (pages_per_range = 32, autosummarize = on)"},
}

// countOptional is an expression for how many of the optional indexes there are.
func countOptional() string {
	var names []string
	for _, i := range optional {
		names = append(names, "'"+i.name+"'")
	}
	return `(SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
		WHERE x.indisvalid AND pg_table_is_visible(c.oid) AND c.relname IN (` + strings.Join(names, ", ") + `))`
}

// tryOptional queues the making of the optional indexes of an empty database. One that cannot be made does not harm the rest.
func (t *tx) tryOptional() {
	for _, do := range append([]string{trigrams}, statements(optional)...) {
		t.exec(`DO $try$ BEGIN ` + do + `; EXCEPTION WHEN OTHERS THEN NULL; END $try$`)
	}
}

func statements(list []index) []string {
	var all []string
	for _, i := range list {
		all = append(all, `CREATE INDEX `+i.name+` ON `+i.on)
	}
	return all
}

// buildOptional makes the optional indexes that are missing, beside instances that serve, unless another instance is at it, and tells
// once what could not be made.
func (s *Store) buildOptional(ctx context.Context) error {
	pool, shared := s.db.(postgresPool)
	if !shared {
		return nil
	}
	var refused []error
	made := false
	try := func(what string, err error) error {
		var said *pgconn.PgError
		if errors.As(err, &said) && !s.dialect.unavailable(err) {
			refused = append(refused, fmt.Errorf("%s: %w", what, err))
			return nil
		}
		return err
	}
	_, err := pool.alone(ctx, func(c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, trigrams)
		if err := try("extension pg_trgm", err); err != nil {
			return err
		}
		for _, i := range optional {
			missing := len(refused)
			if err := try("index "+i.name, makeIndex(ctx, c, i)); err != nil {
				return err
			}
			made = made || len(refused) == missing
		}
		if made { // what the planner knows of the values decides whether it uses an index of an expression
			_, err = c.Exec(ctx, `ANALYZE resource`)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(refused) > 0 && s.notice != nil {
		s.notice("some indexes cannot be made, so that discovery by patterns that begin and end with *, or by content, looks at more: "+
			"let the user of the store make the extension pg_trgm, or make it, and start again", refused[0])
	}
	return nil
}
