package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
)

// Action is what happened to a container.
type Action string

// Actions that Events reports.
const (
	ActionSubscribed Action = "subscribed" // to no container: from here on nothing is missed
	ActionStart      Action = "start"
	ActionDie        Action = "die" // ended by itself or was killed
	ActionPause      Action = "pause"
	ActionUnpause    Action = "unpause"
	ActionDestroy    Action = "destroy"       // was removed
	ActionHealth     Action = "health_status" // the image's own health check changed its mind
)

// Event is one thing that happened to one container.
type Event struct {
	Action      Action
	ContainerID string
	Name        string
	Labels      map[string]string
	ExitCode    int    // of ActionDie
	Health      string // of ActionHealth: healthy, unhealthy
	At          time.Time
}

// Events calls handle, from its own goroutine, for each event of containers that carry all labels, beginning with
// ActionSubscribed: what the caller lists after that and the events that follow miss nothing between them. It blocks
// until ctx ends, and then returns ctx's error, or until the engine goes away: ErrUnavailable, and the caller calls again.
func (c *Client) Events(ctx context.Context, labels map[string]string, handle func(Event)) error {
	args := labelFilter(labels)
	args.Add("type", string(events.ContainerEventType))
	for _, action := range []Action{ActionStart, ActionDie, ActionPause, ActionUnpause, ActionDestroy, ActionHealth} {
		args.Add("event", string(action))
	}
	messages, failed := c.api.Events(ctx, events.ListOptions{Filters: args})
	fail := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("follow events: %w", classify(err, nil))
	}
	select {
	case err := <-failed:
		return fail(err)
	default:
		handle(Event{Action: ActionSubscribed, At: time.Now()})
	}
	for {
		select {
		case m := <-messages:
			handle(fromMessage(m))
		case err := <-failed:
			return fail(err)
		}
	}
}

func fromMessage(m events.Message) Event {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	e := Event{
		Action: Action(action), Health: detail, ContainerID: m.Actor.ID, Name: m.Actor.Attributes["name"],
		Labels: m.Actor.Attributes, At: time.Unix(0, m.TimeNano),
	}
	e.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"]) // only there when it died
	return e
}
