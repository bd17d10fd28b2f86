package infra

import (
	"fmt"
	"net"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// OrchestratorArgs are the settings of an Orchestrator.
type OrchestratorArgs struct {
	Network      pulumi.StringInput
	Image        pulumi.StringInput // of orchestrator/cmd/orchestrator
	Consul       pulumi.StringInput // URL of Consul's API in the network
	DockerSocket string             // path on this machine of the engine's socket
	Replicas     int                // at least 1; one acts, the others stand by
	HostAddress  string             // address of this machine on which the first one's API is published
	HostPort     int                // 0 lets the engine choose

	// Tokens that the API wants of who reads and of who writes; nil wants none. They are secret: they reach the program as
	// files in its container, which neither its arguments nor its labels show.
	ReadToken, WriteToken pulumi.StringInput

	DecisionsLog bool // keep every decision in a file, on a volume of each replica
}

// Orchestrator is the daemon, in as many containers as asked for, that keeps every pool of the stack at its size.
type Orchestrator struct {
	pulumi.ResourceState

	URL pulumi.StringOutput // of the first one's API, from this machine
}

const (
	orchestratorPort = 8090
	decisionsFolder  = "/var/lib/viot"
)

// tokens are the files with the API's tokens, and the flags that name them.
func (a OrchestratorArgs) tokens() (files viot.FileArray, flags pulumi.StringArray) {
	for _, token := range []struct {
		name  string
		value pulumi.StringInput
	}{{"read-token", a.ReadToken}, {"write-token", a.WriteToken}} {
		if token.value == nil {
			continue
		}
		path := pulumi.String("/run/viot/" + token.name)
		files = append(files, viot.FileArgs{Path: path, Content: pulumi.ToSecret(token.value).(pulumi.StringOutput), Mode: pulumi.String("0400")})
		flags = append(flags, pulumi.String("-"+token.name+"-file"), path)
	}
	return files, flags
}

// NewOrchestrator starts the orchestrators. They have the engine's socket, and so all power over this machine: they run
// nothing but this repository's program.
func NewOrchestrator(ctx *pulumi.Context, name string, args OrchestratorArgs, opts ...pulumi.ResourceOption) (*Orchestrator, error) {
	o := &Orchestrator{}
	child, err := register(ctx, "Orchestrator", name, o, opts)
	if err != nil {
		return nil, err
	}
	for n := range args.Replicas {
		replica := name
		if n > 0 {
			replica = fmt.Sprintf("%s-%d", name, n+1)
		}
		command := pulumi.StringArray{
			pulumi.String("-stack"), pulumi.String(ctx.Stack()), pulumi.String("-consul"), args.Consul,
			pulumi.String("-docker"), pulumi.String("unix:///var/run/docker.sock"), pulumi.String("-listen"), pulumi.Sprintf(":%d", orchestratorPort),
		}
		files, flags := args.tokens()
		command = append(command, flags...)
		if ip := net.ParseIP(args.HostAddress); args.WriteToken == nil && ip != nil && ip.IsLoopback() { // who reaches it is on this machine
			command = append(command, pulumi.String("-open-writes"))
		}
		mounts := viot.MountArray{viot.MountArgs{HostPath: pulumi.String(args.DockerSocket), Target: pulumi.String("/var/run/docker.sock")}}
		if args.DecisionsLog {
			volume, err := viot.NewVolume(ctx, replica, &viot.VolumeArgs{
				Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, replica)), Role: pulumi.String(spec.RoleOrchestrator),
			}, child)
			if err != nil {
				return nil, fmt.Errorf("volume of %s: %w", replica, err)
			}
			mounts = append(mounts, viot.MountArgs{Volume: volume.Name, Target: pulumi.String(decisionsFolder)})
			command = append(command, pulumi.String("-decisions-log"), pulumi.String(decisionsFolder+"/decisions.log"))
		}
		container := &viot.ContainerArgs{
			Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, replica)), Role: pulumi.String(spec.RoleOrchestrator),
			Image: args.Image, Network: args.Network, Restart: pulumi.String("unless-stopped"),
			Command:     command,
			Files:       files,
			Mounts:      mounts,
			HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(orchestratorPort), Path: pulumi.String("/readyz")}},
		}
		if n == 0 {
			container.Ports = viot.PortArray{viot.PortArgs{
				ContainerPort: pulumi.Int(orchestratorPort), HostPort: pulumi.Int(args.HostPort), HostAddress: pulumi.String(args.HostAddress),
				ConfigKey: pulumi.String("viot:orchestratorPort"),
			}}
		}
		made, err := viot.NewContainer(ctx, replica, container, child)
		if err != nil {
			return nil, fmt.Errorf("container of %s: %w", replica, err)
		}
		if n == 0 {
			o.URL = pulumi.Sprintf("http://%s", published(made, args.HostAddress, orchestratorPort))
		}
	}
	return o, ctx.RegisterResourceOutputs(o, pulumi.Map{"url": o.URL})
}
