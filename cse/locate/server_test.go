package locate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		body, want string // want begins with what is to be found in the error if it is no object
	}{
		{200, `{"terminalLocationList":{"terminalLocation":{"address":"tel:+1","currentLocation":{"latitude":"48.78","longitude":9.18},` +
			`"locationRetrievalStatus":"Retrieved"}}}`, `{"type":"Point","coordinates":[9.18,48.78]}`},
		{200, `{"terminalLocationList":{"terminalLocation":[{"currentLocation":{"latitude":1,"longitude":"-2.50"},"locationRetrievalStatus":"Retrieved"}]}}`,
			`{"type":"Point","coordinates":[-2.5,1]}`},
		{200, `{"terminalLocationList":{"terminalLocation":{"locationRetrievalStatus":"NotRetrieved"}}}`, "NotRetrieved"},
		{200, `{"terminalLocationList":{"terminalLocation":[]}}`, "no such terminal"},
		{200, `{"terminalLocationList":{"terminalLocation":{"locationRetrievalStatus":"Retrieved"}}}`, "without latitude"},
		{200, `{"terminalLocationList":{"terminalLocation":{"currentLocation":{"latitude":"NaN","longitude":1},"locationRetrievalStatus":"Retrieved"}}}`,
			"without latitude"},
		{200, `{}`, "terminalLocationList"},
		{200, `<xml/>`, "read the answer"},
		{403, `{"requestError":{"policyException":{"messageId":"POL0002","text":"Privacy verification failed"}}}`, "answers 403, POL0002"},
		{500, ``, "answers 500"},
	} {
		var asked string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.String()
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		}))
		got, err := (&Server{URL: server.URL + "/terminallocation/v1/"}).Locate(t.Context(), "tel:+1", "app@x")
		server.Close()
		if failed := err != nil; failed != (c.want[0] != '{') || !failed && string(got) != c.want || failed && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %s, %v, want %s", c.body, got, err, c.want)
		}
		if want := "/terminallocation/v1/queries/location?address=tel%3A%2B1&requestedAccuracy=100&requester=app%40x"; asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	}
	if _, err := (&Server{URL: "http://127.0.0.1:1"}).Locate(t.Context(), "tel:+1", ""); err == nil || strings.Contains(err.Error(), "tel") {
		t.Errorf("without a server: got %v, want an error that does not tell the target", err)
	}
}
