package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide"
)

// left is what was left about the pool's load; zero when nothing was.
func (w *world) left() (l decide.Learned) {
	w.do(func() {
		if kv, ok := w.kv[spec.LearnedKey(stack, service)]; ok {
			if err := json.Unmarshal(kv.Value, &l); err != nil {
				w.t.Error(err)
			}
		}
	})
	return l
}

func TestSuccessorKnowsWhatWasLearnt(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.bootTime = 3 * time.Second
		w.declare(nil)
		a := w.orchestrate(ctx, "a", 0)
		w.load(120)
		time.Sleep(3 * time.Minute)
		l := w.left()
		if math.Abs(l.ServiceSeconds-work) > work/5 || l.BootSeconds < 2.5 || l.BootSeconds > 4 || l.Season == nil {
			t.Fatalf("left: %+v, want a service time of 10ms, boots of 3s and the seasons", l)
		}
		a.kill()
		w.do(func() { // nothing else tells it
			w.rps, w.metricsAway = 0, true
			delete(w.kv, spec.DecisionsKey(stack, service))
		})
		b := w.orchestrate(ctx, "b", 0)
		for _, acting := b.Report(); !acting; _, acting = b.Report() {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		report, _ := b.Report()
		if in := report.Pools[0].Inputs; in.ServiceTimeSeconds != l.ServiceSeconds || math.Abs(in.BootSeconds-l.BootSeconds-2*l.BootOffSeconds) > 1e-6 {
			t.Errorf("the successor reckons with %vs and %vs, want %+v", in.ServiceTimeSeconds, in.BootSeconds, l)
		}
	})
}

// What viot's rule has learnt outlasts a time in which another is in force.
func TestLearntIsKeptWhileAnotherRuleIsInForce(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		o := w.orchestrate(ctx, "a", 0)
		w.load(120)
		time.Sleep(2 * time.Minute)
		w.declare(func(p *spec.Pool) { p.Policy.Algorithm = "keda" })
		time.Sleep(3 * time.Minute)
		l := w.left()
		if !l.Known() {
			t.Fatal("nothing is left")
		}
		o.kill()
		w.do(func() { w.metricsAway = true })
		w.orchestrate(ctx, "a", 0)
		time.Sleep(3 * time.Minute)
		if again := w.left(); again.ServiceSeconds != l.ServiceSeconds {
			t.Errorf("left by the successor: %+v, want %+v", again, l)
		}
	})
}

func TestLearntThatCannotBeIsIgnored(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		told bool
	}{
		{`{"serviceSeconds":`, true},
		{`{"bootSeconds": 3, "serviceSeconds": "long"}`, true},
		{`[]`, true},
		{`{"serviceSeconds": -1, "bootSeconds": 1e300, "season": {"steps": 2, "rates": [1], "seen": "AQ=="}}`, false},
		{fmt.Sprintf(`{"season": {"steps": %d, "rates": [], "seen": ""}}`, math.MaxInt), false},
		{fmt.Sprintf(`{"season": {"steps": %d, "rates": [1], "seen": "AQ=="}}`, 7905747460161236407), false}, // times 7 it is 1
	} {
		w := newWorld(t)
		w.set(spec.LearnedKey(stack, service), []byte(tt.text), "")
		var log bytes.Buffer
		l := &Loop{Stack: stack, Store: &client{w: w, identity: "a"}, Log: hclog.New(&hclog.LoggerOptions{Output: &log}), pools: map[string]*pool{}}
		p, err := l.pool(t.Context(), service)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.memory.Learned(); got.Known() {
			t.Errorf("%s: %+v, want nothing known", tt.text, got)
		}
		if told := strings.Contains(log.String(), spec.LearnedKey(stack, service)); told != tt.told {
			t.Errorf("%s: log %q, want it told: %t", tt.text, log.String(), tt.told)
		}
	}
}

// The largest that can be learnt fits into a value of Consul's, also as it is written in a transaction.
func TestLearntFits(t *testing.T) {
	t.Parallel()
	s := &decide.Season{Steps: 1440, Rates: make([]float32, 7*1440), Seen: make([]byte, 7*1440)}
	for i := range s.Rates {
		s.Rates[i], s.Seen[i] = 123456.79+float32(i)/3, 255
	}
	text, err := json.Marshal(decide.NewViot(decide.Learned{Season: s}).Learned())
	if err != nil || len(text) > mostLearned || len(text) < 100<<10 {
		t.Errorf("%d bytes, %v; want more than 100 KiB and at most %d", len(text), err, mostLearned)
	}
}
