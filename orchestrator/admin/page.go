package admin

import (
	_ "embed"
	"net/http"
)

//go:embed page.html
var page []byte

// page serves one file that needs no other. It has no secret: what it shows it asks for with its reader's token.
func (a *Admin) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(page)
}
