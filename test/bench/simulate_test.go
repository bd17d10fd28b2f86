package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/orchestrator/simulate"
	"github.com/viot-project/viot/test/figure"
)

const (
	// mostOfTrace is how much of a long trace every setting is tried on: around its peak.
	mostOfTrace = 4 * 24 * time.Hour
	// busyAtPeak is how many instances' work a trace's peak is scaled to.
	busyAtPeak = 30
	// apart marks what is a stress case and part of no mean.
	apart = "attack"
)

// BenchmarkSimulate tries viot's one default configuration and every setting of every reference rule on each trace of
// the folder VIOT_TRACES, test/traces where it is not set, and on generated loads, and compares them at equal cost.
func BenchmarkSimulate(b *testing.B) {
	dir := root(b)
	var traces []simulate.Trace
	for _, name := range simulate.Generators() {
		t, err := simulate.Generate(name, 1)
		if err != nil {
			b.Fatal(err)
		}
		traces = append(traces, t)
	}
	files, err := filepath.Glob(filepath.Join(cmp.Or(os.Getenv("VIOT_TRACES"), filepath.Join(dir, "test", "traces")), "*.csv"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range files {
		if filepath.Base(path) == "INDEX.csv" {
			continue // names traces and is none
		}
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		t, err := simulate.ReadTrace(f, strings.TrimSuffix(filepath.Base(path), ".csv"))
		f.Close()
		if err != nil {
			b.Fatal(err)
		}
		traces = append(traces, t.Smooth().Around(mostOfTrace))
	}
	var comparisons []simulate.Comparison
	for _, t := range traces {
		c := simulate.Defaults()
		c.Trace = t.Scale(busyAtPeak * c.Service.Cores / c.Service.CPUSeconds)
		seeds := []uint64{1}
		if t.Length() <= 24*time.Hour {
			seeds = append(seeds, 2, 3)
		}
		began := time.Now()
		one, err := simulate.Compare(b.Context(), c, seeds)
		if err != nil {
			b.Fatal(err)
		}
		comparisons = append(comparisons, one)
		fmt.Printf("%s: %v of load, viot missed %.0f s at %.2f of the optimum's cost; %s\n", t.Name, t.Length(), one.Viot.ViolationSeconds, one.Viot.CostRatio,
			time.Since(began).Round(100*time.Millisecond))
		for _, a := range one.Against() {
			fmt.Printf("  %-8s at equal cost viot's misses over its: %.3f by default, %.3f at its best%s\n", a.Family, a.Default, a.Tuned, dominated(a))
		}
	}
	text, err := json.MarshalIndent(comparisons, "", " ")
	if err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(dir, "build", "bench")
	if err := os.MkdirAll(out, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "simulate-all.json"), text, 0o644); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"simulate-all.svg", "simulate-all.png"} {
		if err := simulate.PlotComparisons(filepath.Join(out, name), comparisons); err != nil {
			b.Fatal(err)
		}
	}
	var tuned, usual float64
	n, traceCount := 0, 0
	var worse []string
	for _, c := range comparisons {
		if strings.Contains(c.Trace, apart) {
			continue
		}
		traceCount++
		beaten := false
		for _, a := range c.Against() {
			tuned, usual, n = tuned+math.Log(a.Tuned), usual+math.Log(a.Default), n+1
			beaten = beaten || a.DominatedBy != ""
		}
		if beaten {
			worse = append(worse, c.Trace)
		}
	}
	ratio := func(key string, sum float64) figure.Value {
		return figure.Text(key, fmt.Sprintf("%.3f", math.Exp(sum/float64(n))))
	}
	print(b, "sim-violation-ratio", ratio("tuned", tuned), ratio("default", usual), figure.Count("traces", traceCount), figure.Count("pairs", n))
	print(b, "sim-dominated", figure.Count("traces_dominated", len(worse)), figure.Count("traces", traceCount), figure.Text("on", cmp.Or(strings.Join(worse, ","), "none")))
}

func dominated(a simulate.Against) string {
	if a.DominatedBy == "" {
		return ""
	}
	return "; dominated by " + a.DominatedBy
}
