package conformance

import "time"

// lifetimeCases are about expirationTime.
var lifetimeCases = []conformanceCase{
	{"TS-0001 9.6.1.3 a resource that has expired does not exist, nor what is below it", func(s *session) {
		c := s.container(object{})
		i := s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001).id()
		s.put(c, object{"m2m:cnt": object{"et": stamp(3 * time.Second)}}).want(2004)
		s.eventually("expired", func() bool { return s.get(c).RSC == 4004 })
		s.get(i).want(4004)
		s.discovers(s.Root + "?fu=1")
	}},
	{"TS-0001 9.6.1.3 the name of what has expired is free", func(s *session) {
		c := s.container(object{"rn": "c", "et": stamp(3 * time.Second)})
		s.eventually("expired", func() bool { return s.get(c).RSC == 4004 })
		s.create(s.Root, tyCnt, object{"m2m:cnt": object{"rn": "c"}}).want(2001)
	}},
	{"TS-0001 9.6.8 the expiration of a child is told once", func(s *session) {
		r := s.receive()
		s.subscribe(s.Root, r, object{"enc": object{"net": []int{4}}})
		s.container(object{"rn": "first", "et": stamp(3 * time.Second)})
		last := s.container(object{"rn": "last"})
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cnt/rn", "first")
		s.remove(last).want(2002)
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cnt/rn", "last")
	}},
	{"TS-0001 9.6.6 maxInstanceAge ends instances", func(s *session) {
		c := s.container(object{"mia": 1})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "xy"}}).want(2001)
		s.eventually("the instance is gone", func() bool { return s.get(c+"/i").RSC == 4004 })
		s.eventually("it is not counted", func() bool { return s.get(c).want(2000).text("m2m:cnt/cni") == "0" })
		s.get(c).has("m2m:cnt/cbs", 0)
	}},
	{"TS-0004 7.3.3.4 an expirationTime in the past is refused, a later one than the parent's is cut", func(s *session) {
		s.create(s.Root, tyCnt, object{"m2m:cnt": object{"et": stamp(-time.Hour)}}).want(4000)
		c := s.container(object{"et": stamp(time.Hour)})
		end := s.get(c).text("m2m:cnt/et")
		s.create(c, tyCnt, object{"m2m:cnt": object{"et": stamp(2 * time.Hour)}}).want(2001).has("m2m:cnt/et", end)
		s.put(c, object{"m2m:cnt": object{"et": stamp(-time.Hour)}}).want(4000)
	}},
}
