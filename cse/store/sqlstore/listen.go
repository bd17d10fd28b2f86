package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bounds of the wait before Listen connects again.
const (
	firstReconnect   = 100 * time.Millisecond
	longestReconnect = 5 * time.Second
)

// Listen holds one connection beside the others. Where only one process uses the database it just waits.
func (s *Store) Listen(ctx context.Context) error {
	if s.dialect.listener == nil {
		<-ctx.Done()
		return nil
	}
	connect, err := s.dialect.listener(s.address, s.password)
	if err != nil {
		return err
	}
	for wait := firstReconnect; ctx.Err() == nil; wait = min(2*wait, longestReconnect) {
		if s.listenOnce(ctx, connect) {
			wait = firstReconnect
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// listenOnce wakes those whose boxes are named until the connection ends, and reports whether it was there at all.
func (s *Store) listenOnce(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) bool {
	c, err := connect(ctx)
	if err != nil {
		return false
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(end) // it is lost anyway, or nobody needs it any more
	}()
	if _, err := c.Exec(ctx, `LISTEN viot_message`); err != nil {
		return false
	}
	s.hub.wakeAll() // who knows what was missed
	for {
		n, err := c.WaitForNotification(ctx)
		switch {
		case err != nil:
			return true
		case n.Payload == "":
			s.hub.wakeAll()
		default:
			s.hub.wake(n.Payload)
		}
	}
}
