package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

func testCreateConflicts(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	create(t, s, "cse-in", child(resource.TypeContainer, "short", `{}`, expires(now.Add(time.Second))))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1), expires(now.Add(time.Second))))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "j", `{"con":1}`, sized(1)))
	later := now.Add(time.Minute)
	rename := func(name string) func(*resource.Resource) {
		return func(r *resource.Resource) { r.ID, r.CreatedAt = name, later }
	}
	for _, c := range []struct {
		what   string
		parent primitive.Address
		build  func(store.Node) (resource.Resource, error)
		want   error
	}{
		{"same name", path("cse-in"), child(resource.TypeAE, "c", `{}`, rename("Cnew")), store.ErrNameTaken},
		{"same identifier", path("cse-in"), child(resource.TypeAE, "d", `{}`, rename("cse-in.c")), store.ErrIDTaken},
		{"same both", path("cse-in"), child(resource.TypeContainer, "c", `{}`), store.ErrIDTaken},
		{"name of an instance", path("cse-in/c"), child(resource.TypeContainer, "j", `{}`, rename("new")), store.ErrNameTaken},
		{"no parent", path("cse-in/x"), child(resource.TypeContainer, "c", `{}`), store.ErrNotFound},
		{"no parent of that identifier", id("x"), child(resource.TypeContainer, "c", `{}`), store.ErrNotFound},
		{"expired parent", path("cse-in/short"), child(resource.TypeContainer, "c", `{}`), store.ErrNotFound},
		{"name of an expired resource", path("cse-in"), child(resource.TypeContainer, "short", `{}`, rename("again")), nil},
		{"name of an expired instance", path("cse-in/c"), child(resource.TypeContentInstance, "i", `{"con":1}`, rename("inst"), sized(5)), nil},
		{"same name under another parent", id("cse-in.c"), child(resource.TypeContainer, "c", `{}`), nil},
	} {
		_, err := s.Create(t.Context(), store.Creation{Parent: c.parent, Now: later, Build: c.build})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, err, c.want)
		}
	}
	wantCounters(t, s, "cse-in/c", "st 3 cni 2 cbs 6")
}

func testCreateRefused(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	refusal := primitive.Errorf(primitive.OriginatorHasNoPrivilege, "no")
	_, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now, Receipt: []byte("refused"), ReceiptUntil: now.Add(time.Hour),
		Build: func(parent store.Node) (resource.Resource, error) {
			if parent.Resource.Path != "cse-in/c" || parent.Governor.ID != parent.Resource.ID {
				t.Errorf("parent: got %+v", parent)
			}
			return resource.Resource{}, refusal
		}})
	if err != error(refusal) {
		t.Errorf("got %v, want what Build returned", err)
	}
	wantNames(t, s, store.Query{}, "c")
	wantCounters(t, s, "cse-in/c", "st 0 cni 0 cbs 0")
}

// testCreateBadOne stores something no database can next to others; only it fails.
func testCreateBadOne(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	const n = 24
	var failed atomic.Int64
	each(n, func(i int) {
		attributes := `{"con":1}`
		if i%8 == 0 {
			attributes = `{"con":`
		}
		_, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
			Build: child(resource.TypeContentInstance, fmt.Sprint("i", i), attributes, sized(1))})
		if (err != nil) != (i%8 == 0) {
			t.Errorf("instance %d: got %v", i, err)
		}
		if err != nil {
			failed.Add(1)
		}
	})
	wantCounters(t, s, "cse-in/c", fmt.Sprintf("st %d cni %d cbs %d", n-failed.Load(), n-failed.Load(), n-failed.Load()))
}

func testCreateCancelled(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	var stored atomic.Int64
	each(16, func(i int) {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			cancel()
		}
		defer cancel()
		_, err := s.Create(ctx, store.Creation{Parent: path("cse-in/c"), Now: now,
			Build: child(resource.TypeContentInstance, fmt.Sprint("i", i), `{"con":1}`, sized(1))})
		switch {
		case err == nil:
			stored.Add(1)
		case i%2 != 0 || !errors.Is(err, context.Canceled):
			t.Errorf("instance %d: got %v", i, err)
		}
	})
	wantCounters(t, s, "cse-in/c", fmt.Sprintf("st %d cni %d cbs %d", stored.Load(), stored.Load(), stored.Load()))
}

func testEvictByCount(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, limited(3, -1)))
	for i := range 5 {
		r := create(t, s, "cse-in/c", child(resource.TypeContentInstance, fmt.Sprint("i", i), labelled("x", fmt.Sprint(i)), sized(int64(10+i))))
		if r.StateTag != int64(i+1) {
			t.Errorf("instance %d: got state tag %d, want %d", i, r.StateTag, i+1)
		}
	}
	wantCounters(t, s, "cse-in/c", "st 5 cni 3 cbs 39")
	wantNames(t, s, store.Query{Root: "cse-in/c"}, "i2", "i3", "i4")
	wantNames(t, s, store.Query{Filter: primitive.Filter{Labels: []string{"x"}}}, "i2", "i3", "i4")
	if got := get(t, s, edge("cse-in/c", primitive.Oldest)).Resource.Name(); got != "i2" {
		t.Errorf("oldest: got %s, want i2", got)
	}
	if got := get(t, s, edge("cse-in/c", primitive.Latest)).Resource.Name(); got != "i4" {
		t.Errorf("latest: got %s, want i4", got)
	}
	create(t, s, "cse-in", child(resource.TypeContainer, "none", `{}`, limited(0, -1)))
	create(t, s, "cse-in/none", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	wantCounters(t, s, "cse-in/none", "st 1 cni 0 cbs 0")
	if n := get(t, s, edge("cse-in/none", primitive.Latest)); n.Resource.ID != "" || n.Governor.Path != "cse-in/none" {
		t.Errorf("latest of an empty container: got %+v", n)
	}
}

func testEvictBySize(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, limited(-1, 100)))
	for i := range 150 {
		create(t, s, "cse-in/c", child(resource.TypeContentInstance, fmt.Sprintf("i%03d", i), `{"con":1}`, sized(1)))
	}
	wantCounters(t, s, "cse-in/c", "st 150 cni 100 cbs 100")
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "big", `{"con":1}`, sized(99)))
	wantCounters(t, s, "cse-in/c", "st 151 cni 2 cbs 100")
	wantNames(t, s, store.Query{Root: "cse-in/c"}, "big", "i149")
}

// testEvictConcurrently has many writers on two instances fill one container: exactly its limit is kept, and the state tag counts
// every one.
func testEvictConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	create(t, stores[0], "cse-in", child(resource.TypeContainer, "c", `{}`, limited(10, -1)))
	const writers, rounds = 16, 12
	var mu sync.Mutex
	var tags []int64
	each(writers, func(w int) {
		for i := range rounds {
			r, err := stores[w%2].Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
				Build: child(resource.TypeContentInstance, fmt.Sprintf("w%di%d", w, i), `{"con":1}`, sized(2))})
			if err != nil {
				t.Errorf("writer %d round %d: %v", w, i, err)
				return
			}
			mu.Lock()
			tags = append(tags, r.StateTag)
			mu.Unlock()
		}
	})
	const total = writers * rounds
	slices.Sort(tags)
	for i, tag := range tags {
		if tag != int64(i+1) {
			t.Fatalf("state tags: got %v, want 1 to %d each once", tags, total)
		}
	}
	wantCounters(t, stores[1], "cse-in/c", fmt.Sprintf("st %d cni 10 cbs 20", total))
	p, err := stores[1].Find(t.Context(), store.Query{Root: "cse-in/c", Now: now, Limit: total})
	if err != nil {
		t.Fatal(err)
	}
	var kept []int64
	for _, r := range p.Resources {
		kept = append(kept, r.StateTag)
	}
	slices.Sort(kept)
	if len(kept) != 10 || kept[0] != total-9 || kept[9] != total {
		t.Errorf("kept: got state tags %v, want the last 10 of %d", kept, total)
	}
}

func testNameRace(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	for round := range 5 {
		name := fmt.Sprint("c", round)
		var won atomic.Int64
		each(12, func(i int) {
			_, err := stores[i%2].Create(t.Context(), store.Creation{Parent: path("cse-in"), Now: now,
				Build: child(resource.TypeContainer, name, `{}`, func(r *resource.Resource) { r.ID = fmt.Sprint(name, ".", i) })})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrNameTaken):
				t.Errorf("round %d writer %d: got %v, want the name to be taken", round, i, err)
			}
		})
		if won.Load() != 1 {
			t.Errorf("round %d: got %d winners, want 1", round, won.Load())
		}
	}
}

func testReceipts(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	create(t, stores[0], "cse-in", child(resource.TypeContainer, "c", `{}`, limited(1, -1)))
	attempt := 0
	post := func(s store.Store, at time.Time) (resource.Resource, error) {
		attempt++
		return s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: at, Receipt: []byte("r"), ReceiptUntil: at.Add(time.Minute),
			Build: child(resource.TypeContentInstance, fmt.Sprint("i", attempt), `{"con":"x","lbl":["l"]}`, sized(7))})
	}
	first, err := post(stores[0], now)
	if err != nil {
		t.Fatal(err)
	}
	again := func(what string, at time.Time) {
		t.Helper()
		got, err := post(stores[1], at)
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(first)
		if err != nil || string(g) != string(w) {
			t.Errorf("%s: got %s, %v, want %s", what, g, err, w)
		}
	}
	again("repeated", now.Add(time.Second))
	wantCounters(t, stores[0], "cse-in/c", "st 1 cni 1 cbs 7")
	create(t, stores[0], "cse-in/c", child(resource.TypeContentInstance, "next", `{"con":1}`, sized(1)))
	again("repeated after it was evicted", now.Add(2*time.Second))
	wantNames(t, stores[0], store.Query{Root: "cse-in/c"}, "next")
	if second, err := post(stores[1], now.Add(time.Hour)); err != nil || second.ID == first.ID {
		t.Errorf("after the receipt ended: got %+v, %v, want a new resource", second, err)
	}
	first, err = stores[0].Create(t.Context(), store.Creation{Parent: path("cse-in"), Now: now, Receipt: []byte("s"), ReceiptUntil: now.Add(time.Minute),
		Build: child(resource.TypeContainer, "d", `{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stores[0].Delete(t.Context(), path("cse-in/c"), now, allow, nil); err != nil {
		t.Fatal(err)
	}
	got, err := stores[1].Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now, Receipt: []byte("s"), ReceiptUntil: now.Add(time.Minute),
		Build: child(resource.TypeContainer, "d", `{}`)})
	if err != nil || got.ID != first.ID {
		t.Errorf("repeated after the parent went: got %+v, %v, want %s", got, err, first.ID)
	}
}

// testReceiptsConcurrently sends the same creations through two instances at once, as a load balancer that retries would.
func testReceiptsConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	create(t, stores[0], "cse-in", child(resource.TypeContainer, "c", `{}`))
	const requests, copies = 8, 4
	ids := make([][copies]string, requests)
	var serial atomic.Int64
	each(requests*copies, func(i int) {
		request, repeat := i%requests, i/requests
		r, err := stores[repeat%2].Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
			Receipt: fmt.Appendf(nil, "request %d", request), ReceiptUntil: now.Add(time.Minute),
			Build: func(parent store.Node) (resource.Resource, error) {
				return child(resource.TypeContentInstance, fmt.Sprint("i", serial.Add(1)), `{"con":1}`, sized(1))(parent)
			}})
		if err != nil {
			t.Errorf("request %d: %v", request, err)
		}
		ids[request][repeat] = r.ID
	})
	for request, got := range ids {
		for _, id := range got {
			if id != got[0] {
				t.Errorf("request %d: got %v, want the same resource each time", request, got)
				break
			}
		}
	}
	wantCounters(t, stores[0], "cse-in/c", fmt.Sprintf("st %d cni %d cbs %d", requests, requests, requests))
}
