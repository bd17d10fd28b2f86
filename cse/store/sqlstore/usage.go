package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// AddUsage adds to the accounts in the order of originators, so that instances that do so at once do not wait for each other in a circle.
func (s *Store) AddUsage(ctx context.Context, now time.Time, usage ...store.Usage) error {
	usage = slices.SortedFunc(slices.Values(usage), func(a, b store.Usage) int { return strings.Compare(a.Originator, b.Originator) })
	err := s.write(ctx, func(t *tx) error {
		for _, u := range usage {
			t.exec(`INSERT INTO account (originator, requests, refused, received, sent, notifications, used) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (originator) DO UPDATE SET requests = account.requests + excluded.requests, refused = account.refused + excluded.refused,
				received = account.received + excluded.received, sent = account.sent + excluded.sent,
				notifications = account.notifications + excluded.notifications, used = excluded.used`,
				u.Originator, u.Requests, u.Refused, u.RequestBytes, u.ResponseBytes, u.Notifications, micros(now.Truncate(usedWithin)))
		}
		return nil
	})
	if err != nil {
		return s.fail("add to the accounts", err)
	}
	return nil
}

// usedWithin is how exactly it is known when an account was last used. While that stays as it is, no index changes with the counters.
const usedWithin = time.Hour

// sweepAccounts forgets accounts that are idle, of at most limit that it looks at. The others are looked at again when they have been idle
// for as long once more. What originators may store does not depend on their accounts: it is counted where it is.
func (t *tx) sweepAccounts(now time.Time, limit int) {
	const idle = `originator IN (SELECT originator FROM account WHERE used < $1 ORDER BY used LIMIT $2`
	const has = `EXISTS (SELECT 1 FROM resource r WHERE r.creator = account.originator AND r.seq IS NULL)`
	before := micros(now.Add(-store.IdleAccount - usedWithin))
	t.exec(`UPDATE account SET used = $3 WHERE `+idle+t.dialect.skip+`) AND `+has, before, limit, micros(now.Truncate(usedWithin)))
	t.exec(`DELETE FROM account WHERE `+idle+t.dialect.skip+`) AND NOT `+has, before, limit)
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
