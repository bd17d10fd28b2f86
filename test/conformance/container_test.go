package conformance

import (
	"fmt"
	"sync"
)

// containerCases are about container and contentInstance.
var containerCases = []conformanceCase{
	{"TS-0001 9.6.6 container counts its instances and their bytes", func(s *session) {
		c := s.container(object{})
		for _, con := range []string{"a", "bb", "ccc"} {
			s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001).has("m2m:cin/cs", len(con))
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 3, "m2m:cnt/cbs", 6)
	}},
	{"TS-0001 9.6.6 maxNrOfInstances evicts the oldest", func(s *session) {
		c := s.container(object{"mni": 2})
		for i := range 4 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 2)
		s.get(c+"/ol").want(2000).has("m2m:cin/con", "2")
		s.get(c+"/la").want(2000).has("m2m:cin/con", "3")
	}},
	{"TS-0001 9.6.6 maxByteSize evicts the oldest and refuses what can never fit", func(s *session) {
		c := s.container(object{"mbs": 5})
		for _, con := range []string{"aa", "bb", "cc"} {
			s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001)
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 2, "m2m:cnt/cbs", 4)
		s.create(c, tyCin, object{"m2m:cin": object{"con": "123456"}}).want(5207)
	}},
	{"TS-0001 9.6.6 limits hold and no stateTag is given twice under concurrent creates", func(s *session) {
		c := s.container(object{"mni": 10})
		tags := make([]string, 40)
		var all sync.WaitGroup
		for i := range tags {
			all.Go(func() {
				tags[i] = s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001).text("m2m:cin/st")
			})
		}
		all.Wait()
		seen := map[string]bool{}
		for _, tag := range tags {
			if seen[tag] || tag == "" {
				s.Errorf("stateTag %q was given twice", tag)
			}
			seen[tag] = true
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 10, "m2m:cnt/cbs", 10, "m2m:cnt/st", 40)
	}},
	{"TS-0004 7.2.3.2 one of several concurrent creates of one name wins, the others conflict", func(s *session) {
		got := make([]int, 12)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i] = s.create(s.Root, tyCnt, object{"m2m:cnt": object{"rn": "same"}}).RSC })
		}
		all.Wait()
		count := map[int]int{}
		for _, rsc := range got {
			count[rsc]++
		}
		if count[2001] != 1 || count[4105] != len(got)-1 {
			s.Errorf("got %v, want one 2001 and else 4105", count)
		}
	}},
	{"TS-0009 6.4 a create repeated with its request identifier is answered from the first result", func(s *session) {
		c := s.container(object{})
		again := request{op: "POST", to: c, ty: tyCin, body: object{"m2m:cin": object{"con": "once"}}, header: []string{"X-M2M-RI: the-same-" + s.AE}}
		first := s.send(again).want(2001).text("m2m:cin/ri")
		for range 5 {
			s.send(again).want(2001).has("m2m:cin/ri", first)
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 1)
	}},
	{"TS-0001 9.6.6 lower limits evict at once", func(s *session) {
		c := s.container(object{})
		for _, con := range []string{"1", "22", "333", "4444"} {
			s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001)
		}
		s.put(c, object{"m2m:cnt": object{"mni": 3}}).want(2004)
		s.get(c).want(2000).has("m2m:cnt/cni", 3, "m2m:cnt/cbs", 9)
		s.put(c, object{"m2m:cnt": object{"mbs": 7}}).want(2004)
		s.get(c).want(2000).has("m2m:cnt/cni", 2, "m2m:cnt/cbs", 7)
		s.get(c+"/ol").want(2000).has("m2m:cin/con", "333")
	}},
	{"TS-0001 9.6.6 disableRetrieval hides the instances", func(s *session) {
		c := s.container(object{"disr": true})
		i := s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001).id()
		for _, to := range []string{c + "/la", c + "/ol", i} {
			s.get(to).want(4005)
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 1)
		s.get(c + "?rcn=4").want(2000).lacks("m2m:cnt/m2m:cin")
	}},
	{"TS-0001 9.6.6 only contentInstances count, and only those of the container itself", func(s *session) {
		c := s.container(object{"mni": 1})
		inner := s.create(c, tyCnt, object{"m2m:cnt": object{"rn": "inner"}}).want(2001).id()
		for range 3 {
			s.create(inner, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		}
		s.create(c, tyCin, object{"m2m:cin": object{"con": "xy"}}).want(2001)
		s.get(c).want(2000).has("m2m:cnt/cni", 1, "m2m:cnt/cbs", 2)
		s.get(inner).want(2000).has("m2m:cnt/cni", 3)
	}},
	{"TS-0001 9.6.7 contentSize is that of the content, whatever its characters", func(s *session) {
		c := s.container(object{})
		for con, size := range map[string]int{"": 0, "abc": 3, "ü": 2, "日本": 6} {
			s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001).has("m2m:cin/cs", size)
		}
	}},
	{"TS-0001 9.6.27 latest and oldest of an empty container do not exist", func(s *session) {
		c := s.container(object{})
		s.get(c + "/la").want(4004)
		s.remove(c + "/ol").want(4004)
	}},
	{"TS-0001 9.6.27 latest and oldest may be deleted but not updated or created", func(s *session) {
		c := s.container(object{})
		for _, con := range []string{"1", "2", "3"} {
			s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001)
		}
		s.remove(c + "/la").want(2002)
		s.remove(c + "/ol").want(2002)
		s.get(c+"/la").want(2000).has("m2m:cin/con", "2")
		s.put(c+"/la", object{"m2m:cin": object{"lbl": []string{"x"}}}).want(4005)
		s.create(c+"/la", tyCin, object{"m2m:cin": object{"con": "x"}}).want(4005)
		s.get(c).want(2000).has("m2m:cnt/cni", 1, "m2m:cnt/cbs", 1)
	}},
	{"TS-0004 7.4.7.2.3 contentInstance update is refused", func(s *session) {
		c := s.container(object{})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.put(c+"/i", object{"m2m:cin": object{"con": "y"}}).want(4005)
	}},
	{"TS-0004 7.4.6.2.1 container create refuses what is not the originator's to set", func(s *session) {
		for _, c := range []object{{"cni": 1}, {"cbs": 1}, {"st": 1}, {"ct": "20260101T000000"}, {"unknown": 1}, {"mni": -1}, {"mni": "x"}, {"rn": "a b"}} {
			s.create(s.Root, tyCnt, object{"m2m:cnt": c}).want(4000)
		}
	}},
	{"TS-0001 9.6.1.3 a child never outlives its parent", func(s *session) {
		end := stamp(3600e9)
		c := s.container(object{"et": end})
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001).has("m2m:cin/et", s.get(c).text("m2m:cnt/et"))
	}},
	{"TS-0001 10.1.5 a delete takes everything below with it", func(s *session) {
		c := s.container(object{})
		inner := s.create(c, tyCnt, object{"m2m:cnt": object{"rn": "inner"}}).want(2001).text("m2m:cnt/ri")
		s.create(inner, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		s.remove(c).want(2002)
		s.get(inner).want(4004)
	}},
}

// container creates a container of the session's AE and returns its address.
func (s *session) container(attributes object) string {
	s.Helper()
	return s.Root + "/" + s.create(s.Root, tyCnt, object{"m2m:cnt": attributes}).want(2001).text("m2m:cnt/rn")
}
