package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/testkit"
)

// BenchmarkUp times the commands a user types, on a stack of its own: up with images and tools present, up with
// nothing changed, and down. With VIOT_BENCH_COLD=1 it also times the first make up of a fresh clone with empty Go
// caches, without Pulumi, and with the locally built images of third-party software removed.
func BenchmarkUp(b *testing.B) {
	dir := root(b)
	if os.Getenv("VIOT_BENCH_COLD") == "1" {
		print(b, "up-cold", figure.Seconds("took", cold(b, dir)), figure.Count("n", 1))
	}
	n := cycles(b, 5)
	c := checkout{b: b, dir: dir, stack: "bench"}
	c.configure()
	c.make("up") // whatever has to be built is built now
	c.make("down")
	var ups, unchanged, downs []time.Duration
	for range n {
		c.configure()
		ups = append(ups, c.make("up"))
		unchanged = append(unchanged, c.make("up"))
		downs = append(downs, c.make("down"))
	}
	print(b, "up-present", figure.Spread(ups)...)
	print(b, "up-unchanged", figure.Spread(unchanged)...)
	print(b, "down", figure.Spread(downs)...)
}

// checkout is a working copy in which make is run for one stack.
type checkout struct {
	b     *testing.B
	dir   string
	stack string
	env   []string
}

// configure gives the stack free ports, so that it stands beside one that is up.
func (c checkout) configure() {
	c.b.Helper()
	settings := "config:\n"
	for key, port := range testkit.Ports(c.b) {
		settings += "  viot:" + key + ": \"" + port + "\"\n"
	}
	path := filepath.Join(c.dir, "Pulumi."+c.stack+".yaml")
	if err := os.WriteFile(path, []byte(settings), 0o644); err != nil {
		c.b.Fatal(err)
	}
	c.b.Cleanup(func() { os.Remove(path) })
}

// make runs one target and returns how long it took.
func (c checkout) make(target string) time.Duration {
	c.b.Helper()
	cmd := exec.CommandContext(c.b.Context(), "make", target, "STACK="+c.stack)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		c.b.Fatalf("make %s: %v\n%s", target, err, out)
	}
	return took
}

// cold clones what is committed and brings it up with nothing prepared but Go, Docker and the package mirrors.
func cold(b *testing.B, dir string) time.Duration {
	b.Helper()
	clone := filepath.Join(b.TempDir(), "viot")
	if out, err := exec.Command("git", "clone", "--quiet", dir, clone).CombinedOutput(); err != nil {
		b.Fatalf("clone: %v\n%s", err, out)
	}
	caches := b.TempDir()
	b.Cleanup(func() { exec.Command("chmod", "-R", "u+w", caches).Run() }) // the module cache is read-only
	c := checkout{b: b, dir: clone, stack: "cold", env: []string{
		"PULUMI_BACKEND_URL=", "PULUMI_HOME=", "PULUMI_CONFIG_PASSPHRASE_FILE=", // those of this checkout
		"GOMODCACHE=" + filepath.Join(caches, "mod"), "GOCACHE=" + filepath.Join(caches, "build"), "PATH=" + testkit.PathWithout("pulumi"),
	}}
	testkit.RemoveCaches(b)
	c.configure()
	took := c.make("up")
	c.make("down")
	return took
}
