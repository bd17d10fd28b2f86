package main

import (
	"context"
	"fmt"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/viot-project/viot/infra/provider"
)

// software takes images of third-party software from where stacks take them: the provider's Image resource, without
// a stack that records it. The images stay on the engine, as stacks leave them too.
type software struct{ server integration.Server }

func newSoftware(ctx context.Context) (software, error) {
	viot, err := provider.New()
	if err != nil {
		return software{}, err
	}
	server, err := integration.NewServer(ctx, provider.Name, semver.MustParse(provider.Version), integration.WithProvider(viot))
	if err != nil {
		return software{}, err
	}
	return software{server}, server.Configure(p.ConfigureRequest{})
}

// image returns the reference of a recipe's image, which is pulled or built when the engine does not have it.
func (s software) image(recipe, mode string) (string, error) {
	urn := resource.NewURN("engines", "viot", "", "viot:index:Image", recipe)
	checked, err := s.server.Check(p.CheckRequest{Urn: urn, Inputs: property.NewMap(map[string]property.Value{
		"stack":  property.New("engines"),
		"recipe": property.New(map[string]property.Value{"name": property.New(recipe), "mode": property.New(mode)}),
	})})
	if err != nil {
		return "", fmt.Errorf("image %s: %w", recipe, err)
	}
	for _, f := range checked.Failures {
		return "", fmt.Errorf("image %s: %s: %s", recipe, f.Property, f.Reason)
	}
	made, err := s.server.Create(p.CreateRequest{Urn: urn, Properties: checked.Inputs})
	if err != nil {
		return "", fmt.Errorf("image %s: %w", recipe, err)
	}
	return made.Properties.Get("reference").AsString(), nil
}
