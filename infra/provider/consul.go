package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// consulPort is the port of Consul's HTTP API in its container.
const consulPort = 8500

// consulContainer returns the stack's own Consul, running or not, or docker.ErrNotFound. Of several the first by name.
func consulContainer(ctx context.Context, stack string) (docker.Container, error) {
	found, err := engine(ctx).ListContainers(ctx, ourLabels(stack, spec.RoleConsul, nil))
	if err != nil {
		return docker.Container{}, err
	}
	if len(found) == 0 {
		return docker.Container{}, fmt.Errorf("stack %s has no Consul container: %w", stack, docker.ErrNotFound)
	}
	return found[0], nil
}

// consulAddress finds the stack's own Consul for an import, which knows no inputs.
func consulAddress(ctx context.Context, stack string) (string, error) {
	found, err := consulContainer(ctx, stack)
	if err != nil {
		return "", err
	}
	for _, p := range found.Ports {
		if p.ContainerPort == consulPort {
			return net.JoinHostPort(p.HostAddress, strconv.Itoa(p.HostPort)), nil
		}
	}
	return "", fmt.Errorf("container %s does not publish Consul's port %d", found.Name, consulPort)
}

// unreachable decides what a Consul that does not answer means. When the stack has no Consul container any more, what
// was in it is gone: gone is true. When the container is there, nothing is known: err says what to do.
func unreachable(ctx context.Context, stack string, cause error) (gone bool, err error) {
	if !errors.Is(cause, consul.ErrUnavailable) {
		return false, cause
	}
	found, err := consulContainer(ctx, stack)
	switch {
	case errors.Is(err, docker.ErrNotFound):
		return true, nil
	case err != nil:
		return false, errors.Join(cause, err)
	}
	return false, fmt.Errorf("%w: its container %s is %s; see `docker logs %s`, or `docker start` it", cause, found.Name, found.State, found.Name)
}

// writeAttempts is how often a write is tried again when somebody else wrote in between.
const writeAttempts = 5

// writeKey sets a key of the stack whatever it held and returns the index of the write. Once begun it is not
// interrupted by ctx. A key that holds the value already is not written.
func writeKey(ctx context.Context, client *consul.Client, key string, value []byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	var err error
	for range writeAttempts {
		var now consul.KV
		now, err = client.Get(ctx, key)
		if err != nil && !errors.Is(err, consul.ErrNotFound) {
			return 0, err
		}
		if err == nil && string(now.Value) == string(value) {
			return now.ModifyIndex, nil
		}
		if err = client.PutIf(ctx, key, value, now.ModifyIndex); err != nil && !errors.Is(err, consul.ErrConflict) {
			return 0, err
		}
	}
	if err == nil {
		err = consul.ErrConflict
	}
	return 0, fmt.Errorf("write key %s: somebody else keeps changing it: %w", key, err)
}
