package httpbinding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/serialisation"
)

// peer is a oneM2M entity that keeps the last request and answers with the headers and body it is given.
type peer struct {
	*httptest.Server
	request *http.Request
	body    string
	status  int
	answer  string
	headers map[string]string
}

func newPeer(t *testing.T, status int, answer string, headers map[string]string) *peer {
	t.Helper()
	p := &peer{status: status, answer: answer, headers: headers}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the request: %v", err)
		}
		p.request, p.body = r, string(b)
		for k, v := range p.headers {
			w.Header().Set(k, v)
		}
		w.WriteHeader(p.status)
		io.WriteString(w, p.answer)
	}))
	t.Cleanup(p.Close)
	return p
}

func newTestClient(t *testing.T, o ClientOptions) *Client {
	t.Helper()
	c := NewClient(o)
	t.Cleanup(c.CloseIdle)
	return c
}

func TestNotify(t *testing.T) {
	t.Parallel()
	p := newPeer(t, 200, "", map[string]string{"X-M2M-RSC": "2000", "X-M2M-RI": "n1"})
	c := newTestClient(t, ClientOptions{})
	r := primitive.Request{
		Operation: primitive.Notify, To: "ignored", From: "/id-in", RequestID: "n1", ReleaseVersion: "2a", ResultContent: primitive.Nothing,
		Content: []byte(`{"m2m:sgn":{"vrq":true}}`), EventCategory: 2, RequestExpiration: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for _, n := range []struct{ url, uri string }{
		{p.URL, "/"}, {p.URL + "/hook?a=b+c&ct=json&ct=x#f", "/hook?a=b+c&ct=x"}, {p.URL + "/a%2Fb/?csz=application%2Fjson", "/a%2Fb/"},
	} {
		got, err := c.Notify(t.Context(), n.url, r)
		if err != nil || got.Status != primitive.OK || got.RequestID != "n1" {
			t.Errorf("%s: got %+v, %v", n.url, got, err)
		}
		if p.request.RequestURI != n.uri || p.request.Method != "POST" || p.body != string(r.Content) {
			t.Errorf("%s: sent %s %s with %s, want a POST to %s", n.url, p.request.Method, p.request.RequestURI, p.body, n.uri)
		}
		for name, want := range map[string]string{
			"X-M2M-Origin": "/id-in", "X-M2M-RI": "n1", "X-M2M-RVI": "2a", "X-M2M-EC": "2", "X-M2M-RET": "20300102T030405,000000",
			"Content-Type": "application/json", "Accept": "application/json", "X-M2M-RTU": "", "Authorization": "",
		} {
			if got := p.request.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

// TestNotifyFormats has receivers choose the serialisation by the query of their URL.
func TestNotifyFormats(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, ClientOptions{})
	content := []byte(`{"m2m:sgn":{"sur":"cse-in/s","vrq":true}}`)
	for query, format := range map[string]serialisation.Format{
		"?ct=cbor": serialisation.CBOR, "?csz=xml": serialisation.XML, "?a=b&ct=application%2Fvnd.onem2m-ntfy%2Bxml": serialisation.XML, "?ct=other": serialisation.JSON,
	} {
		body, err := serialisation.Encode(format, []byte(`{"m2m:dbg":"no"}`))
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, 403, string(body), map[string]string{"X-M2M-RSC": "4101", "Content-Type": format.MediaType()})
		got, err := c.Notify(t.Context(), p.URL+query, primitive.Request{Operation: primitive.Notify, Content: content})
		if err != nil || got.Status != primitive.SubscriptionCreatorHasNoPrivilege || string(got.Content) != `{"m2m:dbg":"no"}` {
			t.Errorf("%s: got %+v, %v", query, got, err)
		}
		if sent, err := serialisation.Decode(format, []byte(p.body)); err != nil || string(sent) != string(content) ||
			p.request.Header.Get("Content-Type") != format.MediaType() || p.request.Header.Get("Accept") != format.MediaType() {
			t.Errorf("%s: sent %q as %s, %v", query, p.body, p.request.Header.Get("Content-Type"), err)
		}
	}
	label := []byte(`{"m2m:cnt":{"lbl":["a b"]}}`)
	p := newPeer(t, 200, "", nil)
	if _, err := c.Notify(t.Context(), p.URL+"?ct=xml", primitive.Request{Operation: primitive.Notify, Content: label}); err != nil || p.body != string(label) ||
		p.request.Header.Get("Content-Type") != "application/json" {
		t.Errorf("what XML cannot say: got %v, sent %s, want it in JSON", err, p.body)
	}
}

// TestForwardedToOurselves sends requests through a Client to a Handler: what arrives is what was sent.
func TestForwardedToOurselves(t *testing.T) {
	t.Parallel()
	d := &world{answer: primitive.Response{Status: primitive.Updated, Content: []byte(`{"m2m:cnt":{"mni":3}}`), Location: "cnt1"}}
	s := httptest.NewServer(&Handler{Dispatcher: d, MaxBody: 1000, Timeout: time.Second})
	t.Cleanup(s.Close)
	c := newTestClient(t, ClientOptions{})
	at := time.Date(2090, 1, 2, 3, 4, 5, 0, time.UTC)
	want := primitive.Request{
		Operation: primitive.Update, To: "//sp/mn/cse-mn/c", From: "/in/Cme", RequestID: "r", ReleaseVersion: "3", Content: []byte(`{"m2m:cnt":{"mni":3}}`),
		ResultContent: primitive.ModifiedAttributes, ResponseType: primitive.FlexBlocking, Filter: primitive.Filter{Usage: primitive.Conditional, CreatedAfter: at},
		RequestExpiration: at, ResultExpiration: at, OperationExecution: at, EventCategory: 3, GroupRequestID: "g", VendorInformation: "v",
		NotificationTargets: []string{"http://x/"}, Tokens: []string{"t"}, OriginatingTimestamp: "20260101T000000",
	}
	for _, format := range []string{"json", "cbor", "xml"} {
		got, err := c.Forward(t.Context(), s.URL+"?ct="+format, want)
		if err != nil || got.Status != primitive.Updated || string(got.Content) != string(d.answer.Content) || got.Location != "cnt1" {
			t.Errorf("%s: got %+v, %v", format, got, err)
		}
		d.request.RemoteIP = want.RemoteIP
		if !reflect.DeepEqual(d.request, want) {
			t.Errorf("%s: arrived\n%+v\nwant\n%+v", format, d.request, want)
		}
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	p := newPeer(t, 201, `{"m2m:cin":{"ri":"cin1"}}`, map[string]string{
		"X-M2M-RSC": "2001", "X-M2M-RI": "f1", "X-M2M-RVI": "3", "Content-Type": "application/vnd.onem2m-res+json", "Content-Location": "/~/mn/cin1",
		"X-M2M-CTS": "1", "X-M2M-CTO": "7", "X-M2M-ATI": "l1:t1+l2:t2", "Retry-After": "3", "X-M2M-OT": "20300101T000000", "X-M2M-RST": "500",
	})
	c := newTestClient(t, ClientOptions{})
	got, err := c.Forward(t.Context(), p.URL+"/base/", primitive.Request{
		Operation: primitive.Create, To: "/mn/cse-mn/a", From: "//sp/in/Cme", RequestID: "f1", ResourceType: 4, ResultContent: primitive.DefaultResult,
		Structured: true, Content: []byte(`{"m2m:cin":{"con":"x"}}`), NotificationTargets: []string{}, GroupRequestID: "g", VendorInformation: "v",
	})
	want := primitive.Response{
		Status: primitive.Created, RequestID: "f1", ReleaseVersion: "3", Content: []byte(`{"m2m:cin":{"ri":"cin1"}}`), Location: "/mn/cin1",
		Partial: true, Offset: 7, RetryAfter: 3 * time.Second, OriginatingTimestamp: "20300101T000000", ResultExpiration: "500",
		AssignedTokenIDs: []primitive.AssignedToken{{LocalTokenID: "l1", TokenID: "t1"}, {LocalTokenID: "l2", TokenID: "t2"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if p.request.RequestURI != "/base/~/mn/cse-mn/a" || p.request.Header.Get("Content-Type") != "application/json;ty=4" {
		t.Errorf("sent to %s as %s", p.request.RequestURI, p.request.Header.Get("Content-Type"))
	}
	if targets := p.request.Header["X-M2m-Rtu"]; len(targets) != 1 || targets[0] != "" {
		t.Errorf("empty list of notification targets: sent %q", targets)
	}
	for to, uri := range map[string]string{"cse-mn/a": "/cse-mn/a", "//sp/mn/x": "/_/sp/mn/x", "/mn": "/~/mn"} {
		if _, err := c.Forward(t.Context(), p.URL, primitive.Request{Operation: primitive.Delete, To: to, ResultContent: -1, Structured: true}); err != nil ||
			p.request.RequestURI != uri || p.request.Method != "DELETE" {
			t.Errorf("%s: sent %s %s, %v, want %s", to, p.request.Method, p.request.RequestURI, err, uri)
		}
	}
}

// TestAnswersWithoutStatus has peers, or proxies before them, that know nothing of oneM2M.
func TestAnswersWithoutStatus(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, ClientOptions{})
	for code, want := range map[int]primitive.Status{
		200: primitive.OK, 204: primitive.OK, 201: primitive.Created, 202: primitive.Accepted, 302: primitive.BadRequest, 401: primitive.OriginatorHasNoPrivilege,
		404: primitive.NotFound, 418: primitive.BadRequest, 429: primitive.BadRequest, 502: primitive.InternalServerError, 504: primitive.RequestTimeout,
	} {
		body := "<html>"
		if code == 204 {
			body = ""
		}
		p := newPeer(t, code, body, map[string]string{"Content-Type": "text/html", "Location": "http://127.0.0.1:1/elsewhere"})
		got, err := c.Notify(t.Context(), p.URL, primitive.Request{Operation: primitive.Notify})
		if err != nil || got.Status != want || got.Content != nil || got.RetryAfter > 0 != (code == 429) {
			t.Errorf("%d: got %+v, %v, want %d", code, got, err, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	released := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(released) })
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(broken.Close)
	c := newTestClient(t, ClientOptions{Timeout: 50 * time.Millisecond})
	for what, url := range map[string]string{"nobody": nobody, "silent": silent.URL, "broken": broken.URL} {
		if _, err := c.Notify(t.Context(), url, primitive.Request{Operation: primitive.Notify}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want unreachable", what, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Notify(ended, nobody, primitive.Request{Operation: primitive.Notify}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by the caller: got %v", err)
	}
}

func TestRefusedByClient(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, ClientOptions{MaxBody: 10})
	long := newPeer(t, 200, strings.Repeat("x", 11), nil)
	wrong := newPeer(t, 200, `{"a":`, map[string]string{"Content-Type": "application/json"})
	for _, n := range []struct {
		url  string
		r    primitive.Request
		want string
	}{
		{"ftp://x", primitive.Request{Operation: primitive.Notify}, "no address"},
		{"/path", primitive.Request{Operation: primitive.Notify}, "no address"},
		{"http://[", primitive.Request{Operation: primitive.Notify}, "parse"},
		{long.URL, primitive.Request{}, "no operation"},
		{long.URL, primitive.Request{Operation: primitive.Notify}, "more than 10 bytes"},
		{wrong.URL, primitive.Request{Operation: primitive.Notify}, "not json"},
	} {
		if _, err := c.Notify(t.Context(), n.url, n.r); err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), n.want) {
			t.Errorf("%s: got %v, want it to say %q", n.url, err, n.want)
		}
	}
}

// TestQueryRoundTrip writes requests as queries and reads them back.
func TestQueryRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	number, yes := int64(3), true
	want := primitive.Request{
		ResultContent: primitive.AttributesAndChildren, ResponseType: primitive.NonBlockingAsynch, ResultPersistence: at, DeliveryAggregation: &yes,
		AttributeList: []string{"rn", "lbl"}, RoleIDs: []string{"r 1", "r+2"}, TokenIDs: []string{"t"}, LocalTokenIDs: []string{"l"},
		TokenRequestIndicator: true, SemanticQuery: &yes,
		Filter: primitive.Filter{
			Usage: primitive.Discovery, CreatedAfter: at, CreatedBefore: at, ModifiedSince: at, UnmodifiedSince: at, ExpireAfter: at, ExpireBefore: at,
			StateTagBigger: &number, StateTagSmaller: &number, SizeAbove: &number, SizeBelow: &number, Labels: []string{"a b", "a+b&c"}, Types: []int{3, 4},
			ContentTypes: []string{"text/plain"}, Attributes: []primitive.AttributeCondition{{Name: "cr", Value: "Sam*"}},
			SemanticFilters: []string{"SELECT * { ?a ?b ?c }"}, ContentFilter: "$.a[?(@.b==1)]", ContentSyntax: 1, ParentTypes: []int{2}, ParentLabels: []string{"p"},
			ParentAttributes: []primitive.AttributeCondition{{Name: "rn", Value: "x"}}, ChildTypes: []int{3}, ChildLabels: []string{"c"},
			ChildAttributes: []primitive.AttributeCondition{{Name: "cr", Value: "5"}},
			Geo:             &primitive.GeoCondition{Function: primitive.GeoWithin, Type: primitive.GeoPoint, Geometry: []byte("[1.0,2.0]")},
			RelativePath:    "a/la", Or: true, Level: 2, Limit: 10, Offset: 5,
		},
	}
	got := primitive.Request{ResultContent: primitive.DefaultResult, Structured: true}
	if err := decodeQuery(encodeQuery(want), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v\nfrom %s", got, want, encodeQuery(want))
	}
	if got := encodeQuery(primitive.Request{ResultContent: primitive.DefaultResult, Structured: true}); got != "" {
		t.Errorf("a request that says nothing: got %q", got)
	}
}

func BenchmarkNotify(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-M2M-RSC", "2000") }))
	b.Cleanup(s.Close)
	c := NewClient(ClientOptions{})
	b.Cleanup(c.CloseIdle)
	r := primitive.Request{Operation: primitive.Notify, From: "/id-in", RequestID: "n", Content: []byte(`{"m2m:sgn":{"vrq":true}}`)}
	for b.Loop() {
		if _, err := c.Notify(context.Background(), s.URL, r); err != nil {
			b.Fatal(fmt.Errorf("notify: %w", err))
		}
	}
}
