package conformance

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

// privilegeCases are about what the rules of a policy say.
var privilegeCases = []conformanceCase{
	{"TS-0001 9.6.2.3 each operation is permitted by its own bit", func(s *session) {
		other, _ := s.register()
		for bit, operations := range map[int]string{1: "C", 2: "R", 4: "U", 8: "D", 32: "S"} {
			acp := s.policy(rule(bit, other), rule(63, s.AE))
			for _, o := range []struct {
				name string
				r    request
				ok   int
			}{
				{"C", request{op: "POST", ty: tyCin, body: object{"m2m:cin": object{"con": "x"}}}, 2001},
				{"R", request{op: "GET"}, 2000},
				{"S", request{op: "GET", to: "?fu=1"}, 2000},
				{"U", request{op: "PUT", body: object{"m2m:cnt": object{"lbl": []string{"x"}}}}, 2004},
				{"D", request{op: "DELETE"}, 2002},
			} {
				o.r.to, o.r.from = s.container(object{"acpi": []string{acp}})+o.r.to, other
				want := 4103
				if o.name == operations {
					want = o.ok
				}
				if r := s.send(o.r); r.RSC != want {
					s.Errorf("acop %d, operation %s: got %d %s, want %d", bit, o.name, r.RSC, r.Raw, want)
				}
			}
		}
	}},
	{"TS-0001 9.6.2.1 originators are named, all, by wildcard, by domain, or as a group", func(s *session) {
		other, _ := s.register()
		members := s.send(request{op: "POST", to: s.Root, from: admin, ty: tyGrp, body: object{"m2m:grp": object{"mnm": 5, "mid": []string{other}}}}).want(2001).id()
		for originator, want := range map[string]int{
			other: 2000, "all": 2000, "/id-in/" + other: 2000, other[:5] + "*": 2000, members: 2000, "*": 2000,
			"Cnobody": 4103, other[:5]: 4103, "Cae": 4103, s.AE: 4103,
		} {
			c := s.container(object{"acpi": []string{s.policy(rule(2, originator))}})
			if r := s.send(request{op: "GET", to: c, from: other}); r.RSC != want {
				s.Errorf("acor %s: got %d %s, want %d", originator, r.RSC, r.Raw, want)
			}
		}
	}},
	{"TS-0001 9.6.2.4 a context is a time window, an address or a place", func(s *session) {
		other, _ := s.register()
		year := strconv.Itoa(time.Now().UTC().Year())
		for name, c := range map[string]struct {
			contexts []object
			want     int
		}{
			"any time":             {[]object{{"actw": []string{"* * * * * * *"}}}, 2000},
			"this year":            {[]object{{"actw": []string{"* * * * * * " + year}}}, 2000},
			"another year":         {[]object{{"actw": []string{"* * * * * * 2000"}}}, 4103},
			"one of two":           {[]object{{"actw": []string{"* * * * * * 2000"}}, {"actw": []string{"* * * * * * *"}}}, 2000},
			"here":                 {[]object{{"acip": object{"ipv4": []string{"127.0.0.1"}}}}, 2000},
			"this network":         {[]object{{"acip": object{"ipv4": []string{"127.0.0.0/8"}}}}, 2000},
			"elsewhere":            {[]object{{"acip": object{"ipv4": []string{"192.0.2.1"}}}}, 4103},
			"here, another year":   {[]object{{"acip": object{"ipv4": []string{"127.0.0.1"}}, "actw": []string{"* * * * * * 2000"}}}, 4103},
			"a place not known":    {[]object{{"aclr": object{"accc": []string{"DE"}}}}, 4103},
			"here or not known":    {[]object{{"acip": object{"ipv4": []string{"127.0.0.1"}}}, {"aclr": object{"accc": []string{"DE"}}}}, 2000},
			"no context is always": {nil, 2000},
		} {
			r := rule(2, other)
			if c.contexts != nil {
				r["acco"] = c.contexts
			}
			to := s.container(object{"acpi": []string{s.policy(r)}})
			if got := s.send(request{op: "GET", to: to, from: other}); got.RSC != c.want {
				s.Errorf("%s: got %d %s, want %d", name, got.RSC, got.Raw, c.want)
			}
		}
	}},
	{"TS-0001 9.6.2.5 object details restrict a rule to types", func(s *session) {
		other, _ := s.register()
		r := rule(3, other)
		r["acod"] = []object{{"ty": 3, "chty": []int{4}}}
		c := s.container(object{"acpi": []string{s.policy(r)}})
		s.send(request{op: "POST", to: c, from: other, ty: tyCin, body: object{"m2m:cin": object{"con": "x"}}}).want(2001)
		s.send(request{op: "POST", to: c, from: other, ty: tyCnt, body: object{"m2m:cnt": object{}}}).want(4103)
	}},
	{"TS-0001 9.6.2 one policy of several that permits suffices", func(s *session) {
		other, _ := s.register()
		c := s.container(object{"acpi": []string{s.policy(rule(63, s.AE)), s.policy(rule(2, other))}})
		s.send(request{op: "GET", to: c, from: other}).want(2000)
		s.send(request{op: "DELETE", to: c, from: other}).want(4103)
	}},
	{"TS-0001 9.6.2 instances are governed by their container's policies", func(s *session) {
		other, _ := s.register()
		c := s.container(object{"acpi": []string{s.policy(rule(2, other), rule(63, s.AE))}})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.send(request{op: "GET", to: c + "/i", from: other}).want(2000)
		s.send(request{op: "GET", to: c + "/la", from: other}).want(2000)
		s.send(request{op: "DELETE", to: c + "/la", from: other}).want(4103)
	}},
	{"TS-0001 9.6.1.3.2 only selfPrivileges permit to change accessControlPolicyIDs", func(s *session) {
		other, _ := s.register()
		c := s.container(object{"acpi": []string{s.policy(rule(63, other), rule(63, s.AE))}})
		mine := s.policy(rule(63, s.AE))
		s.send(request{op: "PUT", to: c, from: other, body: object{"m2m:cnt": object{"acpi": []string{mine}}}}).want(4103)
		s.send(request{op: "PUT", to: c, from: other, body: object{"m2m:cnt": object{"lbl": []string{"x"}}}}).want(2004)
		s.put(c, object{"m2m:cnt": object{"acpi": []string{mine}}}).want(2004)
		s.send(request{op: "GET", to: c, from: other}).want(4103)
	}},
	{"TS-0001 9.6.2 a change of privileges holds at once, on every instance", func(s *session) {
		other, _ := s.register()
		acp := s.policy(rule(63, s.AE))
		c := s.container(object{"acpi": []string{acp}})
		for i := range 6 {
			rules, want := []object{rule(63, s.AE)}, 4103
			if i%2 == 0 {
				rules, want = append(rules, rule(2, other)), 2000
			}
			s.put(acp, object{"m2m:acp": object{"pv": object{"acr": rules}}}).want(2004)
			for range 3 {
				s.send(request{op: "GET", to: c, from: other}).want(want)
			}
		}
	}},
	{"TS-0001 9.6.2 a policy that cannot be understood is refused", func(s *session) {
		for _, change := range []object{{"acop": 0}, {"acop": 64}, {"acop": "x"}, {"acor": []string{}}, {"acor": "all"}, {"unknown": 1}, {"acco": []object{{}}},
			{"acco": []object{{"actw": []string{"x"}}}}, {"acco": []object{{"acip": object{"ipv4": []string{"300.1.1.1"}}}}}} {
			r := rule(63, s.AE)
			maps.Copy(r, change)
			got := s.create(s.Root, tyACP, object{"m2m:acp": object{"pv": object{"acr": []object{r}}, "pvs": object{"acr": []object{rule(63, s.AE)}}}})
			if got.RSC != 4000 {
				s.Errorf("%v: got %d %s, want 4000", change, got.RSC, got.Raw)
			}
		}
	}},
	{"TS-0001 9.6.1.3.2 a custodian governs what has one", func(s *session) {
		other, _ := s.register()
		c := s.container(object{"cstn": other})
		s.send(request{op: "GET", to: c, from: other}).want(2000)
	}},
	{"TS-0001 11.3.3 who is not registered may nothing but register", func(s *session) {
		for _, r := range []request{
			{op: "GET", to: "cse-in"}, {op: "GET", to: "cse-in?fu=1"}, {op: "GET", to: s.Root}, {op: "DELETE", to: s.Root},
			{op: "POST", to: "cse-in", ty: tyCnt, body: object{"m2m:cnt": object{}}}, {op: "POST", to: s.Root, ty: tyCnt, body: object{"m2m:cnt": object{}}},
		} {
			r.from = "Cstranger" + fmt.Sprint(len(s.AE))
			s.send(r).want(4103)
		}
	}},
}

// rule is an accessControlRule.
func rule(operations int, originators ...string) object {
	return object{"acor": originators, "acop": operations}
}

// policy creates a policy with rules, which belongs to the session's AE, and returns its identifier.
func (s *session) policy(rules ...object) string {
	s.Helper()
	return s.create(s.Root, tyACP, object{"m2m:acp": object{"pv": object{"acr": rules}, "pvs": object{"acr": []object{rule(63, s.AE)}}}}).want(2001).id()
}
