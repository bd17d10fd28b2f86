package consul

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Values of Instance.Status, the worst of the instance's checks and its node's.
const (
	StatusPassing     = api.HealthPassing
	StatusWarning     = api.HealthWarning
	StatusCritical    = api.HealthCritical
	StatusMaintenance = api.HealthMaint
)

// Instance is one registration of a service, as the catalog has it.
type Instance struct {
	ID      string
	Service string
	Node    string // the node whose agent it is registered with
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	Status  string
	Passing bool // Status is StatusPassing
	// AgentAlive is false when the agent that checks the instance does not answer, so that a Status of critical
	// says nothing about the instance itself.
	AgentAlive bool
}

// Instances is one blocking query for every registration of a service whatever its health, in the order of their
// IDs. It returns when something has changed since index, or after wait, with the index for the next call; index 0
// returns at once. No registration is an empty list. After an error start again from index 0: Consul may have come
// back with another history.
func (c *Client) Instances(ctx context.Context, service string, index uint64, wait time.Duration) ([]Instance, uint64, error) {
	ctx, cancel, q := c.blocking(ctx, index, wait)
	defer cancel()
	entries, meta, err := c.api.Health().Service(service, "", false, q)
	if err != nil {
		return nil, 0, failure(ctx, "read health of service "+service, err)
	}
	if meta.ResultsFilteredByACLs { // else a token without the right to read would look like an empty service
		return nil, 0, fmt.Errorf("read health of service %s: the token may not read all of it: %w", service, ErrDenied)
	}
	instances := make([]Instance, len(entries))
	for i, e := range entries {
		instances[i] = instanceOf(e)
	}
	slices.SortFunc(instances, func(a, b Instance) int {
		return strings.Compare(a.ID+"\x00"+a.Node, b.ID+"\x00"+b.Node)
	})
	return instances, nextIndex(index, meta.LastIndex), nil
}

func instanceOf(e *api.ServiceEntry) Instance {
	const agentCheck = "serfHealth" // made by Consul itself, one for each node
	i := Instance{
		ID: e.Service.ID, Service: e.Service.Service, Node: e.Node.Node,
		Address: e.Service.Address, Port: e.Service.Port, Meta: e.Service.Meta, Tags: e.Service.Tags,
		Status: e.Checks.AggregatedStatus(), AgentAlive: true,
	}
	if i.Address == "" {
		i.Address = e.Node.Address
	}
	for _, check := range e.Checks {
		if check.CheckID == agentCheck && check.Status == api.HealthCritical {
			i.AgentAlive = false
		}
	}
	i.Passing = i.Status == StatusPassing
	return i
}

// Services returns the names of all registered services, sorted. Consul's own is one of them.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	services, _, err := c.api.Catalog().Services(c.query(ctx))
	if err != nil {
		return nil, failure(ctx, "list services", err)
	}
	return slices.Sorted(maps.Keys(services)), nil
}
