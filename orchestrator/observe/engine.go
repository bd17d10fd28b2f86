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

const (
	relist = 5 * time.Second // containers are listed that often even without an event
	// listShare bounds the part of the time that is spent on lists after events to one in so many.
	listShare = 20
	// inspectCost is what one inspection may take before the list, which tells of all at once, is the cheaper way.
	inspectCost = 3 * time.Millisecond
)

// container is what Docker says about an instance: its line in the list, completed by an inspection when it has begun
// to run or has ended.
type container struct {
	listed    docker.Container
	startedAt time.Time
	detail    string
	seenAt    time.Time // it is known to have been so then
}

// fleet is c in the words of the fleet; network is where its address is preferred.
func (c container) fleet(network, host string) fleet.Container {
	address := c.listed.IPs[network]
	if address == "" {
		for _, name := range slices.Sorted(maps.Keys(c.listed.IPs)) {
			address = c.listed.IPs[name]
			break
		}
	}
	return fleet.Container{
		Name: c.listed.Name, Template: c.listed.Labels[spec.LabelTemplate], Slice: c.listed.Labels[spec.LabelSlice], Address: address, Host: host,
		Running: running(c.listed.State), Paused: c.listed.State == docker.Paused, Detail: c.detail, StartedAt: c.startedAt, SeenAt: c.seenAt,
	}
}

// running says whether a container in that state has a process. A paused one has: its check tells that it is frozen.
func running(s docker.State) bool {
	return s == docker.Running || s == docker.Paused || s == docker.Restarting
}

// crew is the containers of one pool.
type crew struct {
	containers map[string]container // by name
	// told is the same in the words of the fleet; nil when it is to be made anew. It is not written to once made.
	told          map[string]fleet.Container
	network, host string // told is of these
}

// find returns the container called name. The nil crew has none.
func (c *crew) find(name string) (container, bool) {
	if c == nil {
		return container{}, false
	}
	found, ok := c.containers[name]
	return found, ok
}

// fleet is the crew in the words of the fleet. The map must not be written to.
func (c *crew) fleet(network, host string) map[string]fleet.Container {
	if c == nil {
		return nil
	}
	if c.told == nil || c.network != network || c.host != host {
		c.network, c.host, c.told = network, host, make(map[string]fleet.Container, len(c.containers))
		for name, container := range c.containers {
			c.told[name] = container.fleet(network, host)
		}
	}
	return c.told
}

// followEngine keeps the containers current: by events, each of which costs one inspection at most, and by a list soon
// after them. While the engine does not answer they are not known.
func (o *Observer) followEngine(ctx context.Context) {
	labels := map[string]string{spec.LabelStack: o.Stack, spec.LabelRole: spec.RoleInstance}
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	due := func() {
		o.mu.Lock()
		o.listDue = true
		o.mu.Unlock()
		poke()
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() {
		tick := time.NewTimer(relist)
		defer tick.Stop()
		var last lists
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				o.mu.Lock()
				o.listDue = true
				o.mu.Unlock()
			case <-changed:
			}
			if o.look(ctx, labels, &last) {
				tick.Reset(max(relist, listShare*last.took))
			} else {
				tick.Reset(listShare*last.took - time.Since(last.at)) // the list that follows events
			}
		}
	})
	for ctx.Err() == nil {
		err := o.Engine.Events(ctx, labels, func(e docker.Event) {
			if e.Action == docker.ActionSubscribed {
				due()
				return
			}
			o.heard(e)
			poke()
		})
		if ctx.Err() != nil {
			return
		}
		o.Log.Debug("event stream ended, opening another", "error", err)
		due() // says whether the engine is gone
		pause(ctx, retryAfter)
	}
}

// heard takes in an event. The engine tells that a container died before its own list says so, and no later event
// says when it does; so a death is believed at once, and so is a removal. Of what else there is to know the container
// is asked by look.
func (o *Observer) heard(e docker.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Action {
	case docker.ActionDie:
		o.died[e.ContainerID] = fmt.Sprintf("exited with code %d", e.ExitCode)
	case docker.ActionDestroy:
		o.gone[e.ContainerID] = true
		delete(o.toInspect, e.ContainerID)
	case docker.ActionStart, docker.ActionPause, docker.ActionUnpause:
		if e.Action == docker.ActionStart {
			delete(o.died, e.ContainerID)
		}
	default:
		return
	}
	if e.Action != docker.ActionDestroy {
		o.toInspect[e.ContainerID] = true
	}
	crew := o.crews[e.Labels[spec.LabelPool]]
	if crew == nil {
		return
	}
	c, ok := crew.containers[e.Name]
	if !ok || c.listed.ID != e.ContainerID {
		return
	}
	c.seenAt = time.Now()
	switch e.Action {
	case docker.ActionDestroy:
		delete(crew.containers, e.Name)
	case docker.ActionPause:
		c.listed.State = docker.Paused
		crew.containers[e.Name] = o.believed(c)
	case docker.ActionUnpause:
		c.listed.State = docker.Running
		crew.containers[e.Name] = o.believed(c)
	case docker.ActionDie:
		crew.containers[e.Name] = o.believed(c)
	default:
		return // of a start nothing is known that is worth a round
	}
	crew.told = nil
	o.wake()
}

// believed is c, or c as ended when an event said so.
func (o *Observer) believed(c container) container {
	if detail, ok := o.died[c.listed.ID]; ok && running(c.listed.State) {
		c.listed.State, c.detail = docker.Exited, detail
	}
	return c
}

// lists is when containers were last listed and how long that took.
type lists struct {
	at   time.Time
	took time.Duration
}

// look brings what is known of containers up to date: by a list when one is due or is cheaper than asking for each
// that something happened to. It says whether it listed.
func (o *Observer) look(ctx context.Context, labels map[string]string, last *lists) (listed bool) {
	o.mu.Lock()
	due, ids := o.listDue || o.engineErr != nil, slices.Sorted(maps.Keys(o.toInspect))
	o.listDue = false
	clear(o.toInspect)
	o.mu.Unlock()
	if !due && time.Duration(len(ids))*inspectCost <= max(last.took, 10*inspectCost) {
		due = !o.inspectAll(ctx, ids)
		if !due {
			return false
		}
	}
	began := time.Now()
	o.list(ctx, labels)
	last.at = time.Now()
	last.took = last.at.Sub(began)
	return true
}

// inspectAll asks for containers by ID and takes in what they are; ok is false when the engine did not answer.
func (o *Observer) inspectAll(ctx context.Context, ids []string) (ok bool) {
	for _, id := range ids {
		asked := time.Now()
		i, err := o.Engine.InspectContainer(ctx, id)
		switch {
		case errors.Is(err, docker.ErrNotFound):
			continue // an event says so, or the next list
		case err != nil:
			return false
		}
		c := inspected(i)
		c.seenAt = asked
		o.put(c)
		o.wake()
	}
	return true
}

// put takes one container in.
func (o *Observer) put(c container) {
	o.mu.Lock()
	defer o.mu.Unlock()
	pool := c.listed.Labels[spec.LabelPool]
	if o.gone[c.listed.ID] {
		return
	}
	if o.crews[pool] == nil {
		o.crews[pool] = &crew{containers: map[string]container{}}
	}
	o.crews[pool].containers[c.listed.Name] = o.believed(c)
	o.crews[pool].told = nil
}

// list takes in what containers there are.
func (o *Observer) list(ctx context.Context, labels map[string]string) {
	began := time.Now()
	crews, err := o.crewsNow(ctx, labels)
	host := o.host
	if err == nil && host.Name == "" {
		if info, err := o.Engine.Info(ctx); err != nil {
			o.Log.Debug("the engine does not describe its host", "error", err)
		} else {
			host = fleet.Host{Name: info.Name, CPUs: float64(info.CPUs), MemoryBytes: info.MemoryBytes}
		}
	}
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	before := o.engineErr
	o.engineErr = err
	if err == nil {
		known := o.crews
		o.crews, o.listedAt, o.host = crews, began, host
		listed := map[string]bool{}
		for pool, crew := range crews {
			for name, c := range crew.containers {
				listed[c.listed.ID] = true
				if o.gone[c.listed.ID] {
					delete(crew.containers, name)
					continue
				}
				if b, ok := known[pool].find(name); ok && b.listed.ID == c.listed.ID && b.seenAt.After(began) && running(b.listed.State) && running(c.listed.State) {
					c.listed.State, c.seenAt = b.listed.State, b.seenAt // paused or let run on since the list was asked for
				}
				crew.containers[name] = o.believed(c)
			}
		}
		maps.DeleteFunc(o.died, func(id, _ string) bool { return !listed[id] })
		maps.DeleteFunc(o.gone, func(id string, _ bool) bool { return !listed[id] })
	} else {
		o.host = fleet.Host{} // whoever answers next may run on another
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

func (o *Observer) crewsNow(ctx context.Context, labels map[string]string) (map[string]*crew, error) {
	listed, err := o.Engine.ListContainers(ctx, labels)
	if err != nil {
		return nil, err
	}
	crews := map[string]*crew{}
	for _, l := range listed {
		pool := l.Labels[spec.LabelPool]
		c, ok := o.container(pool, l.Name)
		if !ok || c.listed.ID != l.ID || running(c.listed.State) != running(l.State) || c.startedAt.IsZero() {
			if c, err = o.inspect(ctx, l); errors.Is(err, docker.ErrNotFound) {
				continue // gone since it was listed
			} else if err != nil {
				return nil, err
			}
		}
		c.listed = l
		if crews[pool] == nil {
			crews[pool] = &crew{containers: map[string]container{}}
		}
		crews[pool].containers[l.Name] = c
	}
	return crews, nil
}

// container returns what was known of a container.
func (o *Observer) container(pool, name string) (container, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.crews[pool].find(name)
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
	return inspected(i), nil
}

// inspected is a container as an inspection tells it.
func inspected(i docker.Container) container {
	i.Spec = docker.ContainerSpec{} // holds the environment, and nothing that is asked for here
	c := container{listed: i, startedAt: i.StartedAt}
	switch {
	case running(i.State):
	case i.State == docker.Created:
		c.detail = "it was never started"
	case i.OOMKilled:
		c.detail = "killed for want of memory"
	default:
		c.detail = fmt.Sprintf("exited with code %d", i.ExitCode)
	}
	if i.Error != "" {
		c.detail += ": " + i.Error
	}
	return c
}
