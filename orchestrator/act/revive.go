package act

import (
	"context"
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/docker"
)

// revive starts the container of a dead instance again, as it is, and waits until it is ready. It needs no right to act:
// whoever does it, and however often, there is the same one container under the same name, and one that was removed
// meanwhile stays away. What does not get ready is left as it is, for nobody may take it away.
func (a *Actor) revive(j *job) error {
	began := time.Now()
	c, err := a.Engine.InspectContainer(j.ctx, j.op.Instance)
	if err != nil {
		return a.interrupted(j, err)
	}
	a.is(j, c)
	switch c.State {
	case docker.Exited, docker.Dead:
	default:
		return nil // another has started it
	}
	if err := a.Engine.StartContainer(j.ctx, c.ID); err != nil {
		return a.interrupted(j, err)
	}
	ctx, cancel := context.WithTimeout(j.ctx, time.Duration(j.pool.Service.BootTimeout))
	defer cancel()
	address, err := a.ready(ctx, j, c.ID, "")
	if err != nil {
		return a.interrupted(j, fmt.Errorf("started again: %w", err))
	}
	j.log.Info("dead instance started again in place", "address", address, "took", time.Since(began).Round(time.Millisecond))
	return nil
}
