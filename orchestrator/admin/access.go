package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Access says who may do what. A request names itself by a bearer token. The zero Access lets everybody read and nobody
// write.
type Access struct {
	ReadToken  string // allows to read; empty lets everybody read
	WriteToken string // allows to read and to write; empty lets nobody write unless OpenWrites is set
	// OpenWrites lets everybody write when there is no WriteToken: for an interface that only this machine reaches. Names
	// under which a web page elsewhere could reach it are refused.
	OpenWrites bool
}

// scope is what a route needs.
type scope int

const (
	scopeNone scope = iota
	scopeRead
	scopeWrite
)

func (s scope) String() string { return [...]string{"none", "read", "write"}[s] }

// allow returns nil when a request may have what a route needs.
func (a Access) allow(r *http.Request, needs scope) error {
	token, given := bearer(r)
	writes := a.WriteToken != "" && given && equal(token, a.WriteToken)
	switch {
	case needs == scopeNone, writes:
		return nil
	case needs == scopeRead && (a.ReadToken == "" || given && equal(token, a.ReadToken)):
		return nil
	case needs == scopeWrite && a.WriteToken == "" && a.OpenWrites:
		if !local(r.Host) {
			return fail(http.StatusForbidden, "host %q: writes without a token are for requests to an address or a name of this network", clip(r.Host))
		}
		return nil
	case needs == scopeWrite && a.WriteToken == "":
		return fail(http.StatusForbidden, "this orchestrator takes no writes: start it with -write-token, or with -open-writes where only this machine reaches it")
	case !given:
		return fail(http.StatusUnauthorized, "this needs a bearer token with the scope %s", needs)
	case needs == scopeWrite && a.ReadToken != "" && equal(token, a.ReadToken):
		return fail(http.StatusForbidden, "this token may only read")
	}
	return fail(http.StatusUnauthorized, "this orchestrator does not know the token")
}

func bearer(r *http.Request) (token string, given bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "bearer") && strings.TrimSpace(token) != ""
}

// equal takes as long whatever is given.
func equal(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// local says whether a Host header names what no web page elsewhere can have: an address, localhost or a name without
// a dot.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host != "" && !strings.Contains(host, ".")
}
