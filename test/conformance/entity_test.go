package conformance

import (
	"slices"
	"strings"
)

// entityCases are about CSEBase and AE.
var entityCases = []conformanceCase{
	{"TS-0001 9.6.3 CSEBase tells its identity and what it supports", func(s *session) {
		base := s.get("cse-in").want(2000).has("m2m:cb/ty", 5, "m2m:cb/ri", "id-in", "m2m:cb/rn", "cse-in", "m2m:cb/csi", "/id-in", "m2m:cb/cst", 1)
		for _, ty := range []string{"1", "2", "3", "4", "5"} {
			if !slices.Contains(base.list("m2m:cb/srt"), ty) {
				s.Errorf("supportedResourceType: got %s, want %s in it", base.text("m2m:cb/srt"), ty)
			}
		}
	}},
	{"TS-0004 7.4.3.2.1 CSEBase create is refused", func(s *session) {
		s.send(request{op: "POST", to: "cse-in", from: admin, ty: 5, body: object{"m2m:cb": object{"csi": "/x"}}}).want(4005)
	}},
	{"TS-0004 7.4.3.2.3 CSEBase update is refused", func(s *session) {
		s.send(request{op: "PUT", to: "cse-in", from: admin, body: object{"m2m:cb": object{"lbl": []string{"x"}}}}).want(4005)
	}},
	{"TS-0004 7.4.3.2.4 CSEBase delete is refused", func(s *session) {
		s.send(request{op: "DELETE", to: "cse-in", from: admin}).want(4005)
	}},
	{"TS-0001 7.2 addresses are structured, unstructured, SP-relative and absolute", func(s *session) {
		ri := s.get(s.Root).want(2000).text("m2m:ae/ri")
		name := strings.TrimPrefix(s.Root, "cse-in/")
		for _, to := range []string{ri, "-/" + name, "~/id-in/" + ri, "~/id-in/" + s.Root, "~/id-in/-/" + name, "_/viot.example/id-in/" + s.Root} {
			s.get(to).want(2000).has("m2m:ae/rn", name)
		}
	}},
	{"TS-0001 10.2.2.2 AE-ID is assigned by the CSE for originator C and S", func(s *session) {
		for _, stem := range []string{"C", "S"} {
			a := s.send(request{op: "POST", to: "cse-in", from: stem, ty: tyAE, body: object{"m2m:ae": object{"api": "Nx", "rr": false}}}).want(2001)
			id := a.text("m2m:ae/aei")
			if !strings.HasPrefix(id, stem) || len(id) < 4 || id != a.text("m2m:ae/ri") {
				s.Errorf("originator %s: got AE-ID %q, resourceID %q", stem, id, a.text("m2m:ae/ri"))
			}
			s.send(request{op: "DELETE", to: id, from: id}).want(2002)
		}
	}},
	{"TS-0001 10.2.2.2 registration twice is refused", func(s *session) {
		s.create("cse-in", tyAE, object{"m2m:ae": object{"api": "Nx", "rr": false}}).want(4117)
	}},
	{"TS-0001 10.2.2.2 an AE may register again after it has been deleted", func(s *session) {
		id, root := s.register()
		s.send(request{op: "DELETE", to: root, from: id}).want(2002)
		s.send(request{op: "POST", to: "cse-in", from: id, ty: tyAE, body: object{"m2m:ae": object{"rn": strings.TrimPrefix(root, "cse-in/"), "api": "Nx", "rr": false}}}).
			want(2001).has("m2m:ae/aei", id)
	}},
	{"TS-0004 7.4.5.2.1 AE create checks App-ID and requestReachability", func(s *session) {
		for _, ae := range []object{{"rr": false}, {"api": "Nx"}, {"api": "wrong", "rr": false}, {"api": "Nx", "rr": "yes"}, {"api": "Nx", "rr": false, "aei": "Cx"}} {
			s.send(request{op: "POST", to: "cse-in", from: "C", ty: tyAE, body: object{"m2m:ae": ae}}).want(4000)
		}
	}},
	{"TS-0004 7.4.5.2.3 AE update changes what it names and removes what is null", func(s *session) {
		s.put(s.Root, object{"m2m:ae": object{"lbl": []string{"a"}, "apn": "name"}}).want(2004).has("m2m:ae/apn", "name", "m2m:ae/lbl/0", "a")
		s.put(s.Root, object{"m2m:ae": object{"apn": nil}}).want(2004)
		s.get(s.Root).want(2000).lacks("m2m:ae/apn").has("m2m:ae/lbl/0", "a")
		s.put(s.Root, object{"m2m:ae": object{"api": "Nother"}}).want(4000)
	}},
}
