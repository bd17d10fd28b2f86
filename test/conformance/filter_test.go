package conformance

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// filterCases are about the conditions of filterCriteria and their bounds.
var filterCases = []conformanceCase{
	{"TS-0004 7.3.3.17.1 createdAfter includes its instant, createdBefore does not", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		ct := s.get(b).text("m2m:cnt/ct")
		s.discovers(s.Root+"?fu=1&cra="+ct, b)
		s.discovers(s.Root+"?fu=1&crb="+ct, a)
		s.discovers(s.Root+"?fu=1&cra="+s.get(a).text("m2m:cnt/ct")+"&crb="+ct, a)
	}},
	{"TS-0004 7.3.3.17.2 modifiedSince includes its instant, unmodifiedSince does not", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		lt := s.put(a, object{"m2m:cnt": object{"lbl": []string{"x"}}}).want(2004).text("m2m:cnt/lt")
		s.discovers(s.Root+"?fu=1&ms="+lt, a)
		s.discovers(s.Root+"?fu=1&us="+lt, b)
	}},
	{"TS-0004 7.3.3.17.3 stateTagBigger includes its number, stateTagSmaller does not", func(s *session) {
		a, b := s.container(object{"rn": "a"}), s.container(object{"rn": "b"})
		for range 3 {
			s.create(b, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		}
		st := s.get(b).want(2000).text("m2m:cnt/st")
		if st == "0" {
			s.Fatal("got stateTag 0 after instances were created")
		}
		s.discovers(s.Root+"?fu=1&lvl=1&stb="+st, b)
		s.discovers(s.Root+"?fu=1&lvl=1&sts="+st, a)
	}},
	{"TS-0004 7.3.3.17.4 expireAfter includes its instant, expireBefore does not", func(s *session) {
		soon, late := stamp(time.Hour), stamp(2*time.Hour)
		a, b := s.container(object{"rn": "a", "et": soon}), s.container(object{"rn": "b", "et": late})
		s.discovers(s.Root+"?fu=1&exa="+late, b)
		s.discovers(s.Root+"?fu=1&exb="+late, a)
		s.discovers(s.Root+"?fu=1&exa="+soon+"&exb="+late, a)
	}},
	{"TS-0004 7.3.3.17.5 labels match as a whole", func(s *session) {
		a := s.container(object{"rn": "a", "lbl": []string{"key:value", "x"}})
		s.discovers(s.Root+"?fu=1&lbl=key:value", a)
		s.discovers(s.Root + "?fu=1&lbl=key")
		s.discovers(s.Root+"?fu=1&lbl=no&lbl=x", a)
	}},
	{"TS-0004 7.3.3.17.6 resource types are alternatives", func(s *session) {
		c := s.container(object{"rn": "c"})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.create(c, tySub, object{"m2m:sub": object{"rn": "s", "nu": []string{s.AE}}}).want(2001)
		s.discovers(s.Root+"?fu=1&ty=4", c+"/i")
		s.discovers(s.Root+"?fu=1&ty=4+23", c+"/i", c+"/s")
		s.discovers(s.Root+"?fu=1&ty=4&ty=3", c, c+"/i")
	}},
	{"TS-0004 7.3.3.17.6 parent and child types and labels", func(s *session) {
		c := s.container(object{"rn": "c", "lbl": []string{"parent"}})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x", "lbl": []string{"child"}}}).want(2001)
		s.discovers(s.Root+"?fu=1&pty=3", c+"/i")
		s.discovers(s.Root+"?fu=1&chty=4", c)
		s.discovers(s.Root+"?fu=1&palb=parent", c+"/i")
		s.discovers(s.Root+"?fu=1&clbl=child", c)
	}},
	{"TS-0004 7.3.3.17.7 sizeAbove includes its size, sizeBelow does not", func(s *session) {
		c := s.container(object{"rn": "c"})
		for name, con := range map[string]string{"a": "1", "b": "12345", "d": "1234567890"} {
			s.create(c, tyCin, object{"m2m:cin": object{"rn": name, "con": con}}).want(2001)
		}
		s.discovers(s.Root+"?fu=1&sza=5", c+"/b", c+"/d")
		s.discovers(s.Root+"?fu=1&szb=5", c+"/a")
		s.discovers(s.Root+"?fu=1&sza=5&szb=10", c+"/b")
	}},
	{"TS-0004 7.3.3.17.8 contentType is the media type of contentInfo", func(s *session) {
		c := s.container(object{"rn": "c"})
		for name, cnf := range map[string]string{"a": "text/plain:0", "b": "application/json:0"} {
			s.create(c, tyCin, object{"m2m:cin": object{"rn": name, "con": "x", "cnf": cnf}}).want(2001)
		}
		s.discovers(s.Root+"?fu=1&cty=text/plain", c+"/a")
		s.discovers(s.Root+"?fu=1&cty=text/plain&cty=application/json", c+"/a", c+"/b")
	}},
	{"TS-0004 7.3.3.17.9 attributes match by value, with wildcards", func(s *session) {
		a := s.container(object{"rn": "alpha", "mni": 5, "or": "http://a/b"})
		b := s.container(object{"rn": "beta", "mni": 6, "disr": false})
		for query, want := range map[string][]string{
			"mni=5": {a}, "mni=5+6": {a, b}, "rn=al*": {a}, "rn=*a": {a, b}, "rn=*e*": {b}, "rn=alp": nil, "or=http://a/b": {a}, "or=*": {a},
			"rn=ALPHA": nil, "rn=%25": nil, "rn=a_pha": nil, "disr=false": {b}, "pi=" + s.AE: {a, b}, "mni=5&rn=beta": nil,
		} {
			s.discovers(s.Root+"?fu=1&"+query, want...)
		}
	}},
	{"TS-0004 7.3.3.17.9 names are found by how they end, also those that the CSE has given", func(s *session) {
		c := s.container(object{"rn": "room-temp"})
		i := s.create(c, tyCin, object{"m2m:cin": object{"con": "x", "or": "http://o/temp"}}).want(2001).text("m2m:cin/rn")
		s.discovers(s.Root+"?fu=1&rn=*-temp", c)
		s.discovers(s.Root+"?fu=1&rn=*"+i[len(i)-8:], c+"/"+i)
		s.discovers(s.Root+"?fu=1&or=*temp", c+"/"+i)
		s.discovers(s.Root + "?fu=1&rn=*" + i[len(i)-8:] + "x")
	}},
	{"TS-0004 7.3.3.17.9 parent and child attributes", func(s *session) {
		c := s.container(object{"rn": "c", "mni": 77})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "inner", "con": "x"}}).want(2001)
		s.discovers(s.Root+"?fu=1&p.mni=77", c+"/inner")
		s.discovers(s.Root+"?fu=1&c.rn=inner", c)
	}},
	{"TS-0004 7.3.3.17.10 a limit bounds every result and says where it goes on", func(s *session) {
		for i := range 5 {
			s.container(object{"rn": "c" + strconv.Itoa(i)})
		}
		for _, to := range []string{"?fu=1&lim=2", "?rcn=6&lim=2", "?rcn=5&lim=2", "?rcn=4&lim=2", "?rcn=8&lim=2"} {
			r := s.get(s.Root + to).want(2000)
			if r.Header.Get("X-M2M-CTS") != "1" || r.Header.Get("X-M2M-CTO") != "3" {
				s.Errorf("%s: got content status %q, offset %q", to, r.Header.Get("X-M2M-CTS"), r.Header.Get("X-M2M-CTO"))
			}
			if n := strings.Count(string(r.Raw), "/c") + strings.Count(string(r.Raw), `"rn":"c`); n == 0 || n > 4 {
				s.Errorf("%s: got %s", to, r.Raw)
			}
		}
		if r := s.get(s.Root + "?fu=1&lim=5").want(2000); r.Header.Get("X-M2M-CTS") == "1" {
			s.Errorf("got a partial content where there is no more")
		}
	}},
	{"TS-0004 7.3.3.17.12 filterOperation joins conditions of different kinds", func(s *session) {
		a := s.container(object{"rn": "a", "lbl": []string{"x"}})
		b := s.container(object{"rn": "b", "mni": 3})
		s.container(object{"rn": "c"})
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x&mni=3", a, b)
		s.discovers(s.Root + "?fu=1&fo=1&lbl=x&mni=3")
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x&ty=4", a)
	}},
	{"TS-0004 7.3.3.17.12 filterOperation joins semantic, content and geographical conditions as well", func(s *session) {
		lamp := base64.StdEncoding.EncodeToString([]byte("<http://e/x> <http://e/is> <http://e/Lamp> ."))
		a, b := s.container(object{"rn": "a", "lbl": []string{"x"}}), s.container(object{"rn": "b", "lbl": []string{"y"}})
		d := s.container(object{"rn": "d", "loc": object{"typ": 1, "crd": "[9.0,48.0]"}})
		s.create(b, 24, object{"m2m:smd": object{"rn": "smd", "dcrp": 5, "dsp": lamp}}).want(2001)
		s.create(d, tyCin, object{"m2m:cin": object{"rn": "i", "con": object{"v": 1}}}).want(2001)
		const smf, cfq, geo = "&smf=ASK%7B%3Fx%20%3Chttp://e/is%3E%20%3Chttp://e/Lamp%3E%7D", "&cfs=1&cfq=$.v%20EQ%201", "&gmty=1&gsf=1&geom=[9.0,48.0]"
		s.discovers(s.Root+"?fu=1"+smf, b)
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x"+smf, a, b)
		s.discovers(s.Root+"?fu=1&fo=2&lbl=y"+smf, b)
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x"+cfq, a, d+"/i")
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x"+geo, a, d)
		s.discovers(s.Root+"?fu=1&fo=2&lbl=x"+smf+cfq+geo, a, b, d, d+"/i")
		s.discovers(s.Root + "?fu=1&lbl=x" + smf + cfq)
		s.discovers(s.Root+"?fu=1&lbl=y"+smf, b)
		// Limit and offset go through all that is found, once.
		seen := map[string]bool{}
		for offset := 1; offset <= 4; offset++ {
			list := s.get(fmt.Sprintf("%s?fu=1&fo=2&lbl=x&lbl=y&lim=1&ofst=%d%s", s.Root, offset, smf+cfq+geo)).want(2000).list("m2m:uril")
			if len(list) != 1 || seen[list[0]] {
				s.Errorf("offset %d: got %v after %v, want one more", offset, list, seen)
				continue
			}
			seen[list[0]] = true
		}
	}},
	{"TS-0004 7.3.3.17.13 content that is JSON is found by what is in it", func(s *session) {
		c := s.container(object{"rn": "c"})
		warm, cold := `{"t":21.5,"where":{"room name":"kitchen"},"n":[1,2]}`, `{"t":3,"where":{"room name":"cellar"}}`
		for name, i := range map[string]object{
			"warm": {"con": warm, "cnf": "application/json:0"}, "cold": {"con": cold, "cnf": "application/vnd.example+json:0"},
			"coded": {"con": base64.StdEncoding.EncodeToString([]byte(warm)), "cnf": "application/json:1"},
			"own":   {"con": object{"t": 30}}, "text": {"con": warm, "cnf": "text/plain:0"}, "none": {"con": warm}, "odd": {"con": "{", "cnf": "application/json:0"},
		} {
			i["rn"] = name
			s.create(c, tyCin, object{"m2m:cin": i}).want(2001)
		}
		names := func(list ...string) []string {
			for i := range list {
				list[i] = c + "/" + list[i]
			}
			return list
		}
		for query, want := range map[string][]string{
			"$.t GT 20": names("warm", "coded", "own"), "$.t LE 3": names("cold"), "$.n[1] EQ 2": names("warm", "coded"),
			`$.where."room name" MATCH 'cell'`: names("cold"), "$.t EQ 3 OR $.t GE 30": names("cold", "own"),
			"$.t GT 20 AND $.n[0] EQ 1": names("warm", "coded"), "$.t NE 3": names("warm", "coded", "own"), "$.x EQ 1": nil,
		} {
			s.discovers(s.Root+"?fu=1&cfs=1&cfq="+url.PathEscape(query), want...)
		}
		s.discovers(s.Root+"?fu=1&lbl=no&cfs=1&cfq="+url.PathEscape("$.t GT 20"), []string{}...)
		s.get(c+"?rcn=8&cfs=1&cfq="+url.PathEscape("$.t EQ 3")).want(2000).has("m2m:cnt/m2m:cin/0/rn", "cold").lacks("m2m:cnt/m2m:cin/1")
		for _, bad := range []string{"cfs=1&cfq=$.t", "cfs=1&cfq=t%20EQ%201", "cfs=2&cfq=$.t%20EQ%201", "cfs=1", "cfq=$.t%20EQ%201"} {
			s.get(s.Root + "?fu=1&" + bad).want(4000)
		}
	}},
	{"TS-0004 7.3.3.17.0 a conditional operation may ask for parent, children, descriptors and content", func(s *session) {
		lamp := base64.StdEncoding.EncodeToString([]byte("<http://e/x> <http://e/is> <http://e/Lamp> ."))
		p := s.container(object{"rn": "p", "lbl": []string{"above"}, "mni": 7})
		c := p + "/" + s.create(p, tyCnt, object{"m2m:cnt": object{"rn": "c", "lbl": []string{"own"}}}).want(2001).text("m2m:cnt/rn")
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": object{"v": 1}, "lbl": []string{"below"}}}).want(2001)
		s.create(c, 24, object{"m2m:smd": object{"rn": "smd", "dcrp": 5, "dsp": lamp}}).want(2001)
		for condition, want := range map[string]int{
			"pty=3": 2000, "pty=2": 4004, "palb=above": 2000, "palb=own": 4004, "p.mni=7": 2000, "p.mni=8": 4004,
			"chty=4": 2000, "chty=23": 4004, "clbl=below": 2000, "clbl=own": 4004, "c.rn=i": 2000, "c.rn=j": 4004,
			"smf=ASK%7B%3Fx%20%3Chttp://e/is%3E%20%3Chttp://e/Lamp%3E%7D": 2000,
			"smf=ASK%7B%3Fx%20%3Chttp://e/is%3E%20%3Chttp://e/Oven%3E%7D": 4004,
			"lbl=own&pty=3&chty=4": 2000, "lbl=own&pty=2": 4004, "fo=2&lbl=own&pty=2": 2000, "fo=2&lbl=other&pty=2": 4004, "fo=2&lbl=other&pty=3": 2000,
			"cfs=1&cfq=$.v%20EQ%201": 4004, "cfs=1&cfq=$": 4000,
		} {
			if r := s.get(c + "?fu=2&" + condition); r.RSC != want {
				s.Errorf("retrieve if %s: got %d %s, want %d", condition, r.RSC, r.Raw, want)
			}
		}
		s.get(c + "/i?fu=2&cfs=1&cfq=$.v%20EQ%201").want(2000)
		s.get(c + "/i?fu=2&cfs=1&cfq=$.v%20EQ%202").want(4004)
		s.put(c+"?fu=2&pty=2", object{"m2m:cnt": object{"mni": 3}}).want(4004)
		s.put(c+"?fu=2&pty=3&chty=4", object{"m2m:cnt": object{"mni": 3}}).want(2004)
		s.remove(c + "?fu=2&chty=23").want(4004)
		s.remove(c + "?fu=2&palb=above").want(2002)
		s.get(c).want(4004)
	}},
	{"TS-0004 7.3.3.17.14 level bounds how deep a result goes", func(s *session) {
		a := s.container(object{"rn": "a"})
		s.create(a, tyCnt, object{"m2m:cnt": object{"rn": "b"}}).want(2001)
		s.create(a+"/b", tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.discovers(s.Root+"?fu=1&lvl=1", a)
		s.discovers(s.Root+"?fu=1&lvl=2", a, a+"/b")
		s.discovers(s.Root+"?fu=1&lvl=9", a, a+"/b", a+"/b/i")
		s.get(s.Root+"?rcn=4&lvl=1").want(2000).has("m2m:ae/m2m:cnt/0/rn", "a").lacks("m2m:ae/m2m:cnt/0/m2m:cnt")
		s.get(s.Root+"?rcn=8&lvl=2").want(2000).has("m2m:ae/m2m:cnt/0/m2m:cnt/0/rn", "b").lacks("m2m:ae/m2m:cnt/0/m2m:cnt/0/m2m:cin")
	}},
	{"TS-0004 7.3.3.17.17 a relative path is applied to each match", func(s *session) {
		for _, name := range []string{"a", "b"} {
			c := s.container(object{"rn": name, "lbl": []string{"x"}})
			s.create(c, tyCnt, object{"m2m:cnt": object{"rn": "inner"}}).want(2001)
		}
		s.container(object{"rn": "c", "lbl": []string{"x"}})
		s.discovers(s.Root+"?fu=1&lbl=x&arp=inner", s.Root+"/a/inner", s.Root+"/b/inner")
	}},
	{"TS-0001 10.2.6 discovery shows only what the originator may discover", func(s *session) {
		other, root := s.register()
		own := s.container(object{"rn": "mine"})
		s.send(request{op: "POST", to: root, from: other, ty: tyCnt, body: object{"m2m:cnt": object{"rn": "theirs"}}}).want(2001)
		s.discovers("cse-in?fu=1&rn=mine&pi="+s.AE, own)
		s.discovers("cse-in?fu=1&rn=theirs&pi=" + other)
		s.send(request{op: "GET", to: s.Root + "?fu=1", from: other}).want(4103)
	}},
	{"TS-0001 10.2.6 discovery of what is not there, and below what is no parent, is empty or 4004", func(s *session) {
		s.get(s.Root + "/nothing?fu=1").want(4004)
		c := s.container(object{})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "x"}}).want(2001)
		s.discovers(c + "/i?fu=1")
	}},
}
