package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/store"
)

func message(box string, body any) store.Message {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return store.Message{Box: box, Until: now.Add(time.Minute), Body: b}
}

func post(t *testing.T, s store.Store, messages ...store.Message) {
	t.Helper()
	if err := s.Post(t.Context(), messages...); err != nil {
		t.Fatalf("post: %v", err)
	}
}

func wantMessage(t *testing.T, s store.Store, box string, at time.Time, want string) {
	t.Helper()
	m, err := s.Receive(t.Context(), box, at)
	if err != nil || string(m.Body) != want || m.Box != box {
		t.Errorf("receive from %s: got %+v, %v, want %s", box, m, err, want)
	}
}

func wantEmpty(t *testing.T, s store.Store, box string, at time.Time) {
	t.Helper()
	if m, err := s.Receive(t.Context(), box, at); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("receive from %s: got %+v, %v, want not found", box, m, err)
	}
}

func testMessages(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	s := stores[0]
	wantEmpty(t, s, "a", now)
	post(t, s)
	post(t, s, message("a", 1), message("b", "é"), message("a", 2))
	post(t, stores[1], message("a", 3))
	until := now.Add(time.Minute)
	m, err := s.Receive(t.Context(), "b", until)
	if err != nil || string(m.Body) != `"é"` || !m.Until.Equal(until) {
		t.Errorf("got %+v, %v", m, err)
	}
	wantMessage(t, stores[1], "a", now, "1")
	wantMessage(t, s, "a", now, "2")
	wantEmpty(t, s, "b", now)
	wantEmpty(t, s, "a", until.Add(time.Microsecond))
	if n := sweep(t, s, until, 100); n != 0 {
		t.Errorf("before the end: swept %d, want 0", n)
	}
	if n := sweep(t, s, until.Add(time.Microsecond), 100); n != 1 {
		t.Errorf("after the end: swept %d, want 1", n)
	}
	wantEmpty(t, s, "a", now)
}

// testMessagesConcurrently has several receive from one box: each message is received once.
func testMessagesConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	const count = 24
	for i := range count {
		post(t, stores[i%2], message("a", i))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	each(4, func(w int) {
		for {
			m, err := stores[w%2].Receive(t.Context(), "a", now)
			if errors.Is(err, store.ErrNotFound) {
				return // what is left is being received by others
			}
			if err != nil {
				t.Errorf("receive: %v", err)
				return
			}
			mu.Lock()
			seen[string(m.Body)]++
			mu.Unlock()
		}
	})
	for i := range count {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("message %d: received %d times, want once", i, n)
		}
	}
}

// testWakeForMessages has who waits be woken by what its own process posts.
func testWakeForMessages(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	for _, box := range []string{"a", strings.Repeat("long", 3000)} { // the second is too long for what a database tells others
		wake, stop := s.Wake(box)
		post(t, s, message(box, 1))
		<-wake
		wantMessage(t, s, box, now, "1")
		stop()
	}
}

// testListenEnds has Listen end with its context, and without an error.
func testListenEnds(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Listen(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
