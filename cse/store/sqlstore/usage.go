package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// AddUsage adds to the accounts in the order of originators, so that instances that do so at once do not wait for each other in a circle.
func (s *Store) AddUsage(ctx context.Context, usage ...store.Usage) error {
	usage = slices.SortedFunc(slices.Values(usage), func(a, b store.Usage) int { return strings.Compare(a.Originator, b.Originator) })
	err := s.write(ctx, func(t *tx) error {
		for _, u := range usage {
			t.exec(`INSERT INTO account (originator, requests, refused, received, sent, notifications) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (originator) DO UPDATE SET requests = account.requests + excluded.requests, refused = account.refused + excluded.refused,
				received = account.received + excluded.received, sent = account.sent + excluded.sent,
				notifications = account.notifications + excluded.notifications`,
				u.Originator, u.Requests, u.Refused, u.RequestBytes, u.ResponseBytes, u.Notifications)
		}
		return nil
	})
	if err != nil {
		return s.fail("add to the accounts", err)
	}
	return nil
}

// Usage is one query for the account, and one for what the originator has stored.
func (s *Store) Usage(ctx context.Context, originator string, now time.Time) (store.Usage, error) {
	u := store.Usage{Originator: originator}
	accounts, err := read(ctx, s, `SELECT requests, refused, received, sent, notifications FROM account WHERE originator = $1`,
		params{originator}, func(rows answer) (a store.Usage, err error) {
			return a, rows.Scan(&a.Requests, &a.Refused, &a.RequestBytes, &a.ResponseBytes, &a.Notifications)
		})
	if err != nil {
		return u, s.fail("read the account of "+originator, err)
	}
	if len(accounts) > 0 {
		u = accounts[0]
		u.Originator = originator
	}
	holdings, err := read(ctx, s, `SELECT CAST(count(*) + coalesce(sum(t.cni), 0) AS bigint),
			CAST(coalesce(sum(length(CAST(r.attrs AS text))), 0) + coalesce(sum(t.cbs), 0) AS bigint)
		FROM resource r JOIN tally t ON t.ri = r.ri WHERE r.creator = $1 AND r.seq IS NULL AND r.et > $2`,
		params{originator, micros(now)}, func(rows answer) (h [2]int64, err error) { return h, rows.Scan(&h[0], &h[1]) })
	if err != nil {
		return u, s.fail("count what "+originator+" has stored", err)
	}
	u.Resources, u.StoredBytes = holdings[0][0], holdings[0][1]
	return u, nil
}
