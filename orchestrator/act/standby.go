package act

import (
	"context"
	"errors"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// warm makes an instance ready and keeps it out of service. The journal says so before there is a container, so that
// nobody ever takes it for one that was forgotten.
func (a *Actor) warm(j *job) error {
	began := time.Now()
	if _, _, err := a.enter(j, func(before fleet.Phase) (fleet.Phase, error) {
		if before != "" && before != fleet.Kept {
			return "", errElsewhere
		}
		return fleet.Kept, nil
	}); err != nil {
		return err
	}
	id, err := a.container(j)
	if err == nil {
		_, err = a.bootTo(j, id, "", began)
	}
	if err == nil && a.Term.Check() != nil {
		return errInterrupted
	}
	if err == nil && j.pool.Policy.Standby.Paused {
		if err = a.Engine.PauseContainer(j.ctx, id); err != nil {
			err = a.failed(j, id, err)
		}
	}
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return err
		}
		return errors.Join(err, a.strike(j))
	}
	j.log.Info("standby is warm", "took", time.Since(began).Round(time.Millisecond), "paused", j.pool.Policy.Standby.Paused)
	return nil
}

// container is the instance's container, running: the one that is there, or a new one.
func (a *Actor) container(j *job) (id string, err error) {
	c, err := a.Engine.InspectContainer(j.ctx, j.op.Instance)
	if err == nil {
		return c.ID, a.wake(j, c)
	}
	if !errors.Is(err, docker.ErrNotFound) {
		return "", a.interrupted(j, err)
	}
	return a.create(j)
}

// wake lets a container run on that is paused.
func (a *Actor) wake(j *job, c docker.Container) error {
	if c.State != docker.Paused {
		return nil
	}
	if a.Term.Check() != nil {
		return errInterrupted
	}
	if err := a.Engine.UnpauseContainer(j.ctx, c.ID); err != nil {
		return a.failed(j, c.ID, err)
	}
	return nil
}

// enlist brings a standby into service. One that does not answer any more, as when it was paused for too long, is
// removed. Once it runs, and while it gets ready, it is struck from the journal: if nothing comes after that, it is one that runs
// unregistered, which is to be adopted.
func (a *Actor) enlist(j *job) error {
	began := time.Now()
	c, err := a.Engine.InspectContainer(j.ctx, j.op.Instance)
	if err != nil {
		return a.interrupted(j, err)
	}
	a.is(j, c)
	j.limited = c.State == docker.Paused // else its warming may have been interrupted
	err = a.wake(j, c)
	var address string
	if err == nil {
		struck := make(chan error, 1)
		go func() { struck <- a.strike(j) }()
		address, err = a.bootTo(j, c.ID, addressOf(c, j.pool.Template), began)
		if strikeErr := <-struck; err == nil {
			err = strikeErr
		}
	}
	if err == nil {
		err = a.register(j, address)
	}
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return err
		}
		return errors.Join(err, a.strike(j))
	}
	j.log.Info("standby enlisted", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// errTooLate ends a recall of an instance that is not waiting to be stopped.
var errTooLate = errors.New("it is being stopped already, or not drained at all")

// recall brings an instance back into service that is being drained. The journal decides: once the drain has entered
// that it stops the instance, it is too late; once the recall is entered, the drain goes no further.
func (a *Actor) recall(j *job) error {
	_, _, err := a.enter(j, func(before fleet.Phase) (fleet.Phase, error) {
		switch before {
		case fleet.Journalled, fleet.Deregistered, fleet.Settled, fleet.Recalled:
			return fleet.Recalled, nil
		}
		return "", errTooLate
	})
	if errors.Is(err, errElsewhere) {
		return errTooLate
	}
	if err != nil {
		return err
	}
	if j.drain != nil { // whatever it was at, it is over before the instance is registered again
		j.drain.abandon()
		<-j.drain.done
	}
	c, err := a.Engine.InspectContainer(j.ctx, j.op.Instance)
	if err != nil {
		return a.interrupted(j, err)
	}
	a.is(j, c)
	ctx, cancel := context.WithTimeout(j.ctx, recallLimit)
	defer cancel()
	address, err := a.ready(ctx, j, c.ID, addressOf(c, j.pool.Template))
	if err != nil {
		return a.interrupted(j, err)
	}
	if err := a.strike(j); err != nil {
		return err
	}
	if err := a.register(j, address); err != nil {
		return err
	}
	j.log.Info("drain called off, instance is in service again")
	return nil
}

// recallLimit is how long an instance that is recalled may take to answer that it is ready.
const recallLimit = 2 * time.Second
