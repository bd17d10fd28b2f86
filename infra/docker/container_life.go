package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// settleTimeout bounds calls that run to their end even when their context is cancelled, so that what they made is
// known. They take milliseconds.
const settleTimeout = 30 * time.Second

// settled returns a context that outlives ctx, for a call whose outcome must be known.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
}

// CreateContainer makes a container, puts its files in place and returns its ID; StartContainer starts it. Once begun it
// is not interrupted by ctx, and when it fails nothing is left. Errors: ErrNotFound for a missing image or network,
// ErrNameTaken.
func (c *Client) CreateContainer(ctx context.Context, spec ContainerSpec) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("create container %s: %w", spec.Name, err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	config, host, networking := spec.engineConfig()
	made, err := c.api.ContainerCreate(ctx, config, host, networking, nil, spec.Name)
	if err := classify(err, ErrNameTaken); err != nil {
		if owner, lookErr := c.InspectContainer(ctx, spec.Name); lookErr == nil && errors.Is(err, ErrNameTaken) {
			err = &NameTakenError{Kind: "container", Name: spec.Name, ID: owner.ID, Labels: owner.Labels}
		}
		return "", fmt.Errorf("create container %s: %w", spec.Name, err)
	}
	err = c.upload(ctx, made.ID, spec.Files)
	for _, network := range spec.Networks {
		if err == nil {
			err = c.connect(ctx, network, made.ID)
		}
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("create container %s: %w", spec.Name, err), c.RemoveContainer(ctx, made.ID))
	}
	return made.ID, nil
}

// connect attaches a container to a further network. Of one that was not started yet the engine does not find out before
// it starts that there is no such network.
func (c *Client) connect(ctx context.Context, network, id string) error {
	if _, err := c.InspectNetwork(ctx, network); err != nil {
		return fmt.Errorf("join network %s: %w", network, err)
	}
	if err := c.api.NetworkConnect(ctx, network, id, nil); err != nil {
		return fmt.Errorf("join network %s: %w", network, classify(err, nil))
	}
	return nil
}

func (c *Client) upload(ctx context.Context, id string, files []File) error {
	if len(files) == 0 {
		return nil
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		header := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Mode: mode, Uid: f.UID, Gid: f.GID, Size: int64(len(f.Content)), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("pack files: %w", err)
	}
	if err := c.api.CopyToContainer(ctx, id, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("upload files: %w", classify(err, nil))
	}
	return nil
}

// StartContainer starts a container; one that runs is left as it is. Errors: ErrNotFound, ErrPortTaken.
func (c *Client) StartContainer(ctx context.Context, id string) error {
	if err := c.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start container %.12s: %w", id, classify(err, nil))
	}
	return nil
}

// StopContainer sends a container its stop signal and kills it after grace, which the engine counts in whole seconds,
// rounded up. One that does not run is left as it is. It returns when the container has ended. Errors: ErrNotFound.
func (c *Client) StopContainer(ctx context.Context, id string, grace time.Duration) error {
	seconds := wholeSeconds(grace)
	if err := c.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds}); err != nil {
		return fmt.Errorf("stop container %.12s: %w", id, classify(err, nil))
	}
	return nil
}

// KillContainer sends a running container a signal, such as SIGHUP. Errors: ErrNotFound.
func (c *Client) KillContainer(ctx context.Context, id, signal string) error {
	if err := c.api.ContainerKill(ctx, id, signal); err != nil {
		return fmt.Errorf("send %s to container %.12s: %w", signal, id, classify(err, nil))
	}
	return nil
}

// RemoveContainer kills and removes a container with its anonymous volumes and returns when it is gone. One that is
// gone already is removed.
func (c *Client) RemoveContainer(ctx context.Context, id string) error {
	for {
		err := classify(c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}), ErrInUse)
		switch {
		case err == nil, errors.Is(err, ErrNotFound):
			return nil
		case !errors.Is(err, ErrInUse): // in use is another's removal of it in progress
			return fmt.Errorf("remove container %.12s: %w", id, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove container %.12s: %w", id, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// InspectContainer returns everything about one container. Errors: ErrNotFound.
func (c *Client) InspectContainer(ctx context.Context, nameOrID string) (Container, error) {
	r, err := c.api.ContainerInspect(ctx, nameOrID)
	if err != nil {
		return Container{}, fmt.Errorf("inspect container %s: %w", nameOrID, classify(err, nil))
	}
	return fromInspect(r), nil
}

// ListContainers returns the containers in any state that carry all labels, sorted by name.
func (c *Client) ListContainers(ctx context.Context, labels map[string]string) ([]Container, error) {
	summaries, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", classify(err, nil))
	}
	containers := make([]Container, len(summaries))
	for i, s := range summaries {
		containers[i] = fromSummary(s)
	}
	slices.SortFunc(containers, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return containers, nil
}

// UpdateContainer changes limits and restart policy while the container runs: cpus in cores and memoryBytes, 0 for no
// limit; an empty policy is left as it is. Errors: ErrNotFound.
func (c *Client) UpdateContainer(ctx context.Context, id string, cpus float64, memoryBytes int64, restart RestartPolicy) error {
	period, quota := int64(cpuPeriod), int64(-1)
	if cpus > 0 {
		period, quota = cpuLimit(cpus)
	}
	if memoryBytes == 0 {
		memoryBytes = noMemoryLimit
	}
	_, err := c.api.ContainerUpdate(ctx, id, container.UpdateConfig{
		Resources:     container.Resources{CPUPeriod: period, CPUQuota: quota, Memory: memoryBytes, MemorySwap: memoryBytes},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(restart)},
	})
	if err != nil {
		return fmt.Errorf("update container %.12s: %w", id, classify(err, nil))
	}
	return nil
}

// RenameContainer gives a container another name. Errors: ErrNotFound, ErrNameTaken.
func (c *Client) RenameContainer(ctx context.Context, id, name string) error {
	if err := c.api.ContainerRename(ctx, id, name); err != nil {
		return fmt.Errorf("rename container %.12s to %s: %w", id, name, classify(err, ErrNameTaken))
	}
	return nil
}

// PauseContainer freezes a running container; one that is paused is left as it is. Errors: ErrNotFound.
func (c *Client) PauseContainer(ctx context.Context, id string) error {
	return c.setPaused(ctx, "pause", id, Paused, c.api.ContainerPause)
}

// UnpauseContainer lets a paused container run on; one that runs is left as it is. Errors: ErrNotFound.
func (c *Client) UnpauseContainer(ctx context.Context, id string) error {
	return c.setPaused(ctx, "unpause", id, Running, c.api.ContainerUnpause)
}

func (c *Client) setPaused(ctx context.Context, verb, id string, want State, do func(context.Context, string) error) error {
	err := classify(do(ctx, id), ErrInUse)
	if err == nil {
		return nil
	}
	// The engine refuses what is already so with the same answer as what cannot be.
	if now, lookErr := c.InspectContainer(ctx, id); lookErr == nil && now.State == want {
		return nil
	}
	return fmt.Errorf("%s container %.12s: %w", verb, id, err)
}
