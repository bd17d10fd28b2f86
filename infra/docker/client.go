// Package docker is a thin client of the Docker Engine in viot's words: values of our own, a few sentinel errors, and
// calls that may be repeated. It decides nothing and keeps no state.
package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// MinAPIVersion is the oldest API an engine may speak; Docker Engine 20.10 was the first to speak it.
const MinAPIVersion = "1.41"

// Client talks to one engine. It is safe for concurrent use.
type Client struct {
	api  *client.Client
	host string

	removing sync.Mutex // held while an image is removed
}

// New returns a client of the engine at host, such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376. An empty
// host takes DOCKER_HOST and its companions from the environment, else the local socket. New does not contact the
// engine; Check does.
func New(host string) (*Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker host %q: %w: want something like unix:///var/run/docker.sock", cmp.Or(host, os.Getenv(client.EnvOverrideHost)), err)
	}
	return &Client{api: api, host: api.DaemonHost()}, nil
}

// Open is New followed by Check.
func Open(ctx context.Context, host string) (*Client, error) {
	c, err := New(host)
	if err != nil {
		return nil, err
	}
	if err := c.Check(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() error { return c.api.Close() }

// Host is the address of the engine.
func (c *Client) Host() string { return c.host }

// Check says whether the engine answers, is new enough and runs Linux containers. Its errors tell the operator what
// to do; the one for an engine that does not answer is ErrUnavailable.
func (c *Client) Check(ctx context.Context) error {
	ping, err := c.api.Ping(ctx)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("reach Docker at %s: %w", c.host, err)
	case errors.Is(err, fs.ErrPermission):
		return &engineError{ErrUnavailable, fmt.Errorf("no permission to use Docker at %s: add yourself to the group docker (`sudo usermod -aG docker $USER`, then log in again)", c.host)}
	case err != nil:
		return &engineError{ErrUnavailable, fmt.Errorf("cannot reach Docker at %s: start it with `systemctl start docker`, or check DOCKER_HOST: %w", c.host, err)}
	case versions.LessThan(ping.APIVersion, MinAPIVersion):
		return fmt.Errorf("Docker at %s speaks API %s: viot needs %s or newer, that is Docker Engine 20.10", c.host, ping.APIVersion, MinAPIVersion)
	case ping.OSType != "" && ping.OSType != "linux":
		return fmt.Errorf("Docker at %s runs %s containers: viot needs Linux containers", c.host, ping.OSType)
	}
	return nil
}

// labelFilter selects the objects that carry all labels.
func labelFilter(labels map[string]string) filters.Args {
	args := filters.NewArgs()
	for k, v := range labels {
		args.Add("label", k+"="+v)
	}
	return args
}
