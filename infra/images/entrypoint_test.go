package images

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// database runs the entrypoint of PostgreSQL's image with stand-ins for its programs on PATH.
type database struct {
	t    *testing.T
	bin  string
	data string
}

func newDatabase(t *testing.T) database {
	t.Helper()
	d := database{t: t, bin: t.TempDir(), data: filepath.Join(t.TempDir(), "data")}
	d.program("initdb", `set -e
for a; do [ "$prev" = -D ] && dir=$a; prev=$a; echo "$a"; done >"$0.args"
cat >"$0.password"
mkdir "$dir"
echo 15 >"$dir/PG_VERSION"
echo local >"$dir/pg_hba.conf"
mkdir "$dir/base" "$dir/global"
echo rows >"$dir/base/1"
`)
	d.program("postgres", `
[ "$1" = --single ] && { cat >>"$0.sql"; exit; }
echo "serving $*"
`)
	return d
}

func (d database) program(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

// start runs the entrypoint with extra environment and returns what it printed.
func (d database) start(args []string, env ...string) (string, error) {
	cmd := exec.CommandContext(d.t.Context(), "sh", append([]string{"contexts/postgres/entrypoint"}, args...)...)
	cmd.Env = append([]string{"PATH=" + d.bin + ":/usr/bin:/bin", "PGDATA=" + d.data}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// left returns a file that a stand-in wrote, or nothing.
func (d database) left(name string) string {
	data, err := os.ReadFile(filepath.Join(d.bin, name))
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	return string(data)
}

// cluster lists the files below the data folder with their text.
func (d database) cluster() string {
	d.t.Helper()
	out, err := exec.CommandContext(d.t.Context(), "sh", "-c",
		`cd "$1" && find . -type f | sort | while read -r f; do echo "$f: $(tr '\n' ';' <"$f")"; done`, "sh", d.data).Output()
	if err != nil {
		d.t.Fatal(err)
	}
	return string(out)
}

const wholeCluster = "./PG_VERSION: 15;\n./base/1: rows;\n./pg_hba.conf: local;host all all all scram-sha-256;\n"

func TestEntrypointInitialises(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("pa ss\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, wantArg, wantPassword, wantSQL string
		env                                  []string
	}{
		{"defaults", "--username=postgres", "pw\n", "", []string{"POSTGRES_PASSWORD=pw"}},
		{"password file", "--username=postgres", "pa ss\n", "", []string{"POSTGRES_PASSWORD_FILE=" + secret}},
		{"user is the database too", "--username=cse", "pw\n", "CREATE DATABASE \"cse\"\n",
			[]string{"POSTGRES_PASSWORD=pw", "POSTGRES_USER=cse"}},
		{"database", "--username=cse", "pw\n", "CREATE DATABASE \"one m2m\"\n",
			[]string{"POSTGRES_PASSWORD=pw", "POSTGRES_USER=cse", "POSTGRES_DB=one m2m"}},
		{"arguments", "--data-checksums", "pw\n", "",
			[]string{"POSTGRES_PASSWORD=pw", "POSTGRES_INITDB_ARGS=--data-checksums --no-sync"}},
	} {
		d := newDatabase(t)
		out, err := d.start([]string{"postgres", "-c", "port=1"}, tt.env...)
		if want := "serving -c port=1\n"; err != nil || out != want {
			t.Errorf("%s: got error %v and %q, want %q", tt.name, err, out, want)
		}
		if got := d.left("initdb.args"); !strings.Contains(got, tt.wantArg+"\n") {
			t.Errorf("%s: initdb ran with %q, want %s", tt.name, got, tt.wantArg)
		}
		if got := d.left("initdb.password"); got != tt.wantPassword {
			t.Errorf("%s: password %q, want %q", tt.name, got, tt.wantPassword)
		}
		if got := d.left("postgres.sql"); got != tt.wantSQL {
			t.Errorf("%s: ran %q, want %q", tt.name, got, tt.wantSQL)
		}
		if got := d.cluster(); got != wholeCluster {
			t.Errorf("%s: cluster is\n%swant\n%s", tt.name, got, wholeCluster)
		}
	}
}

// TestEntrypointSurvivesAnyInterruption fails the first start at its nth program, for every n there is. The next
// start has to leave a whole cluster, and the one after that has to leave it alone.
func TestEntrypointSurvivesAnyInterruption(t *testing.T) {
	t.Parallel()
	env := []string{"POSTGRES_PASSWORD=pw", "POSTGRES_DB=onem2m"}
	for n := 1; ; n++ {
		d := newDatabase(t)
		for _, name := range []string{"chmod", "mkdir", "mv", "rm"} {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Fatal(err)
			}
			d.program(name, fmt.Sprintf(`
echo >>%[1]q
[ "$(wc -l <%[1]q)" != %[2]d ] || exit 137
exec %[3]s "$@"
`, filepath.Join(d.bin, "calls"), n, path))
		}
		_, err := d.start([]string{"postgres"}, env...)
		if err == nil {
			if n < 8 {
				t.Fatalf("the first start made %d calls, want at least 8 to interrupt", n-1)
			}
			return
		}
		for range 2 {
			if out, err := d.start([]string{"postgres"}, env...); err != nil {
				t.Fatalf("interrupted at call %d: next start: %v\n%s", n, err, out)
			}
			if got := d.cluster(); got != wholeCluster {
				t.Fatalf("interrupted at call %d: cluster is\n%swant\n%s", n, got, wholeCluster)
			}
		}
	}
}

func TestEntrypointRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		env        []string
	}{
		{"no password", "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE to initialise", nil},
		{"unreadable password", "POSTGRES_PASSWORD_FILE must be readable by uid 999", []string{"POSTGRES_PASSWORD_FILE=/nowhere"}},
		{"quote in the database", "POSTGRES_DB must not contain a double quote", []string{"POSTGRES_PASSWORD=pw", `POSTGRES_DB=a"b`}},
	} {
		d := newDatabase(t)
		out, err := d.start([]string{"postgres"}, tt.env...)
		if err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: got error %v and %q, want %q", tt.name, err, out, tt.want)
		}
		if got := d.cluster(); got != "" {
			t.Errorf("%s: left %q, want nothing", tt.name, got)
		}
	}
}

func TestEntrypointCommands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args    []string
		want    string
		cluster string
	}{
		{[]string{"-c", "port=1"}, "serving -c port=1\n", wholeCluster},
		{[]string{"echo", "hello"}, "hello\n", ""},
	} {
		d := newDatabase(t)
		if err := os.Mkdir(d.data, 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := d.start(tt.args, "POSTGRES_PASSWORD=pw")
		if err != nil || out != tt.want {
			t.Errorf("%q: got error %v and %q, want %q", tt.args, err, out, tt.want)
		}
		if got := d.cluster(); got != tt.cluster {
			t.Errorf("%q: cluster is %q, want %q", tt.args, got, tt.cluster)
		}
	}
}
