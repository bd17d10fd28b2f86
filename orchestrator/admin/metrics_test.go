package admin

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	report := fleet.Report{Pools: []fleet.PoolReport{
		{
			Status: spec.Status{Pool: "cse", Standby: 2, Override: "paused"},
			Inputs: fleet.Inputs{Unready: 1, Shadow: &fleet.Shadow{Size: 7}, Votes: []fleet.Vote{
				{Voter: "demand", Need: 4}, {Voter: "slo", Need: 9, Abstains: true}, {Voter: "demand", Need: 5},
			}},
			Counts: map[fleet.Kind]int{fleet.ScaleOut: 3},
		},
		{Status: spec.Status{Pool: "other"}},
	}}
	m := NewMetrics(func() (fleet.Report, bool) { return report, true })
	m.Rounds.Observe(0.001)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`viot_pool_override{pool="cse"} 1`,
		`viot_pool_override{pool="other"} 0`,
		`viot_pool_shadow_size{pool="cse"} 7`,
		`viot_pool_standby{pool="cse"} 2`,
		`viot_pool_standby{pool="other"} 0`,
		`viot_pool_unready{pool="cse"} 1`,
		`viot_pool_unready{pool="other"} 0`,
		`viot_pool_votes{pool="cse",voter="demand"} 4`,
	} {
		if !strings.Contains(w.Body.String(), "\n"+want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, never := range []string{`viot_pool_shadow_size{pool="other"}`, `voter="slo"`} {
		if strings.Contains(w.Body.String(), never) {
			t.Errorf("metrics have %s", never)
		}
	}
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "viot_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
