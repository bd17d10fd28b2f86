// Package admin answers questions about an orchestrator over HTTP: what it and its pools are doing and why, and its
// metrics for Prometheus. An orchestrator that stands by answers too, from what the acting one left in Consul.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Store is what an orchestrator that stands by reads.
type Store interface {
	Get(ctx context.Context, key string) (consul.KV, error)
	List(ctx context.Context, prefix string) ([]consul.KV, error)
}

// Admin is the HTTP interface of one orchestrator. All fields must be set.
type Admin struct {
	Stack    string
	Identity string
	Leader   func() string               // identity of who acts, as last seen; empty when unknown
	Acting   func() (fleet.Report, bool) // false while this orchestrator stands by
	Ready    func(context.Context) error // nil when Consul and Docker have answered
	Store    Store
	Registry *prometheus.Registry // served under /metrics
	Log      hclog.Logger
}

// roundLimit is how old the last round may be before an acting orchestrator counts as stuck.
const roundLimit = 30 * time.Second

// Handler serves
//
//	GET /v1/status                          leader, identity, acting, pools
//	GET /v1/pools                           the pools' status documents
//	GET /v1/pools/{pool}                    policy, status and, where it acts, instances and inputs of the last round
//	GET /v1/pools/{pool}/decisions?limit=N  newest first; 20 without limit
//	GET /metrics                            Prometheus
//	GET /healthz                            200 while the loop goes round
//	GET /readyz                             200 once Consul and Docker have answered
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", a.status)
	mux.HandleFunc("GET /v1/pools", a.pools)
	mux.HandleFunc("GET /v1/pools/{pool}", a.pool)
	mux.HandleFunc("GET /v1/pools/{pool}/decisions", a.decisions)
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return mux
}

type statusAnswer struct {
	Stack    string        `json:"stack"`
	Identity string        `json:"identity"`
	Leader   string        `json:"leader"` // empty when none is known
	Acting   bool          `json:"acting"`
	RoundAt  time.Time     `json:"roundAt,omitzero"`
	Pools    []spec.Status `json:"pools"`
}

func (a *Admin) status(w http.ResponseWriter, r *http.Request) {
	statuses, err := a.statuses(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	report, acting := a.Acting()
	a.answer(w, http.StatusOK, statusAnswer{a.Stack, a.Identity, a.Leader(), acting, report.RoundAt, statuses})
}

func (a *Admin) pools(w http.ResponseWriter, r *http.Request) {
	statuses, err := a.statuses(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	a.answer(w, http.StatusOK, statuses)
}

// statuses are the status documents of all pools: the own ones where this orchestrator acts.
func (a *Admin) statuses(ctx context.Context) ([]spec.Status, error) {
	statuses := []spec.Status{}
	if report, acting := a.Acting(); acting {
		for _, p := range report.Pools {
			statuses = append(statuses, p.Status)
		}
		return statuses, nil
	}
	kvs, err := a.Store.List(ctx, spec.StatusKey(a.Stack, ""))
	if err != nil {
		return nil, err
	}
	for _, kv := range kvs {
		var s spec.Status
		if err := json.Unmarshal(kv.Value, &s); err != nil {
			return nil, fmt.Errorf("read key %s: %w", kv.Key, err)
		}
		statuses = append(statuses, s)
	}
	return statuses, nil
}

type poolAnswer struct {
	Policy    spec.Policy      `json:"policy"`
	Status    spec.Status      `json:"status"`
	Instances []fleet.Instance `json:"instances,omitempty"`
	Inputs    *fleet.Inputs    `json:"inputs,omitempty"`
}

func (a *Admin) pool(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("pool")
	if report, acting := a.Acting(); acting {
		for _, p := range report.Pools {
			if p.Status.Pool == name {
				a.answer(w, http.StatusOK, poolAnswer{p.Policy, p.Status, p.Instances, &p.Inputs})
				return
			}
		}
		a.fail(w, noPool(name))
		return
	}
	var answer poolAnswer
	kv, err := a.Store.Get(r.Context(), spec.PoolKey(a.Stack, name))
	if errors.Is(err, consul.ErrNotFound) {
		err = noPool(name)
	}
	if err == nil {
		var p spec.Pool
		p, err = spec.ParsePool(kv.Value)
		answer.Policy = p.Policy
	}
	if err == nil {
		err = a.left(r.Context(), spec.StatusKey(a.Stack, name), &answer.Status)
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	a.answer(w, http.StatusOK, answer)
}

const defaultDecisions = 20

func (a *Admin) decisions(w http.ResponseWriter, r *http.Request) {
	name, limit := r.PathValue("pool"), defaultDecisions
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			a.fail(w, &requestError{http.StatusBadRequest, fmt.Sprintf("limit %q: want a number of at least 1", text)})
			return
		}
		limit = n
	}
	var decisions []fleet.Decision
	if report, acting := a.Acting(); acting {
		found := false
		for _, p := range report.Pools {
			if p.Status.Pool == name {
				decisions, found = p.Decisions, true
			}
		}
		if !found {
			a.fail(w, noPool(name))
			return
		}
	} else if err := a.left(r.Context(), spec.DecisionsKey(a.Stack, name), &decisions); err != nil {
		a.fail(w, err)
		return
	}
	newest := []fleet.Decision{}
	for i := len(decisions) - 1; i >= 0 && len(newest) < limit; i-- {
		newest = append(newest, decisions[i])
	}
	a.answer(w, http.StatusOK, newest)
}

// left reads what the acting orchestrator left under a key; v stays as it is when that is nothing.
func (a *Admin) left(ctx context.Context, key string, v any) error {
	kv, err := a.Store.Get(ctx, key)
	switch {
	case errors.Is(err, consul.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(kv.Value, v); err != nil {
		return fmt.Errorf("read key %s: %w", key, err)
	}
	return nil
}

func (a *Admin) healthz(w http.ResponseWriter, _ *http.Request) {
	if report, acting := a.Acting(); acting && !report.RoundAt.IsZero() && time.Since(report.RoundAt) > roundLimit {
		a.fail(w, &requestError{http.StatusServiceUnavailable, "no round since " + report.RoundAt.UTC().Format(time.RFC3339)})
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	if err := a.Ready(r.Context()); err != nil {
		a.fail(w, &requestError{http.StatusServiceUnavailable, err.Error()})
		return
	}
	fmt.Fprintln(w, "ok")
}

// requestError is a failure with the HTTP status it is answered with.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func noPool(name string) error {
	return &requestError{http.StatusNotFound, fmt.Sprintf("no pool %q", name)}
}

func (a *Admin) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		a.Log.Error("answer not written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asked may be gone
}

// fail answers with an error: the client's own as it is, Consul's silence as 503, anything else as 502.
func (a *Admin) fail(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var own *requestError
	switch {
	case errors.As(err, &own):
		status = own.status
	case errors.Is(err, consul.ErrUnavailable):
		status = http.StatusServiceUnavailable
	}
	a.answer(w, status, struct {
		Error string `json:"error"`
	}{strings.TrimSpace(err.Error())})
}
