package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// container is what Docker says about an instance: its line in the list, completed by an inspection when it has begun
// to run or has ended.
type container struct {
	listed    docker.Container
	startedAt time.Time
	detail    string
}

// fleet is c in the words of the fleet; network is where its address is preferred.
func (c container) fleet(network string) fleet.Container {
	address := c.listed.IPs[network]
	if address == "" {
		for _, name := range slices.Sorted(maps.Keys(c.listed.IPs)) {
			address = c.listed.IPs[name]
			break
		}
	}
	return fleet.Container{
		Name: c.listed.Name, Template: c.listed.Labels[spec.LabelTemplate], Address: address,
		Running: running(c.listed.State), Detail: c.detail, StartedAt: c.startedAt,
	}
}

// running says whether a container in that state has a process. A paused one has: its check tells that it is frozen.
func running(s docker.State) bool {
	return s == docker.Running || s == docker.Paused || s == docker.Restarting
}

// followEngine lists the instances' containers at each event, and now and then without one. While the engine does
// not answer they are not known.
func (o *Observer) followEngine(ctx context.Context) {
	labels := map[string]string{spec.LabelStack: o.Stack, spec.LabelRole: spec.RoleInstance}
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var listing sync.WaitGroup
	defer listing.Wait()
	listing.Go(func() {
		tick := time.NewTicker(relist)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-changed:
			}
			o.list(ctx, labels)
		}
	})
	for ctx.Err() == nil {
		err := o.Engine.Events(ctx, labels, func(e docker.Event) {
			o.heard(e)
			poke()
		})
		if ctx.Err() != nil {
			return
		}
		o.Log.Debug("event stream ended, opening another", "error", err)
		poke() // says whether the engine is gone
		pause(ctx, retryAfter)
	}
}

// heard takes in an event. The engine tells that a container died before its own list says so, and no later event
// says when it does; so a death is believed at once.
func (o *Observer) heard(e docker.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Action {
	case docker.ActionDie:
		o.died[e.ContainerID] = fmt.Sprintf("exited with code %d", e.ExitCode)
	case docker.ActionStart:
		delete(o.died, e.ContainerID)
	default:
		return
	}
	for _, containers := range o.containers {
		if c, ok := containers[e.Name]; ok {
			containers[e.Name] = o.believed(c)
		}
	}
	o.wake()
}

// believed is c, or c as ended when an event said so.
func (o *Observer) believed(c container) container {
	if detail, ok := o.died[c.listed.ID]; ok && running(c.listed.State) {
		c.listed.State, c.detail = docker.Exited, detail
	}
	return c
}

// list takes in what containers there are.
func (o *Observer) list(ctx context.Context, labels map[string]string) {
	began := time.Now()
	pools, err := o.containersNow(ctx, labels)
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	before := o.engineErr
	o.engineErr = err
	if err == nil {
		o.containers, o.listedAt = pools, began
		listed := map[string]bool{}
		for _, containers := range pools {
			for name, c := range containers {
				containers[name] = o.believed(c)
				listed[c.listed.ID] = true
			}
		}
		maps.DeleteFunc(o.died, func(id, _ string) bool { return !listed[id] })
	}
	o.mu.Unlock()
	switch {
	case err != nil && (before == nil || before == errNotYet):
		o.Log.Warn("docker does not answer, nothing is done until it does", "error", err)
	case err == nil && before != nil && before != errNotYet:
		o.Log.Info("docker answers again")
	}
	o.wake()
}

func (o *Observer) containersNow(ctx context.Context, labels map[string]string) (map[string]map[string]container, error) {
	listed, err := o.Engine.ListContainers(ctx, labels)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	before := o.containers
	o.mu.Unlock()
	pools := map[string]map[string]container{}
	for _, l := range listed {
		pool := l.Labels[spec.LabelPool]
		c, ok := before[pool][l.Name]
		if !ok || c.listed.ID != l.ID || running(c.listed.State) != running(l.State) || c.startedAt.IsZero() {
			if c, err = o.inspect(ctx, l); errors.Is(err, docker.ErrNotFound) {
				continue // gone since it was listed
			} else if err != nil {
				return nil, err
			}
		}
		c.listed = l
		if pools[pool] == nil {
			pools[pool] = map[string]container{}
		}
		pools[pool][l.Name] = c
	}
	return pools, nil
}

// inspect completes a container from the list. One that was not started yet is not asked about: the engine would not
// answer before it has started.
func (o *Observer) inspect(ctx context.Context, l docker.Container) (container, error) {
	if l.State == docker.Created {
		return container{detail: "it was never started"}, nil
	}
	i, err := o.Engine.InspectContainer(ctx, l.ID)
	if err != nil {
		return container{}, err
	}
	c := container{startedAt: i.StartedAt}
	switch {
	case running(i.State):
	case i.OOMKilled:
		c.detail = "killed for want of memory"
	default:
		c.detail = fmt.Sprintf("exited with code %d", i.ExitCode)
	}
	if i.Error != "" {
		c.detail += ": " + i.Error
	}
	return c, nil
}
