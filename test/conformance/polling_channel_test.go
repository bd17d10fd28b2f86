package conformance

import (
	"fmt"
	"sync"
)

// pollingChannelCases are about pollingChannel and pollingChannelURI.
var pollingChannelCases = []conformanceCase{
	{"TS-0004 7.4.21.2.1 an AE creates its polling channel, of which there is one", func(s *session) {
		other, _ := s.register()
		s.send(request{op: "POST", to: s.Root, from: other, ty: tyPch, body: object{"m2m:pch": object{}}}).want(4103)
		s.pollingChannel()
		if r := s.create(s.Root, tyPch, object{"m2m:pch": object{}}); r.RSC < 4000 {
			s.Errorf("a second channel: got %d", r.RSC)
		}
	}},
	{"TS-0004 7.4.22 only its owner polls, and only retrieves", func(s *session) {
		channel := s.pollingChannel()
		other, _ := s.register()
		s.send(request{op: "GET", to: channel + "/pcu", from: other}).want(4103)
		s.send(request{op: "GET", to: channel, from: other}).want(4103)
		s.put(channel+"/pcu", object{"m2m:pch": object{"lbl": []string{"x"}}}).want(4005)
		s.remove(channel + "/pcu").want(4005)
	}},
	{"TS-0004 7.4.22.2.2 a poll without a request ends with 4008", func(s *session) {
		s.send(request{op: "GET", to: s.pollingChannel() + "/pcu", header: []string{"X-M2M-RET: 300"}}).want(4008)
	}},
	{"TS-0004 7.4.22.2.2 notifications wait for the poll that fetches them, in order", func(s *session) {
		channel, c := s.pollingChannel(), s.container(object{})
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{s.AE}, "enc": object{"net": []int{3}}}}).want(2001)
		for i := range 3 {
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
		}
		for i := range 3 {
			r := s.send(request{op: "GET", to: channel + "/pcu", header: []string{"X-M2M-RET: 20000"}}).want(2000)
			r.has("m2m:rqp/op", 5, "m2m:rqp/pc/m2m:sgn/nev/rep/m2m:cin/con", i)
			s.answer(channel, r.text("m2m:rqp/rqi"), 2000)
		}
	}},
	{"TS-0004 7.4.22.2.2 a poll that waits is woken, whichever instance it waits at", func(s *session) {
		channel, c := s.pollingChannel(), s.container(object{})
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{s.AE}, "enc": object{"net": []int{3}}}}).want(2001)
		for i := range 5 {
			polled := make(chan response, 1)
			var poll sync.WaitGroup
			poll.Go(func() {
				polled <- s.send(request{op: "GET", to: channel + "/pcu", header: []string{"X-M2M-RET: 20000"}})
			})
			s.create(c, tyCin, object{"m2m:cin": object{"con": fmt.Sprint(i)}}).want(2001)
			poll.Wait()
			r := <-polled
			r.want(2000).has("m2m:rqp/pc/m2m:sgn/nev/rep/m2m:cin/con", i)
			s.answer(channel, r.text("m2m:rqp/rqi"), 2000)
		}
	}},
	{"TS-0004 7.4.22.2.5 the answer given to the channel is the answer to the request", func(s *session) {
		channel, c := s.pollingChannel(), s.container(object{})
		other, _ := s.register()
		s.put(c, object{"m2m:cnt": object{"acpi": []string{s.policy(rule(63, other, s.AE))}}}).want(2004)
		for answer, want := range map[int]int{2000: 2001, 4101: 4101} {
			created := make(chan response, 1)
			var create sync.WaitGroup
			create.Go(func() {
				created <- s.send(request{op: "POST", to: c, from: other, ty: tySub, body: object{"m2m:sub": object{"nu": []string{s.AE}}}})
			})
			r := s.send(request{op: "GET", to: channel + "/pcu", header: []string{"X-M2M-RET: 20000"}}).want(2000).has("m2m:rqp/pc/m2m:sgn/vrq", true)
			s.answer(channel, r.text("m2m:rqp/rqi"), answer)
			create.Wait()
			(<-created).want(want)
		}
	}},
	{"TS-0004 7.4.22.2.2 requestAggregation brings all that wait at once", func(s *session) {
		s.create(s.Root, tyPch, object{"m2m:pch": object{"rn": "channel", "rqag": true}}).want(2001)
		c := s.container(object{})
		s.create(c, tySub, object{"m2m:sub": object{"nu": []string{s.AE}, "enc": object{"net": []int{3}}}}).want(2001)
		s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}}).want(2001)
		r := s.send(request{op: "GET", to: s.Root + "/channel/pcu", header: []string{"X-M2M-RET: 20000"}}).want(2000)
		r.has("m2m:agrp/0/pc/m2m:sgn/nev/rep/m2m:cin/con", "x")
	}},
}

// pollingChannel creates the polling channel of the session's AE and returns its address.
func (s *session) pollingChannel() string {
	s.Helper()
	s.create(s.Root, tyPch, object{"m2m:pch": object{"rn": "channel"}}).want(2001)
	return s.Root + "/channel"
}

// answer answers the request with the identifier id that came through channel.
func (s *session) answer(channel, id string, rsc int) {
	s.Helper()
	s.send(request{op: "POST", to: channel + "/pcu", body: object{"m2m:rsp": object{"rsc": rsc, "rqi": id, "rvi": "3"}}}).want(2000)
}
