package conformance

import (
	"fmt"
	"sync"
)

// groupCases are about group and fanOutPoint.
var groupCases = []conformanceCase{
	{"TS-0004 7.4.13.2.1 a group counts and validates its members", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		s.group(object{"mt": 3, "mid": []string{a, b, a}}).has("m2m:grp/cnm", 2, "m2m:grp/mtv", true, "m2m:grp/mt", 3)
		s.create(s.Root, tyGrp, object{"m2m:grp": object{"mnm": 1, "mid": []string{a, b}}}).want(6010)
		s.create(s.Root, tyGrp, object{"m2m:grp": object{"mnm": 0, "mid": []string{}}}).want(4000)
	}},
	{"TS-0004 7.4.13.2.1 consistencyStrategy decides about members of another type", func(s *session) {
		c := s.container(object{})
		mixed := []string{c, s.Root}
		s.group(object{"mt": 3, "mid": mixed, "csy": 1}).has("m2m:grp/cnm", 1, "m2m:grp/mt", 3)
		s.create(s.Root, tyGrp, object{"m2m:grp": object{"mnm": 5, "mt": 3, "mid": mixed, "csy": 2}}).want(4110)
		s.group(object{"mt": 3, "mid": mixed, "csy": 3}).has("m2m:grp/cnm", 2, "m2m:grp/mt", 0)
		s.group(object{"mid": mixed}).has("m2m:grp/cnm", 2, "m2m:grp/mt", 0)
	}},
	{"TS-0004 7.4.13.2.1 members must exist, and the originator may retrieve them", func(s *session) {
		s.create(s.Root, tyGrp, object{"m2m:grp": object{"mnm": 5, "mid": []string{"nowhere"}}}).want(4004)
		other, root := s.register()
		s.send(request{op: "POST", to: root, from: other, ty: tyCnt, body: object{"m2m:cnt": object{"rn": "theirs"}}}).want(2001)
		s.create(s.Root, tyGrp, object{"m2m:grp": object{"mnm": 5, "mid": []string{root + "/theirs"}}}).want(5105)
	}},
	{"TS-0004 7.4.13.2.3 an update checks members as a create does", func(s *session) {
		a, b := s.container(object{}), s.container(object{})
		g := s.group(object{"mt": 3, "mnm": 2, "mid": []string{a}}).id()
		s.put(g, object{"m2m:grp": object{"mid": []string{a, b}}}).want(2004).has("m2m:grp/cnm", 2)
		s.put(g, object{"m2m:grp": object{"mid": []string{a, b, s.container(object{})}}}).want(6010)
		s.put(g, object{"m2m:grp": object{"mnm": 1}}).want(6010)
		s.put(g, object{"m2m:grp": object{"mt": 2}}).want(4000)
		s.put(g, object{"m2m:grp": object{"mid": []string{}}}).want(2004).has("m2m:grp/cnm", 0)
	}},
	{"TS-0004 7.4.14 a request to fanOutPoint is carried out on every member", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		g := s.group(object{"mid": []string{a, b}}).id()
		r := s.create(g+"/fopt", tyCin, object{"m2m:cin": object{"con": "x"}}).want(2000)
		for i := range 2 {
			r.has(fmt.Sprintf("m2m:agr/m2m:rsp/%d/rsc", i), 2001, fmt.Sprintf("m2m:agr/m2m:rsp/%d/pc/m2m:cin/con", i), "x")
		}
		s.get(g+"/fopt").want(2000).has("m2m:agr/m2m:rsp/0/pc/m2m:cnt/rn", "a", "m2m:agr/m2m:rsp/1/pc/m2m:cnt/rn", "b", "m2m:agr/m2m:rsp/1/rsc", 2000)
		s.put(g+"/fopt", object{"m2m:cnt": object{"mni": 5}}).want(2000).has("m2m:agr/m2m:rsp/0/rsc", 2004)
		s.get(g+"/fopt/la").want(2000).has("m2m:agr/m2m:rsp/1/pc/m2m:cin/con", "x")
		s.remove(g+"/fopt/la").want(2000).has("m2m:agr/m2m:rsp/0/rsc", 2002)
		s.get(a).want(2000).has("m2m:cnt/cni", 0, "m2m:cnt/mni", 5)
		s.remove(g+"/fopt").want(2000).has("m2m:agr/m2m:rsp/1/rsc", 2002)
		s.get(a).want(4004)
		s.get(b).want(4004)
	}},
	{"TS-0004 7.4.14 each member answers for itself", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		g := s.group(object{"mid": []string{a, b}}).id()
		s.create(a, tyCnt, object{"m2m:cnt": object{"rn": "inner"}}).want(2001)
		s.get(g+"/fopt/inner").want(2000).has("m2m:agr/m2m:rsp/0/rsc", 2000, "m2m:agr/m2m:rsp/1/rsc", 4004)
	}},
	{"TS-0004 7.4.14 a group without members answers 4109", func(s *session) {
		g := s.group(object{"mid": []string{}}).id()
		s.get(g + "/fopt").want(4109)
	}},
	{"TS-0001 9.6.13 a member that is gone is no member", func(s *session) {
		a, b := s.container(object{}), s.container(object{})
		g := s.group(object{"mid": []string{a, b}}).id()
		s.remove(a).want(2002)
		s.get(g).want(2000).has("m2m:grp/cnm", 1)
	}},
	{"TS-0001 9.6.13 membersAccessControlPolicyIDs decide about the members, not about the group", func(s *session) {
		other, _ := s.register()
		acp := s.policy(rule(51, other))
		a := s.container(object{})
		own := s.policy(rule(63, s.AE, other))
		s.put(a, object{"m2m:cnt": object{"acpi": []string{own}}}).want(2004)
		g := s.group(object{"mid": []string{a}, "macp": []string{acp}}).id()
		s.send(request{op: "GET", to: g + "/fopt", from: other}).want(2000).has("m2m:agr/m2m:rsp/0/rsc", 2000)
		s.send(request{op: "DELETE", to: g + "/fopt", from: other}).want(4103)
		s.send(request{op: "GET", to: g, from: other}).want(4103)
		s.get(g + "/fopt").want(4103)
	}},
	{"TS-0001 10.2.7.5 a group inside a group is reached, and groups that contain each other do not loop", func(s *session) {
		a := s.container(object{"rn": "a"})
		inner := s.group(object{"mid": []string{a}}).id()
		outer := s.group(object{"mid": []string{inner + "/fopt"}}).id()
		s.get(outer+"/fopt").want(2000).has("m2m:agr/m2m:rsp/0/pc/m2m:agr/m2m:rsp/0/pc/m2m:cnt/rn", "a")
		s.put(inner, object{"m2m:grp": object{"mid": []string{a, outer + "/fopt"}}}).want(2004)
		s.get(outer + "/fopt").want(2000)
	}},
	{"TS-0004 7.4.14 concurrent fan-outs reach every member each", func(s *session) {
		var members []string
		for range 5 {
			members = append(members, s.container(object{}))
		}
		g := s.group(object{"mnm": 9, "mid": members}).id()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() { s.create(g+"/fopt", tyCin, object{"m2m:cin": object{"con": "x"}}).want(2000) })
		}
		all.Wait()
		for _, c := range members {
			s.get(c).want(2000).has("m2m:cnt/cni", 6)
		}
	}},
	{"TS-0004 7.4.14 a subscription by group is one at each member", func(s *session) {
		a, b, r := s.container(object{}), s.container(object{}), s.receive()
		g := s.group(object{"mid": []string{a, b}}).id()
		s.create(g+"/fopt", tySub, object{"m2m:sub": object{"nu": []string{r.URL}, "enc": object{"net": []int{3}}}}).want(2000).
			has("m2m:agr/m2m:rsp/0/rsc", 2001, "m2m:agr/m2m:rsp/1/rsc", 2001)
		s.create(b, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", "x")
	}},
}

// group creates a group of at most 5 members unless attributes say otherwise.
func (s *session) group(attributes object) response {
	s.Helper()
	if attributes["mnm"] == nil {
		attributes["mnm"] = 5
	}
	return s.create(s.Root, tyGrp, object{"m2m:grp": attributes}).want(2001)
}
