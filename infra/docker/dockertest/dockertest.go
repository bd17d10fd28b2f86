// Package dockertest gives tests a real Docker Engine: a stack name of their own, under which everything they make is
// labelled and removed, and a small program to run in containers.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// cleanTimeout bounds the removal of what a test made.
const cleanTimeout = time.Minute

// Open returns a client of this machine's engine and a stack name that only this test uses. When the test ends, every
// container, network, volume and untagged image labelled with the stack is removed, and every image tagged viot-<stack>/….
func Open(t *testing.T) (engine *docker.Client, stack string) {
	t.Helper()
	engine, err := docker.Open(t.Context(), "")
	if err != nil {
		t.Fatalf("this test needs Docker: %v", err)
	}
	stack = "t-" + strings.ToLower(rand.Text()[:10])
	t.Cleanup(func() {
		Clean(t, engine, stack)
		engine.Close()
	})
	return engine, stack
}

// Clean removes everything labelled with the stack.
func Clean(t *testing.T, engine *docker.Client, stack string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	labels := map[string]string{spec.LabelStack: stack}
	report := func(err error) {
		if err != nil {
			t.Errorf("clean up after the test: %v", err)
		}
	}
	containers, err := engine.ListContainers(ctx, labels)
	report(err)
	for _, c := range containers {
		report(engine.RemoveContainer(ctx, c.ID))
	}
	networks, err := engine.ListNetworks(ctx, labels)
	report(err)
	for _, n := range networks {
		report(engine.RemoveNetwork(ctx, n.ID))
	}
	volumes, err := engine.ListVolumes(ctx, labels)
	report(err)
	for _, v := range volumes {
		report(engine.RemoveVolume(ctx, v.Name))
	}
	images, err := engine.ListImages(ctx, "viot-"+stack+"/*")
	report(err)
	for _, i := range images {
		for _, tag := range i.Tags {
			report(engine.RemoveImage(ctx, tag))
		}
	}
	report(engine.RemoveDangling(ctx, labels)) // of builds that failed
}

// program is the probe program, compiled once.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "viot-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "probe"), ".")
	build.Dir = filepath.Join(filepath.Dir(file), "probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the probe program: %w\n%s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "probe"))
})

// Probe makes an image of the probe program for the stack, once, and returns its reference. Its entrypoint is /probe.
func Probe(t *testing.T, engine *docker.Client, stack string) string {
	t.Helper()
	reference := "viot-" + stack + "/probe:1"
	if _, err := engine.InspectImage(t.Context(), reference); err == nil {
		return reference
	}
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	rootfs := Tar(t, docker.File{Path: "probe", Content: binary, Mode: 0o755})
	if err := engine.ImportImage(t.Context(), rootfs, reference, `ENTRYPOINT ["/probe"]`, "ENV PATH=/"); err != nil {
		t.Fatal(err)
	}
	return reference
}

// Tar packs files.
func Tar(t *testing.T, files ...docker.File) *bytes.Buffer {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		if err := w.WriteHeader(&tar.Header{Name: f.Path, Mode: mode, Size: int64(len(f.Content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.Content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}
