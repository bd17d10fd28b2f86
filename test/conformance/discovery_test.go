package conformance

import (
	"slices"
	"strings"
)

// discoveryCases are about discovery, filters and result contents.
var discoveryCases = []conformanceCase{
	{"TS-0001 10.2.6 discovery lists addresses in the form that is asked for", func(s *session) {
		c := s.container(object{"rn": "c"})
		s.discovers(s.Root+"?fu=1", c)
		ri := s.get(c).text("m2m:cnt/ri")
		s.discovers(s.Root+"?fu=1&drt=2", ri)
	}},
	{"TS-0004 7.3.3.17 values of one condition are alternatives, conditions are joined", func(s *session) {
		a := s.container(object{"rn": "a", "lbl": []string{"x", "y"}})
		b := s.container(object{"rn": "b", "lbl": []string{"z"}})
		s.container(object{"rn": "c"})
		s.discovers(s.Root+"?fu=1&lbl=x+z", a, b)
		s.discovers(s.Root + "?fu=1&lbl=x&rn=b")
		s.discovers(s.Root+"?fu=1&lbl=x&rn=b&fo=2", a, b)
		s.discovers(s.Root+"?fu=1&rn=*&lbl=*", a, b)
	}},
	{"TS-0004 7.3.3.17.14 limit and offset page through a result", func(s *session) {
		var want, got []string
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			want = append(want, s.container(object{"rn": n}))
		}
		for offset := "1"; offset != ""; {
			page := s.get(s.Root + "?fu=1&lim=2&ofst=" + offset).want(2000)
			got = append(got, page.list("m2m:uril")...)
			offset = ""
			if page.Header.Get("X-M2M-CTS") == "1" {
				offset = page.Header.Get("X-M2M-CTO")
			}
		}
		if !slices.Equal(got, want) {
			s.Errorf("got %v, want %v", got, want)
		}
	}},
	{"TS-0001 8.1.2 result content of a retrieve", func(s *session) {
		c := s.container(object{"rn": "c"})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.get(c+"?rcn=1").want(2000).has("m2m:cnt/rn", "c").lacks("m2m:cnt/m2m:cin", "m2m:cnt/ch")
		s.get(c+"?rcn=4").want(2000).has("m2m:cnt/rn", "c", "m2m:cnt/m2m:cin/0/con", "x")
		s.get(c+"?rcn=5").want(2000).has("m2m:cnt/rn", "c", "m2m:cnt/ch/0/nm", "i", "m2m:cnt/ch/0/typ", 4)
		s.get(c+"?rcn=6").want(2000).has("m2m:rrl/rrf/0/nm", "i")
		s.get(c+"?rcn=8").want(2000).has("m2m:cnt/m2m:cin/0/con", "x").lacks("m2m:cnt/rn")
	}},
}

// discovers fails the case unless a retrieve of to lists want, in any order.
func (s *session) discovers(to string, want ...string) {
	s.Helper()
	got := s.get(to).want(2000).list("m2m:uril")
	slices.Sort(got)
	slices.Sort(want)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		s.Errorf("%s: got %v, want %v", to, got, want)
	}
}
