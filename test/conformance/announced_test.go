package conformance

// announcedCases are about announced resources as another CSE creates them. That a CSE does so is in federationCases.
var announcedCases = []conformanceCase{
	{"TS-0004 7.4.26.2.1 an announced resource needs a link, and has what may be announced", func(s *session) {
		for _, a := range []struct {
			ty         int
			element    string
			attributes object
		}{
			{10002, "m2m:aeA", object{"apn": "name"}}, {10003, "m2m:cntA", object{"mni": 5, "lbl": []string{"x"}}}, {10009, "m2m:grpA", object{"gn": "name"}},
			{10014, "m2m:nodA", object{"ni": "node"}}, {10018, "m2m:schA", object{"se": object{"sce": []string{"* * * * * * *"}}}}, {10029, "m2m:tsA", object{"pei": 1000}},
			{10028, "cod:tempeAnnc", object{"curT0": 21.5}}, {10013, "m2m:batA", object{"btl": 5}}, {10001, "m2m:acpA", object{"pv": object{"acr": []object{rule(63, s.AE)}}, "pvs": object{"acr": []object{rule(63, s.AE)}}}},
		} {
			parent := s.registerCSE()
			create := func() response {
				return s.send(request{op: "POST", to: parent, from: admin, ty: a.ty, body: object{a.element: a.attributes}})
			}
			create().want(4000) // no link
			a.attributes["lnk"] = "/id-far/original"
			r := create().want(2001).has(a.element+"/ty", a.ty, a.element+"/lnk", "/id-far/original")
			s.send(request{op: "GET", to: r.id(), from: admin}).want(2000).has(a.element+"/lnk", "/id-far/original")
			s.send(request{op: "PUT", to: r.id(), from: admin, body: object{a.element: object{"lbl": []string{"new"}}}}).want(2004).has(a.element+"/lbl", `["new"]`)
			for _, name := range []string{"cni", "st", "at", "cr", "unknown"} {
				s.send(request{op: "PUT", to: r.id(), from: admin, body: object{a.element: object{name: 1}}}).want(4000)
			}
			s.send(request{op: "DELETE", to: r.id(), from: admin}).want(2002)
		}
	}},
	{"TS-0001 10.2.13.3 the original of an announced resource that cannot be reached is 5103 or 4004", func(s *session) {
		a := s.send(request{op: "POST", to: s.registerCSE(), from: admin, ty: 10003, body: object{"m2m:cntA": object{"lnk": "/id-far/original"}}}).want(2001).id()
		if r := s.send(request{op: "GET", to: a + "?rcn=7", from: admin}); r.RSC != 5103 && r.RSC != 4004 {
			s.Errorf("got %d %s", r.RSC, r.Raw)
		}
	}},
}

// registerCSE registers another CSE, which is not reachable and goes with the case, and returns the identifier of its remoteCSE.
func (s *session) registerCSE() string {
	s.Helper()
	p := specimenOf("remoteCSE").site(s)
	return p.creates(specimenOf("remoteCSE").least()).id()
}
