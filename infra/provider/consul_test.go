package provider_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/integration"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/spec"
)

// startConsul runs a real Consul as the stack's own, in a container that holds nothing but this machine's binary.
func startConsul(t *testing.T, server integration.Server, engine *docker.Client, stack string) (*resourceTest, *consul.Client, string) {
	t.Helper()
	binary := os.Getenv(consultest.Variable)
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("consul"); err != nil {
			t.Fatalf("this test needs a consul binary: put one on PATH, or its path in %s (make test does)", consultest.Variable)
		}
	}
	r := newResource(t, server, "Container")
	r.must("create", inputs{
		"stack": stack, "name": "viot-" + stack + "-consul", "role": spec.RoleConsul, "image": dockertest.Probe(t, engine, stack),
		"entrypoint":  []any{"/bin/consul", "agent", "-dev", "-client", "0.0.0.0", "-log-level", "warn"},
		"mounts":      []any{inputs{"hostPath": binary, "target": "/bin/consul", "readOnly": true}},
		"ports":       []any{inputs{"containerPort": 8500}},
		"stopSignal":  "SIGKILL",
		"healthCheck": inputs{"http": inputs{"port": 8500, "path": "/v1/kv/?keys&consistent"}, "timeout": "60s"},
	})
	address := fmt.Sprintf("127.0.0.1:%v", r.state.Get("hostPorts").AsMap().Get("8500").AsNumber())
	client, err := consul.New(address, "")
	if err != nil {
		t.Fatal(err)
	}
	for client.Ready(t.Context()) != nil {
		if t.Context().Err() != nil {
			t.Fatal("Consul is not ready")
		}
	}
	return r, client, address
}

func TestConsulKey(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	registry, client, address := startConsul(t, server, engine, stack)
	key := "viot/" + stack + "/greeting"
	in := inputs{"stack": stack, "consulAddress": address, "key": key, "value": "hello"}
	holds := func(want string) {
		t.Helper()
		kv, err := client.Get(ctx, key)
		if err != nil || string(kv.Value) != want {
			t.Errorf("got %q (%v), want %q", kv.Value, err, want)
		}
	}

	r := newResource(t, server, "ConsulKey")
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Create(createPreview(r, checked)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(ctx, key); !errors.Is(err, consul.ErrNotFound) {
		t.Errorf("got %v after a preview, want no key", err)
	}

	r.must("create", in)
	holds("hello")
	r.must("same", in)
	in["value"] = "bye"
	r.must("update value", in)
	holds("bye")
	if err := client.Put(ctx, key, []byte("graffiti")); err != nil {
		t.Fatal(err)
	}
	if r.refresh() {
		t.Fatal("a key that is there was refreshed away")
	}
	r.must("update value", in)
	holds("bye")
	if err := client.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	if !r.refresh() {
		t.Error("a key that is gone was not refreshed away")
	}
	r.must("create", in)
	newResource(t, server, "ConsulKey").must("create", in) // takes a leftover over

	imported := newResource(t, server, "ConsulKey")
	if err := imported.adopt(key); err != nil {
		t.Fatal(err)
	}
	imported.must("same", in)
	if err := imported.adopt("elsewhere"); err == nil {
		t.Error("a key outside of viot's was imported")
	}

	for range 2 {
		again := *r
		if err := again.delete(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Get(ctx, key); !errors.Is(err, consul.ErrNotFound) {
		t.Errorf("got %v after the deletion, want no key", err)
	}

	if err := engine.StopContainer(ctx, registry.id, 0); err != nil {
		t.Fatal(err)
	}
	if r.refresh() {
		t.Error("a key was refreshed away while Consul did not answer")
	}
	r.fails(with(in, inputs{"value": "lost"}), "consul")
	if err := r.delete(); err == nil || !strings.Contains(err.Error(), registry.id+" is exited") {
		t.Errorf("got %v, want it to name the stopped container", err)
	}
	if err := registry.delete(); err != nil {
		t.Fatal(err)
	}
	if err := r.delete(); err != nil {
		t.Errorf("got %v from deleting a key of a Consul that is gone, want none", err)
	}
	if left := leftovers(t, engine, stack); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
