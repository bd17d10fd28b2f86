package conformance

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// concurrencyCases are about requests at the same time, at whichever instances.
var concurrencyCases = []conformanceCase{
	{"TS-0001 10.1.1 one create sent several times at once makes one resource", func(s *session) {
		c := s.container(object{})
		r := request{op: "POST", to: c, ty: tyCin, body: object{"m2m:cin": object{"con": "once"}}, header: []string{"X-M2M-RI: at-once-" + s.AE}}
		ids := make([]string, 8)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { ids[i] = s.send(r).want(2001).id() })
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] {
				s.Errorf("got %v, want one resource", ids)
			}
		}
		s.get(c).want(2000).has("m2m:cnt/cni", 1, "m2m:cnt/st", 1)
	}},
	{"TS-0001 10.1.1 the same request identifier from another originator is another request", func(s *session) {
		other, root := s.register()
		for from, parent := range map[string]string{s.AE: s.Root, other: root} {
			s.send(request{op: "POST", to: parent, from: from, ty: tyCnt, body: object{"m2m:cnt": object{"rn": "c"}}, header: []string{"X-M2M-RI: shared-" + s.AE}}).want(2001)
		}
	}},
	{"TS-0001 9.6.6 maxByteSize holds under concurrent creates", func(s *session) {
		c := s.container(object{"mbs": 50})
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() { s.create(c, tyCin, object{"m2m:cin": object{"con": strings.Repeat("x", 1+i%10)}}).want(2001) })
		}
		all.Wait()
		list, _ := s.get(c + "?rcn=8").want(2000).at("m2m:cnt/m2m:cin").([]any)
		bytes := 0
		for _, i := range list {
			bytes += len(i.(object)["con"].(string))
		}
		s.get(c).want(2000).has("m2m:cnt/cbs", bytes, "m2m:cnt/cni", len(list))
		if bytes > 50 {
			s.Errorf("got %d bytes", bytes)
		}
	}},
	{"TS-0001 9.6.1.3 nothing outlives its parent, whose life is cut at the same time", func(s *session) {
		c := s.container(object{})
		end := stamp(time.Hour)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				if i == 6 {
					s.put(c, object{"m2m:cnt": object{"et": end, "mia": 60}}).want(2004)
					return
				}
				s.create(c, tyCnt, object{"m2m:cnt": object{}}).want(2001)
				s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
			})
		}
		all.Wait()
		soon := stamp(2 * time.Minute)
		for member, most := range map[string]string{"m2m:cnt/m2m:cnt": end, "m2m:cnt/m2m:cin": soon} {
			list, _ := s.get(c + "?rcn=8").want(2000).at(member).([]any)
			for _, r := range list {
				if et := r.(object)["et"].(string); et > most {
					s.Errorf("%s: got the expiration %s, want none after %s", member, et, most)
				}
			}
			if len(list) != 11 {
				s.Errorf("%s: got %d, want 11", member, len(list))
			}
		}
	}},
	{"TS-0001 9.6.27 concurrent deletes of latest delete one instance each", func(s *session) {
		c := s.container(object{})
		for range 10 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		}
		var deleted atomic.Int32
		var all sync.WaitGroup
		for range 15 {
			all.Go(func() {
				if s.remove(c+"/la").RSC == 2002 {
					deleted.Add(1)
				}
			})
		}
		all.Wait()
		s.get(c).want(2000).has("m2m:cnt/cni", 10-deleted.Load(), "m2m:cnt/cbs", 10-deleted.Load())
	}},
	{"TS-0001 10.1.4 concurrent updates of one resource are all carried out, one after the other", func(s *session) {
		c := s.container(object{})
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() { s.put(c, object{"m2m:cnt": object{"lbl": []string{fmt.Sprint(i)}}}).want(2004) })
		}
		all.Wait()
		s.get(c).want(2000).has("m2m:cnt/st", 12)
	}},
	{"TS-0001 10.2.2.2 one of several concurrent registrations of an AE-ID wins", func(s *session) {
		id := "Cat-once-" + s.AE
		s.Cleanup(func() { s.send(request{op: "DELETE", to: id, from: admin}) })
		var won atomic.Int32
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				r := s.send(request{op: "POST", to: "cse-in", from: id, ty: tyAE, body: object{"m2m:ae": object{"api": "Nx", "rr": false}}})
				switch r.RSC {
				case 2001:
					won.Add(1)
				case 4105, 4117:
				default:
					s.Errorf("got %d %s", r.RSC, r.Raw)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			s.Errorf("%d registrations succeeded", won.Load())
		}
	}},
	{"TS-0001 10.1.5 nothing is created below what is deleted at the same time", func(s *session) {
		c := s.container(object{"rn": "c"})
		ids := make([]string, 10)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				if r := s.create(c, tyCnt, object{"m2m:cnt": object{}}); r.RSC == 2001 {
					ids[i] = r.id()
				} else {
					r.want(4004)
				}
			})
		}
		all.Go(func() { s.remove(c).want(2002) })
		all.Wait()
		for _, id := range ids {
			if id != "" {
				s.get(id).want(4004)
			}
		}
	}},
	{"TS-0001 9.6.6 what one instance has answered another one knows", func(s *session) {
		c := s.container(object{})
		for i := range 15 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
			s.get(c+"/la").want(2000).has("m2m:cin/con", i)
			s.get(c).want(2000).has("m2m:cnt/cni", i+1)
		}
	}},
}
