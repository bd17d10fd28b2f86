package conformance

import "strings"

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
