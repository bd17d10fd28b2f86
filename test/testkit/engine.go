package testkit

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// engine opens the Docker Engine and closes it with the test.
func engine(t testing.TB) *docker.Client {
	t.Helper()
	c, err := docker.Open(context.Background(), "")
	if err != nil {
		t.Fatalf("these tests need Docker: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Inventory lists what is on the engine, one "kind name" each: every container, network, volume and image tag, labelled
// or not, but viot's caches of third-party software and what carries the label of another stack than the given one.
func Inventory(t testing.TB, stack string) []string {
	t.Helper()
	c, ctx := engine(t), context.Background()
	var all []string
	add := func(kind, name string, labels map[string]string) {
		if owner, ok := labels[spec.LabelStack]; !ok || owner == stack {
			all = append(all, kind+" "+name)
		}
	}
	containers, err := c.ListContainers(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range containers {
		add("container", v.Name, v.Labels)
	}
	networks, err := c.ListNetworks(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range networks {
		add("network", v.Name, v.Labels)
	}
	volumes, err := c.ListVolumes(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes {
		add("volume", v.Name, v.Labels)
	}
	images, err := c.ListImages(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range images {
		for _, tag := range v.Tags {
			if name, _, _ := strings.Cut(tag, ":"); !slices.Contains(caches, name) {
				add("image", tag, v.Labels)
			}
		}
	}
	slices.Sort(all)
	return all
}

// RemoveImage removes an image by its reference.
func RemoveImage(t testing.TB, reference string) {
	t.Helper()
	if err := engine(t).RemoveImage(context.Background(), reference); err != nil {
		t.Error(err)
	}
}

// caches are the local images of third-party software, kept between stacks.
var caches = []string{"viot-base", "viot-consul", "viot-haproxy", "viot-postgres", "viot-prometheus"}

// RemoveCaches removes the locally built images of third-party software; the next stack builds them again.
func RemoveCaches(t testing.TB) {
	t.Helper()
	c, ctx := engine(t), context.Background()
	for _, name := range caches {
		images, err := c.ListImages(ctx, name+":*")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range images {
			for _, tag := range v.Tags {
				if err := c.RemoveImage(ctx, tag); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Compare tells how two inventories differ, a line each; empty when they are the same.
func Compare(before, after []string) string {
	var diff strings.Builder
	for _, v := range before {
		if !slices.Contains(after, v) {
			fmt.Fprintln(&diff, "gone:", v)
		}
	}
	for _, v := range after {
		if !slices.Contains(before, v) {
			fmt.Fprintln(&diff, "new: ", v)
		}
	}
	return diff.String()
}

// Sweep removes by force everything that carries the stack's label and returns what that was.
func Sweep(t testing.TB, stack string) []string {
	t.Helper()
	c, ctx := engine(t), context.Background()
	label := map[string]string{spec.LabelStack: stack}
	var removed []string
	try := func(what string, err error) {
		removed = append(removed, what)
		if err != nil {
			t.Errorf("clean up %s: %v", what, err)
		}
	}
	containers, err := c.ListContainers(ctx, label)
	if err != nil {
		t.Error(err)
	}
	for _, v := range containers {
		try("container "+v.Name, c.RemoveContainer(ctx, v.ID))
	}
	networks, err := c.ListNetworks(ctx, label)
	if err != nil {
		t.Error(err)
	}
	for _, v := range networks {
		try("network "+v.Name, c.RemoveNetwork(ctx, v.ID))
	}
	volumes, err := c.ListVolumes(ctx, label)
	if err != nil {
		t.Error(err)
	}
	for _, v := range volumes {
		try("volume "+v.Name, c.RemoveVolume(ctx, v.Name))
	}
	images, err := c.ListImages(ctx, "viot-"+stack+"/*")
	if err != nil {
		t.Error(err)
	}
	for _, v := range images {
		for _, tag := range v.Tags {
			if strings.HasPrefix(tag, "viot-"+stack+"/") {
				try("image "+tag, c.RemoveImage(ctx, tag))
			}
		}
	}
	return removed
}

// logs prints the last lines of every container of a stack, for a test that failed.
func logs(t testing.TB, stack string) {
	t.Helper()
	c, ctx := engine(t), context.Background()
	containers, err := c.ListContainers(ctx, map[string]string{spec.LabelStack: stack})
	if err != nil {
		t.Log(err)
		return
	}
	for _, v := range containers {
		lines, err := c.Logs(ctx, v.ID, 60)
		t.Logf("%s, %s:\n%s (%v)", v.Name, v.State, strings.Join(lines, "\n"), err)
	}
}

// Instances are the names of a pool's running instances, sorted.
func Instances(t testing.TB, stack, pool string) []string {
	t.Helper()
	var names []string
	for _, c := range instances(t, stack, pool) {
		names = append(names, c.Name)
	}
	return names
}

// Templates are the hashes of the templates that a pool's running instances were started from, sorted.
func Templates(t testing.TB, stack, pool string) []string {
	t.Helper()
	var hashes []string
	for _, c := range instances(t, stack, pool) {
		hashes = append(hashes, c.Labels[spec.LabelTemplate])
	}
	slices.Sort(hashes)
	return hashes
}

func instances(t testing.TB, stack, pool string) []docker.Container {
	t.Helper()
	all, err := engine(t).ListContainers(context.Background(),
		map[string]string{spec.LabelStack: stack, spec.LabelRole: spec.RoleInstance, spec.LabelPool: pool})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(c docker.Container) bool { return c.State != docker.Running })
}

// Crash ends the main process of every container of a role as a crash would, so that restart policies apply:
// unlike docker kill, which counts as a wish of the operator.
func Crash(t testing.TB, role, stack string) {
	t.Helper()
	all, err := engine(t).ListContainers(context.Background(), map[string]string{spec.LabelStack: stack, spec.LabelRole: role})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("stack %s has no container of role %s to crash", stack, role)
	}
	for _, c := range all {
		CrashContainer(t, c.Name)
	}
}

// CrashContainer kills the main process of one container from outside the engine.
func CrashContainer(t testing.TB, name string) {
	t.Helper()
	signal(t, name, syscall.SIGKILL)
}

// HangContainer stops the main process of one container from outside the engine, which does not know: connections to it are
// accepted and nothing is answered.
func HangContainer(t testing.TB, name string) {
	t.Helper()
	signal(t, name, syscall.SIGSTOP)
}

func signal(t testing.TB, name string, s syscall.Signal) {
	t.Helper()
	process, running := mainProcess(t, name)
	if !running {
		return
	}
	if err := syscall.Kill(process, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("send %v to process %d of %s: %v (run the tests as root)", s, process, name, err)
	}
}

// mainProcess is the process of a container that the engine started, unless it is dead already, or between two lives.
func mainProcess(t testing.TB, name string) (process int, running bool) {
	t.Helper()
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	c, err := api.ContainerInspect(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c.State.Pid, c.State.Running && c.State.Pid > 0 // process 0 would be the test's own group
}

// Publish moves an image from the engine to a registry of its own, on a loopback address, that ends with the test, and returns the
// reference by which it can be pulled. The caller removes what was pulled by RemoveImage.
func Publish(t testing.TB, name string) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	reference := strings.TrimPrefix(server.URL, "http://") + "/" + strings.ReplaceAll(name, "/", "-")
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	ctx := context.Background()
	if err := api.ImageTag(ctx, name, reference); err != nil {
		t.Fatalf("publish image %s: %v", name, err)
	}
	progress, err := api.ImagePush(ctx, reference, image.PushOptions{RegistryAuth: "e30="}) // no credentials: {}
	if err != nil {
		t.Fatalf("publish image %s: %v", name, err)
	}
	defer progress.Close()
	for said := json.NewDecoder(progress); ; {
		var message struct{ Error string }
		if err := said.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil || message.Error != "" {
			t.Fatalf("publish image %s: %s (%v)", name, message.Error, err)
		}
	}
	for _, r := range []string{reference, name} {
		RemoveImage(t, r)
	}
	if _, err := engine(t).InspectImage(ctx, reference); !errors.Is(err, docker.ErrNotFound) {
		t.Fatalf("image %s is still on the engine (%v)", reference, err)
	}
	return reference
}

// DeriveImage builds an image that differs from the one a pool runs, as the next version would, and returns its
// reference. The caller removes it by RemoveImage.
func DeriveImage(t testing.TB, stack, pool string) string {
	t.Helper()
	running := instances(t, stack, pool)
	if len(running) == 0 {
		t.Fatalf("pool %s has no running instance to derive an image from", pool)
	}
	dockerfile := fmt.Sprintf("FROM %s\nENV VIOT_BUILD=%s\n", running[0].Image, randomHex(4))
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))})
	if err == nil {
		_, err = io.WriteString(w, dockerfile)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	tag := "viot-" + stack + "/next:" + randomHex(4)
	if _, err := engine(t).BuildImage(context.Background(), docker.BuildSpec{Context: &tarball, Tags: []string{tag}}, nil); err != nil {
		t.Fatal(err)
	}
	return tag
}
