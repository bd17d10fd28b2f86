package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// ids are the identifiers of rs.
func ids(rs []resource.Resource) []string {
	list := []string{}
	for _, r := range rs {
		list = append(list, r.ID)
	}
	return list
}

func wantIDs(t *testing.T, what string, got []resource.Resource, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if !slices.Equal(ids(got), want) {
		t.Errorf("%s: got %v, want %v", what, ids(got), want)
	}
}

// testSubscriptions has every function that is given a node about to be changed see its subscriptions.
func testSubscriptions(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "d", `{}`))
	sub := create(t, s, "cse-in/c", child(resource.TypeSubscription, "s2", `{"nu":["Ca"]}`, expires(now.Add(time.Hour)), func(r *resource.Resource) {
		r.Policies = []string{"p"}
	}))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s1", `{"nu":["Cb"]}`))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s0", `{}`, expires(now)))
	create(t, s, "cse-in/c/d", child(resource.TypeSubscription, "deeper", `{}`))
	const want1, want2 = "cse-in.c.s1", "cse-in.c.s2"
	if n := get(t, s, path("cse-in/c")); n.Subscriptions != nil {
		t.Errorf("plain get: got %v, want none", ids(n.Subscriptions))
	}
	calls := 0
	saw := func(what string, n store.Node) {
		t.Helper()
		calls++
		wantIDs(t, what, n.Subscriptions, want1, want2)
	}
	if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
		Build: func(parent store.Node) (resource.Resource, error) {
			saw("build", parent)
			g, _ := json.Marshal(parent.Subscriptions[1])
			w, _ := json.Marshal(sub)
			if string(g) != string(w) {
				t.Errorf("subscription: got %s, want %s", g, w)
			}
			return child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1))(parent)
		},
		After: func(parent store.Node, r resource.Resource) (store.Effects, error) {
			saw("after build", parent)
			if r.StateTag != 1 || r.ID != "cse-in.c.i" {
				t.Errorf("after build: got %+v, want it as it will be stored", r)
			}
			return store.Effects{}, nil
		}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), path("cse-in/c"), now, func(n store.Node) (store.Change, error) {
		saw("change", n)
		return store.Change{Resource: n.Resource}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), path("cse-in/c/i"), now, allow, func(r store.Removal) (store.Effects, error) {
		saw("removal", r.Parent)
		return store.Effects{}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), path("cse-in/c"), now, func(n store.Node) error { saw("permit", n); return nil }, nil); err != nil {
		t.Fatal(err)
	}
	if calls != 5 {
		t.Errorf("got %d calls, want 5", calls)
	}
}

// testFields has what only some resources have come back as it was stored.
func testFields(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeFlexContainer, "f", `{}`, func(r *resource.Resource) {
		r.Specialisation, r.Announced = "cod:battery", true
	}))
	wants := func(what string, announced bool) {
		t.Helper()
		if r := get(t, s, path("cse-in/f")).Resource; r.Specialisation != "cod:battery" || r.Announced != announced {
			t.Errorf("%s: got %q, announced: %t, want cod:battery and %t", what, r.Specialisation, r.Announced, announced)
		}
	}
	wants("created", true)
	update(t, s, "cse-in/f", func(c *store.Change) { c.Resource.Announced = false })
	wants("updated", false)
	later := now.Add(time.Hour)
	got := update(t, s, "cse-in/f", func(c *store.Change) { c.KeepStateTag, c.Resource.ModifiedAt = true, later })
	if got.StateTag != 1 || !got.ModifiedAt.Equal(later) {
		t.Errorf("state tag kept: got %d, modified at %s", got.StateTag, got.ModifiedAt)
	}
	got = update(t, s, "cse-in/f", func(c *store.Change) { c.KeepModified, c.Resource.ModifiedAt = true, now })
	if got.StateTag != 2 || !got.ModifiedAt.Equal(later) {
		t.Errorf("modification kept: got %d, modified at %s", got.StateTag, got.ModifiedAt)
	}
	wantCounters(t, s, "cse-in/f", "st 2 cni 0 cbs 0")
}

// testInstanceTypes counts and evicts in every type of parent alike.
func testInstanceTypes(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	for parent, instance := range map[resource.Type]resource.Type{
		resource.TypeContainer: resource.TypeContentInstance, resource.TypeTimeSeries: resource.TypeTimeSeriesInstance,
		resource.TypeFlexContainer: resource.TypeFlexContainerInstance,
	} {
		name := fmt.Sprint("p", int(parent))
		create(t, s, "cse-in", child(parent, name, `{}`, limited(2, 25)))
		for i := range 4 {
			create(t, s, "cse-in/"+name, child(instance, fmt.Sprint(name, "i", i), labelled("x"), sized(10)))
		}
		wantCounters(t, s, "cse-in/"+name, "st 4 cni 2 cbs 20")
		wantNames(t, s, store.Query{Root: "cse-in/" + name}, name+"i2", name+"i3")
		if got := get(t, s, edge("cse-in/"+name, "la")).Resource; got.Name() != name+"i3" || got.Type != instance {
			t.Errorf("latest of %s: got %+v", name, got)
		}
	}
}

// testEffectInstances has updates make instances in what they change.
func testEffectInstances(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeFlexContainer, "f", `{}`, limited(3, -1)))
	turn := 0
	snapshot := func(n int, fix func(*store.Change)) resource.Resource {
		return update(t, s, "cse-in/f", func(c *store.Change) {
			fix(c)
			c.After = func(r resource.Resource) (store.Effects, error) {
				var e store.Effects
				for range n {
					turn++
					i, err := child(resource.TypeFlexContainerInstance, fmt.Sprint("v", turn), labelled("x"), sized(5))(store.Node{Resource: r})
					if err != nil {
						return e, err
					}
					e.Instances = append(e.Instances, i)
				}
				return e, nil
			}
		})
	}
	none := func(*store.Change) {}
	if got := counters(snapshot(1, none)); got != "st 1 cni 1 cbs 5" {
		t.Errorf("first: got %s", got)
	}
	if got := get(t, s, edge("cse-in/f", "la")).Resource; got.StateTag != 1 || got.Name() != "v1" {
		t.Errorf("first: got %+v", got)
	}
	if got := counters(snapshot(4, none)); got != "st 5 cni 3 cbs 15" {
		t.Errorf("more than there is room for: got %s", got)
	}
	wantNames(t, s, store.Query{Root: "cse-in/f"}, "v3", "v4", "v5")
	if got := counters(snapshot(1, func(c *store.Change) { c.KeepStateTag = true })); got != "st 6 cni 3 cbs 15" {
		t.Errorf("with the state tag kept: got %s", got)
	}
	if got := counters(snapshot(1, func(c *store.Change) { c.DropInstances = true })); got != "st 7 cni 1 cbs 5" {
		t.Errorf("in place of the others: got %s", got)
	}
	wantNames(t, s, store.Query{Root: "cse-in/f"}, "v7")
}

// testCreationInstances has a creation make the first instance of what it creates.
func testCreationInstances(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	r, err := s.Create(t.Context(), store.Creation{
		Parent: path("cse-in"), Now: now, Receipt: []byte("once"), ReceiptUntil: now.Add(time.Hour),
		Build: child(resource.TypeFlexContainer, "f", `{}`, limited(3, -1)),
		After: func(_ store.Node, r resource.Resource) (store.Effects, error) {
			i, err := child(resource.TypeFlexContainerInstance, "v0", `{"curT0":1}`, sized(5))(store.Node{Resource: r})
			return store.Effects{Instances: []resource.Resource{i}}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := counters(r); got != "st 0 cni 1 cbs 5" {
		t.Errorf("created: got %s", got)
	}
	if got := counters(get(t, s, path("cse-in/f")).Resource); got != "st 0 cni 1 cbs 5" {
		t.Errorf("stored: got %s", got)
	}
	if got := get(t, s, edge("cse-in/f", "la")).Resource; got.StateTag != 0 || got.Name() != "v0" || got.Size != 5 {
		t.Errorf("latest: got %+v", got)
	}
}

// testEffectsAtomic has functions fail: neither what they were about nor its effects are stored.
func testEffectsAtomic(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	refusal := errors.New("refused")
	effects := store.Effects{Tasks: []store.Task{task("lane", "never")}}
	if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now, Receipt: []byte("r"), ReceiptUntil: now.Add(time.Hour),
		Build: child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)),
		After: func(store.Node, resource.Resource) (store.Effects, error) { return effects, refusal }}); err != refusal {
		t.Errorf("create: got %v, want what After returned", err)
	}
	if _, err := s.Update(t.Context(), path("cse-in/c"), now, func(n store.Node) (store.Change, error) {
		return store.Change{Resource: n.Resource, After: func(resource.Resource) (store.Effects, error) { return effects, refusal }}, nil
	}); err != refusal {
		t.Errorf("update: got %v, want what After returned", err)
	}
	if _, err := s.Delete(t.Context(), path("cse-in/c"), now, allow, func(store.Removal) (store.Effects, error) { return effects, refusal }); err != refusal {
		t.Errorf("delete: got %v, want what after returned", err)
	}
	wantCounters(t, s, "cse-in/c", "st 0 cni 0 cbs 0")
	wantNames(t, s, store.Query{}, "c")
	wantTurns(t, s, now)
	// The name that the refused creation was to have is free, and the request is not known.
	effects.Tasks = []store.Task{task("lane", "once")}
	for range 2 {
		if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now, Receipt: []byte("r"), ReceiptUntil: now.Add(time.Hour),
			Build: child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)),
			After: func(store.Node, resource.Resource) (store.Effects, error) { return effects, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	wantTurns(t, s, now, `lane: "once"`)
}

// testEffectsConcurrently has one of several creations that are stored together refused: the others are as if it had not been.
func testEffectsConcurrently(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	refusal := errors.New("refused")
	each(24, func(i int) {
		_, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
			Build: child(resource.TypeContentInstance, fmt.Sprint("i", i), `{"con":1}`, sized(1)),
			After: func(_ store.Node, r resource.Resource) (store.Effects, error) {
				if i%3 == 0 {
					return store.Effects{}, refusal
				}
				return store.Effects{Tasks: []store.Task{task("lane", r.StateTag)}}, nil
			}})
		if (err == refusal) != (i%3 == 0) || err != nil && err != refusal {
			t.Errorf("instance %d: got %v", i, err)
		}
	})
	wantCounters(t, s, "cse-in/c", "st 16 cni 16 cbs 16")
	want := "lane:"
	for i := range 16 {
		want += fmt.Sprint(" ", i+1)
	}
	wantTurns(t, s, now, want)
}

// testRemovals looks at what is told about what goes.
func testRemovals(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	announced := func(r *resource.Resource) { r.Announced = true }
	end := now.Add(time.Minute)
	build := func() {
		create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, announced, expires(end)))
		create(t, s, "cse-in/c", child(resource.TypeContainer, "d", `{}`))
		create(t, s, "cse-in/c", child(resource.TypeTimeSeries, "t", `{}`))
		create(t, s, "cse-in/c", child(resource.TypeSubscription, "s", `{}`))
		create(t, s, "cse-in/c/d", child(resource.TypeSubscription, "s", `{"nu":["C"]}`))
		create(t, s, "cse-in/c/d", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1), announced))
		create(t, s, "cse-in/c/d", child(resource.TypeContentInstance, "j", `{"con":1}`, sized(1)))
	}
	build()
	create(t, s, "cse-in", child(resource.TypeSubscription, "above", `{}`))
	create(t, s, "cse-in", child(resource.TypeContainer, "c-neighbour", `{}`, announced))
	below := []string{"cse-in.c", "cse-in.c.d", "cse-in.c.d.i", "cse-in.c.d.s", "cse-in.c.s", "cse-in.c.t"}
	removed := func(what string, expired bool) func(r store.Removal) (store.Effects, error) {
		return func(r store.Removal) (store.Effects, error) {
			wantIDs(t, what+": below", r.Below, below...)
			wantIDs(t, what+": subscriptions", r.Parent.Subscriptions, "cse-in.above")
			if r.Resource.ID != "cse-in.c" || r.Parent.Resource.ID != "id-in" || r.Expired != expired || !r.Below[0].Announced {
				t.Errorf("%s: got %+v", what, r)
			}
			return store.Effects{Tasks: []store.Task{task(what, len(r.Below))}}, nil
		}
	}
	if _, err := s.Delete(t.Context(), path("cse-in/c"), now, allow, removed("delete", false)); err != nil {
		t.Fatal(err)
	}
	wantTurns(t, s, now, "delete: 6")
	build()
	if _, err := s.Sweep(t.Context(), end, 100, removed("sweep", true)); err != nil {
		t.Fatal(err)
	}
	wantTurns(t, s, now, "sweep: 6")
	wantNames(t, s, store.Query{}, "above", "c-neighbour")
	build()
	if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in"), Now: end, Displaced: removed("displaced", true),
		Build: child(resource.TypeContainer, "c", `{}`, func(r *resource.Resource) { r.CreatedAt = end })}); err != nil {
		t.Fatal(err)
	}
	wantTurns(t, s, now, "displaced: 6")
	wantNames(t, s, store.Query{}, "above", "c", "c-neighbour")
}

// testRemovalOfInstances has expired instances only be told about where somebody listens.
func testRemovalOfInstances(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	end := now.Add(time.Minute)
	for _, name := range []string{"c", "d", "e"} {
		create(t, s, "cse-in", child(resource.TypeContainer, name, `{}`))
		create(t, s, "cse-in/"+name, child(resource.TypeContentInstance, name+"i", `{"con":1}`, sized(1), expires(end)))
		create(t, s, "cse-in/"+name, child(resource.TypeContentInstance, name+"j", `{"con":1}`, sized(2), expires(end)))
		create(t, s, "cse-in/"+name, child(resource.TypeContentInstance, name+"k", `{"con":1}`, sized(4)))
	}
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s", `{}`))
	create(t, s, "cse-in/e", child(resource.TypeSubscription, "s", `{}`))
	tell := func(r store.Removal) (store.Effects, error) {
		if !r.Expired || len(r.Parent.Subscriptions) != 1 || r.Resource.Size == 0 {
			t.Errorf("got %+v", r)
		}
		return store.Effects{Tasks: []store.Task{task("gone", r.Resource.Name())}}, nil
	}
	if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/e"), Now: end, Displaced: tell,
		Build: child(resource.TypeContentInstance, "ei", `{"con":1}`, sized(8), func(r *resource.Resource) { r.CreatedAt = end })}); err != nil {
		t.Fatal(err)
	}
	wantCounters(t, s, "cse-in/e", "st 4 cni 3 cbs 14")
	if n, err := s.Sweep(t.Context(), end, 100, tell); err != nil || n != 5 {
		t.Errorf("got %d, %v, want 5", n, err)
	}
	turns := take(t, s, now, 10)
	if len(turns) != 1 || len(turns[0].Tasks) != 4 {
		t.Fatalf("got %v, want one turn with four tasks", turns)
	}
	var got []string
	for _, k := range turns[0].Tasks {
		got = append(got, string(k.Body))
	}
	slices.Sort(got)
	if want := []string{`"ci"`, `"cj"`, `"ei"`, `"ej"`}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantCounters(t, s, "cse-in/d", "st 3 cni 1 cbs 4")
}

// testEvictions has instances that give way be told about, each once and before the change is over, if somebody asks for it; and what that
// brings with it is stored.
func testEvictions(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, limited(2, 25)))
	create(t, s, "cse-in/c", child(resource.TypeSubscription, "s", `{}`))
	var told []string
	evicted := func(r store.Removal) (store.Effects, error) {
		if !r.Expired || r.Resource.Size == 0 {
			t.Errorf("got %+v", r)
		}
		wantIDs(t, "subscriptions", r.Parent.Subscriptions, "cse-in.c.s")
		told = append(told, r.Resource.Name())
		return store.Effects{Tasks: []store.Task{task("gone", r.Resource.Name())}}, nil
	}
	wantTold := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("%s: told of %v, want %v", what, told, want)
		}
		told = nil
	}
	add := func(name string, size int64, effects store.Effects) {
		t.Helper()
		if _, err := s.Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: now,
			Build: child(resource.TypeContentInstance, name, labelled("x"), sized(size)),
			After: func(store.Node, resource.Resource) (store.Effects, error) { return effects, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	hears := store.Effects{Evicted: evicted}
	add("i1", 10, hears)
	add("i2", 10, hears)
	wantTold("room for all")
	add("i3", 10, hears)
	wantTold("one too many", "i1")
	add("i4", 10, store.Effects{})
	wantTold("nobody asks")
	add("i5", 20, hears)
	wantTold("too large together", "i3", "i4")
	add("i6", 5, hears)
	wantTold("room for both")
	update(t, s, "cse-in/c", func(c *store.Change) {
		limited(1, -1)(&c.Resource)
		c.After = func(resource.Resource) (store.Effects, error) { return hears, nil }
	})
	wantTold("lower limit", "i5")
	wantCounters(t, s, "cse-in/c", "st 7 cni 1 cbs 5")
	update(t, s, "cse-in/c", func(c *store.Change) {
		c.Resource.MaxCount, c.Resource.MaxBytes, c.DropInstances = nil, nil, true
		c.After = func(resource.Resource) (store.Effects, error) { return hears, nil }
	})
	wantTold("all dropped", "i6")
	wantTurns(t, s, now, `gone: "i1" "i3" "i4" "i5" "i6"`)
	const many = 250
	for i := range many {
		add(fmt.Sprintf("j%03d", i), 1, store.Effects{})
	}
	update(t, s, "cse-in/c", func(c *store.Change) {
		limited(1, -1)(&c.Resource)
		c.After = func(resource.Resource) (store.Effects, error) { return hears, nil }
	})
	if len(told) != many-1 || told[0] != "j000" || told[many-2] != "j248" {
		t.Errorf("many at once: told of %d, from %v", len(told), told)
	}
	// That instances are announced is known of the resource they are in.
	if get(t, s, path("cse-in/c")).Resource.AnnouncesInstances {
		t.Error("nothing is announced, but the parent says so")
	}
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "announced", `{}`, sized(1), func(r *resource.Resource) { r.Announced = true }))
	update(t, s, "cse-in/c", func(*store.Change) {})
	if r := get(t, s, path("cse-in/c")).Resource; !r.AnnouncesInstances || r.Announced {
		t.Errorf("an instance is announced: got %+v", r)
	}
}
