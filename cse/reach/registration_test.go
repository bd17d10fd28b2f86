package reach

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// otherCSE is a CSE that keeps the registrations below its CSEBase, by name, and notes what it did.
type otherCSE struct {
	away   bool
	denies primitive.Status
	base   string // attributes of the CSEBase
	kept   map[string]resource.Attributes
	log    []string
}

func (o *otherCSE) Notify(context.Context, string, primitive.Request) (primitive.Response, error) {
	return primitive.Response{}, errors.New("not expected")
}

func (o *otherCSE) Forward(ctx context.Context, _ string, r primitive.Request) (primitive.Response, error) {
	if o.away {
		return primitive.Response{}, errDead
	}
	return o.Handle(ctx, r), nil
}

func (o *otherCSE) Handle(_ context.Context, r primitive.Request) primitive.Response {
	if o.denies != 0 {
		return primitive.Response{Status: o.denies}
	}
	parts := strings.Split(strings.TrimPrefix(r.To, "/"), "/")
	name := parts[len(parts)-1]
	var content map[string]resource.Attributes
	if len(r.Content) > 0 {
		if err := json.Unmarshal(r.Content, &content); err != nil {
			return primitive.Response{Status: primitive.BadRequest}
		}
	}
	given, there := content["m2m:csr"], o.kept[name]
	switch {
	case r.Operation == primitive.Create:
		o.kept[given.String("rn")] = given
		o.log = append(o.log, "create "+given.String("rn"))
		return primitive.Response{Status: primitive.Created}
	case r.Operation == primitive.Retrieve && name == "cse-up":
		return primitive.Response{Status: primitive.OK, Content: []byte(`{"m2m:cb":` + o.base + `}`)}
	case there == nil:
		return primitive.Response{Status: primitive.NotFound}
	case r.Operation == primitive.Update:
		for n, v := range given {
			there[n] = v
			o.log = append(o.log, "update "+name+" "+n)
		}
		return primitive.Response{Status: primitive.Updated}
	case r.Operation == primitive.Delete:
		delete(o.kept, name)
		o.log = append(o.log, "delete "+name)
		return primitive.Response{Status: primitive.Deleted}
	}
	return primitive.Response{Status: primitive.OK, Content: primitive.Wrap("m2m:csr", there)}
}

// did returns what o has done since the last call.
func (o *otherCSE) did() string {
	slices.Sort(o.log)
	s := strings.Join(o.log, ", ")
	o.log = nil
	return s
}

// TestRegistration keeps a registration through good and bad days.
func TestRegistration(t *testing.T) {
	t.Parallel()
	v, _, _ := newRouter(t)
	up := &otherCSE{kept: map[string]resource.Attributes{}, base: `{"cst":1,"srv":["3"]}`}
	here := &otherCSE{kept: map[string]resource.Attributes{}}
	v.Client, v.Local = up, here
	g := &Registration{
		Router: v, Registrar: Registrar{URL: "http://up", CSEID: "/id-up", Name: "cse-up"}, CSEType: 2, Points: []string{"http://me"},
		Releases: []string{"2a", "3"}, Interval: time.Hour, Log: hclog.NewNullLogger(),
	}
	if err := g.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	look := func(what string, failed bool, wantUp, wantHere string) store.Turn {
		t.Helper()
		turns, err := v.Store.Take(t.Context(), now, time.Minute, 10, 10, 10)
		if err != nil || len(turns) != 1 || turns[0].Kind != TaskRegistration {
			t.Fatalf("%s: got turns %+v, %v", what, turns, err)
		}
		o := g.Look(t.Context(), turns[0])
		if o.Failed != failed || o.Done != 0 {
			t.Errorf("%s: got %+v, want failed %v and another look", what, o, failed)
		}
		if err := v.Store.Settle(t.Context(), turns[0], o); err != nil {
			t.Fatal(err)
		}
		if got := up.did(); got != wantUp {
			t.Errorf("%s: the registrar did %q, want %q", what, got, wantUp)
		}
		if got := here.did(); got != wantHere {
			t.Errorf("%s: this CSE did %q, want %q", what, got, wantHere)
		}
		now = o.Again.Add(time.Second)
		return turns[0]
	}
	up.away = true
	look("registrar away", true, "", "")
	up.away, up.denies = false, primitive.InternalServerError
	if turn := look("registrar broken", true, "", ""); turn.Attempts != 1 {
		t.Errorf("got %d attempts, want 1", turn.Attempts)
	}
	up.denies = 0
	look("first", false, "create id-in", "create id-up")
	look("nothing to do", false, "", "")
	for name, want := range map[string]string{"cb": `"/id-in/cse-in"`, "csi": `"/id-in"`, "cst": "2", "rr": "true", "poa": `["http://me"]`,
		"srv": `["2a","3"]`, "dcse": "[]"} {
		if got := string(up.kept["id-in"][name]); got != want {
			t.Errorf("at the registrar: got %s = %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"cb": `"/id-up/cse-up"`, "cst": "1", "rr": "true", "poa": `["http://up"]`, "srv": `["3"]`} {
		if got := string(here.kept["id-up"][name]); got != want {
			t.Errorf("the registrar here: got %s = %s, want %s", name, got, want)
		}
	}
	add(t, v, "id-in", resource.TypeRemoteCSE, "id-asn", `{"csi":"/id-asn","dcse":["/id-deep"]}`)
	add(t, v, "id-in", resource.TypeRemoteCSE, "id-up", `{"csi":"/id-up","dcse":["/id-in"]}`)
	g.Points = []string{"http://me2"}
	look("changed", false, "update id-in dcse, update id-in poa", "")
	if got := string(up.kept["id-in"]["dcse"]); got != `["/id-asn","/id-deep"]` {
		t.Errorf("descendants: got %s", got)
	}
	delete(up.kept, "id-in")
	look("forgotten", false, "create id-in", "")
	if err := g.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if up.did() != "delete id-in" || here.did() != "delete id-up" {
		t.Error("withdrawn: a registration is left")
	}
	if turns, err := v.Store.Take(t.Context(), now.Add(10*time.Hour), time.Minute, 10, 10, 10); err != nil || len(turns) != 0 {
		t.Errorf("withdrawn: got turns %+v, %v", turns, err)
	}
	if err := g.Withdraw(t.Context()); err != nil {
		t.Errorf("withdrawn twice: %v", err)
	}
	if o := (*Registration)(nil).Look(t.Context(), store.Turn{Tasks: make([]store.Task, 1)}); o.Done != 1 {
		t.Errorf("without registrar: got %+v, want the task forgotten", o)
	}
}
