package notify

import (
	"fmt"
	"testing"
)

func TestShed(t *testing.T) {
	t.Parallel()
	list := []Backlog{
		{[]string{"high"}, 5, 9}, {[]string{"low/a", "low/b"}, 6, 1}, {[]string{"none"}, 3, 0}, {[]string{"also low"}, 4, 1},
	}
	for most, want := range map[int]string{
		18: "[]", 17: "[{[none] 1}]", 15: "[{[none] 3}]", 8: "[{[none] 3} {[low/a low/b also low] 7}]",
		4: "[{[none] 3} {[low/a low/b also low] 10} {[high] 1}]", 0: "[{[none] 3} {[low/a low/b also low] 10} {[high] 5}]",
	} {
		if got := fmt.Sprint(Shed(list, most)); got != want {
			t.Errorf("at most %d: got %s, want %s", most, got, want)
		}
	}
	if got := SubscriptionOf(lane("sub123", "http://target/path")); got != "sub123" {
		t.Errorf("subscription of a lane: got %q", got)
	}
}
