// Package tools tests the scripts of this folder in a copy of the repository that holds nothing else, with stand-ins
// for go and pulumi on PATH.
package tools

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkout is a copy of the scripts and module files, in a folder whose name needs quoting.
type checkout struct {
	t    *testing.T
	root string
	fake string // first on PATH
	tmp  string // for temporary files
	env  []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, root: filepath.Join(t.TempDir(), "it's a repo"), fake: t.TempDir(), tmp: t.TempDir()}
	c.env = []string{"PATH=" + c.fake + ":/usr/bin:/bin", "HOME=" + t.TempDir(), "TMPDIR=" + c.tmp, "STACK=dev"}
	for _, name := range []string{
		"infra/tools/lib.sh", "infra/tools/tools.sh", "infra/tools/env.sh",
		"infra/tools/pulumi/go.mod", "infra/tools/pulumi/go.sum",
		"infra/tools/pulumi-language-go/go.mod", "infra/tools/pulumi-language-go/go.sum",
		"go.mod",
	} {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		c.write(name, string(data))
	}
	return c
}

// write makes an executable file below the root.
func (c *checkout) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// program puts a shell script on PATH.
func (c *checkout) program(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.fake, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// fakeGo is a compiler that writes its arguments to what it should build and leaves a line in built.
func (c *checkout) fakeGo(version string) {
	c.t.Helper()
	c.program("go", `
if [ "$1" = env ]; then [ "$2" = GOVERSION ] && echo `+version+` || echo "$2"; exit; fi
for a; do [ "$prev" = -o ] && out=$a; prev=$a; last=$a; done
echo "go: downloading x" >&2
[ -z "$GO_FAILS" ] || { echo "$GO_FAILS" >&2; exit 1; }
echo "$* cgo=$CGO_ENABLED in ${PWD##*/}" >"$out"; chmod +x "$out"
echo "$last" >>"`+c.fake+`/built"
`)
}

// run executes a command line in the root with extra environment and returns what it printed, both streams.
func (c *checkout) run(line string, env ...string) (string, error) {
	c.t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(c.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.root, &out, &out
	cmd.Env = append(append([]string{}, c.env...), env...)
	err := cmd.Run()
	return out.String(), err
}

func (c *checkout) mustRun(line string, env ...string) string {
	c.t.Helper()
	out, err := c.run(line, env...)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// built returns the packages compiled so far.
func (c *checkout) built() string {
	data, err := os.ReadFile(filepath.Join(c.fake, "built"))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(data)
}

const (
	buildCLI  = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi\n"
	buildHost = "github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go\n"
)

func TestToolsAreBuiltOnce(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.fakeGo("go1.99.0")

	want := "building the Pulumi CLI v3.256.0 from source, about 4 min on 2 cores, once\n" +
		"building Pulumi's Go language host v3.60.0 from source, about 30 s on 2 cores, once\n"
	if got := c.mustRun("infra/tools/tools.sh .viot/bin"); got != want {
		t.Errorf("first call printed %q, want %q", got, want)
	}
	if got, want := c.built(), buildCLI+buildHost; got != want {
		t.Errorf("built %q, want %q", got, want)
	}
	pulumi, err := os.ReadFile(filepath.Join(c.root, ".viot/bin/pulumi"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-trimpath", "-s -w", "version.Version=v3.256.0", "cgo=0 in pulumi\n"} {
		if !strings.Contains(string(pulumi), want) {
			t.Errorf("pulumi was built with %q, want %q in it", pulumi, want)
		}
	}

	if got := c.mustRun("infra/tools/tools.sh .viot/bin"); got != "" {
		t.Errorf("second call printed %q, want nothing", got)
	}
	c.mustRun("echo >>infra/tools/pulumi-language-go/go.mod; infra/tools/tools.sh .viot/bin")
	if got, want := c.built(), buildCLI+buildHost+buildHost; got != want {
		t.Errorf("with another pin built %q, want %q", got, want)
	}
}

func TestToolsLeaveNoHalfBuiltProgram(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.fakeGo("go1.99.0")
	for _, tt := range []struct{ goSays, want string }{
		{"x.go:1: no such thing", "x.go:1: no such thing\nviot: building the Pulumi CLI: could not be built; the reason is above\n"},
		{"link: write: no space left on device", "viot: building the Pulumi CLI: the disk is full; make room in GOCACHE, GOMODCACHE"},
	} {
		out, err := c.run("infra/tools/tools.sh .viot/bin", "GO_FAILS="+tt.goSays)
		if err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("go says %q: got error %v and %q, want an error and %q", tt.goSays, err, out, tt.want)
		}
		if strings.Contains(out, "downloading") {
			t.Errorf("go says %q: %q repeats the downloads", tt.goSays, out)
		}
		if left := c.mustRun("ls -A .viot/bin $TMPDIR | grep -v :"); left != "\n" {
			t.Errorf("go says %q: left %q, want nothing", tt.goSays, left)
		}
	}
}

func TestToolsStopWhenInterrupted(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	started := filepath.Join(c.fake, "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	c.program("go", `
[ "$1" != env ] || { echo go1.99.0; exit; }
for a; do [ "$prev" = -o ] && out=$a; prev=$a; done
echo half >"$out"
echo "$out" >"`+started+`"
exec sleep 600
`)
	cmd := exec.CommandContext(t.Context(), "infra/tools/tools.sh", ".viot/bin")
	cmd.Path = filepath.Join(c.root, "infra/tools/tools.sh")
	cmd.Dir, cmd.Env = c.root, c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches all of a group
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(started); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("interrupted, it succeeded, want an error")
	}
	if got := c.mustRun("find .viot/bin $TMPDIR -type f ! -name '.pulumi.*'"); got != "" {
		t.Errorf("interrupted, it left %q, want at most a build under a temporary name", got)
	}

	c.fakeGo("go1.99.0")
	c.mustRun("infra/tools/tools.sh .viot/bin")
	want := "pulumi\npulumi-language-go\npulumi-language-go.pin\npulumi.pin\n"
	if got := c.mustRun("ls -A .viot/bin"); got != want {
		t.Errorf("the next call left %q, want %q", got, want)
	}
}

func TestToolsNeedAGoNewEnough(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ version, want string }{
		{"go1.19.8", "is 1.19.8: install a newer one"},
		{"go1.25.9", "is 1.25.9: install a newer one"},
		{"go1.26rc1", ""},
		{"go1.26.8", ""},
		{"go2.0.0", ""},
		{"devel", ""},
	} {
		c := newCheckout(t)
		c.fakeGo(tt.version)
		out, err := c.run("infra/tools/tools.sh .viot/bin")
		if (err == nil) != (tt.want == "") || !strings.Contains(out, tt.want) {
			t.Errorf("with %s: got error %v and %q, want %q", tt.version, err, out, tt.want)
		}
	}
	c := newCheckout(t)
	c.env[0] = "PATH=" + c.bareBones("bash", "sh", "dirname", "sed", "cat", "cksum", "realpath")
	out, err := c.run("infra/tools/tools.sh .viot/bin")
	if want := "there is no go on PATH"; err == nil || !strings.Contains(out, want) {
		t.Errorf("without go: got error %v and %q, want %q", err, out, want)
	}
}

// bareBones returns a folder with nothing but the named programs of this machine.
func (c *checkout) bareBones(programs ...string) string {
	c.t.Helper()
	dir := c.t.TempDir()
	for _, name := range append(programs, "env") {
		path, err := exec.LookPath(name)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			c.t.Fatal(err)
		}
	}
	return dir
}

func TestToolsUseAnInstalledPulumi(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		version string
		host    bool
		want    string
		built   string
	}{
		{"newer", "v3.300.1", true, "/pulumi v3.300.1\n", ""},
		{"just new enough", "v3.150.0", true, "/pulumi v3.150.0\n", ""},
		{"too old", "v3.149.9", true, "it is v3.149.9, and 3.150.0 or newer is needed", buildCLI + buildHost},
		{"says no version", "", true, "it is unknown, and 3.150.0 or newer is needed", buildCLI + buildHost},
		{"without its language host", "v3.300.1", false, "no pulumi-language-go on PATH or beside it", buildCLI + buildHost},
	} {
		c := newCheckout(t)
		c.fakeGo("go1.99.0")
		c.program("pulumi", "echo "+tt.version)
		if tt.host {
			c.program("pulumi-language-go", "")
		}
		out := c.mustRun("infra/tools/tools.sh .viot/bin")
		if !strings.Contains(out, tt.want) {
			t.Errorf("%s: printed %q, want %q in it", tt.name, out, tt.want)
		}
		if got := c.built(); got != tt.built {
			t.Errorf("%s: built %q, want %q", tt.name, got, tt.built)
		}
	}
}

func TestToolsInstalledPulumiReplacesAnOutdatedBuild(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(".viot/bin/pulumi", "old")
	c.write(".viot/bin/pulumi.pin", "of an older release")
	c.write(".viot/bin/viot", "not ours to remove")
	c.program("pulumi", "echo v3.300.1")
	c.program("pulumi-language-go", "")
	c.mustRun("infra/tools/tools.sh .viot/bin")
	if got, want := c.mustRun("ls -A .viot/bin"), "viot\n"; got != want {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

// names are the settings that env.sh makes.
const names = "PULUMI_BACKEND_URL PULUMI_HOME PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_SKIP_UPDATE_CHECK PULUMI_STACK"

// show evaluates env.sh in a plain shell and prints the settings, with R for the root.
func (c *checkout) show(env ...string) string {
	c.t.Helper()
	out := c.mustRun(`eval "$(infra/tools/env.sh .viot/bin)"; echo "first on PATH ${PATH%%:*}"; for n in `+names+
		`; do eval "echo \"$n \${$n-unset}\""; done`, env...)
	return strings.ReplaceAll(out, c.root, "R")
}

func TestEnv(t *testing.T) {
	t.Parallel()
	const (
		path  = "first on PATH R/.viot/bin\n"
		local = "PULUMI_BACKEND_URL file://R/.viot/state\nPULUMI_HOME R/.viot/home\n"
		phrse = "PULUMI_CONFIG_PASSPHRASE_FILE R/.viot/passphrase\n"
		rest  = "PULUMI_SKIP_UPDATE_CHECK true\nPULUMI_STACK dev\n"
	)
	loggedIn := func(c *checkout, current string) string {
		c.write("home/.pulumi/credentials.json", `{ "current": "`+current+`", "accounts": {} }`)
		return "HOME=" + filepath.Join(c.root, "home")
	}
	for _, tt := range []struct {
		name string
		env  func(c *checkout) []string
		want string
	}{
		{"fresh", func(*checkout) []string { return nil }, path + local + phrse + rest},
		{"backend chosen", func(*checkout) []string { return []string{"PULUMI_BACKEND_URL=s3://b"} },
			path + "PULUMI_BACKEND_URL s3://b\nPULUMI_HOME unset\n" + phrse + rest},
		{"token", func(*checkout) []string { return []string{"PULUMI_ACCESS_TOKEN=x"} },
			path + "PULUMI_BACKEND_URL unset\nPULUMI_HOME unset\n" + phrse + rest},
		{"logged in", func(c *checkout) []string { return []string{loggedIn(c, "https://pulumi.example")} },
			path + "PULUMI_BACKEND_URL unset\nPULUMI_HOME unset\n" + phrse + rest},
		{"logged out", func(c *checkout) []string { return []string{loggedIn(c, "")} }, path + local + phrse + rest},
		{"own passphrase", func(*checkout) []string { return []string{"PULUMI_CONFIG_PASSPHRASE="} },
			path + local + "PULUMI_CONFIG_PASSPHRASE_FILE unset\n" + rest},
		{"own passphrase file", func(*checkout) []string { return []string{"PULUMI_CONFIG_PASSPHRASE_FILE=/p"} },
			path + local + "PULUMI_CONFIG_PASSPHRASE_FILE /p\n" + rest},
		{"other stack", func(*checkout) []string { return []string{"STACK=e2e"} },
			path + local + phrse + "PULUMI_SKIP_UPDATE_CHECK true\nPULUMI_STACK e2e\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			if got := c.show(tt.env(c)...); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			_, err := os.Stat(filepath.Join(c.root, ".viot/passphrase"))
			if made, want := err == nil, strings.Contains(tt.want, phrse); made != want {
				t.Errorf("passphrase made: %t, want %t", made, want)
			}
		})
	}
}

func TestEnvKeepsThePassphrase(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	first := c.show()
	path := filepath.Join(c.root, ".viot/passphrase")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("passphrase has mode %o, want %o", got, want)
	}
	phrase, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(phrase) != 64 {
		t.Errorf("passphrase has %d digits, want 64", len(phrase))
	}

	// Evaluated again, in a shell that has the settings already, nothing changes.
	again := c.mustRun(`eval "$(infra/tools/env.sh .viot/bin)"; before=$(export -p)
eval "$(infra/tools/env.sh .viot/bin)"; [ "$before" = "$(export -p)" ] && echo same`)
	if again != "same\n" {
		t.Errorf("evaluated twice: %q, want the same settings", again)
	}
	if got := c.show(); got != first {
		t.Errorf("second call gave\n%swant\n%s", got, first)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, phrase) {
		t.Error("the second call made another passphrase, want the first kept")
	}
	if left, want := c.mustRun("ls -A .viot"), "home\npassphrase\nstate\n"; left != want {
		t.Errorf(".viot holds %q, want %q", left, want)
	}
}
