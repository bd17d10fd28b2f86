package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// instances are two instances of one CSE, whose tasks they do by turns, and the AEs outside, which keep what they are sent.
type instances struct {
	t    *testing.T
	d    [2]*Dispatcher
	next int
	told []string // target and content
}

func newInstances(t *testing.T) *instances {
	t.Helper()
	d, _ := newDispatcher(t)
	other := *d
	w := &instances{t: t, d: [2]*Dispatcher{d, &other}}
	d.Entities, other.Entities = w, w
	return w
}

// Send has what is for a resource of the CSE carried out by one of the instances.
func (w *instances) Send(ctx context.Context, target string, r primitive.Request) (primitive.Response, error) {
	id := w.d[0].Identity.LocalID(target)
	if w.d[0].Identity.Local(target) && !strings.HasPrefix(id, "C") && !strings.Contains(target, "://") {
		r.To = target
		return w.turn().Handle(ctx, r), nil
	}
	w.told = append(w.told, target+" "+string(r.Content))
	return primitive.Response{Status: primitive.OK}, nil
}

func (w *instances) turn() *Dispatcher {
	w.next++
	return w.d[w.next%len(w.d)]
}

// work does what is due now, until there is nothing left, and returns what was told meanwhile.
func (w *instances) work() []string {
	w.t.Helper()
	w.told = nil
	for range 100 {
		turns, err := w.d[0].Store.Take(w.t.Context(), time.Now(), time.Minute, 10, 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(turns) == 0 {
			return w.told
		}
		for _, turn := range turns {
			d := w.turn()
			notices := &notify.Handler{
				Store: d.Store, Entities: w, CSEID: d.Identity.CSEID, Expire: d.ExpireSubscription, Log: hclog.NewNullLogger(),
			}
			outcome := map[string]worker.Handler{
				KindCrossResource: d.FollowCrossResources, KindAction: d.FollowActions, KindBeacon: d.SendBeacons, notify.Kind: notices.Do,
			}[turn.Kind](w.t.Context(), turn)
			if outcome.Failed {
				w.t.Errorf("a task of the lane %s failed", turn.Lane)
			}
			if err := d.Store.Settle(w.t.Context(), turn, outcome); err != nil && !errors.Is(err, store.ErrTurnLost) {
				w.t.Fatal(err)
			}
		}
	}
	w.t.Fatal("there is no end of tasks")
	return nil
}

// do carries out a request of the AE Cme, which must end with status want, and returns the attributes of the one resource in the answer.
func (w *instances) do(op primitive.Operation, to string, t resource.Type, content string, want primitive.Status) resource.Attributes {
	w.t.Helper()
	r := primitive.Request{Operation: op, To: to, From: "Cme", ResourceType: int(t)}
	if content != "" {
		r.Content = []byte(content)
	}
	p := handle(w.t, w.turn(), r, want)
	var objects map[string]resource.Attributes
	_ = json.Unmarshal(p.Content, &objects) // a failure has none
	for _, a := range objects {
		return a
	}
	return nil
}

func (w *instances) create(to string, t resource.Type, content string) resource.Attributes {
	w.t.Helper()
	return w.do(primitive.Create, to, t, content, primitive.Created)
}

func (w *instances) gone(to string) {
	w.t.Helper()
	w.do(primitive.Retrieve, to, 0, "", primitive.NotFound)
}

// newCross makes the containers a and b, a subscription to b, and a crossResourceSubscription over a and that subscription.
func newCross(t *testing.T, more string) (w *instances, crs resource.Attributes) {
	t.Helper()
	w = newInstances(t)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"a"}}`)
	w.create("cse-in/ae", resource.TypeContainer, `{"m2m:cnt":{"rn":"b"}}`)
	w.create("cse-in/ae/b", resource.TypeSubscription, `{"m2m:sub":{"rn":"s","nu":["Cme"],"enc":{"net":[3]}}}`)
	return w, w.create("cse-in/ae", resource.TypeCrossResourceSubscription, `{"m2m:crs":{"rn":"crs","nu":["Cme"],"twt":1,"tws":"PT1H",`+
		`"rrat":["cse-in/ae/a"],"srat":["cse-in/ae/b/s"],"encs":{"enc":[{"net":[3]}]}`+more+`}}`)
}

func TestCrossResourceSubscription(t *testing.T) {
	t.Parallel()
	w, crs := newCross(t, `,"nse":true`)
	id, self := crs.String("ri"), "/id-in/"+crs.String("ri")
	rrats := crs.Strings("rrats")
	if len(rrats) != 1 || crs.Int("eem") == nil || *crs.Int("eem") != 1 {
		t.Fatalf("got %s, want one subscription and the default evaluation mode", crs.Encode())
	}
	for _, to := range []string{rrats[0], "cse-in/ae/b/s"} {
		s := w.do(primitive.Retrieve, to, 0, "", primitive.OK)
		if !slices.Contains(s.Strings("nu"), self) || !slices.Contains(s.Strings("acrs"), self) {
			t.Errorf("%s: got %s, want that it notifies %s", to, s.Encode(), self)
		}
	}
	told := func() (n int) {
		for _, one := range w.work() {
			if strings.HasPrefix(one, "Cme ") && strings.Contains(one, `"sur":"`+self+`"`) {
				n++
			}
		}
		return n
	}
	event := func(cnt string) { w.create("cse-in/ae/"+cnt, resource.TypeContentInstance, `{"m2m:cin":{"con":"x"}}`) }
	now := time.Now()
	// pass looks at the window by both instances at once, as they would if the timer were done again.
	pass := func(d time.Duration) {
		now = now.Add(d)
		for _, i := range w.d {
			if err := i.tickCrossResource(t.Context(), id, "", now); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		what   string
		events string
		want   int
	}{{"one of two", "a", 0}, {"the same twice", "bb", 0}, {"both", "ab", 1}, {"none", "", 0}} {
		for _, cnt := range strings.Split(step.events, "") {
			event(cnt)
		}
		if n := told(); n != 0 {
			t.Errorf("%s: got %d notifications before the end of the window, want none", step.what, n)
		}
		pass(time.Hour + time.Second)
		if n := told(); n != step.want {
			t.Errorf("%s: got %d notifications, want %d", step.what, n, step.want)
		}
	}
	if nsi := string(w.do(primitive.Retrieve, id, 0, "", primitive.OK)["nsi"]); nsi != `[{"tg":"Cme","rqs":1,"rsr":1,"noec":1}]` {
		t.Errorf("statistics: got %s", nsi)
	}
	w.do(primitive.Delete, "cse-in/ae/crs", 0, "", primitive.Deleted)
	w.gone(rrats[0])
	s := w.do(primitive.Retrieve, "cse-in/ae/b/s", 0, "", primitive.OK)
	if s["acrs"] != nil || !slices.Equal(s.Strings("nu"), []string{"Cme"}) {
		t.Errorf("the associated subscription: got %s, want it as it was", s.Encode())
	}
	w.work()
}

// TestCrossResourceSubscriptionParts takes away what a crossResourceSubscription is made of: all of it goes, but for the subscriptions of
// others.
func TestCrossResourceSubscriptionParts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		do   func(w *instances, crs resource.Attributes)
		left bool // the associated subscription
	}{
		{"its own subscription is deleted", func(w *instances, crs resource.Attributes) {
			w.do(primitive.Delete, crs.Strings("rrats")[0], 0, "", primitive.Deleted)
		}, true},
		{"the associated one is deleted", func(w *instances, crs resource.Attributes) {
			w.do(primitive.Delete, "cse-in/ae/b/s", 0, "", primitive.Deleted)
		}, false},
		{"the associated one leaves", func(w *instances, crs resource.Attributes) {
			w.do(primitive.Update, "cse-in/ae/b/s", 0, `{"m2m:sub":{"acrs":[]}}`, primitive.Updated)
		}, true},
		{"what it subscribes to is deleted", func(w *instances, crs resource.Attributes) {
			w.do(primitive.Delete, "cse-in/ae/a", 0, "", primitive.Deleted)
			w.work() // which tells it
		}, true},
		{"a host says that its subscription is gone", func(w *instances, crs resource.Attributes) {
			notification := `{"m2m:sgn":{"sud":true,"sur":"` + crs.Strings("rrats")[0] + `"}}`
			handle(w.t, w.d[0], primitive.Request{Operation: primitive.Notify, To: crs.String("ri"), From: "/id-in",
				Content: []byte(notification)}, primitive.OK)
		}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w, crs := newCross(t, "")
			c.do(w, crs)
			w.gone("cse-in/ae/crs")
			w.gone(crs.Strings("rrats")[0])
			if !c.left {
				w.gone("cse-in/ae/b/s")
			} else if s := w.do(primitive.Retrieve, "cse-in/ae/b/s", 0, "", primitive.OK); len(s.Strings("acrs")) > 0 || len(s.Strings("nu")) != 1 {
				t.Errorf("the associated subscription: got %s", s.Encode())
			}
		})
	}
}

// TestCrossResourceSubscriptionFails creates what cannot be made: nothing is left of it.
func TestCrossResourceSubscriptionFails(t *testing.T) {
	t.Parallel()
	w, _ := newCross(t, "")
	for _, c := range []struct {
		what, content string
		want          primitive.Status
	}{
		{"a target that is not there", `"rrat":["cse-in/ae/a","cse-in/ae/none"],"srat":["cse-in/ae/b/s"]`,
			primitive.CrossResourceOperationFailure},
		{"a subscription that is not there", `"rrat":["cse-in/ae/a"],"srat":["cse-in/ae/b/none"]`, primitive.CrossResourceOperationFailure},
		{"what is no subscription", `"rrat":["cse-in/ae/a"],"srat":["cse-in/ae/b"]`, primitive.BadRequest},
	} {
		w.do(primitive.Create, "cse-in/ae", resource.TypeCrossResourceSubscription,
			`{"m2m:crs":{"rn":"failed","nu":["Cme"],"twt":2,"tws":"PT1S","encs":{"enc":[{"net":[3]}]},`+c.content+`}}`, c.want)
		w.gone("cse-in/ae/failed")
	}
	w.work()
	page, err := w.d[0].Store.Find(t.Context(), store.Query{Root: "cse-in", Now: time.Now(), Limit: 10,
		Filter: primitive.Filter{Types: []int{int(resource.TypeSubscription)}}})
	if err != nil || len(page.Resources) != 2 {
		t.Errorf("got %d subscriptions, %v, want those of the one that was made", len(page.Resources), err)
	}
	if s := w.do(primitive.Retrieve, "cse-in/ae/b/s", 0, "", primitive.OK); len(s.Strings("acrs")) != 1 {
		t.Errorf("the associated subscription: got %s", s.Encode())
	}
}

// TestCrossResourceSubscriptionAbandoned lets an instance die while it makes the subscriptions: another puts away what there is.
func TestCrossResourceSubscriptionAbandoned(t *testing.T) {
	t.Parallel()
	w, crs := newCross(t, "")
	id := crs.String("ri")
	_, err := w.d[0].Store.Update(t.Context(), primitive.Address{ID: id}, time.Now(), func(n store.Node) (store.Change, error) {
		a, err := n.Resource.Decode()
		a.SetNote(setupNote, true)
		delete(a, "rrats") // which had not been noted yet
		n.Resource.Attributes = a.Encode()
		return store.Change{Resource: n.Resource}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.d[1].Store.Add(t.Context(), crossTask(crossParts, id, time.Time{}, crossOrder{})); err != nil {
		t.Fatal(err)
	}
	w.work()
	w.gone("cse-in/ae/crs")
	w.gone(crs.Strings("rrats")[0])
}

// TestCrossResourceSubscriptionHosts takes events only from who hosts the subscription.
func TestCrossResourceSubscriptionHosts(t *testing.T) {
	t.Parallel()
	w, crs := newCross(t, "")
	own := crs.Strings("rrats")[0]
	for _, c := range []struct {
		what, from, content string
		want                primitive.Status
	}{
		{"its CSE", "/id-in", `{"m2m:sgn":{"sur":"` + own + `"}}`, primitive.OK},
		{"several at once", "/id-in", `{"m2m:agn":{"m2m:sgn":[{"sur":"` + own + `"},{"sur":"` + own + `"}]}}`, primitive.OK},
		{"another CSE", "/id-mn", `{"m2m:sgn":{"sur":"` + own + `"}}`, primitive.OriginatorHasNoPrivilege},
		{"a stranger", "Cother", `{"m2m:sgn":{"sur":"` + own + `"}}`, primitive.OriginatorHasNoPrivilege},
		{"of nothing", "/id-in", `{"m2m:sgn":{}}`, primitive.BadRequest},
		{"a verification", "/id-mn", `{"m2m:sgn":{"vrq":true,"sur":"/id-mn/s"}}`, primitive.OK},
	} {
		p := w.d[0].Handle(t.Context(), primitive.Request{Operation: primitive.Notify, To: crs.String("ri"), From: c.from, RequestID: c.what,
			ResultContent: primitive.DefaultResult, Content: []byte(c.content)})
		if p.Status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.what, p.Status, p.Content, c.want)
		}
	}
}

// TestCrossResourceSubscriptionLives changes how long a crossResourceSubscription lives: its subscriptions live as long. When its
// expirationCounter has come to its end, all of it goes.
func TestCrossResourceSubscriptionLives(t *testing.T) {
	t.Parallel()
	w, crs := newCross(t, `,"exc":1`)
	until := primitive.FormatTimestamp(time.Now().Add(24 * time.Hour))
	w.do(primitive.Update, "cse-in/ae/crs", 0, `{"m2m:crs":{"et":"`+until+`"}}`, primitive.Updated)
	w.work()
	own := crs.Strings("rrats")[0]
	if s := w.do(primitive.Retrieve, own, 0, "", primitive.OK); s.String("et") != until {
		t.Errorf("its subscription lives until %s, want %s", s["et"], until)
	}
	for _, cnt := range []string{"a", "b"} {
		w.create("cse-in/ae/"+cnt, resource.TypeContentInstance, `{"m2m:cin":{"con":"x"}}`)
	}
	w.work()
	if err := w.d[1].tickCrossResource(t.Context(), crs.String("ri"), "", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.work()
	w.gone("cse-in/ae/crs")
	w.gone(own)
}
