// Package provider is viot's native Pulumi provider: images, networks, volumes and containers on a Docker Engine, keys
// in Consul, and pools of instances that the orchestrator keeps. One file holds one resource.
//
// What all of them hold to: a preview touches nothing; every object carries the label of its stack and nothing without
// it is touched; created means ready; what was made is always recorded, also when it failed or was cancelled; a
// refresh sees what changed behind Pulumi's back and the next update repairs it; deleting what is gone is done.
package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/viot-project/viot/infra/docker"
)

// Name is the provider's name in Pulumi programs, and Version the one it is built as.
const (
	Name    = "viot"
	Version = "0.1.0"
)

// New returns the provider. It contacts nothing before it is configured.
func New() (p.Provider, error) {
	provider, err := infer.NewProviderBuilder().
		WithDisplayName("viot").
		WithDescription("Containers, Consul keys and self-scaling pools of instances on a Docker Engine.").
		WithKeywords("viot", "docker", "consul", "onem2m").
		WithGoImportPath("github.com/viot-project/viot/infra/sdk/go/viot").
		WithConfig(infer.Config(&Config{})).
		WithResources(
			infer.Resource(Image{}),
			infer.Resource(Network{}),
			infer.Resource(Volume{}),
			infer.Resource(Container{}),
			infer.Resource(ConsulKey{}),
			infer.Resource(Pool{}),
			infer.Resource(Secret{}),
		).
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{"provider": "index"}).
		Build()
	if err != nil {
		return p.Provider{}, fmt.Errorf("build the viot provider: %w", err)
	}
	return provider, nil
}

// Config is the provider's configuration.
type Config struct {
	DockerHost string `pulumi:"dockerHost,optional"`

	docker *docker.Client
}

// Annotate implements infer.Annotated.
func (c *Config) Annotate(a infer.Annotator) {
	a.Describe(&c.DockerHost, "Address of the Docker Engine, such as unix:///var/run/docker.sock. Default: DOCKER_HOST, else the local socket.")
}

// Configure opens the engine, so that a missing one is told before anything is done.
func (c *Config) Configure(ctx context.Context) error {
	client, err := docker.Open(ctx, c.DockerHost)
	if err != nil {
		return err
	}
	c.docker = client
	return nil
}

// engine returns the Docker Engine that this provider was configured with.
func engine(ctx context.Context) *docker.Client { return infer.GetConfig[Config](ctx).docker }
