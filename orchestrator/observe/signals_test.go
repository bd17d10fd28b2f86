package observe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

func TestSignals(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		seconds := func() int { return int(time.Since(w.began).Seconds()) }
		query := "http://prom/api/v1/query?query=sum%28lag%29"
		w.serve("http://broker/metrics", func() string {
			return fmt.Sprintf("lag{p=\"1\"} 30\nlag{p=\"2\"} 12\ntaken_total %d\n", 7*seconds())
		})
		w.serve(query, func() string {
			return `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2.5"]},{"metric":{},"value":[1,"4"]}]}}`
		})
		w.declare(func(p *spec.Pool) {
			p.Balancers = nil
			p.Policy.Signals = []spec.Signal{
				{Name: "rps", Source: spec.SignalRPS, Target: 5},
				{Name: "depth", Source: spec.SignalInstances, Metric: "depth", Target: 5},
				{Name: "lag", Source: spec.SignalPage, URL: "http://broker/metrics", Metric: "lag", Target: 5},
				{Name: "taken", Source: spec.SignalPage, URL: "http://broker/metrics", Metric: "taken_total", Rate: true, Target: 5},
				{Name: "prom", Source: spec.SignalPrometheus, URL: "http://prom", Query: "sum(lag)", Target: 5},
				{Name: "done", Source: spec.SignalInstances, Metric: "done_total", Rate: true, Target: 5},
			}
		})
		for n := range 3 {
			w.boot("cse", n+1)
			w.serve(pageOf(n+1), func() string {
				return fmt.Sprintf("process_cpu_seconds_total 1\ndepth{q=\"a\"} %d\ndepth{q=\"b\"} 1\ndone_total %d\n", n, 10*seconds())
			})
		}
		time.Sleep(5*time.Second + 500*time.Millisecond)
		text := func() string {
			var words []string
			for _, r := range w.snapshot(o, "cse").Signals {
				word := fmt.Sprintf("%s=%.4g", r.Name, r.Value)
				if r.Problem != "" {
					word += "(" + r.Problem + ")"
				}
				if r.At.IsZero() {
					word += " never"
				}
				words = append(words, word)
			}
			return strings.Join(words, ", ")
		}
		if got, want := text(), "depth=6, lag=42, taken=7, prom=6.5, done=30"; got != want {
			t.Errorf("signals = %s, want %s", got, want)
		}
		w.do(func() {
			w.pages[pageOf(3)] = hangs
			w.pages["http://broker/metrics"] = hangs
		})
		w.serve(query, func() string { return `{"status":"success","data":{"resultType":"vector","result":[]}}` })
		time.Sleep(5 * time.Second)
		// Two of three tell 3 together, and grow by 20 a second.
		want := "depth=4.5, lag=42(no answer within 2s), taken=7(no answer within 2s), prom=6.5(prometheus has no value for the query), done=30"
		if got := text(); got != want {
			t.Errorf("signals in part = %s, want %s", got, want)
		}
		w.do(func() { w.pages[pageOf(2)] = hangs })
		time.Sleep(5 * time.Second)
		if got, want := text(), "depth=4.5(1 of 3 ready instances tell)"; !strings.HasPrefix(got, want) {
			t.Errorf("signals of few = %s, want %s first", got, want)
		}
	})
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       float64
		wantErr    string
	}{
		{"scalar", `{"status":"success","data":{"resultType":"scalar","result":[1.5,"3"]}}`, 3, ""},
		{"vector", `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"3"]},{"value":[1,"4"]}]}}`, 7, ""},
		{"no value", `{"status":"success","data":{"resultType":"vector","result":[]}}`, 0, "no value"},
		{"matrix", `{"status":"success","data":{"resultType":"matrix","result":[]}}`, 0, `"matrix": want a query with one value`},
		{"text", `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, 0, `"string"`},
		{"not a number", `{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`, 0, "finite"},
		{"negative", `{"status":"success","data":{"resultType":"scalar","result":[1,"-1"]}}`, 0, "finite"},
		{"a number where text belongs", `{"status":"success","data":{"resultType":"scalar","result":[1,2]}}`, 0, "read answer"},
		{"no data", `{"status":"success"}`, 0, `a "": want`},
		{"refused", `{"status":"error","error":"parse error"}`, 0, "refuses the query: parse error"},
		{"another page", "<html>", 0, "read answer"},
		{"endless", `{"status":"` + strings.Repeat("x", mostPromptBytes), 0, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseQuery(strings.NewReader(tt.text))
			if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("value %v, error %v, want %v and %q", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

// TestRedirects: a page may move on its host, but sends nobody elsewhere.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"http://broker/moved": "",
		"http://127.0.0.1/x":  "redirects to another host",
		"https://broker/x":    "redirects to another host",
		"http://broker/loop":  "redirects too often",
	} {
		observed(t, func(w *world, o *Observer) {
			w.serve("http://broker/metrics", func() string { return "redirect " + to })
			w.serve("http://broker/loop", func() string { return "redirect http://broker/loop" })
			w.serve("http://broker/moved", func() string { return "lag 3\n" })
			w.declare(func(p *spec.Pool) {
				p.Policy.Signals = []spec.Signal{{Name: "lag", Source: spec.SignalPage, URL: "http://broker/metrics", Metric: "lag", Target: 1}}
			})
			w.boot("cse", 1)
			time.Sleep(3 * time.Second)
			r := w.snapshot(o, "cse").Signals[0]
			if (r.Problem == "") != (want == "") || !strings.Contains(r.Problem, want) {
				t.Errorf("sent to %s: %+v, want problem %q", to, r, want)
			}
			w.do(func() {
				if w.asked["http://127.0.0.1/x"]+w.asked["https://broker/x"] > 0 {
					t.Error("it went where it was sent")
				}
			})
		})
	}
}
