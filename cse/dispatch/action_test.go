package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

func TestActionState(t *testing.T) {
	t.Parallel()
	start := time.Unix(1e9, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		what, attributes string
		looks            []int // seconds
		want             string
	}{
		{"off", `{"evm":0}`, []int{1, 2}, ""},
		{"once", `{"evm":1}`, []int{1, 2}, "1"},
		{"periodic", `{"evm":2,"ecp":10000}`, []int{1, 2, 9, 10, 11, 35, 39, 40}, "1 10 35 40"},
		{"continuous", `{"evm":3,"ecp":2}`, []int{1, 2, 3}, "1 2"},
	} {
		a, err := resource.Resource{Attributes: []byte(c.attributes)}.Decode()
		if err != nil {
			t.Fatal(err)
		}
		s := actionStateOf(a, start)
		var got []string
		for _, second := range c.looks {
			if s.ready(at(second)) {
				got = append(got, fmt.Sprint(second))
				s = s.ran(at(second))
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: got requests at %q, want %q", c.what, g, c.want)
		}
	}
}

// newAction is an action under the container c that creates an instance in the container log when c has more than one instance.
func newAction(t *testing.T, more string) *instances {
	t.Helper()
	w := newInstances(t)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"c"}}`)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"log"}}`)
	w.create("cse-in/ae/c", resource.TypeAction, actionContent(more))
	return w
}

func actionContent(more string) string {
	return `{"m2m:actr":{"rn":"actr","evc":{"optr":3,"sbjt":"cni","thld":1},"orc":"cse-in/ae/log","apv":{"op":1,"to":"cse-in/ae/log",` +
		`"fr":"Cme","rqi":"r","ty":4,"pc":{"m2m:cin":{"con":"acted"}}},` + more + `}}`
}

// acted is how many requests the action of newAction has made.
func (w *instances) acted() int64 {
	w.t.Helper()
	w.work()
	return *w.do(primitive.Retrieve, "cse-in/ae/log", 0, "", primitive.OK).Int("cni")
}

func (w *instances) instance() {
	w.create("cse-in/ae/c", resource.TypeContentInstance, `{"m2m:cin":{"con":"x"}}`)
}

func TestAction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, more string
		want       [4]int64 // requests after each instance
	}{
		{"off", `"evm":0`, [4]int64{}},
		{"once", `"evm":1`, [4]int64{0, 1, 1, 1}},
		{"periodic", `"evm":2,"ecp":3600000`, [4]int64{0, 1, 1, 1}},
		{"continuous", `"evm":3,"ecp":3`, [4]int64{0, 1, 2, 2}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newAction(t, c.more)
			for i, want := range c.want {
				w.instance()
				if got := w.acted(); got != want {
					t.Errorf("after %d instances: got %d requests, want %d", i+1, got, want)
				}
			}
			a := w.do(primitive.Retrieve, "cse-in/ae/c/actr", 0, "", primitive.OK)
			air, acted := string(a["air"]), c.want[3] > 0
			if acted != strings.Contains(air, `"rsc":2001`) || acted != strings.Contains(air, `"rqi":"r"`) {
				t.Errorf("result: got %s", air)
			}
			// Set anew, it begins again.
			if c.what == "once" {
				w.do(primitive.Update, "cse-in/ae/c/actr", 0, `{"m2m:actr":{"evm":1}}`, primitive.Updated)
				w.instance()
				if got := w.acted(); got != 2 {
					t.Errorf("set anew: got %d requests, want 2", got)
				}
			}
		})
	}
}

// TestActionPeriods lets periods pass in which the subject does not change: it is counted in each of them, by whichever instance looks.
func TestActionPeriods(t *testing.T) {
	t.Parallel()
	w := newAction(t, `"evm":2,"ecp":3600000`)
	id := w.do(primitive.Retrieve, "cse-in/ae/c/actr", 0, "", primitive.OK).String("ri")
	w.instance()
	w.instance()
	now := time.Now()
	for want := int64(1); want <= 3; want++ {
		if got := w.acted(); got != want {
			t.Errorf("in period %d: got %d requests", want, got)
		}
		now = now.Add(time.Hour)
		for _, d := range w.d {
			if err := d.periodPassed(t.Context(), id, now); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestActionSubject moves an action to another subject, and takes it away: only what is its subject knows it.
func TestActionSubject(t *testing.T) {
	t.Parallel()
	w := newAction(t, `"evm":3`)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"other"}}`)
	knows := func(path string) bool {
		n, err := w.d[0].Store.Get(t.Context(), primitive.Address{Path: path}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(n.Resource.Attributes), `"_actions"`)
	}
	if !knows("cse-in/ae/c") {
		t.Error("the parent does not know that it is the subject")
	}
	w.do(primitive.Update, "cse-in/ae/c/actr", 0, `{"m2m:actr":{"sri":"cse-in/ae/other"}}`, primitive.Updated)
	w.work()
	if knows("cse-in/ae/c") || !knows("cse-in/ae/other") {
		t.Error("the new subject does not know it, or the old one still does")
	}
	for range 2 {
		w.create("cse-in/ae/other", resource.TypeContentInstance, `{"m2m:cin":{"con":"x"}}`)
	}
	if got := w.acted(); got != 2 {
		t.Errorf("got %d requests, want one for each instance", got)
	}
	w.do(primitive.Delete, "cse-in/ae/c/actr", 0, "", primitive.Deleted)
	w.work()
	if knows("cse-in/ae/other") {
		t.Error("the subject knows an action that is gone")
	}
}

// TestActionValue changes a label and changes it back before anybody looks: what it was in between counts.
func TestActionValue(t *testing.T) {
	t.Parallel()
	w := newInstances(t)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"c"}}`)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"log"}}`)
	w.create("cse-in/ae/c", resource.TypeAction,
		strings.Replace(actionContent(`"evm":1`), `"optr":3,"sbjt":"cni","thld":1`, `"optr":1,"sbjt":"lbl","thld":["now"]`, 1))
	for _, label := range []string{"before", "now", "after"} {
		w.do(primitive.Update, "cse-in/ae/c", 0, `{"m2m:cnt":{"lbl":["`+label+`"]}}`, primitive.Updated)
	}
	if got := w.acted(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
}

func TestActionRefused(t *testing.T) {
	t.Parallel()
	w := newAction(t, `"evm":1`)
	w.create("cse-in/ae/c/actr", resource.TypeDependency,
		`{"m2m:depr":{"rn":"d","sfc":true,"rri":"cse-in/ae/c","evc":{"optr":3,"sbjt":"cni","thld":1}}}`)
	good := strings.Replace(actionContent(`"evm":1`), `"rn":"actr"`, `"rn":"actr2"`, 1)
	for _, c := range []struct {
		what, old, new string
		want           primitive.Status
	}{
		{"a request of another", `"fr":"Cme"`, `"fr":"Cother"`, primitive.BadRequest},
		{"an object that is not there", `"orc":"cse-in/ae/log"`, `"orc":"cse-in/ae/none"`, primitive.BadRequest},
		{"an object it has no right to", `"orc":"cse-in/ae/log"`, `"orc":"cse-in"`, primitive.BadRequest},
		{"a subject that is not there", `"evm":1`, `"evm":1,"sri":"none"`, primitive.BadRequest},
		{"an attribute that is not there", `"sbjt":"cni"`, `"sbjt":"con"`, primitive.BadRequest},
		{"no operation", `"op":1`, `"op":9`, primitive.BadRequest},
		{"a parameter that is not made", `"rqi":"r"`, `"rqi":"r","fc":{"lim":1}`, primitive.NotImplemented},
		{"input", `"evm":1`, `"evm":1,"ipu":{}`, primitive.NotImplemented},
		{"nothing wrong", "", "", primitive.Created},
	} {
		t.Logf("%s", c.what)
		w.do(primitive.Create, "cse-in/ae/c", resource.TypeAction, strings.Replace(good, c.old, c.new, 1), c.want)
	}
	for _, c := range []struct {
		what, to, content string
		want              primitive.Status
	}{
		{"dependencies of others", "cse-in/ae/c/actr2", `{"m2m:actr":{"dep":["cse-in/ae/c/actr/d"]}}`, primitive.BadRequest},
		{"another object", "cse-in/ae/c/actr2", `{"m2m:actr":{"orc":"cse-in/ae/none"}}`, primitive.BadRequest},
		{"another type", "cse-in/ae/c/actr2", `{"m2m:depr":{"sfc":true}}`, primitive.ContentsUnacceptable},
		{"a subject without the attribute", "cse-in/ae/c/actr2", `{"m2m:actr":{"sri":"cse-in/ae"}}`, primitive.BadRequest},
		{"a dependency on nothing", "cse-in/ae/c/actr/d", `{"m2m:depr":{"rri":"none"}}`, primitive.BadRequest},
		{"a dependency on what is not there", "cse-in/ae/c/actr/d", `{"m2m:depr":{"rri":"cse-in/ae"}}`, primitive.BadRequest},
	} {
		t.Logf("%s", c.what)
		w.do(primitive.Update, c.to, 0, c.content, c.want)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	w := newAction(t, `"evm":1`)
	d := w.d[0]
	// Of these, t is true and f is false.
	for name, threshold := range map[string]int{"t": 0, "f": 1} {
		for kind, sufficient := range map[string]bool{"s": true, "n": false} {
			content := `{"m2m:depr":{"rn":"%s%s","sfc":%v,"rri":"cse-in/ae/log","evc":{"optr":1,"sbjt":"cni","thld":%d}}}`
			w.create("cse-in/ae/c/actr", resource.TypeDependency, fmt.Sprintf(content, kind, name, sufficient, threshold))
		}
	}
	for list, want := range map[string]bool{
		"": true, "st": true, "sf": false, "nt": true, "nf": false, "nt nf": false, "nf st": false, "st nf": true, "sf nt": true, "nt sf": true,
		"none": false, "none nt": true,
	} {
		var ids []string
		for _, name := range strings.Fields(list) {
			ids = append(ids, "cse-in/ae/c/actr/"+name)
		}
		if got, err := d.dependenciesMet(t.Context(), ids, time.Now()); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", list, got, err, want)
		}
	}
	// Dependencies that are not met hold the action up.
	id := w.do(primitive.Retrieve, "cse-in/ae/c/actr/nf", 0, "", primitive.OK).String("ri")
	w.do(primitive.Update, "cse-in/ae/c/actr", 0, `{"m2m:actr":{"dep":["`+id+`"]}}`, primitive.Updated)
	w.instance()
	w.instance()
	if got := w.acted(); got != 0 {
		t.Errorf("without its dependency: got %d requests, want none", got)
	}
}

// TestActionAgain lets an instance die after it made the request of an action: the other makes the same one again, which changes nothing.
func TestActionAgain(t *testing.T) {
	t.Parallel()
	w := newAction(t, `"evm":1`)
	id := w.do(primitive.Retrieve, "cse-in/ae/c/actr", 0, "", primitive.OK).String("ri")
	for _, d := range w.d {
		turn := store.Turn{Lane: actionRuns + id, Kind: KindAction, Tasks: []store.Task{{Body: []byte(`{"id":"same"}`)}}}
		if o := d.FollowActions(t.Context(), turn); o.Done != 1 {
			t.Errorf("got %+v", o)
		}
	}
	if got := w.acted(); got != 1 {
		t.Errorf("got %d instances, want 1", got)
	}
}
