package conformance

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestBacklog has more notifications wait than one subscriber may have: those of the subscription with the lower
// notificationStoragePriority go first, and of them the oldest. TS-0001 9.6.8.
func TestBacklog(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		instances int
		store     func(t *testing.T) string
	}{
		"sqlite": {1, func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/cse.db" }},
		"pool":   {2, func(t *testing.T) string { return postgrestest.DSN(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, deploy(t, d.store(t), d.instances, "-max-pending-notifications", "12"))
			c, low, high := s.container(object{}), s.receive(), s.receive()
			s.subscribe(c, low, object{"enc": object{"net": []int{3}, "chty": []int{4}}, "nsp": 1})
			s.subscribe(c, high, object{"enc": object{"net": []int{3}, "chty": []int{4}}, "nsp": 9})
			low.away.Store(1 << 20)
			high.away.Store(1 << 20)
			for i := range 10 {
				s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
			}
			s.eventually("what is too much is dropped", func() bool { return s.dropped() >= 8 })
			low.away.Store(0)
			high.away.Store(0)
			for i := range 10 {
				high.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", i)
			}
			for i := range 2 {
				low.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", 8+i)
			}
			if n := s.dropped(); n != 8 {
				s.Errorf("got %d notifications dropped, want 8", n)
			}
		})
	}
}

// dropped is how many notifications all instances have dropped, as their metrics say.
func (s *session) dropped() int {
	s.Helper()
	total := 0
	for _, url := range s.urls {
		r, err := http.Get(url + "/metrics")
		if err != nil {
			s.Fatal(err)
		}
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			var n int
			if rest, found := strings.CutPrefix(lines.Text(), `notifications_total{result="dropped"} `); found {
				if _, err := fmt.Sscan(rest, &n); err != nil {
					s.Fatal(err)
				}
				total += n
			}
		}
		r.Body.Close()
	}
	return total
}
