// Package testkit stands up stacks of their own for tests and benchmarks, and looks at the Docker Engine and at
// the orchestrator as an outsider would.
package testkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/files"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"github.com/viot-project/viot/infra/spec"
)

// Root is the repository's root folder, found upwards from the working directory.
func Root() (string, error) {
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
			return "", fmt.Errorf("find the repository: no Pulumi.yaml above the working directory")
		}
		dir = parent
	}
}

// Stack is one stack of the project with a state, a name and ports of its own.
type Stack struct {
	Name         string
	MCA          string // base URL of the Mca
	Consul       string // base URL of Consul's API
	Orchestrator string // base URL of the orchestrator's API
	Log          io.Writer

	pulumi auto.Stack
	root   string            // of the repository
	dir    string            // of the state
	env    map[string]string // of pulumi
}

// NewStack prepares a stack with a random name and free ports; nothing runs yet. It is destroyed, by force if need
// be, when the test ends. Pulumi must be on PATH and the provider built: make tools.
func NewStack(t testing.TB, settings map[string]string) *Stack {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return NewStackFrom(t, root, settings)
}

// CopyOfRepository is the root folder of a copy of the repository that ends with the test, whose sources may be changed. It shares the
// tools.
func CopyOfRepository(t testing.TB) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tools := filepath.Join(root, ".viot")
	err = files.CopyFolderContentsWithFilter(root, dir, func(path string) bool {
		return path != tools && path != filepath.Join(root, ".git") && path != filepath.Join(root, "build")
	})
	if err == nil {
		err = os.Symlink(tools, filepath.Join(dir, ".viot"))
	}
	if err != nil {
		t.Fatalf("copy the repository: %v", err)
	}
	return dir
}

// NewStackFrom is NewStack of the sources in a copy of the repository.
func NewStackFrom(t testing.TB, root string, settings map[string]string) *Stack {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".viot/bin/pulumi-resource-viot")); err != nil {
		t.Fatal("the provider is not built: run make tools first, or run this test by make e2e")
	}
	dir := t.TempDir()
	s := &Stack{Name: "t" + randomHex(4), Log: testWriter{t}, root: root, dir: dir, env: map[string]string{
		"PULUMI_BACKEND_URL":                       "file://" + dir,
		"PULUMI_HOME":                              filepath.Join(dir, "home"),
		"PULUMI_CONFIG_PASSPHRASE":                 randomHex(16),
		"PULUMI_CONFIG_PASSPHRASE_FILE":            "",
		"PULUMI_SKIP_UPDATE_CHECK":                 "true",
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
	}}
	config := auto.ConfigMap{}
	for key, port := range Ports(t) {
		config["viot:"+key] = auto.ConfigValue{Value: port}
	}
	for key, value := range settings {
		config["viot:"+key] = auto.ConfigValue{Value: value}
	}
	ctx := context.Background()
	var err error
	if s.pulumi, err = auto.UpsertStackLocalSource(ctx, s.Name, root, auto.EnvVars(s.env)); err != nil {
		t.Fatalf("make stack %s: %v", s.Name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logs(t, s.Name)
		}
		os.Remove(filepath.Join(root, "Pulumi."+s.Name+".yaml"))
		if left := Sweep(t, s.Name); len(left) > 0 && !t.Failed() {
			t.Errorf("stack %s left on the engine: %s", s.Name, strings.Join(left, ", "))
		}
	})
	if err := s.Set(ctx, config); err != nil {
		t.Fatal(err)
	}
	return s
}

// Set changes settings; keys are full, such as viot:max, and may be paths, such as viot:policy.standby.count or viot:env[0]. They take
// effect with the next Up.
func (s *Stack) Set(ctx context.Context, config auto.ConfigMap) error {
	plain, paths := auto.ConfigMap{}, auto.ConfigMap{}
	for key, value := range config {
		if strings.ContainsAny(key, ".[") {
			paths[key] = value
		} else {
			plain[key] = value
		}
	}
	err := s.pulumi.SetAllConfig(ctx, plain)
	if err == nil && len(paths) > 0 {
		err = s.pulumi.SetAllConfigWithOptions(ctx, paths, &auto.ConfigOptions{Path: true})
	}
	if err != nil {
		return fmt.Errorf("configure stack %s: %w", s.Name, err)
	}
	return nil
}

// Up runs pulumi up and reads the outputs. changed counts the resources that did not stay the same.
func (s *Stack) Up(ctx context.Context) (changed int, err error) {
	result, err := s.pulumi.Up(ctx, optup.ProgressStreams(s.Log), optup.SuppressProgress(), optup.Refresh())
	if err != nil {
		return 0, fmt.Errorf("bring stack %s up: %w", s.Name, err)
	}
	s.MCA, _ = result.Outputs["mcaUrl"].Value.(string)
	s.Consul, _ = result.Outputs["consulUrl"].Value.(string)
	s.Orchestrator, _ = result.Outputs["orchestratorUrl"].Value.(string)
	for kind, n := range *result.Summary.ResourceChanges {
		if kind != "same" {
			changed += n
		}
	}
	return changed, nil
}

// Destroy runs pulumi destroy.
func (s *Stack) Destroy(ctx context.Context) error {
	if _, err := s.pulumi.Destroy(ctx, optdestroy.ProgressStreams(s.Log), optdestroy.SuppressProgress()); err != nil {
		return fmt.Errorf("destroy stack %s: %w", s.Name, err)
	}
	return nil
}

// Address is the host:port of the Mca.
func (s *Stack) Address() string { return strings.TrimPrefix(s.MCA, "http://") }

// Pool asks the orchestrator for the status of a pool.
func (s *Stack) Pool(ctx context.Context, pool string) (spec.Status, error) {
	var answer struct {
		Status spec.Status `json:"status"`
	}
	err := s.Ask(ctx, "/v1/pools/"+pool, &answer)
	return answer.Status, err
}

// WaitPool polls the pool's status until ok says so or ctx ends; the error tells the last status seen.
func (s *Stack) WaitPool(ctx context.Context, pool string, ok func(spec.Status) bool) (spec.Status, error) {
	for {
		status, err := s.Pool(ctx, pool)
		if err == nil && ok(status) {
			return status, nil
		}
		select {
		case <-ctx.Done():
			return status, fmt.Errorf("wait for pool %s: %w; last seen %+v (%v)", pool, ctx.Err(), status, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Ask reads a JSON answer of the orchestrator's API.
func (s *Stack) Ask(ctx context.Context, path string, into any) error {
	return getJSON(ctx, s.Orchestrator+path, into)
}

// AskConsul reads a JSON answer of Consul's API.
func (s *Stack) AskConsul(ctx context.Context, path string, into any) error {
	return getJSON(ctx, s.Consul+path, into)
}

// Status is what the acting orchestrator has written about a pool; unlike Pool it needs no particular one to be alive.
func (s *Stack) Status(ctx context.Context, pool string) (status spec.Status, err error) {
	var entries []struct{ Value []byte }
	if err := s.AskConsul(ctx, "/v1/kv/"+spec.StatusKey(s.Name, pool), &entries); err != nil {
		return status, err
	}
	if err := json.Unmarshal(entries[0].Value, &status); err != nil {
		return status, fmt.Errorf("read status of pool %s: %w", pool, err)
	}
	return status, nil
}

func getJSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s: %s", url, response.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	return nil
}

func randomHex(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// Ports returns the settings of a stack's published ports, each with a port of the loopback address that is free now, and that no
// connection of some program takes by chance before the stack listens there: systems take those from 32768 up.
func Ports(t testing.TB) map[string]string {
	t.Helper()
	ports := map[string]string{}
	for _, key := range []string{"port", "consulPort", "orchestratorPort"} {
		var l net.Listener
		err := errors.New("no port was tried")
		for tries := 0; err != nil && tries < 100; tries++ {
			l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(10_000+mathrand.IntN(20_000)))
		}
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		defer l.Close() // all are held until all are found
		ports[key] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// PathWithout is PATH less the folders that hold the program.
func PathWithout(program string) string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, program))
		return err == nil
	}), string(filepath.ListSeparator))
}

// testWriter passes what Pulumi prints to the test's log.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if text := strings.TrimSpace(string(p)); text != "" {
		w.t.Log(text)
	}
	return len(p), nil
}
