package infra

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// LoadBalancerArgs are the settings of a LoadBalancer.
type LoadBalancerArgs struct {
	Network     pulumi.StringInput
	Images      SoftwareImages
	Companion   pulumi.StringInput // image of the companion, orchestrator/cmd/balancer
	Consul      pulumi.StringInput // URL of Consul's API in the network
	Service     string             // Consul service whose passing instances get the requests
	HostAddress string             // address of this machine to listen on
	HostPort    int                // 0 lets the engine choose

	// ReplayCreates repeats a oneM2M create whose instance died before it answered. The instances must answer a
	// repeated create from the first one's result, as the CSE does; others would make two resources of it.
	ReplayCreates bool
}

// LoadBalancer is HAProxy with the companion that keeps its servers as Consul has them, and tells the orchestrator
// when an instance has no request left.
type LoadBalancer struct {
	pulumi.ResourceState

	URL       pulumi.StringOutput // of the published port
	Companion pulumi.StringOutput // URL of the companion's API in the network
}

// CompanionUser is whom the companion runs as: HAProxy's own user, so that it may use the admin socket, which no other
// user may. The folder of the socket is a volume that the two share.
const CompanionUser = "99:99"

const (
	mcaPort       = 8080
	haproxyReady  = 8404
	companionPort = 8081
	socketFolder  = "/var/lib/haproxy"
)

// NewLoadBalancer stands HAProxy and its companion up.
func NewLoadBalancer(ctx *pulumi.Context, name string, args LoadBalancerArgs, opts ...pulumi.ResourceOption) (*LoadBalancer, error) {
	l := &LoadBalancer{}
	child, err := register(ctx, "LoadBalancer", name, l, opts)
	if err != nil {
		return nil, err
	}
	image, err := args.Images.image(ctx, name, "haproxy", child)
	if err != nil {
		return nil, err
	}
	socket, err := viot.NewVolume(ctx, name, &viot.VolumeArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, name)), Role: pulumi.String(spec.RoleLoadBalancer),
	}, child)
	if err != nil {
		return nil, fmt.Errorf("volume of %s: %w", name, err)
	}
	mounts := viot.MountArray{viot.MountArgs{Volume: socket.Name, Target: pulumi.String(socketFolder)}}
	haproxy, err := viot.NewContainer(ctx, name, &viot.ContainerArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, name)), Role: pulumi.String(spec.RoleLoadBalancer),
		Image: image, Network: args.Network, Mounts: mounts, Restart: pulumi.String("unless-stopped"),
		Files: viot.FileArray{
			viot.FileArgs{Path: pulumi.String("/usr/local/etc/haproxy/haproxy.cfg"), Content: pulumi.String(haproxyConfig(args.Service, args.ReplayCreates))},
			viot.FileArgs{Path: pulumi.String("/usr/local/etc/haproxy/hold.lua"), Content: pulumi.String(holdScript)},
		},
		Ports: viot.PortArray{viot.PortArgs{
			ContainerPort: pulumi.Int(mcaPort), HostPort: pulumi.Int(args.HostPort), HostAddress: pulumi.String(args.HostAddress),
			ConfigKey: pulumi.String("viot:port"),
		}},
		HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(haproxyReady), Path: pulumi.String("/haproxy-ready")}},
	}, child)
	if err != nil {
		return nil, fmt.Errorf("container of %s: %w", name, err)
	}
	companion, err := viot.NewContainer(ctx, name+"-companion", &viot.ContainerArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, name+"-companion")), Role: pulumi.String(spec.RoleBalancer),
		Image: args.Companion, Network: args.Network, Mounts: mounts, Restart: pulumi.String("unless-stopped"),
		Command: pulumi.StringArray{
			pulumi.String("-stack"), pulumi.String(ctx.Stack()), pulumi.String("-consul"), args.Consul, pulumi.String("-route"), pulumi.String(args.Service + "=" + args.Service),
			pulumi.String("-haproxy"), pulumi.String("unix:" + socketFolder + "/admin.sock"), pulumi.String("-listen"), pulumi.Sprintf(":%d", companionPort),
		},
		HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(companionPort), Path: pulumi.String("/readyz")}},
	}, child, pulumi.DependsOn([]pulumi.Resource{haproxy}))
	if err != nil {
		return nil, fmt.Errorf("container of %s's companion: %w", name, err)
	}
	l.URL = pulumi.Sprintf("http://%s", published(haproxy, args.HostAddress, mcaPort))
	l.Companion = pulumi.Sprintf("http://%s:%d", companion.Name, companionPort)
	return l, ctx.RegisterResourceOutputs(l, pulumi.Map{"url": l.URL, "companion": l.Companion})
}

// haproxyTemplate is HAProxy's configuration, with SERVICE where the name of the service goes.
//
//go:embed haproxy.cfg
var haproxyTemplate string

// holdScript is what the configuration loads to hold requests while there is no instance.
//
//go:embed hold.lua
var holdScript string

// createReplay is the line of haproxy.cfg that tells the creates that may be repeated.
const createReplay = "    http-request set-var(txn.create) bool(true) if { method POST } { req.hdr(x-m2m-ri) -m found } { req.hdr(content-type) -m sub ty= }\n"

// haproxyConfig is HAProxy's configuration for one backend named like its service.
func haproxyConfig(service string, replayCreates bool) string {
	config := strings.ReplaceAll(haproxyTemplate, "SERVICE", service)
	if !replayCreates {
		config = strings.ReplaceAll(config, createReplay, "")
	}
	return config
}
