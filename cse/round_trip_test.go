package cse_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// trips counts round trips on connections to PostgreSQL.
type trips struct {
	server, network string
	count           atomic.Int64
}

// countTrips is the address of the database at dsn by way of what counts round trips to it.
func countTrips(t *testing.T, dsn string) (*trips, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	c := &trips{server: filepath.Join(query.Get("host"), ".s.PGSQL.5432"), network: "unix"}
	if query.Get("host") == "" {
		c.server, c.network = u.Host, "tcp"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { l.Close() })
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.carry(t, client) })
		}
	})
	query.Del("host")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = l.Addr().String(), query.Encode()
	return c, u.String()
}

// carry connects client with the server until one of them ends, and counts what the client waits for: each Sync of the extended protocol,
// and each simple query.
func (c *trips) carry(t *testing.T, client net.Conn) {
	defer client.Close()
	server, err := net.Dial(c.network, c.server)
	if err != nil {
		t.Error(err)
		return
	}
	var back sync.WaitGroup
	defer back.Wait()
	defer server.Close()
	back.Go(func() { io.Copy(client, server); client.Close() })
	for started := false; ; started = true {
		var head bytes.Buffer
		size := int64(5)
		if !started { // the first message has no type
			size = 4
		}
		if _, err := io.CopyN(&head, client, size); err != nil {
			return
		}
		if kind := head.Bytes()[0]; started && (kind == 'S' || kind == 'Q') {
			c.count.Add(1)
		}
		rest := int64(binary.BigEndian.Uint32(head.Bytes()[size-4:])) - 4
		if _, err := io.CopyN(server, io.MultiReader(&head, client), size+rest); err != nil {
			return
		}
	}
}

// TestRetrieveRoundTrips counts what retrieves ask of the database: it is one round trip, whatever is retrieved and by whom.
func TestRetrieveRoundTrips(t *testing.T) {
	t.Parallel()
	counter, address := countTrips(t, postgrestest.DSN(t))
	c := newClient(t, address)
	c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
	node := c.must("POST", "/cse-in", "CAdmin", 14, `{"m2m:nod":{"rn":"node","ni":"x"}}`).text("m2m:nod/ri")
	gone := c.must("POST", "/cse-in", "CAdmin", 14, `{"m2m:nod":{"rn":"gone","ni":"y"}}`).text("m2m:nod/ri")
	for name, link := range map[string]string{"linked": node, "unlinked": gone} {
		c.must("POST", "/cse-in", "C"+name, 2, fmt.Sprintf(`{"m2m:ae":{"rn":%q,"api":"Nx","rr":false}}`, name))
		c.must("PUT", "/cse-in/"+name, "C"+name, 0, `{"m2m:ae":{"nl":`+link+`}}`)
	}
	c.must("DELETE", "/cse-in/gone", "CAdmin", 0, "")
	c.must("POST", "/cse-in", "CAdmin", 1, `{"m2m:acp":{"rn":"p","pv":{"acr":[{"acor":["Cme","Cguest"],"acop":63}]},"pvs":{"acr":[{"acor":["Cme"],"acop":63}]}}}`)
	for _, name := range []string{"c", "empty", "watched"} {
		c.must("POST", "/cse-in/ae", "Cme", 3, fmt.Sprintf(`{"m2m:cnt":{"rn":%q,"acpi":["cse-in/p"]}}`, name))
	}
	id := c.must("GET", "/cse-in/ae/c", "Cme", 0, "").text("m2m:cnt/ri")
	id = id[1 : len(id)-1]
	c.must("POST", "/cse-in/ae/c", "Cme", 4, `{"m2m:cin":{"rn":"i","con":"x"}}`)
	c.must("POST", "/cse-in/ae/c", "Cme", 3, `{"m2m:cnt":{"rn":"inner"}}`)
	c.must("POST", "/cse-in/ae/empty", "Cme", 23, `{"m2m:sub":{"rn":"s","nu":["Cme"],"enc":{"net":[3]}}}`)
	c.must("POST", "/cse-in/ae/watched", "Cme", 23, `{"m2m:sub":{"rn":"s","nu":["Cme"],"enc":{"om":[{"ops":2,"or":"Cguest"}]}}}`)
	c.must("POST", "/cse-in/ae", "Cme", 9, `{"m2m:grp":{"rn":"g","mnm":5,"mid":["cse-in/ae/c","cse-in/ae/watched"]}}`)
	for _, r := range []struct {
		to, from string
		rsc      int
		want     int64
	}{
		{"/cse-in", "CAdmin", 2000, 1}, {"/cse-in", "Cme", 2000, 1}, {"/cse-in", "Cstranger", 4103, 1}, {"/id-in", "Cme", 2000, 1},
		{"/cse-in", "/id-mn/Cx", 4103, 1},
		{"/cse-in/ae", "Cme", 2000, 1}, {"/Cme", "Cme", 2000, 1}, {"/cse-in/nothing", "Cme", 4004, 1},
		{"/cse-in/linked", "Clinked", 2000, 1}, {"/cse-in/unlinked", "Cunlinked", 2000, 1}, {"/cse-in/node", "CAdmin", 2000, 1},
		{"/cse-in/p", "Cme", 2000, 1},
		{"/cse-in/ae/c", "Cme", 2000, 1}, {"/cse-in/ae/c", "Cguest", 2000, 1}, {"/" + id, "Cme", 2000, 1}, {"/Cme/c", "Cguest", 2000, 1},
		{"/" + id + "/inner", "Cme", 2000, 1}, {"/Cme/c/la", "Cme", 2000, 1}, {"/cse-in/ae/c/la", "Cguest", 2000, 1}, {"/cse-in/ae/c/ol", "Cme", 2000, 1},
		{"/" + id + "/la", "Cme", 2000, 1}, {"/cse-in/ae/c/i", "Cme", 2000, 1}, {"/cse-in/ae/c/i?atrl=con", "Cme", 2000, 1},
		{"/cse-in/ae/empty/la", "Cme", 4004, 1}, {"/cse-in/ae/empty/s", "Cme", 2000, 1},
		{"/cse-in/ae/watched", "Cme", 2000, 1}, {"/cse-in/ae/g", "Cme", 2000, 1},
		{"/cse-in/ae/watched", "Cguest", 2000, 2},                                                                                      // and the notification is stored
		{"/cse-in/ae", "Cstranger", 4103, 2},                                                                                           // and an authorization server that might permit it is looked for
		{"/cse-in/ae/c/inner", "Cstranger", 4103, 2}, {"/cse-in/ae/c/i", "Cstranger", 4103, 2}, {"/cse-in/ae/c", "Cstranger", 4103, 2}, // and groups
	} {
		var got int64
		for range 2 { // first the database is told the statement
			before := counter.count.Load()
			if a := c.send("GET", r.to, r.from, 0, ""); a.rsc != r.rsc {
				t.Fatalf("%s by %s: got %d %s, want %d", r.to, r.from, a.rsc, a.body, r.rsc)
			}
			got = counter.count.Load() - before
		}
		if got != r.want {
			t.Errorf("%s by %s: got %d round trips, want %d", r.to, r.from, got, r.want)
		}
	}
	if got := c.must("GET", "/cse-in/unlinked", "Cunlinked", 0, "").text("m2m:ae/nl"); got != "absent" {
		t.Errorf("a link to a node that is gone: got %s", got)
	}
	if got := c.must("GET", "/cse-in/node", "CAdmin", 0, "").text("m2m:nod/hael"); got != `["Clinked"]` {
		t.Errorf("AEs of a node: got %s", got)
	}
}
