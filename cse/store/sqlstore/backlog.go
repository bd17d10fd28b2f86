package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// Rest is one query.
func (s *Store) Rest(ctx context.Context, turn store.Turn, now time.Time, most, bytes int) ([]store.Task, error) {
	known := len(turn.Tasks)
	if most = min(most, store.TurnReach-known); most <= 0 {
		return nil, nil
	}
	found, err := read(ctx, s, `SELECT f.due, f.body FROM (SELECT seq, due, body, sum(length(body)) OVER (ORDER BY seq) - length(body) AS before
			FROM (SELECT seq, due, body FROM task WHERE lane = $1 ORDER BY seq LIMIT $2 OFFSET $3) AS t) AS f
		WHERE f.before < $4 AND EXISTS (SELECT 1 FROM lane WHERE lane = $1 AND token = $5) ORDER BY f.seq`,
		params{turn.Lane, most, known, bytes, turn.Token}, func(rows answer) (store.Task, error) {
			var due int64
			var body string
			err := rows.Scan(&due, &body)
			return store.Task{Lane: turn.Lane, Kind: turn.Kind, Due: dueTime(due), Body: json.RawMessage(body)}, err
		})
	if err != nil {
		return nil, s.fail("read on in "+turn.Lane, err)
	}
	for i, k := range found {
		if k.Due.After(now) {
			return found[:i], nil
		}
	}
	return found, nil
}

// Backlog first looks whether there are so many tasks at all, which mostly there are not.
func (s *Store) Backlog(ctx context.Context, kind string, most int) (map[string]int, error) {
	over, err := read(ctx, s, `SELECT seq FROM task ORDER BY seq LIMIT 1 OFFSET $1`, params{most}, scanInt)
	if err != nil {
		return nil, s.fail("count tasks", err)
	}
	if len(over) == 0 {
		return nil, nil
	}
	type count struct {
		lane string
		n    int
	}
	found, err := read(ctx, s, `SELECT t.lane, count(*) FROM task t JOIN lane l ON l.lane = t.lane WHERE l.kind = $1 GROUP BY t.lane`, params{kind},
		func(rows answer) (c count, err error) { return c, rows.Scan(&c.lane, &c.n) })
	if err != nil {
		return nil, s.fail("count tasks", err)
	}
	backlog := make(map[string]int, len(found))
	for _, c := range found {
		backlog[c.lane] = c.n
	}
	return backlog, nil
}

// Shed locks the lanes like who adds tasks, so that nobody takes a turn at them meanwhile.
func (s *Store) Shed(ctx context.Context, now time.Time, lanes []string, n int) (int, error) {
	if len(lanes) == 0 || n <= 0 {
		return 0, nil
	}
	var shed int64
	err := s.write(ctx, func(t *tx) (err error) {
		var p params
		mine := t.dialect.among(&p, "t.lane", lanes)
		t.exec(`SELECT t.lane FROM lane t WHERE `+mine+` ORDER BY t.lane`+t.dialect.lock, p...)
		held := `(SELECT l.lane FROM lane l WHERE l.lane = t.lane AND l.token <> '' AND l.due > ` + p.add(micros(now)) + `)`
		if shed, err = t.affect(ctx, `DELETE FROM task WHERE seq IN (SELECT f.seq FROM
				(SELECT t.seq, row_number() OVER (PARTITION BY t.lane ORDER BY t.seq) AS place, EXISTS `+held+` AS held FROM task t WHERE `+mine+`) AS f
			WHERE f.place > `+p.add(store.TurnReach)+` OR NOT f.held ORDER BY f.seq LIMIT `+p.add(n)+`)`, p...); err != nil {
			return err
		}
		p = nil
		t.exec(`DELETE FROM lane WHERE `+t.dialect.among(&p, "lane", lanes)+` AND NOT EXISTS (SELECT 1 FROM task WHERE task.lane = lane.lane)`, p...)
		return nil
	})
	if err != nil {
		return 0, s.fail("shed tasks", err)
	}
	return int(shed), nil
}
