package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
)

// Volume is a named volume.
type Volume struct {
	Name   string
	Driver string
	Labels map[string]string
}

// CreateVolume makes a volume of the local driver. Once begun it is not interrupted by ctx. Errors: ErrNameTaken when
// a volume of that name does not carry all these labels; one that does is left as it is.
func (c *Client) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	v, err := c.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: "local", Labels: labels})
	if err != nil {
		return fmt.Errorf("create volume %s: %w", name, classify(err, ErrNameTaken))
	}
	for key, want := range labels { // the engine answers with the volume that has the name, whoever made it
		if v.Labels[key] != want {
			return fmt.Errorf("create volume %s: %w", name, &NameTakenError{Kind: "volume", Name: name, ID: v.Name, Labels: v.Labels})
		}
	}
	return nil
}

// InspectVolume returns a volume. Errors: ErrNotFound.
func (c *Client) InspectVolume(ctx context.Context, name string) (Volume, error) {
	v, err := c.api.VolumeInspect(ctx, name)
	if err != nil {
		return Volume{}, fmt.Errorf("inspect volume %s: %w", name, classify(err, nil))
	}
	return fromVolume(v), nil
}

// ListVolumes returns the volumes that carry all labels, sorted by name.
func (c *Client) ListVolumes(ctx context.Context, labels map[string]string) ([]Volume, error) {
	list, err := c.api.VolumeList(ctx, volume.ListOptions{Filters: labelFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", classify(err, nil))
	}
	volumes := make([]Volume, len(list.Volumes))
	for i, v := range list.Volumes {
		volumes[i] = fromVolume(*v)
	}
	slices.SortFunc(volumes, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return volumes, nil
}

// RemoveVolume removes a volume and what is in it; one that is gone is removed. Errors: ErrInUse, with the names of
// the containers, running or not, that mount it.
func (c *Client) RemoveVolume(ctx context.Context, name string) error {
	err := classify(c.api.VolumeRemove(ctx, name, false), ErrInUse)
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrInUse):
		users, listErr := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", name))})
		if listErr == nil {
			names := make([]string, len(users))
			for i, user := range users {
				names[i] = fromSummary(user).Name
			}
			slices.Sort(names)
			err = &engineError{ErrInUse, fmt.Errorf("still mounted by %s", strings.Join(names, ", "))}
		}
	}
	return fmt.Errorf("remove volume %s: %w", name, err)
}

func fromVolume(v volume.Volume) Volume {
	return Volume{Name: v.Name, Driver: v.Driver, Labels: v.Labels}
}
