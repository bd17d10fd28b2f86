package cse_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// subscriber takes notifications and remembers the contents of the instances that they tell of, each once. Every few requests it fails.
type subscriber struct {
	*httptest.Server
	mu       sync.Mutex
	known    map[string]bool // request identifiers
	got      []string
	repeated int
	requests int
	fails    int // every so many requests; 0 for none
}

func newSubscriber(t *testing.T, fails int) *subscriber {
	t.Helper()
	s := &subscriber{known: map[string]bool{}, fails: fails}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var n struct {
		One struct {
			Event struct {
				Rep struct {
					Instance struct {
						Content string `json:"con"`
					} `json:"m2m:cin"`
				} `json:"rep"`
			} `json:"nev"`
		} `json:"m2m:sgn"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if err != nil || json.Unmarshal(body, &n) != nil || s.fails > 0 && s.requests%s.fails == 0 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("X-M2M-RSC", "2000")
	content := n.One.Event.Rep.Instance.Content
	switch id := r.Header.Get("X-M2M-RI"); {
	case content == "": // the verification
	case s.known[id]:
		s.repeated++
	default:
		s.known[id] = true
		s.got = append(s.got, content)
	}
}

func (s *subscriber) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// TestNotificationsSurvive has two instances notify two targets, one of which fails at times. An instance dies with notifications in its
// hands and another ends while there are more: each target gets all of them, in order.
func TestNotificationsSurvive(t *testing.T) {
	t.Parallel()
	targets := []*subscriber{newSubscriber(t, 0), newSubscriber(t, 20)}
	address := postgrestest.DSN(t)
	c := [2]running{run(t, address, "-drain-timeout", "2s"), run(t, address, "-drain-timeout", "2s")}
	for i := range c {
		eventually(t, "ready", func() bool { return c[i].send("GET", "/cse-in", "CAdmin", 0, "").rsc == 2000 })
	}
	c[0].must("POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":{"rn":"c"}}`)
	c[1].must("POST", "/cse-in/c", "CAdmin", 23, fmt.Sprintf(`{"m2m:sub":{"nu":[%q,%q],"enc":{"net":[3]}}}`, targets[0].URL, targets[1].URL))
	dead, err := sqlstore.Open(address, sqlstore.Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	var want []string
	for i := range 60 {
		content := fmt.Sprint(i)
		to := c[i%2]
		if i >= 30 {
			to = c[1]
		}
		to.must("POST", "/cse-in/c", "CAdmin", 4, fmt.Sprintf(`{"m2m:cin":{"con":%q}}`, content))
		want = append(want, content)
		switch {
		case i%10 == 5: // whatever this one takes is not done until its turn ends
			if _, err := dead.Take(t.Context(), time.Now(), 700*time.Millisecond, 10, 10, 10); err != nil {
				t.Fatal(err)
			}
		case i == 30:
			go c[0].stop()
		}
	}
	for i, s := range targets {
		eventually(t, "all have come", func() bool { return len(s.list()) >= len(want) })
		if got := s.list(); !slices.Equal(got, want) {
			t.Errorf("target %d got %v", i, got)
		}
	}
	c[0].stop()
}
