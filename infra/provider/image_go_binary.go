package provider

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/viot-project/viot/infra/docker"
)

// goFlags make a build static, small and the same on every machine.
var goFlags = []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

var imageNameRE = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

func examineGoBinary(found *problems, g GoBinary) {
	if !imageNameRE.MatchString(g.Name) {
		found.add("goBinary.name", "%q: want lower-case letters and digits, with single dots, dashes and underscores between them", g.Name)
	}
	if info, err := os.Stat(filepath.Join(g.Dir, "go.mod")); err != nil || info.IsDir() {
		found.add("goBinary.dir", "%q: want the directory of a Go module, one with a go.mod", g.Dir)
	}
	if g.Package == "" || strings.HasPrefix(g.Package, "-") || strings.Contains(g.Package, "...") {
		found.add("goBinary.package", "%q: want one package, such as ./cmd/server", g.Package)
	}
	for _, target := range slices.Sorted(maps.Keys(g.Files)) {
		found.absolute("goBinary.files", target)
		if info, err := os.Stat(g.path(g.Files[target])); err != nil || !info.Mode().IsRegular() {
			found.add("goBinary.files", "%q: there is no such file", g.Files[target])
		}
	}
	for k := range g.Env {
		if !envNameRE.MatchString(k) {
			found.add("goBinary.env", "%q cannot name a variable", k)
		}
	}
	if !userRE.MatchString(g.User) {
		found.add("goBinary.user", "%q: want uid[:gid]", g.User)
	}
}

// path is where a file of g is on this machine.
func (g GoBinary) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(g.Dir, name)
}

// reference names the image by the hash of what goes into it, without building anything: the toolchain and its flags,
// the main module's files that the program is compiled from, the versions of the modules it uses, and the image's
// own settings.
func (g GoBinary) reference(ctx context.Context, stack string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", g.dockerfile(stack), goFlags)
	for _, target := range slices.Sorted(maps.Keys(g.Files)) {
		if err := hashFile(h, target, g.path(g.Files[target])); err != nil {
			return "", fmt.Errorf("hash the files of image %s: %w", g.Name, err)
		}
	}
	if err := g.hashSources(ctx, h); err != nil {
		return "", fmt.Errorf("hash the sources of image %s: %w", g.Name, err)
	}
	return "viot-" + stack + "/" + g.Name + ":" + hex.EncodeToString(h.Sum(nil))[:12], nil
}

// goPackage is what go list says about a package.
type goPackage struct {
	Dir        string
	ImportPath string
	Standard   bool
	GoFiles    []string
	SFiles     []string
	EmbedFiles []string
	Module     *struct {
		Path, Version, GoVersion string
		Main                     bool
		Replace                  *struct{ Path, Version string }
	}
}

// local says whether the package's files can change without its version changing.
func (k goPackage) local() bool {
	return k.Module == nil || k.Module.Main || k.Module.Replace != nil && k.Module.Replace.Version == ""
}

func (g GoBinary) hashSources(ctx context.Context, h hash.Hash) error {
	version, err := g.goTool(ctx, "env", "GOVERSION", "GOARCH")
	if err != nil {
		return err
	}
	h.Write(version)
	list, err := g.goTool(ctx, "list", "-deps", "-json=Dir,ImportPath,Standard,GoFiles,SFiles,EmbedFiles,Module", g.Package)
	if err != nil {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(list)); ; {
		var k goPackage
		if err := dec.Decode(&k); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read go list: %w", err)
		}
		if k.Standard {
			continue
		}
		fmt.Fprintln(h, k.ImportPath)
		if k.Module != nil {
			fmt.Fprintln(h, k.Module.Path, k.Module.Version, k.Module.GoVersion, k.Module.Replace)
		}
		if !k.local() {
			continue
		}
		for _, name := range slices.Concat(k.GoFiles, k.SFiles, k.EmbedFiles) {
			if err := hashFile(h, name, filepath.Join(k.Dir, name)); err != nil {
				return err
			}
		}
	}
}

func hashFile(h hash.Hash, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%s %d\n", name, info.Size())
	_, err = io.Copy(h, f)
	return err
}

// goTool runs the go command for the image's platform in the module's directory and returns its output.
func (g GoBinary) goTool(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	return runTool(ctx, cmd)
}

// runTool runs a command and returns its output; its error ends with what the command complained of.
func runTool(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: install Go", err)
	}
	text := strings.TrimSpace(stderr.String())
	if strings.Contains(text, "no space left on device") {
		text += fmt.Sprintf("\nmake room in %s and where `go env GOCACHE` says", os.TempDir())
	}
	return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), cmd.Args[1], err, text)
}

// labelTitle tells the images of one stack apart, also those that a build leaves half made.
const labelTitle = "org.opencontainers.image.title"

// labels are those of the image and of every layer of its build.
func (g GoBinary) labels(stack string) map[string]string {
	return ourLabels(stack, "", map[string]string{labelTitle: g.Name})
}

// dockerfile describes the image; its context is a folder rootfs.
func (g GoBinary) dockerfile(stack string) string {
	var b strings.Builder
	b.WriteString("FROM scratch\n")
	labels := g.labels(stack)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "LABEL %s=%s\n", k, quoted(labels[k]))
	}
	b.WriteString("COPY rootfs /\nENV PATH=/bin\n")
	for _, k := range slices.Sorted(maps.Keys(g.Env)) {
		fmt.Fprintf(&b, "ENV %s=%s\n", k, quoted(g.Env[k]))
	}
	fmt.Fprintf(&b, "USER %s\n", g.User)
	if g.StopSignal != "" {
		fmt.Fprintf(&b, "STOPSIGNAL %s\n", g.StopSignal)
	}
	entrypoint := g.Entrypoint
	if len(entrypoint) == 0 {
		entrypoint = []string{"/bin/" + g.Name}
	}
	text, _ := json.Marshal(entrypoint) // strings always marshal
	fmt.Fprintf(&b, "ENTRYPOINT %s\n", text)
	return b.String()
}

// quoted writes a value as a Dockerfile takes it, with nothing in it expanded.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\`+"\n").Replace(value) + `"`
}

// build compiles the program and makes the image.
func (g GoBinary) build(ctx context.Context, stack, reference string) error {
	log := p.GetLogger(ctx)
	log.InfoStatusf("compiling %s", g.Name)
	dir, err := os.MkdirTemp("", "viot-build-")
	if err != nil {
		return fmt.Errorf("build image %s: %w", reference, err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, g.Name)
	if _, err := g.goTool(ctx, slices.Concat([]string{"build"}, goFlags, []string{"-o", binary, g.Package})...); err != nil {
		return fmt.Errorf("compile image %s: %w", g.Name, err)
	}
	now, err := g.reference(ctx, stack)
	if err != nil {
		return err
	}
	if now != reference {
		return fmt.Errorf("build image %s: its sources changed while it was compiled: update again", reference)
	}
	archive, err := g.context(stack, binary)
	if err != nil {
		return fmt.Errorf("pack image %s: %w", reference, err)
	}
	log.InfoStatusf("building %s", reference)
	if _, err := engine(ctx).BuildImage(ctx, docker.BuildSpec{Context: archive, Tags: []string{reference}}, nil); err != nil {
		ctx, cancel := uncancelled(ctx)
		defer cancel()
		return errors.Join(err, engine(ctx).RemoveDangling(ctx, g.labels(stack)))
	}
	return nil
}

// context packs what the image is built from.
func (g GoBinary) context(stack, binary string) (io.Reader, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, mode int64, content []byte) error {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	err = errors.Join(add("Dockerfile", 0o644, []byte(g.dockerfile(stack))), add("rootfs/bin/"+g.Name, 0o755, program))
	for _, target := range slices.Sorted(maps.Keys(g.Files)) {
		content, readErr := os.ReadFile(g.path(g.Files[target]))
		err = errors.Join(err, readErr, add("rootfs"+target, 0o644, content))
	}
	return &archive, errors.Join(err, w.Close())
}
