package conformance

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// receiver is an AE's own server, to which the CSE sends notifications.
type receiver struct {
	s   *session
	URL string
	got chan notification
	// answer is the RSC it answers verification requests with, and other notifications; set before the first one comes.
	verify, accept string
}

// notification is one request that came to a receiver.
type notification struct {
	Header http.Header
	Raw    []byte
	Body   any
	At     time.Time
}

// receive starts a receiver, which ends with the case. It accepts everything, but what verification requests bring is not passed on.
func (s *session) receive() *receiver {
	s.Helper()
	r := &receiver{s: s, got: make(chan notification, 1024), verify: "2000", accept: "2000"}
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

// text is what is in the notification at path, as response.text has it.
func (n notification) text(path string) string { return response{Body: n.Body}.text(path) }
