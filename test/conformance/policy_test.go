package conformance

// policyCases are about accessControlPolicy.
var policyCases = []conformanceCase{
	{"TS-0001 9.6.2 privileges decide about what names the policy", func(s *session) {
		other, _ := s.register()
		acp := s.create(s.Root, tyACP, object{"m2m:acp": object{
			"pv":  object{"acr": []object{{"acor": []string{other}, "acop": 2}, {"acor": []string{s.AE}, "acop": 63}}},
			"pvs": object{"acr": []object{{"acor": []string{s.AE}, "acop": 63}}}}}).want(2001).text("m2m:acp/ri")
		c := s.container(object{"acpi": []string{acp}})
		s.send(request{op: "GET", to: c, from: other}).want(2000)
		s.send(request{op: "DELETE", to: c, from: other}).want(4103)
		s.send(request{op: "GET", to: acp, from: other}).want(4103)
		s.put(acp, object{"m2m:acp": object{"pv": object{"acr": []object{{"acor": []string{s.AE}, "acop": 63}}}}}).want(2004)
		s.send(request{op: "GET", to: c, from: other}).want(4103)
	}},
	{"TS-0001 9.6.2 what names no policy belongs to its creator", func(s *session) {
		other, _ := s.register()
		c := s.container(object{})
		s.get(c).want(2000)
		s.send(request{op: "GET", to: c, from: other}).want(4103)
		s.send(request{op: "POST", to: c, from: other, ty: tyCin, body: object{"m2m:cin": object{"con": "x"}}}).want(4103)
	}},
	{"TS-0004 7.4.2.2.1 selfPrivileges must not be empty", func(s *session) {
		s.create(s.Root, tyACP, object{"m2m:acp": object{"pv": object{"acr": []object{}}, "pvs": object{}}}).want(4000)
	}},
	{"TS-0001 9.6.1.3.2 accessControlPolicyIDs must name policies that exist, and change alone", func(s *session) {
		s.create(s.Root, tyCnt, object{"m2m:cnt": object{"acpi": []string{"nowhere"}}}).want(4000)
		c := s.container(object{})
		s.put(c, object{"m2m:cnt": object{"acpi": []string{s.AE}, "lbl": []string{"x"}}}).want(4000)
	}},
}
