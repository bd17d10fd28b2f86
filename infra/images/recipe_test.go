package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, r := range recipes {
		got, err := Lookup(r.Name)
		if err != nil || got.Name != r.Name {
			t.Errorf("Lookup(%q) = %q, %v", r.Name, got.Name, err)
		}
	}
	_, err := Lookup("redis")
	if want := `no image recipe "redis": there are consul, haproxy, postgres, prometheus`; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

// contents returns the files of r's build context by name.
func contents(t *testing.T, r Recipe) map[string]string {
	t.Helper()
	files := map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(archive(t, r))); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode != 0o755 || !header.ModTime.IsZero() && header.ModTime.Unix() != 0 {
			t.Errorf("%s/%s has mode %o and time %v, want 755 and none", r.Name, header.Name, header.Mode, header.ModTime)
		}
		files[header.Name] = string(data)
	}
}

func archive(t *testing.T, r Recipe) []byte {
	t.Helper()
	program := ""
	if r.Binary != nil {
		program = filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, []byte("machine code"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := r.Tar(&b, program); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTar(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"consul":     {"Dockerfile", "consul"},
		"haproxy":    {"Dockerfile"},
		"postgres":   {"Dockerfile", "entrypoint"},
		"prometheus": {"Dockerfile"},
	}
	for _, r := range recipes {
		var names []string
		for name := range contents(t, r) {
			names = append(names, name)
		}
		slices.Sort(names)
		if !slices.Equal(names, want[r.Name]) {
			t.Errorf("%s: context holds %q, want %q", r.Name, names, want[r.Name])
		}
		if first, second := sha256.Sum256(archive(t, r)), sha256.Sum256(archive(t, r)); first != second {
			t.Errorf("%s: two archives differ: %x and %x", r.Name, first, second)
		}
	}
}

func TestTarWantsTheBinaryOfTheRecipe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ recipe, binary string }{{"consul", ""}, {"haproxy", "/bin/true"}, {"consul", "/nowhere"}} {
		r, err := Lookup(tt.recipe)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Tar(io.Discard, tt.binary); err == nil || !strings.Contains(err.Error(), "build context of "+tt.recipe) {
			t.Errorf("Tar of %s with binary %q: got error %v, want one", tt.recipe, tt.binary, err)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, r := range recipes {
		digest := r.Digest()
		if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(digest) {
			t.Errorf("%s: digest %q, want 12 hexadecimal digits", r.Name, digest)
		}
		if digest != r.Digest() {
			t.Errorf("%s: two digests differ", r.Name)
		}
		if want := "viot-" + r.Name + ":" + digest; r.Image() != want {
			t.Errorf("%s: image %q, want %q", r.Name, r.Image(), want)
		}
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s have the same digest", r.Name, other)
		}
		seen[digest] = r.Name
	}
	consul, err := Lookup("consul")
	if err != nil {
		t.Fatal(err)
	}
	newer := consul
	newer.Version = "1.19.3"
	if consul.Digest() == newer.Digest() {
		t.Error("two versions of a binary have the same digest")
	}
	if got := BaseImage(); !regexp.MustCompile(`^viot-base:[0-9a-f]{12}$`).MatchString(got) || got != BaseImage() {
		t.Errorf("base image %q, want viot-base with a stable digest", got)
	}
}

// TestDockerfiles checks what other parts rely on: which base a build takes, and that its images can be told apart.
func TestDockerfiles(t *testing.T) {
	t.Parallel()
	for _, r := range recipes {
		dockerfile := contents(t, r)["Dockerfile"]
		if got := strings.Contains(dockerfile, "\nARG BASE=debian:"+baseRelease+"-slim\nFROM ${BASE} AS "); got != r.NeedsBase {
			t.Errorf("%s: Dockerfile takes BASE: %t, want %t", r.Name, got, r.NeedsBase)
		}
		// Every stage but the last is labelled, so that its image can be found and removed.
		stages := regexp.MustCompile(`(?m)^FROM .*\n.*$`).FindAllString(dockerfile, -1)
		for _, stage := range stages[:len(stages)-1] {
			if !strings.HasSuffix(stage, "\nLABEL "+BuildStageLabel) {
				t.Errorf("%s: stage %q is not labelled %s", r.Name, stage, BuildStageLabel)
			}
		}
		last := stages[len(stages)-1]
		if len(stages) < 2 || !strings.HasPrefix(last, "FROM scratch\n") {
			t.Errorf("%s: last stage is %q, want FROM scratch", r.Name, last)
		}
		if user := regexp.MustCompile(`(?m)^USER ([0-9]+):[0-9]+$`).FindStringSubmatch(dockerfile); user == nil || user[1] == "0" {
			t.Errorf("%s: image runs as %q, want a number that is not root's", r.Name, user)
		}
		for name := range contents(t, r) {
			if name != "Dockerfile" && !regexp.MustCompile(`(?m)^COPY `+name+` `).MatchString(dockerfile) {
				t.Errorf("%s: Dockerfile does not use %s", r.Name, name)
			}
		}
	}
}

func TestBinaryIsPinnedByItsModule(t *testing.T) {
	t.Parallel()
	for _, r := range recipes {
		if r.Binary == nil {
			continue
		}
		module, err := os.ReadFile(filepath.Join("../..", r.Binary.Module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s v%s", r.Binary.Package, r.Version); !strings.Contains(string(module), want) {
			t.Errorf("%s/go.mod does not require %s", r.Binary.Module, want)
		}
		cmd, err := r.Binary.Command(t.Context(), "/repo", "/out/"+r.Binary.Name)
		if err != nil {
			t.Fatal(err)
		}
		if want := "/repo/" + r.Binary.Module; cmd.Dir != want || !slices.Contains(cmd.Env, "CGO_ENABLED=0") {
			t.Errorf("compiles in %s, want %s without cgo", cmd.Dir, want)
		}
	}
}
