package balancer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/consul"
)

// ServerInfo is what the companion and HAProxy know of one instance.
type ServerInfo struct {
	Name     string    `json:"name"`
	Backend  string    `json:"backend,omitempty"` // empty when no backend has it
	Present  bool      `json:"present"`           // HAProxy has it
	State    State     `json:"state,omitempty"`   // empty when HAProxy does not have it
	Address  string    `json:"address,omitempty"`
	Used     int       `json:"used"`           // connections in use
	Current  int       `json:"current"`        // requests in flight
	Requests uint64    `json:"requests"`       // ever given to it
	Wanted   bool      `json:"wanted"`         // it should get requests
	Held     string    `json:"held,omitempty"` // why it should although Consul does not say now that it passes
	AsOf     time.Time `json:"asOf"`           // when HAProxy was asked
}

// ServerStatus says whether an instance may be stopped.
type ServerStatus struct {
	ServerInfo
	// Drained is true when no request is in flight and none can come any more: Consul does not list the instance,
	// the companion has seen that, and HAProxy has it not at all or in maintenance without a connection in use.
	Drained bool   `json:"drained"`
	Reason  string `json:"reason,omitempty"` // why not; empty when drained
}

const (
	firstLook = 5 * time.Millisecond // pause between the first two looks; later ones are further apart
	lastLook  = 50 * time.Millisecond
)

// Drained looks at an instance until it is drained, or for wait, and returns what it saw last. An error means that
// HAProxy did not answer.
//
// Idle does not count before it was seen twice: a request that was given its server the moment before that went
// into maintenance may have no connection yet.
func (b *Balancer) Drained(ctx context.Context, name string, wait time.Duration) (ServerStatus, error) {
	until := time.Now().Add(wait)
	idle := 0
	for pause := firstLook; ; pause = min(pause*5/4, lastLook) {
		status, err := b.look(ctx, name)
		if err == nil && status.Reason == "" {
			idle++
		} else {
			idle = 0
		}
		if idle > 1 || idle == 1 && !status.Present {
			if status.Reason = b.confirm(ctx, name); status.Reason == "" {
				status.Drained = true
				return status, nil
			}
		}
		if !time.Now().Before(until) && idle != 1 || ctx.Err() != nil {
			return status, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// look is one look at an instance. Its Reason is empty when nothing that the companion and HAProxy know keeps it
// from being drained.
func (b *Balancer) look(ctx context.Context, name string) (ServerStatus, error) {
	info := ServerInfo{Name: name}
	for _, r := range b.routes {
		v := r.view.Load() // before HAProxy is asked, so that what is not wanted here is not put back after
		if v == nil {
			return ServerStatus{ServerInfo: info}, fmt.Errorf("backend %s: %w", r.Backend, errNotStarted)
		}
		backend, err := b.proxy.Backend(ctx, r.Backend)
		if err != nil {
			return ServerStatus{ServerInfo: info}, err
		}
		server, present := backend.find(name)
		if _, wanted := v.memory.serve[name]; present || wanted {
			info = infoOf(name, r.Backend, server, present, v.memory)
		}
		info.AsOf = backend.SampledAt
	}
	return ServerStatus{ServerInfo: info, Reason: info.busy()}, nil
}

var errNotStarted = errors.New("not looked at yet")

func infoOf(name, backend string, server Server, present bool, m memory) ServerInfo {
	i := ServerInfo{Name: name, Backend: backend, Present: present, Held: m.held[name]}
	if present {
		i.State, i.Address = server.State, server.Address.String()
		i.Used, i.Current, i.Requests = server.Used, server.Current, server.Requests
	}
	_, i.Wanted = m.serve[name]
	return i
}

// busy says what keeps an instance from being drained; empty when nothing does.
func (i ServerInfo) busy() string {
	switch {
	case i.Held != "":
		return "held: " + i.Held
	case i.Wanted:
		return "consul lists it as passing"
	case i.Present && i.State != Maintenance:
		return "haproxy still gives it requests"
	case i.Used > 0 || i.Current > 0:
		return fmt.Sprintf("%d connections in use, %d requests in flight", i.Used, i.Current)
	}
	return ""
}

// confirm asks Consul itself whether name is out, and whether the companion knows all that Consul said up to then:
// else an answer that is still on its way could bring the instance back. It returns what speaks against it.
func (b *Balancer) confirm(ctx context.Context, name string) string {
	for _, r := range b.routes {
		instances, index, err := b.registry.Instances(ctx, r.Service, 0, 0)
		if err != nil {
			return "cannot ask consul: " + err.Error()
		}
		for _, i := range instances {
			if i.ID == name && i.Status != consul.StatusMaintenance {
				return "consul lists it as " + i.Status
			}
		}
		v := r.view.Load()
		if v.memory.lost || v.memory.index < index {
			return "waiting for the newest answer of consul"
		}
		if _, wanted := v.memory.serve[name]; wanted {
			return "consul listed it as passing a moment ago"
		}
	}
	return ""
}
