package consul

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

// Registration says what an instance is and how the agent checks it.
type Registration struct {
	ID           string
	Service      string
	Address      string
	Port         int
	Meta         map[string]string
	Tags         []string
	ReadinessURL string        // asked by the agent: 2xx passes, 429 warns, all else is critical
	Interval     time.Duration // between two checks; 0 is DefaultCheckInterval
	Timeout      time.Duration // of one check; 0 is DefaultCheckTimeout
}

// Defaults for zero fields of a Registration.
const (
	DefaultCheckInterval = time.Second
	DefaultCheckTimeout  = time.Second
)

// Register registers an instance with the agent, or changes its registration. It counts as passing from this moment
// until a check says otherwise, so register what has just answered ready.
func (c *Client) Register(ctx context.Context, r Registration) error {
	if r.Interval == 0 {
		r.Interval = DefaultCheckInterval
	}
	if r.Timeout == 0 {
		r.Timeout = DefaultCheckTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	err := c.api.Agent().ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: r.ID, Name: r.Service, Address: r.Address, Port: r.Port, Meta: r.Meta, Tags: r.Tags,
		Check: &api.AgentServiceCheck{
			CheckID: "service:" + r.ID, Name: "readiness", HTTP: r.ReadinessURL,
			Interval: r.Interval.String(), Timeout: r.Timeout.String(), Status: api.HealthPassing,
		},
	}, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	return failure(ctx, "register "+r.ID, err)
}

// Deregister takes an instance out of the agent and with it out of the catalog; one that the agent does not know is
// out.
func (c *Client) Deregister(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	err := failure(ctx, "deregister "+id, c.api.Agent().ServiceDeregisterOpts(id, c.query(ctx)))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// DeregisterFromCatalog takes an instance out of the catalog when the agent of its node is gone for good. An agent
// that lives puts it back: use Deregister there. One that is not in the catalog is out.
func (c *Client) DeregisterFromCatalog(ctx context.Context, node, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	_, err := c.api.Catalog().Deregister(&api.CatalogDeregistration{Node: node, ServiceID: id}, c.write(ctx))
	return failure(ctx, "deregister "+id+" of node "+node, err)
}

// SetMaintenance marks an instance of this agent as not to be used, for reason, or clears the mark.
func (c *Client) SetMaintenance(ctx context.Context, id string, on bool, reason string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	var err error
	if on {
		err = c.api.Agent().EnableServiceMaintenanceOpts(id, reason, c.query(ctx))
	} else {
		err = c.api.Agent().DisableServiceMaintenanceOpts(id, c.query(ctx))
	}
	return failure(ctx, "set maintenance of "+id, err)
}
