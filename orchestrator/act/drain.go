package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	drainPoll = 5 * time.Second // longest wait of one question to a balancer
	// settleTime is how long consumers that follow Consul by themselves are given to leave an instance, when no
	// balancer can be asked.
	settleTime = time.Second
	// failingGrace is how long one that fails its check is given to end: it has nothing left to answer, and one that hangs
	// does not hear that it is to end.
	failingGrace = time.Second
	diedLogLines = 5
)

// drain takes an instance out of service without breaking a request: journal, deregister, wait until no balancer has
// a connection to it in use, stop, remove, strike from the journal. Each phase is entered in the journal by
// compare-and-set before the next begins, so that it goes on from there when it is begun again, by whomever, and ends
// where a recall was entered before the stop.
func (a *Actor) drain(j *job) error {
	began := time.Now()
	_, phase, err := a.enter(j, func(before fleet.Phase) (fleet.Phase, error) {
		switch before {
		case "", fleet.Recalled: // a recall that nobody carries on is at an end
			return fleet.Journalled, nil
		case fleet.Kept:
			return fleet.Settled, nil // it was never in service
		}
		return before, nil
	})
	for err == nil && phase != "" {
		next := fleet.Phase("")
		switch phase {
		case fleet.Journalled:
			next, err = fleet.Deregistered, a.insist(j, func(ctx context.Context) error { return a.deregister(ctx, j) })
		case fleet.Deregistered:
			next, err = fleet.Settled, a.settleIfRunning(j)
		case fleet.Settled:
			next = fleet.Stopping
		case fleet.Stopping:
			err = a.stop(j)
		}
		if err == nil {
			_, phase, err = a.enter(j, func(before fleet.Phase) (fleet.Phase, error) {
				if before != phase && before != next {
					return "", errElsewhere
				}
				return next, nil
			})
		}
	}
	if err != nil {
		return err
	}
	j.log.Info("instance drained and removed", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// settleIfRunning waits until a running instance has no request left. What one that does not run, or is paused, was serving
// it does not finish.
func (a *Actor) settleIfRunning(j *job) error {
	return a.insist(j, func(ctx context.Context) error {
		c, err := a.Engine.InspectContainer(ctx, j.op.Instance)
		if err != nil {
			return ignoreNotFound(err)
		}
		if c.State != docker.Running {
			return nil
		}
		return a.settle(ctx, j)
	})
}

// stop stops an instance and removes it.
func (a *Actor) stop(j *job) error {
	id := ""
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			c, err := a.Engine.InspectContainer(ctx, j.op.Instance)
			if err != nil {
				return ignoreNotFound(err)
			}
			id = c.ID
			switch c.State {
			case docker.Paused: // so that it hears the signal
				if err := a.Engine.UnpauseContainer(ctx, id); err != nil {
					return ignoreNotFound(err)
				}
			case docker.Running:
			default:
				return nil
			}
			entry, _, err := a.entry(ctx, j)
			if err != nil {
				return err
			}
			grace := time.Duration(j.pool.Template.StopGrace)
			if entry.Failing {
				grace = min(grace, failingGrace)
			}
			if err := a.Term.Check(); err != nil {
				return err
			}
			return ignoreNotFound(a.Engine.StopContainer(ctx, id, grace))
		},
		func(ctx context.Context) error {
			if id == "" {
				return nil
			}
			return a.Engine.RemoveContainer(ctx, id)
		},
	}
	for _, step := range steps {
		if err := a.insist(j, step); err != nil {
			return err
		}
	}
	return nil
}

// remove takes away what is left of a dead instance. It is journalled too: balancers keep the last instance of a pool
// when Consul loses it, and let go of one that is meant to go.
func (a *Actor) remove(j *job) error {
	if _, _, err := a.enter(j, func(fleet.Phase) (fleet.Phase, error) { return fleet.Stopping, nil }); err != nil {
		return err
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return a.deregister(ctx, j) },
		func(ctx context.Context) error {
			c, err := a.Engine.InspectContainer(ctx, j.op.Instance)
			if err != nil {
				return ignoreNotFound(err)
			}
			if lines, err := a.Engine.Logs(ctx, c.ID, diedLogLines); err == nil {
				j.log.Warn("removing a dead instance", "exit_code", c.ExitCode, "last_words", strings.Join(lines, " | "))
			}
			return a.Engine.RemoveContainer(ctx, c.ID)
		},
		func(ctx context.Context) error { return a.Term.Write(ctx, fleet.Write{Key: journalKey(j)}) },
	}
	for _, step := range steps {
		if err := a.insist(j, step); err != nil {
			return err
		}
	}
	return nil
}

// deregister takes an instance out of Consul, also when the agent it was registered with is gone.
func (a *Actor) deregister(ctx context.Context, j *job) error {
	if err := a.Consul.Deregister(ctx, j.op.Instance); err != nil {
		return err
	}
	instances, _, err := a.Consul.Instances(ctx, j.pool.Service.Name, 0, 0)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if i.ID != j.op.Instance {
			continue
		}
		if err := a.Consul.DeregisterFromCatalog(ctx, i.Node, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until no balancer uses the instance any more. A balancer that does not answer is waited for without
// limit, for stopping the instance could break requests; one that has answered is given the pool's drain timeout.
func (a *Actor) settle(ctx context.Context, j *job) error {
	if len(j.pool.Balancers) == 0 {
		pause(ctx, settleTime)
		return ctx.Err()
	}
	var waits sync.WaitGroup
	errs := make([]error, len(j.pool.Balancers))
	for i, balancer := range j.pool.Balancers {
		waits.Go(func() { errs[i] = a.settleBalancer(ctx, j, balancer) })
	}
	waits.Wait()
	return errors.Join(errs...)
}

func (a *Actor) settleBalancer(ctx context.Context, j *job, balancer string) error {
	limit := time.Duration(j.pool.Service.DrainTimeout)
	var answeredAt time.Time // when the first question that was answered was asked; zero before
	noted := false
	for ctx.Err() == nil {
		wait := drainPoll
		if !answeredAt.IsZero() {
			left := limit - time.Since(answeredAt)
			if left <= 0 {
				j.log.Warn("instance still has requests after the drain timeout, stopping it all the same",
					"balancer", balancer, "timeout", limit)
				return nil
			}
			wait = min(wait, left)
		}
		asked := time.Now()
		drained, err := a.drained(ctx, balancer, j.op.Instance, wait)
		switch {
		case err != nil && ctx.Err() == nil:
			noted = true
			a.note(j, fmt.Sprintf("deregistered, waits for load balancer %s to confirm that it is drained: %v", balancer, err))
			pause(ctx, retryAfter)
			continue
		case drained:
			return nil
		}
		if answeredAt.IsZero() {
			answeredAt = asked
		}
		if noted {
			noted = false
			a.note(j, "")
		}
	}
	return ctx.Err()
}

// drained asks a balancer whether it has nothing left in use on an instance, and lets it wait for that.
func (a *Actor) drained(ctx context.Context, balancer, instance string, wait time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+5*time.Second)
	defer cancel()
	response, err := a.get(ctx, strings.TrimSuffix(balancer, "/")+"/v1/servers/"+url.PathEscape(instance)+"?wait="+url.QueryEscape(wait.String()))
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("answers %s", response.Status)
	}
	var answer struct {
		Drained *bool `json:"drained"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return false, fmt.Errorf("read its answer: %w", err)
	}
	if answer.Drained == nil {
		return false, errors.New("its answer does not say whether it is drained")
	}
	return *answer.Drained, nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, docker.ErrNotFound) {
		return nil
	}
	return err
}
