package infra

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// ConsulArgs are the settings of a Consul.
type ConsulArgs struct {
	Network     pulumi.StringInput
	Images      SoftwareImages
	Servers     int    // 1, or 3 to survive the loss of one
	HostAddress string // address of this machine on which the API is published
	HostPort    int    // 0 lets the engine choose
}

// Consul is service discovery and the store of what is declared: servers, and beside three of them a client agent,
// with which instances are registered.
type Consul struct {
	pulumi.ResourceState

	Address pulumi.StringOutput // of the API from this machine, host:port
	URL     pulumi.StringOutput // the same as http URL
	Inside  pulumi.StringOutput // URL of the API in the network
}

const consulPort = 8500

// NewConsul stands Consul up; it is there when it has a leader.
func NewConsul(ctx *pulumi.Context, name string, args ConsulArgs, opts ...pulumi.ResourceOption) (*Consul, error) {
	c := &Consul{}
	child, err := register(ctx, "Consul", name, c, opts)
	if err != nil {
		return nil, err
	}
	image, err := args.Images.image(ctx, name, "consul", child)
	if err != nil {
		return nil, err
	}
	var servers []string
	for n := range args.Servers {
		if args.Servers == 1 {
			servers = append(servers, name)
		} else {
			servers = append(servers, fmt.Sprintf("%s-%d", name, n+1))
		}
	}
	agents := servers
	if args.Servers > 1 {
		agents = append(agents, name) // the client agent has the plain name: it is whom everybody talks to
	}
	var front *viot.Container
	for _, agent := range agents {
		server := args.Servers == 1 || agent != name
		config, err := consulConfig(ctx, agent, servers, server)
		if err != nil {
			return nil, err
		}
		volume, err := viot.NewVolume(ctx, agent, &viot.VolumeArgs{
			Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, agent)), Role: pulumi.String(spec.RoleConsul),
		}, child)
		if err != nil {
			return nil, fmt.Errorf("volume of %s: %w", agent, err)
		}
		container := &viot.ContainerArgs{
			Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, agent)), Role: pulumi.String(spec.RoleConsul),
			Image: image, Network: args.Network,
			Command:     pulumi.ToStringArray([]string{"consul", "agent", "-config-file=/consul/config/viot.json"}),
			Files:       viot.FileArray{viot.FileArgs{Path: pulumi.String("/consul/config/viot.json"), Content: pulumi.String(config)}},
			Mounts:      viot.MountArray{viot.MountArgs{Volume: volume.Name, Target: pulumi.String("/consul/data")}},
			Restart:     pulumi.String("unless-stopped"),
			HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(consulPort), Path: pulumi.String("/v1/catalog/nodes")}},
		}
		if agent == name {
			container.Ports = viot.PortArray{viot.PortArgs{
				ContainerPort: pulumi.Int(consulPort), HostPort: pulumi.Int(args.HostPort), HostAddress: pulumi.String(args.HostAddress),
				ConfigKey: pulumi.String("viot:consulPort"),
			}}
		}
		made, err := viot.NewContainer(ctx, agent, container, child)
		if err != nil {
			return nil, fmt.Errorf("container of %s: %w", agent, err)
		}
		if agent == name {
			front = made
		}
	}
	c.Address = published(front, args.HostAddress, consulPort)
	c.URL = pulumi.Sprintf("http://%s", c.Address)
	c.Inside = pulumi.Sprintf("http://%s:%d", front.Name, consulPort)
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"url": c.URL, "inside": c.Inside})
}

// consulConfig is the agent's configuration file. raft_multiplier 1 elects a new leader in 3 s instead of 15.
func consulConfig(ctx *pulumi.Context, agent string, servers []string, server bool) (string, error) {
	config := map[string]any{
		"node_name": agent, "data_dir": "/consul/data", "client_addr": "0.0.0.0", "server": server, "log_level": "warn",
		"disable_update_check": true, "leave_on_terminate": false, "skip_leave_on_interrupt": true,
		"performance": map[string]any{"raft_multiplier": 1}, "ui_config": map[string]any{"enabled": true},
		"limits": map[string]any{"http_max_conns_per_client": 2000},
	}
	if server {
		config["bootstrap_expect"] = len(servers)
	}
	var join []string
	for _, s := range servers {
		if s != agent {
			join = append(join, objectName(ctx, s))
		}
	}
	if len(join) > 0 {
		config["retry_join"] = join
		config["retry_interval"] = "1s"
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return "", fmt.Errorf("configuration of %s: %w", agent, err)
	}
	return string(text), nil
}

// published is the host:port under which a container's port is reached from this machine.
func published(c *viot.Container, address string, port int) pulumi.StringOutput {
	if address == "0.0.0.0" {
		address = "127.0.0.1"
	}
	key := fmt.Sprint(port)
	return c.HostPorts.ApplyT(func(ports map[string]int) string {
		return fmt.Sprintf("%s:%d", address, ports[key])
	}).(pulumi.StringOutput)
}
