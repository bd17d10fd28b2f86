package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
)

// NetworkArgs are the settings of a Network.
type NetworkArgs struct {
	Subnet string // IPv4, such as 172.28.0.0/16; empty lets the engine choose
	Slice  string // network slice that the network is; empty is the stack's own network
}

// Network is the stack's own bridge network, in which every other part lives, or that of a network slice.
type Network struct {
	pulumi.ResourceState

	Name pulumi.StringOutput // on the engine
}

// NewNetwork makes the stack's network, or that of a slice.
func NewNetwork(ctx *pulumi.Context, name string, args NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{}
	child, err := register(ctx, "Network", name, n, opts)
	if err != nil {
		return nil, err
	}
	network := &viot.NetworkArgs{Stack: pulumi.String(ctx.Stack()), Name: pulumi.String("viot-" + ctx.Stack())}
	if args.Slice != "" {
		network.Name = pulumi.String(objectName(ctx, args.Slice))
	}
	if args.Subnet != "" {
		network.Subnet = pulumi.String(args.Subnet)
	}
	made, err := viot.NewNetwork(ctx, name, network, child)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", name, err)
	}
	n.Name = made.Name
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"name": n.Name})
}
