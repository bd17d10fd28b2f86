package conformance

// flexContainerCases are about flexContainer.
var flexContainerCases = []conformanceCase{
	{"TS-0004 7.4.37.2.1 containerDefinition and object belong together", func(s *session) {
		temperature := "org.onem2m.common.moduleclass.temperature"
		s.create(s.Root, 28, object{"cod:tempe": object{"cnd": temperature, "curT0": 23.5}}).want(2001).has("cod:tempe/curT0", 23.5, "cod:tempe/cnd", temperature)
		for _, body := range []object{{"cod:tempe": object{"cnd": "org.onem2m.common.moduleclass.battery"}}, {"cod:tempe": object{"curT0": 1}}, {"cod:nosuch": object{"cnd": temperature}},
			{"m2m:fcnt": object{"cnd": temperature}}, {"cod:tempe": object{"cnd": temperature, "curT0": "warm"}}, {"cod:tempe": object{"cnd": temperature, "unknown": 1}}} {
			s.create(s.Root, 28, body).want(4000)
		}
	}},
	{"TS-0004 7.4.37.2.3 an update is checked as a create is, and counts in stateTag", func(s *session) {
		f := s.create(s.Root, 28, object{"cod:tempe": object{"cnd": "org.onem2m.common.moduleclass.temperature", "curT0": 1}}).want(2001).has("cod:tempe/st", 0).id()
		s.put(f, object{"cod:tempe": object{"curT0": 2.5}}).want(2004).has("cod:tempe/st", 1, "cod:tempe/curT0", 2.5)
		s.put(f, object{"cod:tempe": object{"curT0": "cold"}}).want(4000)
		s.put(f, object{"cod:tempe": object{"cnd": "x"}}).want(4000)
		s.put(f, object{"cod:bathy": object{"curT0": 3}}).want(4000)
		s.get(f).want(2000).has("cod:tempe/curT0", 2.5, "cod:tempe/st", 1)
	}},
	{"TS-0001 9.6.35 flexContainers are discovered by what they hold", func(s *session) {
		cnd := "org.onem2m.common.moduleclass.temperature"
		s.create(s.Root, 28, object{"cod:tempe": object{"rn": "t", "cnd": cnd, "curT0": 21.5}}).want(2001)
		s.discovers(s.Root+"?fu=1&ty=28", s.Root+"/t")
		s.discovers(s.Root+"?fu=1&curT0=21.5", s.Root+"/t")
		s.discovers(s.Root+"?fu=1&cnd="+cnd, s.Root+"/t")
		s.discovers(s.Root + "?fu=1&curT0=22")
	}},
	{"TS-0001 9.6.35 an object of a domain that is not known holds what it is given", func(s *session) {
		f := s.create(s.Root, 28, object{"my:thing": object{"cnd": "org.example.thing", "speed": 5, "deep": object{"er": []any{1.0, "x"}}}}).want(2001).id()
		s.get(f).want(2000).has("my:thing/speed", 5, "my:thing/deep/er/1", "x")
	}},
}
