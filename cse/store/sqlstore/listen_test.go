package sqlstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/store"
)

// TestPostgreSQLListen has an instance be woken by what another posts, also after its connection was cut, and told to look when it is
// back, since it may have missed something.
func TestPostgreSQLListen(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.stores[0].Listen(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("listen: %v", err)
		}
	})
	wake, stop := r.stores[0].Wake("box")
	defer stop()
	long := strings.Repeat("x", 9000) // more than a notification can carry
	wakeLong, stopLong := r.stores[0].Wake(long)
	defer stopLong()
	<-wake // it listens
	<-wakeLong
	for range 2 {
		r.post(1, "box")
		<-wake
		r.receive(2, "box")
		r.post(1, long)
		<-wakeLong
		r.receive(0, long)
		select { // the long one woke everybody
		case <-wake:
		default:
		}
		if _, err := r.watch.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`); err != nil {
			t.Fatal(err)
		}
		<-wake // it listens again
		<-wakeLong
	}
}

func (r *race) post(s int, box string) {
	r.t.Helper()
	if err := r.stores[s].Post(r.t.Context(), store.Message{Box: box, Until: raceNow.Add(time.Hour), Body: json.RawMessage(`1`)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *race) receive(s int, box string) {
	r.t.Helper()
	if _, err := r.stores[s].Receive(r.t.Context(), box, raceNow); err != nil {
		r.t.Errorf("receive: %v", err)
	}
	if _, err := r.stores[s].Receive(r.t.Context(), box, raceNow); !errors.Is(err, store.ErrNotFound) {
		r.t.Errorf("receive again: got %v, want not found", err)
	}
}
