package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/viot-project/viot/orchestrator/simulate"
)

func TestSimulateCompares(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace, policy, plot := filepath.Join(dir, "load.csv"), filepath.Join(dir, "policy.json"), filepath.Join(dir, "plot.svg")
	text := "t_s,rate\n"
	for i := range 10 {
		text += []string{"0", "60", "120", "180", "240", "300", "360", "420", "480", "540"}[i] + "," + []string{"100", "900"}[i/5] + "\n"
	}
	for path, content := range map[string]string{trace: text, policy: `{"min":2,"max":9,"targetUtilisation":0.5}`} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := call(t, "simulate", "-trace", trace, "-policy", "viot,hpa:target=0.6,down=60s,swarm,"+policy, "-plot", plot, "-o", "json", "-faults", "dark@1m", "-peak", "5")
	if err != nil {
		t.Fatal(err)
	}
	var results []simulate.Result
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Policy)
		if r.Seconds != 600 || r.InstanceHours <= 0 || r.Requests < 1000 || len(r.Series) == 0 {
			t.Errorf("%s: %+v", r.Policy, r)
		}
	}
	if got, want := strings.Join(names, " "), "viot hpa:target=0.6,down=60s swarm "+policy; got != want {
		t.Errorf("policies %q, want %q", got, want)
	}
	if text, err := os.ReadFile(plot); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("plot: %v", err)
	}
	if out, err = call(t, "simulate", "-trace", "step-x2", "-policy", "viot"); err != nil || strings.Count(out, "\n") != 2 {
		t.Errorf("table: %v\n%s", err, out)
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("t_s,rate\n0,1\n1,NaN\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"-trace FILE":          {},
		"line 3":               {"-trace", bad},
		"no such file":         {"-trace", bad + "x"},
		"there is no scaling":  {"-trace", "ramp", "-policy", "best"},
		"fault \"fire\"":       {"-trace", "ramp", "-faults", "fire"},
		"read objective":       {"-trace", "ramp", "-slo", "fast"},
		"want table or json":   {"-trace", "ramp", "-o", "xml"},
		"read policy":          {"-trace", "ramp", "-policy", bad + ".json"},
		"max 0: want at least": {"-trace", "ramp", "-max", "0"},
	} {
		if _, err := call(t, append([]string{"simulate"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
