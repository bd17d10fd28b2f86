package conformance

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// subscriptionCases are about subscription and the notifications it sends.
var subscriptionCases = []conformanceCase{
	{"TS-0004 7.4.8.2.1 the target of a subscription is asked first, unless it is the originator", func(s *session) {
		c, r := s.container(object{}), s.receive()
		sub := s.subscribe(c, r, object{"cr": nil})
		v := <-r.verified
		v.has(s, "m2m:sgn/vrq", true, "m2m:sgn/sur", "/id-in/"+s.get(sub).id())
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{s.AE}}}).want(2001)
	}},
	{"TS-0004 7.4.8.2.1 a target that refuses or is not there prevents the subscription", func(s *session) {
		c := s.container(object{})
		for answer, want := range map[string]int{"4101": 4101, "5205": 5205, "4000": 5204} {
			r := s.receive()
			r.verify = answer
			s.create(c, tySub, object{"m2m:sub": object{"nu": []string{r.URL}}}).want(want)
		}
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{"http://127.0.0.1:1/"}}}).want(5204)
		s.discovers(s.Root+"?fu=1", c)
	}},
	{"TS-0004 7.4.8.2.1 who may not retrieve a resource may not subscribe to it", func(s *session) {
		other, _ := s.register()
		c := s.container(object{})
		s.send(request{op: "POST", to: c, from: other, ty: tySub, body: object{"m2m:sub": object{"nu": []string{other}}}}).want(4103)
	}},
	{"TS-0004 7.5.1.2.2 event 1 tells an update, with what notificationContentType says", func(s *session) {
		for nct, want := range map[int][]any{
			1: {"m2m:sgn/nev/rep/m2m:cnt/mni", 5, "m2m:sgn/nev/rep/m2m:cnt/ty", 3},
			2: {"m2m:sgn/nev/rep/m2m:cnt/mni", 5, "m2m:sgn/nev/rep/m2m:cnt/ty", ""},
		} {
			c, r := s.container(object{"lbl": []string{"x"}}), s.receive()
			sub := s.subscribe(c, r, object{"nct": nct})
			s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
			r.next().has(s, append(want, "m2m:sgn/nev/net", 1, "m2m:sgn/sur", "/id-in/"+s.get(sub).id())...)
		}
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"nct": 3})
		s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
		r.next().has(s, "m2m:sgn/nev/rep/m2m:uri", "/id-in/"+s.get(c).id())
	}},
	{"TS-0004 7.5.1.2.2 event 2 tells the deletion of the resource", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{2}}})
		id := s.get(c).id()
		s.remove(c).want(2002)
		r.next().has(s, "m2m:sgn/nev/net", 2, "m2m:sgn/nev/rep/m2m:cnt/ri", id)
	}},
	{"TS-0004 7.5.1.2.2 events 3 and 4 tell of children created and deleted", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3, 4}}})
		s.create(c, tyCin, object{"m2m:cin": object{"rn": "i", "con": "hello"}}).want(2001)
		r.next().has(s, "m2m:sgn/nev/net", 3, "m2m:sgn/nev/rep/m2m:cin/con", "hello")
		s.remove(c + "/i").want(2002)
		r.next().has(s, "m2m:sgn/nev/net", 4, "m2m:sgn/nev/rep/m2m:cin/rn", "i")
	}},
	{"TS-0004 7.5.1.2.2 event 5 tells of a retrieve of an instance where there is none", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{5}}})
		s.get(c + "/la").want(4004)
		r.next().has(s, "m2m:sgn/nev/net", 5)
	}},
	{"TS-0001 9.6.8 childResourceType and attribute select events", func(s *session) {
		c, kind, attribute := s.container(object{}), s.receive(), s.receive()
		s.subscribe(c, kind, object{"enc": object{"net": []int{3}, "chty": []int{3}}})
		s.subscribe(c, attribute, object{"enc": object{"net": []int{1}, "atr": []string{"mni"}}})
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		s.create(c, tyCnt, object{"m2m:cnt": object{"rn": "child"}}).want(2001)
		kind.next().has(s, "m2m:sgn/nev/rep/m2m:cnt/rn", "child")
		s.put(c, object{"m2m:cnt": object{"lbl": []string{"x"}}}).want(2004)
		s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
		attribute.next().has(s, "m2m:sgn/nev/rep/m2m:cnt/mni", 5)
		kind.none()
		attribute.none()
	}},
	{"TS-0001 9.6.8 a batch is sent when it is full", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "bn": object{"num": 3, "dur": "PT10M"}})
		for i := range 3 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		n := r.next()
		for i := range 3 {
			n.has(s, fmt.Sprintf("m2m:agn/m2m:sgn/%d/nev/rep/m2m:cin/con", i), i)
		}
	}},
	{"TS-0001 9.6.8 a batch has as many notifications as the subscriber asks for", func(s *session) {
		const many = 130
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "bn": object{"num": many, "dur": "PT10M"}})
		for i := range many + 1 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		list, _ := at(r.next().Body, "m2m:agn/m2m:sgn").([]any)
		for i, n := range list {
			if got := at(n, "nev/rep/m2m:cin/con"); got != fmt.Sprint(i) {
				s.Errorf("notification %d of the batch: got %v", i, got)
			}
		}
		if len(list) != many {
			s.Errorf("got a batch of %d, want %d", len(list), many)
		}
	}},
	{"TS-0001 9.6.8 a batch is sent when its duration has passed", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "bn": object{"num": 10, "dur": "PT1S"}})
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		r.next().has(s, "m2m:agn/m2m:sgn/0/nev/rep/m2m:cin/con", "x")
	}},
	{"TS-0001 9.6.8 a rate limit keeps its distance and loses nothing", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "rl": object{"mnn": 1, "tww": "PT1S"}})
		for i := range 3 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		first := r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", 0)
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", 1)
		last := r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", 2)
		if gap := last.At.Sub(first.At); gap < time.Second {
			s.Errorf("got three notifications within %v", gap)
		}
	}},
	{"TS-0001 9.6.8 an expiration counter holds for events that come at once", func(s *session) {
		c, r, su := s.container(object{}), s.receive(), s.receive()
		s.subscribe(c, r, object{"exc": 2, "su": su.URL})
		for i := range 5 {
			s.put(c, object{"m2m:cnt": object{"mni": 5 + i}}).want(2004)
		}
		su.next().has(s, "m2m:sgn/sud", true)
		r.next()
		r.next()
		r.none()
	}},
	{"TS-0001 9.6.8 an expiration counter ends the subscription, of which its subscriber is told", func(s *session) {
		c, r, su := s.container(object{}), s.receive(), s.receive()
		sub := s.subscribe(c, r, object{"exc": 2, "su": su.URL})
		for i := range 2 {
			s.put(c, object{"m2m:cnt": object{"mni": 5 + i}}).want(2004)
			r.next()
		}
		su.next().has(s, "m2m:sgn/sud", true)
		s.get(sub).want(4004)
		s.put(c, object{"m2m:cnt": object{"mni": 9}}).want(2004)
		r.none()
	}},
	{"TS-0004 7.4.8.2.4 the subscriber is told of the deletion", func(s *session) {
		c, r, su := s.container(object{}), s.receive(), s.receive()
		sub := s.subscribe(c, r, object{"su": su.URL})
		id := s.get(sub).id()
		s.remove(sub).want(2002)
		su.next().has(s, "m2m:sgn/sud", true, "m2m:sgn/sur", "/id-in/"+id)
	}},
	{"TS-0001 9.6.8 latestNotify leaves out what is not the latest", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "ln": true, "rl": object{"mnn": 1, "tww": "PT2S"}})
		for i := range 6 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		count := 1
		for n := r.next(); n.text("m2m:sgn/nev/rep/m2m:cin/con") != "5"; n = r.next() {
			count++
		}
		if count == 6 {
			s.Errorf("got all notifications")
		}
	}},
	{"TS-0001 9.6.8 notificationEventCat is the event category of notifications, creator their cr", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"nec": 100, "cr": nil})
		s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
		n := r.next().has(s, "m2m:sgn/cr", s.AE)
		if got := n.Header.Get("X-M2M-EC"); got != "100" {
			s.Errorf("got X-M2M-EC %q", got)
		}
		if n.Header.Get("X-M2M-Origin") != "/id-in" || n.Header.Get("X-M2M-RI") == "" {
			s.Errorf("got %v", n.Header)
		}
	}},
	{"TS-0004 7.4.8.2.1 events and contents that do not fit are refused", func(s *session) {
		c := s.container(object{})
		for _, sub := range []object{
			{"enc": object{"net": []int{3}}, "nct": 2}, {"enc": object{"net": []int{0}}}, {"enc": object{"net": []int{}}}, {"enc": object{"unknown": 1}},
			{"enc": object{"net": []int{3}, "chty": []int{2}}}, {"enc": object{"net": []int{8}}}, {"bn": object{}}, {"rl": object{"mnn": 1}}, {"exc": 0},
		} {
			sub["nu"] = []string{s.AE}
			s.create(c, tySub, object{"m2m:sub": sub}).want(4000)
		}
	}},
	{"TS-0004 7.4.8.2.3 an update changes what is notified, and asks new targets", func(s *session) {
		c, first, second := s.container(object{}), s.receive(), s.receive()
		sub := s.subscribe(c, first, object{})
		s.put(sub, object{"m2m:sub": object{"nu": []string{second.URL}, "nct": 3}}).want(2004)
		<-second.verified
		s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
		second.next().has(s, "m2m:sgn/nev/rep/m2m:uri", "/id-in/"+s.get(c).id())
		first.none()
	}},
	{"TS-0001 10.2.10.23 a target may take itself off if the policy lets it", func(s *session) {
		other, _ := s.register()
		c, r := s.container(object{}), s.receive()
		s.send(request{op: "PUT", to: other, from: other, body: object{"m2m:ae": object{"poa": []string{r.URL}}}}).want(2004)
		sub := s.create(c, tySub, object{"m2m:sub": object{"nu": []string{other, s.AE}}}).want(2001).id()
		s.remove(sub + "/ntsr").want(4103) // the default policy rejects
		s.get(sub + "/ntsr").want(4005)
		s.get(sub).want(2000).has("m2m:sub/nu", fmt.Sprintf(`["%s","%s"]`, other, s.AE))
	}},
	{"TS-0001 10.2.10.1 an AE is notified at its point of access", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.put(s.Root, object{"m2m:ae": object{"poa": []string{"http://127.0.0.1:1/", r.URL}}}).want(2004)
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{s.AE}, "enc": object{"net": []int{3}}}}).want(2001)
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", "x")
	}},
	{"TS-0001 10.2.10.1 notifications come in order, one for each event, whichever instance it happened on", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}})
		const n = 25
		for i := range n {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		for i := range n {
			r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", i)
		}
		r.none()
	}},
	{"TS-0001 10.2.10.1 no notification is lost of concurrent events", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}})
		const n = 30
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001) })
		}
		all.Wait()
		seen := map[string]bool{}
		for range n {
			con := r.next().text("m2m:sgn/nev/rep/m2m:cin/con")
			if seen[con] {
				s.Errorf("got %s twice", con)
			}
			seen[con] = true
		}
	}},
	{"TS-0001 10.2.10.1 notifications wait for a target that is away, and keep their order", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3}}})
		r.away.Store(2)
		for i := range 4 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		for i := range 4 {
			r.next().has(s, "m2m:sgn/nev/rep/m2m:cin/con", i)
		}
	}},
	{"TS-0001 10.2.10.1 every target is notified, and every subscription", func(s *session) {
		c, a, b := s.container(object{}), s.receive(), s.receive()
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{a.URL, b.URL}}}).want(2001)
		s.subscribe(c, a, object{})
		s.put(c, object{"m2m:cnt": object{"mni": 5}}).want(2004)
		a.next()
		a.next()
		b.next()
		a.none()
		b.none()
	}},
	{"TS-0001 9.6.8 outside of its schedule a subscription keeps what is pending", func(s *session) {
		for pending, want := range map[int]string{1: "2", 2: "012"} { // sendLatest, sendAllPending
			c, r := s.container(object{}), s.receive()
			sub := s.subscribe(c, r, object{"enc": object{"net": []int{3}}, "pn": pending})
			schedule := s.create(sub, 18, object{"m2m:sch": object{"rn": "notificationSchedule", "se": object{"sce": []string{"* * * * * * 2000"}}}}).want(2001).id()
			for i := range 3 {
				s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
			}
			s.put(schedule, object{"m2m:sch": object{"se": object{"sce": []string{"* * * * * * *"}}}}).want(2004)
			got := ""
			for !strings.HasSuffix(got, "2") {
				got += r.next().text("m2m:sgn/nev/rep/m2m:cin/con")
			}
			if got != want && pending == 2 { // of the others some may be sent before the last is there
				s.Errorf("pendingNotification %d: got %s, want %s", pending, got, want)
			}
		}
	}},
	{"TS-0001 9.6.8 operations that are monitored are told, whoever they concern", func(s *session) {
		c, r := s.container(object{}), s.receive()
		s.subscribe(c, r, object{"enc": object{"om": []object{{"ops": 2, "or": s.AE}}}})
		s.put(c, object{"m2m:cnt": object{"lbl": []string{"x"}}}).want(2004)
		s.get(c).want(2000)
		r.next().has(s, "m2m:sgn/nev/om/ops", 2)
	}},
	{"TS-0001 9.6.32 the CSE has a default notificationTargetPolicy, one, which cannot be deleted", func(s *session) {
		const to = "cse-in/defaultNTP"
		for range 3 { // at any instance
			s.send(request{op: "GET", to: to, from: admin}).want(2000).has("m2m:ntp/ri", "defaultNTP", "m2m:ntp/acn", 2, "m2m:ntp/plbl", "Default")
			s.send(request{op: "DELETE", to: to, from: admin}).want(4000)
		}
		s.get(to).want(4103)
		s.remove(to).want(4103)
		list := s.send(request{op: "GET", to: "cse-in?fu=1&ty=26&rn=defaultNTP", from: admin}).want(2000).list("m2m:uril")
		if len(list) != 1 {
			s.Errorf("got %v, want one", list)
		}
	}},
	{"TS-0001 9.6.8 event 4 does not tell of instances that give way to limits", func(s *session) {
		c, r := s.container(object{"mni": 2}), s.receive()
		s.subscribe(c, r, object{"enc": object{"net": []int{3, 4}}})
		fill := func(from, to int) {
			for i := from; i < to; i++ {
				s.create(c, tyCin, object{"m2m:cin": object{"rn": fmt.Sprint("i", i), "con": "four"}}).want(2001)
				r.next().has(s, "m2m:sgn/nev/net", 3, "m2m:sgn/nev/rep/m2m:cin/rn", fmt.Sprint("i", i))
			}
		}
		fill(0, 4)
		s.put(c, object{"m2m:cnt": object{"mni": nil, "mbs": 8}}).want(2004)
		fill(4, 6)
		s.put(c, object{"m2m:cnt": object{"mni": 1}}).want(2004)
		s.remove(c + "/i5").want(2002) // this one was asked for
		r.next().has(s, "m2m:sgn/nev/net", 4, "m2m:sgn/nev/rep/m2m:cin/rn", "i5")
		r.none()
	}},
}

// subscribe subscribes to what is at to for r, with more attributes, and returns the address of the subscription.
func (s *session) subscribe(to string, r *receiver, attributes object) string {
	s.Helper()
	all := object{"nu": []string{r.URL}}
	maps.Copy(all, attributes)
	return s.create(to, tySub, object{"m2m:sub": all}).want(2001).id()
}
