package conformance

import (
	"sync"
	"time"
)

// nonBlockingCases are about requests whose result is asked for later, or notified.
var nonBlockingCases = []conformanceCase{
	{"TS-0004 7.3.2.2 nonBlockingRequestSynch leaves a request that gets the result", func(s *session) {
		r := s.create(s.Root+"?rt=1", tyCnt, object{"m2m:cnt": object{"rn": "later"}}).want(1001)
		to := r.text("m2m:uri")
		if to == "" {
			s.Fatalf("got %s, want the address of a request", r.Raw)
		}
		done := s.finished(to)
		done.has("m2m:req/ty", tyReq, "m2m:req/rs", 1, "m2m:req/op", 1, "m2m:req/org", s.AE, "m2m:req/ors/rsc", 2001, "m2m:req/ors/pc/m2m:cnt/rn", "later")
		s.get(s.Root + "/later").want(2000)
	}},
	{"TS-0004 7.3.2.2 what fails has its failure as result", func(s *session) {
		to := s.get(s.Root + "/nothing?rt=1").want(1001).text("m2m:uri")
		s.finished(to).has("m2m:req/rs", 2, "m2m:req/ors/rsc", 4004)
	}},
	{"TS-0004 7.3.2.2 every operation can be non-blocking", func(s *session) {
		c := s.container(object{})
		for _, r := range []struct {
			request
			rsc int
		}{
			{request{op: "POST", to: c, ty: tyCin, body: object{"m2m:cin": object{"con": "x"}}}, 2001},
			{request{op: "GET", to: c}, 2000},
			{request{op: "PUT", to: c, body: object{"m2m:cnt": object{"mni": 3}}}, 2004},
			{request{op: "DELETE", to: c}, 2002},
		} {
			r.to += "?rt=1"
			s.finished(s.send(r.request).want(1001).text("m2m:uri")).has("m2m:req/ors/rsc", r.rsc)
		}
	}},
	{"TS-0004 7.3.2.2 a request belongs to its originator", func(s *session) {
		to := s.get(s.Root + "?rt=1").want(1001).text("m2m:uri")
		s.finished(to)
		other, _ := s.register()
		s.send(request{op: "GET", to: to, from: other}).want(4103)
		s.remove(to).want(2002)
		s.get(to).want(4004)
	}},
	{"TS-0004 7.2.2.2 nonBlockingRequestAsynch notifies the result", func(s *session) {
		r := s.receive()
		s.send(request{op: "GET", to: s.Root + "?rt=2", header: []string{"X-M2M-RTU: " + r.URL, "X-M2M-RI: asynch-" + s.AE}}).want(1002)
		r.next().has(s, "m2m:rsp/rsc", 2000, "m2m:rsp/rqi", "asynch-"+s.AE, "m2m:rsp/pc/m2m:ae/aei", s.AE)
	}},
	{"TS-0004 7.2.2.2 without targets the result of a nonBlockingRequestAsynch goes to the originator", func(s *session) {
		r := s.receive()
		s.put(s.Root, object{"m2m:ae": object{"poa": []string{r.URL}}}).want(2004)
		s.get(s.Root + "?rt=2").want(1002)
		r.next().has(s, "m2m:rsp/rsc", 2000)
	}},
	{"TS-0001 8.1.2 the Operation Execution Time is when a request is carried out", func(s *session) {
		at := stamp(700 * time.Millisecond)
		to := s.send(request{op: "POST", to: s.Root + "?rt=1", ty: tyCnt, body: object{"m2m:cnt": object{"rn": "later"}}, header: []string{"X-M2M-OET: " + at}}).
			want(1001).text("m2m:uri")
		if created := s.finished(to).has("m2m:req/ors/rsc", 2001).text("m2m:req/ors/pc/m2m:cnt/ct"); created < at {
			s.Errorf("created at %s, want %s or later", created, at)
		}
	}},
	{"TS-0001 8.1.2 a request that expires before it is carried out is not", func(s *session) {
		s.send(request{op: "POST", to: s.Root + "?rt=1", ty: tyCnt, body: object{"m2m:cnt": object{"rn": "never"}},
			header: []string{"X-M2M-OET: 60000", "X-M2M-RET: 1000"}}).want(4000)
		s.get(s.Root + "/never").want(4004)
	}},
	{"TS-0004 7.3.2.2 a request that is repeated is carried out once", func(s *session) {
		c := s.container(object{})
		r := request{op: "POST", to: c + "?rt=1", ty: tyCin, body: object{"m2m:cin": object{"con": "x"}}, header: []string{"X-M2M-RI: repeated-" + s.AE}}
		addresses := make([]string, 5)
		var all sync.WaitGroup
		for i := range addresses {
			all.Go(func() { addresses[i] = s.send(r).want(1001).text("m2m:uri") })
		}
		all.Wait()
		for _, a := range addresses {
			if a != addresses[0] {
				s.Errorf("got %v, want one request", addresses)
			}
		}
		s.finished(addresses[0])
		s.get(c).want(2000).has("m2m:cnt/cni", 1)
	}},
	{"TS-0004 7.3.2.2 requests are created by the CSE alone", func(s *session) {
		s.send(request{op: "POST", to: "cse-in", from: admin, ty: tyReq, body: object{"m2m:req": object{}}}).want(4005)
	}},
}

// finished waits until the request at to has its result, and returns it.
func (s *session) finished(to string) response {
	s.Helper()
	var r response
	s.eventually("result of "+to, func() bool {
		r = s.get(to).want(2000)
		return r.text("m2m:req/rs") != "3" // PENDING
	})
	return r
}
