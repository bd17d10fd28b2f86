package observe

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// TestLiars has one instance of two say what cannot be, from the sixth second on for two seconds: it must be named
// then, count for nothing, and be believed again when it has been sane for a while.
func TestLiars(t *testing.T) {
	t.Parallel()
	type told struct{ requests, cpu, inFlight, errors, stamp float64 }
	lie := func(change func(t *told, second float64)) func(float64) string {
		return func(second float64) string {
			v := told{requests: 100 * second, cpu: 0.4 * second, inFlight: 2, errors: second, stamp: 1000 * second}
			if second >= 6 && second < 8 {
				change(&v, second)
			}
			n := func(v float64) string { return fmt.Sprint(v) }
			return "http_requests_total{code=\"200\"} " + n(v.requests-v.errors) + " " + n(v.stamp) + "\nhttp_requests_total{code=\"500\"} " + n(v.errors) +
				"\nprocess_cpu_seconds_total " + n(v.cpu) + "\nhttp_requests_in_flight " + n(v.inFlight) + "\n"
		}
	}
	tests := []struct {
		name   string
		change func(t *told, second float64)
		want   string // in the reason; empty when it is no lie
	}{
		{"the truth", func(*told, float64) {}, ""},
		{"counter reset", func(v *told, _ float64) { v.requests = 5; v.errors = 0 }, "count of requests fell"},
		{"CPU reset", func(v *told, _ float64) { v.cpu = 0 }, "CPU time fell"},
		{"not a number", func(v *told, _ float64) { v.requests = math.NaN() }, `value "NaN"`},
		{"infinite", func(v *told, _ float64) { v.cpu = math.Inf(1) }, `value "+Inf"`},
		{"negative", func(v *told, _ float64) { v.inFlight = -3 }, `value "-3"`},
		{"more CPU than its limit", func(v *told, s float64) { v.cpu += 5 * s }, "cores where"},
		{"more requests than any process", func(v *told, s float64) { v.requests += 1e8 * s }, "requests/s"},
		{"more requests than it was given", func(v *told, s float64) { v.requests += 9000 * s }, "the balancers gave it"},
		{"more in flight than any process", func(v *told, _ float64) { v.inFlight = 1e12 }, "in flight"},
		{"time going back", func(v *told, _ float64) { v.stamp = 12 }, "time stamps go back"},
		{"frozen", func(v *told, _ float64) { v.requests, v.cpu, v.errors = 550, 2, 1 }, "have not moved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			observed(t, func(w *world, o *Observer) {
				seconds := func() float64 { return time.Since(w.began).Seconds() }
				honest, liar := lie(func(*told, float64) {}), lie(tt.change)
				if tt.name == "frozen" { // it stands still for longer than it takes to notice
					liar = func(s float64) string {
						if s >= 5 && s < 9 {
							s = 5
						}
						return honest(s)
					}
				}
				w.serve("http://lb/v1/services/cse", func() string {
					n := 100 * seconds()
					return fmt.Sprintf(`{"arrivals": %f, "queued": 0, "servers": {"viot-t-cse-1": {"requests": %f}, "viot-t-cse-2": {"requests": %f}}}`, 2*n, n, n)
				})
				w.serve(pageOf(1), func() string { return honest(seconds()) })
				w.serve(pageOf(2), func() string { return liar(seconds()) })
				w.declare(nil)
				w.boot("cse", 1)
				w.boot("cse", 2)
				named, second := "", 0.0
				for range 20 {
					time.Sleep(time.Second)
					second++
					s := w.snapshot(o, "cse")
					i := s.Instances[1]
					if s.Instances[0].Suspect != "" {
						t.Errorf("second %v: the honest one is not believed: %s", second, s.Instances[0].Suspect)
					}
					if i.Suspect != "" {
						if named == "" {
							named = i.Suspect
						}
						if i.RPS != 0 || i.CPU != 0 || i.Errors != 0 || s.Work.Fresh != 1 || !strings.Contains(s.Work.Problem, i.Name) {
							t.Errorf("second %v: %+v with %+v, want no figures of it and it named", second, i, s.Work)
						}
					}
					// Both do 100 requests a second at 4 ms; what is left out must be left out of all totals. Of one that stands
					// still the first seconds cannot be told from idleness.
					// Of one that stands still the first seconds cannot be told from idleness.
					if done := s.Work.InstanceSeconds; tt.name != "frozen" && (math.Abs(s.Work.Requests-100*done) > 1 || math.Abs(s.Work.CPUSeconds-0.4*done) > 0.01) {
						t.Errorf("second %v: work is %+v, want 100 requests and 0.4 s of CPU time each second", second, s.Work)
					}
				}
				if tt.want == "" && named != "" || !strings.Contains(named, tt.want) || tt.want != "" && named == "" {
					t.Errorf("it was named for %q, want %q", named, tt.want)
				}
				if s := w.snapshot(o, "cse"); s.Instances[1].Suspect != "" || s.Work.Fresh != 2 || s.Instances[1].RPS != 100 || s.Instances[1].Errors != 1 {
					t.Errorf("at the end: %+v with %+v, want it believed again", s.Instances[1], s.Work)
				}
			})
		})
	}
}

// TestMissingIsNotZero takes away one source after another and says what is handed over then.
func TestMissingIsNotZero(t *testing.T) {
	t.Parallel()
	// scene sets four instances up, takes something away, and gives the snapshot five seconds later.
	scene := func(t *testing.T, take func(w *world), check func(s fleet.Snapshot, err error)) {
		observed(t, func(w *world, o *Observer) {
			count := func() string { return fmt.Sprint(int(time.Since(w.began).Seconds() * 100)) }
			w.serve("http://lb/v1/services/cse", func() string { return `{"arrivals": ` + count() + `}` })
			w.declare(nil)
			for n := range 4 {
				w.boot("cse", n+1)
				w.serve(pageOf(n+1), func() string { return "http_requests_total " + count() + "\nprocess_cpu_seconds_total 1\n" })
			}
			time.Sleep(10 * time.Second)
			s := w.snapshot(o, "cse")
			if s.Work.Fresh != 4 || !s.Arrivals.Complete || s.Work.Problem+s.Arrivals.Problem+s.Stale != "" {
				t.Fatalf("at first: %+v %+v, want all known", s.Work, s.Arrivals)
			}
			take(w)
			time.Sleep(5 * time.Second)
			check(o.Snapshot("cse", nil, time.Now()))
		})
	}
	away := func(_ *http.Request) (string, error) { return "", io.ErrUnexpectedEOF }
	tests := []struct {
		name                     string
		take                     func(w *world)
		states                   string
		fresh                    int
		complete                 bool
		work, arrivals, stale, e string // in the problem of each
	}{
		{"half the pages", func(w *world) { w.do(func() { w.pages[pageOf(1)], w.pages[pageOf(2)] = away, hangs }) },
			"ready ready ready ready", 2, true, "metrics of viot-t-cse-1", "", "", ""},
		{"all pages", func(w *world) {
			w.do(func() {
				for n := range 4 {
					w.pages[pageOf(n+1)] = hangs
				}
			})
		}, "ready ready ready ready", 0, true, "no answer within 500ms", "", "", ""},
		{"the balancer", func(w *world) { w.do(func() { w.pages["http://lb/v1/services/cse"] = hangs }) },
			"ready ready ready ready", 4, false, "", "load balancer http://lb: no answer", "", ""},
		{"all readiness", func(w *world) {
			for n := range 4 {
				w.pass(spec.InstanceName("t", "cse", n+1), false)
			}
		}, "unready unready unready unready", 0, true, "", "", "", ""},
		{"Consul", func(w *world) { w.consul(true) }, "ready ready ready ready", 4, true, "", "", "drain journals", ""},
		{"Docker", func(w *world) {
			w.do(func() {
				w.engineAway = true
				for l := range w.listeners {
					close(l)
				}
			})
		}, "", 0, false, "", "", "", "containers are not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scene(t, tt.take, func(s fleet.Snapshot, err error) {
				if tt.e != "" {
					if err == nil || !strings.Contains(err.Error(), tt.e) {
						t.Errorf("error = %v, want %q", err, tt.e)
					}
					return
				}
				var got []string
				for _, i := range s.Instances {
					got = append(got, string(i.State))
				}
				if err != nil || strings.Join(got, " ") != tt.states || s.Work.Fresh != tt.fresh || s.Arrivals.Complete != tt.complete {
					t.Errorf("%v: instances %q, %d fresh, arrivals %+v, want %q, %d and complete %t", err, got, s.Work.Fresh, s.Arrivals, tt.states, tt.fresh, tt.complete)
				}
				for _, p := range [][2]string{{s.Work.Problem, tt.work}, {s.Arrivals.Problem, tt.arrivals}, {s.Stale, tt.stale}} {
					if (p[1] == "") != (p[0] == "") || !strings.Contains(p[0], p[1]) {
						t.Errorf("problem %q, want %q", p[0], p[1])
					}
				}
				if s.Arrivals.Total == 0 || s.Work.Requests == 0 {
					t.Errorf("totals are %v and %v: what was known must stay", s.Arrivals.Total, s.Work.Requests)
				}
			})
		})
	}
}

// TestSlowDoNotHoldUp reads very many instances of which most never answer: the others must be read every second.
func TestSlowDoNotHoldUp(t *testing.T) {
	t.Parallel()
	observed(t, func(w *world, o *Observer) {
		const n = 600
		w.declare(func(p *spec.Pool) { p.Balancers = nil; p.Policy.Max = n })
		for number := 1; number <= n; number++ {
			w.boot("cse", number)
			w.do(func() {
				w.pages[pageOf(number)] = hangs
				if number%10 == 0 {
					w.pages[pageOf(number)] = func(*http.Request) (string, error) { return "http_requests_total 1\n", nil }
				}
			})
		}
		time.Sleep(10 * time.Second)
		for second := range 10 {
			time.Sleep(time.Second)
			s := w.snapshot(o, "cse")
			for _, i := range s.Instances {
				if age := time.Since(i.SampledAt); i.Number%10 == 0 && age > 2*time.Second {
					t.Fatalf("second %d: %s was read %v ago", second, i.Name, age)
				}
			}
			if s.Work.Fresh != n/10 {
				t.Fatalf("second %d: %d are fresh, want %d", second, s.Work.Fresh, n/10)
			}
		}
	})
}
