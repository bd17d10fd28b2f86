package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// Create implements infer.CustomResource. A container of that name that is the stack's is a leftover of an interrupted
// run and made anew. One that does not start is removed; one that starts and does not become healthy, or whose
// creation is cancelled by then, is kept and recorded, and the next update goes on with it.
func (Container) Create(ctx context.Context, req infer.CreateRequest[ContainerArgs]) (infer.CreateResponse[ContainerState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[ContainerState]{ID: in.Name, Output: ContainerState{ContainerArgs: in}}
	if req.DryRun {
		return resp, nil
	}
	if err := clearName(ctx, in); err != nil {
		return resp, err
	}
	id, err := engine(ctx).CreateContainer(ctx, in.spec())
	if err != nil {
		return resp, err
	}
	if err := start(ctx, in, id); err != nil {
		ctx, cancel := uncancelled(ctx)
		defer cancel()
		return resp, errors.Join(err, engine(ctx).RemoveContainer(ctx, id))
	}
	return resp, finish(ctx, &resp.Output, id)
}

// clearName makes sure that no container of the stack has the name.
func clearName(ctx context.Context, in ContainerArgs) error {
	found, err := engine(ctx).InspectContainer(ctx, in.Name)
	switch {
	case errors.Is(err, docker.ErrNotFound):
		return nil
	case err != nil:
		return err
	case found.Labels[spec.LabelStack] != in.Stack:
		return taken("container", in.Name, found.ID, found.Labels)
	}
	p.GetLogger(ctx).Info("removing the container an interrupted run had left")
	return remove(ctx, in, found.ID)
}

// start starts a container and explains a port that is taken. A start that is under way is not cancelled: the engine may have
// carried it out although its answer was not waited for.
func start(ctx context.Context, in ContainerArgs, id string) error {
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	err := engine(ctx).StartContainer(ctx, id)
	var taken *docker.PortTakenError
	if !errors.As(err, &taken) {
		return err
	}
	advice := "free it or publish another"
	for _, p := range in.Ports {
		if p.ConfigKey != "" && strings.HasSuffix(taken.Address, ":"+strconv.Itoa(p.HostPort)) {
			advice = "free it or set " + p.ConfigKey + " to another"
		}
	}
	return fmt.Errorf("start container %s: %w; %s", in.Name, taken, advice)
}

// finish waits until a started container is healthy and fills in what it is. When it does not get there, the error
// makes Pulumi record it as it is.
func finish(ctx context.Context, c *ContainerState, id string) error {
	healthErr := waitHealthy(ctx, c.ContainerArgs, id)
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	found, err := engine(ctx).InspectContainer(ctx, id)
	if err == nil {
		c.observe(found)
		c.Status = statusHealthy
		if healthErr == nil {
			return nil
		}
		if found.State != docker.Running {
			c.Status = statusStopped
		} else {
			c.Status = statusUnhealthy
		}
	} else {
		c.ContainerID, c.Status = id, statusUnhealthy
	}
	return infer.ResourceInitFailedError{Reasons: []string{errors.Join(healthErr, err).Error()}}
}

// observe fills in what only the engine knows.
func (c *ContainerState) observe(found docker.Container) {
	c.ContainerID, c.ImageID, c.IP = found.ID, found.ImageID, ip(found)
	c.HostPorts = map[string]int{}
	for _, port := range found.Ports {
		c.HostPorts[strconv.Itoa(port.ContainerPort)] = port.HostPort
	}
}

// ip is a container's address in its network, else in the first it is attached to.
func ip(c docker.Container) string {
	if ip := c.IPs[c.Spec.Network]; ip != "" {
		return ip
	}
	for _, name := range c.Networks {
		if ip := c.IPs[name]; ip != "" {
			return ip
		}
	}
	return ""
}

// Update implements infer.CustomUpdate: it changes limits and restart policy of the living container, starts it when it
// is stopped, and waits until it is healthy.
func (Container) Update(ctx context.Context, req infer.UpdateRequest[ContainerArgs, ContainerState]) (infer.UpdateResponse[ContainerState], error) {
	in := req.Inputs
	resp := infer.UpdateResponse[ContainerState]{Output: req.State}
	resp.Output.ContainerArgs = in
	if req.DryRun {
		resp.Output.Status = statusHealthy
		return resp, nil
	}
	found, err := engine(ctx).InspectContainer(ctx, in.Name)
	if errors.Is(err, docker.ErrNotFound) || err == nil && found.Labels[spec.LabelStack] != in.Stack {
		return resp, fmt.Errorf("container %s is gone: run `pulumi refresh`, then update again", in.Name)
	}
	if err != nil {
		return resp, err
	}
	if err := engine(ctx).UpdateContainer(ctx, found.ID, in.CPUs, int64(in.MemoryBytes), docker.RestartPolicy(in.Restart)); err != nil {
		return resp, err
	}
	if found.State == docker.Paused {
		if err := engine(ctx).UnpauseContainer(ctx, found.ID); err != nil {
			return resp, err
		}
	}
	if err := start(ctx, in, found.ID); err != nil {
		return resp, err
	}
	return resp, finish(ctx, &resp.Output, found.ID)
}

// Read implements infer.CustomRead. A container that is gone or no longer the stack's is gone; of one that is there,
// the state takes what differs from the inputs, so that the next update repairs it.
func (Container) Read(ctx context.Context, req infer.ReadRequest[ContainerArgs, ContainerState]) (infer.ReadResponse[ContainerArgs, ContainerState], error) {
	resp := infer.ReadResponse[ContainerArgs, ContainerState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	found, err := engine(ctx).InspectContainer(ctx, req.ID)
	if errors.Is(err, docker.ErrNotFound) {
		return infer.ReadResponse[ContainerArgs, ContainerState]{}, nil
	}
	if err != nil {
		return resp, err
	}
	image, err := engine(ctx).InspectImage(ctx, found.ImageID)
	if err != nil && !errors.Is(err, docker.ErrNotFound) {
		return resp, err
	}
	if req.State.Name == "" {
		if err := importable("container", req.ID, found.Labels); err != nil {
			return resp, err
		}
		resp.Inputs = declared(found, image, ContainerArgs{StopGrace: cmp.Or(found.Spec.StopGrace, spec.DefaultStopGrace).String()})
		resp.State.ContainerArgs = resp.Inputs
	} else if found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.ReadResponse[ContainerArgs, ContainerState]{}, nil
	} else {
		resp.State.ContainerArgs = declared(found, image, req.State.ContainerArgs)
		if current, err := engine(ctx).InspectImage(ctx, found.Image); err == nil && current.ID != found.ImageID {
			resp.State.Image = found.ImageID // the reference means another image by now
		}
	}
	resp.State.observe(found)
	resp.State.Status = statusOf(ctx, resp.State.ContainerArgs, found)
	return resp, nil
}

// declared is what a container's inputs would be, had it been declared as it was found; was is what they are. What the
// engine cannot tell is taken from was, and what only comes from the image is left out.
func declared(found docker.Container, image docker.Image, was ContainerArgs) ContainerArgs {
	is := found.Spec
	c := was
	c.Stack, c.Name, c.Role = found.Labels[spec.LabelStack], found.Name, found.Labels[spec.LabelRole]
	c.Image, c.Network = found.Image, strings.Join(found.Networks, ",")
	if c.Network == "bridge" && was.Network == "" {
		c.Network = ""
	}
	c.Entrypoint = unlessSame(is.Entrypoint, image.Entrypoint, was.Entrypoint)
	c.Command = unlessSame(is.Command, image.Command, was.Command)
	c.Env = without(is.Env, image.Env, was.Env)
	c.Labels = without(found.Labels, image.Labels, was.Labels)
	maps.DeleteFunc(c.Labels, func(k, _ string) bool { return strings.HasPrefix(k, "io.viot.") })
	if is.User != image.User || was.User != "" {
		c.User = is.User
	}
	if is.StopSignal != image.StopSignal || was.StopSignal != "" {
		c.StopSignal = is.StopSignal
	}
	c.Aliases = inOrder(was.Aliases, is.Aliases)
	c.CapAdd, c.CapDrop = inOrder(was.CapAdd, is.CapAdd), inOrder(was.CapDrop, is.CapDrop)
	c.Tmpfs, c.ReadOnly, c.CPUs, c.MemoryBytes, c.Restart = is.Tmpfs, is.ReadOnly, is.CPUs, int(is.MemoryBytes), string(is.Restart)
	ports := make([]Port, len(is.Ports))
	for i, p := range is.Ports {
		ports[i] = Port{HostAddress: p.HostAddress, HostPort: p.HostPort, ContainerPort: p.ContainerPort}
	}
	if !sameSet(bindings(was.Ports), ports) {
		c.Ports = ports
	}
	mounts := make([]Mount, len(is.Mounts))
	for i, m := range is.Mounts {
		mounts[i] = Mount{Volume: m.Volume, HostPath: m.HostPath, Target: m.Target, ReadOnly: m.ReadOnly}
	}
	if !sameSet(was.Mounts, mounts) {
		c.Mounts = mounts
	}
	return c
}

// unlessSame is what was found, or nothing where that only comes from the image.
func unlessSame(found, image, was []string) []string {
	if len(was) == 0 && slices.Equal(found, image) {
		return nil
	}
	return found
}

// without is what was found, less what only comes from the image.
func without(found, image, was map[string]string) map[string]string {
	left := map[string]string{}
	for k, v := range found {
		if _, declared := was[k]; declared || image[k] != v {
			left[k] = v
		}
	}
	return left
}

// inOrder is found in the order of was when they hold the same.
func inOrder(was, found []string) []string {
	if sameSet(was, found) {
		return was
	}
	return found
}

func sameSet[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// Delete implements infer.CustomDelete.
func (Container) Delete(ctx context.Context, req infer.DeleteRequest[ContainerState]) (infer.DeleteResponse, error) {
	found, err := engine(ctx).InspectContainer(ctx, req.State.Name)
	if errors.Is(err, docker.ErrNotFound) || err == nil && found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.DeleteResponse{}, nil
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, remove(ctx, req.State.ContainerArgs, found.ID)
}

// remove stops a container in its own time and removes it. One that is gone is removed.
func remove(ctx context.Context, in ContainerArgs, id string) error {
	if err := engine(ctx).StopContainer(ctx, id, in.grace()); err != nil && !errors.Is(err, docker.ErrNotFound) {
		return err
	}
	return engine(ctx).RemoveContainer(ctx, id)
}
