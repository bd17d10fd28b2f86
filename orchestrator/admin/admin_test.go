package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// store is a Consul that holds what it is given, at index 1.
type store map[string]string

func (s store) PutIf(_ context.Context, key string, value []byte, index uint64) error {
	if _, there := s[key]; there != (index == 1) {
		return consul.ErrConflict
	}
	s[key] = string(value)
	return nil
}

func (s store) DeleteIf(_ context.Context, key string, _ uint64) error {
	delete(s, key)
	return nil
}

func (s store) Instances(context.Context, string, uint64, time.Duration) ([]consul.Instance, uint64, error) {
	return []consul.Instance{{ID: "viot-t-cse-4", Passing: true}}, 1, nil
}

func (s store) Get(_ context.Context, key string) (consul.KV, error) {
	if s == nil {
		return consul.KV{}, consul.ErrUnavailable
	}
	if v, ok := s[key]; ok {
		return consul.KV{Key: key, Value: []byte(v), ModifyIndex: 1}, nil
	}
	return consul.KV{}, consul.ErrNotFound
}

func (s store) List(_ context.Context, prefix string) (kvs []consul.KV, err error) {
	if s == nil {
		return nil, consul.ErrUnavailable
	}
	for k, v := range s {
		if strings.HasPrefix(k, prefix) {
			kvs = append(kvs, consul.KV{Key: k, Value: []byte(v)})
		}
	}
	return kvs, nil
}

func serve(t *testing.T, report *fleet.Report, s Store, ready error) *httptest.Server {
	acting := func() (fleet.Report, bool) {
		if report == nil {
			return fleet.Report{}, false
		}
		return *report, true
	}
	a := New(Admin{
		Stack: "t", Identity: "a", Leader: func() string { return "b" }, Acting: acting,
		Ready: func(context.Context) error { return ready }, Store: s, Registry: NewMetrics(acting).Registry, Log: hclog.NewNullLogger(),
		Access: Access{OpenWrites: true},
	})
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, server *httptest.Server, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func decisions(n int) (d []fleet.Decision) {
	for i := range n {
		d = append(d, fleet.Decision{Number: i + 1, Kind: fleet.ScaleOut, Cause: fmt.Sprintf("cause %d", i+1)})
	}
	return d
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	status := spec.Status{Pool: "cse", Desired: 3, Ready: 2, Cause: "needs 3", Leader: "b"}
	acting := &fleet.Report{RoundAt: time.Now(), Pools: []fleet.PoolReport{{
		Policy: spec.Policy{Min: 1, Max: 9}, Status: status, Decisions: decisions(30), Counts: map[fleet.Kind]int{fleet.ScaleOut: 30},
		Instances: []fleet.Instance{{Name: "viot-t-cse-1", State: fleet.Ready}}, Inputs: fleet.Inputs{Demand: 2.5},
	}}}
	stuck := &fleet.Report{RoundAt: time.Now().Add(-time.Hour)}
	left := store{
		spec.StatusKey("t", "cse"): marshal(t, status), spec.DecisionsKey("t", "cse"): marshal(t, decisions(30)),
		spec.PoolKey("t", "cse"): marshal(t, spec.Pool{
			Stack: "t", Name: "cse", Template: spec.Template{Image: "cse:1", Network: "net"},
			Service: spec.Service{Port: 8080}, Policy: spec.Policy{Min: 1, Max: 9, TargetUtilisation: 0.5},
		}),
	}
	tests := []struct {
		name   string
		report *fleet.Report
		store  Store
		path   string
		status int
		want   []string
	}{
		{"acting", acting, store{}, "/v1/status", 200, []string{`"acting": true`, `"leader": "b"`, `"identity": "a"`, `"desired": 3`}},
		{"acting", acting, store{}, "/v1/pools", 200, []string{`"pool": "cse"`, `"cause": "needs 3"`}},
		{"acting", acting, store{}, "/v1/pools/cse", 200, []string{`"max": 9`, `"viot-t-cse-1"`, `"demandErlang": 2.5`}},
		{"acting", acting, store{}, "/v1/pools/nope", 404, []string{`no pool \"nope\"`}},
		{"acting", acting, store{}, "/v1/pools/nope/decisions", 404, []string{"no pool"}},
		{"acting", acting, store{}, "/v1/pools/cse/decisions?limit=0", 400, []string{"want a number of at least 1"}},
		{"acting", acting, store{}, "/metrics", 200, []string{`viot_pool_desired{pool="cse"} 3`, `viot_pool_demand_erlang{pool="cse"} 2.5`,
			`viot_decisions_total{kind="scale-out",pool="cse"} 30`, "viot_acting 1", "viot_round_duration_seconds_count 0"}},
		{"acting", acting, store{}, "/healthz", 200, nil},
		{"standing by", nil, left, "/v1/status", 200, []string{`"acting": false`, `"desired": 3`}},
		{"standing by", nil, left, "/v1/pools", 200, []string{`"pool": "cse"`}},
		{"standing by", nil, left, "/v1/pools/cse", 200, []string{`"max": 9`, `"desired": 3`}},
		{"standing by", nil, left, "/v1/pools/nope", 404, []string{"no pool"}},
		{"standing by", nil, left, "/metrics", 200, []string{"viot_acting 0"}},
		{"standing by", nil, left, "/healthz", 200, nil},
		{"without Consul", nil, store(nil), "/v1/status", 503, []string{"consul does not answer"}},
		{"stuck", stuck, store{}, "/healthz", 503, []string{"no round since"}},
	}
	for _, tt := range tests {
		t.Run(tt.name+tt.path, func(t *testing.T) {
			t.Parallel()
			got, body := get(t, serve(t, tt.report, tt.store, nil), tt.path)
			if got != tt.status {
				t.Errorf("status = %d, want %d", got, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("answer lacks %s:\n%s", want, body)
				}
			}
		})
	}
	for name, server := range map[string]*httptest.Server{"acting": serve(t, acting, store{}, nil), "standing by": serve(t, nil, left, nil)} {
		for limit, want := range map[string]int{"": 20, "?limit=3": 3, "?limit=1000": 30} {
			_, body := get(t, server, "/v1/pools/cse/decisions"+limit)
			var got []fleet.Decision
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if len(got) != want || got[0].Number != 30 || got[0].Cause != "cause 30" {
				t.Errorf("%s: decisions%s = %d of them, first %+v; want %d, newest first", name, limit, len(got), got[0], want)
			}
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	if got, _ := get(t, serve(t, nil, store{}, nil), "/readyz"); got != 200 {
		t.Errorf("status = %d, want 200", got)
	}
	got, body := get(t, serve(t, nil, store{}, errors.New("cannot reach Docker")), "/readyz")
	if got != 503 || !strings.Contains(body, "cannot reach Docker") {
		t.Errorf("answer = %d %s, want 503 and the reason", got, body)
	}
}
