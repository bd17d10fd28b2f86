package docker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/spec"
)

func TestContainerLife(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	ctx := t.Context()
	image := dockertest.Probe(t, engine, stack)
	labels := map[string]string{spec.LabelStack: stack}
	network := "viot-" + stack
	if _, err := engine.CreateNetwork(ctx, docker.NetworkSpec{Name: network, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	if err := engine.CreateVolume(ctx, network+"-data", labels); err != nil {
		t.Fatal(err)
	}
	wanted := docker.ContainerSpec{
		Name: network + "-a", Image: image, Command: []string{"-listen", ":8080", "-say", "hello"},
		Env: map[string]string{"GREETING": "good = morning"}, Labels: labels, User: "65534:65534",
		Network: network, Aliases: []string{"probe"},
		Ports:  []docker.Port{{HostAddress: "127.0.0.1", ContainerPort: 8080}},
		Mounts: []docker.Mount{{Volume: network + "-data", Target: "/data"}},
		Tmpfs:  map[string]string{"/scratch": "size=1m"},
		Files: []docker.File{
			{Path: "/etc/deep/down/config", Content: []byte("of the image"), Mode: 0o440, UID: 65534, GID: 65534},
			{Path: "/data/config", Content: []byte("of the volume")},
		},
		CapDrop: []string{"ALL"}, CPUs: 0.5, MemoryBytes: 64 << 20, StopGrace: 1500 * time.Millisecond, Restart: docker.RestartOnFailure,
	}
	id, err := engine.CreateContainer(ctx, wanted)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := engine.StartContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
	}

	got, err := engine.InspectContainer(ctx, wanted.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != docker.Running || got.ID != id || got.IPs[network] == "" || !slices.Equal(got.Networks, []string{network}) || got.StartedAt.IsZero() || !got.FinishedAt.IsZero() {
		t.Errorf("got %+v, want it running with an address", got)
	}
	if len(got.Ports) != 1 || got.Ports[0].HostPort == 0 || got.Ports[0].HostAddress != "127.0.0.1" {
		t.Errorf("got ports %+v, want one on 127.0.0.1 with a number", got.Ports)
	}
	want := wanted
	want.Files = nil
	want.Entrypoint = []string{"/probe"} // from the image
	want.Env = map[string]string{"GREETING": "good = morning", "PATH": "/"}
	want.StopGrace = 2 * time.Second // whole seconds
	if got, want := fmt.Sprintf("%+v", got.Spec), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("got spec  %s\nwant spec %s", got, want)
	}
	list, err := engine.ListContainers(ctx, labels)
	if err != nil || len(list) != 1 || list[0].Name != wanted.Name || list[0].IPs[network] != got.IPs[network] || list[0].State != docker.Running || !maps.Equal(list[0].Labels, labels) || !slices.Equal(list[0].Ports, got.Ports) {
		t.Errorf("got list %+v (%v), want the container as inspected", list, err)
	}

	for path, want := range map[string]string{
		"/etc/deep/down/config": "440 65534:65534 of the image",
		"/data/config":          "644 0:0 of the volume",
	} {
		code, out := until(t, engine, id, "/file?path="+path)
		if code != 0 || out != want {
			t.Errorf("got %s = %q (exit %d), want %q", path, out, code, want)
		}
	}
	if code, _ := exec(t, engine, id, "/nowhere?"); code != 0 {
		t.Errorf("got exit %d of a command that succeeds, want 0", code)
	}
	if code, _ := exec(t, engine, id, "/file?path=/none"); code != 1 {
		t.Errorf("got exit %d of a command that fails, want 1", code)
	}

	for _, limits := range []struct {
		cpus   float64
		memory int64
	}{{0, 0}, {0.25, 32 << 20}, {0.01, 32 << 20}, {0.29, 32 << 20}, {1.5, 128 << 20}} {
		if err := engine.UpdateContainer(ctx, id, limits.cpus, limits.memory, docker.RestartNo); err != nil {
			t.Fatal(err)
		}
		now, err := engine.InspectContainer(ctx, id)
		if err != nil || now.Spec.CPUs != limits.cpus || now.Spec.MemoryBytes != limits.memory || now.Spec.Restart != docker.RestartNo {
			t.Errorf("got limits %v, %d, %s (%v), want %+v", now.Spec.CPUs, now.Spec.MemoryBytes, now.Spec.Restart, err, limits)
		}
	}

	for range 2 {
		if err := engine.PauseContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := engine.InspectContainer(ctx, id); err != nil || now.State != docker.Paused {
		t.Errorf("got state %s (%v), want paused", now.State, err)
	}
	for range 2 {
		if err := engine.UnpauseContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.RenameContainer(ctx, id, network+"-b"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := engine.StopContainer(ctx, network+"-b", 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	now, err := engine.InspectContainer(ctx, id)
	if err != nil || now.State != docker.Exited || now.ExitCode != 0 || now.FinishedAt.IsZero() {
		t.Errorf("got %s with exit code %d (%v), want exited with 0", now.State, now.ExitCode, err)
	}
	if lines, err := engine.Logs(ctx, id, 1); err != nil || !slices.Equal(lines, []string{"bye"}) {
		t.Errorf("got last line %q (%v), want bye", lines, err)
	}
	if err := engine.RemoveNetwork(ctx, network); err != nil {
		t.Errorf("remove a network nothing runs in: %v", err)
	}
	if err := engine.RemoveVolume(ctx, network+"-data"); !errors.Is(err, docker.ErrInUse) || !strings.Contains(err.Error(), network+"-b") {
		t.Errorf("got %v, want an ErrInUse that names %s-b", err, network)
	}
	for range 2 {
		if err := engine.RemoveContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := engine.RemoveVolume(ctx, network+"-data"); err != nil {
			t.Fatal(err)
		}
		if err := engine.RemoveNetwork(ctx, network); err != nil {
			t.Fatal(err)
		}
	}
}

// until repeats exec while the program is not up yet.
func until(t *testing.T, engine *docker.Client, id, path string) (int, string) {
	t.Helper()
	for {
		code, out := exec(t, engine, id, path)
		if !strings.Contains(out, "connection refused") || t.Context().Err() != nil {
			return code, out
		}
	}
}

// exec asks the probe program in a container from within.
func exec(t *testing.T, engine *docker.Client, id, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, out, err := engine.Exec(ctx, id, []string{"/probe", "-check", "http://127.0.0.1:8080" + path})
	if err != nil {
		t.Fatal(err)
	}
	return code, out
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	ctx := t.Context()
	labels := map[string]string{spec.LabelStack: stack}
	name := "viot-" + stack
	container := docker.ContainerSpec{
		Name: name, Image: dockertest.Probe(t, engine, stack), Labels: labels, Network: name,
		Ports: []docker.Port{{HostAddress: "127.0.0.1", ContainerPort: 8080}},
	}
	if _, err := engine.CreateNetwork(ctx, docker.NetworkSpec{Name: name, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	id, err := engine.CreateContainer(ctx, container)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.StartContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	running, err := engine.InspectContainer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.CreateVolume(ctx, name, labels); err != nil {
		t.Fatal(err)
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	second := container
	second.Name += "-2"
	second.Ports = running.Ports
	for _, test := range []struct {
		what string
		do   func() error
		want error
		says string
	}{
		{"create a container with a taken name", func() error { _, err := engine.CreateContainer(ctx, container); return err }, docker.ErrNameTaken, "of stack " + stack},
		{"create a network with a taken name", func() error {
			_, err := engine.CreateNetwork(ctx, docker.NetworkSpec{Name: name})
			return err
		}, docker.ErrNameTaken, "of stack " + stack},
		{"create a volume again", func() error { return engine.CreateVolume(ctx, name, labels) }, nil, ""},
		{"create a volume with another's name", func() error {
			return engine.CreateVolume(ctx, name, map[string]string{spec.LabelStack: "other"})
		}, docker.ErrNameTaken, "of stack " + stack},
		{"take a name by renaming", func() error {
			id, err := engine.CreateContainer(ctx, second)
			if err != nil {
				return err
			}
			return engine.RenameContainer(ctx, id, name)
		}, docker.ErrNameTaken, ""},
		{"start on a taken port", func() error { return engine.StartContainer(ctx, second.Name) }, docker.ErrPortTaken, fmt.Sprintf("port 127.0.0.1:%d is in use", running.Ports[0].HostPort)},
		{"remove a network in use", func() error { return engine.RemoveNetwork(ctx, name) }, docker.ErrInUse, name},
		{"remove an image in use", func() error { return engine.RemoveImage(ctx, container.Image) }, docker.ErrInUse, ""},
		{"remove no image", func() error { return engine.RemoveImage(ctx, name+":none") }, nil, ""},
		{"use a missing image", func() error {
			spec := container
			spec.Name, spec.Image = name+"-3", name+":none"
			_, err := engine.CreateContainer(ctx, spec)
			return err
		}, docker.ErrNotFound, "no such image"},
		{"join a missing network", func() error {
			spec := container
			spec.Name, spec.Networks = name+"-6", []string{name + "-none"}
			_, err := engine.CreateContainer(ctx, spec)
			if _, err := engine.InspectContainer(ctx, spec.Name); !errors.Is(err, docker.ErrNotFound) {
				t.Errorf("a container that could not join its network is still there (%v)", err)
			}
			return err
		}, docker.ErrNotFound, "join network " + name + "-none"},
		{"inspect no container", func() error { _, err := engine.InspectContainer(ctx, name+"-4"); return err }, docker.ErrNotFound, "no such container"},
		{"inspect no network", func() error { _, err := engine.InspectNetwork(ctx, name+"-4"); return err }, docker.ErrNotFound, ""},
		{"inspect no volume", func() error { _, err := engine.InspectVolume(ctx, name+"-4"); return err }, docker.ErrNotFound, ""},
		{"inspect no image", func() error { _, err := engine.InspectImage(ctx, name+":none"); return err }, docker.ErrNotFound, ""},
		{"start no container", func() error { return engine.StartContainer(ctx, name+"-4") }, docker.ErrNotFound, ""},
		{"stop no container", func() error { return engine.StopContainer(ctx, name+"-4", 0) }, docker.ErrNotFound, ""},
		{"pause no container", func() error { return engine.PauseContainer(ctx, name+"-4") }, docker.ErrNotFound, ""},
		{"create when cancelled", func() error { _, err := engine.CreateContainer(cancelled, second); return err }, context.Canceled, ""},
		{"upload where no file can be", func() error {
			spec := container
			spec.Name, spec.ReadOnly, spec.Files = name+"-5", true, []docker.File{{Path: "/x"}}
			_, err := engine.CreateContainer(ctx, spec)
			if _, err := engine.InspectContainer(ctx, spec.Name); !errors.Is(err, docker.ErrNotFound) {
				t.Errorf("a container whose files could not be put in place is still there (%v)", err)
			}
			return err
		}, nil, "read-only"},
	} {
		err := test.do()
		if test.want != nil && !errors.Is(err, test.want) || test.want == nil && test.says == "" && err != nil {
			t.Errorf("%s: got %v, want %v", test.what, err, test.want)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: got %v, want it to say %q", test.what, err, test.says)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	labels := map[string]string{spec.LabelStack: stack}
	name := "viot-" + stack
	container := docker.ContainerSpec{Name: name, Image: dockertest.Probe(t, engine, stack), Labels: labels, Command: []string{"-exit", "3"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	subscribed := make(chan struct{})
	var got []string
	done := make(chan error)
	go func() {
		done <- engine.Events(ctx, labels, func(e docker.Event) {
			got = append(got, fmt.Sprintf("%s %s %d", e.Action, e.Name, e.ExitCode))
			switch e.Action {
			case docker.ActionSubscribed:
				close(subscribed)
			case docker.ActionDestroy:
				cancel()
			}
		})
	}()
	<-subscribed
	foreign := container
	foreign.Name, foreign.Labels = name+"-foreign", map[string]string{spec.LabelStack: stack + "-foreign"}
	for _, spec := range []docker.ContainerSpec{foreign, container} {
		id, err := engine.CreateContainer(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.StartContainer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for c, err := engine.InspectContainer(t.Context(), id); c.State != docker.Exited; c, err = engine.InspectContainer(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := engine.RemoveContainer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	want := []string{"subscribed  0", "start " + name + " 0", "die " + name + " 3", "destroy " + name + " 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got events %q, want %q", got, want)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	ctx := t.Context()
	tag := "viot-" + stack + "/thing:1"
	files := []docker.File{
		{Path: "Dockerfile", Content: []byte("FROM scratch\nLABEL " + spec.LabelStack + "=" + stack + "\nARG WHO\nENV WHO=$WHO\nCOPY thing /thing\nUSER 7:7\nCMD [\"/thing\"]\n")},
		{Path: "thing", Content: []byte("thing")},
	}
	var lines []string
	id, err := engine.BuildImage(ctx, docker.BuildSpec{
		Context: dockertest.Tar(t, files...), Tags: []string{tag}, Args: map[string]string{"WHO": "me"}, Labels: map[string]string{"colour": "blue"},
	}, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "FROM scratch") }) {
		t.Errorf("got progress %q, want the build's steps", lines)
	}
	got, err := engine.InspectImage(ctx, tag)
	if err != nil || got.ID != id || got.Env["WHO"] != "me" || got.User != "7:7" || !slices.Equal(got.Command, []string{"/thing"}) || got.Labels["colour"] != "blue" {
		t.Errorf("got %+v (%v), want the image as built", got, err)
	}
	if err := engine.TagImage(ctx, tag, "viot-"+stack+"/thing:2"); err != nil {
		t.Fatal(err)
	}
	if list, err := engine.ListImages(ctx, "viot-"+stack+"/*"); err != nil || len(list) != 1 || !slices.Equal(list[0].Tags, []string{tag, "viot-" + stack + "/thing:2"}) {
		t.Errorf("got list %+v (%v), want one image with two tags", list, err)
	}
	if err := engine.ImportImage(ctx, dockertest.Tar(t, files[1]), "viot-"+stack+"/base:1", `CMD ["/thing"]`); err != nil {
		t.Fatal(err)
	}
	if base, err := engine.InspectImage(ctx, "viot-"+stack+"/base:1"); err != nil || !slices.Equal(base.Command, []string{"/thing"}) {
		t.Errorf("got %+v (%v), want the imported image", base, err)
	}
	_, err = engine.BuildImage(ctx, docker.BuildSpec{Context: dockertest.Tar(t, files[0]), Tags: []string{"viot-" + stack + "/bad:1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "thing") {
		t.Errorf("got %v, want the build's error", err)
	}
	if err := engine.RemoveDangling(ctx, map[string]string{spec.LabelStack: stack}); err != nil {
		t.Fatal(err)
	}
	if err := engine.PullImage(ctx, "127.0.0.1:1/none:1", nil); err == nil {
		t.Error("got no error from pulling where no registry is")
	}
}

func TestFurtherNetworks(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	ctx := t.Context()
	name, labels := "viot-"+stack, map[string]string{spec.LabelStack: stack}
	networks := []string{name, name + "-a", name + "-b"}
	for _, n := range networks {
		if _, err := engine.CreateNetwork(ctx, docker.NetworkSpec{Name: n, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	id, err := engine.CreateContainer(ctx, docker.ContainerSpec{
		Name: name, Image: dockertest.Probe(t, engine, stack), Labels: labels, Network: name, Networks: networks[1:],
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.StartContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	got, err := engine.InspectContainer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Networks, networks) || got.Spec.Network != name || !slices.Equal(got.Spec.Networks, networks[1:]) {
		t.Errorf("networks are %q, made from %q and %q, want %q", got.Networks, got.Spec.Network, got.Spec.Networks, networks)
	}
	for _, n := range networks {
		if got.IPs[n] == "" {
			t.Errorf("no address in network %s: %v", n, got.IPs)
		}
	}
}

// Images that were built on each other's steps are removed at the same time, as when a stack goes.
func TestImagesThatShareStepsAreRemovedTogether(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	ctx := t.Context()
	tag := func(n, round int) string { return fmt.Sprintf("viot-%s/part%d:%d", stack, n, round) }
	together := func(do func(n int)) {
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() { do(n) })
		}
		all.Wait()
	}
	for round := range 3 {
		together(func(n int) {
			dockerfile := fmt.Sprintf("FROM scratch\nLABEL %s=%s\nENV ROUND=%d\nENV N=%d\n", spec.LabelStack, stack, round, n)
			file := docker.File{Path: "Dockerfile", Content: []byte(dockerfile)}
			if _, err := engine.BuildImage(ctx, docker.BuildSpec{Context: dockertest.Tar(t, file), Tags: []string{tag(n, round)}}, nil); err != nil {
				t.Error(err)
			}
		})
		together(func(n int) {
			if err := engine.RemoveImage(ctx, tag(n, round)); err != nil {
				t.Error(err)
			}
		})
	}
}
