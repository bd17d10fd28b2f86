package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// testUsage has several instances add to the accounts at once.
func testUsage(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	if got, err := stores[0].Usage(t.Context(), "nobody", now); err != nil || got != (store.Usage{Originator: "nobody"}) {
		t.Errorf("nobody: got %+v, %v", got, err)
	}
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			err := stores[i%2].AddUsage(t.Context(),
				store.Usage{Originator: "Cb", Requests: 1, RequestBytes: 10, ResponseBytes: 100},
				store.Usage{Originator: "Ca", Requests: 2, Refused: 1, Notifications: 3})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, want := range []store.Usage{
		{Originator: "Ca", Requests: 20, Refused: 10, Notifications: 30},
		{Originator: "Cb", Requests: 10, RequestBytes: 100, ResponseBytes: 1000},
	} {
		if got, err := stores[1].Usage(t.Context(), want.Originator, now); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// testHoldings counts what originators have stored: instances are charged to who created the resource they are in.
func testHoldings(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	by := func(creator string) func(*resource.Resource) {
		return func(r *resource.Resource) { r.Creator = creator }
	}
	create(t, s, "cse-in", child(resource.TypeContainer, "a", `{"lbl":[]}`, by("Ca")))
	create(t, s, "cse-in", child(resource.TypeContainer, "brief", `{}`, by("Ca"), func(r *resource.Resource) { r.ExpiresAt = now.Add(time.Minute) }))
	create(t, s, "cse-in/a", child(resource.TypeContentInstance, "1", `{"con":1}`, sized(5), by("Cb")))
	create(t, s, "cse-in/a", child(resource.TypeContentInstance, "2", `{"con":1}`, sized(7), by("Cb")))
	for _, c := range []struct {
		originator       string
		at               time.Time
		resources, bytes int64
	}{{"Ca", now, 4, 12 + 10 + 2}, {"Ca", now.Add(time.Hour), 3, 12 + 10}, {"Cb", now, 0, 0}} {
		got, err := s.Usage(t.Context(), c.originator, c.at)
		if err != nil || got.Resources != c.resources || got.StoredBytes != c.bytes {
			t.Errorf("%s: got %+v, %v, want %d resources, %d bytes", c.originator, got, err, c.resources, c.bytes)
		}
	}
}
