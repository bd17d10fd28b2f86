package storetest

import (
	"maps"
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
			err := stores[i%2].AddUsage(t.Context(), now,
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

// testIdleAccounts forgets the accounts of those who are gone and have nothing stored. What others have is counted as before.
func testIdleAccounts(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	s := stores[0]
	use := func(at time.Time, originators ...string) {
		t.Helper()
		var list []store.Usage
		for _, o := range originators {
			list = append(list, store.Usage{Originator: o, Requests: 1})
		}
		if err := s.AddUsage(t.Context(), at, list...); err != nil {
			t.Fatal(err)
		}
	}
	requests := func(at time.Time) map[string]int64 {
		t.Helper()
		got := map[string]int64{}
		for _, o := range []string{"Cgone", "Cback", "Cowner", "Cbusy"} {
			u, err := stores[1].Usage(t.Context(), o, at)
			if err != nil {
				t.Fatal(err)
			}
			if got[o] = u.Requests; u.Resources != map[string]int64{"Cowner": 2}[o] {
				t.Errorf("%s: got %d resources", o, u.Resources)
			}
		}
		return got
	}
	clean := func(at time.Time) {
		t.Helper()
		each(2, func(i int) { // at once, as it may happen
			if _, err := stores[i].Sweep(t.Context(), at, 3, nil); err != nil {
				t.Error(err)
			}
		})
	}
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, func(r *resource.Resource) { r.Creator = "Cowner" }))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	use(now, "Cgone", "Cback", "Cowner", "Cbusy")
	clean(now.Add(store.IdleAccount - time.Minute))
	if got, want := requests(now), map[string]int64{"Cgone": 1, "Cback": 1, "Cowner": 1, "Cbusy": 1}; !maps.Equal(got, want) {
		t.Errorf("before they are idle: got %v, want %v", got, want)
	}
	late := now.Add(store.IdleAccount + 2*time.Hour)
	use(late.Add(-time.Hour), "Cbusy")
	for range 3 { // one looks at a few only
		clean(late)
	}
	use(late, "Cback")
	if got, want := requests(late), map[string]int64{"Cgone": 0, "Cback": 1, "Cowner": 1, "Cbusy": 2}; !maps.Equal(got, want) {
		t.Errorf("when some are idle: got %v, want %v", got, want)
	}
	// When nothing is left of what it had stored, it is forgotten as well.
	if _, err := s.Delete(t.Context(), path("cse-in/c"), late, allow, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clean(late.Add(store.IdleAccount + 2*time.Hour))
	}
	if u, err := s.Usage(t.Context(), "Cowner", late); err != nil || u != (store.Usage{Originator: "Cowner"}) {
		t.Errorf("who has nothing left: got %+v, %v", u, err)
	}
}
