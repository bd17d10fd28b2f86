package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// update changes the resource at p by fix.
func update(t *testing.T, s store.Store, p string, fix func(*store.Change)) resource.Resource {
	t.Helper()
	r, err := s.Update(t.Context(), path(p), now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource}
		fix(&c)
		return c, nil
	})
	if err != nil {
		t.Fatalf("update %s: %v", p, err)
	}
	return r
}

func testUpdate(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", labelled("a", "b")))
	later := now.Add(time.Hour)
	got := update(t, s, "cse-in/c", func(c *store.Change) {
		c.Resource.Attributes = json.RawMessage(labelled("b", "d", "d"))
		c.Resource.ModifiedAt = later
		c.Resource.Policies = []string{"p"}
	})
	if got.StateTag != 1 {
		t.Errorf("state tag: got %d, want 1", got.StateTag)
	}
	stored := get(t, s, path("cse-in/c")).Resource
	if string(stored.Attributes) != labelled("b", "d", "d") || !stored.ModifiedAt.Equal(later) || stored.StateTag != 1 || len(stored.Policies) != 1 {
		t.Errorf("stored: got %+v", stored)
	}
	for label, want := range map[string][]string{"a": nil, "b": {"c"}, "d": {"c"}} {
		wantNames(t, s, store.Query{Filter: primitive.Filter{Labels: []string{label}}}, want...)
	}
	refusal := errors.New("refused")
	if _, err := s.Update(t.Context(), path("cse-in/c"), now, func(store.Node) (store.Change, error) { return store.Change{}, refusal }); err != refusal {
		t.Errorf("refused: got %v, want what change returned", err)
	}
	if _, err := s.Update(t.Context(), path("cse-in/x"), now, func(store.Node) (store.Change, error) {
		t.Error("change was called for a resource that does not exist")
		return store.Change{}, nil
	}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("missing: got %v, want not found", err)
	}
	wantCounters(t, s, "cse-in/c", "st 1 cni 0 cbs 0")
}

// testUpdateConcurrently has two instances count in an attribute: no update is lost.
func testUpdateConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	create(t, stores[0], "cse-in", child(resource.TypeContainer, "c", `{"n":0}`))
	const writers, rounds = 8, 6
	each(writers, func(w int) {
		for range rounds {
			_, err := stores[w%2].Update(t.Context(), path("cse-in/c"), now, func(n store.Node) (store.Change, error) {
				var a struct{ N int }
				if err := json.Unmarshal(n.Resource.Attributes, &a); err != nil {
					return store.Change{}, err
				}
				n.Resource.Attributes = fmt.Appendf(nil, `{"n":%d}`, a.N+1)
				return store.Change{Resource: n.Resource}, nil
			})
			if err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		}
	})
	got := get(t, stores[0], path("cse-in/c")).Resource
	if want := fmt.Sprintf(`{"n":%d}`, writers*rounds); string(got.Attributes) != want || got.StateTag != writers*rounds {
		t.Errorf("got %s and state tag %d, want %s and %d", got.Attributes, got.StateTag, want, writers*rounds)
	}
}

func testUpdateLifetimes(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, expires(now.Add(time.Hour))))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "d", `{}`))
	create(t, s, "cse-in/c/d", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	create(t, s, "cse-in/c/d", child(resource.TypeContentInstance, "short", `{"con":1}`, sized(1), expires(now.Add(time.Second))))
	create(t, s, "cse-in", child(resource.TypeContainer, "c-neighbour", `{}`, expires(now.Add(time.Hour))))
	update(t, s, "cse-in/c", func(c *store.Change) { c.Resource.ExpiresAt = now.Add(time.Minute) })
	lives := func(p string, want time.Duration) {
		t.Helper()
		if got := get(t, s, path(p)).Resource.ExpiresAt; !got.Equal(now.Add(want)) {
			t.Errorf("%s: got expiration %s, want %s", p, got, now.Add(want))
		}
	}
	lives("cse-in/c/d", time.Minute)
	lives("cse-in/c/d/i", time.Minute)
	lives("cse-in/c/d/short", time.Second)
	lives("cse-in/c-neighbour", time.Hour)
	age := 30 * time.Second
	update(t, s, "cse-in/c/d", func(c *store.Change) { c.MaxAge = &age })
	lives("cse-in/c/d/i", 30*time.Second)
	lives("cse-in/c/d/short", time.Second)
}

func testUpdateLimits(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "sub", `{}`))
	for i := range 6 {
		create(t, s, "cse-in/c", child(resource.TypeContentInstance, fmt.Sprint("i", i), labelled("x"), sized(10)))
	}
	got := update(t, s, "cse-in/c", func(c *store.Change) { limited(4, -1)(&c.Resource) })
	if counters(got) != "st 7 cni 4 cbs 40" {
		t.Errorf("count limit: got %s", counters(got))
	}
	wantNames(t, s, store.Query{Root: "cse-in/c"}, "i2", "i3", "i4", "i5", "sub")
	update(t, s, "cse-in/c", func(c *store.Change) { limited(-1, 25)(&c.Resource) })
	wantCounters(t, s, "cse-in/c", "st 8 cni 2 cbs 20")
	update(t, s, "cse-in/c", func(c *store.Change) { c.Resource.MaxBytes, c.Resource.MaxCount, c.DropInstances = nil, nil, true })
	wantCounters(t, s, "cse-in/c", "st 9 cni 0 cbs 0")
	wantNames(t, s, store.Query{Root: "cse-in/c"}, "sub")
	wantNames(t, s, store.Query{Filter: primitive.Filter{Labels: []string{"x"}}})
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "next", `{"con":1}`, sized(1)))
	wantCounters(t, s, "cse-in/c", "st 10 cni 1 cbs 1")
}

func testDelete(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	for _, name := range []string{"c", "c-neighbour", "c0", "cc"} {
		create(t, s, "cse-in", child(resource.TypeContainer, name, labelled("x")))
		create(t, s, "cse-in/"+name, child(resource.TypeContainer, "d", labelled("x")))
		create(t, s, "cse-in/"+name+"/d", child(resource.TypeContentInstance, "i", labelled("x"), sized(3)))
		create(t, s, "cse-in/"+name+"/d", child(resource.TypeContentInstance, "j", labelled("x"), sized(4)))
	}
	refusal := errors.New("refused")
	if _, err := s.Delete(t.Context(), path("cse-in/c"), now, func(n store.Node) error {
		if n.Resource.Path != "cse-in/c" {
			t.Errorf("permit: got %+v", n.Resource)
		}
		return refusal
	}, nil); err != refusal {
		t.Errorf("refused: got %v, want what permit returned", err)
	}
	if r, err := s.Delete(t.Context(), path("cse-in/c/d/i"), now, allow, nil); err != nil || r.Size != 3 {
		t.Errorf("instance: got %+v, %v", r, err)
	}
	wantCounters(t, s, "cse-in/c/d", "st 2 cni 1 cbs 4")
	if r, err := s.Delete(t.Context(), id("cse-in.c"), now, allow, nil); err != nil || r.Path != "cse-in/c" {
		t.Errorf("container: got %+v, %v", r, err)
	}
	for _, p := range []string{"cse-in/c", "cse-in/c/d", "cse-in/c/d/j"} {
		wantMissing(t, s, path(p), now)
		if _, err := s.Delete(t.Context(), path(p), now, allow, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("delete %s again: got %v, want not found", p, err)
		}
	}
	wantNames(t, s, store.Query{Filter: primitive.Filter{Labels: []string{"x"}}},
		"c-neighbour", "d", "i", "j", "c0", "d", "i", "j", "cc", "d", "i", "j")
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	wantNames(t, s, store.Query{Root: "cse-in/c"})
}

func testDeleteEdges(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	for i := range 4 {
		create(t, s, "cse-in/c", child(resource.TypeContentInstance, fmt.Sprint("i", i), `{"con":1}`, sized(1)))
	}
	for _, c := range []struct {
		edge primitive.Edge
		want string
	}{{primitive.Latest, "i3"}, {primitive.Oldest, "i0"}, {primitive.Oldest, "i1"}, {primitive.Latest, "i2"}} {
		r, err := s.Delete(t.Context(), edge("cse-in/c", c.edge), now, allow, nil)
		if err != nil || r.Name() != c.want {
			t.Errorf("delete %s: got %s, %v, want %s", c.edge, r.Name(), err, c.want)
		}
	}
	asked := false
	if _, err := s.Delete(t.Context(), edge("cse-in/c", primitive.Latest), now, func(store.Node) error { asked = true; return nil }, nil); !errors.Is(err, store.ErrNotFound) || !asked {
		t.Errorf("delete latest of nothing: got %v (permit asked: %t), want not found", err, asked)
	}
	wantCounters(t, s, "cse-in/c", "st 4 cni 0 cbs 0")
}

// testDeleteConcurrently builds and deletes the same trees from two instances. Nothing hangs, and nothing is left without parent.
func testDeleteConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	expected := func(err error) bool {
		return err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNameTaken) || errors.Is(err, store.ErrIDTaken)
	}
	each(12, func(w int) {
		s := stores[w%2]
		for i := range 10 {
			tree := fmt.Sprint("cse-in/t", i%3)
			var errs []error
			add := func(_ any, err error) { errs = append(errs, err) }
			add(s.Create(t.Context(), store.Creation{Parent: path("cse-in"), Now: now, Build: child(resource.TypeContainer, fmt.Sprint("t", i%3), `{}`)}))
			for _, sub := range []string{"z", "a"} {
				add(s.Create(t.Context(), store.Creation{Parent: path(tree), Now: now, Build: child(resource.TypeContainer, sub, `{}`)}))
				add(s.Create(t.Context(), store.Creation{Parent: path(tree + "/" + sub), Now: now,
					Build: child(resource.TypeContentInstance, fmt.Sprint("w", w, "i", i), labelled("x"), sized(1))}))
			}
			switch w % 4 {
			case 0:
				add(s.Delete(t.Context(), path(tree), now, allow, nil))
			case 1:
				add(s.Delete(t.Context(), edge(tree+"/a", primitive.Latest), now, allow, nil))
			}
			for _, err := range errs {
				if !expected(err) {
					t.Errorf("writer %d round %d: %v", w, i, err)
				}
			}
		}
	})
	p, err := stores[0].Find(t.Context(), store.Query{Root: "cse-in", Now: now, Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	instances := map[string]int64{}
	for _, r := range p.Resources {
		if r.Type.Instance() {
			instances[r.ParentID]++
		}
		if _, err := stores[1].Get(t.Context(), id(r.ParentID), now); err != nil {
			t.Errorf("%s has no parent: %v", r.Path, err)
		}
	}
	for _, r := range p.Resources {
		if !r.Type.Instance() && r.Count != instances[r.ID] {
			t.Errorf("%s: got cni %d, has %d instances", r.Path, r.Count, instances[r.ID])
		}
	}
}
