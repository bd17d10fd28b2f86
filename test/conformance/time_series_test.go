package conformance

import (
	"fmt"
	"time"
)

// timeSeriesCases are about timeSeries and timeSeriesInstance.
var timeSeriesCases = []conformanceCase{
	{"TS-0001 9.6.36 a timeSeries counts and evicts as a container does", func(s *session) {
		ts := s.timeSeries(object{"mni": 2})
		for i := range 4 {
			s.create(ts, tyTsi, object{"m2m:tsi": object{"dgt": stamp(time.Duration(i) * time.Second), "con": fmt.Sprint(i)}}).want(2001).has("m2m:tsi/cs", 1)
		}
		s.get(ts).want(2000).has("m2m:ts/cni", 2, "m2m:ts/cbs", 2)
		s.get(ts+"/ol").want(2000).has("m2m:tsi/con", "2")
		s.get(ts+"/la").want(2000).has("m2m:tsi/con", "3")
		s.remove(ts + "/la").want(2002)
		s.get(ts).want(2000).has("m2m:ts/cni", 1)
	}},
	{"TS-0004 7.4.39.2.1 a dataGenerationTime is there once", func(s *session) {
		ts, dgt := s.timeSeries(object{}), stamp(0)
		s.create(ts, tyTsi, object{"m2m:tsi": object{"dgt": dgt, "con": "1"}}).want(2001)
		s.create(ts, tyTsi, object{"m2m:tsi": object{"dgt": dgt, "con": "2"}}).want(4105)
	}},
	{"TS-0004 7.4.38.2.1 parameters of the detection must fit each other", func(s *session) {
		for _, ts := range []object{
			{"mdd": true}, {"pei": 1000, "mdd": true}, {"pei": 100, "peid": 90}, {"mdd": true, "mdt": 100, "peid": 200, "pei": 1000}, {"pei": -1}, {"mdn": -1},
		} {
			s.create(s.Root, 29, object{"m2m:ts": ts}).want(4000)
		}
	}},
	{"TS-0004 7.4.38.2.3 parameters of the detection do not change while it runs", func(s *session) {
		ts := s.timeSeries(object{"pei": 100000, "mdt": 1000, "mdd": true})
		s.put(ts, object{"m2m:ts": object{"pei": 5000}}).want(4000)
		s.put(ts, object{"m2m:ts": object{"mdd": false}}).want(2004)
		s.put(ts, object{"m2m:ts": object{"pei": 5000}}).want(2004)
	}},
	{"TS-0001 9.6.36 data that does not come is missing, once each, and the list keeps the latest", func(s *session) {
		ts := s.timeSeries(object{"pei": 300, "mdt": 100, "mdd": true, "mdn": 2})
		s.create(ts, tyTsi, object{"m2m:tsi": object{"dgt": stamp(0), "con": "x"}}).want(2001)
		var list []string
		s.eventually("three are missing", func() bool {
			r := s.get(ts).want(2000)
			list = r.list("m2m:ts/mdlt")
			return len(list) == 2 && r.text("m2m:ts/mdc") == "2"
		})
		if list[0] >= list[1] {
			s.Errorf("got %v, want them in order", list)
		}
		s.put(ts, object{"m2m:ts": object{"mdd": false}}).want(2004)
	}},
	{"TS-0001 9.6.8 event 8 tells of missing data, once for each number of them", func(s *session) {
		ts, r := s.timeSeries(object{"pei": 200, "mdt": 50, "mdd": true, "mdn": 50}), s.receive()
		s.subscribe(ts, r, object{"enc": object{"net": []int{8}, "md": object{"num": 3, "dur": "PT60S"}}})
		s.create(ts, tyTsi, object{"m2m:tsi": object{"dgt": stamp(0), "con": "x"}}).want(2001)
		first := r.next().has(s, "m2m:sgn/nev/net", 8)
		times := response{Body: first.Body}.list("m2m:sgn/nev/rep/m2m:tsn/mdlt")
		if len(times) < 3 {
			s.Errorf("got %s, want 3 missing", first.Raw)
		}
		seen := map[string]bool{}
		for _, t := range times {
			if seen[t] {
				s.Errorf("got %s twice in %s", t, first.Raw)
			}
			seen[t] = true
		}
		s.put(ts, object{"m2m:ts": object{"mdd": false}}).want(2004)
	}},
}

// timeSeries creates a timeSeries of the session's AE and returns its address.
func (s *session) timeSeries(attributes object) string {
	s.Helper()
	return s.Root + "/" + s.create(s.Root, 29, object{"m2m:ts": attributes}).want(2001).text("m2m:ts/rn")
}
