package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// Post is one transaction, whose commit tells the other instances.
func (s *Store) Post(ctx context.Context, posted ...store.Message) error {
	if len(posted) == 0 {
		return nil
	}
	rows := make([][]any, len(posted))
	for i, m := range posted {
		rows[i] = []any{m.Box, micros(m.Until), string(m.Body)}
	}
	err := s.write(ctx, func(t *tx) error {
		t.insertRows(messages, rows)
		if t.dialect.notify != "" {
			for _, m := range posted {
				t.exec(t.dialect.notify, shortened(m.Box))
			}
		}
		return nil
	})
	if err != nil {
		return s.fail("post messages", err)
	}
	for _, m := range posted {
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
		found, err := ask(ctx, t, scanMessage, `DELETE FROM message WHERE seq = (SELECT seq FROM message WHERE box = $1 AND et + 0 >= $2
			ORDER BY seq LIMIT 1`+t.dialect.skip+`) RETURNING et, body`, box, micros(now))
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

func scanMessage(rows answer) (store.Message, error) {
	var until int64
	var body string
	err := rows.Scan(&until, &body)
	return store.Message{Until: time.UnixMicro(until), Body: json.RawMessage(body)}, err
}
