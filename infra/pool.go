package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// PoolArgs are the settings of a Pool. Zero durations and empty paths are the defaults of package spec.
type PoolArgs struct {
	Network   pulumi.StringInput
	Consul    pulumi.StringInput // address of Consul's API from this machine
	Balancers pulumi.StringArrayInput
	Slices    pulumi.StringArrayInput // names of the networks of its slices; nil is none
	Image     pulumi.StringInput
	Env       pulumi.StringMapInput
	Limits    Limits
	Service   spec.Service
	Policy    spec.Policy
}

// Limits bound one instance.
type Limits struct {
	CPUs        float64 // cores; 0 is no limit
	MemoryBytes int64   // 0 is no limit
}

// Pool is a set of equal instances, kept at the size its load needs. It is there when its least number of instances
// serves; deleting it drains and removes every one.
type Pool struct {
	pulumi.ResourceState

	Template pulumi.StringOutput // hash of what instances are started from
}

// NewPool declares a pool. What keeps it at its size must exist by then: pass the orchestrator and the load balancer in
// pulumi.DependsOn.
func NewPool(ctx *pulumi.Context, name string, args PoolArgs, opts ...pulumi.ResourceOption) (*Pool, error) {
	p := &Pool{}
	child, err := register(ctx, "Pool", name, p, opts)
	if err != nil {
		return nil, err
	}
	pool, err := viot.NewPool(ctx, name, &viot.PoolArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(name), ConsulAddress: args.Consul, Balancers: args.Balancers, Slices: args.Slices,
		Template: viot.PoolTemplateArgs{
			Image: args.Image, Env: args.Env, Network: args.Network,
			Cpus: pulumi.Float64(args.Limits.CPUs), MemoryBytes: pulumi.Int(int(args.Limits.MemoryBytes)),
		},
		Service: viot.PoolServiceArgs{
			Name: text(args.Service.Name), Port: pulumi.Int(args.Service.Port), ReadinessPath: text(args.Service.ReadinessPath),
			MetricsPath: text(args.Service.MetricsPath), MaxConnections: pulumi.Int(args.Service.MaxConnections),
			BootTimeout: duration(args.Service.BootTimeout), DrainTimeout: duration(args.Service.DrainTimeout),
			Metrics: viot.PoolMetricsArgs{
				Requests: text(args.Service.Metrics.Requests), CpuSeconds: text(args.Service.Metrics.CPUSeconds),
				InFlight: text(args.Service.Metrics.InFlight), Errors: text(args.Service.Metrics.Errors),
			},
		},
		Policy: policyArgs(args.Policy),
	}, child)
	if err != nil {
		return nil, fmt.Errorf("pool %s: %w", name, err)
	}
	p.Template = pool.TemplateHash
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{"template": p.Template})
}
