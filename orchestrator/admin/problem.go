package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

// requestError is a failure with the HTTP status it is answered with.
type requestError struct {
	status   int
	text     string
	problems []spec.Problem
}

func (e *requestError) Error() string { return e.text }

func fail(status int, format string, args ...any) error {
	return &requestError{status: status, text: fmt.Sprintf(format, args...)}
}

func noPool(name string) error { return fail(http.StatusNotFound, "no pool %q", clip(name)) }

// clip shortens what a client sent for a message.
func clip(text string) string {
	const longest = 100
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// answer writes v as JSON.
func (a *Admin) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		a.Log.Error("answer not written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asked may be gone
}

// refuse answers with an error as RFC 9457 has it: the client's own as it is, Consul's silence as 503, anything else as
// 502.
func (a *Admin) refuse(w http.ResponseWriter, err error) {
	p := api.Problem{Type: "about:blank", Status: http.StatusBadGateway, Detail: strings.TrimSpace(err.Error())}
	var own *requestError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		p.Status, p.Problems = own.status, own.problems
	case errors.As(err, &large):
		p.Status, p.Detail = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is too large: want at most %d bytes", large.Limit)
	case errors.Is(err, consul.ErrUnavailable):
		p.Status = http.StatusServiceUnavailable
	case errors.Is(err, consul.ErrDenied):
		p.Detail += ": give the orchestrator a -consul-token with the rights it needs"
	}
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="viot"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	}
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	a.answer(w, p.Status, p)
}
