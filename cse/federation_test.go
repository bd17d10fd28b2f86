package cse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store/sqlstore"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// running is an instance that serves on an address of its own.
type running struct {
	*client
	url  string
	stop func() // drains it and waits for its end; may be called again
}

// run starts an instance; args are flags in which URL stands for its own address.
func run(t *testing.T, address string, args ...string) running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "URL", url)
	}
	c := config(t, append([]string{"-store", address, "-sp-id", "sp.example"}, args...)...)
	s, err := sqlstore.Open(c.Store, sqlstore.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	server := cse.New(c, s, hclog.NewNullLogger())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	t.Cleanup(stop)
	return running{&client{t: t, handler: server.Handler()}, url, stop}
}

// eventually asks again and again until done, or fails after a time that decides nothing unless something hangs.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// federation is an IN-CSE and an MN-CSE that has registered with it, two instances each.
func federation(t *testing.T) (in, mn [2]running) {
	t.Helper()
	inStore, mnStore := postgrestest.DSN(t), postgrestest.DSN(t)
	for i := range in {
		in[i] = run(t, inStore, "-point-of-access", "URL", "-drain-timeout", "2s")
	}
	for i := range mn {
		mn[i] = run(t, mnStore, "-cse-type", "mn", "-cse-id", "/id-mn", "-cse-name", "cse-mn", "-point-of-access", "URL", "-drain-timeout", "2s",
			"-registrar-url", in[i].url, "-registrar-id", "/id-in", "-registrar-name", "cse-in", "-registration-interval", "200ms")
	}
	eventually(t, "registered", func() bool {
		return in[0].send("GET", "/cse-in/id-mn", "CAdmin", 0, "").rsc == 2000 && mn[0].send("GET", "/cse-mn/id-in", "CAdmin", 0, "").rsc == 2000
	})
	return in, mn
}

const anyone = `{"m2m:acp":{"rn":"anyone","pv":{"acr":[{"acor":["all"],"acop":63}]},"pvs":{"acr":[{"acor":["CAdmin"],"acop":63}]}}}`

// TestFederation has requests carried out by way of another CSE, TS-0001 clauses 10.2.1.2 and 10.2.2.2.
func TestFederation(t *testing.T) {
	t.Parallel()
	in, mn := federation(t)
	for to, want := range map[string]string{
		"/cse-in/id-mn": `"/id-mn" "/id-mn/cse-mn" 2 "id-mn"`,
	} {
		a := in[1].must("GET", to, "CAdmin", 0, "")
		if got := strings.Join([]string{a.text("m2m:csr/csi"), a.text("m2m:csr/cb"), a.text("m2m:csr/cst"), a.text("m2m:csr/ri")}, " "); got != want {
			t.Errorf("%s: got %s, want %s", to, got, want)
		}
	}
	if got := mn[1].must("GET", "/cse-mn/id-in", "CAdmin", 0, "").text("m2m:csr/cb"); got != `"/id-in/cse-in"` {
		t.Errorf("the registrar at the MN-CSE: got %s", got)
	}
	if got := mn[1].must("GET", "/cse-mn", "CAdmin", 0, "").text("m2m:cb/cst"); got != "2" {
		t.Errorf("type of the MN-CSE: got %s", got)
	}

	// Down: an application at the IN-CSE works with a device at the MN-CSE.
	mn[0].must("POST", "/cse-mn", "CAdmin", 1, anyone)
	mn[0].must("POST", "/cse-mn", "Cdevice", 2, `{"m2m:ae":{"rn":"device","api":"N1","rr":false}}`)
	mn[0].must("POST", "/cse-mn/device", "Cdevice", 3, `{"m2m:cnt":{"rn":"c"}}`)
	if a := in[1].send("GET", "/~/id-mn/cse-mn/device/c", "CApp", 0, ""); a.rsc != 4103 {
		t.Errorf("without privilege: got %d %s", a.rsc, a.body)
	}
	mn[1].must("POST", "/cse-mn/device", "Cdevice", 1,
		`{"m2m:acp":{"rn":"app","pv":{"acr":[{"acor":["/id-in/CApp"],"acop":3}]},"pvs":{"acr":[{"acor":["Cdevice"],"acop":63}]}}}`)
	mn[1].must("PUT", "/cse-mn/device/c", "Cdevice", 0, `{"m2m:cnt":{"acpi":["cse-mn/device/app"]}}`)
	a := in[1].must("POST", "/~/id-mn/cse-mn/device/c", "CApp", 4, `{"m2m:cin":{"con":"on"}}`)
	if l := strings.Join(a.header["Content-Location"], ""); !strings.HasPrefix(l, "/~/id-mn/cin") {
		t.Errorf("Content-Location of a forwarded create: got %q", l)
	}
	if got := in[0].must("GET", "/_/sp.example/id-mn/cse-mn/device/c/la", "CApp", 0, "").text("m2m:cin/con"); got != `"on"` {
		t.Errorf("latest by way of the IN-CSE: got %s", got)
	}

	// Up, and nowhere.
	if a := mn[0].send("GET", "/~/id-in/cse-in", "Cdevice", 0, ""); a.rsc != 2000 || a.text("m2m:cb/csi") != `"/id-in"` {
		t.Errorf("up: got %d %s", a.rsc, a.body)
	}
	for _, to := range []string{"/~/id-none/x", "/_/other.example/id-mn/x"} {
		if a := mn[0].send("GET", to, "Cdevice", 0, ""); a.rsc != 4004 {
			t.Errorf("%s: got %d %s", to, a.rsc, a.body)
		}
	}

	// The MN-CSE is gone.
	mn[0].stop()
	mn[1].stop()
	if a := in[0].send("GET", "/~/id-mn/cse-mn", "CApp", 0, ""); a.rsc != 5103 {
		t.Errorf("with the MN-CSE gone: got %d %s", a.rsc, a.body)
	}
}

// TestPollAtAnyInstance polls at one instance, answers at the other, and asks from another CSE. TS-0004 clause 7.4.14.
func TestPollAtAnyInstance(t *testing.T) {
	t.Parallel()
	in, mn := federation(t)
	in[0].must("POST", "/cse-in", "CAdmin", 1, anyone)
	in[0].must("POST", "/cse-in", "Cpoll", 2, `{"m2m:ae":{"rn":"poll","api":"N1","rr":false}}`)
	in[0].must("PUT", "/cse-in/poll", "Cpoll", 0, `{"m2m:ae":{"acpi":["cse-in/anyone"]}}`)
	in[1].must("POST", "/cse-in/poll", "Cpoll", 15, `{"m2m:pch":{"rn":"pch"}}`)
	var w sync.WaitGroup
	w.Go(func() {
		a := in[0].send("GET", "/cse-in/poll/pch/pcu", "Cpoll", 0, "")
		if a.rsc != 2000 || a.text("m2m:rqp/op") != "5" || a.text("m2m:rqp/fr") != `"/id-mn/Cdevice"` || a.text("m2m:rqp/pc/m2m:sgn/sur") != `"x"` {
			t.Errorf("poll: got %d %s", a.rsc, a.body)
			return
		}
		in[1].must("POST", "/cse-in/poll/pch/pcu", "Cpoll", 0,
			fmt.Sprintf(`{"m2m:rsp":{"rsc":2000,"rqi":%s,"fr":"Cpoll","pc":{"answer":1}}}`, a.text("m2m:rqp/rqi")))
	})
	a := mn[1].send("POST", "/~/id-in/Cpoll", "Cdevice", 0, `{"m2m:sgn":{"sur":"x"}}`)
	if a.rsc != 2000 || a.text("answer") != "1" {
		t.Errorf("notification: got %d %s", a.rsc, a.body)
	}
	w.Wait()
	if a := in[0].send("GET", "/cse-in/poll/pch/pcu", "CAdmin", 0, ""); a.rsc != 4103 {
		t.Errorf("poll by somebody else: got %d %s", a.rsc, a.body)
	}
	if a := in[0].send("GET", "/cse-in/poll/pch/pcu", "Cpoll", 0, "", "X-M2M-RET: 50"); a.rsc != 4008 || a.status != 504 {
		t.Errorf("poll in vain: got %d (HTTP %d) %s", a.rsc, a.status, a.body)
	}

	// An instance that ends does not keep who polls at it.
	w.Go(func() {
		if a := in[0].send("GET", "/cse-in/poll/pch/pcu", "Cpoll", 0, ""); a.rsc != 4008 {
			t.Errorf("poll at an instance that ends: got %d %s", a.rsc, a.body)
		}
	})
	in[0].stop()
	w.Wait()
}

// TestNonBlocking has requests accepted by one instance and carried out by whichever takes them, TS-0004 clause 7.2.2.2.
func TestNonBlocking(t *testing.T) {
	t.Parallel()
	results := make(chan []byte, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Errorf("result: %v", err)
		}
		w.Header().Set("X-M2M-RSC", "2000")
		results <- body
	}))
	t.Cleanup(receiver.Close)
	address := postgrestest.DSN(t)
	c := [2]running{run(t, address), run(t, address)}
	eventually(t, "ready", func() bool { return c[0].send("GET", "/cse-in", "CAdmin", 0, "").rsc == 2000 })
	c[0].must("POST", "/cse-in", "Cme", 2, fmt.Sprintf(`{"m2m:ae":{"rn":"ae","api":"N1","rr":true,"poa":[%q]}}`, receiver.URL))

	// Synchronous: the same request twice is one <request>, and one container.
	first := c[0].send("POST", "/cse-in/ae?rt=1", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`, "X-M2M-RI: once")
	again := c[1].send("POST", "/cse-in/ae?rt=1", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`, "X-M2M-RI: once")
	if first.rsc != 1001 || first.status != 202 || first.text("m2m:uri") != again.text("m2m:uri") {
		t.Fatalf("accepted: got %d %s and %d %s", first.rsc, first.body, again.rsc, again.body)
	}
	at := "/" + strings.Trim(first.text("m2m:uri"), `"`)
	var got answer
	eventually(t, "carried out", func() bool {
		got = c[1].send("GET", at, "Cme", 0, "")
		return got.rsc == 2000 && got.text("m2m:req/rs") != "3"
	})
	if got.text("m2m:req/rs") != "1" || got.text("m2m:req/ors/rsc") != "2001" || got.text("m2m:req/ors/pc/m2m:cnt/rn") != `"c"` ||
		got.text("m2m:req/rid") != `"once"` || got.text("m2m:req/mi/rt/rtv") != "1" {
		t.Errorf("result: got %s", got.body)
	}
	if a := c[0].send("GET", at, "Cother", 0, ""); a.rsc != 4103 {
		t.Errorf("result for somebody else: got %d", a.rsc)
	}
	c[0].must("DELETE", at, "Cme", 0, "")

	// Asynchronous: to the originator, or to whom it names.
	for _, target := range []string{"", "X-M2M-RTU: " + receiver.URL} {
		header := []string{}
		if target != "" {
			header = append(header, target)
		}
		if a := c[0].send("GET", "/cse-in/ae/none?rt=2", "Cme", 0, "", header...); a.rsc != 1002 {
			t.Errorf("accepted: got %d %s", a.rsc, a.body)
		}
		if p, err := primitive.ParseResponse(<-results); err != nil || p.Status != primitive.NotFound || p.From != "/id-in" {
			t.Errorf("result: got %+v, %v", p, err)
		}
	}

	// What is to be carried out later can neither be had nor recalled now; nothing is said to who wants to hear nothing.
	a := c[1].send("DELETE", "/cse-in/ae/c?rt=1", "Cme", 0, "", "X-M2M-OET: PT1H")
	if a.rsc != 1001 {
		t.Fatalf("later: got %d %s", a.rsc, a.body)
	}
	if a := c[0].send("DELETE", "/"+strings.Trim(a.text("m2m:uri"), `"`), "Cme", 0, ""); a.rsc != 5220 {
		t.Errorf("recall: got %d %s", a.rsc, a.body)
	}
	c[0].must("GET", "/cse-in/ae/c", "Cme", 0, "")
	if a := c[0].send("DELETE", "/cse-in/ae/c?rt=5", "Cme", 0, ""); a.status != 204 || len(a.body) > 0 {
		t.Errorf("no response: got %d %s", a.status, a.body)
	}
	eventually(t, "carried out without a response", func() bool { return c[1].send("GET", "/cse-in/ae/c", "Cme", 0, "").rsc == 4004 })
	if len(results) > 0 {
		t.Errorf("further results: %s", <-results)
	}
}
