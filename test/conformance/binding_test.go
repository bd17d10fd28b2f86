package conformance

import (
	"net/http"
	"strings"
)

// bindingCases are about the HTTP binding: methods, addresses, headers, and what browsers need.
var bindingCases = []conformanceCase{
	{"TS-0009 6.2.1 a POST with a resource type creates, without one it notifies", func(s *session) {
		s.create(s.Root, tyCnt, object{"m2m:cnt": object{}}).want(2001)
		r := s.send(request{op: "POST", to: s.container(object{}), body: object{"m2m:sgn": object{"sur": "x"}}})
		if r.RSC != 4000 && r.RSC != 4005 {
			s.Errorf("notification to a container: got %d %s", r.RSC, r.Raw)
		}
	}},
	{"TS-0009 6.2.1 other methods are not allowed", func(s *session) {
		for _, method := range []string{"PATCH", "TRACE", "FOO"} {
			s.send(request{op: method, to: s.Root}).want(4005)
		}
	}},
	{"TS-0009 6.2.2.1 malformed addresses are 4000 or 4004", func(s *session) {
		for _, to := range []string{"", "cse-in//x", "cse-in/../cse-in", s.Root + "/%00", "~/id-in/", "~/", "_/viot.example", "cse-in/" + strings.Repeat("x/", 100) + "x",
			strings.Repeat("x", 3000), s.Root + "/a%20b", s.Root + "/nothing/la"} {
			if r := s.get(to); r.RSC != 4000 && r.RSC != 4004 {
				s.Errorf("%.60q: got %d %s", to, r.RSC, r.Raw)
			}
		}
	}},
	{"TS-0009 6.2.2.1 what is created and found can be addressed as it is said to be", func(s *session) {
		r := s.create(s.Root, tyCnt, object{"m2m:cnt": object{}}).want(2001)
		s.get(strings.TrimPrefix(r.Header.Get("Content-Location"), "/")).want(2000).has("m2m:cnt/ri", r.id())
		for _, drt := range []string{"1", "2"} {
			for _, to := range s.get(s.Root + "?fu=1&drt=" + drt).want(2000).list("m2m:uril") {
				s.get(to).want(2000).has("m2m:cnt/ri", r.id())
			}
		}
	}},
	{"TS-0009 6.2.2.2 a parameter that is not known or malformed is 4000", func(s *session) {
		for _, query := range []string{"rcn=x", "rcn=77", "rcn=-1", "fu=0", "fu=1&lim=0", "fu=1&lim=x", "fu=1&ofst=0", "fu=1&lvl=0", "fu=1&ty=x", "fu=1&fo=9", "fu=1&crb=yesterday",
			"fu=1&cra=2026-01-01", "fu=1&ms=x", "fu=1&us=x", "fu=1&exb=x", "fu=1&exa=x", "fu=1&sts=x", "fu=1&stb=-1", "fu=1&sza=x", "fu=1&szb=-1", "drt=3", "rt=9",
			"fu=1&nosuch=1", "rp=x", "da=x", "fu=1&ct=20260101T000000", "fu=1&lbl=%zz", "lim=1+2", "cfs=1", "gmty=1"} {
			if r := s.get(s.Root + "?" + query); r.RSC != 4000 {
				s.Errorf("%s: got %d %s, want 4000", query, r.RSC, r.Raw)
			}
		}
	}},
	{"TS-0009 6.4.7 a request needs an originator", func(s *session) {
		s.send(request{op: "GET", to: s.Root, from: none}).want(4000)
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-Origin: "}}).want(4000)
	}},
	{"TS-0009 6.4.7 an AE without AE-ID registers without originator, or with an empty one", func(s *session) {
		body := object{"m2m:ae": object{"api": "Nx", "rr": false}}
		for _, r := range []request{{from: none}, {from: "C"}, {from: "S"}} {
			r.op, r.to, r.ty, r.body = "POST", "cse-in", tyAE, body
			id := s.send(r).want(2001).text("m2m:ae/aei")
			s.send(request{op: "DELETE", to: id, from: id}).want(2002)
		}
	}},
	{"TS-0009 6.4.8 a request needs a request identifier, which the answer repeats", func(s *session) {
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-RI: "}}).want(4000)
		got := s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-RI: of-my-own/1"}}).want(2000).Header.Get("X-M2M-RI")
		if got != "of-my-own/1" {
			s.Errorf("got %q", got)
		}
	}},
	{"TS-0009 6.4.22 releases 2a, 3 and 4 are accepted and repeated, others are 4001", func(s *session) {
		for _, rvi := range []string{"2a", "3", "4"} {
			got := s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-RVI: " + rvi}}).want(2000).Header.Get("X-M2M-RVI")
			if got != rvi {
				s.Errorf("%s: got %q", rvi, got)
			}
		}
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-RVI: "}}).want(2000)
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-RVI: 99"}}).want(4001)
	}},
	{"TS-0009 6.4.12 a request with Originating Timestamp gets one back", func(s *session) {
		if got := s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-OT: " + stamp(0)}}).want(2000).Header.Get("X-M2M-OT"); got == "" {
			s.Errorf("got none")
		}
	}},
	{"TS-0009 6.4.14 a request that has expired is 4008, one that has not is carried out", func(s *session) {
		for header, want := range map[string]int{
			"X-M2M-RET: 20200101T000000": 4008, "X-M2M-RET: -1000": 4008, "X-M2M-RET: 30000": 2000, "X-M2M-RET: " + stamp(30e9): 2000, "X-M2M-RET: soon": 4000,
			"X-M2M-RST: 20200101T000000": 4008, "X-M2M-RST: 30000": 2000, "X-M2M-OET: soon": 4000, "X-M2M-OET: 1": 2000,
		} {
			if r := s.send(request{op: "GET", to: s.Root, header: []string{header}}); r.RSC != want {
				s.Errorf("%s: got %d %s, want %d", header, r.RSC, r.Raw, want)
			}
		}
	}},
	{"TS-0009 6.4.16 event categories are 2 to 4 and 100 to 999", func(s *session) {
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-EC: 2"}}).want(2000)
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-EC: x"}}).want(4000)
	}},
	{"TS-0009 6.4.23 vendor information is repeated", func(s *session) {
		if got := s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-VSI: ours"}}).want(2000).Header.Get("X-M2M-VSI"); got != "ours" {
			s.Errorf("got %q", got)
		}
	}},
	{"TS-0009 6.4.0 headers that are not known are ignored", func(s *session) {
		s.send(request{op: "GET", to: s.Root, header: []string{"X-M2M-Nonsense: x", "If-Whatever: y"}}).want(2000)
	}},
	{"TS-0004 7.3.2.1 a create without resource type, or with one that does not exist", func(s *session) {
		for ty, want := range map[string]int{"0": 4000, "-1": 4000, "x": 4000, "99": 4000, "35": 5001, "50": 5001} {
			r := s.send(request{op: "POST", to: s.Root, body: object{"m2m:cnt": object{}}, header: []string{"Content-Type: application/json;ty=" + ty}})
			if r.RSC != want {
				s.Errorf("ty=%s: got %d %s, want %d", ty, r.RSC, r.Raw, want)
			}
		}
	}},
	{"TS-0004 7.3.2.1 a content larger than is accepted is refused", func(s *session) {
		c := s.container(object{})
		s.create(c, tyCin, object{"m2m:cin": object{"con": strings.Repeat("x", 2<<20)}}).want(4000)
		s.get(c).want(2000).has("m2m:cnt/cni", 0)
	}},
	{"TS-0009 6.2.1 HEAD answers as GET does, without content", func(s *session) {
		get, head := s.get(s.Root), s.send(request{op: "HEAD", to: s.Root})
		head.want(2000)
		if len(head.Raw) > 0 || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
			s.Errorf("got %q, Content-Length %s, want %s", head.Raw, head.Header.Get("Content-Length"), get.Header.Get("Content-Length"))
		}
		s.send(request{op: "HEAD", to: s.Root + "/nothing"}).want(4004)
	}},
	{"TS-0009 7.2 a browser may ask first, and see the headers of the answer", func(s *session) {
		ask := func(origin string) http.Header {
			r := s.send(request{op: "OPTIONS", to: s.Root, header: []string{"Origin: " + origin, "Access-Control-Request-Method: POST",
				"Access-Control-Request-Headers: x-m2m-origin, x-m2m-ri, x-m2m-rvi, content-type"}})
			if r.HTTP >= 300 {
				s.Errorf("%s: got HTTP %d", origin, r.HTTP)
			}
			return r.Header
		}
		h := ask("https://app.example")
		for name, want := range map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Methods": "POST",
			"Access-Control-Allow-Headers": "X-M2M-RI"} {
			if !strings.Contains(h.Get(name), want) {
				s.Errorf("%s: got %q, want %s in it", name, h.Get(name), want)
			}
		}
		if got := ask("https://evil.example").Get("Access-Control-Allow-Origin"); got != "" {
			s.Errorf("another origin: got %q", got)
		}
		r := s.send(request{op: "GET", to: s.Root, header: []string{"Origin: https://app.example"}}).want(2000)
		if !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "X-M2M-RSC") {
			s.Errorf("got exposed %q", r.Header.Get("Access-Control-Expose-Headers"))
		}
	}},
	{"TS-0009 5.1 HTTP/2 serves as HTTP/1.1 does", func(s *session) {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &protocols}
		s.Cleanup(transport.CloseIdleConnections)
		q, err := http.NewRequestWithContext(s.Context(), "GET", pick(s.urls)+"/"+s.Root, nil)
		if err != nil {
			s.Fatal(err)
		}
		q.Header.Set("X-M2M-Origin", s.AE)
		q.Header.Set("X-M2M-RI", "h2")
		r, err := (&http.Client{Transport: transport, Timeout: patience}).Do(q)
		if err != nil {
			s.Fatal(err)
		}
		defer r.Body.Close()
		if r.ProtoMajor != 2 || r.Header.Get("X-M2M-RSC") != "2000" {
			s.Errorf("got %s %s", r.Proto, r.Header.Get("X-M2M-RSC"))
		}
	}},
}
