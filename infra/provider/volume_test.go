package provider_test

import (
	"testing"
)

func TestVolume(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	in := inputs{"stack": stack, "name": "viot-" + stack + "-data"}
	r := newResource(t, server, "Volume")
	previewTouchesNothing(t, r, engine, stack, in)

	r.must("create", in)
	r.must("same", in)
	if r.refresh() {
		t.Fatal("a volume that is there was refreshed away")
	}
	r.must("same", in)
	newResource(t, server, "Volume").must("create", in) // takes a leftover over
	newResource(t, server, "Volume").fails(inputs{"stack": stack + "-other", "name": in["name"]}, "taken by a volume of stack "+stack)

	imported := newResource(t, server, "Volume")
	if err := imported.adopt("viot-" + stack + "-data"); err != nil {
		t.Fatal(err)
	}
	imported.must("same", in)

	in["role"] = "database"
	r.must("replace role", in)
	if err := engine.RemoveVolume(ctx, "viot-"+stack+"-data"); err != nil {
		t.Fatal(err)
	}
	if !r.refresh() {
		t.Error("a volume that is gone was not refreshed away")
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
