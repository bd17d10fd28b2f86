package conformance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestInstanceGone lets an instance go that has just answered: the others keep what it promised.
func TestInstanceGone(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	s := newSession(t, deploy(t, dsn, 1))
	c, r := s.container(object{}), s.receive()
	s.subscribe(c, r, object{"enc": object{"net": []int{3}}})
	r.away.Store(3)
	var later string
	t.Run("answers and goes", func(t *testing.T) {
		victim := *s
		victim.T, victim.urls = t, deploy(t, dsn, 1)
		for i := range 5 {
			victim.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		later = victim.send(request{op: "POST", to: s.Root + "?rt=1", ty: tyCnt, body: object{"m2m:cnt": object{"rn": "later"}}, header: []string{"X-M2M-OET: 1500"}}).
			want(1001).text("m2m:uri")
	})
	for i := range 5 {
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", i)
	}
	s.finished(later).has("m2m:req/ors/rsc", 2001)
}

// TestStoreAway takes the store away for a while: requests fail with an error of the server that says when to try again, never as if a
// resource did not exist, and all is there afterwards.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	link, dsn := newLink(t, postgrestest.DSN(t))
	s := newSession(t, deploy(t, dsn, 2, "-request-timeout", "3s"))
	c := s.container(object{"rn": "c"})
	link.cut()
	for _, r := range []struct{ method, to, ty string }{{"GET", c, ""}, {"POST", c, ";ty=4"}, {"PUT", c, ""}, {"DELETE", c, ""}, {"GET", s.Root + "?fu=1", ""}, {"GET", c + "/la", ""}} {
		status, header := s.ask(r.method, r.to, r.ty)
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || header.Get("X-M2M-RSC") != "5000" {
			s.Errorf("%s %s: got HTTP %d, RSC %q, Retry-After %q", r.method, r.to, status, header.Get("X-M2M-RSC"), header.Get("Retry-After"))
		}
	}
	if status, _ := s.ask("GET", "readyz", ""); status != http.StatusServiceUnavailable {
		s.Errorf("readyz: got %d", status)
	}
	if status, _ := s.ask("GET", "healthz", ""); status != http.StatusOK {
		s.Errorf("healthz: got %d", status)
	}
	link.mend()
	s.eventually("the store is back", func() bool {
		status, _ := s.ask("GET", c, "")
		return status == http.StatusOK
	})
	s.get(c).want(2000).has("m2m:cnt/cni", 0)
	s.eventually("every instance is ready", func() bool { return s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).RSC == 2001 })
}

// ask sends a request without looking at its answer more than for its status and header.
func (s *session) ask(method, to, ty string) (int, http.Header) {
	s.Helper()
	status, header, err := s.attempt(method, to, ty)
	if err != nil {
		s.Fatal(err)
	}
	return status, header
}

// attempt is ask for any goroutine.
func (s *session) attempt(method, to, ty string) (int, http.Header, error) {
	q, err := http.NewRequestWithContext(s.Context(), method, pick(s.urls)+"/"+to, nil)
	if err != nil {
		return 0, nil, err
	}
	content := map[string]string{"POST": `{"m2m:cin":{"con":"x"}}`, "PUT": `{"m2m:cnt":{"lbl":["x"]}}`}[method]
	if content != "" {
		q.Body, q.ContentLength = io.NopCloser(strings.NewReader(content)), int64(len(content))
		q.Header.Set("Content-Type", "application/json"+ty)
	}
	q.Header.Set("X-M2M-Origin", s.AE)
	q.Header.Set("X-M2M-RI", "away")
	r, err := (&http.Client{Timeout: patience}).Do(q)
	if err != nil {
		return 0, nil, err
	}
	return r.StatusCode, r.Header, r.Body.Close()
}

// link is a connection to the database server that can be cut.
type link struct {
	server string // address of the socket
	mu     sync.Mutex
	down   bool
	open   map[net.Conn]bool
}

// newLink returns a link to the database of dsn and the DSN by way of it.
func newLink(t *testing.T, dsn string) (*link, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	l := &link{server: filepath.Join(query.Get("host"), ".s.PGSQL.5432"), open: map[net.Conn]bool{}}
	network := "unix"
	if query.Get("host") == "" {
		l.server, network = u.Host, "tcp"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { listener.Close(); l.cut() })
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { l.carry(network, c) })
		}
	})
	query.Del("host")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	return l, u.String()
}

// carry connects c with the server until one of them ends, or the link is cut.
func (l *link) carry(network string, c net.Conn) {
	defer c.Close()
	server, err := net.Dial(network, l.server)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		return
	}
	l.open[c], l.open[server] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{c: server, server: c} {
		both.Go(func() {
			io.Copy(to, from)
			to.Close()
		})
	}
	both.Wait()
	l.mu.Lock()
	delete(l.open, c)
	delete(l.open, server)
	l.mu.Unlock()
}

// cut ends all connections and lets no new one through.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.open {
		c.Close()
	}
}

// mend lets connections through again.
func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
