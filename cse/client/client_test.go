package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// TestLife goes through what an application does with a CSE.
func TestLife(t *testing.T) {
	t.Parallel()
	c := client.New(serve(t, cseHandler(t)), "C")
	ctx := t.Context()
	ae := &client.AE{Common: client.Named("meter", "kitchen"), AppID: "Nmeter", AppName: "Meter"}
	id, err := c.Register(ctx, "cse-in", ae, client.Refuse)
	must(t, err)
	if !strings.HasPrefix(id, "C") || id == "C" || ae.AEID != id || ae.ResourceID == "" || ae.CreationTime.IsZero() || *ae.RequestReachability {
		t.Errorf("register: got %q and %+v, want the AE as it was made", id, ae)
	}
	me := c.As(id)
	data := &client.Container{Common: client.Named("data"), MaxNrOfInstances: new(int64(2))}
	must(t, me.Create(ctx, "cse-in/meter", data))
	if data.ResourceType != client.TypeContainer || data.ParentID != ae.ResourceID || *data.MaxNrOfInstances != 2 {
		t.Errorf("container: got %+v", data)
	}
	for _, v := range []string{"1", "2", "3"} {
		i, err := me.Publish(ctx, "cse-in/meter/data", v, "l"+v)
		must(t, err)
		if i.Text() != v || i.ContentSize != 1 || !slices.Equal(i.Labels, []string{"l" + v}) {
			t.Errorf("publish %s: got %+v", v, i)
		}
	}
	latest, err := me.Latest(ctx, data.ResourceID)
	must(t, err)
	oldest, err := me.Oldest(ctx, "/id-in/cse-in/meter/data")
	must(t, err)
	if latest.Text() != "3" || oldest.Text() != "2" {
		t.Errorf("latest and oldest: got %q and %q, want 3 and 2", latest.Text(), oldest.Text())
	}
	change := &client.Container{MaxByteSize: new(int64(1000))}
	must(t, me.Update(ctx, "cse-in/meter/data", change))
	must(t, me.Update(ctx, "cse-in/meter/data", &client.Raw{
		ResourceType: client.TypeContainer, Element: "m2m:cnt", Attributes: map[string]any{"mni": nil},
	}))
	got, err := client.Get[client.Container](ctx, me, "//viot.example/id-in/cse-in/meter/data")
	must(t, err)
	if got.MaxNrOfInstances != nil || *got.MaxByteSize != 1000 || got.CurrentNrOfInstances != 2 {
		t.Errorf("updated container: got %+v, want no mni, mbs 1000 and 2 instances", got)
	}
	must(t, me.Update(ctx, "cse-in/meter/data", got)) // what has been retrieved can be sent back
	base, err := client.Get[client.CSEBase](ctx, me, "cse-in")
	must(t, err)
	if base.CSEID != "/id-in" || !slices.Contains(base.SupportedResourceType, client.TypeContentInstance) {
		t.Errorf("CSEBase: got %+v", base)
	}
	must(t, me.Delete(ctx, "cse-in/meter"))
	if _, err := me.Latest(ctx, data.ResourceID); !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrForbidden) {
		t.Errorf("after the delete: got %v", err)
	}
}

func TestAccessControlPolicy(t *testing.T) {
	t.Parallel()
	c := registered(t)
	ctx := t.Context()
	policy := &client.AccessControlPolicy{
		Common:     client.Named("readers"),
		Privileges: client.Allow(client.MayRetrieve|client.MayDiscover, "Cother"), SelfPrivileges: client.Allow(client.MayAll, "Cme"),
	}
	must(t, c.Create(ctx, "cse-in/ae", policy))
	must(t, c.Create(ctx, "cse-in/ae", &client.Container{
		Common: client.Named("data"), Shared: client.Shared{AccessControlPolicyIDs: []string{policy.ResourceID}},
	}))
	other := c.As("Cother")
	if _, err := client.Get[client.Container](ctx, other, "cse-in/ae/data"); err != nil {
		t.Errorf("a reader retrieves: got %v", err)
	}
	if _, err := other.Publish(ctx, "cse-in/ae/data", "x"); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("a reader creates: got %v, want ErrForbidden", err)
	}
	got, err := client.Get[client.AccessControlPolicy](ctx, c, "cse-in/ae/readers")
	must(t, err)
	if len(got.Privileges.Rules) != 1 || got.Privileges.Rules[0].Operations != client.MayRetrieve|client.MayDiscover {
		t.Errorf("policy: got %+v", got.Privileges)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	c := registered(t)
	ctx := t.Context()
	must(t, c.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named("data")}))
	for _, d := range []struct {
		what   string
		do     func() error
		kind   error
		status client.Status
		http   int
	}{
		{"retrieve what is not there", func() error { return c.Retrieve(ctx, "cse-in/none", &client.AE{}) }, client.ErrNotFound, 4004, 404},
		{"latest of an empty container", func() error { _, err := c.Latest(ctx, "cse-in/ae/data"); return err }, client.ErrNotFound, 4004, 404},
		{"taken name", func() error { return c.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named("data")}) }, client.ErrConflict, 4105, 409},
		{"stranger", func() error { return c.As("Cx").Delete(ctx, "cse-in/ae") }, client.ErrForbidden, 4103, 403},
		{"bad name", func() error { return c.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named("a b")}) }, client.ErrBadRequest, 4000, 400},
		{"not deletable", func() error { return c.As("CAdmin").Delete(ctx, "cse-in") }, client.ErrNotAllowed, 4005, 405},
		{"wrong child", func() error { return c.Create(ctx, "cse-in/ae", &client.ContentInstance{Content: "x"}) }, client.ErrNotAllowed, 4108, 403},
	} {
		err := d.do()
		var e *client.Error
		if !errors.Is(err, d.kind) || !errors.As(err, &e) || e.Status != d.status || e.HTTPStatus != d.http || e.Debug == "" {
			t.Errorf("%s: got %v, want %d (HTTP %d) with a text, a %v", d.what, err, d.status, d.http, d.kind)
		}
		if errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%s: got ErrUnavailable", d.what)
		}
	}
	if err := c.Retrieve(ctx, "cse-in/ae", &client.Container{}); err == nil || !strings.Contains(err.Error(), "m2m:cnt") {
		t.Errorf("retrieve as another type: got %v, want an error that names m2m:cnt", err)
	}
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "http://x?y", "http://%zz"} {
		if err := client.New(bad, "C").Delete(ctx, "x"); err == nil {
			t.Errorf("base URL %q: got no error", bad)
		}
	}
	if err := c.Delete(ctx, ""); err == nil {
		t.Error("no target: got no error")
	}
	if err := c.Notify(ctx, "cse-in/ae", func() {}); err == nil {
		t.Error("content that JSON cannot carry: got no error")
	}
}

func TestRegisterAgain(t *testing.T) {
	t.Parallel()
	c := registered(t)
	ctx := t.Context()
	must(t, c.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named("data")}))
	again := func(c *client.Client, name string, existing client.Existing) (*client.AE, error) {
		ae := &client.AE{Common: client.Named(name), AppID: "N2"}
		_, err := c.Register(ctx, "cse-in", ae, existing)
		return ae, err
	}
	if _, err := again(c, "ae2", client.Refuse); !errors.Is(err, client.ErrAlreadyRegistered) {
		t.Errorf("refuse: got %v, want ErrAlreadyRegistered", err)
	}
	if ae, err := again(c, "ae2", client.Adopt); err != nil || ae.AppID != "N1" || ae.ResourceName != "ae" {
		t.Errorf("adopt: got %+v, %v, want the AE that is there", ae, err)
	}
	if _, err := client.Get[client.Container](ctx, c, "cse-in/ae/data"); err != nil {
		t.Errorf("adopted AE: its container: %v", err)
	}
	if ae, err := again(c, "ae", client.Replace); err != nil || ae.AppID != "N2" || ae.AEID != "Cme" {
		t.Errorf("replace: got %+v, %v, want a new AE", ae, err)
	}
	if _, err := client.Get[client.Container](ctx, c, "cse-in/ae/data"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("container of the replaced AE: got %v, want ErrNotFound", err)
	}
	for _, originator := range []string{"C", "Cother"} {
		if _, err := again(c.As(originator), "ae", client.Replace); !errors.Is(err, client.ErrConflict) {
			t.Errorf("replace somebody else's as %s: got %v, want ErrConflict", originator, err)
		}
	}
}

// losing is in front of a CSE and loses the answer to the first request of every method, after it was carried out.
type losing struct {
	cse  http.Handler
	mu   sync.Mutex
	lost map[string]string // method: request identifier
}

func (l *losing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	_, before := l.lost[r.Method]
	if !before {
		l.lost[r.Method] = r.Header.Get("X-M2M-RI")
	}
	l.mu.Unlock()
	if before {
		l.cse.ServeHTTP(w, r)
		return
	}
	l.cse.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler) // closes the connection
}

// TestLostAnswers has every kind of request answered once only it has been carried out twice, and looks that it was done once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	h := cseHandler(t)
	clean := client.New(serve(t, h), "Cme")
	register(t, clean)
	ctx := t.Context()
	must(t, clean.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named("data")}))

	c := client.New(serve(t, &losing{cse: h, lost: map[string]string{}}), "Cme")
	c.Retry.First = time.Nanosecond
	i, err := c.Publish(ctx, "cse-in/ae/data", "x")
	must(t, err)
	must(t, c.Update(ctx, "cse-in/ae/data", &client.Container{MaxNrOfInstances: new(int64(9))}))
	latest, err := c.Latest(ctx, "cse-in/ae/data")
	must(t, err)
	data, err := client.Get[client.Container](ctx, clean, "cse-in/ae/data")
	must(t, err)
	if data.CurrentNrOfInstances != 1 || latest.ResourceID != i.ResourceID || *data.MaxNrOfInstances != 9 {
		t.Errorf("got %d instances, created %s, latest %s; want the one that was created", data.CurrentNrOfInstances, i.ResourceID, latest.ResourceID)
	}
	must(t, c.Delete(ctx, "cse-in/ae/data")) // although the second try finds nothing
	if err := c.Delete(ctx, "cse-in/ae/data"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("delete what was not there before: got %v, want ErrNotFound", err)
	}
}
