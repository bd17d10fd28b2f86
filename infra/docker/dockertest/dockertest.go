// Package dockertest gives tests a real Docker Engine: a stack name of their own, under which everything they make is
// labelled and removed, and a small program to run in containers.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
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

// ProbeImage is the image of the probe program, which Open builds. Its entrypoint is /probe.
const ProbeImage = "viot-test/probe:1"

// cleanTimeout bounds the removal of what a test made.
const cleanTimeout = time.Minute

// Open returns a client of this machine's engine and a stack name that only this test uses. When the test ends, every
// container, network and volume labelled with the stack is removed, and every image tagged viot-<stack>/….
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
}

var buildOnce sync.Once

// Probe makes sure that ProbeImage exists and is current, and returns its name.
func Probe(t *testing.T, engine *docker.Client) string {
	t.Helper()
	buildOnce.Do(func() {
		binary := filepath.Join(t.TempDir(), "probe")
		_, file, _, _ := runtime.Caller(0)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
		build.Dir = filepath.Join(filepath.Dir(file), "probe")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the probe program: %v\n%s", err, out)
		}
		program, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		files := []docker.File{
			{Path: "Dockerfile", Content: []byte("FROM scratch\nCOPY probe /probe\nENV PATH=/\nENTRYPOINT [\"/probe\"]\n")},
			{Path: "probe", Content: program, Mode: 0o755},
		}
		if _, err := engine.BuildImage(t.Context(), docker.BuildSpec{Context: Tar(t, files...), Tags: []string{ProbeImage}}, nil); err != nil {
			t.Fatal(err)
		}
	})
	return ProbeImage
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
