package cse_test

import (
	"strings"
	"testing"
)

// unquoted is the JSON string s.
func unquoted(s string) string { return strings.Trim(s, `"`) }

// TestAnnouncements has resources announced to another CSE, both with two instances on one store. TS-0001 clause 9.6.26.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	in, mn := federation(t)
	at := func(address string) string { return "/~" + address }
	mn[0].must("POST", "/cse-mn", "Cdevice", 2, `{"m2m:ae":{"rn":"device","api":"Nx","rr":false}}`)

	created := mn[0].must("POST", "/cse-mn/device", "Cdevice", 3, `{"m2m:cnt":{"rn":"c","lbl":["a"],"mni":3,"mbs":9,"at":["/id-in"],"aa":["mni"]}}`)
	announcedAt := func(path string) (address string) {
		eventually(t, path+" is announced", func() bool {
			address = unquoted(mn[1].must("GET", path, "Cdevice", 0, "").text("m2m:cnt/at/0"))
			return strings.HasPrefix(address, "/id-in/")
		})
		return address
	}
	address := announcedAt("/cse-mn/device/c")
	announced := in[1].must("GET", at(address), "CAdmin", 0, "")
	link := `"/id-mn/` + unquoted(created.text("m2m:cnt/ri")) + `"`
	for path, want := range map[string]string{"ty": "10003", "lbl": `["a"]`, "mni": "3", "mbs": "absent", "lnk": link, "at": "absent"} {
		if got := announced.text("m2m:cntA/" + path); got != want {
			t.Errorf("announced %s: got %s, want %s", path, got, want)
		}
	}
	base := in[0].must("GET", "/"+unquoted(announced.text("m2m:cntA/pi")), "CAdmin", 0, "")
	if base.text("m2m:cbA/lnk") != `"/id-mn/id-mn"` {
		t.Errorf("announced CSEBase: got %s", base.body)
	}
	if a := in[0].must("GET", at(address)+"?rcn=7", "/id-mn", 0, ""); a.text("m2m:cnt/mbs") != "9" {
		t.Errorf("original: got %s", a.body)
	}
	if a := in[0].send("GET", "/cse-in?rcn=7", "CAdmin", 0, ""); a.rsc != 4000 {
		t.Errorf("original of what is no announcement: got %d %s", a.rsc, a.body)
	}

	// Children are announced below their parents, also by the other instance.
	mn[1].must("POST", "/cse-mn/device/c", "Cdevice", 3, `{"m2m:cnt":{"rn":"sub","at":["/id-in"]}}`)
	child := announcedAt("/cse-mn/device/c/sub")
	if a := in[0].must("GET", at(child), "CAdmin", 0, ""); a.text("m2m:cntA/pi") != announced.text("m2m:cntA/ri") {
		t.Errorf("announced child: got %s", a.body)
	}

	// Changes follow, before the answer if the other CSE is not slow.
	mn[1].must("PUT", "/cse-mn/device/c", "Cdevice", 0, `{"m2m:cnt":{"lbl":null,"mni":null,"mbs":8,"aa":["mbs"]}}`)
	for path, want := range map[string]string{"lbl": "absent", "mni": "absent", "mbs": "8"} {
		eventually(t, "after the update "+path+" is "+want, func() bool {
			return in[0].must("GET", at(address), "CAdmin", 0, "").text("m2m:cntA/"+path) == want
		})
	}
	if a := in[0].send("PUT", at(address), "Cother", 0, `{"m2m:cntA":{"lbl":["x"]}}`); a.rsc != 4103 {
		t.Errorf("update by another: got %d %s", a.rsc, a.body)
	}

	// So does the end.
	mn[0].must("PUT", "/cse-mn/device/c/sub", "Cdevice", 0, `{"m2m:cnt":{"at":null}}`)
	gone := func(announced string) func() bool {
		return func() bool { return in[0].send("GET", at(announced), "CAdmin", 0, "").rsc == 4004 }
	}
	eventually(t, "withdrawn", gone(child))
	mn[1].must("DELETE", "/cse-mn/device", "Cdevice", 0, "")
	eventually(t, "with the original gone", gone(address))
}

// TestAnnouncementRetried announces to a CSE that is away, and comes back.
func TestAnnouncementRetried(t *testing.T) {
	t.Parallel()
	inStore := sqliteFile(t)
	in := run(t, inStore, "-point-of-access", "URL", "-drain-timeout", "2s")
	mn := run(t, sqliteFile(t), "-cse-type", "mn", "-cse-id", "/id-mn", "-cse-name", "cse-mn", "-point-of-access", "URL", "-drain-timeout", "2s",
		"-registrar-url", in.url, "-registrar-id", "/id-in", "-registrar-name", "cse-in", "-registration-interval", "200ms")
	eventually(t, "registered", func() bool { return mn.send("GET", "/cse-mn/id-in", "CAdmin", 0, "").rsc == 2000 })
	in.stop()
	a := mn.must("POST", "/cse-mn", "CAdmin", 3, `{"m2m:cnt":{"rn":"c","at":["/id-in"]}}`)
	if got := a.text("m2m:cnt/at"); got != "absent" {
		t.Errorf("announced to nobody: got %s", a.body)
	}
	again := run(t, inStore, "-listen", strings.TrimPrefix(in.url, "http://"), "-point-of-access", "URL", "-drain-timeout", "2s")
	mn.must("PUT", "/cse-mn/id-in", "CAdmin", 0, `{"m2m:csr":{"poa":["`+again.url+`"]}}`)
	eventually(t, "announced", func() bool {
		return mn.must("GET", "/cse-mn/c", "CAdmin", 0, "").text("m2m:cnt/at") != "absent"
	})
	address := unquoted(mn.must("GET", "/cse-mn/c", "CAdmin", 0, "").text("m2m:cnt/at/0"))
	if a := again.send("GET", "/~"+address, "CAdmin", 0, ""); a.rsc != 2000 {
		t.Errorf("announced: got %d %s", a.rsc, a.body)
	}
}
