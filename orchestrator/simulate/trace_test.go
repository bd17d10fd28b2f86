package simulate

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestReadTraceRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "0 rows",
		"t_s,rate\n":                            "0 rows",
		"t_s,rate\n0,1\n":                       "1 rows",
		"time;rate\n0,1\n":                      `line 1: header "time;rate"`,
		"0,1\n1,2\n":                            "line 1: header",
		"t_s,rate\n0,1\n1,NaN\n":                "line 3: rate \"NaN\"",
		"t_s,rate\n0,1\n1,-1\n":                 "line 3: rate \"-1\"",
		"t_s,rate\n0,1\n1,1e300\n":              "line 3: rate",
		"t_s,rate\n0,1\n1,+Inf\n":               "line 3: rate",
		"t_s,rate\nInf,1\n1,1\n":                "line 2: time",
		"t_s,rate\n0,1\n2,1\n1,1\n":             "line 4: time 1 is not after 2",
		"t_s,rate\n0,1\n1,1\n5,1\n":             "line 4: 4 s after the row before",
		"t_s,rate\n0,1\n1e9,1\n":                "line 3: a step of",
		"t_s,rate\n0,1\n1,1,1\n":                "line 3: \"1,1,1\"",
		"t_s,rate\n0,1\n\n1\n":                  "line 4: \"1\"",
		"t_s,rate\n" + strings.Repeat("9", 9e3): "line 2",
		"{}\n":                                  "line 1: want a decision",
		"{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":1}}\n{":                                                                      "line 2",
		"{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":-1}}\n":                                                                      "line 1: arrivalsPerSecond -1",
		"{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":1}}\n":                                                                       "over 1 s",
		"{\"at\":\"2026-01-01T00:01:00Z\",\"inputs\":{\"arrivalsPerSecond\":1}}\n{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":1}}": "line 2: 2026",
	} {
		if _, err := ReadTrace(strings.NewReader(text), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadTrace(bytes.NewReader(make([]byte, MaxTraceBytes+1)), "x"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestReadTrace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Trace{
		"t_s,rate\r\n60,1\r\n120,2.5\r\n180,0\r\n": {Step: time.Minute, Rates: []float64{1, 2.5, 0}},
		"time,value\n1767225600,1\n1767225615,2\n": {Step: 15 * time.Second, Rates: []float64{1, 2}},
		"{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":5}}\n{\"at\":\"2026-01-01T00:00:03Z\",\"inputs\":{\"arrivalsPerSecond\":7},\"kind\":\"hold\"}\n": {Step: time.Second, Rates: []float64{5, 5, 5, 7}},
	} {
		got, err := ReadTrace(strings.NewReader(text), "x")
		if err != nil || got.Step != want.Step || len(got.Rates) != len(want.Rates) {
			t.Fatalf("%q: %+v, %v, want %+v", text, got, err, want)
		}
		for i := range got.Rates {
			if got.Rates[i] != want.Rates[i] {
				t.Errorf("%q: rates %v, want %v", text, got.Rates, want.Rates)
			}
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add([]byte("t_s,rate\n0,1\n1,2\n"))
	f.Add([]byte("t_s,rate\n0,NaN\n-1,1e309\n"))
	f.Add([]byte("{\"at\":\"2026-01-01T00:00:00Z\",\"inputs\":{\"arrivalsPerSecond\":5}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := ReadTrace(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		if len(trace.Rates) < 2 || trace.Step < leastStep || trace.Step > mostStep {
			t.Fatalf("accepted %d steps of %v", len(trace.Rates), trace.Step)
		}
		for _, r := range trace.Smooth().Scale(1000).Rates {
			if !(r >= 0 && r < 1e6) {
				t.Fatalf("a rate of %v", r)
			}
		}
	})
}

// Noise goes, bursts and sums stay.
func TestSmooth(t *testing.T) {
	t.Parallel()
	noisy := Trace{Step: time.Second}
	for i := range 600 {
		rate := float64(i % 2 * 2) // one a second, in clumps of two
		if i == 300 {
			rate = 80
		}
		noisy.Rates = append(noisy.Rates, rate)
	}
	smooth := noisy.Smooth()
	if smooth.Rates[300] != 80 {
		t.Errorf("a burst became %v", smooth.Rates[300])
	}
	for _, i := range []int{0, 100, 500, 599} {
		if math.Abs(smooth.Rates[i]-1) > 0.1 {
			t.Errorf("the rate at %d is %v, want about 1", i, smooth.Rates[i])
		}
	}
	many := Trace{Step: time.Minute, Rates: []float64{10, 20, 10}}
	if got := many.Smooth().Rates; got[1] != 20 || got[0] != 10 {
		t.Errorf("many events became %v", got)
	}
}

func TestAround(t *testing.T) {
	t.Parallel()
	trace := Trace{Step: time.Minute, Rates: make([]float64, 1000)}
	trace.Rates[700] = 5
	part := trace.Around(100 * time.Minute)
	if len(part.Rates) != 100 || part.Rates[75] != 5 {
		t.Errorf("%d steps, want 100 with the peak at three quarters", len(part.Rates))
	}
	if all := trace.Around(time.Hour * 1000); len(all.Rates) != 1000 {
		t.Errorf("%d steps of a short trace", len(all.Rates))
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults("host@1h,dark@10m,slowboot@30m+5m")
	if err != nil || len(faults) != 3 || faults[0].String() != "dark@10m0s+1m0s" || faults[1].For != 5*time.Minute || faults[2].Kind != HostLoss {
		t.Errorf("%v, %v", faults, err)
	}
	for _, bad := range []string{"fire@1m", "dark", "dark@", "dark@-1m", "dark@1m+x", "dark@1m,"} {
		if _, err := ParseFaults(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
