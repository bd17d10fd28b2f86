package httpbinding

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// remoteIP is where r came from: the peer of the connection, or if that is a trusted proxy the last address in X-Forwarded-For that is
// none. It is the zero Addr if that cannot be told.
func (h *Handler) remoteIP(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap()
	if len(h.TrustedProxies) == 0 || !h.trusted(ip) {
		return ip
	}
	lines := r.Header["X-Forwarded-For"]
	for _, line := range slices.Backward(lines) {
		for _, hop := range slices.Backward(strings.Split(line, ",")) {
			before, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				return netip.Addr{} // a proxy that is trusted writes addresses; nobody knows what this is
			}
			if ip = before.Unmap(); !h.trusted(ip) {
				return ip
			}
		}
	}
	return ip
}

func (h *Handler) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(h.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
