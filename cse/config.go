package cse

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/account"
	"github.com/viot-project/viot/cse/primitive"
)

// Config is how one CSE instance is set up. ParseConfig fills it; instances that serve the same tree must agree on CSEID, CSEName,
// SPID, Admin and Releases.
type Config struct {
	Listen            string        // address of the Mca reference point, the probes and the metrics
	Store             string        // sqlite:PATH or postgres://…
	StorePasswordFile string        // file with the password of the store; empty if Store has it or needs none
	StoreConnections  int           // most connections of this instance to its store
	CSEID             string        // with its leading slash
	CSEName           string        // resource name of the CSEBase
	SPID              string        // service provider
	Admin             string        // originator that may do everything; empty for none
	Releases          []string      // accepted release versions; the first is answered when a request has none
	DrainTimeout      time.Duration // how long requests in flight may take to finish after the end was asked for
	RequestTimeout    time.Duration // for one request
	HeaderTimeout     time.Duration // for a client to send the header of a request
	IdleTimeout       time.Duration // how long a connection may be open without a request
	// NotificationGiveUp is how long the target of a notification may be out of reach before what is for it is dropped; 0 is an hour.
	NotificationGiveUp time.Duration
	// MaxPendingNotifications is how many may wait of all subscriptions of one originator; 0 is any number.
	MaxPendingNotifications int
	// LocationServer is the URL of the location server of the underlying network, before /queries/location; empty for none. Location is
	// where the CSE is, as a GeoJSON point; nil if it is not said.
	LocationServer string
	Location       json.RawMessage
	LongTimeout    time.Duration  // for one request that says itself that it takes longer
	MaxBody        int64          // bytes of a request's content
	MaxResults     int            // resources in one result
	Quotas         account.Limits // what every single originator may do
	LogLevel       string         // trace, debug, info, warn, error
	LogFormat      string         // text or json
	Federation     Federation     // how this CSE stands to other CSEs
	Security       Security       // TLS, and how originators prove who they are
}

// ParseConfig reads flags from args. A flag that is not given is taken from the environment: -store-connections from
// CSE_STORE_CONNECTIONS, -cse-id from CSE_ID. All problems are reported at once, each naming its flag.
func ParseConfig(args []string, getenv func(string) string, output io.Writer) (Config, error) {
	var c Config
	var releases string
	f := flag.NewFlagSet("cse", flag.ContinueOnError)
	f.SetOutput(output)
	f.StringVar(&c.Listen, "listen", ":8080", "address to serve on")
	f.StringVar(&c.Store, "store", "sqlite:build/cse.db", "where the resources are kept: sqlite:PATH or postgres://USER@HOST/DATABASE")
	f.StringVar(&c.StorePasswordFile, "store-password-file", "", "file that holds the password of the store")
	f.IntVar(&c.StoreConnections, "store-connections", 8, "most connections to the store")
	f.StringVar(&c.CSEID, "cse-id", "/id-in", "CSE-ID, with its slash")
	f.StringVar(&c.CSEName, "cse-name", "cse-in", "resource name of the CSEBase")
	f.StringVar(&c.SPID, "sp-id", "viot.example", "service provider identifier")
	f.StringVar(&c.Admin, "admin-originator", "CAdmin", "originator that may do everything; empty for none")
	f.StringVar(&releases, "releases", "2a,3,4", "accepted release versions (X-M2M-RVI), separated by commas; the first is the default")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "how long requests may take to finish after SIGTERM")
	f.DurationVar(&c.RequestTimeout, "request-timeout", 10*time.Second, "longest time for one request")
	f.DurationVar(&c.HeaderTimeout, "header-timeout", 10*time.Second, "longest time for a client to send the header of a request")
	f.DurationVar(&c.IdleTimeout, "idle-timeout", 2*time.Minute, "longest time for a connection without a request")
	f.DurationVar(&c.NotificationGiveUp, "notification-give-up", time.Hour, "how long notifications wait for a target that cannot be reached")
	f.IntVar(&c.MaxPendingNotifications, "max-pending-notifications", 100_000,
		"most notifications that wait, of all subscriptions of one originator; those of low notificationStoragePriority are dropped first; 0 for any number")
	f.DurationVar(&c.LongTimeout, "long-request-timeout", time.Minute,
		"longest time for a request whose expiration (X-M2M-RET) or execution time (X-M2M-OET) says that it takes longer")
	f.Int64Var(&c.MaxBody, "max-body", 1<<20, "most bytes of a request's content")
	f.IntVar(&c.MaxResults, "max-results", 1000, "most resources in one result")
	f.Int64Var(&c.Quotas.Resources, "max-resources-per-originator", 0, "most resources of one originator, instances included; 0 for any number")
	f.Int64Var(&c.Quotas.Bytes, "max-bytes-per-originator", 0, "most bytes that one originator has stored; 0 for any number")
	f.Int64Var(&c.Quotas.Requests, "max-requests-per-originator", 0, "most requests of one originator per second at each instance; 0 for any number")
	f.StringVar(&c.LocationServer, "location-server", "",
		"URL of the location server that locates for network-based locationPolicies, without /queries/location (OMA NetAPI for Terminal Location)")
	f.Func("location", "where this CSE is: longitude,latitude in degrees", func(text string) error {
		p, err := point(text)
		c.Location = p
		return err
	})
	f.StringVar(&c.LogLevel, "log-level", "info", "trace, debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
	c.Federation.flags(f)
	c.Security.flags(f)
	if err := f.Parse(args); err != nil {
		return c, err
	}
	var problems []error
	if f.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	given := map[string]bool{}
	f.Visit(func(o *flag.Flag) { given[o.Name] = true })
	f.VisitAll(func(o *flag.Flag) {
		if v := getenv(variable(o.Name)); v != "" && !given[o.Name] {
			if err := f.Set(o.Name, v); err != nil {
				problems = append(problems, fmt.Errorf("-%s (from %s): %q: %w", o.Name, variable(o.Name), v, err))
			}
		}
	})
	c.Releases = strings.FieldsFunc(releases, func(r rune) bool { return r == ',' || r == ' ' })
	return c, errors.Join(append(problems, c.check(), c.Security.load())...)
}

// point is longitude,latitude as a GeoJSON point.
func point(text string) (json.RawMessage, error) {
	var p [2]float64
	if json.Unmarshal([]byte("["+text+"]"), &p) != nil || strings.Count(text, ",") != 1 || math.Abs(p[0]) > 180 || math.Abs(p[1]) > 90 {
		return nil, fmt.Errorf("want longitude,latitude in degrees like 9.18,48.78, got %q", text)
	}
	return json.Marshal(map[string]any{"type": "Point", "coordinates": p})
}

// variable is the environment variable that stands for a flag.
func variable(name string) string {
	return "CSE_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "cse-"), "-", "_"))
}

// reserved are the first segments of paths that this CSE serves itself. No resource is there: identifiers start with the prefix
// of their type, and the CSEBase must not have such a name.
var reserved = []string{"healthz", "readyz", "metrics"}

// check reports everything that is wrong with c.
func (c Config) check() error {
	var problems []error
	wrong := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("-%s: %s", flag, fmt.Sprintf(format, args...)))
	}
	if c.Listen == "" {
		wrong("listen", "must be an address like :8080")
	}
	if c.StoreConnections < 1 {
		wrong("store-connections", "must be at least 1, got %d", c.StoreConnections)
	}
	base, ok := strings.CutPrefix(c.CSEID, "/")
	if !ok || !primitive.ValidName(base) || slices.Contains(reserved, base) {
		wrong("cse-id", "must be a slash and a name like /id-in, got %q", c.CSEID)
	}
	if !primitive.ValidName(c.CSEName) || slices.Contains(reserved, c.CSEName) {
		wrong("cse-name", "must be a name like cse-in, got %q", c.CSEName)
	}
	if c.CSEName == base {
		wrong("cse-name", "must differ from -cse-id without its slash, %q", base)
	}
	if c.SPID == "" || strings.Contains(c.SPID, "/") {
		wrong("sp-id", "must be a name like viot.example, got %q", c.SPID)
	}
	if len(c.Releases) == 0 {
		wrong("releases", "must name at least one release, like 2a,3")
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"drain-timeout", c.DrainTimeout}, {"request-timeout", c.RequestTimeout}, {"long-request-timeout", c.LongTimeout},
		{"header-timeout", c.HeaderTimeout}, {"idle-timeout", c.IdleTimeout}, {"notification-give-up", c.NotificationGiveUp}} {
		if d.value <= 0 {
			wrong(d.flag, "must be longer than 0, got %s", d.value)
		}
	}
	if u, err := url.Parse(c.LocationServer); c.LocationServer != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		wrong("location-server", "must be a URL like https://host/terminallocation/v1, got %q", c.LocationServer)
	}
	if c.MaxPendingNotifications < 0 {
		wrong("max-pending-notifications", "must be 0 or more, got %d", c.MaxPendingNotifications)
	}
	if c.MaxBody < 1 {
		wrong("max-body", "must be at least 1 byte, got %d", c.MaxBody)
	}
	if c.MaxResults < 1 {
		wrong("max-results", "must be at least 1, got %d", c.MaxResults)
	}
	for _, q := range []struct {
		flag  string
		value int64
	}{
		{"max-resources-per-originator", c.Quotas.Resources}, {"max-bytes-per-originator", c.Quotas.Bytes},
		{"max-requests-per-originator", c.Quotas.Requests},
	} {
		if q.value < 0 {
			wrong(q.flag, "must not be negative, got %d", q.value)
		}
	}
	if hclog.LevelFromString(c.LogLevel) == hclog.NoLevel {
		wrong("log-level", "must be trace, debug, info, warn or error, got %q", c.LogLevel)
	}
	c.Federation.check(c.CSEID, wrong)
	if c.LogFormat != "text" && c.LogFormat != "json" {
		wrong("log-format", "must be text or json, got %q", c.LogFormat)
	}
	return errors.Join(problems...)
}

// StorePassword reads the password of the store; empty if there is no file for it.
func (c Config) StorePassword() (string, error) {
	if c.StorePasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(c.StorePasswordFile)
	if err != nil {
		return "", fmt.Errorf("-store-password-file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
