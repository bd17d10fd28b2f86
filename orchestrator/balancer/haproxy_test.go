package balancer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// answering is an admin socket that answers each command with text.
func answering(t *testing.T, text string) *HAProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(conn).ReadString('\n')
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	h, err := NewHAProxy("tcp:" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNewHAProxyRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"unix:/run/haproxy/admin.sock": true, "tcp:127.0.0.1:9999": true,
		"": false, "unix:": false, "/run/haproxy/admin.sock": false, "tcp:9999": false, "http://haproxy": false,
	} {
		if _, err := NewHAProxy(text); (err == nil) != ok {
			t.Errorf("NewHAProxy(%q): got error %v, want accepted %v", text, err, ok)
		}
	}
}

const statHeader = "# pxname,svname,qcur,scur,slim,stot,econ,eresp,wretr,status,type,addr,used_conn_cur,hrsp_5xx,dreq,bck,\n"

func TestBackendIsRead(t *testing.T) {
	t.Parallel()
	h := answering(t, statHeader+
		"cse,again,0,2,,20,0,0,0,no check,2,unix,2,7,,1,\n"+
		"cse,a,1,2,64,30,5,6,7,no check,2,10.0.0.1:80,3,0,,0,\n"+
		"cse,b,0,0,,4,0,0,0,MAINT (via x/y),2,[fd00::1]:81,0,0,,0,\n"+
		"cse,c,0,0,,0,0,0,0,DOWN 1/2,2,10.0.0.3:80,0,0,,0,\n"+
		"cse,BACKEND,6,11,800,120,8,12,13,UP,1,,,45,3,1,\n\n")
	b, err := h.Backend(t.Context(), "cse")
	if err != nil {
		t.Fatal(err)
	}
	// 20 came back through the backup, 7 of them with an error of 45; 11 were refused.
	if b.Arrivals != 100 || b.Rejected != 11 || b.Errors != 45-7-11 || b.Failed != 12 || b.Retries != 13 ||
		b.Queued != 6 || b.Held != 0 || b.Current != 9 || b.SampledAt.IsZero() {
		t.Errorf("backend: got %+v", b)
	}
	var got []string
	for _, s := range b.Servers {
		got = append(got, s.Name+" "+s.Address.String()+" "+string(s.State))
	}
	if got, want := strings.Join(got, ", "), "a 10.0.0.1:80 ready, b [fd00::1]:81 maint, c 10.0.0.3:80 down"; got != want {
		t.Errorf("servers: got %s, want %s", got, want)
	}
	if s := b.Servers[0]; s.MaxConnections != 64 || s.Requests != 30 || s.Current != 2 || s.Queued != 1 || s.Used != 3 {
		t.Errorf("server a: got %+v", s)
	}
}

// Nothing is ready: what is neither queued nor with a server is held.
func TestHeldIsWhatIsNowhereElse(t *testing.T) {
	t.Parallel()
	b, err := answering(t, statHeader+
		"cse,again,0,3,,3,0,0,0,no check,2,unix,2,0,,1,\n"+
		"cse,a,0,2,64,30,0,0,0,MAINT,2,10.0.0.1:80,3,0,,0,\n"+
		"cse,BACKEND,1,11,800,120,0,0,0,UP,1,,,0,0,1,\n\n").Backend(t.Context(), "cse")
	if err != nil {
		t.Fatal(err)
	}
	if want := 11 - 3 - 1 - 2; b.Held != want {
		t.Errorf("held: got %d, want %d", b.Held, want)
	}
}

// What is put together from several counters does not fall because one of them was late, and starts again with HAProxy.
func TestCountersDoNotFall(t *testing.T) {
	t.Parallel()
	before := Backend{passes: 100, Arrivals: 90, Errors: 9}
	if got := (Backend{passes: 101, Arrivals: 89, Errors: 10}).steady(before); got.Arrivals != 90 || got.Errors != 10 {
		t.Errorf("counted late: got %+v, want 90 arrivals and 10 errors", got)
	}
	if got := (Backend{passes: 3, Arrivals: 3}).steady(before); got.Arrivals != 3 || got.Errors != 0 {
		t.Errorf("haproxy started anew: got %+v, want 3 arrivals and no error", got)
	}
}

func TestUnreadableAnswersAreErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"no such backend":   {"No such proxy.\n", true},
		"nothing":           {"", true},
		"no right to":       {"Permission denied\n", true},
		"no row of its own": {statHeader + "cse,a,1,2,64,30,5,6,7,UP,2,10.0.0.1:80,3,0,0,0,\n", false},
		"a column missing":  {"# pxname,svname,type,\ncse,BACKEND,1,\n", false},
		"not a number":      {statHeader + "cse,BACKEND,many,9,800,100,11,12,13,UP,1,,,0,0,0,\n", false},
		"no address":        {statHeader + "cse,a,1,2,64,30,5,6,7,UP,2,,3,0,0,0,\ncse,BACKEND,8,9,800,100,11,12,13,UP,1,,,0,0,0,\n", false},
		"short row":         {statHeader + "cse,BACKEND,1\n", false},
	} {
		_, err := answering(t, c.text).Backend(t.Context(), "cse")
		if err == nil || errors.Is(err, ErrRefused) != c.refused || errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got error %v, want one that is a refusal: %v", name, err, c.refused)
		}
	}
}

func TestCommandsTellSuccessFromRefusal(t *testing.T) {
	t.Parallel()
	commands := map[string]func(h *HAProxy) error{
		"add":    func(h *HAProxy) error { return h.Add(t.Context(), "cse", Server{Name: "a", Address: address(80)}) },
		"state":  func(h *HAProxy) error { return h.SetState(t.Context(), "cse", "a", Ready) },
		"move":   func(h *HAProxy) error { return h.SetAddress(t.Context(), "cse", "a", address(81)) },
		"shut":   func(h *HAProxy) error { return h.Shutdown(t.Context(), "cse", "a") },
		"limit":  func(h *HAProxy) error { return h.SetMaxConnections(t.Context(), "cse", "a", 5) },
		"delete": func(h *HAProxy) error { return h.Delete(t.Context(), "cse", "a") },
	}
	success := map[string]string{
		"add": "New server registered.\n\n", "state": "\n\n", "shut": "\n", "limit": "\n", "delete": "Server deleted.\n\n",
		"move": "no need to change the addr, port changed from '80' to '81' by 'stats socket command'\n\n",
	}
	for name, command := range commands {
		if err := command(answering(t, success[name])); err != nil {
			t.Errorf("%s that succeeds: got error %v", name, err)
		}
		if err := command(answering(t, "No such server.\n")); !errors.Is(err, ErrRefused) {
			t.Errorf("%s that is refused: got error %v, want %v", name, err, ErrRefused)
		}
	}
}

func TestUnreachableHAProxy(t *testing.T) {
	t.Parallel()
	h, err := NewHAProxy("unix:/nonexistent/admin.sock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Backend(t.Context(), "cse"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no socket: got error %v, want %v", err, ErrUnreachable)
	}
	// A stopped HAProxy accepts and says nothing: the caller's context ends the wait.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if h, err = NewHAProxy("tcp:" + l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		bufio.NewReader(conn).ReadString('\n')
		cancel()
	}()
	if _, err := h.Backend(ctx, "cse"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no answer: got error %v, want %v", err, ErrUnreachable)
	}
}
