package conformance

import (
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// federationCases are about two CSEs: in is registrar of mn, and both are pools.
var federationCases = []struct {
	clause string
	run    func(in, mn *session)
}{
	{"TS-0001 10.2.2.7 a CSE registers with its registrar, and they know each other", func(in, mn *session) {
		in.send(request{op: "GET", to: "id-mn", from: admin}).want(2000).has("m2m:csr/csi", "/id-mn", "m2m:csr/cb", "/id-mn/cse-mn", "m2m:csr/rr", true)
		mn.send(request{op: "GET", to: "cse-mn?rcn=4&ty=16", from: admin}).want(2000).has("m2m:cb/m2m:csr/0/csi", "/id-in")
	}},
	{"TS-0001 10.2.1.2 a request for another CSE is forwarded, and its answer comes back", func(in, mn *session) {
		c := mn.container(object{"rn": "c", "acpi": []string{mn.policy(rule(63, "/id-in/"+in.AE), rule(63, mn.AE))}})
		for _, to := range []string{"~/id-mn/" + c, "_/viot.example/id-mn/" + c, "~/id-mn/" + mn.get(c).id()} {
			in.get(to).want(2000).has("m2m:cnt/rn", "c")
			in.create(to, tyCin, object{"m2m:cin": object{"con": "from afar"}}).want(2001)
			in.put(to, object{"m2m:cnt": object{"mni": 5}}).want(2004)
			in.get(to+"/la").want(2000).has("m2m:cin/con", "from afar")
			in.get(to+"?fu=1&ty=4").want(2000).has("m2m:uril/2", "")
			in.remove(to + "/la").want(2002)
			in.get(to + "/nothing").want(4004)
		}
		mn.get(c).want(2000).has("m2m:cnt/cni", 0, "m2m:cnt/mni", 5)
		in.remove("~/id-mn/" + c).want(2002)
		mn.get(c).want(4004)
	}},
	{"TS-0001 10.2.1.2 privileges at the other CSE are for the originator as it knows it", func(in, mn *session) {
		c := mn.container(object{})
		in.get("~/id-mn/" + c).want(4103)
		mn.put(c, object{"m2m:cnt": object{"acpi": []string{mn.policy(rule(2, "/id-in/"+in.AE))}}}).want(2004)
		in.get("~/id-mn/" + c).want(2000)
		in.remove("~/id-mn/" + c).want(4103)
	}},
	{"TS-0001 10.2.1.2 requests go up as well as down", func(in, mn *session) {
		c := in.container(object{"rn": "c", "acpi": []string{in.policy(rule(63, "/id-mn/"+mn.AE), rule(63, in.AE))}})
		mn.get("~/id-in/"+c).want(2000).has("m2m:cnt/rn", "c")
		mn.create("~/id-in/"+c, tyCin, object{"m2m:cin": object{"con": "up"}}).want(2001)
		in.get(c+"/la").want(2000).has("m2m:cin/con", "up")
	}},
	{"TS-0004 7.3.1.2 a CSE that nobody knows is 4004", func(in, mn *session) {
		in.get("~/id-nowhere/x").want(4004)
		in.get("_/another.example/id-in/x").want(4004)
	}},
	{"TS-0001 10.2.1.2 a create that is forwarded twice with its request identifier makes one resource", func(in, mn *session) {
		c := mn.container(object{"acpi": []string{mn.policy(rule(63, "/id-in/"+in.AE), rule(63, mn.AE))}})
		r := request{op: "POST", to: "~/id-mn/" + c, ty: tyCin, body: object{"m2m:cin": object{"con": "once"}}, header: []string{"X-M2M-RI: forwarded-" + in.AE}}
		first := in.send(r).want(2001).text("m2m:cin/ri")
		in.send(r).want(2001).has("m2m:cin/ri", first)
		mn.get(c).want(2000).has("m2m:cnt/cni", 1)
	}},
	{"TS-0001 10.2.10.1 an AE is notified by a CSE that it is not registered with", func(in, mn *session) {
		r := in.receive()
		in.put(in.Root, object{"m2m:ae": object{"poa": []string{r.URL}}}).want(2004)
		in.put(in.Root, object{"m2m:ae": object{"acpi": []string{in.policy(rule(63, in.AE), rule(16, "/id-mn"))}}}).want(2004)
		c := mn.container(object{"acpi": []string{mn.policy(rule(63, "/id-in/"+in.AE), rule(63, mn.AE))}})
		in.create("~/id-mn/"+c, tySub, object{"m2m:sub": object{"nu": []string{"/id-in/" + in.AE}, "enc": object{"net": []int{3}}}}).want(2001)
		for _, con := range []string{"a", "b", "c"} {
			mn.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001)
		}
		for _, con := range []string{"a", "b", "c"} {
			r.next().has(in, "m2m:sgn/nev/rep/m2m:cin/con", con)
		}
	}},
	{"TS-0004 7.4.14 members of a group may be at another CSE", func(in, mn *session) {
		all := mn.policy(rule(63, "/id-in/"+in.AE), rule(63, mn.AE))
		far, near := "/id-mn/"+mn.container(object{"acpi": []string{all}}), in.container(object{})
		g := in.group(object{"mt": 3, "mid": []string{near, far}}).has("m2m:grp/mtv", true, "m2m:grp/cnm", 2).id()
		in.create(g+"/fopt", tyCin, object{"m2m:cin": object{"con": "x"}}).want(2000).has("m2m:agr/m2m:rsp/0/rsc", 2001, "m2m:agr/m2m:rsp/1/rsc", 2001)
		mn.get(strings.TrimPrefix(far, "/id-mn/")).want(2000).has("m2m:cnt/cni", 1)
	}},
	{"TS-0001 10.2.13 a resource is announced, its announcement follows it and goes with it", func(in, mn *session) {
		mn.put(mn.Root, object{"m2m:ae": object{"at": []string{"/id-in"}}}).want(2004)
		acp := mn.policy(rule(63, mn.AE), rule(2, "/id-in/"+in.AE))
		c := mn.container(object{"mni": 5, "mbs": 1000, "lbl": []string{"first"}, "aa": []string{"mni"}, "at": []string{"/id-in"}, "acpi": []string{acp}})
		var address string
		mn.eventually("announced", func() bool {
			for _, at := range mn.get(c).want(2000).list("m2m:cnt/at") {
				if strings.HasPrefix(at, "/id-in/") {
					address = strings.TrimPrefix(at, "/id-in/")
				}
			}
			return address != ""
		})
		announced := func() response { return in.send(request{op: "GET", to: address, from: admin}) }
		announced().want(2000).has("m2m:cntA/ty", 10003, "m2m:cntA/lnk", "/id-mn/"+mn.get(c).id(), "m2m:cntA/mni", 5, "m2m:cntA/lbl", `["first"]`).
			lacks("m2m:cntA/mbs", "m2m:cntA/cni", "m2m:cntA/at")
		mn.put(c, object{"m2m:cnt": object{"mni": 6, "lbl": []string{"second"}}}).want(2004)
		in.eventually("updated", func() bool { return announced().text("m2m:cntA/mni") == "6" })
		announced().has("m2m:cntA/lbl", `["second"]`)
		mn.put(c, object{"m2m:cnt": object{"aa": []string{"mni", "mbs"}}}).want(2004)
		in.eventually("one attribute more", func() bool { return announced().text("m2m:cntA/mbs") == "1000" })
		in.send(request{op: "GET", to: address + "?rcn=7", from: admin})
		mn.remove(c).want(2002)
		in.eventually("taken back", func() bool { return announced().RSC == 4004 })
	}},
	{"TS-0001 10.2.13 the announcement of an instance goes when the instance gives way", func(in, mn *session) {
		mn.put(mn.Root, object{"m2m:ae": object{"at": []string{"/id-in"}}}).want(2004)
		acp := mn.policy(rule(63, mn.AE), rule(2, "/id-in/"+in.AE))
		c := mn.container(object{"mni": 1, "at": []string{"/id-in"}, "acpi": []string{acp}})
		addressOf := func(to, list string) (address string) {
			mn.eventually("announced", func() bool {
				for _, at := range mn.get(to).want(2000).list(list) {
					if strings.HasPrefix(at, "/id-in/") {
						address = strings.TrimPrefix(at, "/id-in/")
					}
				}
				return address != ""
			})
			return address
		}
		addressOf(c, "m2m:cnt/at")
		i := mn.create(c, tyCin, object{"m2m:cin": object{"con": "x", "at": []string{"/id-in"}}}).want(2001).id()
		address := addressOf(i, "m2m:cin/at")
		in.send(request{op: "GET", to: address, from: admin}).want(2000).has("m2m:cinA/lnk", "/id-mn/"+i)
		mn.create(c, tyCin, object{"m2m:cin": object{"con": "y"}}).want(2001)
		in.eventually("taken back", func() bool { return in.send(request{op: "GET", to: address, from: admin}).RSC == 4004 })
	}},
	{"TS-0001 10.2.13 an announcement that cannot be made does not prevent the resource", func(in, mn *session) {
		mn.create(mn.Root, tyCnt, object{"m2m:cnt": object{"at": []string{"/id-nowhere"}}}).want(2001)
	}},
	{"TS-0004 7.3.2.2 a request for another CSE may be non-blocking", func(in, mn *session) {
		c := mn.container(object{"rn": "c", "acpi": []string{mn.policy(rule(63, "/id-in/"+in.AE), rule(63, mn.AE))}})
		to := in.get("~/id-mn/" + c + "?rt=1").want(1001).text("m2m:uri")
		in.finished(to).has("m2m:req/ors/rsc", 2000, "m2m:req/ors/pc/m2m:cnt/rn", "c")
	}},
}

// TestFederation runs federationCases against two CSEs of two instances each.
func TestFederation(t *testing.T) {
	t.Parallel()
	inURLs := deploy(t, postgrestest.DSN(t), 2)
	mnURLs := deploy(t, postgrestest.DSN(t), 2, "-cse-id", "/id-mn", "-cse-name", "cse-mn", "-cse-type", "mn",
		"-registrar-url", inURLs[0], "-registrar-id", "/id-in", "-registrar-name", "cse-in", "-registration-interval", "200ms")
	ready := newSession(t, inURLs)
	ready.eventually("registration", func() bool { return ready.send(request{op: "GET", to: "id-mn", from: admin}).RSC == 2000 })
	for _, c := range federationCases {
		t.Run(strings.ReplaceAll(c.clause, " ", "_"), func(t *testing.T) {
			t.Parallel()
			c.run(newSession(t, inURLs), newSessionAt(t, mnURLs, "cse-mn"))
		})
	}
}
