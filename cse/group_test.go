package cse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// grouped is a CSE with an AE Cme, containers c1 to c3 in it, c1 and c2 with a sub-container, and a flexContainer.
func grouped(t *testing.T, address string) *client {
	c := newClient(t, address)
	c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
	for _, name := range []string{"c1", "c2", "c3"} {
		c.must("POST", "/cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"`+name+`","lbl":["`+name+`"]}}`)
		if name != "c3" {
			c.must("POST", "/cse-in/ae/"+name, "Cme", 3, `{"m2m:cnt":{"rn":"sub"}}`)
		}
	}
	c.must("POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":{"rn":"closed"}}`)
	return c
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return sqliteFile(t) },
		"postgres": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testGroupMembers(t, grouped(t, address(t)))
			testFanOut(t, grouped(t, address(t)))
		})
	}
}

// testGroupMembers has groups made and changed, TS-0004 clause 7.4.13.
func testGroupMembers(t *testing.T, c *client) {
	c.must("POST", "/cse-in/ae", "Cme", 9, `{"m2m:grp":{"rn":"inner","mt":3,"mnm":5,"mid":["cse-in/ae/c1"]}}`)
	for i, s := range []struct {
		what, attributes string
		rsc              int
		want             []string // paths and values in pairs
	}{
		{"each once, by identifier", `"mnm":5,"mid":["cse-in/ae/c1","/id-in/cse-in/ae/c1","//sp.example/id-in/-/ae/c1"]`, 2001,
			[]string{"m2m:grp/cnm", "1", "m2m:grp/mt", "0", "m2m:grp/mtv", "true", "m2m:grp/csy", "1"}},
		{"nobody", `"mnm":5,"mid":[]`, 2001, []string{"m2m:grp/cnm", "0", "m2m:grp/mid", "[]"}},
		{"other types are left out", `"mnm":5,"mt":2,"mid":["cse-in/ae","cse-in/ae/c1"]`, 2001, []string{"m2m:grp/mid", `["Cme"]`, "m2m:grp/mt", "2"}},
		{"other types spoil it", `"mnm":5,"mt":2,"csy":2,"mid":["cse-in/ae","cse-in/ae/c1"]`, 4110, nil},
		{"other types mix it", `"mnm":5,"mt":2,"csy":3,"mid":["cse-in/ae","cse-in/ae/c1"]`, 2001, []string{"m2m:grp/cnm", "2", "m2m:grp/mt", "0"}},
		{"a group stands for its members", `"mnm":5,"mt":3,"csy":2,"mid":["cse-in/ae/inner/fopt"]`, 2001, []string{"m2m:grp/cnm", "1"}},
		{"and itself for itself", `"mnm":5,"mt":3,"csy":2,"mid":["cse-in/ae/inner"]`, 4110, nil},
		{"the latest is an instance", `"mnm":5,"mt":4,"csy":2,"mid":["cse-in/ae/c1/la"]`, 2001, []string{"m2m:grp/cnm", "1"}},
		{"too many", `"mnm":1,"mid":["cse-in/ae/c1","cse-in/ae/c2"]`, 6010, nil},
		{"not there", `"mnm":5,"mid":["cse-in/ae/none"]`, 4004, nil},
		{"no address", `"mnm":5,"mid":["a b"]`, 4004, nil},
		{"not to be retrieved", `"mnm":5,"mid":["cse-in/closed"]`, 5105, nil},
		{"at a CSE that nobody knows", `"mnm":5,"mid":["/id-other/x"]`, 4004, nil},
	} {
		a := c.send("POST", "/cse-in/ae", "Cme", 9, fmt.Sprintf(`{"m2m:grp":{"rn":"g%d",%s}}`, i, s.attributes))
		if a.rsc != s.rsc {
			t.Errorf("%s: got %d %s, want %d", s.what, a.rsc, a.body, s.rsc)
		}
		for w := 0; w < len(s.want); w += 2 {
			if got := a.text(s.want[w]); got != s.want[w+1] {
				t.Errorf("%s: got %s = %s, want %s", s.what, s.want[w], got, s.want[w+1])
			}
		}
	}
	c.must("POST", "/cse-in/ae", "Cme", 9, `{"m2m:grp":{"rn":"g","mt":3,"csy":2,"mnm":2,"mid":["cse-in/ae/c1"]}}`)
	if a := c.send("PUT", "/cse-in/ae/g", "Cme", 0, `{"m2m:grp":{"mid":["cse-in/ae"]}}`); a.rsc != 4110 {
		t.Errorf("update to another type: got %d %s", a.rsc, a.body)
	}
	if a := c.send("PUT", "/cse-in/ae/g", "Cme", 0, `{"m2m:grp":{"mid":["cse-in/ae/c1","cse-in/ae/c2","cse-in/ae/c3"]}}`); a.rsc != 6010 {
		t.Errorf("update to too many: got %d %s", a.rsc, a.body)
	}
	if a := c.must("PUT", "/cse-in/ae/g", "Cme", 0, `{"m2m:grp":{"mid":["cse-in/ae/c1","cse-in/ae/c2","cse-in/ae/c2"]}}`); a.text("m2m:grp/cnm") != "2" {
		t.Errorf("update: got %s", a.body)
	}
	if a := c.send("PUT", "/cse-in/ae/g", "Cme", 0, `{"m2m:grp":{"mnm":1}}`); a.rsc != 6010 {
		t.Errorf("update to less than there are: got %d %s", a.rsc, a.body)
	}
	c.must("DELETE", "/cse-in/ae/c2", "Cme", 0, "")
	if a := c.must("GET", "/cse-in/ae/g", "Cme", 0, ""); a.text("m2m:grp/cnm") != "1" {
		t.Errorf("with a member gone: got %s", a.body)
	}
}

// answers are the status codes of the members of a group, in order.
func answers(a answer) string {
	var codes []string
	for i := range 2000 {
		code := a.text(fmt.Sprintf("m2m:agr/m2m:rsp/%d/rsc", i))
		if code == "absent" {
			break
		}
		codes = append(codes, code)
	}
	return strings.Join(codes, " ")
}

// testFanOut has requests carried out on members, TS-0004 clause 7.4.14.
func testFanOut(t *testing.T, c *client) {
	make := func(name, members, more string) {
		c.must("POST", "/cse-in/ae", "Cme", 9, `{"m2m:grp":{"rn":"`+name+`","mnm":10,"mid":[`+members+`]`+more+`}}`)
	}
	make("all", `"cse-in/ae/c1","cse-in/ae/c2","cse-in/ae/c3"`, "")
	make("none", "", "")
	make("inner", `"cse-in/ae/c1","cse-in/ae/c2"`, "")
	make("outer", `"cse-in/ae/inner/fopt","cse-in/ae/c3"`, "")
	make("loop", `"cse-in/ae/c3"`, "")
	make("back", `"cse-in/ae/loop/fopt"`, "")
	c.must("PUT", "/cse-in/ae/loop", "Cme", 0, `{"m2m:grp":{"mid":["cse-in/ae/c3","cse-in/ae/back/fopt"]}}`)
	acp := c.must("POST", "/cse-in/ae", "Cme", 1, `{"m2m:acp":{"rn":"p","pv":{"acr":[{"acor":["Cguest"],"acop":2}]},"pvs":{"acr":[{"acor":["Cme"],"acop":63}]}}}`).path("m2m:acp/ri")
	make("guarded", `"cse-in/ae/c1"`, fmt.Sprintf(`,"macp":[%q]`, acp))
	for _, s := range []struct {
		what, method, to, from string
		ty                     int
		body                   string
		rsc                    int
		want                   string // status codes of the members
	}{
		{"retrieve", "GET", "all/fopt", "Cme", 0, "", 2000, "2000 2000 2000"},
		{"create", "POST", "all/fopt", "Cme", 4, `{"m2m:cin":{"con":"x"}}`, 2000, "2001 2001 2001"},
		{"latest", "GET", "all/fopt/la", "Cme", 0, "", 2000, "2000 2000 2000"},
		{"below members, where one has nothing", "GET", "all/fopt/sub", "Cme", 0, "", 2000, "2000 2000 4004"},
		{"create below members", "POST", "all/fopt/sub", "Cme", 4, `{"m2m:cin":{"con":"x"}}`, 2000, "2001 2001 4004"},
		{"update", "PUT", "all/fopt", "Cme", 0, `{"m2m:cnt":{"mni":3}}`, 2000, "2004 2004 2004"},
		{"discover", "GET", "all/fopt?fu=1&ty=4", "Cme", 0, "", 2000, "2000 2000 2000"},
		{"refused by each", "PUT", "all/fopt", "Cme", 0, `{"m2m:cnt":{"mni":-3}}`, 2000, "4000 4000 4000"},
		{"nested", "GET", "outer/fopt", "Cme", 0, "", 2000, "2000 2000"},
		{"groups in groups go round once", "GET", "loop/fopt", "Cme", 0, "", 2000, "2000 2000"},
		{"no members", "GET", "none/fopt", "Cme", 0, "", 4109, ""},
		{"no group", "GET", "c1/fopt", "Cme", 0, "", 4004, ""},
		{"no privilege", "GET", "all/fopt", "Cother", 0, "", 4103, ""},
		{"of members' policies", "GET", "guarded/fopt", "Cguest", 0, "", 2000, "4103"},
		{"not of the group's", "GET", "guarded/fopt", "Cme", 0, "", 4103, ""},
		{"delete", "DELETE", "all/fopt/sub", "Cme", 0, "", 2000, "2002 2002 4004"},
	} {
		a := c.send(s.method, "/cse-in/ae/"+s.to, s.from, s.ty, s.body)
		if got := answers(a); a.rsc != s.rsc || got != s.want {
			t.Errorf("%s: got %d, members %q, want %d, %q; %s", s.what, a.rsc, got, s.rsc, s.want, a.body)
		}
	}
	if a := c.must("GET", "/cse-in/ae/outer/fopt", "Cme", 0, ""); a.text("m2m:agr/m2m:rsp/0/pc/m2m:agr/m2m:rsp/1/pc/m2m:cnt/rn") != `"c2"` {
		t.Errorf("nested: got %s", a.body)
	}
	if a := c.must("GET", "/cse-in/ae/loop/fopt", "Cme", 0, ""); a.text("m2m:agr/m2m:rsp/1/pc/m2m:agr/m2m:rsp/0/rsc") != "4104" {
		t.Errorf("round: got %s", a.body)
	}
	if a := c.send("GET", "/cse-in/ae/inner/fopt", "Cme", 0, "", "X-M2M-GID: seen"); a.rsc != 2000 {
		t.Errorf("with a group request identifier: got %d %s", a.rsc, a.body)
	}
	if a := c.must("GET", "/cse-in/ae/all/fopt", "Cme", 0, ""); a.text("m2m:agr/m2m:rsp/2/fr") != a.text("m2m:agr/m2m:rsp/2/pc/m2m:cnt/ri") {
		t.Errorf("who answered: got %s", a.body)
	}
}

// BenchmarkFanOut measures requests to the 1,000 members of a group. The private PostgreSQL does not sync.
func BenchmarkFanOut(b *testing.B) {
	const members = 1000
	for name, address := range map[string]func(*testing.B) string{
		"sqlite":   func(b *testing.B) string { return sqliteFile(b) },
		"postgres": func(b *testing.B) string { return postgrestest.DSN(b) },
	} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, address(b))
			c.must("POST", "/cse-in", "Cme", 2, `{"m2m:ae":{"rn":"ae","api":"Nx","rr":false}}`)
			ids := make([]string, members)
			for i := range ids {
				ids[i] = c.must("POST", "/cse-in/ae", "Cme", 3, fmt.Sprintf(`{"m2m:cnt":{"rn":"c%d"}}`, i)).text("m2m:cnt/ri")
			}
			b.Run("group", func(b *testing.B) {
				for i := range b.N {
					c.must("POST", "/cse-in/ae", "Cme", 9, fmt.Sprintf(`{"m2m:grp":{"rn":"g%d-%d","mt":3,"mnm":%d,"mid":[%s]}}`, b.N, i, members, strings.Join(ids, ",")))
				}
			})
			c.must("POST", "/cse-in/ae", "Cme", 9, fmt.Sprintf(`{"m2m:grp":{"rn":"g","mt":3,"mnm":%d,"mid":[%s]}}`, members, strings.Join(ids, ",")))
			for _, request := range []struct {
				name, method, to string
				ty               int
				body             string
			}{
				{"retrieve", "GET", "", 0, ""}, {"create", "POST", "/fopt", 4, `{"m2m:cin":{"con":"x"}}`}, {"fan-out", "GET", "/fopt", 0, ""},
				{"latest", "GET", "/fopt/la", 0, ""},
			} {
				b.Run(request.name, func(b *testing.B) {
					for range b.N {
						c.must(request.method, "/cse-in/ae/g"+request.to, "Cme", request.ty, request.body)
					}
				})
			}
		})
	}
}
