package cse_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestCrossResources has a CSE listen to a resource of its own and to one of another CSE, both with two instances on one store: events come
// to either instance, and one notification is sent for both. Then it goes with what it made at the other CSE. TS-0001 clause 9.6.58.
func TestCrossResources(t *testing.T) {
	t.Parallel()
	in, mn := federation(t)
	var told, gone atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"vrq"`):
		case strings.Contains(string(body), `"sud"`):
			gone.Add(1)
		default:
			told.Add(1)
		}
		w.Header()["X-M2M-RSC"], w.Header()["X-M2M-RI"] = []string{"2000"}, r.Header["X-M2m-Ri"]
	}))
	t.Cleanup(receiver.Close)
	in[0].must("POST", "/cse-in", "CAdmin", 1, anyone)
	in[1].must("POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":{"rn":"far","acpi":["cse-in/anyone"]}}`)
	mn[0].must("POST", "/cse-mn", "Cdevice", 2, `{"m2m:ae":{"rn":"device","api":"Nx","rr":false}}`)
	mn[1].must("POST", "/cse-mn/device", "Cdevice", 3, `{"m2m:cnt":{"rn":"near"}}`)
	crs := func(more string) string {
		return `{"m2m:crs":{"rn":"crs","nu":["` + receiver.URL + `"],"su":"` + receiver.URL + `","encs":{"enc":[{"net":[3]}]},` +
			`"rrat":["cse-mn/device/near","/id-in/cse-in/far"],` + more + `}}`
	}
	created := mn[0].must("POST", "/cse-mn/device", "Cdevice", 48, crs(`"twt":2,"tws":"PT1S"`))
	far := unquoted(created.text("m2m:crs/rrats/1"))
	if s := in[1].must("GET", "/~"+far, "CAdmin", 0, ""); s.text("m2m:sub/nu/0") != `"/id-mn/`+unquoted(created.text("m2m:crs/ri"))+`"` {
		t.Errorf("at the other CSE: got %s", s.body)
	}
	// One alone tells nothing, both together do, once, whoever was asked.
	for i := range mn {
		before := told.Load()
		eventually(t, "told of both", func() bool {
			mn[i].must("POST", "/cse-mn/device/near", "Cdevice", 4, `{"m2m:cin":{"con":"x"}}`)
			in[i].must("POST", "/cse-in/far", "CAdmin", 4, `{"m2m:cin":{"con":"x"}}`)
			return told.Load() > before
		})
	}
	nowhere := strings.Replace(crs(`"twt":1,"tws":"PT1H"`), "cse-in/far", "cse-in/none", 1)
	if a := mn[1].send("POST", "/cse-mn/device", "Cdevice", 48, nowhere); a.rsc != 4105 {
		t.Errorf("another one of that name: got %d %s", a.rsc, a.body)
	}
	// When the other CSE's subscription goes, all of it does.
	in[0].must("DELETE", "/~"+far, "CAdmin", 0, "")
	eventually(t, "gone", func() bool {
		return mn[0].send("GET", "/cse-mn/device/crs", "Cdevice", 0, "").rsc == 4004 && gone.Load() == 1
	})
	eventually(t, "without a subscription", func() bool {
		return mn[1].must("GET", "/cse-mn/device/near?fu=1&ty=23", "Cdevice", 0, "").text("m2m:uril") == "[]"
	})

	// One that cannot be made at the other CSE is not made at all.
	a := mn[0].send("POST", "/cse-mn/device", "Cdevice", 48, nowhere)
	if a.rsc != 5221 || mn[1].send("GET", "/cse-mn/device/crs", "Cdevice", 0, "").rsc != 4004 {
		t.Errorf("to what is not there: got %d %s", a.rsc, a.body)
	}
	if list := mn[1].must("GET", "/cse-mn/device/near?fu=1&ty=23", "Cdevice", 0, "").text("m2m:uril"); list != "[]" {
		t.Errorf("left of it: got %s", list)
	}
}

// TestActions has actions carried out at another CSE, whichever instance sees their subject change. TS-0001 clause 9.6.61.
func TestActions(t *testing.T) {
	t.Parallel()
	in, mn := federation(t)
	in[0].must("POST", "/cse-in", "CAdmin", 1, anyone)
	in[0].must("POST", "/cse-in", "CAdmin", 3, `{"m2m:cnt":{"rn":"log","acpi":["cse-in/anyone"]}}`)
	mn[0].must("POST", "/cse-mn", "Cdevice", 2, `{"m2m:ae":{"rn":"device","api":"Nx","rr":false}}`)
	mn[0].must("POST", "/cse-mn/device", "Cdevice", 65, `{"m2m:actr":{"rn":"actr","evm":3,"evc":{"optr":1,"sbjt":"lbl","thld":["on"]},`+
		`"orc":"/id-in/cse-in/log","apv":{"op":1,"to":"/id-in/cse-in/log","fr":"Cdevice","rqi":"r","ty":4,"pc":{"m2m:cin":{"con":"on"}}}}}`)
	for i := range 10 {
		mn[i%2].must("PUT", "/cse-mn/device", "Cdevice", 0, `{"m2m:ae":{"lbl":["on"]}}`)
		mn[(i+1)%2].must("PUT", "/cse-mn/device", "Cdevice", 0, `{"m2m:ae":{"lbl":["off"]}}`)
	}
	eventually(t, "acted ten times", func() bool { return in[1].must("GET", "/cse-in/log", "CAdmin", 0, "").text("m2m:cnt/cni") == "10" })
	eventually(t, "with a result", func() bool {
		return mn[1].must("GET", "/cse-mn/device/actr", "Cdevice", 0, "").text("m2m:actr/air/rsc") == "2001"
	})
}
