package conformance

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// receiver is an AE's own server, to which the CSE sends notifications.
type receiver struct {
	s        *session
	URL      string
	got      chan notification
	verified chan notification // verification requests
	// verify is the RSC it answers verification requests with, and accept other notifications; set before the first one comes.
	verify, accept string
	// away is how many notifications it still fails to take, as if it were not there.
	away atomic.Int32
}

// notification is one request that came to a receiver.
type notification struct {
	Header http.Header
	Raw    []byte
	Body   any
	At     time.Time
}

// receive starts a receiver, which ends with the case. It accepts everything, and keeps verification requests apart.
func (s *session) receive() *receiver {
	s.Helper()
	r := &receiver{s: s, got: make(chan notification, 1024), verified: make(chan notification, 64), verify: "2000", accept: "2000"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: r}}
	server.Start()
	s.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	raw, _ := io.ReadAll(q.Body)
	n := notification{Header: q.Header, Raw: raw, At: time.Now()}
	_ = json.Unmarshal(raw, &n.Body) // what is not JSON has no Body
	rsc := r.accept
	verification := at(n.Body, "m2m:sgn/vrq") == true
	if verification {
		rsc = r.verify
		r.verified <- n
	} else if r.away.Add(-1) >= 0 {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header()["X-M2M-RSC"] = []string{rsc}
	w.Header()["X-M2M-RI"] = q.Header["X-M2m-Ri"]
	w.WriteHeader(http.StatusOK)
	if !verification {
		r.got <- n
	}
}

// next is the next notification; the case ends if none comes.
func (r *receiver) next() notification {
	r.s.Helper()
	select {
	case n := <-r.got:
		return n
	case <-time.After(patience):
		r.s.Fatal("no notification came")
	case <-r.s.Context().Done():
		r.s.Fatal("no notification came before the end")
	}
	return notification{}
}

// none fails the case if a notification came that nobody has asked for. It does not wait: something must have come that was sent later.
func (r *receiver) none() {
	r.s.Helper()
	select {
	case n := <-r.got:
		r.s.Errorf("got one notification more: %s", n.Raw)
	default:
	}
}

// has is response.has of the notification.
func (n notification) has(s *session, pairs ...any) notification {
	s.Helper()
	response{s: s, what: "notification", Body: n.Body, Raw: n.Raw}.has(pairs...)
	return n
}

// text is what is in the notification at path, as response.text has it.
func (n notification) text(path string) string { return response{Body: n.Body}.text(path) }
