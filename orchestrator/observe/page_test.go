package observe

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/viot-project/viot/infra/spec"
)

var metrics = spec.Metrics{Requests: "http_requests_total", CPUSeconds: "process_cpu_seconds_total", InFlight: "http_requests_in_flight"}

func TestParsePage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       page
		wantErr    string
	}{
		{"all", "# HELP http_requests_total x\n# TYPE http_requests_total counter\nhttp_requests_total 7\nprocess_cpu_seconds_total 1.5\nhttp_requests_in_flight 2\n",
			page{requests: 7, cpuSeconds: 1.5, inFlight: 2}, ""},
		{"summed over labels", "http_requests_total{code=\"200\"} 7\nhttp_requests_total{code=\"404\"} 3\n", page{requests: 10}, ""},
		{"braces and quotes in labels", `http_requests_total{path="/a{b}\"}c"} 4`, page{requests: 4}, ""},
		{"time stamp", "http_requests_total 4 1700000000000\n", page{requests: 4, stamp: 1.7e12}, ""},
		{"server errors by code", "http_requests_total{method=\"GET\",code=\"503\"} 2\nhttp_requests_total{code=\"200\"} 5\n", page{requests: 7, errors: 2}, ""},
		{"server errors by status", "http_requests_total{status=\"5xx\"} 2\nhttp_requests_total{status=\"2xx\"} 5\n", page{requests: 7, errors: 2}, ""},
		{"other labels", `http_requests_total{zipcode="50667",path="code=\"5"} 2`, page{requests: 2}, ""},
		{"bad time stamp", "http_requests_total 4 soon\n", page{}, `time stamp "soon"`},
		{"exponent", "http_requests_total 1.5e+06\n", page{requests: 1.5e6}, ""},
		{"carriage returns", "http_requests_total 4\r\nprocess_cpu_seconds_total 1\r\n", page{requests: 4, cpuSeconds: 1}, ""},
		{"longer names are others", "http_requests_total_created 9\nprocess_cpu_seconds_total 1\n", page{cpuSeconds: 1}, ""},
		{"no requests yet", "process_cpu_seconds_total 1\n", page{cpuSeconds: 1}, ""},
		{"another page", "up 1\n", page{}, "none of http_requests_total"},
		{"empty", "", page{}, "none of"},
		{"not a number", "http_requests_total many\n", page{}, `value "many"`},
		{"NaN", "http_requests_total NaN\n", page{}, `value "NaN"`},
		{"infinite", "process_cpu_seconds_total +Inf\n", page{}, `metric process_cpu_seconds_total: value "+Inf"`},
		{"negative", "http_requests_in_flight -1\n", page{}, `value "-1"`},
		{"no value", "http_requests_total{} \n", page{}, "no value"},
		{"labels without an end", "http_requests_total{code=\"200\n", page{}, "labels without an end"},
		{"endless line", "http_requests_total{a=\"" + strings.Repeat("x", mostLineBytes), page{}, "too long"},
		{"endless page", strings.Repeat("up 1\n", mostPageBytes/5+1), page{}, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parsePage(strings.NewReader(tt.text), metrics, nil)
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error = %v, want %q", err, tt.wantErr)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("page = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add("http_requests_total{code=\"200\"} 7\nprocess_cpu_seconds_total 1.5\n")
	f.Add("http_requests_total{a=\"\\\"}\"} NaN 3")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePage(strings.NewReader(text), metrics, nil)
		for _, v := range []float64{p.requests, p.cpuSeconds, p.inFlight} {
			if err != nil && v != 0 || math.IsNaN(v) || v < 0 {
				t.Errorf("page %+v with error %v", p, err)
			}
		}
	})
}
