package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Pool is what is declared about a set of equal instances: what one of them is, how it is reached, and how many
// there may be. The Pulumi side writes it under PoolKey; the orchestrator makes it true.
type Pool struct {
	Stack     string   `json:"stack"`
	Name      string   `json:"name"`
	Deleting  bool     `json:"deleting,omitempty"` // being removed: the orchestrator must leave the pool alone
	Template  Template `json:"template"`
	Service   Service  `json:"service"`
	Policy    Policy   `json:"policy"`
	Balancers []string `json:"balancers,omitempty"` // base URLs of the load balancer companions that serve this pool
	// Slices are the network slices that instances are spread over: Docker networks, each instance being in one of them
	// beside Template.Network. Each keeps an instance at least. Empty: there are none.
	Slices []string `json:"slices,omitempty"`
}

// Template is what each instance is started from. A change of any field replaces every instance, one by one.
type Template struct {
	Image       string            `json:"image"` // local or registry reference, with tag or digest
	Command     []string          `json:"command,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	Network     string            `json:"network"`               // Docker network name
	CPUs        float64           `json:"cpus,omitempty"`        // CPU limit in cores; 0 is no limit
	MemoryBytes int64             `json:"memoryBytes,omitempty"` // memory limit; 0 is no limit
	StopGrace   Duration          `json:"stopGrace,omitempty"`   // SIGTERM to SIGKILL; 0 is DefaultStopGrace
}

// Service is how instances are reached and watched.
type Service struct {
	Name           string   `json:"name"`                     // Consul service name
	Port           int      `json:"port"`                     // TCP port each instance listens on
	ReadinessPath  string   `json:"readinessPath"`            // answers 200 when the instance may get requests
	MetricsPath    string   `json:"metricsPath"`              // Prometheus text format
	Metrics        Metrics  `json:"metrics,omitzero"`         // names of the metrics to read
	MaxConnections int      `json:"maxConnections,omitempty"` // requests the load balancer gives one instance at once; the rest queue; 0 is no limit
	BootTimeout    Duration `json:"bootTimeout,omitempty"`    // start to ready before it counts as failed; 0 is DefaultBootTimeout
	DrainTimeout   Duration `json:"drainTimeout,omitempty"`   // longest wait for requests in flight; 0 is DefaultDrainTimeout
}

// Metrics names what the orchestrator reads on an instance's metrics page. An empty name is its default.
type Metrics struct {
	Requests   string `json:"requests,omitempty"`   // counter of finished requests; default http_requests_total
	CPUSeconds string `json:"cpuSeconds,omitempty"` // counter of CPU time used; default process_cpu_seconds_total
	InFlight   string `json:"inFlight,omitempty"`   // gauge of requests being served; default http_requests_in_flight
	// Errors is the counter of requests that were answered with a server error; empty counts those of Requests whose
	// label code or status begins with 5.
	Errors string `json:"errors,omitempty"`
}

// Defaults for zero fields.
const (
	DefaultStopGrace    = 10 * time.Second
	DefaultBootTimeout  = 30 * time.Second
	DefaultDrainTimeout = 30 * time.Second
)

// WithDefaults returns p with every zero field that has a default filled in.
func (p Pool) WithDefaults() Pool {
	orDuration := func(d *Duration, v time.Duration) {
		if *d == 0 {
			*d = Duration(v)
		}
	}
	orString := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	orDuration(&p.Template.StopGrace, DefaultStopGrace)
	orDuration(&p.Service.BootTimeout, DefaultBootTimeout)
	orDuration(&p.Service.DrainTimeout, DefaultDrainTimeout)
	orString(&p.Service.Name, p.Name)
	orString(&p.Service.ReadinessPath, "/readyz")
	orString(&p.Service.MetricsPath, "/metrics")
	orString(&p.Service.Metrics.Requests, "http_requests_total")
	orString(&p.Service.Metrics.CPUSeconds, "process_cpu_seconds_total")
	orString(&p.Service.Metrics.InFlight, "http_requests_in_flight")
	p.Policy = p.Policy.WithDefaults()
	return p
}

var nameRE = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// CheckName says whether s can name a stack or a pool: it becomes part of container, service and key names.
func CheckName(field, s string) error {
	if !nameRE.MatchString(s) {
		return fmt.Errorf("%s %q: want 1 to 40 lower-case letters, digits and dashes, a letter first and no dash last", field, s)
	}
	return nil
}

// Validate reports every problem of the document at once, joined; nil when there is none. It expects defaults to
// be filled in.
func (p Pool) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	check := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	check(CheckName("stack", p.Stack))
	check(CheckName("name", p.Name))
	t, s := p.Template, p.Service
	if t.Image == "" {
		bad("template.image: want an image reference such as example/cse:1.0")
	}
	if t.Network == "" {
		bad("template.network: want the name of a Docker network")
	}
	if !(t.CPUs >= 0 && t.CPUs <= 1024) {
		bad("template.cpus %v: want 0 (no limit) to 1024 cores", t.CPUs)
	} else if t.CPUs > 0 && t.CPUs < 0.01 {
		bad("template.cpus %v: Docker's smallest limit is 0.01", t.CPUs)
	}
	if t.MemoryBytes < 0 || t.MemoryBytes > 0 && t.MemoryBytes < 6<<20 {
		bad("template.memoryBytes %d: want 0 (no limit) or at least 6 MiB, Docker's smallest", t.MemoryBytes)
	}
	for k := range t.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			bad("template.env: %q cannot name a variable", k)
		}
	}
	check(CheckName("service.name", s.Name))
	if s.Port < 1 || s.Port > 65535 {
		bad("service.port %d: want 1 to 65535", s.Port)
	}
	for field, path := range map[string]string{"readinessPath": s.ReadinessPath, "metricsPath": s.MetricsPath} {
		if !strings.HasPrefix(path, "/") {
			bad("service.%s %q: want a path that starts with /", field, path)
		}
	}
	if s.MaxConnections < 0 {
		bad("service.maxConnections %d: want 0 (no limit) or more", s.MaxConnections)
	}
	for field, d := range map[string]Duration{
		"template.stopGrace": t.StopGrace, "service.bootTimeout": s.BootTimeout,
		"service.drainTimeout": s.DrainTimeout,
	} {
		if d <= 0 {
			bad("%s %s: want more than 0", field, d)
		}
	}
	for _, problem := range p.Policy.problems() {
		bad("policy.%w", problem)
	}
	for _, b := range p.Balancers {
		if !strings.HasPrefix(b, "http://") && !strings.HasPrefix(b, "https://") {
			bad("balancers: %q: want an http or https URL", b)
		}
	}
	for _, problem := range p.sliceProblems() {
		problems = append(problems, problem)
	}
	return errors.Join(sorted(problems)...)
}

var networkRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)

func (p Pool) sliceProblems() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf("slices: "+format, args...)) }
	for i, s := range p.Slices {
		switch {
		case !networkRE.MatchString(s):
			bad("%q: want the name of a Docker network: 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first", s)
		case s == "host" || s == "none" || s == "bridge":
			bad("%q is the engine's own network: want one that was made for the slice", s)
		case s == p.Template.Network:
			bad("%q is template.network, which every instance is in: want another network", s)
		case slices.Contains(p.Slices[:i], s):
			bad("%q is there twice: want each once", s)
		}
	}
	if most := p.Policy.Max; most > 0 && len(p.Slices) > most {
		bad("%d of them need an instance each, and policy.max is %d: want fewer slices or a larger max", len(p.Slices), most)
	}
	return problems
}

// Least is how few instances the pool may have: Policy.Min, and one for each slice.
func (p Pool) Least() int { return max(p.Policy.Min, len(p.Slices)) }

// Hash identifies a template's content: 12 hexadecimal digits. Instances carry it under LabelTemplate.
func (t Template) Hash() string {
	text, err := json.Marshal(t) // maps marshal with sorted keys
	if err != nil {
		panic("spec: a template always marshals: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// ParsePool reads a pool document, fills in defaults and validates it. Unknown fields are refused, so that a
// misspelt setting is an error and not a silent default.
func ParsePool(text []byte) (Pool, error) {
	var p Pool
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Pool{}, fmt.Errorf("read pool document: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Pool{}, errors.New("read pool document: want nothing after it")
	}
	p = p.WithDefaults()
	if err := p.Validate(); err != nil {
		return Pool{}, fmt.Errorf("pool document %q: %w", p.Name, err)
	}
	return p, nil
}
