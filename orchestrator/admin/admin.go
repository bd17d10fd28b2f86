// Package admin is an orchestrator's HTTP interface: what it and its pools are doing and why, as JSON and as events, what
// an operator wants of a pool, and metrics for Prometheus. An orchestrator that stands by answers too, from what the
// acting one left in Consul.
package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Store is what an orchestrator that stands by reads, and where overrides are written.
type Store interface {
	Get(ctx context.Context, key string) (consul.KV, error)
	List(ctx context.Context, prefix string) ([]consul.KV, error)
	PutIf(ctx context.Context, key string, value []byte, index uint64) error
	DeleteIf(ctx context.Context, key string, index uint64) error
	Instances(ctx context.Context, service string, index uint64, wait time.Duration) ([]consul.Instance, uint64, error)
}

// Admin is the HTTP interface of one orchestrator. All exported fields but Access must be set. Use New.
type Admin struct {
	Stack    string
	Identity string
	Leader   func() string               // identity of who acts, as last seen; empty when unknown
	Acting   func() (fleet.Report, bool) // false while this orchestrator stands by
	Ready    func(context.Context) error // nil when Consul and Docker have answered
	Store    Store
	Registry *prometheus.Registry // served under /metrics
	Access   Access
	Log      hclog.Logger

	events  *stream
	changed chan struct{}
}

// New returns a with its inside made.
func New(a Admin) *Admin {
	a.events, a.changed = newStream(), make(chan struct{}, 1)
	return &a
}

const (
	roundLimit    = 30 * time.Second // how old the last round may be before an acting orchestrator counts as stuck
	readTimeout   = 10 * time.Second // of a request's body
	answerTimeout = 30 * time.Second // of an answer that is no stream
	maxOverride   = 64 << 10         // bytes of an override's body
	maxDocument   = 1 << 20          // bytes of a document to check
	atOnce        = 256              // requests that are answered at once, streams aside
)

// param is a parameter in a route's query.
type param struct{ name, kind, about string }

// route is one path and method. The handlers, their protection and the OpenAPI document are made from it.
type route struct {
	pattern string // as http.ServeMux has it
	about   string
	needs   scope
	handle  func(*Admin, http.ResponseWriter, *http.Request)
	params  []param
	body    any    // value of the type of the body; nil when there is none
	sends   string // content type of the body
	answer  any    // value of the type of the answer; nil when it is no JSON
	types   string // content type of the answer when it is not application/json
	stream  bool   // answers for as long as the client listens
}

var overrideParams = []param{{"for", "duration", "ends paused, holdOut, holdIn and size after so long, such as 30m"}}

// routes is all an orchestrator answers to.
func routes() []route {
	return []route{
		{pattern: "GET /v1/status", about: "Leader, identity and the status of every pool", needs: scopeRead, handle: (*Admin).status, answer: api.Status{}},
		{pattern: "GET /v1/pools", about: "The status of every pool", needs: scopeRead, handle: (*Admin).pools, answer: []spec.Status{}},
		{pattern: "GET /v1/pools/{pool}", about: "Policy, status, instances and inputs of a pool", needs: scopeRead, handle: (*Admin).pool, answer: api.Pool{}},
		{pattern: "GET /v1/pools/{pool}/decisions", about: "The decisions of a pool, newest first", needs: scopeRead, handle: (*Admin).decisions, answer: []fleet.Decision{},
			params: []param{{"limit", "integer", "how many at most, 1 to 1000; 20 without"}, {"before", "integer", "only those with a smaller number"}}},
		{pattern: "GET /v1/pools/{pool}/decisions/{number}", about: "One decision", needs: scopeRead, handle: (*Admin).decision, answer: fleet.Decision{}},
		{pattern: "GET /v1/pools/{pool}/rollout", about: "How far the update of a pool is", needs: scopeRead, handle: (*Admin).rollout, answer: api.Rollout{}},
		{pattern: "GET /v1/pools/{pool}/override", about: "What an operator wants of a pool; its ETag is for If-Match", needs: scopeRead, handle: (*Admin).getOverride, answer: spec.Override{}},
		{pattern: "PUT /v1/pools/{pool}/override", about: "Writes what an operator wants of a pool; with If-Match only when it did not change", needs: scopeWrite,
			handle: (*Admin).putOverride, params: overrideParams, body: spec.Override{}, sends: "application/json", answer: spec.Override{}},
		{pattern: "PATCH /v1/pools/{pool}/override", about: "Changes what an operator wants of a pool by a JSON merge patch", needs: scopeWrite,
			handle: (*Admin).patchOverride, params: overrideParams, body: spec.Override{}, sends: "application/merge-patch+json", answer: spec.Override{}},
		{pattern: "DELETE /v1/pools/{pool}/override", about: "Makes an operator want nothing of a pool", needs: scopeWrite, handle: (*Admin).deleteOverride},
		{pattern: "GET /v1/instances", about: "The instances of all pools", needs: scopeRead, handle: (*Admin).instances, answer: api.Instances{},
			params: []param{{"pool", "string", "only those of this pool"}}},
		{pattern: "GET /v1/events", about: "Server-sent events: status, decision, gone and load; Last-Event-ID resumes", needs: scopeRead, handle: (*Admin).follow,
			types: "text/event-stream", stream: true, params: []param{{"pool", "string", "only those of this pool"}}},
		{pattern: "POST /v1/policies/check", about: "Names every problem of a policy or a pool document", needs: scopeRead, handle: (*Admin).check,
			body: map[string]any{}, sends: "application/json", answer: api.Checked{}},
		{pattern: "GET /v1/openapi.json", about: "This document", needs: scopeNone, handle: (*Admin).openAPI, answer: map[string]any{}},
		{pattern: "GET /healthz", about: "200 while the loop goes round", needs: scopeNone, handle: (*Admin).healthz, types: "text/plain"},
		{pattern: "GET /readyz", about: "200 once Consul and Docker have answered", needs: scopeNone, handle: (*Admin).readyz, types: "text/plain"},
		{pattern: "GET /metrics", about: "Metrics for Prometheus", needs: scopeRead, handle: (*Admin).metrics, types: "text/plain"},
		{pattern: "GET /{$}", about: "A page that shows the pools", needs: scopeNone, handle: (*Admin).page, types: "text/html"},
	}
}

// Handler serves routes, each under its protection.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	places := make(chan struct{}, atOnce)
	for _, r := range routes() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) {
			if err := a.Access.allow(req, r.needs); err != nil {
				a.refuse(w, err)
				return
			}
			if !r.stream {
				select {
				case places <- struct{}{}:
					defer func() { <-places }()
				default:
					a.refuse(w, fail(http.StatusServiceUnavailable, "too many requests at once: want at most %d", atOnce))
					return
				}
				control := http.NewResponseController(w)
				_ = control.SetReadDeadline(time.Now().Add(readTimeout)) // not every writer has deadlines, in tests
				_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
			}
			r.handle(a, w, req)
		})
	}
	guard := http.NewCrossOriginProtection() // a web page elsewhere does not write in its visitor's name
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.refuse(w, fail(http.StatusForbidden, "the request comes from a web page of another origin"))
	}))
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			a.refuse(w, unrouted(handler, r, w))
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// unrouted is why no route takes a request: its path, or its method.
func unrouted(handler http.Handler, r *http.Request, w http.ResponseWriter) error {
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		w.Header().Set("Allow", allow)
		return fail(http.StatusMethodNotAllowed, "%s is not for this path: want %s", clip(r.Method), allow)
	}
	return fail(http.StatusNotFound, "no such path: /v1/openapi.json lists those there are")
}

// probe is a ResponseWriter that keeps only status and header.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header            { return p.header }
func (p *probe) Write(text []byte) (int, error) { return len(text), nil }
func (p *probe) WriteHeader(status int)         { p.status = status }

func (a *Admin) metrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
}
