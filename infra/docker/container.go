package docker

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// State is where a container is in its life.
type State string

// States of a container.
const (
	Created    State = "created"
	Running    State = "running"
	Paused     State = "paused"
	Restarting State = "restarting"
	Removing   State = "removing"
	Exited     State = "exited"
	Dead       State = "dead"
)

// RestartPolicy says what the engine does when a container ends by itself.
type RestartPolicy string

// Restart policies.
const (
	RestartNo            RestartPolicy = "no"
	RestartOnFailure     RestartPolicy = "on-failure"
	RestartUnlessStopped RestartPolicy = "unless-stopped"
	RestartAlways        RestartPolicy = "always"
)

// Container is a container as the engine reports it. ListContainers leaves the fields below the blank line zero.
type Container struct {
	ID       string
	Name     string
	Image    string // reference it was created from
	ImageID  string
	State    State
	Labels   map[string]string
	Networks []string          // names of those it is attached to, sorted
	IPs      map[string]string // network name → IPv4 address; only while it runs
	Ports    []Port            // published ones, with the host port in use; only while it runs

	CreatedAt  time.Time
	StartedAt  time.Time // zero if never
	FinishedAt time.Time // zero if never
	ExitCode   int       // of the last run
	OOMKilled  bool      // the last run ended for want of memory
	Restarts   int       // by the restart policy, since it was last started by hand
	Health     string    // of the image's own health check: starting, healthy, unhealthy; empty without one
	Error      string    // why the engine could not start it
	Spec       ContainerSpec
}

// ContainerSpec is what a container is made from. The zero value of every field but Name and Image leaves the choice
// to the image or the engine. As part of an inspected Container it also holds what came from the image, and no Files.
type ContainerSpec struct {
	Name        string
	Image       string
	Entrypoint  []string
	Command     []string
	Env         map[string]string
	Labels      map[string]string
	User        string // uid[:gid] or a name known in the image
	Network     string // name of the network it joins first; empty is the engine's default bridge
	Aliases     []string
	Networks    []string // names of further networks to join, for which Network must be set
	Ports       []Port
	Mounts      []Mount
	Tmpfs       map[string]string // target → mount options such as size=16m,mode=1777
	Files       []File            // put in place before the first start
	CapAdd      []string
	CapDrop     []string
	ReadOnly    bool // root file system
	StopSignal  string
	StopGrace   time.Duration // what `docker stop` by hand waits; whole seconds, rounded up
	CPUs        float64       // limit in cores; 0 is none
	MemoryBytes int64         // limit; 0 is none
	Restart     RestartPolicy // empty is RestartNo
}

// Port publishes a container's TCP port on the host.
type Port struct {
	HostAddress   string // empty is all addresses
	HostPort      int    // 0 lets the engine choose
	ContainerPort int
}

// Mount puts a volume or a directory of the host into a container; one of Volume and HostPath is set.
type Mount struct {
	Volume   string // name
	HostPath string // absolute
	Target   string // absolute, in the container
	ReadOnly bool
}

// File is put into a container before it starts. Missing parent directories are made, owned by root.
type File struct {
	Path    string // absolute, in the container
	Content []byte
	Mode    int64 // permission bits; 0 is 0644
	UID     int
	GID     int
}

// Limits of processors are set as a quota of a period, in microseconds, for the engine can lift a quota of a running container but not
// the newer form of the limit. A process that has used its quota up stands still until the period ends, so a short one keeps the latency
// of small instances low: with a fifth of a processor and the kernel's default of 100 ms, up to 80 ms are added to a request.
const (
	cpuPeriod   = 20_000
	kernelQuota = 1_000 // the least that the kernel takes
	longPeriod  = 100_000
)

// SameCPUs says whether two limits in cores are the same to the engine, which rounds them.
func SameCPUs(a, b float64) bool { return math.Abs(a-b) <= 1.0/cpuPeriod }

// cpuLimit is a limit in cores as a period and a quota of it.
func cpuLimit(cpus float64) (period, quota int64) {
	period = cpuPeriod
	if cpus*cpuPeriod < kernelQuota {
		period = longPeriod
	}
	return period, max(kernelQuota, int64(math.Round(cpus*float64(period))))
}

// noMemoryLimit is more than any machine has: the engine can raise a limit but not take it away.
const noMemoryLimit = 1 << 60

func fromMemory(limit int64) int64 {
	if limit >= noMemoryLimit {
		return 0
	}
	return limit
}

func fromCPUs(r container.Resources) float64 {
	switch {
	case r.NanoCPUs > 0:
		return float64(r.NanoCPUs) / 1e9
	case r.CPUQuota > 0 && r.CPUPeriod > 0:
		return float64(r.CPUQuota) / float64(r.CPUPeriod)
	case r.CPUQuota > 0:
		return float64(r.CPUQuota) / longPeriod // the kernel's default
	}
	return 0
}

// wholeSeconds is d as the engine counts, rounded up.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// engineConfig is s in the engine's words.
func (s ContainerSpec) engineConfig() (*container.Config, *container.HostConfig, *network.NetworkingConfig) {
	config := &container.Config{
		Image: s.Image, Entrypoint: s.Entrypoint, Cmd: s.Command, User: s.User,
		Labels: s.Labels, StopSignal: s.StopSignal, ExposedPorts: nat.PortSet{},
	}
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		config.Env = append(config.Env, k+"="+s.Env[k])
	}
	if s.StopGrace > 0 {
		seconds := wholeSeconds(s.StopGrace)
		config.StopTimeout = &seconds
	}
	host := &container.HostConfig{
		PortBindings: nat.PortMap{}, Tmpfs: s.Tmpfs, CapAdd: s.CapAdd, CapDrop: s.CapDrop, ReadonlyRootfs: s.ReadOnly,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)},
	}
	host.Memory, host.MemorySwap = s.MemoryBytes, s.MemoryBytes
	if s.CPUs > 0 {
		host.CPUPeriod, host.CPUQuota = cpuLimit(s.CPUs)
	}
	for _, p := range s.Ports {
		port := nat.Port(strconv.Itoa(p.ContainerPort) + "/tcp")
		binding := nat.PortBinding{HostIP: p.HostAddress}
		if p.HostPort != 0 {
			binding.HostPort = strconv.Itoa(p.HostPort)
		}
		config.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = append(host.PortBindings[port], binding)
	}
	for _, m := range s.Mounts {
		mnt := mount.Mount{Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: m.ReadOnly}
		if m.HostPath != "" {
			mnt.Type, mnt.Source = mount.TypeBind, m.HostPath
		}
		host.Mounts = append(host.Mounts, mnt)
	}
	if s.Network == "" {
		return config, host, nil
	}
	host.NetworkMode = container.NetworkMode(s.Network)
	return config, host, &network.NetworkingConfig{
		EndpointsConfig: map[string]*network.EndpointSettings{s.Network: {Aliases: s.Aliases}},
	}
}

func fromInspect(r container.InspectResponse) Container {
	c := Container{
		ID: r.ID, Name: strings.TrimPrefix(r.Name, "/"), Image: r.Config.Image, ImageID: r.Image,
		State: State(r.State.Status), Labels: r.Config.Labels, IPs: map[string]string{}, Ports: fromPortMap(r.NetworkSettings.Ports),
		CreatedAt: fromTime(r.Created), StartedAt: fromTime(r.State.StartedAt), FinishedAt: fromTime(r.State.FinishedAt),
		ExitCode: r.State.ExitCode, OOMKilled: r.State.OOMKilled, Restarts: r.RestartCount, Error: r.State.Error,
		Spec: ContainerSpec{
			Entrypoint: r.Config.Entrypoint, Command: r.Config.Cmd, Env: fromEnv(r.Config.Env), User: r.Config.User,
			Ports: fromPortMap(r.HostConfig.PortBindings), Tmpfs: r.HostConfig.Tmpfs,
			CapAdd: r.HostConfig.CapAdd, CapDrop: r.HostConfig.CapDrop, ReadOnly: r.HostConfig.ReadonlyRootfs,
			StopSignal: r.Config.StopSignal, CPUs: fromCPUs(r.HostConfig.Resources), MemoryBytes: fromMemory(r.HostConfig.Memory),
			Restart: RestartPolicy(r.HostConfig.RestartPolicy.Name),
		},
	}
	c.Spec.Name, c.Spec.Image, c.Spec.Labels = c.Name, c.Image, c.Labels
	if r.State.Health != nil {
		c.Health = string(r.State.Health.Status)
	}
	if r.Config.StopTimeout != nil {
		c.Spec.StopGrace = time.Duration(*r.Config.StopTimeout) * time.Second
	}
	if mode := r.HostConfig.NetworkMode; mode.IsUserDefined() {
		c.Spec.Network = string(mode)
	}
	c.Networks = slices.Sorted(maps.Keys(r.NetworkSettings.Networks))
	for name, endpoint := range r.NetworkSettings.Networks {
		if endpoint.IPAddress != "" {
			c.IPs[name] = endpoint.IPAddress
		}
		if name != c.Spec.Network && c.Spec.Network != "" {
			c.Spec.Networks = append(c.Spec.Networks, name)
		}
		if name == c.Spec.Network {
			for _, alias := range endpoint.Aliases {
				if !strings.HasPrefix(c.ID, alias) { // the engine adds the short ID by itself
					c.Spec.Aliases = append(c.Spec.Aliases, alias)
				}
			}
		}
	}
	slices.Sort(c.Spec.Networks)
	for _, m := range r.HostConfig.Mounts {
		mnt := Mount{Target: m.Target, ReadOnly: m.ReadOnly}
		switch m.Type {
		case mount.TypeBind:
			mnt.HostPath = m.Source
		case mount.TypeVolume:
			mnt.Volume = m.Source
		}
		c.Spec.Mounts = append(c.Spec.Mounts, mnt)
	}
	return c
}

func fromSummary(s container.Summary) Container {
	c := Container{ID: s.ID, Image: s.Image, ImageID: s.ImageID, State: State(s.State), Labels: s.Labels, IPs: map[string]string{}}
	for _, name := range s.Names {
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") { // others are links
			c.Name = name
		}
	}
	if s.NetworkSettings != nil {
		c.Networks = slices.Sorted(maps.Keys(s.NetworkSettings.Networks))
		for name, endpoint := range s.NetworkSettings.Networks {
			if endpoint.IPAddress != "" {
				c.IPs[name] = endpoint.IPAddress
			}
		}
	}
	for _, p := range s.Ports {
		if p.Type == "tcp" && p.PublicPort != 0 {
			c.Ports = append(c.Ports, Port{HostAddress: p.IP, HostPort: int(p.PublicPort), ContainerPort: int(p.PrivatePort)})
		}
	}
	sortPorts(c.Ports)
	return c
}

func fromPortMap(m nat.PortMap) []Port {
	var ports []Port
	for port, bindings := range m {
		for _, b := range bindings {
			hostPort, _ := strconv.Atoi(b.HostPort) // empty when the engine is to choose
			ports = append(ports, Port{HostAddress: b.HostIP, HostPort: hostPort, ContainerPort: port.Int()})
		}
	}
	sortPorts(ports)
	return ports
}

func sortPorts(ports []Port) {
	slices.SortFunc(ports, func(a, b Port) int {
		if a.ContainerPort != b.ContainerPort {
			return a.ContainerPort - b.ContainerPort
		}
		return strings.Compare(a.HostAddress, b.HostAddress)
	})
}

func fromEnv(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		k, v, _ := strings.Cut(entry, "=")
		env[k] = v
	}
	return env
}

// fromTime reads the engine's times; its "never" is the zero time.
func fromTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
