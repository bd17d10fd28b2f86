package httpbinding

import (
	"net/http"
	"slices"
	"strings"
)

// methods that are served. OPTIONS is of HTTP only.
const allowedMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

func served(method string) bool { return slices.Contains(strings.Split(allowedMethods, ", "), method) }

// What a page of another origin may send and see. A wildcard would not cover Authorization.
const (
	corsRequestHeaders = "Accept, Authorization, Content-Type, X-M2M-Origin, X-M2M-RI, X-M2M-RVI, X-M2M-OT, X-M2M-VSI, " +
		"X-M2M-RET, X-M2M-RST, X-M2M-OET, X-M2M-EC, X-M2M-RTU, X-M2M-GID"
	corsResponseHeaders = "Content-Location, Retry-After, WWW-Authenticate, X-M2M-RSC, X-M2M-Origin, X-M2M-RI, X-M2M-RVI, X-M2M-OT, " +
		"X-M2M-VSI, X-M2M-RST, X-M2M-EC, X-M2M-ATI, X-M2M-CTS, X-M2M-CTO"
	corsMaxAge = "600" // seconds a browser may remember the answer
)

// share lets pages of the allowed origins use the CSE (the CORS protocol of the Fetch standard). Cookies are not used, so
// credentials are not allowed.
func (h *Handler) share(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" || len(h.AllowedOrigins) == 0 {
		return
	}
	header := w.Header()
	anyone := slices.Contains(h.AllowedOrigins, "*")
	if !anyone {
		header.Add("Vary", "Origin")
		if !slices.Contains(h.AllowedOrigins, origin) {
			return
		}
	} else {
		origin = "*"
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions {
		header.Set("Access-Control-Expose-Headers", corsResponseHeaders)
		return
	}
	header.Set("Access-Control-Allow-Methods", allowedMethods)
	header.Set("Access-Control-Allow-Headers", corsRequestHeaders)
	header.Set("Access-Control-Max-Age", corsMaxAge)
}

// options answers OPTIONS, which asks nothing of oneM2M: what is served, and to a browser that asks before it sends, whether it may.
func options(w http.ResponseWriter) {
	w.Header().Set("Allow", allowedMethods)
	w.WriteHeader(http.StatusNoContent)
}
