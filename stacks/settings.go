package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/viot-project/viot/infra/spec"
)

// settings is the stack's configuration, namespace viot. Pulumi.yaml documents each key and holds its default.
type settings struct {
	min, max          int
	targetUtilisation float64
	scaleInAfter      time.Duration
	policy            spec.Policy // what the four above leave open
	cpus              float64
	memoryMiB         int
	maxConnections    int
	slices            []string

	image         string
	servicePort   int
	readinessPath string
	metricsPath   string
	env           map[string]string
	replayCreates bool

	address          string
	port             int
	consulPort       int
	orchestratorPort int
	consulServers    int
	orchestrators    int
	decisionsLog     bool
	images           string
	dockerSocket     string

	readToken, writeToken string // of the orchestrator's API; empty is none
}

// readSettings reads and checks the configuration. Its error holds every problem, each with its key and what is wanted.
func readSettings(ctx *pulumi.Context) (settings, error) {
	r := reader{config: config.New(ctx, "viot")}
	s := settings{
		min: r.whole("min", 0, 1000), max: r.whole("max", 1, 1000),
		targetUtilisation: r.number("targetUtilisation", 0.01, 1),
		scaleInAfter:      r.durationOrAuto("scaleInAfter"),
		policy:            r.policy("policy"),
		cpus:              r.number("cpus", 0, 1024),
		memoryMiB:         r.whole("memoryMiB", 0, 1<<20),
		maxConnections:    r.whole("maxConnections", 0, 1<<20),
		slices:            r.names("slices"),
		image:             r.get("image"),
		servicePort:       r.whole("servicePort", 1, 65535),
		readinessPath:     r.path("readinessPath"),
		metricsPath:       r.path("metricsPath"),
		env:               r.variables("env"),
		replayCreates:     r.yesNo("replayCreates"),
		address:           r.get("address"),
		port:              r.whole("port", 0, 65535),
		consulPort:        r.whole("consulPort", 0, 65535),
		orchestratorPort:  r.whole("orchestratorPort", 0, 65535),
		consulServers:     r.whole("consulServers", 1, 3),
		orchestrators:     r.whole("orchestrators", 1, 9),
		decisionsLog:      r.yesNo("decisionsLog"),
		images:            r.oneOf("images", "auto", "registry", "build"),
		dockerSocket:      r.path("dockerSocket"),
		readToken:         r.token(ctx, "readToken"),
		writeToken:        r.token(ctx, "writeToken"),
	}
	if s.max < s.min {
		r.bad("max", "%d is less than viot:min, which is %d", s.max, s.min)
	}
	if s.readToken != "" && s.readToken == s.writeToken {
		r.bad("readToken", "it is viot:writeToken as well: who has it may write; want another")
	}
	if len(s.slices) > s.max {
		r.bad("slices", "%d slices need an instance each, and viot:max is %d", len(s.slices), s.max)
	}
	s.policy.Min, s.policy.Max, s.policy.TargetUtilisation, s.policy.ScaleInAfter = s.min, s.max, s.targetUtilisation, spec.Duration(s.scaleInAfter)
	if len(r.problems) == 0 { // else one of the four may be what is wrong, and is told above
		if err := s.policy.WithDefaults().Validate(); err != nil {
			r.bad("policy", "%v", err)
		}
	}
	if s.consulServers == 2 {
		r.bad("consulServers", "2 servers survive no more than 1; want 1 or 3")
	}
	if s.cpus > 0 && s.cpus < 0.01 {
		r.bad("cpus", "%v is below Docker's smallest limit; want 0 (no limit) or at least 0.01", s.cpus)
	}
	if s.memoryMiB > 0 && s.memoryMiB < 6 {
		r.bad("memoryMiB", "%d is below Docker's smallest limit; want 0 (no limit) or at least 6", s.memoryMiB)
	}
	if _, err := netip.ParseAddr(s.address); err != nil {
		r.bad("address", "%q is not an IP address of this machine, such as 127.0.0.1", s.address)
	}
	ports := map[int]string{}
	for _, p := range []struct {
		key    string
		number int
	}{{"port", s.port}, {"consulPort", s.consulPort}, {"orchestratorPort", s.orchestratorPort}} {
		if other, taken := ports[p.number]; taken && p.number != 0 {
			r.bad(p.key, "%d is also viot:%s; each needs a port of its own", p.number, other)
			continue
		}
		ports[p.number] = p.key
	}
	r.unknown(os.Getenv("PULUMI_CONFIG"))
	return s, errors.Join(r.problems...)
}

// reader reads single keys and collects what is wrong with them.
type reader struct {
	config   *config.Config
	read     []string // keys asked for: those that exist
	problems []error
}

func (r *reader) get(key string) string {
	r.read = append(r.read, key)
	return r.config.Get(key)
}

// unknown finds keys that nobody reads: a misspelt setting is an error and not a silent default. all is the JSON object
// in which Pulumi hands over the whole configuration; empty where it does not.
func (r *reader) unknown(all string) {
	var values map[string]any
	if all == "" || json.Unmarshal([]byte(all), &values) != nil {
		return
	}
	for _, full := range slices.Sorted(maps.Keys(values)) {
		if key, ours := strings.CutPrefix(full, "viot:"); ours && !slices.Contains(r.read, key) {
			r.problems = append(r.problems, fmt.Errorf("%s: there is no such setting (pulumi config rm %s); Pulumi.yaml lists them", full, full))
		}
	}
}

func (r *reader) bad(key, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("viot:%s: %s (pulumi config set viot:%s …)", key, fmt.Sprintf(format, args...), key))
}

func (r *reader) whole(key string, least, most int) int {
	text := r.get(key)
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.bad(key, "%q: want a whole number from %d to %d", text, least, most)
		return least
	}
	return n
}

func (r *reader) number(key string, least, most float64) float64 {
	text := r.get(key)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= least && n <= most) {
		r.bad(key, "%q: want a number from %v to %v", text, least, most)
		return least
	}
	return n
}

// durationOrAuto is the duration of a key; 0 where it is left to be learned.
func (r *reader) durationOrAuto(key string) time.Duration {
	text := r.get(key)
	if text == "auto" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		r.bad(key, "%q: want a time such as 30s or 5m, or auto", text)
	}
	return d
}

func (r *reader) yesNo(key string) bool {
	text := r.get(key)
	yes, err := strconv.ParseBool(text)
	if err != nil {
		r.bad(key, "%q: want true or false", text)
	}
	return yes
}

func (r *reader) path(key string) string {
	text := r.get(key)
	if !strings.HasPrefix(text, "/") {
		r.bad(key, "%q: want a path that starts with /", text)
	}
	return text
}

func (r *reader) oneOf(key string, choices ...string) string {
	text := r.get(key)
	for _, c := range choices {
		if text == c {
			return text
		}
	}
	r.bad(key, "%q: want one of %s", text, strings.Join(choices, ", "))
	return choices[0]
}

// policy reads what a policy has beyond the settings that have keys of their own.
func (r *reader) policy(key string) (p spec.Policy) {
	text := r.get(key)
	if text == "" {
		return p
	}
	fields := json.NewDecoder(strings.NewReader(text))
	fields.DisallowUnknownFields()
	if err := fields.Decode(&p); err != nil {
		r.bad(key, "want an object of policy fields: %v", err)
		return spec.Policy{}
	}
	if p.Min != 0 || p.Max != 0 || p.TargetUtilisation != 0 || p.ScaleInAfter != 0 {
		r.bad(key, "min, max, targetUtilisation and scaleInAfter are keys of their own, such as viot:min")
	}
	return p
}

// leastToken is how many characters a token has at least: fewer can be guessed.
const leastToken = 16

// token reads a token, which only a secret of the configuration may hold. What is told about it does not contain it.
func (r *reader) token(ctx *pulumi.Context, key string) string {
	r.read = append(r.read, key)
	token, _ := ctx.GetConfig("viot:" + key)
	bad := func(reason string) {
		r.problems = append(r.problems, fmt.Errorf("viot:%s: %s (pulumi config set --secret viot:%s …)", key, reason, key))
	}
	switch odd := func(c rune) bool { return c <= ' ' || c > '~' }; {
	case token == "":
	case !ctx.IsConfigSecret("viot:" + key):
		bad("it is kept in clear: want it set as a secret, and another one than this")
	case strings.ContainsFunc(token, odd):
		bad("it has spaces, or characters that are not of ASCII: want letters, digits and signs only")
	case len(token) < leastToken:
		bad(fmt.Sprintf("it has %d characters: want %d or more, such as of openssl rand -hex 24", len(token), leastToken))
	default:
		return token
	}
	return ""
}

// names reads a list of names, each there once.
func (r *reader) names(key string) (names []string) {
	r.read = append(r.read, key)
	if err := r.config.GetObject(key, &names); err != nil {
		r.bad(key, "want a list of names: %v", err)
		return nil
	}
	for i, name := range names {
		if err := spec.CheckName("slice", name); err != nil {
			r.bad(key, "%v", err)
		} else if slices.Contains(names[:i], name) {
			r.bad(key, "%q is there twice", name)
		}
	}
	return names
}

// variables reads a list of NAME=value.
func (r *reader) variables(key string) map[string]string {
	r.read = append(r.read, key)
	var pairs []string
	if err := r.config.GetObject(key, &pairs); err != nil {
		r.bad(key, "want a list of NAME=value: %v", err)
		return nil
	}
	variables := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			r.bad(key, "%q: want NAME=value", pair)
			continue
		}
		variables[name] = value
	}
	return variables
}
