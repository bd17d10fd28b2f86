package primitive

import (
	"slices"
	"testing"
)

func TestContentInfos(t *testing.T) {
	t.Parallel()
	got := Filter{ContentTypes: []string{"text/plain", "text/plain:0", "*json*"}}.ContentInfos()
	if want := []string{"text/plain", "text/plain:*", "text/plain:0", "*json*", "*json*:*"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
