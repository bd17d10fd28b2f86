package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

func turnDone(n int) store.Outcome { return store.Outcome{Done: n} }

// remove deletes a resource as the AE Cme.
func remove(t *testing.T, d *Dispatcher, to string) {
	t.Helper()
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: to, From: "Cme"}, primitive.Deleted)
}

// TestSubscriptionCreate checks what a subscription needs, and what it gets, TS-0004 clause 7.4.8.2.1.
func TestSubscriptionCreate(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c"}}`, primitive.Created)
	create(t, d, "cse-in/ae", 29, `{"m2m:ts":{"rn":"t"}}`, primitive.Created)
	create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"i","con":"x"}}`, primitive.Created)
	for _, c := range []struct {
		what, to, attributes string
		want                 primitive.Status
		taken                int // verifications
		enc, nct             string
	}{
		{"default", "c", `"nu":["Cme"]`, primitive.Created, 0, "map[net:[1]]", "1"},
		{"itself by address", "c", `"nu":["/id-in/Cme","cse-in/ae"]`, primitive.Created, 0, "map[net:[1]]", "1"},
		{"others are asked", "c", `"nu":["http://x","Cother","http://x"]`, primitive.Created, 2, "map[net:[1]]", "1"},
		{"monitor", "c", `"nu":["Cme"],"enc":{"om":[{"ops":3}]}`, primitive.Created, 0, "map[om:[map[ops:3]]]", "<nil>"},
		{"blocking", "c", `"nu":["Cme"],"enc":{"net":[7]}`, primitive.Created, 0, "map[net:[7]]", "2"},
		{"blocking again", "c", `"nu":["Cme"],"enc":{"net":[7]}`, primitive.BlockingSubscriptionAlreadyExists, 0, "", ""},
		{"missing data", "t", `"nu":["Cme"],"enc":{"net":[8],"md":{"num":1,"dur":"PT1S"}}`, primitive.Created, 0,
			"map[md:map[dur:PT1S num:1] net:[8]]", "5"},
		{"missing data of a container", "c", `"nu":["Cme"],"enc":{"net":[8],"md":{"num":1,"dur":"PT1S"}}`, primitive.BadRequest, 0, "", ""},
		{"impossible children", "c", `"nu":["Cme"],"enc":{"net":[3],"chty":[2]}`, primitive.BadRequest, 0, "", ""},
		{"an instance", "c/i", `"nu":["Cme"]`, primitive.TargetNotSubscribable, 0, "", ""},
	} {
		r.taken = nil
		p := create(t, d, "cse-in/ae/"+c.to, 23, `{"m2m:sub":{`+c.attributes+`}}`, c.want)
		if len(r.taken) != c.taken {
			t.Errorf("%s: got %d verifications, want %d: %q", c.what, len(r.taken), c.taken, r.taken)
		}
		if c.want != primitive.Created {
			continue
		}
		a := attributesOf(t, p)
		if got := [2]string{fmt.Sprint(a["enc"]), fmt.Sprint(a["nct"])}; got != [2]string{c.enc, c.nct} {
			t.Errorf("%s: got %s, want %s, %s", c.what, got, c.enc, c.nct)
		}
	}
	r.away = true
	create(t, d, "cse-in/ae/c", 23, `{"m2m:sub":{"rn":"away","nu":["Cother"]}}`, primitive.SubscriptionVerificationInitiationFailed)
	retrieve(t, d, "cse-in/ae/c/away", primitive.NotFound)
	// Updates are refused if who must agree to them is away, and carried out if it agrees.
	update(t, d, "cse-in/ae/c", `{"m2m:cnt":{"lbl":["y"]}}`, primitive.RemoteEntityNotReachable)
	r.away = false
	update(t, d, "cse-in/ae/c", `{"m2m:cnt":{"lbl":["y"]}}`, primitive.Updated)
}

// TestPreSubscriptionNotify tells of the last instances that came before the subscription.
func TestPreSubscriptionNotify(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c"}}`, primitive.Created)
	for _, name := range []string{"x", "c", "b", "a"} {
		create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"`+name+`","con":"x"}}`, primitive.Created)
	}
	create(t, d, "cse-in/ae/c", 23, `{"m2m:sub":{"nu":["Cme"],"enc":{"net":[1,3]},"psn":3}}`, primitive.Created)
	turn := take3(t, d)
	for i, want := range []string{"Cme 3 cin c", "Cme 3 cin b", "Cme 3 cin a"} {
		if got := summary(t, turn.Tasks[i].Body); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// take3 is the one turn there is, with three tasks.
func take3(t *testing.T, d *Dispatcher) store.Turn {
	t.Helper()
	turns, err := d.Store.Take(t.Context(), time.Now(), time.Minute, 10, 10, 10)
	if err != nil || len(turns) != 1 || len(turns[0].Tasks) != 3 {
		t.Fatalf("got turns %+v, %v, want one of three", turns, err)
	}
	return turns[0]
}

// TestSubscriptionUpdate updates what a subscription has by default, and has new targets asked.
func TestSubscriptionUpdate(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"rn":"s","nu":["Cother"],"enc":{"net":[3],"chty":[3]},"bn":{"num":3}}}`, primitive.Created)
	r.taken = nil
	for _, c := range []struct {
		content string
		want    primitive.Status
		taken   int
		name    string
		value   string
	}{
		{`{"enc":null}`, primitive.Updated, 0, "enc", "map[net:[1]]"},
		{`{"enc":{"net":[4],"chty":[2]}}`, primitive.BadRequest, 0, "enc", "map[net:[1]]"},
		{`{"nu":["Cother","Cnew"]}`, primitive.Updated, 1, "nu", "[Cother Cnew]"},
		{`{"nu":["Cnew2"],"nct":2,"enc":{"net":[3]}}`, primitive.BadRequest, 0, "nu", "[Cother Cnew]"},
		{`{"bn":{"num":5}}`, primitive.Updated, 0, "bn", "map[dur:PT1M num:5]"},
		{`{"nu":null}`, primitive.BadRequest, 0, "nu", "[Cother Cnew]"},
	} {
		r.taken = nil
		update(t, d, "cse-in/ae/s", `{"m2m:sub":`+c.content+`}`, c.want)
		if got := fmt.Sprint(retrieve(t, d, "cse-in/ae/s", primitive.OK)[c.name]); got != c.value || len(r.taken) != c.taken {
			t.Errorf("%s: got %s %s and %d verifications, want %s and %d", c.content, c.name, got, len(r.taken), c.value, c.taken)
		}
	}
}

// TestTargetSelfReference has targets leave, as the policies let them.
func TestTargetSelfReference(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	policy := func(name, attributes string) {
		create(t, d, "cse-in", 26, `{"m2m:ntp":{"rn":"`+name+`",`+attributes+`}}`, primitive.Created)
	}
	leave := func(who string, want primitive.Status) {
		t.Helper()
		handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/s/ntsr", From: who}, want)
	}
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"rn":"s","nu":["Ca","Cb","Cc","Cd","http://x"]}}`, primitive.Created)
	leave("Ca", primitive.OriginatorHasNoPrivilege) // there is no policy
	leave("Cstranger", primitive.OriginatorHasNoPrivilege)
	policy("accept", `"acn":1,"plbl":"accept"`)
	policy("ask", `"acn":3,"plbl":"ask"`)
	policy("inform", `"acn":4,"plbl":"inform"`)
	create(t, d, "cse-in", 26, `{"m2m:ntp":{"plbl":"ask"}}`, primitive.BadRequest)
	create(t, d, "cse-in/accept", 27, `{"m2m:pdr":{"rn":"never","dr":{"tod":["* * * * * * 1970"]}}}`, primitive.Created)
	for target, name := range map[string]string{"Ca": "accept", "Cb": "ask", "Cc": "inform"} {
		create(t, d, "cse-in/ae/s", 25, `{"m2m:ntpr":{"ntu":["`+target+`"],"npi":"cse-in/`+name+`"}}`, primitive.Created)
	}
	create(t, d, "cse-in/ae/s", 25, `{"m2m:ntpr":{"ntu":["Cx","Ca"]}}`, primitive.Conflict)
	leave("Ca", primitive.OriginatorHasNoPrivilege) // not at this time
	remove(t, d, "cse-in/accept/never")
	leave("Ca", primitive.Deleted)
	leave("Ca", primitive.OriginatorHasNoPrivilege)
	r.away = true
	leave("Cb", primitive.OriginatorHasNoPrivilege)
	r.away = false
	leave("Cb", primitive.Deleted)
	leave("Cc", primitive.OriginatorHasNoPrivilege)
	leave("Cd", primitive.OriginatorHasNoPrivilege)
	policy("default", `"acn":1,"plbl":"Default"`)
	leave("Cd", primitive.Deleted)
	if got := fmt.Sprint(retrieve(t, d, "cse-in/ae/s", primitive.OK)["nu"]); got != "[Cc http://x]" {
		t.Errorf("got targets %s", got)
	}
	handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in/ae/s/ntsr", From: "Cme"}, primitive.OperationNotAllowed)
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "cse-in/ae/ntsr", From: "Cme"}, primitive.NotFound)
}
