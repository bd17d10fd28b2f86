// Package conformance tests the CSE against oneM2M Release 2 from the outside, over HTTP, clause by clause. Every case runs against
// an instance on SQLite, one on PostgreSQL, and a pool of three instances on one PostgreSQL database among which its requests
// are spread at random.
package conformance

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil { // cases wait more than they work
		panic(err)
	}
	os.Exit(postgrestest.Main(m))
}

// conformanceCase is one rule of the standard.
type conformanceCase struct {
	clause string // such as "TS-0004 7.4.6.2.1 container create"
	run    func(s *session)
}

// cases are all of them, from the files of this package that end in _test.go and are named after a resource type, an operation or a
// part of the specifications.
var cases = slices.Concat(entityCases, containerCases, discoveryCases, filterCases, policyCases, resourceTypeCases, subscriptionCases,
	groupCases, nonBlockingCases, pollingChannelCases, timeSeriesCases, flexContainerCases, managementCases, lifetimeCases,
	concurrencyCases, announcedCases, resourceValueCases, serialisationCases, bindingCases, resultCases, privilegeCases)

// TestConformance runs every case against every kind of deployment.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		name      string
		instances int
		store     func(t *testing.T) string
	}{
		{"sqlite", 1, func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/cse.db" }},
		{"postgresql", 1, func(t *testing.T) string { return postgrestest.DSN(t) }},
		{"pool", 3, func(t *testing.T) string { return postgrestest.DSN(t) }},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			urls := deploy(t, d.store(t), d.instances)
			for _, c := range cases {
				t.Run(strings.ReplaceAll(c.clause, " ", "_"), func(t *testing.T) {
					t.Parallel()
					c.run(newSession(t, urls))
				})
			}
		})
	}
}

// TestClauses checks that every case names its clause, and no two are called alike.
func TestClauses(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.clause] || !strings.HasPrefix(c.clause, "TS-000") {
			t.Errorf("%q: want a clause of a specification, and a text of its own", c.clause)
		}
		seen[c.clause] = true
	}
}

// deploy starts n instances of the CSE on one store, with more flags if there are any, and returns their addresses. They end, drained, with the test.
func deploy(t *testing.T, address string, n int, flags ...string) []string {
	t.Helper()
	if u, err := url.Parse(address); err == nil && u.Scheme == "postgres" { // a machine that is busy connects slowly
		query := u.Query()
		query.Set("connect_timeout", "15")
		u.RawQuery = query.Encode()
		address = u.String()
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	urls := make([]string, n)
	for i := range urls {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		scheme := "http://"
		if slices.Contains(flags, "-tls-certificate") {
			scheme = "https://"
		}
		url := scheme + listener.Addr().String()
		args := []string{"-store", address, "-point-of-access", url, "-cors-origins", "https://app.example", "-drain-timeout", "2s"}
		config, err := cse.ParseConfig(append(args, flags...), func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		resources, err := sqlstore.Open(config.Store, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resources.Close() })
		server := cse.New(config, resources, hclog.NewNullLogger())
		for end := time.Now().Add(patience); ; {
			err := server.Prepare(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrUnavailable) || time.Now().After(end) {
				t.Fatal(err)
			}
		}
		running.Go(func() {
			if err := server.Serve(ctx, listener); err != nil {
				t.Errorf("instance %d: %v", i, err)
			}
		})
		urls[i] = url
	}
	return urls
}

// pick is one of the instances, any of them.
func pick(urls []string) string { return urls[rand.IntN(len(urls))] }

// patience bounds waiting for what must come; it decides nothing unless it does not.
const patience = time.Minute
