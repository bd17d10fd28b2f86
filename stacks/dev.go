package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra"
	"github.com/viot-project/viot/infra/spec"
)

// dev is the whole of viot on one Docker Engine: Consul, PostgreSQL, HAProxy, the orchestrator, and a pool of CSEs.
func dev(ctx *pulumi.Context) error {
	s, err := readSettings(ctx)
	if err != nil {
		return fmt.Errorf("settings of stack %s:\n%w", ctx.Stack(), err)
	}
	root, err := repository()
	if err != nil {
		return err
	}
	network, err := infra.NewNetwork(ctx, "network", infra.NetworkArgs{})
	if err != nil {
		return err
	}
	software := infra.SoftwareImages{Mode: s.images, Root: root}
	consul, err := infra.NewConsul(ctx, "consul", infra.ConsulArgs{
		Network: network.Name, Images: software, Servers: s.consulServers, HostAddress: s.address, HostPort: s.consulPort,
	})
	if err != nil {
		return err
	}
	companion, err := infra.NewProgram(ctx, "balancer", infra.ProgramArgs{
		Root: root, Name: "balancer", Path: "./orchestrator/cmd/balancer", User: infra.CompanionUser,
	})
	if err != nil {
		return err
	}
	balancer, err := infra.NewLoadBalancer(ctx, "haproxy", infra.LoadBalancerArgs{
		Network: network.Name, Images: software, Companion: companion, Consul: consul.Inside, Service: poolName,
		HostAddress: s.address, HostPort: s.port, ReplayCreates: s.replayCreates,
	})
	if err != nil {
		return err
	}
	daemon, err := infra.NewProgram(ctx, "orchestrator", infra.ProgramArgs{
		Root: root, Name: "orchestrator", Path: "./orchestrator/cmd/orchestrator", User: "0:0", // for the engine's socket
	})
	if err != nil {
		return err
	}
	secret := func(text string) pulumi.StringInput {
		if text == "" {
			return nil
		}
		return pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)
	}
	orchestrator, err := infra.NewOrchestrator(ctx, "orchestrator", infra.OrchestratorArgs{
		ReadToken: secret(s.readToken), WriteToken: secret(s.writeToken),
		Network: network.Name, Image: daemon, Consul: consul.Inside, DockerSocket: s.dockerSocket, Replicas: s.orchestrators,
		HostAddress: s.address, HostPort: s.orchestratorPort, DecisionsLog: s.decisionsLog,
	})
	if err != nil {
		return err
	}

	// Each instance of the pool holds a handful of database connections and one to listen on; the server takes those of a full
	// pool, of its successor during a rolling update, and an operator's.
	const connectionsEach = 8
	database, err := infra.NewPostgreSQL(ctx, "postgres", infra.PostgreSQLArgs{
		Network: network.Name, Images: software, Database: "cse", MaxConnections: (connectionsEach+1)*(2*s.max+1) + 20,
	})
	if err != nil {
		return err
	}
	image, env := pulumi.StringInput(pulumi.String(s.image)), pulumi.StringMap{}
	if s.image == "" {
		if image, err = infra.NewProgram(ctx, "cse", infra.ProgramArgs{Root: root, Name: "cse", Path: "./cse/cmd/cse"}); err != nil {
			return err
		}
	}
	env["CSE_STORE"] = database.URL
	env["CSE_STORE_CONNECTIONS"] = pulumi.String(fmt.Sprint(connectionsEach))
	env["CSE_POINT_OF_ACCESS"] = balancer.URL
	env["CSE_TRUSTED_PROXIES"] = pulumi.String(engineNetworks)
	for name, value := range s.env {
		env[name] = pulumi.String(value)
	}
	var slices pulumi.StringArray
	for _, slice := range s.slices {
		made, err := infra.NewNetwork(ctx, "slice-"+slice, infra.NetworkArgs{Slice: slice})
		if err != nil {
			return err
		}
		slices = append(slices, made.Name)
	}
	pool, err := infra.NewPool(ctx, poolName, infra.PoolArgs{
		Network: network.Name, Consul: consul.Address, Balancers: pulumi.StringArray{balancer.Companion}, Slices: slices,
		Image: image, Env: env,
		Limits: infra.Limits{CPUs: s.cpus, MemoryBytes: int64(s.memoryMiB) << 20},
		Service: spec.Service{
			Port: s.servicePort, ReadinessPath: s.readinessPath, MetricsPath: s.metricsPath, MaxConnections: s.maxConnections,
		},
		Policy: s.policy,
	}, pulumi.DependsOn([]pulumi.Resource{orchestrator, balancer, database}))
	if err != nil {
		return err
	}

	ctx.Export("mcaUrl", balancer.URL)
	ctx.Export("consulUrl", consul.URL)
	ctx.Export("orchestratorUrl", orchestrator.URL)
	ctx.Export("template", pool.Template)
	return nil
}

// engineNetworks are the private networks that engines take their own from. Only the load balancer is published, so a request
// from there came through it, and it says where it came from before.
const engineNetworks = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"

// poolName names the pool, its Consul service and the load balancer's backend.
const poolName = "cse"

// repository is the folder of Pulumi.yaml: the program runs in it or below.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the repository: no Pulumi.yaml in or above the working directory")
		}
		dir = parent
	}
}
