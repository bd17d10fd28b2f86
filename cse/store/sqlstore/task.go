package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// Add is one transaction.
func (s *Store) Add(ctx context.Context, tasks ...store.Task) error {
	if err := s.write(ctx, func(t *tx) error { return t.addTasks(tasks) }); err != nil {
		return s.fail("add tasks", err)
	}
	return nil
}

// addition is what is added to one lane.
type addition struct {
	kind    string
	replace bool
	tasks   []store.Task
}

// addTasks queues the insertion of more. It locks their lanes, in the order of their names; tallies must be locked before.
func (t *tx) addTasks(more []store.Task) error {
	if len(more) == 0 {
		return nil
	}
	t.tasks = true
	additions := map[string]*addition{}
	for _, k := range more {
		a := additions[k.Lane]
		if a == nil {
			a = &addition{}
			additions[k.Lane] = a
		}
		a.kind = k.Kind
		if k.Replace {
			a.replace, a.tasks = true, nil
		}
		if !k.Replace || len(k.Body) > 0 {
			a.tasks = append(a.tasks, k)
		}
	}
	var upserts, rows [][]any
	var replaced, stopped []string
	for _, lane := range slices.Sorted(maps.Keys(additions)) {
		a := additions[lane]
		due, attempts := int64(0), 0
		if len(a.tasks) > 0 {
			due = dueMicros(a.tasks[0].Due)
		} else {
			stopped = append(stopped, lane)
		}
		if a.replace {
			replaced = append(replaced, lane)
			attempts = replaces
		}
		upserts = append(upserts, []any{lane, a.kind, due, "", attempts})
		for _, k := range a.tasks {
			rows = append(rows, []any{lane, dueMicros(k.Due), string(k.Body)})
		}
	}
	t.insertRows(lanes, upserts)
	t.deleteLanes(`DELETE FROM task`, replaced)
	t.deleteLanes(`DELETE FROM lane`, stopped)
	t.insertRows(tasks, rows)
	return nil
}

// deleteLanes queues a deletion from what the lanes have.
func (t *tx) deleteLanes(from string, names []string) {
	if len(names) > 0 {
		var p params
		t.exec(from+` WHERE `+t.dialect.among(&p, "lane", names), p...)
	}
}

// replaces is what the attempts of a lane are set to for one whose tasks replace what it has; it is as good as 0.
const replaces = -1

// awaits is what the attempts of a lane are set to that rests and awaits tasks. A turn at it begins as with 0.
const awaits = "-2"

// dueMicros is due as it is stored: 0 is at once.
func dueMicros(due time.Time) int64 {
	if due.IsZero() {
		return 0
	}
	return micros(due)
}

func dueTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// Take gives lanes a token and makes them due when their turn ends, then reads their tasks. Those who add tasks have locks of
// lanes, so they are passed over; and tasks are read after the lock is held, since what a turn before has done must not be seen.
func (s *Store) Take(ctx context.Context, now time.Time, lease time.Duration, most, failing, each int) ([]store.Turn, error) {
	if most <= 0 || each <= 0 {
		return nil, nil
	}
	until, token := now.Add(lease), rand.Text()
	var turns []store.Turn
	err := s.write(ctx, func(t *tx) error {
		turns = nil
		// Who adds tasks waits for the lock of a lane, so between the two nobody changes it.
		t.exec(`WITH failing AS MATERIALIZED (SELECT lane FROM lane WHERE due <= $1 AND attempts > 0 ORDER BY due LIMIT $5`+t.dialect.skip+`),
			others AS MATERIALIZED (SELECT lane FROM lane WHERE due <= $1 AND attempts <= 0 ORDER BY due
				LIMIT $2 - (SELECT count(*) FROM failing)`+t.dialect.skip+`)
			UPDATE lane SET due = $3, token = $4 WHERE lane IN (SELECT lane FROM failing UNION ALL SELECT lane FROM others)`,
			micros(now), most, micros(until), token, max(0, min(failing, most)))
		found, err := ask(ctx, t, scanTurn, `SELECT l.lane, l.kind, l.attempts, t.due, t.body FROM lane l JOIN task t ON t.lane = l.lane
			WHERE l.due = $1 AND l.token = $2 AND t.seq IN (SELECT f.seq FROM task f WHERE f.lane = l.lane ORDER BY f.seq LIMIT $3)
			ORDER BY l.lane, t.seq`, micros(until), token, each)
		turns = gather(found, now, until, token)
		return err
	})
	if err != nil {
		return nil, s.fail("take turns at tasks", err)
	}
	return turns, nil
}

// scanTurn scans a turn with one task.
func scanTurn(rows answer) (store.Turn, error) {
	var turn store.Turn
	var due int64
	var body string
	err := rows.Scan(&turn.Lane, &turn.Kind, &turn.Attempts, &due, &body)
	turn.Attempts = max(turn.Attempts, 0)
	turn.Tasks = []store.Task{{Lane: turn.Lane, Kind: turn.Kind, Due: dueTime(due), Body: json.RawMessage(body)}}
	return turn, err
}

// gather joins the turns at the same lane, which are neighbours, as far as their tasks are due at now.
func gather(found []store.Turn, now, until time.Time, token string) []store.Turn {
	var turns []store.Turn
	ended := false // the tasks that are due, in the last lane
	for _, f := range found {
		k := f.Tasks[0]
		if n := len(turns); n > 0 && turns[n-1].Lane == f.Lane {
			if ended = ended || k.Due.After(now); !ended {
				turns[n-1].Tasks = append(turns[n-1].Tasks, k)
			}
			continue
		}
		ended = false
		f.Until, f.Token = until, token
		turns = append(turns, f)
	}
	return turns
}

// Renew locks the lanes before it changes them, in the order of their names like who adds tasks, so that nobody waits in a circle.
func (s *Store) Renew(ctx context.Context, now time.Time, lease time.Duration, turns ...store.Turn) ([]store.Turn, error) {
	if len(turns) == 0 {
		return nil, nil
	}
	names, tokens := make([]string, len(turns)), make([]string, len(turns))
	for i, turn := range turns {
		names[i], tokens[i] = turn.Lane, turn.Token
	}
	until := now.Add(lease)
	var held map[[2]string]bool // by lane and token
	err := s.write(ctx, func(t *tx) error {
		var p params
		mine := t.dialect.among(&p, "t.lane", names) + ` AND ` + t.dialect.among(&p, "t.token", tokens)
		t.exec(`SELECT t.lane FROM lane t WHERE `+mine+` ORDER BY t.lane`+t.dialect.lock, p...)
		pairs, err := ask(ctx, t, func(rows answer) (pair [2]string, err error) { return pair, rows.Scan(&pair[0], &pair[1]) },
			`UPDATE lane AS t SET due = `+p.add(micros(until))+` WHERE `+mine+` RETURNING lane, token`, p...)
		held = make(map[[2]string]bool, len(pairs))
		for _, pair := range pairs {
			held[pair] = true
		}
		return err
	})
	if err != nil {
		return nil, s.fail("renew turns at tasks", err)
	}
	var renewed []store.Turn
	for _, turn := range turns {
		if held[[2]string{turn.Lane, turn.Token}] {
			turn.Until = until
			renewed = append(renewed, turn)
		}
	}
	return renewed, nil
}

// Settle first locks the lane, if the turn is still the holder's. Nobody else takes tasks out of it, so the first are those of the
// turn; but others may have added some while Settle waited for the lock, so they are looked at after it.
func (s *Store) Settle(ctx context.Context, turn store.Turn, o store.Outcome) error {
	known := len(turn.Tasks) + o.Read
	done := min(o.Done, known)
	err := s.write(ctx, func(t *tx) error {
		failed, await := 0, 0
		if o.Failed {
			failed = 1
		}
		if o.Await && !o.Failed {
			await = 1
		}
		n, err := t.affect(ctx, `UPDATE lane SET attempts = CASE WHEN $3 > 0 OR attempts < 0 THEN 0 ELSE attempts END + $4
			WHERE lane = $1 AND token = $2`, turn.Lane, turn.Token, done, failed)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrTurnLost
		}
		if done > 0 {
			t.exec(`DELETE FROM task WHERE seq IN (SELECT seq FROM task WHERE lane = $1 ORDER BY seq LIMIT $2)`, turn.Lane, done)
		}
		t.exec(`DELETE FROM lane WHERE lane = $1 AND NOT EXISTS (SELECT 1 FROM task WHERE lane = $1)`, turn.Lane)
		if await == 1 {
			// What came while the turn was under way is what is awaited.
			t.exec(`UPDATE lane SET attempts = `+awaits+` WHERE lane = $1 AND (SELECT count(*) FROM task WHERE lane = $1) <= $2`,
				turn.Lane, known-done)
		}
		t.exec(`UPDATE lane SET token = '', due = (SELECT CASE WHEN due < $2 AND (lane.attempts = `+awaits+` OR $3 = 0)
			THEN $2 ELSE due END FROM task WHERE lane = $1 ORDER BY seq LIMIT 1) WHERE lane = $1`, turn.Lane, dueMicros(o.Again), await)
		return nil
	})
	if err != nil {
		return s.fail("settle turn at "+turn.Lane, err)
	}
	return nil
}
