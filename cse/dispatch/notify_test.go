package dispatch

import (
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestNotify sends notifications to resources of all kinds, TS-0004 clause 7.4, Notify.
func TestNotify(t *testing.T) {
	t.Parallel()
	d, r := newDispatcher(t)
	create := func(to, from string, ty int, content string) {
		handle(t, d, primitive.Request{Operation: primitive.Create, To: to, From: from, ResourceType: ty, Content: []byte(content)}, primitive.Created)
	}
	create("cse-in", "CAdmin", 1,
		`{"m2m:acp":{"rn":"acp","pv":{"acr":[{"acor":["Cfriend"],"acop":16},{"acor":["Cme"],"acop":63}]},"pvs":{"acr":[{"acor":["Cme"],"acop":63}]}}}`)
	create("cse-in/ae", "Cme", 3, `{"m2m:cnt":{"rn":"c"}}`)
	create("cse-in", "/id-mn", 16, `{"m2m:csr":{"rn":"mn","cb":"/id-mn/cse-mn","rr":true,"poa":["http://mn"]}}`)
	handle(t, d, primitive.Request{Operation: primitive.Update, To: "cse-in/ae", From: "Cme", Content: []byte(`{"m2m:ae":{"acpi":["cse-in/acp"]}}`)},
		primitive.Updated)
	for _, n := range []struct {
		what, to, from string
		want           primitive.Status
		taken          string
	}{
		{"who may notify an AE", "cse-in/ae", "Cfriend", primitive.OK, "Cme"},
		{"by AE-ID", "Cme", "Cfriend", primitive.OK, "Cme"},
		{"who may not", "Cme", "Cother", primitive.OriginatorHasNoPrivilege, ""},
		{"a CSE", "cse-in/mn", "/id-mn", primitive.OK, "id-mn"},
		{"a type that takes none", "cse-in/ae/c", "Cme", primitive.BadRequest, ""},
		{"the CSEBase", "cse-in", "CAdmin", primitive.BadRequest, ""},
		{"nothing", "cse-in/ae/none", "Cme", primitive.NotFound, ""},
		{"another CSE", "/id-mn/Cx", "Cme", primitive.OK, "/id-mn/Cx"},
	} {
		r.taken = nil
		handle(t, d, primitive.Request{Operation: primitive.Notify, To: n.to, From: n.from, Content: []byte(`{"m2m:sgn":{}}`)}, n.want)
		if got := strings.TrimSuffix(strings.Join(r.taken, ", "), ` {"m2m:sgn":{}}`); got != n.taken {
			t.Errorf("%s: got %q, want %q", n.what, got, n.taken)
		}
	}
	r.away = true
	handle(t, d, primitive.Request{Operation: primitive.Notify, To: "Cme", From: "Cfriend", Content: []byte(`{}`)}, primitive.TargetNotReachable)
}

// TestRemoteCSE registers CSEs, TS-0004 clause 7.4.4.
func TestRemoteCSE(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	for _, c := range []struct {
		what, from, content string
		want                primitive.Status
	}{
		{"by itself", "/id-a", `{"rn":"a","cb":"/id-a/cse-a","csi":"/id-a","rr":false}`, primitive.Created},
		{"again", "/id-a", `{"rn":"a2","cb":"/id-a/cse-a","rr":false}`, primitive.Conflict},
		{"without CSE-ID", "/id-b", `{"rn":"b","cb":"/id-b/cse-b","rr":false}`, primitive.Created},
		{"absolute CSEBase", "//sp.example/id-c", `{"rn":"c","cb":"//sp.example/id-c/cse-c","rr":false}`, primitive.Created},
		{"by another", "/id-a", `{"rn":"d","cb":"/id-d/cse-d","rr":false}`, primitive.OperationNotAllowed},
		{"by an AE", "Cme", `{"rn":"d","cb":"/id-d/cse-d","rr":false}`, primitive.OperationNotAllowed},
		{"by the admin", "CAdmin", `{"rn":"d","cb":"/id-d/cse-d","rr":false}`, primitive.Created},
		{"this CSE itself", "CAdmin", `{"rn":"e","cb":"/id-in/cse-in","rr":false}`, primitive.Conflict},
		{"like an AE", "CAdmin", `{"rn":"f","cb":"/Cme/x","rr":false}`, primitive.Conflict},
		{"no CSE-ID", "CAdmin", `{"rn":"g","cb":"x","csi":"g","rr":false}`, primitive.BadRequest},
	} {
		p := d.Handle(t.Context(), primitive.Request{Operation: primitive.Create, To: "cse-in", From: c.from, RequestID: c.what, ResourceType: 16,
			ResultContent: primitive.DefaultResult, Content: []byte(`{"m2m:csr":` + c.content + `}`)})
		if p.Status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.what, p.Status, p.Content, c.want)
		}
	}
	p := handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "id-b", From: "/id-b"}, primitive.OK)
	if !strings.Contains(string(p.Content), `"csi":"/id-b"`) {
		t.Errorf("CSE-ID from the CSEBase: got %s", p.Content)
	}
	handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in", From: "/id-b"}, primitive.OK)
	handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in", From: "/id-none"}, primitive.OriginatorHasNoPrivilege)
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "id-b", From: "/id-a"}, primitive.OriginatorHasNoPrivilege)
	handle(t, d, primitive.Request{Operation: primitive.Delete, To: "id-b", From: "/id-b"}, primitive.Deleted)

	// An AE of another CSE registers here as well, once.
	for i, want := range []primitive.Status{primitive.Created, primitive.OriginatorHasAlreadyRegistered} {
		name := string(rune('x' + i))
		handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in", From: "/id-a/Cfar", ResourceType: 2,
			Content: []byte(`{"m2m:ae":{"rn":"` + name + `","api":"N1","rr":false}}`)}, want)
	}
	p = handle(t, d, primitive.Request{Operation: primitive.Retrieve, To: "cse-in/x", From: "/id-a/Cfar"}, primitive.OK)
	if !strings.Contains(string(p.Content), `"aei":"/id-a/Cfar"`) {
		t.Errorf("AE of another CSE: got %s", p.Content)
	}
}
