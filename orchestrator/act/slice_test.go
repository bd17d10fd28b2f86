package act

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// reign is a term that does not end, in a real Consul.
type reign struct{ consul *consul.Client }

func (reign) Check() error { return nil }

func (r reign) Write(ctx context.Context, writes ...fleet.Write) error {
	for _, w := range writes {
		var err error
		if w.Value == nil {
			err = r.consul.Delete(ctx, w.Key)
		} else {
			err = r.consul.Put(ctx, w.Key, w.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestInstancesJoinTheirSlice starts instances on a real engine, one new and one by way of a standby, and takes a third
// over that nobody registered: each is in its slice's network, and registered with its tag.
func TestInstancesJoinTheirSlice(t *testing.T) {
	t.Parallel()
	engine, stack := dockertest.Open(t)
	registry := consultest.Start(t).Client()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	network := "viot-" + stack
	both := []string{network + "-acme", network + "-other"}
	for _, name := range append([]string{network}, both...) {
		if _, err := engine.CreateNetwork(ctx, docker.NetworkSpec{Name: name, Labels: map[string]string{spec.LabelStack: stack}}); err != nil {
			t.Fatal(err)
		}
	}
	pool := spec.Pool{
		Stack: stack, Name: "cse", Template: spec.Template{Image: dockertest.Probe(t, engine, stack), Network: network}, Slices: both,
		Service: spec.Service{Port: 8080}, Policy: spec.Policy{Max: 4, TargetUtilisation: 0.5, Standby: spec.Standby{Count: 1, Paused: true}},
	}.WithDefaults()
	name := func(number int) string { return spec.InstanceName(stack, "cse", number) }
	do := func(ops ...fleet.Op) {
		t.Helper()
		running, stop := context.WithCancel(ctx)
		defer stop()
		a := &Actor{Engine: engine, Consul: registry, HTTP: &http.Client{}, Term: reign{registry}, Log: hclog.NewNullLogger()}
		wake := make(chan struct{}, 1)
		a.Wake = func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- a.Run(running) }()
		a.Do(pool, "new", ops)
		for left := len(ops); left > 0; {
			select {
			case <-wake:
			case <-ctx.Done():
				t.Fatalf("operations %v: %v", ops, ctx.Err())
			}
			for _, e := range a.Ended("cse") {
				left--
				if e.Err != nil {
					t.Fatalf("%s %s: %v", e.Kind, e.Instance, e.Err)
				}
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	do(fleet.Op{Kind: fleet.Start, Instance: name(1), Slice: both[0]}, fleet.Op{Kind: fleet.Warm, Instance: name(2), Slice: both[1]},
		fleet.Op{Kind: fleet.Start, Instance: name(3), Slice: both[1]})
	if err := registry.Deregister(ctx, name(3)); err != nil {
		t.Fatal(err)
	}
	do(fleet.Op{Kind: fleet.Enlist, Instance: name(2)}, fleet.Op{Kind: fleet.Adopt, Instance: name(3)})

	registered, _, err := registry.Instances(ctx, "cse", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string][]string{}
	for _, i := range registered {
		tags[i.ID] = i.Tags
	}
	for number, slice := range map[int]string{1: both[0], 2: both[1], 3: both[1]} {
		c, err := engine.InspectContainer(ctx, name(number))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{network, slice}; !slices.Equal(c.Networks, want) || c.Labels[spec.LabelSlice] != slice {
			t.Errorf("%s is in %q and labelled %q, want it in %q", c.Name, c.Networks, c.Labels[spec.LabelSlice], want)
		}
		if want := []string{"slice=" + slice}; !slices.Equal(tags[c.Name], want) {
			t.Errorf("%s is tagged %q, want %q", c.Name, tags[c.Name], want)
		}
	}
}
