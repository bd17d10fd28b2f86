package images

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMirrorSettings(t *testing.T) {
	t.Parallel()
	const dump = `APT "";
Acquire "";
Acquire::Check-Date "false";
Acquire::http "";
Acquire::http::Proxy "http://cache.example:3142";
Acquire::http::Proxy::direct.example "DIRECT";
Acquire::https::CAInfo "/etc/ssl/own.pem";
Acquire::https::Verify-Peer "true";
Acquire::Languages "de";
DPkg::Post-Invoke:: "rm -rf /";
`
	const kept = `Acquire::Check-Date "false";
Acquire::http::Proxy "http://cache.example:3142";
Acquire::http::Proxy::direct.example "DIRECT";
Acquire::https::CAInfo "/etc/ssl/own.pem";
Acquire::https::Verify-Peer "true";
`
	for _, tt := range []struct {
		name, dump, want string
		env              map[string]string
	}{
		{"of apt", dump, kept, nil},
		{"of apt before those of the environment", dump, kept + "Acquire::https::Proxy \"http://b\";\n",
			map[string]string{"http_proxy": "http://a", "https_proxy": "http://b"}},
		{"of the environment", "", "Acquire::http::Proxy \"http://a\";\n", map[string]string{"http_proxy": "http://a"}},
		{"none", "", "", nil},
	} {
		if got := mirrorSettings(tt.dump, func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestDebianSources(t *testing.T) {
	t.Parallel()
	lists := map[string]string{
		"/etc/apt/mirrors/debian.list": "# nearest first\n\nhttps://near.example/debian\tpriority:1\nhttps://far.example/debian\n",
		"/etc/apt/mirrors/empty.list":  "# nothing\n",
	}
	readFile := func(path string) ([]byte, error) {
		if text, ok := lists[path]; ok {
			return []byte(text), nil
		}
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	for _, tt := range []struct {
		name, targets string
		want          []string
		wantErr       string
	}{
		{"of the base's release", `
Debian Packages main bookworm http://a.example/debian/
Debian DEP-11 main bookworm http://a.example/debian/
Debian Packages contrib bookworm http://a.example/debian/
Debian Packages main bookworm-updates http://a.example/debian/
Debian Packages main bookworm-security http://s.example/debian-security/
`, []string{
			"deb http://a.example/debian/ bookworm main",
			"deb http://a.example/debian/ bookworm-updates main",
			"deb http://s.example/debian-security/ bookworm-security main",
		}, ""},
		{"of a newer release", `
Debian Packages main trixie http://a.example/debian/
Debian Packages main trixie-security http://s.example/debian-security/
`, []string{
			"deb http://a.example/debian/ bookworm main",
			"deb http://s.example/debian-security/ bookworm-security main",
		}, ""},
		{"of two releases once", `
Debian Packages main trixie http://a.example/debian/
Debian Packages main sid http://a.example/debian/
`, []string{"deb http://a.example/debian/ bookworm main"}, ""},
		{"not of others", `
Debian Packages main bookworm http://a.example/debian/
Docker Packages main bookworm https://d.example/linux/debian/
Debian Backports Packages main bookworm-backports http://a.example/debian/
Debian Packages main bookworm-proposed-updates http://a.example/debian/
Debian Packages main bookworm file:/media/debian/
`, []string{"deb http://a.example/debian/ bookworm main"}, ""},
		{"first of a mirror list", "Debian Packages main bookworm mirror+file:/etc/apt/mirrors/debian.list/\n",
			[]string{"deb https://near.example/debian bookworm main"}, ""},
		{"mirror list without mirrors", "Debian Packages main bookworm mirror+file:/etc/apt/mirrors/empty.list/\n", nil,
			"it names no mirror"},
		{"mirror list that is gone", "Debian Packages main bookworm mirror+file:/gone/\n", nil, "read apt's mirror list"},
		{"another system's", "Ubuntu Packages main noble http://u.example/ubuntu/\n", nil, "name no mirror of Debian"},
		{"none", "", nil, "name no mirror of Debian"},
	} {
		got, err := debianSources(tt.targets, readFile)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.wantErr)
		}
	}
}

func TestTrustFiles(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "own.pem")
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := "Acquire::https::CAInfo \"" + own + "\";\nAcquire::https::CaInfo::a.example \"/nowhere\";\n"
	if got := trustFiles([]string{"deb http://a.example/debian bookworm main"}, settings); got != nil {
		t.Errorf("without TLS got %q, want none", got)
	}
	got := trustFiles([]string{"deb https://a.example/debian bookworm main"}, settings)
	if !slices.Contains(got, own) || slices.Contains(got, "/nowhere") {
		t.Errorf("got %q, want %s and no file that is absent", got, own)
	}
}

func TestStepLog(t *testing.T) {
	t.Parallel()
	var steps []string
	log := &stepLog{progress: func(step string) { steps = append(steps, step) }}
	for _, part := range []string{"I: automatically chosen mode: root\nI: extract", "ing archives...\nE: disk", " full\n", "\nW: a\nW: b\n"} {
		if n, err := log.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", part, n, err)
		}
	}
	if want := []string{"extracting archives"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	if want := []string{"E: disk full", "", "W: a", "W: b"}; !slices.Equal(log.complaints, want) {
		t.Errorf("complaints %q, want %q", log.complaints, want)
	}
}

// machine puts stand-ins for apt, dpkg and mmdebstrap on PATH, in place of this machine's. It changes the environment,
// so its tests do not run in parallel.
func machine(t *testing.T, programs map[string]string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nset -e\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("http_proxy", "")
	t.Setenv("https_proxy", "")
	return bin
}

const (
	debianAPT = `case $1 in
update) [ -d "$(dirname "$APT_CONFIG")/lists/partial" ] ;;
indextargets) echo "Debian Packages main bookworm http://a.example/debian/" ;;
download) : >mmdebstrap_1_all.deb ;;
esac
`
	aptConfig = `echo 'Acquire::Check-Date "false";'`
	// An mmdebstrap that prints its arguments where the archive goes.
	printArgs = `echo "I: extracting archives..." >&2
for a; do echo "$a"; done
`
)

func TestBuildBase(t *testing.T) {
	for _, tt := range []struct {
		name     string
		programs map[string]string
	}{
		{"installed", map[string]string{"mmdebstrap": printArgs}},
		{"fetched", map[string]string{
			"dpkg-deb": "mkdir -p \"$3/usr/bin\"\ncat >\"$3/usr/bin/mmdebstrap\" <<'END'\n#!/bin/sh\n" + printArgs +
				"END\nchmod +x \"$3/usr/bin/mmdebstrap\"\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.programs["apt-get"], tt.programs["apt-config"] = debianAPT, aptConfig
			tt.programs["newuidmap"] = ""
			machine(t, tt.programs)
			var out bytes.Buffer
			var steps []string
			if err := BuildBase(t.Context(), &out, func(step string) { steps = append(steps, step) }); err != nil {
				t.Fatal(err)
			}
			args := strings.Split(strings.TrimSpace(out.String()), "\n")
			for _, want := range []string{"--variant=apt", "--format=tar", `--aptopt=Acquire::Check-Date "false";`} {
				if !slices.Contains(args, want) {
					t.Errorf("mmdebstrap ran with %q, want %s", args, want)
				}
			}
			want := []string{"bookworm", "-", "deb http://a.example/debian/ bookworm main"}
			if got := args[max(0, len(args)-3):]; !slices.Equal(got, want) {
				t.Errorf("mmdebstrap's last arguments are %q, want %q", got, want)
			}
			wantSteps := []string{"reading the package lists of this machine's mirrors", "extracting archives"}
			if !slices.Equal(steps, wantSteps) {
				t.Errorf("steps %q, want %q", steps, wantSteps)
			}
			left, err := os.ReadDir(os.TempDir())
			if err != nil || len(left) != 0 {
				t.Errorf("left %v in the temporary folder (%v), want nothing", left, err)
			}
		})
	}
}

func TestBuildBaseSaysWhatToDo(t *testing.T) {
	const advice = "\nbuild on a Debian machine that can install packages, or make a container registry reachable"
	for _, tt := range []struct {
		name, apt, mmdebstrap, want string
	}{
		{"not Debian", `[ $1 = update ] || echo "Ubuntu Packages main noble http://u.example/ubuntu/"`, "",
			"apt's sources name no mirror of Debian" + advice},
		{"no mirror reached", `[ $1 != update ] || { echo "E: no route to a.example" >&2; exit 100; }`, "",
			"E: no route to a.example" + advice},
		{"disk full", debianAPT, `echo "E: tar: No space left on device" >&2; exit 1`, "No space left on device" + advice},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machine(t, map[string]string{"apt-get": tt.apt, "apt-config": aptConfig, "mmdebstrap": tt.mmdebstrap, "newuidmap": ""})
			err := BuildBase(t.Context(), &bytes.Buffer{}, func(string) {})
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got error %v, want it to end in %q", err, tt.want)
			}
		})
	}
	t.Run("no apt", func(t *testing.T) {
		machine(t, nil)
		t.Setenv("PATH", t.TempDir())
		err := BuildBase(t.Context(), &bytes.Buffer{}, func(string) {})
		if err == nil || !strings.HasSuffix(err.Error(), advice) {
			t.Errorf("got error %v, want it to end in %q", err, advice)
		}
	})
}

func TestBuildBaseStopsWhenInterrupted(t *testing.T) {
	bin := machine(t, map[string]string{
		"apt-get": debianAPT, "apt-config": aptConfig, "newuidmap": "",
		// Cleans up once its child is gone, whether or not the signal came in time to end that as well.
		"mmdebstrap": `trap 'echo cleaned >"$0.out"; exit 1' INT
echo "I: extracting archives..." >&2
while :; do sleep 0.1; done
`,
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stopped := errors.New("the operator pressed Ctrl-C")
	err := BuildBase(ctx, &bytes.Buffer{}, func(step string) {
		if step == "extracting archives" {
			cancel(stopped)
		}
	})
	if !errors.Is(err, stopped) {
		t.Errorf("got error %v, want %v", err, stopped)
	}
	if data, err := os.ReadFile(filepath.Join(bin, "mmdebstrap.out")); err != nil || string(data) != "cleaned\n" {
		t.Errorf("mmdebstrap left %q (%v), want it to have cleaned up", data, err)
	}
}
