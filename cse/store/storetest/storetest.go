// Package storetest is the contract of package store as tests. Every implementation runs it.
package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// now is the present of most tests. Stores take the time from their callers.
var now = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

// Run tests the stores that open makes. open returns n handles, as n instances would have them, on one new empty database, and
// closes them when the test ends.
func Run(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	for name, test := range map[string]func(t *testing.T, open func(t *testing.T, n int) []store.Store){
		"prepare":                    testPrepare,
		"prepare at once":            testPrepareAtOnce,
		"prepare refuses":            testPrepareRefuses,
		"get":                        testGet,
		"get policies":               testGetPolicies,
		"look":                       testLook,
		"create conflicts":           testCreateConflicts,
		"create is all or nothing":   testCreateRefused,
		"create group with bad one":  testCreateBadOne,
		"create cancelled":           testCreateCancelled,
		"evict by count":             testEvictByCount,
		"evict by size":              testEvictBySize,
		"evict under concurrency":    testEvictConcurrently,
		"one winner per name":        testNameRace,
		"receipts":                   testReceipts,
		"receipts under concurrency": testReceiptsConcurrently,
		"update":                     testUpdate,
		"update counts":              testUpdateConcurrently,
		"update lifetimes":           testUpdateLifetimes,
		"update limits":              testUpdateLimits,
		"delete":                     testDelete,
		"delete edges":               testDeleteEdges,
		"delete under concurrency":   testDeleteConcurrently,
		"find":                       testFind,
		"find ends":                  testFindEnds,
		"find in pages":              testFindPages,
		"expiration":                 testExpiration,
		"sweep":                      testSweep,
		"sweep many":                 testSweepMany,
		"turns":                      testTurns,
		"subscriptions":              testSubscriptions,
		"fields":                     testFields,
		"instance types":             testInstanceTypes,
		"instances by update":        testEffectInstances,
		"instances by creation":      testCreationInstances,
		"get all":                    testGetAll,
		"usage":                      testUsage,
		"idle accounts":              testIdleAccounts,
		"holdings":                   testHoldings,
		"effects are all or nothing": testEffectsAtomic,
		"effects under concurrency":  testEffectsConcurrently,
		"removals":                   testRemovals,
		"removal of instances":       testRemovalOfInstances,
		"evictions":                  testEvictions,
		"tasks":                      testTasks,
		"tasks that fail":            testTasksFailing,
		"tasks repeated":             testTasksRepeated,
		"tasks that are awaited":     testTasksAwaited,
		"tasks replaced":             testTasksReplaced,
		"tasks read on":              testTasksReadOn,
		"tasks shed":                 testTasksShed,
		"turns pass on":              testTurnsPassOn,
		"turns renewed":              testTurnsRenewed,
		"tasks under concurrency":    testTasksConcurrently,
		"wake for tasks":             testWakeForTasks,
		"messages":                   testMessages,
		"messages under concurrency": testMessagesConcurrently,
		"wake for messages":          testWakeForMessages,
		"listen ends":                testListenEnds,
		"everything at once":         testStorm,
		"closed":                     testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

func base() resource.Resource {
	return resource.Resource{ID: "id-in", Type: resource.TypeCSEBase, Path: "cse-in", CreatedAt: now, ModifiedAt: now,
		Creator: "CAdmin", Governor: "id-in", Attributes: json.RawMessage(`{"csi":"/id-in"}`)}
}

// prepared is n handles on a database with a CSEBase.
func prepared(t *testing.T, open func(t *testing.T, n int) []store.Store, n int) []store.Store {
	t.Helper()
	stores := open(t, n)
	if err := stores[0].Prepare(t.Context(), base()); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	return stores
}

func path(p string) primitive.Address { return primitive.Address{Path: p} }

func id(i string) primitive.Address { return primitive.Address{ID: i} }

func edge(p string, e primitive.Edge) primitive.Address { return primitive.Address{Path: p, Edge: e} }

// child makes the child name of a parent; fix may change it.
func child(t resource.Type, name, attributes string, fix ...func(*resource.Resource)) func(store.Node) (resource.Resource, error) {
	return func(parent store.Node) (resource.Resource, error) {
		p := parent.Resource
		r := resource.Resource{ID: strings.ReplaceAll(p.Path, "/", ".") + "." + name, ParentID: p.ID, Type: t, Path: p.Path + "/" + name,
			CreatedAt: now, ModifiedAt: now, ExpiresAt: p.ExpiresAt, Creator: "Cme", Host: "Cme", Attributes: json.RawMessage(attributes)}
		r.Governor = r.ID
		if t.Instance() {
			r.Governor = p.Governor
		}
		for _, f := range fix {
			f(&r)
		}
		return r, nil
	}
}

func sized(n int64) func(*resource.Resource) { return func(r *resource.Resource) { r.Size = n } }

func limited(count, bytes int64) func(*resource.Resource) {
	return func(r *resource.Resource) {
		if count >= 0 {
			r.MaxCount = &count
		}
		if bytes >= 0 {
			r.MaxBytes = &bytes
		}
	}
}

func expires(at time.Time) func(*resource.Resource) {
	return func(r *resource.Resource) { r.ExpiresAt = at }
}

func labelled(labels ...string) string {
	b, err := json.Marshal(map[string][]string{"lbl": labels})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func create(t *testing.T, s store.Store, parent string, build func(store.Node) (resource.Resource, error)) resource.Resource {
	t.Helper()
	r, err := s.Create(t.Context(), store.Creation{Parent: path(parent), Now: now, Build: build})
	if err != nil {
		t.Fatalf("create in %s: %v", parent, err)
	}
	return r
}

func get(t *testing.T, s store.Store, a primitive.Address) store.Node {
	t.Helper()
	n, err := s.Get(t.Context(), a, now)
	if err != nil {
		t.Fatalf("get %s: %v", a, err)
	}
	return n
}

func wantMissing(t *testing.T, s store.Store, a primitive.Address, at time.Time) {
	t.Helper()
	if n, err := s.Get(t.Context(), a, at); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get %s: got %+v, %v, want not found", a, n.Resource, err)
	}
}

// names are the names of what q selects, in the order found.
func names(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	if q.Root == "" {
		q.Root = "cse-in"
	}
	if q.Now.IsZero() {
		q.Now = now
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	p, err := s.Find(t.Context(), q)
	if err != nil {
		t.Fatalf("find %+v: %v", q, err)
	}
	list := []string{}
	for _, r := range p.Resources {
		list = append(list, r.Name())
	}
	return list
}

func wantNames(t *testing.T, s store.Store, q store.Query, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if got := names(t, s, q); !slices.Equal(got, want) {
		t.Errorf("find %+v: got %v, want %v", q.Filter, got, want)
	}
}

// counters are what a container says of itself.
func counters(r resource.Resource) string {
	return fmt.Sprintf("st %d cni %d cbs %d", r.StateTag, r.Count, r.Bytes)
}

func wantCounters(t *testing.T, s store.Store, p, want string) {
	t.Helper()
	if got := counters(get(t, s, path(p)).Resource); got != want {
		t.Errorf("%s: got %s, want %s", p, got, want)
	}
}

// each runs fn n times at once and waits.
func each(n int, fn func(i int)) {
	var w sync.WaitGroup
	for i := range n {
		w.Go(func() { fn(i) })
	}
	w.Wait()
}

func allow(store.Node) error { return nil }

func testPrepare(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	got := get(t, s, path("cse-in")).Resource
	if got.ID != "id-in" || got.Type != resource.TypeCSEBase || !got.CreatedAt.Equal(now) || !got.ExpiresAt.IsZero() {
		t.Errorf("base: got %+v", got)
	}
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	changed := base()
	changed.Attributes = json.RawMessage(`{"csi":"/id-in","srt":[1]}`)
	changed.ModifiedAt = now.Add(time.Hour)
	for range 2 {
		if err := s.Prepare(t.Context(), changed); err != nil {
			t.Fatalf("prepare again: %v", err)
		}
	}
	got = get(t, s, id("id-in")).Resource
	if string(got.Attributes) != string(changed.Attributes) || !got.CreatedAt.Equal(now) || !got.ModifiedAt.Equal(changed.ModifiedAt) {
		t.Errorf("base after change: got %+v", got)
	}
	get(t, s, path("cse-in/c"))
	noted := json.RawMessage(`{"_note":1,"csi":"/id-in","srt":[1]}`)
	update(t, s, "cse-in", func(c *store.Change) { c.Resource.Attributes = noted })
	changed.Attributes = json.RawMessage(`{"csi":"/id-in"}`)
	if err := s.Prepare(t.Context(), changed); err != nil {
		t.Fatalf("prepare with a note: %v", err)
	}
	if got := string(get(t, s, id("id-in")).Resource.Attributes); got != `{"_note":1,"csi":"/id-in"}` {
		t.Errorf("base with a note: got %s, want the note kept", got)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func testPrepareAtOnce(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := open(t, 4)
	each(len(stores), func(i int) {
		if err := stores[i].Prepare(t.Context(), base()); err != nil {
			t.Errorf("instance %d: %v", i, err)
		}
	})
	get(t, stores[3], path("cse-in"))
}

func testPrepareRefuses(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	other := base()
	other.ID, other.Path = "id-other", "cse-other"
	if err := s.Prepare(t.Context(), other); err == nil || !strings.Contains(err.Error(), "/id-in") {
		t.Errorf("prepare for another CSE: got %v, want an error that names /id-in", err)
	}
	wantMissing(t, s, id("id-other"), now)
}

func testGet(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	want := create(t, s, "cse-in", child(resource.TypeContainer, "c", `{"lbl":["a"],"mni":3}`, limited(3, -1)))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":"é\"<"}`, sized(4)))
	for _, a := range []primitive.Address{path("cse-in/c"), id(want.ID)} {
		n := get(t, s, a)
		got := n.Resource
		if got.ID != want.ID || got.Path != "cse-in/c" || got.ParentID != "id-in" || got.Creator != "Cme" || got.Host != "Cme" ||
			string(got.Attributes) != `{"lbl":["a"],"mni":3}` || *got.MaxCount != 3 || got.MaxBytes != nil || counters(got) != "st 1 cni 1 cbs 4" {
			t.Errorf("get %s: got %+v", a, got)
		}
		if n.Governor.ID != want.ID || n.Governor.Type != resource.TypeContainer {
			t.Errorf("get %s: got governor %+v", a, n.Governor)
		}
	}
	i := get(t, s, path("cse-in/c/i"))
	if i.Resource.StateTag != 1 || i.Resource.Size != 4 || string(i.Resource.Attributes) != `{"con":"é\"<"}` || i.Governor.ID != want.ID {
		t.Errorf("instance: got %+v governed by %s", i.Resource, i.Governor.ID)
	}
	if got := get(t, s, edge("cse-in/c", primitive.Latest)); got.Resource.ID != i.Resource.ID || got.Governor.ID != want.ID {
		t.Errorf("latest: got %+v", got)
	}
	for _, a := range []primitive.Address{path("cse-in/x"), id("x"), path("cse-in/c/i/x"), path("cse-in/C"), edge("cse-in/x", primitive.Latest)} {
		wantMissing(t, s, a, now)
	}
}

func testGetPolicies(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	p := create(t, s, "cse-in", child(resource.TypeAccessControlPolicy, "p", `{"pv":{"acr":[]}}`))
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, func(r *resource.Resource) { r.Policies = []string{p.ID, "gone"} }))
	create(t, s, "cse-in/c", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	for _, a := range []primitive.Address{path("cse-in/c"), path("cse-in/c/i"), edge("cse-in/c", primitive.Oldest)} {
		n := get(t, s, a)
		if len(n.Policies) != 1 || n.Policies[0].ID != p.ID || string(n.Policies[0].Attributes) != `{"pv":{"acr":[]}}` {
			t.Errorf("%s: got policies %+v, want only %s", a, n.Policies, p.ID)
		}
	}
	if got := get(t, s, path("cse-in/c")).Resource.Policies; !slices.Equal(got, []string{p.ID, "gone"}) {
		t.Errorf("named policies: got %v", got)
	}
	if _, err := s.Delete(t.Context(), path("cse-in/p"), now, allow, nil); err != nil {
		t.Fatal(err)
	}
	if n := get(t, s, path("cse-in/c/i")); len(n.Policies) != 0 {
		t.Errorf("after deleting the policy: got %+v", n.Policies)
	}
}
