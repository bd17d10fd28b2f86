package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/orchestrator/balancer"
)

// config is everything the flags say.
type config struct {
	consul   *consul.Client
	haproxy  *balancer.HAProxy
	listen   string
	balancer balancer.Config
	log      hclog.LoggerOptions
}

// routes is the value of -route: service=backend, more than once or with commas.
type routes []balancer.Route

func (r *routes) String() string {
	var parts []string
	for _, route := range *r {
		parts = append(parts, route.Service+"="+route.Backend)
	}
	return strings.Join(parts, ",")
}

// Set never fails: Config.Validate has the say, with everything else that is wrong.
func (r *routes) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		service, backend, _ := strings.Cut(part, "=")
		*r = append(*r, balancer.Route{Service: service, Backend: backend})
	}
	return nil
}

// parse reads the flags, and for those not given the environment: -consul-token is BALANCER_CONSUL_TOKEN. It reports
// every problem at once.
func parse(args []string, getenv func(string) string, stderr io.Writer) (config, error) {
	var c config
	var problems []error
	flags := flag.NewFlagSet("balancer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	stack := flags.String("stack", "", "name of the stack whose instances these are")
	consulAddress := flags.String("consul", "127.0.0.1:8500", "address or URL of the Consul agent")
	token := flags.String("consul-token", "", "Consul ACL token; needs service:read, node:read and key:read under viot/")
	haproxy := flags.String("haproxy", "unix:/run/haproxy/admin.sock", "HAProxy's admin socket: unix:/path or tcp:host:port")
	flags.Var((*routes)(&c.balancer.Routes), "route", "service=backend: the Consul service that an HAProxy backend serves; repeatable")
	flags.StringVar(&c.listen, "listen", ":8081", "address of the HTTP API")
	flags.BoolVar(&c.balancer.AllowEmpty, "allow-empty", false, "empty a backend when Consul lists nobody as passing (scale to zero)")
	flags.DurationVar(&c.balancer.Resync, "resync", balancer.DefaultResync, "how often HAProxy's servers are compared with Consul's")
	level := flags.String("log-level", "info", "trace, debug, info, warn or error")
	format := flags.String("log-format", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	if flags.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	flags.VisitAll(func(f *flag.Flag) {
		variable := "BALANCER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text := getenv(variable)
		if given[f.Name] || text == "" {
			return
		}
		if err := flags.Set(f.Name, text); err != nil {
			problems = append(problems, fmt.Errorf("-%s: %s=%q: %w", f.Name, variable, text, err))
		}
	})

	var err error
	c.balancer.Stack = *stack
	if c.consul, err = consul.New(*consulAddress, *token); err != nil {
		problems = append(problems, fmt.Errorf("-consul: %w", err))
	}
	if c.haproxy, err = balancer.NewHAProxy(*haproxy); err != nil {
		problems = append(problems, fmt.Errorf("-haproxy: %w", err))
	}
	if err := c.balancer.Validate(); err != nil {
		problems = append(problems, err)
	}
	c.log = hclog.LoggerOptions{Name: "balancer", Level: hclog.LevelFromString(*level), JSONFormat: *format == "json", Output: stderr}
	if c.log.Level == hclog.NoLevel {
		problems = append(problems, fmt.Errorf("-log-level %q: want trace, debug, info, warn or error", *level))
	}
	if *format != "text" && *format != "json" {
		problems = append(problems, fmt.Errorf("-log-format %q: want text or json", *format))
	}
	return c, errors.Join(problems...)
}
