package httpbinding

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/serialisation"
)

// world carries out requests by keeping them and giving the answer it is told to.
type world struct {
	request  primitive.Request
	asked    int
	deadline time.Time
	answer   primitive.Response
}

func (w *world) Handle(ctx context.Context, r primitive.Request) primitive.Response {
	w.request, w.asked = r, w.asked+1
	w.deadline, _ = ctx.Deadline()
	a := w.answer
	if a.Status == 0 {
		a.Status = primitive.OK
	}
	a.RequestID = r.RequestID
	return a
}

// exchange sends one request, with headers each "name: value".
func exchange(h *Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// header is the header name of w, which may be written as the standard does.
func header(w *httptest.ResponseRecorder, name string) string {
	return strings.Join(w.Result().Header[name], "|")
}

// TestEveryHeader is TS-0009 clause 6.4 for requests.
func TestEveryHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &world{}
		h := &Handler{Dispatcher: d, MaxBody: 100, Timeout: time.Second}
		w := exchange(h, "POST", "/_/sp/id-in/cse-in?rt=2&rp=PT1M", `{"m2m:cin":{}}`, "Content-Type: application/vnd.onem2m-res+json; ty=4", "X-M2M-Origin: Cme",
			"X-M2M-RI: 1", "X-M2M-RVI: 3", "X-M2M-OT: 20260101T000000", "X-M2M-VSI: v", "X-M2M-GID: g", "X-M2M-RET: 5000", "X-M2M-RST: 1500.5",
			"X-M2M-OET: PT2S", "X-M2M-EC: 4", "X-M2M-RTU: http://a/&http://b/", "Authorization: t1+t2")
		now := time.Now()
		want := primitive.Request{
			Operation: primitive.Create, To: "//sp/id-in/cse-in", From: "Cme", RequestID: "1", ResourceType: 4, ReleaseVersion: "3",
			Content: []byte(`{"m2m:cin":{}}`), ResultContent: primitive.DefaultResult, ResponseType: primitive.NonBlockingAsynch,
			NotificationTargets: []string{"http://a/", "http://b/"}, Structured: true, OriginatingTimestamp: "20260101T000000",
			RequestExpiration: now.Add(5 * time.Second), ResultExpiration: now.Add(1500500 * time.Microsecond), OperationExecution: now.Add(2 * time.Second),
			ResultPersistence: now.Add(time.Minute), EventCategory: 4, GroupRequestID: "g", VendorInformation: "v", Tokens: []string{"t1", "t2"},
			RemoteIP: netip.MustParseAddr("192.0.2.1"),
		}
		if !reflect.DeepEqual(d.request, want) {
			t.Errorf("got\n%+v\nwant\n%+v\n(%d %s)", d.request, want, w.Code, w.Body)
		}
		if got := header(w, "X-M2M-RST"); got != "1500.5" {
			t.Errorf("X-M2M-RST: got %q, want it as it came", got)
		}
		exchange(h, "GET", "/cse-in", "", "X-M2M-RTU: ", "Authorization: Bearer x")
		if d.request.NotificationTargets == nil || len(d.request.NotificationTargets) > 0 || d.request.Tokens != nil {
			t.Errorf("empty list of targets and a credential: got %+v", d.request)
		}
	})
}

// TestRefused is what never reaches the dispatcher.
func TestRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxIdentifier+1)
	for _, c := range []struct {
		what, method, target, body string
		headers                    []string
		want                       primitive.Status
		status                     int
	}{
		{"expiration", "GET", "/a", "", []string{"X-M2M-RET: soon"}, primitive.BadRequest, 400},
		{"result expiration", "GET", "/a", "", []string{"X-M2M-RST: x"}, primitive.BadRequest, 400},
		{"execution time", "GET", "/a", "", []string{"X-M2M-OET: P"}, primitive.BadRequest, 400},
		{"event category", "GET", "/a", "", []string{"X-M2M-EC: x"}, primitive.BadRequest, 400},
		{"long originator", "GET", "/a", "", []string{"X-M2M-Origin: " + long}, primitive.BadRequest, 400},
		{"long request identifier", "GET", "/a", "", []string{"X-M2M-RI: " + long}, primitive.BadRequest, 400},
		{"many targets of the result", "GET", "/a", "", []string{"X-M2M-RTU: a" + strings.Repeat("&a", maxTargets)}, primitive.BadRequest, 400},
		{"originator that is not UTF-8", "GET", "/a", "", []string{"X-M2M-Origin: \xff"}, primitive.BadRequest, 400},
		{"address that is not UTF-8", "GET", "/a%ff", "", nil, primitive.BadRequest, 400},
		{"method", "PATCH", "/a", "", nil, primitive.OperationNotAllowed, 405},
		{"accept", "GET", "/a", "", []string{"Accept: text/html"}, primitive.NotAcceptable, 406},
		{"nothing accepted", "GET", "/a", "", []string{"Accept: */*;q=0"}, primitive.NotAcceptable, 406},
		{"no type of content", "POST", "/a", "{}", nil, primitive.UnsupportedMediaType, 415},
		{"type of content", "POST", "/a", "{}", []string{"Content-Type: text/plain"}, primitive.UnsupportedMediaType, 415},
		{"bare type of content", "POST", "/a", "{}", []string{"Content-Type: json"}, primitive.UnsupportedMediaType, 415},
		{"malformed type", "POST", "/a", "{}", []string{"Content-Type: application/json;x"}, primitive.BadRequest, 400},
		{"resource type", "POST", "/a", "{}", []string{"Content-Type: application/json;ty=wrong"}, primitive.BadRequest, 400},
		{"resource type zero", "POST", "/a", "{}", []string{"Content-Type: application/json;ty=0"}, primitive.BadRequest, 400},
		{"huge resource type", "POST", "/a", "{}", []string{"Content-Type: application/json;ty=99999999999999999999"}, primitive.BadRequest, 400},
		{"no JSON", "POST", "/a", "{", []string{"Content-Type: application/json"}, primitive.BadRequest, 400},
		{"no CBOR", "POST", "/a", "{", []string{"Content-Type: application/cbor", "Accept: application/json"}, primitive.BadRequest, 400},
		{"too much", "POST", "/a", `"` + strings.Repeat("x", 100) + `"`, []string{"Content-Type: application/json"}, primitive.BadRequest, 400},
		{"signatures", "GET", "/a?asi=true", "", nil, primitive.BadRequest, 400},
		{"two limits", "GET", "/a?lim=1+2", "", nil, primitive.BadRequest, 400},
		{"half a geo-query", "GET", "/a?gmty=1", "", nil, primitive.BadRequest, 400},
		{"geometry", "GET", "/a?gmty=1&gsf=1&geom=1.0", "", nil, primitive.BadRequest, 400},
		{"half a content filter", "GET", "/a?cfq=x", "", nil, primitive.BadRequest, 400},
		{"persistence", "GET", "/a?rp=xxx", "", nil, primitive.BadRequest, 400},
		{"response type", "GET", "/a?rt=9", "", nil, primitive.BadRequest, 400},
		{"relative path", "GET", "/a?arp=/", "", nil, primitive.BadRequest, 400},
		{"attribute of the parent", "GET", "/a?p.=x", "", nil, primitive.BadRequest, 400},
	} {
		d := &world{}
		h := &Handler{Dispatcher: d, MaxBody: 100, Timeout: time.Second}
		w := exchange(h, c.method, c.target, c.body, append(c.headers, "X-M2M-RVI: 3", "X-M2M-VSI: v")...)
		if got := header(w, "X-M2M-RSC"); got != statusText(c.want) || w.Code != c.status || d.asked > 0 || !strings.HasPrefix(w.Body.String(), `{"m2m:dbg":`) {
			t.Errorf("%s: got %s, HTTP %d, %s, want %d", c.what, got, w.Code, w.Body, c.want)
		}
		if header(w, "X-M2M-RVI") != "3" || header(w, "X-M2M-VSI") != "v" {
			t.Errorf("%s: got %v, want what came with the request", c.what, w.Result().Header)
		}
	}
}

func statusText(s primitive.Status) string { return primitive.Errorf(s, "").Error()[:4] }

// errReader breaks off.
type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestContentWithoutLength(t *testing.T) {
	t.Parallel()
	for body, want := range map[io.Reader]string{
		struct{ io.Reader }{strings.NewReader(`"1234567"`)}: "2000", struct{ io.Reader }{strings.NewReader(`"12345678901"`)}: "4000", errReader{}: "4000",
	} {
		h := &Handler{Dispatcher: &world{}, MaxBody: 10, Timeout: time.Second}
		r := httptest.NewRequest("POST", "/a", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := header(w, "X-M2M-RSC"); got != want {
			t.Errorf("got %s %s, want %s", got, w.Body, want)
		}
	}
}

// TestEveryResponseHeader is TS-0009 clause 6.4 for responses.
func TestEveryResponseHeader(t *testing.T) {
	t.Parallel()
	d := &world{answer: primitive.Response{
		Status: primitive.Created, From: "/id-in", ReleaseVersion: "3", VendorInformation: "v", OriginatingTimestamp: "20260101T000000", ResultExpiration: "5",
		EventCategory: 2, AssignedTokenIDs: []primitive.AssignedToken{{LocalTokenID: "l", TokenID: "t"}, {LocalTokenID: "m", TokenID: "u"}},
		Content: []byte(`{"m2m:uri":"x"}`), Location: "/mn/x", Partial: true, Offset: 7, RetryAfter: 1500 * time.Millisecond,
	}}
	h := &Handler{Dispatcher: d, MaxBody: 100, Timeout: time.Second}
	w := exchange(h, "GET", "/a", "", "X-M2M-RI: r")
	for name, want := range map[string]string{
		"X-M2M-RSC": "2001", "X-M2M-RI": "r", "X-M2M-Origin": "/id-in", "X-M2M-RVI": "3", "X-M2M-VSI": "v", "X-M2M-OT": "20260101T000000", "X-M2M-RST": "5",
		"X-M2M-EC": "2", "X-M2M-ATI": "l:t+m:u", "Content-Location": "/~/mn/x", "X-M2M-CTS": "1", "X-M2M-CTO": "7", "Retry-After": "2",
		"Content-Type": "application/json", "Content-Length": "15",
	} {
		if got := header(w, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for query, content := range map[string]string{"?rcn=2": `{"m2m:uri":"cse-in/x"}`, "?rcn=3": `{"m2m:rce":{"uri":"cse-in/x","m2m:cnt":{}}}`} {
		d.answer = primitive.Response{Status: primitive.Created, Location: "cnt1", Content: []byte(content)}
		if got := header(exchange(h, "GET", "/a"+query, ""), "Content-Location"); got != "cse-in/x" {
			t.Errorf("Content-Location of %s: got %q, want the URI in it", content, got)
		}
	}
	d.answer = primitive.Response{Status: primitive.OK, Content: []byte(`{}`)}
	if w := exchange(h, "GET", "/a?rt=5", ""); w.Code != 204 || w.Body.Len() > 0 || header(w, "X-M2M-RSC") != "" {
		t.Errorf("no response wanted: got %d %s %v", w.Code, w.Body, w.Result().Header)
	}
	d.answer.Status = primitive.NotFound
	if w := exchange(h, "GET", "/a?rt=5", ""); w.Code != 404 {
		t.Errorf("no response wanted, but it failed: got %d", w.Code)
	}
	d.answer = primitive.Response{Status: primitive.OK, Content: []byte(`{"m2m:cnt":{"lbl":["a b"]}}`)}
	if w := exchange(h, "GET", "/a", "", "Accept: application/xml"); w.Code != 200 || header(w, "Content-Type") != "application/json" {
		t.Errorf("what XML cannot say: got %d %v %s, want it in JSON", w.Code, w.Result().Header, w.Body)
	}
}

// TestStatuses has an HTTP status for every status code.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for s, code := range statuses {
		if got := httpStatus(primitive.Response{Status: s}); got != code || s.OK() != (code < 300) {
			t.Errorf("%d: got %d, want %d", s, got, code)
		}
	}
	if got := httpStatus(primitive.Response{Status: 9999}); got != 500 {
		t.Errorf("unknown: got %d", got)
	}
	if got := httpStatus(primitive.Response{Status: primitive.InternalServerError, RetryAfter: time.Second}); got != 503 {
		t.Errorf("with a time to retry: got %d", got)
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept  string
		request serialisation.Format
		want    string
	}{
		{"", serialisation.JSON, "application/json"},
		{"", serialisation.XML, "application/xml"},
		{"application/json", serialisation.XML, "application/json"},
		{"*/*", serialisation.JSON, "application/json"},
		{"*/*", serialisation.CBOR, "application/cbor"},
		{"application/*", serialisation.XML, "application/xml"},
		{"application/xml", serialisation.JSON, "application/xml"},
		{"application/xml;q=0.5, application/cbor;q=0.8", serialisation.JSON, "application/cbor"},
		{"application/xml, application/json", serialisation.JSON, "application/json"},
		{"text/html, */*;q=0.1", serialisation.JSON, "application/json"},
		{"application/json;q=0, */*", serialisation.JSON, "application/cbor"},
		{"*/*, application/json;q=0", serialisation.JSON, "application/cbor"},
		{"application/vnd.onem2m-res+json", serialisation.JSON, "application/vnd.onem2m-res+json"},
		{"application/vnd.onem2m-res+xml; charset=utf-8", serialisation.JSON, "application/vnd.onem2m-res+xml"},
		{"application/vnd.onem2m-ntfy+json", serialisation.JSON, "application/json"},
		{"application/json;q=2, application/xml", serialisation.JSON, "application/xml"},
		{"application/json;q=NaN, application/xml", serialisation.JSON, "application/xml"},
		{";;, application/json;", serialisation.JSON, "application/json"},
		{"application/json;q=0", serialisation.JSON, ""},
		{"text/html;level=1", serialisation.JSON, ""},
		{"json", serialisation.JSON, ""},
		{",", serialisation.JSON, ""},
	} {
		var lines []string
		if c.accept != "" {
			lines = []string{c.accept}
		}
		got, f, ok := negotiate(lines, c.request)
		if !ok {
			got = ""
		}
		if got != c.want || ok && !strings.HasSuffix(got, f.String()) {
			t.Errorf("%q after %s: got %q (%s), want %q", c.accept, c.request, got, f, c.want)
		}
	}
}

// TestPatience gives requests the time they ask for, within bounds.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			headers []string
			want    time.Duration
		}{
			{nil, 10 * time.Second},
			{[]string{"X-M2M-RET: 2000"}, 10 * time.Second}, // the dispatcher ends it earlier
			{[]string{"X-M2M-RET: 30000"}, 30 * time.Second},
			{[]string{"X-M2M-RET: 3000000"}, time.Minute},
			{[]string{"X-M2M-OET: 20000"}, 30 * time.Second},
			{[]string{"X-M2M-OET: -20000"}, 10 * time.Second},
			{[]string{"X-M2M-OET: 20000", "X-M2M-RET: 25000"}, 25 * time.Second},
		} {
			d := &world{}
			exchange(&Handler{Dispatcher: d, MaxBody: 100, Timeout: 10 * time.Second, LongTimeout: time.Minute}, "GET", "/a", "", c.headers...)
			if got := time.Until(d.deadline); got != c.want {
				t.Errorf("%v: got %s, want %s", c.headers, got, c.want)
			}
		}
	})
}

// doorkeeper lets only Cme in.
type doorkeeper struct{}

var errStranger = primitive.Errorf(primitive.SecurityAssociationRequired, "who are you?")

func (doorkeeper) Originator(_ *http.Request, claimed string) (originator string, proved bool, err error) {
	if claimed == "" {
		return "Cme", true, nil
	}
	if claimed != "Cme" {
		return claimed, false, errStranger
	}
	return claimed, true, nil
}

func (doorkeeper) Challenge(err error) string {
	if errors.Is(err, errStranger) {
		return "Bearer"
	}
	return ""
}

func TestAuthenticator(t *testing.T) {
	t.Parallel()
	d := &world{}
	h := &Handler{Dispatcher: d, Authenticator: doorkeeper{}, MaxBody: 100, Timeout: time.Second}
	if exchange(h, "GET", "/a", ""); d.request.From != "Cme" || !d.request.Authenticated {
		t.Errorf("nothing claimed: got %q, proved %t", d.request.From, d.request.Authenticated)
	}
	w := exchange(h, "GET", "/a", "", "X-M2M-Origin: Cyou")
	if w.Code != 401 || header(w, "WWW-Authenticate") != "Bearer" || header(w, "X-M2M-RSC") != "4107" || d.asked != 1 {
		t.Errorf("stranger: got %d %v after %d requests", w.Code, w.Result().Header, d.asked)
	}
	if w := exchange(h, "GET", "/a?lim=x", "", "X-M2M-Origin: Cyou"); w.Code != 400 {
		t.Errorf("stranger whose request is malformed: got %d", w.Code)
	}
}

// FuzzHandler feeds whole requests: every one is answered, and what is carried out is within bounds.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/cse-in?rcn=1", "application/json;ty=4", "application/json", `{"m2m:cin":{"con":"x"}}`)
	f.Add("GET", "/~/id-in/x?fu=1&lbl=a+b", "", "*/*;q=0.1, application/xml", "")
	f.Add("PUT", "/_/sp/id-in/x", "application/vnd.onem2m-res+xml", "application/cbor", "<m2m:cnt/>")
	f.Add("OPTIONS", "/%2f", "a;b=\"", ";q=", "\xa1")
	f.Fuzz(func(t *testing.T, method, target, contentType, accept, body string) {
		r, err := http.NewRequest(method, "http://h"+target, strings.NewReader(body))
		if err != nil || strings.ContainsAny(target, " #") {
			return
		}
		r.Header["Content-Type"], r.Header["Accept"] = []string{contentType}, []string{accept}
		d := &world{answer: primitive.Response{Content: []byte(`{"m2m:cnt":{"rn":"x","mni":1}}`)}}
		w := httptest.NewRecorder()
		(&Handler{Dispatcher: d, MaxBody: 1000, Timeout: time.Second}).ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 || method != http.MethodOptions && d.request.ResponseType != primitive.NoResponse && header(w, "X-M2M-RSC") == "" {
			t.Fatalf("got %d %v", w.Code, w.Result().Header)
		}
		if len(d.request.Content) > 0 {
			if err := serialisation.CheckJSON(d.request.Content); err != nil {
				t.Fatalf("%q was carried out: %v", d.request.Content, err)
			}
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	h := &Handler{Dispatcher: &world{answer: primitive.Response{Content: []byte(`{"m2m:cin":{"rn":"x"}}`)}}, MaxBody: 1 << 20, Timeout: time.Second}
	body := `{"m2m:cin":{"cnf":"text/plain:0","con":"` + strings.Repeat("x", 100) + `"}}`
	headers := []string{"X-M2M-Origin: Cme", "X-M2M-RI: 1", "X-M2M-RVI: 3", "Content-Type: application/json;ty=4", "Accept: application/json"}
	b.ReportAllocs()
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			exchange(h, "POST", "/cse-in/ae/c", body, headers...)
		}
	})
	b.Run("retrieve", func(b *testing.B) {
		for b.Loop() {
			exchange(h, "GET", "/cse-in/ae/c", "", headers[:3]...)
		}
	})
}
