package dispatch

import (
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestDeletionCount retrieves an instance until it is gone, TS-0001 clause 9.6.7.
func TestDeletionCount(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c"}}`, primitive.Created)
	create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"i","con":"x","dcnt":3}}`, primitive.Created)
	for want := 3; want > 0; want-- {
		if got := retrieve(t, d, "cse-in/ae/c/i", primitive.OK)["dcnt"]; got != float64(want) {
			t.Errorf("got %v, want %d", got, want)
		}
	}
	retrieve(t, d, "cse-in/ae/c/i", primitive.NotFound)
	if got := retrieve(t, d, "cse-in/ae/c", primitive.OK)["cni"]; got != float64(0) {
		t.Errorf("the container counts %v instances", got)
	}
}
