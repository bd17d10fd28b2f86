package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// Network is a network as the engine reports it.
type Network struct {
	ID         string
	Name       string
	Driver     string
	Subnet     string // IPv4, such as 172.28.0.0/16
	Gateway    string
	Internal   bool // without a way out
	Labels     map[string]string
	Containers map[string]string // ID → name of those attached; ListNetworks leaves it nil
}

// NetworkSpec is what a bridge network is made from.
type NetworkSpec struct {
	Name     string
	Subnet   string // IPv4, such as 172.28.0.0/16; empty lets the engine choose
	Internal bool   // without a way out
	Labels   map[string]string
}

// CreateNetwork makes a bridge network and returns its ID. Once begun it is not interrupted by ctx. Errors: ErrNameTaken.
func (c *Client) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("create network %s: %w", spec.Name, err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	options := network.CreateOptions{Driver: "bridge", Internal: spec.Internal, Labels: spec.Labels}
	if spec.Subnet != "" {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: spec.Subnet}}}
	}
	made, err := c.api.NetworkCreate(ctx, spec.Name, options)
	if err := classify(err, ErrNameTaken); err != nil {
		if owner, lookErr := c.InspectNetwork(ctx, spec.Name); lookErr == nil && errors.Is(err, ErrNameTaken) {
			err = &NameTakenError{Kind: "network", Name: spec.Name, ID: owner.ID, Labels: owner.Labels}
		}
		return "", fmt.Errorf("create network %s: %w", spec.Name, err)
	}
	return made.ID, nil
}

// InspectNetwork returns a network with the containers attached to it. Errors: ErrNotFound.
func (c *Client) InspectNetwork(ctx context.Context, nameOrID string) (Network, error) {
	r, err := c.api.NetworkInspect(ctx, nameOrID, network.InspectOptions{})
	if err != nil {
		return Network{}, fmt.Errorf("inspect network %s: %w", nameOrID, classify(err, nil))
	}
	n := fromNetwork(r)
	n.Containers = make(map[string]string, len(r.Containers))
	for id, endpoint := range r.Containers {
		n.Containers[id] = endpoint.Name
	}
	return n, nil
}

// ListNetworks returns the networks that carry all labels, sorted by name.
func (c *Client) ListNetworks(ctx context.Context, labels map[string]string) ([]Network, error) {
	list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: labelFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", classify(err, nil))
	}
	networks := make([]Network, len(list))
	for i, r := range list {
		networks[i] = fromNetwork(r)
	}
	slices.SortFunc(networks, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return networks, nil
}

// RemoveNetwork removes a network; one that is gone is removed. Errors: ErrInUse, with the names of the containers
// that are still attached.
func (c *Client) RemoveNetwork(ctx context.Context, nameOrID string) error {
	err := classify(c.api.NetworkRemove(ctx, nameOrID), ErrInUse)
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrInUse):
		if n, lookErr := c.InspectNetwork(ctx, nameOrID); lookErr == nil {
			names := slices.Sorted(maps.Values(n.Containers))
			err = &engineError{ErrInUse, fmt.Errorf("still attached: %s", strings.Join(names, ", "))}
		}
	}
	return fmt.Errorf("remove network %s: %w", nameOrID, err)
}

func fromNetwork(r network.Inspect) Network {
	n := Network{ID: r.ID, Name: r.Name, Driver: r.Driver, Internal: r.Internal, Labels: r.Labels}
	for _, config := range r.IPAM.Config {
		if !strings.Contains(config.Subnet, ":") { // not IPv6
			n.Subnet, n.Gateway = config.Subnet, config.Gateway
			break
		}
	}
	return n
}
