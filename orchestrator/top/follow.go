package top

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	again     = time.Second      // between two tries to reach an orchestrator
	askWithin = 3 * time.Second  // for one answer
	maxAgain  = 10 * time.Second // between two tries once it has been away for long
)

// Source is an orchestrator's interface; *api.Client is one.
type Source interface {
	Status(ctx context.Context) (api.Status, error)
	Pool(ctx context.Context, pool string) (api.Pool, error)
	Decisions(ctx context.Context, pool string, limit, before int) ([]fleet.Decision, error)
	Override(ctx context.Context, pool string) (spec.Override, string, error)
	PatchOverride(ctx context.Context, pool string, patch map[string]any, lasting time.Duration) (spec.Override, error)
	// Events calls each for every event after the one with lastID, until ctx ends, each fails or the orchestrator is gone.
	Events(ctx context.Context, lastID string, each func(api.Event) error) error
}

// follow tells began, told and lost until ctx ends. It connects again and again.
func follow(ctx context.Context, s Source, tell func(any)) {
	lastID, wait := "", again
	for {
		err := ask(ctx, func(ctx context.Context) error {
			status, err := s.Status(ctx)
			if err == nil {
				tell(began{time.Now(), status})
			}
			return err
		})
		if err == nil {
			err = s.Events(ctx, lastID, func(e api.Event) error {
				if e.ID != "" {
					lastID = e.ID
				}
				wait = again
				tell(told{time.Now(), e})
				return nil
			})
		}
		if ctx.Err() != nil {
			return
		}
		tell(lost{err})
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, maxAgain)
	}
}

// ask bounds the time of an answer.
func ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return question(ctx)
}

// line is one change, as Lines writes it.
type line struct {
	At    time.Time       `json:"at"`
	Event string          `json:"event"` // status, decision, gone, found or lost
	Data  json.RawMessage `json:"data,omitempty"`
	Error string          `json:"error,omitempty"` // with lost
}

// Lines writes one line of JSON for each change of a pool, and when the orchestrator is lost or found again, until ctx
// ends or w fails. Loads, which come every second, are no changes.
func Lines(ctx context.Context, s Source, w io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	encoder := json.NewEncoder(w)
	write := func(l line) {
		if err := encoder.Encode(l); err != nil {
			stop(err)
		}
	}
	statuses, away := map[string]spec.Status{}, false
	follow(ctx, s, func(what any) {
		switch what := what.(type) {
		case began:
			if away {
				write(line{At: what.at, Event: "found"})
			}
			away = false
		case told:
			if what.event.Kind == api.EventLoad || what.event.Kind == api.EventStatus && !changed(statuses, what.event.Data) {
				return
			}
			write(line{At: what.at, Event: what.event.Kind, Data: what.event.Data})
		case lost:
			if !away {
				write(line{At: time.Now(), Event: "lost", Error: what.err.Error()})
			}
			away = true
		}
	})
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	return nil
}

// changed says whether a status is another than the one that is kept of its pool, and keeps it.
func changed(statuses map[string]spec.Status, data []byte) bool {
	var s spec.Status
	if json.Unmarshal(data, &s) != nil {
		return true
	}
	was := statuses[s.Pool]
	statuses[s.Pool] = s
	was.UpdatedAt = s.UpdatedAt
	return was != s
}
