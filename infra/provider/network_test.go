package provider_test

import (
	"testing"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	in := inputs{"stack": stack, "name": "viot-" + stack, "internal": true}
	r := newResource(t, server, "Network")
	previewTouchesNothing(t, r, engine, stack, in)

	r.must("create", in)
	first := r.text("networkId")
	r.must("same", in)
	if r.refresh() {
		t.Fatal("a network that is there was refreshed away")
	}
	r.must("same", in)

	in["internal"] = false
	r.must("replace internal", in)
	if r.text("networkId") == first || r.text("assignedSubnet") == "" || r.text("gateway") == "" {
		t.Errorf("got %v, want another network with its addresses", r.state)
	}

	imported := newResource(t, server, "Network")
	if err := imported.adopt("viot-" + stack); err != nil {
		t.Fatal(err)
	}
	imported.must("same", in)
	if err := imported.adopt("bridge"); err == nil {
		t.Error("a network without our label was imported")
	}

	leftover := newResource(t, server, "Network") // as after a run that was killed before it could record the network
	leftover.must("create", in)
	if leftover.text("networkId") != r.text("networkId") {
		t.Error("a leftover that is as declared was not taken over")
	}
	other := inputs{"stack": stack + "-other", "name": "viot-" + stack}
	newResource(t, server, "Network").fails(other, "taken by a network of stack "+stack)

	if err := engine.RemoveNetwork(ctx, "viot-"+stack); err != nil {
		t.Fatal(err)
	}
	if !r.refresh() {
		t.Error("a network that is gone was not refreshed away")
	}
	r.must("create", in)

	for range 2 {
		if err := r.delete(); err != nil {
			t.Fatal(err)
		}
	}
	if left := leftovers(t, engine, stack); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
