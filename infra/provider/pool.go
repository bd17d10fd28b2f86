package provider

import (
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Pool is a set of equal instances that the orchestrator keeps at the size the load needs.
type Pool struct{}

// PoolArgs are a Pool's inputs: spec.Pool, and where to write it.
type PoolArgs struct {
	Stack         string       `pulumi:"stack"`
	Name          string       `pulumi:"name"`
	ConsulAddress string       `pulumi:"consulAddress"`
	ConsulToken   string       `pulumi:"consulToken,optional" provider:"secret"`
	Template      PoolTemplate `pulumi:"template"`
	Service       PoolService  `pulumi:"service"`
	Policy        PoolPolicy   `pulumi:"policy"`
	Balancers     []string     `pulumi:"balancers,optional"`
	Slices        []string     `pulumi:"slices,optional"`
	WaitTimeout   string       `pulumi:"waitTimeout,optional"`
}

// PoolTemplate is spec.Template.
type PoolTemplate struct {
	Image       string            `pulumi:"image"`
	Command     []string          `pulumi:"command,optional"`
	Env         map[string]string `pulumi:"env,optional"`
	Network     string            `pulumi:"network"`
	CPUs        float64           `pulumi:"cpus,optional"`
	MemoryBytes int               `pulumi:"memoryBytes,optional"`
	StopGrace   string            `pulumi:"stopGrace,optional"`
}

// PoolService is spec.Service.
type PoolService struct {
	Name           string       `pulumi:"name,optional"`
	Port           int          `pulumi:"port"`
	ReadinessPath  string       `pulumi:"readinessPath,optional"`
	MetricsPath    string       `pulumi:"metricsPath,optional"`
	Metrics        *PoolMetrics `pulumi:"metrics,optional"`
	MaxConnections int          `pulumi:"maxConnections,optional"`
	BootTimeout    string       `pulumi:"bootTimeout,optional"`
	DrainTimeout   string       `pulumi:"drainTimeout,optional"`
}

// PoolMetrics is spec.Metrics.
type PoolMetrics struct {
	Requests   string `pulumi:"requests,optional"`
	CPUSeconds string `pulumi:"cpuSeconds,optional"`
	InFlight   string `pulumi:"inFlight,optional"`
	Errors     string `pulumi:"errors,optional"`
}

// PoolState is a Pool as it is.
type PoolState struct {
	PoolArgs
	ModifyIndex  int    `pulumi:"modifyIndex"`
	TemplateHash string `pulumi:"templateHash"`
	ServiceName  string `pulumi:"serviceName"`
	Status       string `pulumi:"status"`
}

// Values of PoolState.Status.
const (
	statusReady   = "ready"
	statusPending = "pending" // written, but not seen to be true
)

// Annotate implements infer.Annotated.
func (p *Pool) Annotate(a infer.Annotator) {
	a.Describe(p, "A set of equal instances of one image, which the orchestrator starts, replaces and removes by load. The resource is the pool's "+
		"document in Consul; it is created when the orchestrator has brought up the least number of instances, and updated when all are of "+
		"the new template. Deleting it drains and removes every instance and registration, with or without an orchestrator. "+
		"Import it by <stack>/<name>.")
}

// Annotate implements infer.Annotated.
func (p *PoolArgs) Annotate(a infer.Annotator) {
	a.Describe(&p.Stack, "Stack it belongs to.")
	a.Describe(&p.Name, "Name; instances are named viot-<stack>-<name>-<number>.")
	a.Describe(&p.ConsulAddress, "Address of Consul's HTTP API from this machine, such as 127.0.0.1:8500.")
	a.Describe(&p.ConsulToken, "ACL token. Default: none.")
	a.Describe(&p.Template, "What an instance is started from. A change replaces every instance, one by one.")
	a.Describe(&p.Service, "How an instance is reached and watched.")
	a.Describe(&p.Policy, "How many instances there may be and how full each should be.")
	a.Describe(&p.Balancers, "Base URLs of the load balancer companions that serve the pool, as the orchestrator reaches them, such as http://balancer:8081.")
	a.Describe(&p.Slices, "Network slices: names of Docker networks, over which instances are spread. Each instance joins one beside the template's "+
		"network, each slice keeps an instance at least, and an instance that is in none of them is replaced. Default: none.")
	a.Describe(&p.WaitTimeout, "How long to wait for the orchestrator to make the pool true, such as 5m.")
	a.SetDefault(&p.WaitTimeout, "5m")
}

// Annotate implements infer.Annotated.
func (t *PoolTemplate) Annotate(a infer.Annotator) {
	a.Describe(&t.Image, "Reference of an image that the engine has, such as the reference of an Image.")
	a.Describe(&t.Command, "Arguments. Default: the image's.")
	a.Describe(&t.Env, "Environment variables, added to the image's. They are kept in Consul as they are, secret or not.")
	a.Describe(&t.Network, "Name of the network to join.")
	a.Describe(&t.CPUs, "CPU limit of an instance in cores, at least 0.01. Default: none.")
	a.Describe(&t.MemoryBytes, "Memory limit of an instance in bytes, at least 6 MiB. Default: none.")
	a.Describe(&t.StopGrace, "How long an instance may take to end before it is killed. Default: 10s.")
}

// Annotate implements infer.Annotated.
func (s *PoolService) Annotate(a infer.Annotator) {
	a.Describe(&s.Name, "Consul service name. Default: the pool's name.")
	a.Describe(&s.Port, "TCP port an instance listens on.")
	a.Describe(&s.ReadinessPath, "Path that answers 200 when an instance may get requests. Default: /readyz.")
	a.Describe(&s.MetricsPath, "Path of the metrics in Prometheus text format. Default: /metrics.")
	a.Describe(&s.Metrics, "Names of the metrics to read.")
	a.Describe(&s.MaxConnections, "Requests the load balancer gives an instance at once; the rest queue. Default: no limit.")
	a.Describe(&s.BootTimeout, "Longest time from start to ready. Default: 30s.")
	a.Describe(&s.DrainTimeout, "Longest wait for requests in flight before an instance is stopped. Default: 30s.")
}

// Annotate implements infer.Annotated.
func (m *PoolMetrics) Annotate(a infer.Annotator) {
	a.Describe(&m.Requests, "Counter of finished requests. Default: http_requests_total.")
	a.Describe(&m.CPUSeconds, "Counter of CPU time used. Default: process_cpu_seconds_total.")
	a.Describe(&m.InFlight, "Gauge of requests being served. Default: http_requests_in_flight.")
	a.Describe(&m.Errors, "Counter of requests answered with a server error. Default: those of requests whose label code or status begins with 5.")
}

// Annotate implements infer.Annotated.
func (p *PoolState) Annotate(a infer.Annotator) {
	a.Describe(&p.ModifyIndex, "Consul's index of the last write of the document.")
	a.Describe(&p.TemplateHash, "Hash of the template; instances carry it as label io.viot.template.")
	a.Describe(&p.ServiceName, "Consul service name in use.")
	a.Describe(&p.Status, "ready, or pending while the orchestrator has not been seen to make the last change true.")
}
