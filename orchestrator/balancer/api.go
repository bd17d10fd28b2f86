package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ServiceStatus is the load of one service as HAProxy counts it, read when it was asked for. Counters are as in
// Backend: they start from 0 when HAProxy starts.
type ServiceStatus struct {
	Service   string                `json:"service"`
	Backend   string                `json:"backend"`
	SampledAt time.Time             `json:"sampledAt"`
	Arrivals  uint64                `json:"arrivals"` // counter of requests, on arrival: whatever became of them
	Queued    int                   `json:"queued"`   // waiting for an instance now, the held ones included
	Held      int                   `json:"held"`     // of Queued, those that wait for there to be an instance at all
	Current   int                   `json:"current"`  // waiting or being worked on now
	Rejected  uint64                `json:"rejected"` // counter of requests refused for want of capacity: no instance got them
	Errors    uint64                `json:"errors"`   // counter of requests answered with a status of 500 or more, without the rejected ones
	Failed    uint64                `json:"failed"`   // of Errors, about: an instance got the request and did not answer
	Retries   uint64                `json:"retries"`
	Servers   map[string]ServerLoad `json:"servers"` // by instance name
}

// ServerLoad is one instance's part of a ServiceStatus.
type ServerLoad struct {
	State    State  `json:"state"`
	Requests uint64 `json:"requests"` // counter of requests it was given
	Current  int    `json:"current"`
	Queued   int    `json:"queued"` // waiting for this very instance
}

// longestWait is the most that a question may wait for its answer.
const longestWait = 2 * time.Minute

// Handler serves the companion's HTTP API:
//
//	GET /v1/servers               every server and every instance that should be one, a list of ServerInfo
//	GET /v1/servers/{name}?wait=  one ServerStatus, at once or when it is drained, after wait (such as 5s) at the latest
//	GET /v1/services/{service}    a ServiceStatus, by the name of the Consul service. With ?wait=5s&held=0 it is sent when more
//	                              than so many requests are held, or after the wait: who wakes a pool need not ask often
//	GET /v1/backends/{backend}    the same, by the name of the HAProxy backend
//	GET /metrics                  Prometheus
//	GET /healthz                  200 while the process works
//	GET /readyz                   200 when HAProxy is as it should be and Consul has answered; else 503 and the reason
//
// An error is {"error": "..."}: 400 for a bad wait or held, 404 for what no route names, 503 when HAProxy does not answer.
func (b *Balancer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/servers", b.getServers)
	mux.HandleFunc("GET /v1/servers/{name}", b.getServer)
	mux.HandleFunc("GET /v1/services/{service}", func(w http.ResponseWriter, r *http.Request) {
		b.getLoad(w, r, func(route Route) bool { return route.Service == r.PathValue("service") })
	})
	mux.HandleFunc("GET /v1/backends/{backend}", func(w http.ResponseWriter, r *http.Request) {
		b.getLoad(w, r, func(route Route) bool { return route.Backend == r.PathValue("backend") })
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", b.getReady)
	return mux
}

func (b *Balancer) getServers(w http.ResponseWriter, r *http.Request) {
	servers, err := b.servers(r.Context())
	if err != nil {
		reply(w, http.StatusServiceUnavailable, problem(err.Error()))
		return
	}
	reply(w, http.StatusOK, servers)
}

// servers returns one look at everything, sorted by backend and name.
func (b *Balancer) servers(ctx context.Context) ([]ServerInfo, error) {
	all := []ServerInfo{}
	for _, r := range b.routes {
		var m memory
		if v := r.view.Load(); v != nil {
			m = v.memory
		}
		backend, err := b.proxy.Backend(ctx, r.Backend)
		if err != nil {
			return nil, err
		}
		add := func(name string, server Server, present bool) {
			info := infoOf(name, r.Backend, server, present, m)
			info.AsOf = backend.SampledAt
			all = append(all, info)
		}
		for _, server := range backend.Servers {
			add(server.Name, server, true)
		}
		for name := range m.serve {
			if _, present := backend.find(name); !present {
				add(name, Server{}, false)
			}
		}
	}
	slices.SortFunc(all, func(a, b ServerInfo) int {
		return strings.Compare(a.Backend+"\x00"+a.Name, b.Backend+"\x00"+b.Name)
	})
	return all, nil
}

func (b *Balancer) getServer(w http.ResponseWriter, r *http.Request) {
	wait, err := waitOf(r)
	if err != nil {
		reply(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	status, err := b.Drained(r.Context(), r.PathValue("name"), wait)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, problem(err.Error()))
		return
	}
	reply(w, http.StatusOK, status)
}

// waitOf is how long a question may wait for its answer; 0 when it does not say.
func waitOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > longestWait {
		return 0, fmt.Errorf("wait: want a duration from 0s to %s", longestWait)
	}
	return wait, nil
}

func (b *Balancer) getLoad(w http.ResponseWriter, r *http.Request, wanted func(Route) bool) {
	i := slices.IndexFunc(b.routes, func(r *route) bool { return wanted(r.Route) })
	if i < 0 {
		reply(w, http.StatusNotFound, problem("no route of that name: see -route"))
		return
	}
	wait, err := waitOf(r)
	held := 0
	if text := r.URL.Query().Get("held"); err == nil && text != "" {
		if held, err = strconv.Atoi(text); err != nil || held < 0 {
			err = errors.New("held: want a whole number, 0 or more")
		}
	}
	if err != nil {
		reply(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	for until := time.Now().Add(wait); ; {
		backend, err := b.routes[i].load(r.Context())
		switch {
		case err != nil:
			reply(w, http.StatusServiceUnavailable, problem(err.Error()))
			return
		case backend.Held > held || !time.Now().Before(until) || r.Context().Err() != nil:
			reply(w, http.StatusOK, loadOf(b.routes[i].Route, backend))
			return
		}
		select {
		case <-r.Context().Done():
		case <-time.After(heldLook):
		}
	}
}

// heldLook is the pause between two looks of one that waits for requests to be held.
const heldLook = 20 * time.Millisecond

func loadOf(r Route, b Backend) ServiceStatus {
	s := ServiceStatus{
		Service: r.Service, Backend: r.Backend, SampledAt: b.SampledAt,
		Arrivals: b.Arrivals, Queued: b.Queued + b.Held, Held: b.Held, Current: b.Current,
		Rejected: b.Rejected, Errors: b.Errors, Failed: b.Failed, Retries: b.Retries,
		Servers: make(map[string]ServerLoad, len(b.Servers)),
	}
	for _, server := range b.Servers {
		s.Servers[server.Name] = ServerLoad{
			State: server.State, Requests: server.Requests, Current: server.Current, Queued: server.Queued,
		}
	}
	return s
}

func (b *Balancer) getReady(w http.ResponseWriter, _ *http.Request) {
	for _, r := range b.routes {
		v := r.view.Load()
		switch {
		case v == nil:
			reply(w, http.StatusServiceUnavailable, problem("backend "+r.Backend+": "+errNotStarted.Error()))
			return
		case v.err != nil:
			reply(w, http.StatusServiceUnavailable, problem(v.err.Error()))
			return
		case v.memory.answeredAt.IsZero():
			reply(w, http.StatusServiceUnavailable, problem("service "+r.Service+": consul has not answered yet"))
			return
		}
	}
	w.Write([]byte("ok\n"))
}

func problem(text string) any {
	return struct {
		Error string `json:"error"`
	}{text}
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body) // the client has gone when it fails
}
