package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
)

// probeInputs declare a container of the probe program, published on a port of the engine's choice.
func probeInputs(t *testing.T, engine *docker.Client, stack string) inputs {
	return inputs{
		"stack": stack, "name": "viot-" + stack + "-it", "role": "probe", "image": dockertest.Probe(t, engine, stack),
		"ports":       []any{inputs{"containerPort": 8080}},
		"healthCheck": inputs{"http": inputs{"port": 8080, "path": "/readyz"}, "timeout": "30s"},
		"stopGrace":   "1s", // a program that has only just been started does not hear the signal
	}
}

// with is in with some inputs changed.
func with(in inputs, changed inputs) inputs {
	out := inputs{}
	for k, v := range in {
		out[k] = v
	}
	for k, v := range changed {
		out[k] = v
	}
	return out
}

// ask gets a path of the probe program through its published port.
func (r *resourceTest) ask(path string) string {
	r.t.Helper()
	port := r.state.Get("hostPorts").AsMap().Get("8080").AsNumber()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%v%s", port, path))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

func TestContainer(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	newResource(t, server, "Network").must("create", inputs{"stack": stack, "name": "viot-" + stack})
	newResource(t, server, "Volume").must("create", inputs{"stack": stack, "name": "viot-" + stack})
	before := len(leftovers(t, engine, stack))
	in := with(probeInputs(t, engine, stack), inputs{
		"network": "viot-" + stack, "aliases": []any{"it", "probe"}, "env": inputs{"GREETING": "hello"}, "labels": inputs{"colour": "blue"},
		"command": []any{"-say", "started"}, "user": "65534:65534", "capDrop": []any{"ALL"}, "tmpfs": inputs{"/scratch": "size=1m"},
		"mounts": []any{inputs{"volume": "viot-" + stack, "target": "/data"}},
		"files":  []any{inputs{"path": "/etc/it/config", "content": "secret", "mode": "0400", "uid": 65534, "gid": 65534}},
		"cpus":   0.5, "memoryBytes": 64 << 20, "restart": "unless-stopped", "stopSignal": "SIGINT", "stopGrace": "5s",
	})
	r := newResource(t, server, "Container")
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Create(createPreview(r, checked)); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, engine, stack); len(left) != before {
		t.Errorf("a preview left %q", left)
	}

	r.must("create", in)
	if got := r.ask("/env?name=GREETING") + " " + r.ask("/file?path=/etc/it/config"); got != "hello 400 65534:65534 secret" {
		t.Errorf("got %q, want the environment and file as declared", got)
	}
	if r.text("status") != "healthy" || r.text("ip") == "" || r.text("imageId") == "" {
		t.Errorf("got %v, want it healthy with an address", r.state)
	}
	r.must("same", in)
	if r.refresh() {
		t.Fatal("a container that is there was refreshed away")
	}
	r.must("same", in)
	imported := newResource(t, server, "Container")
	if err := imported.adopt("viot-" + stack + "-it"); err != nil {
		t.Fatal(err)
	}
	imported.must("replace files", with(in, inputs{"healthCheck": nil})) // what files it got, nobody can tell
	if r.refresh() {
		t.Fatal("a container made anew was refreshed away")
	}
	r.must("same", in)
	r.must("replace files", with(in, inputs{"files": nil}))
	r.must("replace files", in)

	id := r.text("containerId")
	in = with(in, inputs{"cpus": 1, "memoryBytes": nil, "restart": "no", "stopGrace": "7s"})
	r.must("update cpus memoryBytes restart stopGrace", in)
	now, err := engine.InspectContainer(ctx, id)
	if err != nil || now.Spec.CPUs != 1 || now.Spec.MemoryBytes != 0 || now.Spec.Restart != docker.RestartNo {
		t.Errorf("got %+v (%v), want it changed in place", now.Spec, err)
	}

	drift := func(what, want string, change func() error) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if r.refresh() {
			t.Fatalf("%s: refreshed away", what)
		}
		r.must(want, in)
		if r.refresh() {
			t.Fatalf("%s: gone after the repair", what)
		}
		r.must("same", in)
	}
	name := "viot-" + stack + "-it"
	drift("another limit", "update cpus memoryBytes", func() error { return engine.UpdateContainer(ctx, name, 0.25, 128<<20, "") })
	drift("stopped", "update status", func() error { return engine.StopContainer(ctx, name, 0) })
	drift("paused", "update status", func() error { return engine.PauseContainer(ctx, name) })
	drift("made anew by hand", "replace env status", func() error {
		other, err := engine.InspectContainer(ctx, name)
		if err != nil {
			return err
		}
		other.Spec.Env["GREETING"] = "bye"
		if err := engine.RemoveContainer(ctx, name); err != nil {
			return err
		}
		_, err = engine.CreateContainer(ctx, other.Spec)
		return err
	})

	in = with(in, inputs{"env": inputs{"GREETING": "welcome"}})
	r.must("replace env", in)
	if got := r.ask("/env?name=GREETING"); got != "welcome" {
		t.Errorf("got %q, want the new environment", got)
	}
	if err := engine.RemoveContainer(ctx, name); err != nil {
		t.Fatal(err)
	}
	if !r.refresh() {
		t.Error("a container that is gone was not refreshed away")
	}
	r.must("create", in)
	leftover := newResource(t, server, "Container") // as after a run that was killed before it could record the container
	leftover.must("create", in)
	for range 2 {
		if err := leftover.delete(); err != nil {
			t.Fatal(err)
		}
	}
	if left := leftovers(t, engine, stack); len(left) != before {
		t.Errorf("left behind: %q", left)
	}
}

func TestContainerHealthChecks(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	for name, check := range map[string]any{
		"none":           nil,
		"http":           inputs{"http": inputs{"port": 8080, "path": "/readyz"}},
		"http published": inputs{"http": inputs{"port": 8080}},
		"tcp":            inputs{"tcp": inputs{"port": 8080}},
		"exec":           inputs{"exec": []any{"/probe", "-check", "http://127.0.0.1:8080/readyz"}},
	} {
		in := with(probeInputs(t, engine, stack), inputs{"healthCheck": check, "ports": nil})
		if name == "http published" {
			in["ports"] = []any{inputs{"containerPort": 8080}}
		}
		r := newResource(t, server, "Container")
		r.must("create", in)
		if err := r.delete(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContainerThatFails(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	in := probeInputs(t, engine, stack)
	name := "viot-" + stack + "-it"

	r := newResource(t, server, "Container")
	r.fails(with(in, inputs{"command": []any{"-say", "no disk", "-exit", "3"}}), name+" is not healthy: it ended with exit code 3", "no disk")
	if r.id == "" || r.text("status") != "stopped" {
		t.Errorf("got %v, want the failed container recorded as stopped", r.state)
	}
	if r.refresh() {
		t.Fatal("the failed container is gone")
	}
	r.must("replace command status", in) // the next run, with the mistake corrected
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}

	in["healthCheck"] = inputs{"http": inputs{"port": 8080, "path": "/readyz"}, "timeout": "300ms"}
	r.fails(with(in, inputs{"command": []any{"-unready", "-say", "waiting for the moon"}}),
		"not healthy: after 300ms: GET http://127.0.0.1:", "answered 503", "waiting for the moon")
	if r.text("status") != "unhealthy" {
		t.Errorf("got status %q, want unhealthy", r.text("status"))
	}
	r.fails(with(in, inputs{"command": []any{"-unready", "-say", "waiting for the moon"}}), "answered 503") // goes on waiting
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
	in["healthCheck"] = nil

	r.fails(with(in, inputs{"command": []any{"-exit", "1"}, "restart": "always", "healthCheck": inputs{"tcp": inputs{"port": 8080}}}),
		"ended with exit code 1, and 5 times before")
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}

	r.fails(with(in, inputs{"image": "viot-test/none:1"}), "no such image")
	if r.id != "" {
		t.Error("a container without an image was recorded")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	r.fails(with(in, inputs{"ports": []any{inputs{"containerPort": 8080, "hostPort": port, "configKey": "viot:port"}}}),
		fmt.Sprintf("port 127.0.0.1:%d is in use by another program; free it or set viot:port to another", port))
	if r.id != "" {
		t.Error("a container that did not start was recorded")
	}
	if left := leftovers(t, engine, stack); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestContainerOfAnother(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	in := probeInputs(t, engine, stack)
	name := "viot-" + stack + "-it"
	id, err := engine.CreateContainer(ctx, docker.ContainerSpec{Name: name, Image: dockertest.Probe(t, engine, stack)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.RemoveContainer(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
	r := newResource(t, server, "Container")
	r.fails(in, "container name "+name+" is taken by a container without labels", "remove or rename it")
	if err := r.adopt(name); err == nil || !strings.Contains(err.Error(), "not viot's") {
		t.Errorf("got %v from importing it, want a refusal", err)
	}
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	r.id, r.state = name, checked.Set("hostPorts", property.New(property.Map{}))
	for _, output := range []string{"containerId", "imageId", "ip", "status"} {
		r.state = r.state.Set(output, property.New(""))
	}
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.InspectContainer(ctx, id); err != nil {
		t.Errorf("another's container was touched: %v", err)
	}
}

// TestContainerCancelled cancels a creation while it waits for the container to become healthy.
func TestContainerCancelled(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	in := with(probeInputs(t, engine, stack), inputs{"command": []any{"-unready"}})
	r := newResource(t, server, "Container")
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- r.create(checked) }()
	awaitRunning(t, engine, "viot-"+stack+"-it")
	if err := server.Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "the next update goes on with it") {
		t.Errorf("got %v, want it to say how to go on", err)
	}
	if r.id == "" || r.text("containerId") == "" {
		t.Fatalf("got %v, want the container recorded", r.state)
	}
	again := resourceTest{t: t, server: serve(t, t.Context()), urn: r.urn, id: r.id, state: r.state, failed: true}
	again.must("replace command status", with(in, inputs{"command": nil}))
	if err := again.delete(); err != nil {
		t.Fatal(err)
	}
}

// TestContainerCancelledEarly cancels before anything is made.
func TestContainerCancelledEarly(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	r := newResource(t, server, "Container")
	checked, err := r.check(r.props(probeInputs(t, engine, stack)))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := r.create(checked); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancellation", err)
	}
	if left := leftovers(t, engine, stack); r.id != "" || len(left) > 0 {
		t.Errorf("recorded as %q, left behind: %q", r.id, left)
	}
}

// awaitRunning blocks until a container runs.
func awaitRunning(t *testing.T, engine *docker.Client, name string) {
	t.Helper()
	for t.Context().Err() == nil {
		if c, err := engine.InspectContainer(t.Context(), name); err == nil && c.State == docker.Running {
			return
		}
	}
	t.Fatal("it never ran")
}
