package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin"
)

// config is what the flags say. A flag that is not given is taken from the environment: -log-level from
// ORCHESTRATOR_LOG_LEVEL.
type config struct {
	stack       string
	consul      string
	consulToken string
	docker      string
	listen      string
	identity    string
	round       time.Duration
	scrape      time.Duration
	logLevel    string
	logFormat   string
	decisions   string

	readToken, readTokenFile   string
	writeToken, writeTokenFile string
	openWrites                 bool
}

const envPrefix = "ORCHESTRATOR_"

// parseConfig reads flags and environment; its error names every problem with its flag. flag.ErrHelp when help was
// asked for.
func parseConfig(args []string, getenv func(string) string, output io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("orchestrator", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&c.stack, "stack", "", "stack whose pools to keep (required)")
	flags.StringVar(&c.consul, "consul", "127.0.0.1:8500", "address of the Consul agent to register instances with")
	flags.StringVar(&c.consulToken, "consul-token", "", "Consul ACL token")
	flags.StringVar(&c.docker, "docker", "", "Docker host, such as unix:///var/run/docker.sock (default DOCKER_HOST, then the local socket)")
	flags.StringVar(&c.listen, "listen", ":8090", "address of the HTTP interface")
	flags.StringVar(&c.identity, "identity", "", "name of this orchestrator, the same after a restart and unlike any other's (default the host name)")
	flags.DurationVar(&c.round, "round", 250*time.Millisecond, "time between two readings of the load balancers (half of it while there are few), and between two rounds")
	flags.DurationVar(&c.scrape, "scrape", time.Second, "time between two readings of an instance's metrics page")
	flags.StringVar(&c.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&c.decisions, "decisions-log", "", "file to append each decision to, as a line of JSON; at 16 MiB it moves to FILE.1, up to FILE.3 (default none)")
	flags.StringVar(&c.readToken, "read-token", "", "bearer token that the HTTP interface wants of who reads (default none: everybody may)")
	flags.StringVar(&c.readTokenFile, "read-token-file", "", "file with the -read-token")
	flags.StringVar(&c.writeToken, "write-token", "", "bearer token that the HTTP interface wants of who writes, who may also read")
	flags.StringVar(&c.writeTokenFile, "write-token-file", "", "file with the -write-token")
	flags.BoolVar(&c.openWrites, "open-writes", false, "let everybody write when there is no -write-token; without it only where -listen is a loopback address")
	var problems []error
	flags.VisitAll(func(f *flag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := getenv(name); value != "" {
			if err := f.Value.Set(value); err != nil {
				problems = append(problems, fmt.Errorf("-%s (from %s): %q: %w", f.Name, name, value, err))
			}
		}
		f.Usage += " [$" + name + "]"
	})
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	if flags.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q: want flags only", flags.Arg(0)))
	}
	if c.identity == "" {
		host, err := os.Hostname()
		if err != nil {
			problems = append(problems, fmt.Errorf("-identity: not given, and the host name is not known: %w", err))
		}
		c.identity = host
	}
	for _, t := range []struct {
		flag, file string
		token      *string
	}{{"read-token", c.readTokenFile, &c.readToken}, {"write-token", c.writeTokenFile, &c.writeToken}} {
		problems = append(problems, token(t.flag, t.file, t.token))
	}
	return c, errors.Join(append(problems, c.problems()...)...)
}

// token reads a token from the file that is given in its place.
func token(flag, file string, token *string) error {
	if file == "" {
		return nil
	}
	if *token != "" {
		return fmt.Errorf("-%s and -%s-file: want one of them", flag, flag)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("-%s-file: %w", flag, err)
	}
	if *token = strings.TrimSpace(string(text)); *token == "" {
		return fmt.Errorf("-%s-file: %s is empty", flag, file)
	}
	return nil
}

// access is who may do what over HTTP. An interface that only this machine reaches needs no token.
func (c config) access() admin.Access {
	open := c.openWrites
	if host, _, err := net.SplitHostPort(c.listen); err == nil {
		ip := net.ParseIP(host)
		open = open || host == "localhost" || ip != nil && ip.IsLoopback()
	}
	return admin.Access{ReadToken: c.readToken, WriteToken: c.writeToken, OpenWrites: open}
}

// problems lists what is wrong with the values, each with its flag.
func (c config) problems() (problems []error) {
	bad := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("-%s: %w", flag, err))
		}
	}
	bad("stack", spec.CheckName("stack", c.stack))
	_, err := consul.New(c.consul, c.consulToken)
	bad("consul", err)
	engine, err := docker.New(c.docker)
	bad("docker", err)
	if err == nil {
		engine.Close()
	}
	if !strings.Contains(c.listen, ":") {
		bad("listen", fmt.Errorf("%q: want host:port or :port", c.listen))
	}
	for flag, d := range map[string]time.Duration{"round": c.round, "scrape": c.scrape} {
		if d < 100*time.Millisecond || d > 10*time.Second {
			bad(flag, fmt.Errorf("%s: want 100ms to 10s", d))
		}
	}
	if hclog.LevelFromString(c.logLevel) == hclog.NoLevel {
		bad("log-level", fmt.Errorf("%q: want trace, debug, info, warn or error", c.logLevel))
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		bad("log-format", fmt.Errorf("%q: want text or json", c.logFormat))
	}
	return problems
}
