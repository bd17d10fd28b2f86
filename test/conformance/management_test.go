package conformance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// managementCases are about node, mgmtObj and mgmtCmd.
var managementCases = []conformanceCase{
	{"TS-0004 7.4.15.2.1 mgmtDefinition and object belong together", func(s *session) {
		n := s.node()
		s.manage(n, object{"m2m:bat": object{"mgd": 1006, "btl": 50, "bts": 1}}).want(2001)
		for _, body := range []object{{"m2m:bat": object{"mgd": 1007, "btl": 50, "bts": 1}}, {"m2m:mgo": object{"mgd": 1006}}, {"m2m:bat": object{"mgd": 1006, "btl": 50, "bts": 1, "vr": "1"}}} {
			s.manage(n, body).want(4000)
		}
	}},
	{"TS-0001 D.4 a command of a mgmtObj shows how far it is", func(s *session) {
		swr := s.manage(s.node(), object{"m2m:swr": object{"mgd": 1002, "vr": "1", "swn": "x", "url": "http://example.org/x"}}).want(2001).id()
		put := func(attributes object) response {
			return s.send(request{op: "PUT", to: swr, from: admin, body: object{"m2m:swr": attributes}})
		}
		put(object{"in": true, "un": true}).want(4000)
		put(object{"in": true}).want(2004)
		r := s.send(request{op: "GET", to: swr, from: admin}).want(2000)
		if r.text("m2m:swr/ins") == "" {
			s.Errorf("got no status of the installation in %s", r.Raw)
		}
	}},
	{"TS-0001 9.6.18 a node shows the AEs that are on it", func(s *session) {
		n := s.node()
		s.send(request{op: "PUT", to: s.Root, from: admin, body: object{"m2m:ae": object{"nl": n}}}).want(2004)
		r := s.send(request{op: "GET", to: n, from: admin}).want(2000)
		if got := strings.Join(r.list("m2m:nod/hael"), " "); got != s.AE {
			s.Errorf("got hosted AEs %q, want %q", got, s.AE)
		}
		s.send(request{op: "DELETE", to: n, from: admin}).want(2002)
	}},
	{"TS-0004 7.4.16.2.3 an enabled mgmtCmd leaves an execInstance, which only the CSE creates", func(s *session) {
		mgc := s.send(request{op: "POST", to: "cse-in", from: admin, ty: 12, body: object{"m2m:mgc": object{"cmt": 1, "ext": "node-x", "exm": 1}}}).want(2001).id()
		s.Cleanup(func() { s.send(request{op: "DELETE", to: mgc, from: admin}) })
		s.send(request{op: "POST", to: mgc, from: admin, ty: 8, body: object{"m2m:exin": object{}}}).want(4005)
		s.send(request{op: "PUT", to: mgc, from: admin, body: object{"m2m:mgc": object{"exe": true}}}).want(2004)
		s.eventually("an execInstance", func() bool {
			r := s.send(request{op: "GET", to: mgc + "?rcn=4", from: admin}).want(2000)
			return r.text("m2m:mgc/m2m:exin/0/ext") == "node-x" && r.text("m2m:mgc/m2m:exin/0/exs") != "" && r.at("m2m:mgc/m2m:exin/1") == nil
		})
	}},
	{"TS-0004 7.4.10.2.1 a locationPolicy has a container for the locations", func(s *session) {
		lcp := s.send(request{op: "POST", to: "cse-in", from: admin, ty: 10, body: object{"m2m:lcp": object{"los": 2}}}).want(2001)
		s.Cleanup(func() { s.send(request{op: "DELETE", to: lcp.id(), from: admin}) })
		s.send(request{op: "GET", to: lcp.text("m2m:lcp/loi"), from: admin}).want(2000).has("m2m:cnt/ty", 3)
	}},
	{"TS-0004 7.4.10.2.1 a shared location is that of the closest node", func(s *session) {
		other, root := s.register()
		own, far := s.node(), s.node()
		s.put(s.Root, object{"m2m:ae": object{"nl": own}}).want(2004)
		s.send(request{op: "PUT", to: root, from: other, body: object{"m2m:ae": object{"nl": far}}}).want(2004)
		point := func(x int) object { return object{"type": "Point", "coordinates": []int{x, 48}} }
		at := func(loi string, x int) {
			s.eventually(fmt.Sprint("location ", x), func() bool { return s.get(loi+"/la").text("m2m:cin/con/coordinates") == fmt.Sprintf("[%d,48]", x) })
		}
		moves := func(from, in string, x int) {
			s.send(request{op: "POST", to: in, from: from, ty: tyCin, body: object{"m2m:cin": object{"con": point(x)}}}).want(2001)
		}
		lcp := s.create(s.Root, 10, object{"m2m:lcp": object{"los": 3}}).want(2001)
		loi := lcp.text("m2m:lcp/loi")
		s.eventually("the location is not known", func() bool { return s.get(lcp.id()).want(2000).text("m2m:lcp/lost") != "" })
		s.get(loi + "/la").want(4004)
		s.send(request{op: "POST", to: root, from: other, ty: 10, body: object{"m2m:lcp": object{"los": 2, "lon": "there"}}}).want(2001)
		moves(other, root+"/there", 9)
		s.get(loi + "/la").want(4004) // nothing says how far it is
		s.manage(own, object{"m2m:andi": object{"mgd": 1005, "dvd": "own" + s.AE, "dvt": "x", "awi": "x", "lnh": []string{"far" + s.AE}}}).want(2001)
		s.manage(far, object{"m2m:andi": object{"mgd": 1005, "dvd": "far" + s.AE, "dvt": "x", "awi": "x"}}).want(2001)
		at(loi, 9)
		s.get(lcp.id()).want(2000).has("m2m:lcp/lost", "")
		moves(other, root+"/there", 10)
		at(loi, 10)
		s.get(loi + "/la").want(2000)
		s.get(loi).want(2000).has("m2m:cnt/cni", 2)
		s.create(s.Root, 10, object{"m2m:lcp": object{"los": 2, "lon": "here"}}).want(2001)
		moves(s.AE, s.Root+"/here", 1)
		at(loi, 1)
		periodic := s.create(s.Root, 10, object{"m2m:lcp": object{"los": 3, "lou": []string{"PT1S"}}}).want(2001).text("m2m:lcp/loi")
		at(periodic, 1)
		moves(s.AE, s.Root+"/here", 2)
		at(periodic, 2)
		for _, wrong := range []object{{"los": 3, "lot": "x"}, {"los": 3, "lor": "http://x"}, {"los": 3, "gta": "x"}, {"los": 4}} {
			s.create(s.Root, 10, object{"m2m:lcp": wrong}).want(4000)
		}
	}},
	{"TS-0004 7.4.10.2.1 a network-based location needs its target and a location server", func(s *session) {
		for _, wrong := range []object{{"los": 1}, {"los": 1, "lot": "tel:+1"}, {"los": 1, "lor": "http://x"}} {
			s.create(s.Root, 10, object{"m2m:lcp": wrong}).want(4000)
		}
		lcp := s.create(s.Root, 10, object{"m2m:lcp": object{"los": 1, "lot": "tel:+1", "lor": "http://127.0.0.1:1/unknown"}}).want(2001)
		s.eventually("the status says why there is no location", func() bool {
			return strings.Contains(s.get(lcp.id()).want(2000).text("m2m:lcp/lost"), "127.0.0.1:1/unknown")
		})
		s.get(lcp.text("m2m:lcp/loi") + "/la").want(5103)
	}},
}

// TestLocationServer has a location server of the network locate a terminal, TS-0004 clauses 7.4.10.2.1 and 7.4.27.2.2 and annex G.2; and
// what it does not know, a CSE that knows its own place does not share.
func TestLocationServer(t *testing.T) {
	t.Parallel()
	var latitude atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/queries/location" || r.URL.Query().Get("requester") != "app" || r.URL.Query().Get("address") != "tel:+1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"terminalLocationList":{"terminalLocation":{"address":"tel:+1","locationRetrievalStatus":"Retrieved",`+
			`"currentLocation":{"latitude":%d,"longitude":9,"accuracy":100}}}}`, latitude.Load())
	}))
	t.Cleanup(server.Close)
	s := newSession(t, deploy(t, "sqlite:"+t.TempDir()+"/cse.db", 1, "-location-server", server.URL+"/v1", "-location", "8.5,47"))
	create := func(attributes object) response {
		return s.create(s.Root, 10, object{"m2m:lcp": attributes}).want(2001)
	}
	at := func(loi, want string) {
		s.eventually(want, func() bool { return s.get(loi+"/la").text("m2m:cin/con/coordinates") == want })
	}
	latitude.Store(48)
	demand := create(object{"los": 1, "lot": "tel:+1", "aid": "app"})
	periodic := create(object{"los": 1, "lot": "tel:+1", "aid": "app", "lor": server.URL + "/v1", "lou": []string{"PT1S"}})
	at(demand.text("m2m:lcp/loi"), "[9,48]")
	at(periodic.text("m2m:lcp/loi"), "[9,48]")
	latitude.Store(49)
	at(demand.text("m2m:lcp/loi"), "[9,49]")
	at(periodic.text("m2m:lcp/loi"), "[9,49]")
	refused := create(object{"los": 1, "lot": "tel:+1", "aid": "nobody"})
	s.get(refused.text("m2m:lcp/loi") + "/la").want(5103)
	s.eventually("why", func() bool { return strings.Contains(s.get(refused.id()).text("m2m:lcp/lost"), "403") })
	at(create(object{"los": 3}).text("m2m:lcp/loi"), "[8.5,47]")
	s.send(request{op: "GET", to: "cse-in", from: admin}).want(2000).has("m2m:cb/loc/crd", "[8.5,47]", "m2m:cb/loc/typ", 1)
}

// node creates a node, which goes with the case, and returns its identifier.
func (s *session) node() string {
	s.Helper()
	n := s.send(request{op: "POST", to: "cse-in", from: admin, ty: 14, body: object{"m2m:nod": object{"ni": "node-of-" + s.AE}}}).want(2001).id()
	s.Cleanup(func() { s.send(request{op: "DELETE", to: n, from: admin}) })
	return n
}

// manage creates a management object in the node n.
func (s *session) manage(n string, body object) response {
	s.Helper()
	return s.send(request{op: "POST", to: n, from: admin, ty: tyMgo, body: body})
}
