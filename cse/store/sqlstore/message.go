package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// Post is one transaction, whose commit tells the other instances.
func (s *Store) Post(ctx context.Context, messages ...store.Message) error {
	if len(messages) == 0 {
		return nil
	}
	rows := make([][]any, len(messages))
	for i, m := range messages {
		rows[i] = []any{m.Box, micros(m.Until), string(m.Body)}
	}
	err := s.write(ctx, func(t *tx) error {
		if err := t.insertRows(ctx, `INSERT INTO message (box, et, body)`, "", rows); err != nil {
			return err
		}
		if t.dialect.notify == "" {
			return nil
		}
		for _, m := range messages {
			if err := t.exec(ctx, t.dialect.notify, shortened(m.Box)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s.fail("post messages", err)
	}
	for _, m := range messages {
		s.hub.wake(m.Box)
	}
	return nil
}

// maxPayload is how much the database lets a notification say, with room to spare.
const maxPayload = 4000

// shortened is box, or empty, which stands for all, if a notification cannot say it.
func shortened(box string) string {
	if len(box) > maxPayload {
		return ""
	}
	return box
}

// Receive deletes the message that it returns, passing over those that others are just receiving.
func (s *Store) Receive(ctx context.Context, box string, now time.Time) (store.Message, error) {
	m := store.Message{Box: box}
	err := s.write(ctx, func(t *tx) error {
		rows, err := t.query(ctx, `DELETE FROM message WHERE seq = (SELECT seq FROM message WHERE box = $1 AND et >= $2
			ORDER BY seq LIMIT 1`+t.dialect.skip+`) RETURNING et, body`, box, micros(now))
		found, err := collect(rows, err, scanMessage)
		if err == nil && len(found) == 0 {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		m.Until, m.Body = found[0].Until, found[0].Body
		return nil
	})
	if err != nil {
		return store.Message{}, s.fail("receive from "+box, err)
	}
	return m, nil
}

func scanMessage(rows *sql.Rows) (store.Message, error) {
	var until int64
	var body string
	err := rows.Scan(&until, &body)
	return store.Message{Until: time.UnixMicro(until), Body: json.RawMessage(body)}, err
}
