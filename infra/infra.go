// Package infra holds the components that stacks compose: a network, Consul, PostgreSQL, the load balancer, the
// orchestrator and pools. Each is a Pulumi component whose parts carry the stack's label, and each part is created
// when it is healthy, so a component that depends on another finds it working.
//
// Names on the engine are viot-<stack>-<part>; containers find each other under these names in the stack's network.
package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
)

// objectName is the name on the engine of a part of this stack.
func objectName(ctx *pulumi.Context, part string) string { return "viot-" + ctx.Stack() + "-" + part }

// register makes component a Pulumi component of the given type and name, and returns opts for its children.
func register(ctx *pulumi.Context, kind, name string, component pulumi.ComponentResource, opts []pulumi.ResourceOption) (pulumi.ResourceOption, error) {
	if err := ctx.RegisterComponentResource("viot:infra:"+kind, name, component, opts...); err != nil {
		return nil, fmt.Errorf("register %s %s: %w", kind, name, err)
	}
	return pulumi.Parent(component), nil
}

// SoftwareImages says where the images of third-party software come from.
type SoftwareImages struct {
	Mode string // auto, registry or build; see the provider's ImageRecipe
	Root string // repository root, where Go programs are compiled
}

// image returns the reference of one of them. It stays on the engine when the stack goes: building it again takes
// minutes, and it holds nothing of the stack's own.
func (s SoftwareImages) image(ctx *pulumi.Context, name, recipe string, opts ...pulumi.ResourceOption) (pulumi.StringOutput, error) {
	image, err := viot.NewImage(ctx, name, &viot.ImageArgs{
		Stack:  pulumi.String(ctx.Stack()),
		Recipe: viot.ImageRecipeArgs{Name: pulumi.String(recipe), Mode: pulumi.String(s.Mode), Root: pulumi.String(s.Root)},
	}, opts...)
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("image %s: %w", recipe, err)
	}
	return image.Reference, nil
}

// ProgramArgs is one of this repository's own programs as an image.
type ProgramArgs struct {
	Root string // repository root
	Name string // of the program and its image
	Path string // package to compile, relative to Root, such as ./cse/cmd/cse
	User string // uid:gid to run as; empty is 65532:65532
}

// NewProgram builds the image of a program and returns its reference, whose tag is the hash of the sources.
func NewProgram(ctx *pulumi.Context, name string, args ProgramArgs, opts ...pulumi.ResourceOption) (pulumi.StringOutput, error) {
	binary := viot.GoBinaryArgs{Name: pulumi.String(args.Name), Dir: pulumi.String(args.Root), Package: pulumi.String(args.Path)}
	if args.User != "" {
		binary.User = pulumi.String(args.User)
	}
	image, err := viot.NewImage(ctx, name, &viot.ImageArgs{Stack: pulumi.String(ctx.Stack()), GoBinary: binary}, opts...)
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("image %s: %w", args.Name, err)
	}
	return image.Reference, nil
}
