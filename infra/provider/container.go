package provider

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// Container is a container on the engine that is created when it is healthy.
type Container struct{}

// ContainerArgs are a Container's inputs.
type ContainerArgs struct {
	Stack       string            `pulumi:"stack"`
	Name        string            `pulumi:"name"`
	Role        string            `pulumi:"role"`
	Image       string            `pulumi:"image"`
	Entrypoint  []string          `pulumi:"entrypoint,optional"`
	Command     []string          `pulumi:"command,optional"`
	Env         map[string]string `pulumi:"env,optional"`
	Labels      map[string]string `pulumi:"labels,optional"`
	User        string            `pulumi:"user,optional"`
	Network     string            `pulumi:"network,optional"`
	Aliases     []string          `pulumi:"aliases,optional"`
	Ports       []Port            `pulumi:"ports,optional"`
	Mounts      []Mount           `pulumi:"mounts,optional"`
	Tmpfs       map[string]string `pulumi:"tmpfs,optional"`
	Files       []File            `pulumi:"files,optional"`
	CapAdd      []string          `pulumi:"capAdd,optional"`
	CapDrop     []string          `pulumi:"capDrop,optional"`
	ReadOnly    bool              `pulumi:"readOnly,optional"`
	CPUs        float64           `pulumi:"cpus,optional"`
	MemoryBytes int               `pulumi:"memoryBytes,optional"`
	Restart     string            `pulumi:"restart,optional"`
	StopSignal  string            `pulumi:"stopSignal,optional"`
	StopGrace   string            `pulumi:"stopGrace,optional"`
	HealthCheck *HealthCheck      `pulumi:"healthCheck,optional"`
}

// Port publishes a port of a container on the host.
type Port struct {
	ContainerPort int    `pulumi:"containerPort"`
	HostPort      int    `pulumi:"hostPort,optional"`
	HostAddress   string `pulumi:"hostAddress,optional"`
	ConfigKey     string `pulumi:"configKey,optional"`
}

// Mount puts a volume or a directory of the host into a container.
type Mount struct {
	Target   string `pulumi:"target"`
	Volume   string `pulumi:"volume,optional"`
	HostPath string `pulumi:"hostPath,optional"`
	ReadOnly bool   `pulumi:"readOnly,optional"`
}

// File is put into a container before it starts.
type File struct {
	Path    string `pulumi:"path"`
	Content string `pulumi:"content"`
	Mode    string `pulumi:"mode,optional"`
	UID     int    `pulumi:"uid,optional"`
	GID     int    `pulumi:"gid,optional"`
}

// HealthCheck says when a container is healthy: one of HTTP, TCP and Exec.
type HealthCheck struct {
	HTTP     *HTTPCheck `pulumi:"http,optional"`
	TCP      *TCPCheck  `pulumi:"tcp,optional"`
	Exec     []string   `pulumi:"exec,optional"`
	Timeout  string     `pulumi:"timeout,optional"`
	Interval string     `pulumi:"interval,optional"`
}

// HTTPCheck is healthy when a GET answers with a status below 400.
type HTTPCheck struct {
	Port int    `pulumi:"port"`
	Path string `pulumi:"path,optional"`
}

// TCPCheck is healthy when a connection is accepted.
type TCPCheck struct {
	Port int `pulumi:"port"`
}

// ContainerState is a Container as it is.
type ContainerState struct {
	ContainerArgs
	ContainerID string         `pulumi:"containerId"`
	ImageID     string         `pulumi:"imageId"`
	IP          string         `pulumi:"ip"`
	HostPorts   map[string]int `pulumi:"hostPorts"`
	Status      string         `pulumi:"status"`
}

// Values of ContainerState.Status.
const (
	statusHealthy   = "healthy"
	statusUnhealthy = "unhealthy" // runs, but its health check does not pass
	statusStopped   = "stopped"
)

// Annotate implements infer.Annotated.
func (c *Container) Annotate(a infer.Annotator) {
	a.Describe(c, "A container on the Docker Engine. It is created when its health check passes; when that fails the error shows "+
		"its last log lines and the container is kept for a look. Limits, restart policy, stop grace and health check change in "+
		"place; anything else replaces it. Import it by its name.")
}

// Annotate implements infer.Annotated.
func (c *ContainerArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Stack, "Stack it belongs to; becomes its label io.viot.stack.")
	a.Describe(&c.Name, "Name on the engine, and in DNS for other containers of its network.")
	a.Describe(&c.Role, "What it is for, such as load-balancer; becomes its label io.viot.role.")
	a.Describe(&c.Image, "Reference of an image that the engine has; see the resource Image.")
	a.Describe(&c.Entrypoint, "Program to run instead of the image's entrypoint.")
	a.Describe(&c.Command, "Arguments, or program where the image has no entrypoint. Default: the image's.")
	a.Describe(&c.Env, "Environment variables, added to the image's.")
	a.Describe(&c.Labels, "Further labels. Those that begin with io.viot. are viot's own.")
	a.Describe(&c.User, "User to run as, uid[:gid] or a name known in the image. Default: the image's.")
	a.Describe(&c.Network, "Name of the network to join. Default: the engine's default bridge, which has no DNS.")
	a.Describe(&c.Aliases, "Further DNS names in its network.")
	a.Describe(&c.Ports, "TCP ports to publish on the host.")
	a.Describe(&c.Mounts, "Volumes and directories of the host to mount.")
	a.Describe(&c.Tmpfs, "File systems in memory: path to mount options, such as size=16m,mode=1777; empty for none.")
	a.Describe(&c.Files, "Files to put in place before the first start, after mounts. A change replaces the container.")
	a.Describe(&c.CapAdd, "Kernel capabilities to add, such as NET_ADMIN.")
	a.Describe(&c.CapDrop, "Kernel capabilities to drop, or ALL.")
	a.Describe(&c.ReadOnly, "Whether the root file system is read-only.")
	a.Describe(&c.CPUs, "CPU limit in cores, at least 0.01. Default: none.")
	a.Describe(&c.MemoryBytes, "Memory limit in bytes, at least 6 MiB. Default: none.")
	a.Describe(&c.Restart, "What to do when it ends by itself: no, on-failure, unless-stopped or always.")
	a.SetDefault(&c.Restart, string(docker.RestartNo))
	a.Describe(&c.StopSignal, "Signal that asks it to end, such as SIGTERM. Default: the image's.")
	a.Describe(&c.StopGrace, "How long it may take to end before it is killed, such as 10s.")
	a.SetDefault(&c.StopGrace, "10s")
	a.Describe(&c.HealthCheck, "When it is healthy. Default: when it runs.")
}

// Annotate implements infer.Annotated.
func (p *Port) Annotate(a infer.Annotator) {
	a.Describe(&p.ContainerPort, "Port in the container.")
	a.Describe(&p.HostPort, "Port on the host. Default: the engine chooses one that is free; see hostPorts.")
	a.Describe(&p.HostAddress, "Address of the host to listen on; 0.0.0.0 is all.")
	a.SetDefault(&p.HostAddress, "127.0.0.1")
	a.Describe(&p.ConfigKey, "Configuration key that chose the host port, such as viot:port; named in the error when the port is taken.")
}

// Annotate implements infer.Annotated.
func (m *Mount) Annotate(a infer.Annotator) {
	a.Describe(&m.Target, "Absolute path in the container.")
	a.Describe(&m.Volume, "Name of the volume to mount; either this or hostPath.")
	a.Describe(&m.HostPath, "Absolute path of the file or directory of the host to mount; either this or volume.")
	a.Describe(&m.ReadOnly, "Whether the container may only read it.")
}

// Annotate implements infer.Annotated.
func (f *File) Annotate(a infer.Annotator) {
	a.Describe(&f.Path, "Absolute path in the container. Missing directories are made.")
	a.Describe(&f.Content, "What is in it.")
	a.Describe(&f.Mode, "Permissions in octal, such as 0600.")
	a.SetDefault(&f.Mode, "0644")
	a.Describe(&f.UID, "Owner. Default: root.")
	a.Describe(&f.GID, "Group. Default: root.")
}

// Annotate implements infer.Annotated.
func (h *HealthCheck) Annotate(a infer.Annotator) {
	a.Describe(&h.HTTP, "Healthy when a GET answers with a status below 400.")
	a.Describe(&h.TCP, "Healthy when a connection is accepted.")
	a.Describe(&h.Exec, "Healthy when this command, run in the container, ends with 0.")
	a.Describe(&h.Timeout, "How long it may take to become healthy, such as 30s.")
	a.SetDefault(&h.Timeout, "60s")
	a.Describe(&h.Interval, "How often to look, such as 50ms.")
	a.SetDefault(&h.Interval, "50ms")
}

// Annotate implements infer.Annotated.
func (h *HTTPCheck) Annotate(a infer.Annotator) {
	a.Describe(&h.Port, "Port in the container. It is reached through the host when it is published, else by the container's address.")
	a.Describe(&h.Path, "Path to get.")
	a.SetDefault(&h.Path, "/")
}

// Annotate implements infer.Annotated.
func (t *TCPCheck) Annotate(a infer.Annotator) {
	a.Describe(&t.Port, "Port in the container. It is reached through the host when it is published, else by the container's address.")
}

// Annotate implements infer.Annotated.
func (c *ContainerState) Annotate(a infer.Annotator) {
	a.Describe(&c.ContainerID, "ID on the engine.")
	a.Describe(&c.ImageID, "ID of the image it was created from.")
	a.Describe(&c.IP, "Its address in its network; it changes when the container is started again.")
	a.Describe(&c.HostPorts, "Published ports: port in the container, in decimal, to port on the host.")
	a.Describe(&c.Status, "healthy, unhealthy or stopped, when last looked at.")
}

var (
	envNameRE = regexp.MustCompile(`^[^=\x00]+$`)
	labelRE   = regexp.MustCompile(`^io\.viot\.`)
	userRE    = regexp.MustCompile(`^[^:\s]+(:[^:\s]+)?$`)
)

// Check implements infer.CustomCheck.
func (Container) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ContainerArgs], error) {
	return check(ctx, req, examineContainer)
}

func examineContainer(found *problems, c *ContainerArgs) {
	found.stack(c.Stack)
	found.objectName("name", c.Name)
	if c.Role == "" {
		found.add("role", "want what the container is for, such as %s", spec.RoleLoadBalancer)
	}
	if c.Image == "" {
		found.add("image", "want an image reference such as example/cse:1.0")
	}
	for k := range c.Env {
		if !envNameRE.MatchString(k) {
			found.add("env", "%q cannot name a variable", k)
		}
	}
	for k := range c.Labels {
		if labelRE.MatchString(k) {
			found.add("labels", "%q: labels that begin with io.viot. are viot's own", k)
		}
	}
	if c.User != "" && !userRE.MatchString(c.User) {
		found.add("user", "%q: want uid[:gid] or the name of a user in the image", c.User)
	}
	if c.Network == "" && len(c.Aliases) > 0 {
		found.add("aliases", "want a network to have them in")
	}
	published := map[string]bool{}
	for i, p := range c.Ports {
		at := fmt.Sprintf("ports[%d].", i)
		found.port(at+"containerPort", p.ContainerPort)
		if p.HostPort != 0 {
			found.port(at+"hostPort", p.HostPort)
		}
		address := fmt.Sprintf("%s:%d", p.HostAddress, p.HostPort)
		if p.HostPort != 0 && published[address] {
			found.add(at+"hostPort", "%s is published twice", address)
		}
		published[address] = true
	}
	targets := map[string]bool{}
	target := func(at, path string) {
		found.absolute(at, path)
		if targets[path] {
			found.add(at, "%s is mounted twice", path)
		}
		targets[path] = true
	}
	for i, m := range c.Mounts {
		at := fmt.Sprintf("mounts[%d].", i)
		target(at+"target", m.Target)
		switch {
		case (m.Volume == "") == (m.HostPath == ""):
			found.add(at+"volume", "want either volume or hostPath")
		case m.Volume != "":
			found.objectName(at+"volume", m.Volume)
		default:
			found.absolute(at+"hostPath", m.HostPath)
		}
	}
	for path := range c.Tmpfs {
		target("tmpfs", path)
	}
	for i, f := range c.Files {
		at := fmt.Sprintf("files[%d].", i)
		found.absolute(at+"path", f.Path)
		if mode, err := strconv.ParseUint(f.Mode, 8, 32); err != nil || mode > 0o7777 {
			found.add(at+"mode", "%q: want permissions in octal, such as 0644", f.Mode)
		}
		if f.UID < 0 || f.GID < 0 {
			found.add(at+"uid", "want 0 or more for uid and gid")
		}
		if c.ReadOnly && len(c.Mounts) == 0 {
			found.add(at+"path", "a file cannot be put into a read-only root file system: mount a volume for it")
		}
	}
	if c.CPUs < 0 || c.CPUs > 0 && c.CPUs < 0.01 || c.CPUs > 1024 {
		found.add("cpus", "%v: want 0 (no limit) or 0.01 to 1024 cores", c.CPUs)
	}
	if c.MemoryBytes < 0 || c.MemoryBytes > 0 && c.MemoryBytes < 6<<20 {
		found.add("memoryBytes", "%d: want 0 (no limit) or at least 6 MiB, Docker's smallest", c.MemoryBytes)
	}
	switch docker.RestartPolicy(c.Restart) {
	case docker.RestartNo, docker.RestartOnFailure, docker.RestartUnlessStopped, docker.RestartAlways:
	default:
		found.add("restart", "%q: want no, on-failure, unless-stopped or always", c.Restart)
	}
	found.duration("stopGrace", c.StopGrace)
	if c.HealthCheck != nil {
		examineHealthCheck(found, *c.HealthCheck)
	}
}

func examineHealthCheck(found *problems, h HealthCheck) {
	kinds := 0
	if h.HTTP != nil {
		kinds++
		found.port("healthCheck.http.port", h.HTTP.Port)
		if h.HTTP.Path == "" || h.HTTP.Path[0] != '/' {
			found.add("healthCheck.http.path", "%q: want a path that starts with /", h.HTTP.Path)
		}
	}
	if h.TCP != nil {
		kinds++
		found.port("healthCheck.tcp.port", h.TCP.Port)
	}
	if len(h.Exec) > 0 {
		kinds++
	}
	if kinds != 1 {
		found.add("healthCheck", "want exactly one of http, tcp and exec")
	}
	found.duration("healthCheck.timeout", h.Timeout)
	found.duration("healthCheck.interval", h.Interval)
}

// Diff implements infer.CustomDiff.
func (Container) Diff(_ context.Context, req infer.DiffRequest[ContainerArgs, ContainerState]) (infer.DiffResponse, error) {
	is, want := req.State, req.Inputs
	c := changes{}
	c.replace("stack", is.Stack, want.Stack)
	c.replace("name", is.Name, want.Name)
	c.replace("role", is.Role, want.Role)
	c.replace("image", is.Image, want.Image)
	c.replace("entrypoint", is.Entrypoint, want.Entrypoint)
	c.replace("command", is.Command, want.Command)
	c.replace("env", is.Env, want.Env)
	c.replace("labels", is.Labels, want.Labels)
	c.replace("user", is.User, want.User)
	c.replace("network", is.Network, want.Network)
	c.replace("aliases", is.Aliases, want.Aliases)
	c.replace("ports", bindings(is.Ports), bindings(want.Ports))
	c.replace("mounts", is.Mounts, want.Mounts)
	c.replace("tmpfs", is.Tmpfs, want.Tmpfs)
	c.replace("files", is.Files, want.Files)
	c.replace("capAdd", is.CapAdd, want.CapAdd)
	c.replace("capDrop", is.CapDrop, want.CapDrop)
	c.replace("readOnly", is.ReadOnly, want.ReadOnly)
	c.replace("stopSignal", is.StopSignal, want.StopSignal)
	if !docker.SameCPUs(is.CPUs, want.CPUs) {
		c.update("cpus", is.CPUs, want.CPUs)
	}
	c.update("memoryBytes", is.MemoryBytes, want.MemoryBytes)
	c.update("restart", is.Restart, want.Restart)
	c.update("stopGrace", is.grace(), want.grace())
	c.update("healthCheck", is.HealthCheck, want.HealthCheck)
	c.update("status", is.Status, statusHealthy)
	return c.response(true), nil // published ports are as unique as the name
}

// bindings are ports without what only our messages use.
func bindings(ports []Port) []Port {
	bare := make([]Port, len(ports))
	for i, p := range ports {
		p.ConfigKey = ""
		bare[i] = p
	}
	return bare
}

// spec is the engine's view of the inputs.
func (c ContainerArgs) spec() docker.ContainerSpec {
	s := docker.ContainerSpec{
		Name: c.Name, Image: c.Image, Entrypoint: c.Entrypoint, Command: c.Command, Env: c.Env,
		Labels: ourLabels(c.Stack, c.Role, c.Labels), User: c.User, Network: c.Network, Aliases: c.Aliases, Tmpfs: c.Tmpfs,
		CapAdd: c.CapAdd, CapDrop: c.CapDrop, ReadOnly: c.ReadOnly, StopSignal: c.StopSignal, StopGrace: c.grace(),
		CPUs: c.CPUs, MemoryBytes: int64(c.MemoryBytes), Restart: docker.RestartPolicy(c.Restart),
	}
	for _, p := range c.Ports {
		s.Ports = append(s.Ports, docker.Port{HostAddress: p.HostAddress, HostPort: p.HostPort, ContainerPort: p.ContainerPort})
	}
	for _, m := range c.Mounts {
		s.Mounts = append(s.Mounts, docker.Mount{Volume: m.Volume, HostPath: m.HostPath, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	for _, f := range c.Files {
		mode, _ := strconv.ParseInt(f.Mode, 8, 64) // Check has found it good
		s.Files = append(s.Files, docker.File{Path: f.Path, Content: []byte(f.Content), Mode: mode, UID: f.UID, GID: f.GID})
	}
	return s
}

func (c ContainerArgs) grace() time.Duration { return orDefault(c.StopGrace, spec.DefaultStopGrace) }
