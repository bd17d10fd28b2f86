package httpbinding

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestRemoteIP(t *testing.T) {
	t.Parallel()
	h := &Handler{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, c := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"[fd00::1]:5", []string{"203.0.113.1", "2001:db8::1"}, "2001:db8::1"},
		{"10.0.0.1:5", []string{"10.0.0.3"}, "10.0.0.3"},
		{"10.0.0.1:5", []string{"198.51.100.1, unknown"}, "invalid IP"},
		{"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.lines
		if got := h.remoteIP(r).String(); got != c.want {
			t.Errorf("%s with %q: got %s, want %s", c.peer, c.lines, got, c.want)
		}
	}
}
