package conformance

import (
	"fmt"
	"slices"
)

// resultCases are about what the answer to each operation contains, TS-0001 table 8.1.2-1.
var resultCases = []conformanceCase{
	{"TS-0001 8.1.2 result content of a create", func(s *session) {
		for rcn := range 13 {
			r := s.create(fmt.Sprintf("%s?rcn=%d", s.Root, rcn), tyCnt, object{"m2m:cnt": object{"rn": fmt.Sprint("c", rcn), "mni": 3}})
			path := fmt.Sprint(s.Root, "/c", rcn)
			switch rcn {
			case 0:
				r.want(2001)
				if len(r.Raw) > 0 {
					s.Errorf("rcn=0: got %s", r.Raw)
				}
			case 1:
				r.want(2001).has("m2m:cnt/mni", 3, "m2m:cnt/cni", 0)
			case 2:
				r.want(2001).has("m2m:uri", path)
			case 3:
				r.want(2001).has("m2m:rce/uri", path, "m2m:rce/m2m:cnt/mni", 3)
			case 9:
				r.want(2001).has("m2m:cnt/cni", 0).lacks("m2m:cnt/mni")
			default:
				r.want(4000)
				s.get(path).want(4004)
			}
		}
	}},
	{"TS-0001 8.1.2 result content of an update", func(s *session) {
		c := s.container(object{"mni": 3, "lbl": []string{"x"}})
		for rcn := range 13 {
			r := s.put(fmt.Sprintf("%s?rcn=%d", c, rcn), object{"m2m:cnt": object{"mni": 10 + rcn}})
			switch rcn {
			case 0:
				r.want(2004)
				if len(r.Raw) > 0 {
					s.Errorf("rcn=0: got %s", r.Raw)
				}
			case 1:
				r.want(2004).has("m2m:cnt/mni", 11, "m2m:cnt/lbl", `["x"]`)
			case 9:
				r.want(2004).lacks("m2m:cnt/lbl", "m2m:cnt/ri")
			default:
				r.want(4000)
				s.get(c).want(2000)
			}
		}
	}},
	{"TS-0001 8.1.2 result content of a delete", func(s *session) {
		for rcn := range 13 {
			c := s.container(object{"rn": fmt.Sprint("c", rcn)})
			s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
			r := s.remove(fmt.Sprintf("%s?rcn=%d", c, rcn))
			switch rcn {
			case 0:
				r.want(2002)
				if len(r.Raw) > 0 {
					s.Errorf("rcn=0: got %s", r.Raw)
				}
			case 1:
				r.want(2002).has("m2m:cnt/cni", 1).lacks("m2m:cnt/m2m:cin")
			case 4:
				r.want(2002).has("m2m:cnt/m2m:cin/0/con", "x", "m2m:cnt/cni", 1)
			case 5:
				r.want(2002).has("m2m:cnt/ch/0/nm", "i", "m2m:cnt/cni", 1)
			case 6:
				r.want(2002).has("m2m:rrl/rrf/0/nm", "i")
			case 8:
				r.want(2002).has("m2m:cnt/m2m:cin/0/con", "x").lacks("m2m:cnt/cni")
			default:
				r.want(4000)
				s.get(c).want(2000)
				continue
			}
			s.get(c).want(4004)
		}
		c := s.container(object{})
		if r := s.remove(c).want(2002); len(r.Raw) > 0 {
			s.Errorf("by default: got %s, want nothing", r.Raw)
		}
	}},
	{"TS-0001 8.1.2 result content that a retrieve cannot have", func(s *session) {
		c := s.container(object{})
		for _, rcn := range []int{0, 2, 3, 7, 9} {
			s.get(fmt.Sprintf("%s?rcn=%d", c, rcn)).want(4000)
		}
	}},
	{"TS-0001 8.1.2 result content of a discovery", func(s *session) {
		c := s.container(object{"rn": "c"})
		s.get(s.Root+"?fu=1&rcn=6").want(2000).has("m2m:rrl/rrf/0/nm", "c", "m2m:rrl/rrf/0/typ", 3, "m2m:rrl/rrf/0/val", c)
		ri := s.get(c).text("m2m:cnt/ri")
		if val := s.get(s.Root + "?fu=1&rcn=6&drt=2").want(2000).text("m2m:rrl/rrf/0/val"); val != ri && val != "/id-in/"+ri {
			s.Errorf("got %s, want the identifier %s, CSE-relative or SP-relative", val, ri)
		}
		for _, rcn := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9} {
			s.get(fmt.Sprintf("%s?fu=1&rcn=%d", s.Root, rcn)).want(4000)
		}
	}},
	{"TS-0001 8.1.2 children hang in their parents, grouped by type", func(s *session) {
		a := s.container(object{"rn": "a"})
		s.create(a, tyCnt, object{"m2m:cnt": object{"rn": "b"}}).want(2001)
		s.create(a+"/b", tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.create(a, tyCin, object{"m2m:cin": object{"rn": "j", "con": "y"}}).want(2001)
		s.get(s.Root+"?rcn=4").want(2000).has("m2m:ae/m2m:cnt/0/rn", "a", "m2m:ae/m2m:cnt/0/m2m:cnt/0/rn", "b",
			"m2m:ae/m2m:cnt/0/m2m:cnt/0/m2m:cin/0/con", "x", "m2m:ae/m2m:cnt/0/m2m:cin/0/con", "y")
		s.get(s.Root+"?rcn=4&ty=4").want(2000).has("m2m:ae/rr", true)
		var names []string
		list, _ := s.get(s.Root + "?rcn=6").want(2000).at("m2m:rrl/rrf").([]any)
		for _, r := range list {
			names = append(names, r.(object)["nm"].(string))
		}
		slices.Sort(names)
		if got := fmt.Sprint(names); got != "[a b i j]" {
			s.Errorf("got %s", got)
		}
	}},
	{"TS-0004 7.3.3.17.0 a filter without filterUsage selects among the children of a retrieve", func(s *session) {
		s.container(object{"rn": "a", "lbl": []string{"x"}})
		s.container(object{"rn": "b"})
		s.get(s.Root+"?rcn=4&lbl=x").want(2000).has("m2m:ae/m2m:cnt/0/rn", "a").lacks("m2m:ae/m2m:cnt/1")
		s.get(s.Root+"?rcn=6&lbl=x").want(2000).has("m2m:rrl/rrf/0/nm", "a").lacks("m2m:rrl/rrf/1")
	}},
	{"TS-0004 7.3.3.14 a partial retrieve has the attributes that are asked for", func(s *session) {
		c := s.container(object{"mni": 3, "lbl": []string{"x"}})
		r := s.get(c+"?atrl=mni+lbl").want(2000).has("m2m:cnt/mni", 3, "m2m:cnt/lbl", `["x"]`)
		if n := len(r.at("m2m:cnt").(object)); n != 2 {
			s.Errorf("got %s", r.Raw)
		}
		s.get(c + "?atrl=nosuch").want(4000)
		s.put(c+"?atrl=mni", object{"m2m:cnt": object{"mni": 4}}).want(4000)
		s.get(c + "/la?atrl=con").want(4004)
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		s.get(c+"/la?atrl=con").want(2000).has("m2m:cin/con", "x").lacks("m2m:cin/ri")
	}},
	{"TS-0004 6.3.4.2.31 a conditional operation is carried out only if its filter holds", func(s *session) {
		c := s.container(object{"rn": "c", "lbl": []string{"x"}})
		s.get(c + "?fu=2&lbl=x").want(2000)
		s.get(c + "?fu=2&lbl=y").want(4004)
	}},
}
