package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

func testFind(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	at := func(d time.Duration) func(*resource.Resource) {
		return func(r *resource.Resource) {
			r.CreatedAt, r.ModifiedAt = now.Add(d), now.Add(d)
			if !r.Type.Instance() {
				r.ModifiedAt = now.Add(d + time.Minute)
			}
		}
	}
	create(t, s, "cse-in", child(resource.TypeAE, "ae", `{"api":"N1","rr":true,"apn":"a%b_c?[d]"}`, at(-4*time.Hour), expires(now.Add(time.Hour))))
	create(t, s, "cse-in/ae", child(resource.TypeContainer, "c", `{"lbl":["blue","green sky"],"mni":5}`, at(-3*time.Hour), limited(5, -1)))
	create(t, s, "cse-in/ae/c", child(resource.TypeContentInstance, "i1", `{"con":"cold","cnf":"text/plain:0","lbl":["blue"]}`, at(-2*time.Hour), sized(4)))
	create(t, s, "cse-in/ae/c", child(resource.TypeContentInstance, "i2", `{"con":23,"cnf":"application/json:0"}`, at(-time.Hour), sized(20)))
	create(t, s, "cse-in", child(resource.TypeContainer, "cse-in", `{"lbl":["blues"],"disr":false}`, at(0), expires(now.Add(2*time.Hour))))
	n := func(v int64) *int64 { return &v }
	match := func(name string, values ...string) []primitive.AttributeCondition {
		var list []primitive.AttributeCondition
		for _, v := range values {
			list = append(list, primitive.AttributeCondition{Name: name, Value: v})
		}
		return list
	}
	for _, c := range []struct {
		what   string
		root   string
		filter primitive.Filter
		want   []string
	}{
		{"everything", "cse-in", primitive.Filter{}, []string{"ae", "c", "i1", "i2", "cse-in"}},
		{"below a container", "cse-in/ae/c", primitive.Filter{}, []string{"i1", "i2"}},
		{"below an instance", "cse-in/ae/c/i1", primitive.Filter{}, nil},
		{"level 1", "cse-in", primitive.Filter{Level: 1}, []string{"ae", "cse-in"}},
		{"level 2", "cse-in", primitive.Filter{Level: 2}, []string{"ae", "c", "cse-in"}},
		{"level 2 of an AE", "cse-in/ae", primitive.Filter{Level: 2}, []string{"c", "i1", "i2"}},
		{"ty", "cse-in", primitive.Filter{Types: []int{3}}, []string{"c", "cse-in"}},
		{"ty any of", "cse-in", primitive.Filter{Types: []int{2, 4}}, []string{"ae", "i1", "i2"}},
		{"lbl", "cse-in", primitive.Filter{Labels: []string{"blue"}}, []string{"c", "i1"}},
		{"lbl any of", "cse-in", primitive.Filter{Labels: []string{"blues", "green sky"}}, []string{"c", "cse-in"}},
		{"lbl wildcard", "cse-in", primitive.Filter{Labels: []string{"bl*s"}}, []string{"cse-in"}},
		{"lbl wildcard at both ends", "cse-in", primitive.Filter{Labels: []string{"*e*"}}, []string{"c", "i1", "cse-in"}},
		{"lbl has case", "cse-in", primitive.Filter{Labels: []string{"BLUE", "BL*"}}, nil},
		{"pty", "cse-in", primitive.Filter{ParentTypes: []int{3}}, []string{"i1", "i2"}},
		{"palb", "cse-in", primitive.Filter{ParentLabels: []string{"green*"}}, []string{"i1", "i2"}},
		{"p. attribute", "cse-in", primitive.Filter{ParentAttributes: match("rn", "ae")}, []string{"c"}},
		{"chty", "cse-in", primitive.Filter{ChildTypes: []int{4}}, []string{"c"}},
		{"clbl", "cse-in", primitive.Filter{ChildLabels: []string{"blue"}}, []string{"ae", "c"}},
		{"c. attribute", "cse-in", primitive.Filter{ChildAttributes: match("cnf", "text*")}, []string{"c"}},
		{"clbl or ty", "cse-in", primitive.Filter{ChildLabels: []string{"blue"}, Types: []int{4}, Or: true}, []string{"ae", "c", "i1", "i2"}},
		{"of parent and child", "cse-in", primitive.Filter{ParentTypes: []int{2}, ChildTypes: []int{4}}, []string{"c"}},
		{"any of several names", "cse-in", primitive.Filter{Attributes: match("rn", "i1", "i2", "x", "a*")}, []string{"ae", "i1", "i2"}},
		{"cra includes its bound", "cse-in", primitive.Filter{CreatedAfter: now.Add(-time.Hour)}, []string{"i2", "cse-in"}},
		{"crb excludes its bound", "cse-in", primitive.Filter{CreatedBefore: now.Add(-3 * time.Hour)}, []string{"ae"}},
		{"ms", "cse-in", primitive.Filter{ModifiedSince: now.Add(time.Minute)}, []string{"cse-in"}},
		{"ms of instances", "cse-in/ae", primitive.Filter{ModifiedSince: now.Add(-2 * time.Hour)}, []string{"i1", "i2"}},
		{"us", "cse-in", primitive.Filter{UnmodifiedSince: now.Add(-3*time.Hour + time.Minute)}, []string{"ae"}},
		{"exa", "cse-in", primitive.Filter{ExpireAfter: now.Add(2 * time.Hour)}, []string{"cse-in"}},
		{"exb", "cse-in", primitive.Filter{ExpireBefore: now.Add(2 * time.Hour)}, []string{"ae", "c", "i1", "i2"}},
		{"stb", "cse-in", primitive.Filter{StateTagBigger: n(2)}, []string{"c", "i2"}},
		{"sts", "cse-in", primitive.Filter{StateTagSmaller: n(2)}, []string{"i1", "cse-in"}},
		{"sza", "cse-in", primitive.Filter{SizeAbove: n(20)}, []string{"i2"}},
		{"szb", "cse-in", primitive.Filter{SizeBelow: n(20)}, []string{"i1"}},
		{"cty", "cse-in", primitive.Filter{ContentTypes: []string{"text/plain:0"}}, []string{"i1"}},
		{"cty of any encoding", "cse-in", primitive.Filter{ContentTypes: []string{"text/plain"}}, []string{"i1"}},
		{"cty wildcard", "cse-in", primitive.Filter{ContentTypes: []string{"*json*"}}, []string{"i2"}},
		{"attribute", "cse-in", primitive.Filter{Attributes: match("api", "N1")}, []string{"ae"}},
		{"attribute any of", "cse-in", primitive.Filter{Attributes: match("con", "cold", "23")}, []string{"i1", "i2"}},
		{"attributes all of", "cse-in", primitive.Filter{Attributes: append(match("con", "c*"), match("cnf", "*json*")...)}, nil},
		{"number", "cse-in", primitive.Filter{Attributes: match("mni", "5")}, []string{"c"}},
		{"boolean true", "cse-in", primitive.Filter{Attributes: match("rr", "true")}, []string{"ae"}},
		{"boolean false", "cse-in", primitive.Filter{Attributes: match("disr", "false")}, []string{"cse-in"}},
		{"counter", "cse-in", primitive.Filter{Attributes: match("cni", "2")}, []string{"c"}},
		{"name", "cse-in", primitive.Filter{Attributes: match("rn", "cse-in")}, []string{"cse-in"}},
		{"name wildcard", "cse-in", primitive.Filter{Attributes: match("rn", "i*")}, []string{"i1", "i2"}},
		{"identifier", "cse-in", primitive.Filter{Attributes: match("ri", "cse-in.ae.c")}, []string{"c"}},
		{"what databases take for wildcards", "cse-in", primitive.Filter{Attributes: match("apn", "a%b_c?[d]")}, []string{"ae"}},
		{"the same with a wildcard", "cse-in", primitive.Filter{Attributes: match("apn", "a%b_c?[d*")}, []string{"ae"}},
		{"no wildcards of databases", "cse-in", primitive.Filter{Attributes: match("apn", "a%*", "a_b_*", "*?_?*", "*[abc]*")}, []string{"ae"}},
		{"none of them matches by itself", "cse-in", primitive.Filter{Attributes: match("apn", "%*", "?%b*", "_%b*", "[a]*")}, nil},
		{"quotes are no syntax", "cse-in", primitive.Filter{Labels: []string{"x' OR '1'='1", `"`, `\`}}, nil},
		{"all of different conditions", "cse-in", primitive.Filter{Labels: []string{"blue"}, Types: []int{3}}, []string{"c"}},
		{"any of different conditions", "cse-in", primitive.Filter{Labels: []string{"blue"}, Types: []int{2}, Or: true}, []string{"ae", "c", "i1"}},
		{"or without conditions", "cse-in", primitive.Filter{Or: true, Level: 1}, []string{"ae", "cse-in"}},
	} {
		got := names(t, s, store.Query{Root: c.root, Filter: c.filter})
		if !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
}

// testFindEnds finds resources by how texts end, and by attributes that only instances have.
func testFindEnds(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	long := strings.Repeat("ü", 150) // more bytes than are indexed
	create(t, s, "cse-in", child(resource.TypeContainer, "c-temp", `{"lbl":["grüße"],"or":"http://x/zürich","at":["a","b"]}`))
	create(t, s, "cse-in", child(resource.TypeContainer, "long", `{"lbl":["no%_"],"or":"`+long+`-end"}`))
	create(t, s, "cse-in", child(resource.TypeAE, "ae", `{"apn":"a?[d]"}`, func(r *resource.Resource) { r.ID, r.Path = "Cown-temp", "cse-in/Cown-temp" }))
	create(t, s, "cse-in/c-temp", child(resource.TypeContentInstance, "i", `{"con":"or","or":"http://x/zürich","conr":{"link":1},"dcnt":3}`))
	create(t, s, "cse-in/c-temp", child(resource.TypeContentInstance, "06h", `{"con":"x","conr":"y/conr-7"}`, func(r *resource.Resource) { r.ID, r.Path = "cin06htemp", "cse-in/c-temp/cin06htemp" }))
	create(t, s, "cse-in", child(resource.TypeTimeSeries, "ts", `{}`))
	create(t, s, "cse-in/ts", child(resource.TypeTimeSeriesInstance, "d", `{"con":1,"dgt":"20260101T000000","snr":7}`))
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"rn", "*-temp", []string{"Cown-temp", "c-temp"}}, {"rn", "*temp", []string{"Cown-temp", "c-temp", "cin06htemp"}}, {"rn", "*6htemp", []string{"cin06htemp"}},
		{"rn", "*06h*mp", []string{"cin06htemp"}}, {"rn", "*-TEMP", nil}, {"rn", "*e*", []string{"Cown-temp", "c-temp", "cin06htemp"}},
		{"lbl", "*üße", []string{"c-temp"}}, {"lbl", "*r*ße", []string{"c-temp"}}, {"lbl", "*%_", []string{"long"}}, {"lbl", "*__", nil}, {"lbl", "*ss", nil},
		{"or", "*zürich", []string{"c-temp", "i"}}, {"or", "http://x/zürich", []string{"c-temp", "i"}}, {"or", "*/x/*h", []string{"c-temp", "i"}},
		{"or", "*ü-end", []string{"long"}}, {"or", "*-enD", nil}, {"or", long + "-end", []string{"long"}},
		{"apn", "*?[d]", []string{"Cown-temp"}}, {"apn", "*d]", []string{"Cown-temp"}}, {"apn", "*[a-z]", nil},
		{"conr", "y/conr-7", []string{"cin06htemp"}}, {"conr", "*conr-7", []string{"cin06htemp"}}, {"conr", "y*", []string{"cin06htemp"}},
		{"dcnt", "3", []string{"i"}}, {"dgt", "20260101*", []string{"d"}}, {"dgt", "20260101T000000", []string{"d"}}, {"snr", "7", []string{"d"}},
		{"con", "*r", []string{"i"}},
	} {
		f := primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: c.name, Value: c.value}}}
		if c.name == "lbl" {
			f = primitive.Filter{Labels: []string{c.value}}
		}
		if got := names(t, s, store.Query{Filter: f}); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s %s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
	// What is changed is found as it is now.
	update(t, s, "cse-in/c-temp", func(c *store.Change) { c.Resource.Attributes = []byte(`{"or":"http://x/bern"}`) })
	for value, want := range map[string][]string{"*bern": {"c-temp"}, "*zürich": {"i"}} {
		f := primitive.Filter{Attributes: []primitive.AttributeCondition{{Name: "or", Value: value}}}
		if got := names(t, s, store.Query{Filter: f}); !slices.Equal(got, want) {
			t.Errorf("or %s after a change: got %q, want %q", value, got, want)
		}
	}
}

func testFindPages(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`))
	want := []string{"c"}
	for i := range 7 {
		want = append(want, create(t, s, "cse-in/c", child(resource.TypeContentInstance, fmt.Sprint("i", i), `{"con":1}`, sized(1))).Name())
	}
	var got []string
	q := store.Query{Root: "cse-in", Now: now, Limit: 3}
	for {
		p, err := s.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Resources {
			got = append(got, r.Name())
			if g := p.Governors[r.Governor]; g.Resource.ID != "cse-in.c" {
				t.Errorf("%s: got governor %+v", r.Path, g.Resource)
			}
		}
		if !p.More {
			break
		}
		if len(p.Resources) != 3 {
			t.Fatalf("page: got %d resources and more, want 3", len(p.Resources))
		}
		q.After = p.Resources[len(p.Resources)-1].Path
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testExpiration(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	end := now.Add(time.Minute)
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, expires(end)))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "d", `{}`))
	create(t, s, "cse-in", child(resource.TypeContainer, "e", `{}`))
	create(t, s, "cse-in/e", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	create(t, s, "cse-in/e", child(resource.TypeContentInstance, "j", `{"con":1}`, sized(1), expires(end)))
	p := create(t, s, "cse-in", child(resource.TypeAccessControlPolicy, "p", `{}`, expires(end)))
	create(t, s, "cse-in", child(resource.TypeContainer, "f", `{}`, func(r *resource.Resource) { r.Policies = []string{p.ID} }))
	for _, at := range []time.Time{end, end.Add(time.Hour)} {
		for _, gone := range []string{"cse-in/c", "cse-in/c/d", "cse-in/e/j", "cse-in/p"} {
			wantMissing(t, s, path(gone), at)
			if _, err := s.Update(t.Context(), path(gone), at, func(store.Node) (store.Change, error) { return store.Change{}, nil }); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("update %s: got %v, want not found", gone, err)
			}
			if _, err := s.Delete(t.Context(), path(gone), at, allow, nil); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("delete %s: got %v, want not found", gone, err)
			}
		}
		wantNames(t, s, store.Query{Now: at}, "e", "i", "f")
		n, err := s.Get(t.Context(), edge("cse-in/e", primitive.Latest), at)
		if err != nil || n.Resource.Name() != "i" {
			t.Errorf("latest: got %+v, %v, want i", n.Resource, err)
		}
		if n, err = s.Get(t.Context(), path("cse-in/f"), at); err != nil || len(n.Policies) != 0 {
			t.Errorf("policies: got %+v, %v, want none", n.Policies, err)
		}
	}
	wantNames(t, s, store.Query{Now: end.Add(-time.Microsecond)}, "c", "d", "e", "i", "j", "f", "p")
}

func sweep(t *testing.T, s store.Store, at time.Time, limit int) int {
	t.Helper()
	n, err := s.Sweep(t.Context(), at, limit, nil)
	if err != nil {
		t.Fatalf("sweep: %v", err)
	}
	return n
}

func testSweep(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	end := now.Add(time.Minute)
	create(t, s, "cse-in", child(resource.TypeContainer, "c", `{}`, expires(end)))
	create(t, s, "cse-in/c", child(resource.TypeContainer, "d", labelled("x")))
	create(t, s, "cse-in/c/d", child(resource.TypeContentInstance, "i", labelled("x"), sized(1)))
	create(t, s, "cse-in", child(resource.TypeContainer, "e", `{}`))
	create(t, s, "cse-in/e", child(resource.TypeContentInstance, "i", `{"con":1}`, sized(1)))
	create(t, s, "cse-in/e", child(resource.TypeContentInstance, "j", labelled("x"), sized(2), expires(end)))
	if n := sweep(t, s, now, 100); n != 0 {
		t.Errorf("before the end: swept %d, want 0", n)
	}
	if n := sweep(t, s, end, 100); n == 0 {
		t.Error("at the end: swept 0, want some")
	}
	if n := sweep(t, s, end, 100); n != 0 {
		t.Errorf("again: swept %d, want 0", n)
	}
	// As of before the end, so that only what is really gone is missing.
	wantNames(t, s, store.Query{}, "e", "i")
	wantNames(t, s, store.Query{Filter: primitive.Filter{Labels: []string{"x"}}})
	wantCounters(t, s, "cse-in/e", "st 2 cni 1 cbs 1")
}

// testSweepMany sweeps in small steps while instances are added.
func testSweepMany(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 2)
	end := now.Add(time.Minute)
	create(t, stores[0], "cse-in", child(resource.TypeContainer, "c", `{}`))
	for i := range 30 {
		create(t, stores[0], "cse-in/c", child(resource.TypeContentInstance, fmt.Sprint("old", i), `{"con":1}`, sized(1), expires(end)))
	}
	var swept atomic.Int64
	each(4, func(w int) {
		if w < 2 {
			for i := range 10 {
				if _, err := stores[w].Create(t.Context(), store.Creation{Parent: path("cse-in/c"), Now: end,
					Build: child(resource.TypeContentInstance, fmt.Sprint("new", w, ".", i), `{"con":1}`, sized(1))}); err != nil {
					t.Errorf("create: %v", err)
				}
			}
			return
		}
		for {
			n, err := stores[w-2].Sweep(t.Context(), end, 7, nil)
			if err != nil {
				t.Errorf("sweep: %v", err)
			}
			if n == 0 || err != nil {
				return
			}
			swept.Add(int64(n))
		}
	})
	if swept.Load() != 30 {
		t.Errorf("swept %d, want 30", swept.Load())
	}
	wantCounters(t, stores[0], "cse-in/c", "st 50 cni 20 cbs 20")
}

func testTurns(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	stores := prepared(t, open, 3)
	for round := range 4 {
		at := now.Add(time.Duration(round) * time.Minute)
		var taken atomic.Int64
		each(9, func(i int) {
			mine, err := stores[i%3].TakeTurn(t.Context(), "job", at, time.Minute)
			if err != nil {
				t.Errorf("take turn: %v", err)
			}
			if mine {
				taken.Add(1)
			}
		})
		if taken.Load() != 1 {
			t.Errorf("round %d: %d got the turn, want 1", round, taken.Load())
		}
	}
	if mine, err := stores[0].TakeTurn(t.Context(), "other job", now, time.Minute); !mine || err != nil {
		t.Errorf("another job: got %t, %v, want its own turns", mine, err)
	}
}

// testClosed looks at what callers rely on when the database is away: nothing is reported as not found.
func testClosed(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	s := prepared(t, open, 1)[0]
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err := s.Get(ctx, path("cse-in/x"), now)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get without time: got %v, want unavailable", err)
	}
	if err := s.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping without time: got %v, want unavailable", err)
	}
}
