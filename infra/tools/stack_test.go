package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// newStack is a checkout with stack.sh and stand-ins for pulumi, which notes how it was called, and for viot, which
// finds nothing on the engine.
func newStack(t *testing.T) *checkout {
	t.Helper()
	c := newCheckout(t)
	script, err := os.ReadFile("stack.sh")
	if err != nil {
		t.Fatal(err)
	}
	c.write("infra/tools/stack.sh", string(script))
	c.program("pulumi", `echo "$*" >>"`+c.calls()+`"`)
	c.program("viot", `[ -z "$VIOT_FAILS" ] || { echo "viot: $VIOT_FAILS" >&2; exit 1; }`)
	return c
}

// calls is the file with a line for each call of pulumi.
func (c *checkout) calls() string { return filepath.Join(c.fake, "calls") }

func (c *checkout) called(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(c.calls())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func TestStackRefusesABadName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Dev", "a b", "../x", "x';id", "-a", "a-", "1a", strings.Repeat("a", 41)} {
		for _, action := range []string{"up", "down", "status", "clean"} {
			c := newStack(t)
			out, err := c.run("infra/tools/stack.sh "+action, "STACK="+name)
			if want := "viot: STACK=" + name + ": want 1 to 40 "; err == nil || !strings.HasPrefix(out, want) {
				t.Errorf("%s of %q: got error %v and %q, want an error and %q", action, name, err, out, want)
			}
			if got := c.called(t); got != "" {
				t.Errorf("%s of %q called pulumi %q, want it not called", action, name, got)
			}
		}
	}
}

func TestStackBeginsNothingWithoutAnEngine(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"up", "down", "clean"} {
		c := newStack(t)
		c.write(".viot/state/keep", "")
		out, err := c.run("infra/tools/stack.sh "+action, "VIOT_FAILS=cannot reach Docker")
		if want := "viot: cannot reach Docker\n"; err == nil || out != want {
			t.Errorf("%s: got error %v and %q, want an error and %q", action, err, out, want)
		}
		if got := c.called(t); got != "" {
			t.Errorf("%s called pulumi %q, want it not called", action, got)
		}
		c.mustRun("test -e .viot/state/keep")
	}
}

func TestStackRespectsTheLockOfALivingPulumi(t *testing.T) {
	t.Parallel()
	c := newStack(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "pulumi") // a process of that name
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), program, "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(other.Process.Pid)
	const lock = ".viot/state/.pulumi/locks/organization/viot/dev/x.json"
	c.write(lock, `{"pid":`+pid+`,"username":"u"}`)
	for _, action := range []string{"up", "down", "refresh"} {
		out, err := c.run("infra/tools/stack.sh " + action)
		if want := "viot: pulumi is at work on stack dev (process " + pid + ")"; err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: got error %v and %q, want an error and %q", action, err, out, want)
		}
		c.mustRun("test -e " + lock)
	}

	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	other.Wait() // it was killed: the error says no more
	out := c.mustRun("infra/tools/stack.sh refresh")
	if want := "an earlier run was interrupted: taking over from it\n"; out != want {
		t.Errorf("after it was killed: got %q, want %q", out, want)
	}
	c.mustRun("test ! -e " + lock)
}

func TestStackKeepsNoLockInWhatPulumiStarts(t *testing.T) {
	t.Parallel()
	c := newStack(t)
	c.program("pulumi", `if [ -e /proc/self/fd/9 ]; then echo "has the lock"; fi`)
	if out := c.mustRun("infra/tools/stack.sh refresh"); out != "" {
		t.Errorf("got %q, want pulumi started without the lock's descriptor", out)
	}
}

// The orchestrator is shown the token of the stack's settings, unless the user has chosen one.
func TestStatusShowsTheToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ set, chosen, want string }{
		{"readToken", "", "the readToken"}, {"writeToken", "", "the writeToken"}, {"", "", ""}, {"writeToken", "another", "another"},
	} {
		c := newStack(t)
		c.program("pulumi", `case "$*" in
"stack output --json") printf '{\n  "orchestratorUrl": "http://there"\n}\n' ;;
"config get viot:$SET") echo "the $SET" ;;
"config get"*) exit 1 ;;
esac`)
		c.program("viot", `echo "asked $3 with <${VIOT_TOKEN:-}>"`)
		out, err := c.run("infra/tools/stack.sh status", "SET="+test.set, "VIOT_TOKEN="+test.chosen)
		if want := "asked http://there with <" + test.want + ">"; err != nil || !strings.Contains(out, want) {
			t.Errorf("%+v: got %v and %q, want %q", test, err, out, want)
		}
	}
}
