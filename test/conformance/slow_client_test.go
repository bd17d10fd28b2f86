package conformance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// slowClients are ways to keep a connection and never be done with it. Each returns when the CSE has ended the connection, or what the
// client wanted of it, and fails if it never does.
var slowClients = []struct {
	name string
	hold func(s *session, c *net.TCPConn, address string) error
}{
	{"says nothing", func(_ *session, c *net.TCPConn, _ string) error { return ends(c) }},
	{"sends its header byte by byte", func(s *session, c *net.TCPConn, address string) error {
		return trickles(c, "GET /cse-in HTTP/1.1\r\nHost: "+address+"\r\nX-M2M-Origin: "+strings.Repeat("C", 1<<20))
	}},
	{"sends its content byte by byte", func(s *session, c *net.TCPConn, address string) error {
		if _, err := io.WriteString(c, s.head("POST", "application/json;ty=3", 1<<20)); err != nil {
			return err
		}
		return trickles(c, strings.Repeat(" ", 1<<20))
	}},
	{"sends chunks byte by byte", func(s *session, c *net.TCPConn, address string) error {
		head := strings.Replace(s.head("POST", "application/json;ty=3", 0), "Content-Length: 0", "Transfer-Encoding: chunked", 1)
		if _, err := io.WriteString(c, head); err != nil {
			return err
		}
		return trickles(c, strings.Repeat("1\r\n \r\n", 1<<18))
	}},
	{"sends no more after a part of its content", func(s *session, c *net.TCPConn, address string) error {
		if _, err := io.WriteString(c, s.head("POST", "application/json;ty=3", 1000)+`{"m2m`); err != nil {
			return err
		}
		return ends(c)
	}},
	{"stays after its answer", func(s *session, c *net.TCPConn, address string) error {
		if _, err := io.WriteString(c, s.head("GET", "", 0)); err != nil {
			return err
		}
		return ends(c)
	}},
	{"goes without a word after its request", func(s *session, c *net.TCPConn, address string) error {
		if _, err := io.WriteString(c, s.head("GET", "", 0)); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return refuses(err)
		}
		return ends(c)
	}},
	{"never reads", func(s *session, c *net.TCPConn, address string) error {
		if err := c.SetReadBuffer(4 << 10); err != nil {
			return err
		}
		for { // until the CSE, whose answers nobody takes, takes no more requests and then none at all
			if _, err := io.WriteString(c, s.head("GET", "", 0)); err != nil {
				return refuses(err)
			}
		}
	}},
	{"begins HTTP/2 and says no more", func(_ *session, c *net.TCPConn, _ string) error {
		const emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+emptySettings); err != nil {
			return err
		}
		return ends(c)
	}},
	{"sends a frame of HTTP/2 byte by byte", func(_ *session, c *net.TCPConn, _ string) error {
		const emptySettings, headers = "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x40\x00\x01\x04\x00\x00\x00\x01"
		if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+emptySettings+headers); err != nil {
			return err
		}
		return trickles(c, strings.Repeat("x", 16<<10))
	}},
}

// TestSlowClients has clients at every instance that are slow or gone. The CSE ends each of them, and serves others meanwhile.
func TestSlowClients(t *testing.T) { // by itself: others need not bear what it does to the machine
	const each = 8
	s := newSession(t, deploy(t, postgrestest.DSN(t), 3, "-header-timeout", "2s", "-idle-timeout", "1s", "-request-timeout", "5s"))
	s.header = []string{"Connection: close"} // else it is kept until the CSE ends it, maybe just when the next request is sent
	s.slowTarget = s.container(object{})
	s.create(s.slowTarget, tyCin, object{"m2m:cin": object{"con": strings.Repeat("x", 500_000)}}).want(2001)
	var all sync.WaitGroup
	for _, slow := range slowClients {
		for range each {
			address := strings.TrimPrefix(pick(s.urls), "http://")
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				defer c.Close()
				if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
					t.Error(err)
				}
				if err := slow.hold(s, c.(*net.TCPConn), address); err != nil {
					t.Errorf("a client that %s: %v", slow.name, err)
				}
			})
		}
	}
	all.Go(func() { s.slowUpload() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Wait()
	}()
	c := s.container(object{})
	served := 0
	for open := true; open; served++ {
		s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(served)}}).want(2001)
		s.get(c+"/la").want(2000).has("m2m:cin/con", served)
		select {
		case <-ended:
			open = false
		default:
		}
	}
	t.Logf("%d requests of others were served before the last of %d slow clients was ended", 2*served, each*len(slowClients)+1)
	s.get(c).want(2000).has("m2m:cnt/cni", served)
}

// head is the header of a request of the session, for slowTarget with so many bytes of content to follow, or for its latest instance.
func (s *session) head(method, contentType string, length int) string {
	to := s.slowTarget
	if method == "GET" {
		to += "/la"
	}
	h := fmt.Sprintf("%s /%s HTTP/1.1\r\nHost: cse\r\nX-M2M-Origin: %s\r\nX-M2M-RI: slow\r\nX-M2M-RVI: 2a\r\nContent-Length: %d\r\n",
		method, to, s.AE, length)
	if contentType != "" {
		h += "Content-Type: " + contentType + "\r\n"
	}
	return h + "\r\n"
}

// slowUpload sends content over HTTP/2 that does not end.
func (s *session) slowUpload() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	body, write := io.Pipe()
	defer body.Close()
	go func() {
		for {
			if _, err := write.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(trickle)
		}
	}()
	q, err := http.NewRequest("POST", pick(s.urls)+"/"+s.slowTarget, body)
	if err != nil {
		s.Error(err)
		return
	}
	q.Header.Set("X-M2M-Origin", s.AE)
	q.Header.Set("X-M2M-RI", "slow")
	q.Header.Set("Content-Type", "application/json;ty=3")
	a, err := (&http.Client{Transport: transport, Timeout: 3 * patience}).Do(q)
	if err == nil { // an answer ends it as well
		if a.Body.Close(); a.StatusCode < 400 {
			s.Errorf("content over HTTP/2 without an end: got %s", a.Status)
		}
		return
	}
	if e, ok := err.(interface{ Timeout() bool }); ok && e.Timeout() {
		s.Errorf("content over HTTP/2 without an end: %v", err)
	}
}

// trickle is the pause between two bytes of a client that is slow. Each of them has far more bytes to send than there is time.
const trickle = 20 * time.Millisecond

// trickles sends text byte by byte until the CSE has ended the connection.
func trickles(c net.Conn, text string) error {
	ended := make(chan error, 1)
	go func() { ended <- ends(c) }()
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			break // what the reader says decides
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(trickle):
		}
	}
	return <-ended
}

// ends waits until the CSE has ended the connection, whatever it answers before.
func ends(c net.Conn) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return refuses(err)
	}
	return nil
}

// refuses is err unless that is the end of a connection, rather than of our patience with it.
func refuses(err error) error {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("the CSE does not end the connection: %w", err)
	}
	return nil
}
