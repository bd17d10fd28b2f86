package cse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	c := registered(t)
	a := c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`, "X-M2M-RI: my-id", "X-M2M-RVI: 2a", "X-M2M-OT: 20260101T000000", "X-M2M-VSI: mine")
	id := strings.Trim(a.text("m2m:cnt/ri"), `"`)
	for name, want := range map[string]string{
		"X-M2M-RSC": "2001", "X-M2M-RI": "my-id", "X-M2M-RVI": "2a", "X-M2M-VSI": "mine", "Content-Type": "application/json", "Content-Location": "/" + id,
	} {
		if got := strings.Join(a.header[name], "|"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := strings.Join(a.header["X-M2M-OT"], ""); len(got) < len("20260101T000000") {
		t.Errorf("X-M2M-OT: got %q, want a timestamp", got)
	}
	if got := c.must("GET", a.header["Content-Location"][0], "Cme", 0, "").text("m2m:cnt/rn"); got != `"c"` {
		t.Errorf("at Content-Location: got %s", got)
	}
	if a := c.send("GET", "/cse-in/ae/c", "Cme", 0, "", "X-M2M-RVI: "); a.header["X-M2M-RVI"][0] != "2a" {
		t.Errorf("without release version: got %v, want the first of ours", a.header["X-M2M-RVI"])
	}
	if a := c.send("GET", "/cse-in/x", "Cme", 0, "", "X-M2M-RI: failed"); a.header["X-M2M-RI"][0] != "failed" || a.header["X-M2M-RSC"][0] != "4004" {
		t.Errorf("of a failure: got %v", a.header)
	}
	if a := c.send("GET", "/cse-in?wrong=1", "Cme", 0, "", "X-M2M-RI: failed", "X-M2M-RVI: 3"); a.header["X-M2M-RI"][0] != "failed" || a.header["X-M2M-RVI"][0] != "3" {
		t.Errorf("of a request that cannot be decoded: got %v", a.header)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	c := registered(t)
	c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c","lbl":["a b","x+y"]}}`)
	c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c-1"}}`)
	for i := range 5 {
		c.must("POST", "/cse-in/ae/c", "Cme", 4, fmt.Sprintf(`{"m2m:cin":{"rn":"i%d","con":"%d","lbl":["l%d"]}}`, i, i, i%2))
	}
	c.must("POST", "/cse-in", "Cother", 2, `{"m2m:ae":{"rn":"other","api":"N1","rr":false}}`)
	for _, d := range []struct{ what, to, want string }{
		{"all below", "/cse-in/ae?fu=1", "ae/c ae/c-1 ae/c/i0 ae/c/i1 ae/c/i2 ae/c/i3 ae/c/i4"},
		{"only what the originator may discover", "/cse-in?fu=1", "ae ae/c ae/c-1 ae/c/i0 ae/c/i1 ae/c/i2 ae/c/i3 ae/c/i4"},
		{"rcn 11", "/cse-in/ae?fu=1&rcn=11&ty=3", "ae/c ae/c-1"},
		{"list of values", "/cse-in?fu=1&ty=2+3", "ae ae/c ae/c-1"},
		{"repeated parameter", "/cse-in?fu=1&ty=2&ty=3", "ae ae/c ae/c-1"},
		{"encoded space", "/cse-in?fu=1&lbl=a%20b", "ae/c"},
		{"encoded plus", "/cse-in?fu=1&lbl=x%2By", "ae/c"},
		{"all of", "/cse-in?fu=1&lbl=l0+l1&ty=4&con=2", "ae/c/i2"},
		{"any of", "/cse-in?fu=1&lbl=l1&rn=c&fo=2", "ae/c ae/c/i1 ae/c/i3"},
		{"level", "/cse-in?fu=1&lvl=2", "ae ae/c ae/c-1"},
		{"first page", "/cse-in/ae?fu=1&lim=2", "ae/c ae/c-1"},
		{"second page", "/cse-in/ae?fu=1&lim=2&ofst=3", "ae/c/i0 ae/c/i1"},
		{"last page", "/cse-in/ae?fu=1&lim=2&ofst=7", "ae/c/i4"},
		{"beyond", "/cse-in/ae?fu=1&ofst=8", ""},
	} {
		a := c.must("GET", d.to, "Cme", 0, "")
		list, ok := a.path("m2m:uril").([]any)
		var got []string
		for _, v := range list {
			got = append(got, strings.TrimPrefix(v.(string), "cse-in/"))
		}
		if !ok || strings.Join(got, " ") != d.want {
			t.Errorf("%s (%s): got %s, want %s", d.what, d.to, a.body, d.want)
		}
	}
	partial := c.must("GET", "/cse-in/ae?fu=1&lim=2&ofst=3", "Cme", 0, "")
	if cts, cto := partial.header["X-M2M-CTS"], partial.header["X-M2M-CTO"]; !slices.Equal(cts, []string{"1"}) || !slices.Equal(cto, []string{"5"}) {
		t.Errorf("partial: got status %v and offset %v, want 1 and 5", cts, cto)
	}
	if whole := c.must("GET", "/cse-in/ae?fu=1&lim=7", "Cme", 0, ""); whole.header["X-M2M-CTS"] != nil {
		t.Errorf("whole: got status %v, want none", whole.header["X-M2M-CTS"])
	}
	if got := c.must("GET", "/cse-in/ae?fu=1&ty=3&drt=2&rn=c", "Cme", 0, "").text("m2m:uril/0"); !strings.HasPrefix(got, `"cnt`) {
		t.Errorf("unstructured: got %s, want an identifier", got)
	}
	tree := c.must("GET", "/cse-in/ae?rcn=4", "Cme", 0, "")
	for at, want := range map[string]string{
		"m2m:ae/m2m:cnt/0/rn": `"c"`, "m2m:ae/m2m:cnt/1/rn": `"c-1"`, "m2m:ae/m2m:cnt/0/m2m:cin/4/rn": `"i4"`, "m2m:ae/m2m:cin": "absent",
	} {
		if got := tree.text(at); got != want {
			t.Errorf("tree %s: got %s, want %s", at, got, want)
		}
	}
	if got := c.must("GET", "/cse-in/ae?rcn=8&ty=4&con=3", "Cme", 0, "").text("m2m:ae/m2m:cin/0/rn"); got != `"i3"` {
		t.Errorf("children without their parent: got %s, want them in the next above", got)
	}
	for _, bad := range []string{"fu=9", "fo=3", "drt=3", "szb=-1", "lim=0", "ofst=0", "lvl=0", "cra=yesterday", "ty=x", "rcn=x", "fu=1&rcn=4", "lbl=%zz", "ct=1", strings.Repeat("lbl=x&", 200)} {
		if a := c.send("GET", "/cse-in/ae?"+bad, "Cme", 0, ""); a.rsc != 4000 {
			t.Errorf("%s: got %d %s, want 4000", bad, a.rsc, a.body)
		}
	}
}

func TestLimitOfResults(t *testing.T) {
	t.Parallel()
	c := registered(t, "-max-results", "3")
	for i := range 5 {
		c.must("POST", "/cse-in/ae", "Cme", 3, fmt.Sprintf(`{"m2m:cnt":{"rn":"c%d"}}`, i))
	}
	a := c.must("GET", "/cse-in/ae?fu=1&lim=100", "Cme", 0, "")
	if got := a.text("m2m:uril/3"); got != "absent" || a.header["X-M2M-CTO"][0] != "4" {
		t.Errorf("got %s continuing at %v, want 3 resources continuing at 4", a.body, a.header["X-M2M-CTO"])
	}
}

// TestRepeatedCreate sends a create twice, as a load balancer does when an instance dies before it answers.
func TestRepeatedCreate(t *testing.T) {
	t.Parallel()
	address := sqliteFile(t)
	one, two := newClient(t, address), newClient(t, address)
	register := `{"m2m:ae":{"rn":"ae","api":"N1","rr":false}}`
	first := one.must("POST", "/cse-in", "C", 2, register, "X-M2M-RI: same")
	again := two.must("POST", "/cse-in", "C", 2, register, "X-M2M-RI: same")
	if string(first.body) != string(again.body) || again.status != 201 {
		t.Errorf("AE: got %s, want %s", again.body, first.body)
	}
	me := strings.Trim(first.text("m2m:ae/aei"), `"`)
	one.must("POST", "/cse-in/ae", me, 3, `{"m2m:cnt":{"rn":"c"}}`)
	first = one.must("POST", "/cse-in/ae/c", me, 4, `{"m2m:cin":{"con":"x"}}`, "X-M2M-RI: same")
	again = two.must("POST", "/cse-in/ae/c", me, 4, `{"m2m:cin":{"con":"x"}}`, "X-M2M-RI: same")
	if string(first.body) != string(again.body) || first.header["Content-Location"][0] != again.header["Content-Location"][0] {
		t.Errorf("instance: got %s, want %s", again.body, first.body)
	}
	other := two.must("POST", "/cse-in/ae/c", me, 4, `{"m2m:cin":{"con":"y"}}`, "X-M2M-RI: same")
	if string(other.body) == string(first.body) {
		t.Errorf("other content with the same request identifier: got the first result, want a new resource")
	}
	if got := one.must("GET", "/cse-in/ae/c", me, 0, "").text("m2m:cnt/st"); got != "2" {
		t.Errorf("state tag: got %s, want 2", got)
	}
	if a := two.send("POST", "/cse-in/ae/c", "Cstranger", 4, `{"m2m:cin":{"con":"x"}}`, "X-M2M-RI: same"); a.rsc != 4103 {
		t.Errorf("same request of another originator: got %d, want 4103", a.rsc)
	}
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	c := registered(t)
	far, near := "20991231T000000,000000", time.Now().UTC().Add(time.Hour).Format("20060102T150405")
	c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c","et":"`+near+`","mia":60}}`)
	if got := c.must("POST", "/cse-in/ae/c", "Cme", 3, `{"m2m:cnt":{"rn":"d","et":"`+far+`"}}`).text("m2m:cnt/et"); !strings.HasPrefix(got, `"`+near) {
		t.Errorf("child: got %s, want no later than the parent's %s", got, near)
	}
	i := c.must("POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"x"}}`)
	ct, err1 := primitive.ParseTimestamp(strings.Trim(i.text("m2m:cin/ct"), `"`))
	et, err2 := primitive.ParseTimestamp(strings.Trim(i.text("m2m:cin/et"), `"`))
	if err := errors.Join(err1, err2); err != nil || et.Sub(ct) != time.Minute {
		t.Errorf("instance: got a life of %s (%v), want mia = 1m", et.Sub(ct), err)
	}
	if got := c.must("PUT", "/cse-in/ae/c", "Cme", 0, `{"m2m:cnt":{"et":"`+far+`"}}`).text("m2m:cnt/et"); got == `"`+far+`"` {
		t.Errorf("update: got %s, want no later than the parent's", got)
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	c := registered(t, "-max-body", "200")
	c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`)
	if a := c.send("POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"con":"`+strings.Repeat("x", 200)+`"}}`); a.rsc != 4000 || !strings.Contains(string(a.body), "200 bytes") {
		t.Errorf("got %d %s, want 4000 that names the limit", a.rsc, a.body)
	}
	if a := c.send("POST", "/cse-in/ae/c", "Cme", 4, "{\"m2m:cin\":{\"con\":\"\xff\"}}"); a.rsc != 4000 {
		t.Errorf("invalid UTF-8: got %d %s, want 4000", a.rsc, a.body)
	}
	if a := c.send("GET", "/"+strings.Repeat("a/", 100), "Cme", 0, ""); a.rsc != 4000 {
		t.Errorf("deep address: got %d, want 4000", a.rsc)
	}
	if a := c.send("GET", "/"+strings.Repeat("a", 3000), "Cme", 0, ""); a.rsc != 4000 {
		t.Errorf("long address: got %d, want 4000", a.rsc)
	}
}

// brokenStore is a store whose database is away, since it was prepared.
type brokenStore struct{ store.Store }

// made is what the preparation asks for.
var made = primitive.Address{ID: "defaultNTP"}

var errAway = fmt.Errorf("dial: %w", store.ErrUnavailable)

func (brokenStore) Prepare(context.Context, resource.Resource) error { return nil }
func (brokenStore) Ping(context.Context) error                       { return errAway }
func (brokenStore) Get(_ context.Context, a primitive.Address, _ time.Time) (store.Node, error) {
	if a == made {
		return store.Node{}, nil
	}
	return store.Node{}, errAway
}
func (brokenStore) Look(context.Context, store.View) (store.Sight, error) {
	return store.Sight{}, errAway
}
func (brokenStore) Create(context.Context, store.Creation) (resource.Resource, error) {
	return resource.Resource{}, errAway
}
func (brokenStore) Delete(context.Context, primitive.Address, time.Time, func(store.Node) error, func(store.Removal) (store.Effects, error)) (resource.Resource, error) {
	return resource.Resource{}, errAway
}

func config(t testing.TB, args ...string) cse.Config {
	t.Helper()
	c, err := cse.ParseConfig(args, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	server := cse.New(config(t), brokenStore{}, hclog.NewNullLogger())
	c := &client{t: t, handler: server.Handler()}
	if a := c.send("GET", "/readyz", "", 0, ""); a.status != 503 {
		t.Errorf("/readyz before the store is prepared: got %d %s, want 503", a.status, a.body)
	}
	if err := server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := c.send("GET", "/readyz", "", 0, ""); a.status != 503 || !strings.Contains(string(a.body), "store") {
		t.Errorf("/readyz: got %d %s, want 503 that names the store", a.status, a.body)
	}
	if a := c.send("GET", "/healthz", "", 0, ""); a.status != 200 {
		t.Errorf("/healthz: got %d, want 200", a.status)
	}
	for _, r := range []struct {
		method, to string
		ty         int
		body       string
	}{
		{"GET", "/cse-in", 0, ""}, {"GET", "/cse-in/c/la", 0, ""}, {"DELETE", "/cse-in/c", 0, ""},
		{"POST", "/cse-in/c", 4, `{"m2m:cin":{"con":"x"}}`}, {"PUT", "/cse-in/c", 0, `{"m2m:cnt":{"mni":1}}`},
		{"POST", "/cse-in/ae", 3, `{"m2m:cnt":{"acpi":["cse-in/p"]}}`},
	} {
		a := c.send(r.method, r.to, "Cme", r.ty, r.body)
		if a.rsc != 5000 || a.status != 503 || len(a.header["Retry-After"]) == 0 || strings.Contains(string(a.body), "dial") {
			t.Errorf("%s %s: got %d (HTTP %d) %v %s, want 5000 as 503 with Retry-After and no inner detail", r.method, r.to, a.rsc, a.status, a.header, a.body)
		}
	}
}

func TestProbesAndMetrics(t *testing.T) {
	t.Parallel()
	c := newClient(t, sqliteFile(t))
	c.must("GET", "/cse-in", "CAdmin", 0, "")
	c.send("GET", "/cse-in/x", "CAdmin", 0, "")
	c.send("BREW", "/cse-in", "CAdmin", 0, "")
	for _, probe := range []string{"/healthz", "/readyz", "/metrics"} {
		if a := c.send("GET", probe, "", 0, ""); a.status != 200 {
			t.Errorf("%s: got %d %s, want 200", probe, a.status, a.body)
		}
	}
	got := string(c.send("GET", "/metrics", "", 0, "").body)
	for _, want := range []string{
		`http_requests_total{code="200",method="GET"} 1`, `http_requests_total{code="404",method="GET"} 1`, `http_requests_total{code="405",method="other"} 1`,
		"http_request_duration_seconds_count 3", "http_requests_in_flight 0", "process_cpu_seconds_total ", "go_goroutines ",
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("metrics: got no line %s", want)
		}
	}
}

// slowStore answers Look when told to.
type slowStore struct {
	brokenStore
	entered, leave chan struct{}
}

func (slowStore) Ping(context.Context) error { return nil }
func (slowStore) TakeTurn(context.Context, string, time.Time, time.Duration) (bool, error) {
	return false, nil
}
func (slowStore) Listen(context.Context) error                              { return nil }
func (slowStore) AddUsage(context.Context, time.Time, ...store.Usage) error { return nil }
func (slowStore) Take(context.Context, time.Time, time.Duration, int, int, int) ([]store.Turn, error) {
	return nil, nil
}
func (slowStore) Wake(string) (<-chan struct{}, func()) { return nil, func() {} }
func (s slowStore) Look(context.Context, store.View) (store.Sight, error) {
	s.entered <- struct{}{}
	<-s.leave
	return store.Sight{}, store.ErrNotFound
}

// TestDrain asks an instance to end while a request is in flight: the request is answered, /readyz fails, Serve returns.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := slowStore{entered: make(chan struct{}), leave: make(chan struct{})}
	server := cse.New(config(t), s, hclog.NewNullLogger())
	if err := server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()

	var w sync.WaitGroup
	w.Go(func() {
		r, err := http.NewRequest("GET", "http://"+l.Addr().String()+"/cse-in", nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("X-M2M-Origin", "CAdmin")
		r.Header.Set("X-M2M-RI", "1")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("request in flight: got %v, want an answer", err)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != 404 {
			t.Errorf("request in flight: got %s, want 404", answer.Status)
		}
	})
	<-s.entered
	end()
	// The listener may be gone already, so ask the handler. The drain may begin in the middle of a probe; the one after it is all within.
	ready := func() *httptest.ResponseRecorder {
		probe := httptest.NewRecorder()
		server.Handler().ServeHTTP(probe, httptest.NewRequest("GET", "/readyz", nil))
		return probe
	}
	for ready().Code != 503 {
	}
	probe := ready()
	if probe.Code != 503 || probe.Header().Get("Connection") != "close" || !strings.Contains(probe.Body.String(), "draining") {
		t.Errorf("/readyz while draining: got %d %v %s, want it to close the connection and say so", probe.Code, probe.Header(), probe.Body)
	}
	select {
	case err := <-ended:
		t.Errorf("ended with a request in flight: %v", err)
	default:
	}
	close(s.leave)
	w.Wait()
	if err := <-ended; err != nil {
		t.Errorf("serve: got %v, want nil", err)
	}
}
